//! Faults in the file of leader epochs.

use super::fault::Change;
use super::kind::{Kind, Planned};
use super::site::Site;
use crate::checkpoint::{EpochCheckpoint, EpochEntry};
use crate::error::Result;
use crate::units::{LeaderEpoch, Offset};

pub(super) const KINDS: &[Kind] = &[
    Kind::new("epochs-malformed", "a line of the leader-epoch file has no space", |s| {
        edit_text(s, |lines| lines.last_mut().is_some_and(|line| replace_space(line, ";")))
    }),
    Kind::new("epochs-bad-number", "an epoch of the leader-epoch file is no number", |s| {
        edit_text(s, |lines| lines.last_mut().is_some_and(|line| replace_space(line, "x ")))
    }),
    Kind::new("epochs-count-wrong", "the leader-epoch file counts three lines too many", |s| {
        edit_text(s, |lines| {
            let count = lines.len().saturating_add(1);
            lines.get_mut(1).is_some_and(|line| {
                *line = count.to_string();
                true
            })
        })
    }),
    Kind::new("epochs-version-1", "the leader-epoch file is of version 1", |s| {
        edit_text(s, |lines| {
            lines.first_mut().is_some_and(|line| {
                "1".clone_into(line);
                true
            })
        })
    }),
    Kind::new("epochs-empty", "the leader-epoch file has 0 bytes", |s| {
        Ok(rewrite(s, Vec::new())?.map(|change| vec![change]))
    }),
    Kind::new("epochs-missing", "the leader-epoch file is gone", |s| {
        Ok(s.removal(s.beside(EpochCheckpoint::FILE_NAME))?.map(|change| vec![change]))
    }),
    Kind::new("epochs-beyond-end", "an epoch begins behind the log's end", |s| {
        let end = s.log_end()?.unwrap_or(0);
        entries(s, |entries| {
            let epoch = entries.last().map_or(9, |(epoch, _)| epoch.saturating_add(7));
            entries.push((epoch, end.saturating_add(500)));
        })
    }),
    Kind::new("epochs-decreasing", "epochs do not increase", |s| {
        let (first, second) = thirds(s)?;
        entries(s, |entries| *entries = vec![(5, second), (3, first)])
    }),
    Kind::new("epochs-offset-decreasing", "an epoch begins before the one before", |s| {
        let (first, second) = thirds(s)?;
        entries(s, |entries| *entries = vec![(0, second), (2, first)])
    }),
    Kind::new("epochs-disagree", "the leader-epoch file says something else than the batches", |s| {
        let (first, _) = thirds(s)?;
        entries(s, |entries| {
            let epoch = entries.last().map_or(2, |(epoch, _)| *epoch).max(1);
            *entries = vec![(0, 0), (epoch, first.saturating_add(1))];
        })
    }),
];

/// A third and two thirds of the log's end.
fn thirds(site: &Site<'_>) -> Result<(i64, i64)> {
    let end = site.log_end()?.unwrap_or(0);
    Ok((end / 3, end / 3 * 2))
}

fn rewrite(site: &Site<'_>, new: Vec<u8>) -> Result<Option<Change>> {
    let file = site.beside(EpochCheckpoint::FILE_NAME);
    let Some(old) = site.read(&file)? else { return Ok(None) };
    Ok(site.rewritten(file, &old, &new))
}

/// The entries as pairs of epoch and first offset.
fn entries(site: &Site<'_>, change: impl Fn(&mut Vec<(i32, i64)>)) -> Planned {
    let file = site.beside(EpochCheckpoint::FILE_NAME);
    let Some(old) = site.read(&file)? else { return Ok(None) };
    let Ok(parsed) = EpochCheckpoint::parse(&old, &file) else { return Ok(None) };
    let mut pairs = parsed.entries.iter().map(|entry| (entry.epoch.get(), entry.start.get())).collect();
    change(&mut pairs);
    let new = pairs
        .into_iter()
        .map(|(epoch, start)| EpochEntry { epoch: LeaderEpoch::new(epoch), start: Offset::new(start) });
    let new = EpochCheckpoint { entries: new.collect() }.encode();
    Ok(site.rewritten(file, &old, &new).map(|change| vec![change]))
}

/// The lines of the file; `change` says whether it did something.
fn edit_text(site: &Site<'_>, change: fn(&mut Vec<String>) -> bool) -> Planned {
    let Some(old) = site.read(&site.beside(EpochCheckpoint::FILE_NAME))? else { return Ok(None) };
    let Ok(text) = std::str::from_utf8(&old) else { return Ok(None) };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if !change(&mut lines) {
        return Ok(None);
    }
    let new: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    Ok(rewrite(site, new.into_bytes())?.map(|change| vec![change]))
}

fn replace_space(line: &mut String, with: &str) -> bool {
    let new = line.replacen(' ', with, 1);
    let is_other = new != *line;
    *line = new;
    is_other
}
