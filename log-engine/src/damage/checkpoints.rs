//! Faults in the offset checkpoints at the root: recovery points, log starts, high watermarks, cleaned offsets.

use super::fault::Change;
use super::kind::{Kind, Planned};
use super::site::Site;
use crate::checkpoint::{OffsetCheckpoint, PartitionOffset};
use crate::error::Result;
use crate::units::{Offset, TopicPartition};

const RECOVERY_POINT: &str = OffsetCheckpoint::RECOVERY_POINT;
const LOG_START: &str = OffsetCheckpoint::LOG_START;
const HIGH_WATERMARK: &str = OffsetCheckpoint::HIGH_WATERMARK;
const CLEANER: &str = OffsetCheckpoint::CLEANER;

pub(super) const KINDS: &[Kind] = &[
    Kind::new("recovery-point-empty", "the file of recovery points has 0 bytes", |s| empty(s, RECOVERY_POINT)),
    Kind::new("recovery-point-missing", "the file of recovery points is gone", |s| missing(s, RECOVERY_POINT)),
    Kind::new("recovery-point-malformed", "a recovery point's line lacks a space", |s| line(s, RECOVERY_POINT, None)),
    Kind::new("recovery-point-bad-number", "a recovery point is no number", |s| line(s, RECOVERY_POINT, Some("x7"))),
    Kind::new("recovery-point-count", "the file of recovery points counts seven lines too many", |s| {
        head(s, RECOVERY_POINT, 1, 7)
    }),
    Kind::new("recovery-point-version", "the file of recovery points is of version 3", |s| {
        head(s, RECOVERY_POINT, 0, 3)
    }),
    Kind::new("recovery-point-beyond-end", "a recovery point lies behind the log's end", |s| {
        at_end(s, RECOVERY_POINT, 1000)
    }),
    Kind::new("recovery-point-negative", "a recovery point is negative", |s| offset(s, RECOVERY_POINT, |_| Some(-4))),
    Kind::new("recovery-point-zero", "a recovery point is 0", |s| offset(s, RECOVERY_POINT, |_| Some(0))),
    Kind::new("recovery-point-other-only", "the file of recovery points does not name the partition", |s| {
        offset(s, RECOVERY_POINT, |_| None)
    }),
    Kind::new("log-start-beyond-end", "the log's start lies behind its end", |s| at_end(s, LOG_START, 100)),
    Kind::new("log-start-at-end", "the log's start is its end", |s| at_end(s, LOG_START, 0)),
    Kind::new("log-start-middle", "the log's start lies in the middle of a segment", |s| {
        offset(s, LOG_START, |end| Some((end / 2).saturating_add(3)))
    }),
    Kind::new("log-start-malformed", "a log start's line lacks a space", |s| line(s, LOG_START, None)),
    Kind::new("log-start-bad-number", "a log start is no number", |s| line(s, LOG_START, Some("1e5"))),
    Kind::new("high-watermark-beyond-end", "the high watermark lies behind the log's end", |s| {
        at_end(s, HIGH_WATERMARK, 1000)
    }),
    Kind::new("high-watermark-zero", "the high watermark is 0", |s| offset(s, HIGH_WATERMARK, |_| Some(0))),
    Kind::new("high-watermark-malformed", "a high watermark's line lacks a space", |s| line(s, HIGH_WATERMARK, None)),
    Kind::new("high-watermark-bad-number", "a high watermark is no number", |s| line(s, HIGH_WATERMARK, Some("five"))),
    Kind::new("high-watermark-missing", "the file of high watermarks is gone", |s| missing(s, HIGH_WATERMARK)),
    Kind::new("cleaner-offset-malformed", "a cleaned offset's line lacks a space", |s| line(s, CLEANER, None)),
    Kind::new("cleaner-offset-beyond-end", "the cleaned offset lies behind the log's end", |s| at_end(s, CLEANER, 100)),
];

impl Site<'_> {
    /// What a checkpoint file of the root says of the partition.
    pub(super) fn offset_in(&self, name: &str) -> Result<Option<i64>> {
        let (Some(file), Some(partition)) = (self.at_root(name), self.partition()) else { return Ok(None) };
        let Some(bytes) = self.read(&file)? else { return Ok(None) };
        let Ok(parsed) = OffsetCheckpoint::parse(&bytes, &file) else { return Ok(None) };
        Ok(parsed.by_partition().get(partition).map(|offset| offset.get()))
    }
}

fn empty(site: &Site<'_>, name: &str) -> Planned {
    let Some(file) = site.at_root(name) else { return Ok(None) };
    let Some(old) = site.read(&file)? else { return Ok(None) };
    Ok(site.rewritten(file, &old, &[]).map(|change| vec![change]))
}

fn missing(site: &Site<'_>, name: &str) -> Planned {
    let Some(file) = site.at_root(name) else { return Ok(None) };
    Ok(site.removal(file)?.map(|change| vec![change]))
}

/// The partition's line says the log's end, and `more`.
fn at_end(site: &Site<'_>, name: &str, more: i64) -> Planned {
    let Some(end) = site.log_end()? else { return Ok(None) };
    rewrite(site, name, |checkpoint, partition| say(checkpoint, partition, Some(end.saturating_add(more))))
}

/// The partition's line says what `to` makes of the log's end; it goes if that is nothing.
fn offset(site: &Site<'_>, name: &str, to: fn(i64) -> Option<i64>) -> Planned {
    let offset = to(site.log_end()?.unwrap_or(0));
    rewrite(site, name, |checkpoint, partition| say(checkpoint, partition, offset))
}

fn say(mut checkpoint: OffsetCheckpoint, partition: &TopicPartition, offset: Option<i64>) -> Vec<u8> {
    checkpoint.entries.retain(|entry| entry.partition != *partition);
    let entry = |offset| PartitionOffset { partition: partition.clone(), offset: Offset::new(offset) };
    checkpoint.entries.extend(offset.map(entry));
    checkpoint.encode()
}

/// Writes the file anew, or for the first time.
fn rewrite(site: &Site<'_>, name: &str, new: impl FnOnce(OffsetCheckpoint, &TopicPartition) -> Vec<u8>) -> Planned {
    let (Some(file), Some(partition)) = (site.at_root(name), site.partition()) else { return Ok(None) };
    let Some(old) = site.read(&file)? else {
        let new = new(OffsetCheckpoint::default(), partition);
        return Ok(site.is_free(&file)?.then(|| vec![Change::NewFile { file, bytes: new }]));
    };
    let Ok(checkpoint) = OffsetCheckpoint::parse(&old, &file) else { return Ok(None) };
    let new = new(checkpoint, partition);
    Ok(site.rewritten(file, &old, &new).map(|change| vec![change]))
}

/// The partition's line says a word in the place of an offset; without one, what stands before the offset runs into it.
fn line(site: &Site<'_>, name: &str, word: Option<&str>) -> Planned {
    let old = site.offset_in(name)?.unwrap_or(5);
    rewrite(site, name, |mut checkpoint, partition| {
        let topic = &partition.topic;
        checkpoint.entries.retain(|entry| entry.partition != *partition);
        let bytes = checkpoint.encode();
        let others = String::from_utf8_lossy(&bytes);
        let others: String = others.lines().skip(2).flat_map(|line| [line, "\n"]).collect();
        let count = checkpoint.entries.len().saturating_add(1);
        let odd = match word {
            Some(word) => format!("{topic} {} {word}", partition.partition),
            None => format!("{topic} {}:{old}", partition.partition),
        };
        format!("0\n{count}\n{others}{odd}\n").into_bytes()
    })
}

/// Line `n` says a number that is `more` than it was.
fn head(site: &Site<'_>, name: &str, n: usize, more: u64) -> Planned {
    let Some(file) = site.at_root(name) else { return Ok(None) };
    let Some(old) = site.read(&file)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&old);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let Some(line) = lines.get_mut(n) else { return Ok(None) };
    let Ok(number) = line.parse::<u64>() else { return Ok(None) };
    *line = number.saturating_add(more).to_string();
    let new: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    Ok(site.rewritten(file, &old, new.as_bytes()).map(|change| vec![change]))
}
