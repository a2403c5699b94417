//! The intact records that are in the `.log` files before a start, and in none of them after it.
//!
//! Only what is lost is read: the stretches that no file holds any more. Where finished cleaning takes the place of segments,
//! these are held against what comes instead, batch by batch.

use std::collections::{BTreeMap, HashMap};

use super::picture::{Content, Picture, Stretch};
use crate::batch::Stop;
use crate::encoding::{Crc32, crc32c};
use crate::error::Result;
use crate::fs::Source;
use crate::inspect::HELD;
use crate::segment::{Frame, Resync, Scan, SegmentFile, SegmentName, Step};

/// Batches that are held against each other in one pass, some 32 bytes each.
const MAX_MATCHED: usize = 1 << 20;

/// How much is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// Records of data batches.
    pub(super) records: u64,
    /// Bytes of data and control batches.
    pub(super) bytes: u64,
}

impl Lost {
    fn add(&mut self, frame: &Frame<'_>) {
        let header = frame.header().filter(|header| !header.attributes().is_control());
        let records = header.map_or(0, |header| header.records_count());
        self.records = self.records.saturating_add(u64::try_from(records).unwrap_or(0));
        self.bytes = self.bytes.saturating_add(frame.len());
    }
}

/// What the folder has lost.
pub(super) fn lost(picture: &Picture<'_>) -> Result<Lost> {
    let mut kept: BTreeMap<&str, Vec<&Stretch>> = BTreeMap::new();
    let mut gained: Vec<&Stretch> = Vec::new();
    let now = picture.iter().filter(|(name, _)| is_log(name));
    for stretch in
        now.filter_map(|(_, content)| if let Content::Disk(stretch) = content { Some(stretch) } else { None })
    {
        if is_log(&stretch.name) {
            kept.entry(&stretch.name).or_default().push(stretch);
        } else {
            gained.push(stretch);
        }
    }
    let mut gone = Vec::new();
    for (name, len) in picture.on_disk().filter(|(name, _)| is_log(name)) {
        let mut stretches = kept.remove(name).unwrap_or_default();
        stretches.sort_by_key(|stretch| stretch.from);
        let mut at = 0;
        for stretch in stretches {
            gone.push(Stretch { name: name.to_owned(), from: at, to: stretch.from });
            at = at.max(stretch.to);
        }
        gone.push(Stretch { name: name.to_owned(), from: at, to: len });
    }
    gone.retain(|stretch| stretch.from < stretch.to);
    if gained.is_empty() || gone.is_empty() {
        let mut lost = Lost::default();
        each_of(picture, gone.iter(), |frame| lost.add(frame))?;
        return Ok(lost);
    }
    unmatched(picture, &gone, &gained)
}

/// Names of the `.log` files that are gone.
pub(super) fn replaced(picture: &Picture<'_>) -> Vec<String> {
    let gone = |(name, _): &(&str, u64)| is_log(name) && !picture.has(name);
    picture.on_disk().filter(gone).map(|(name, _)| name.to_owned()).collect()
}

/// Data records of the intact batches of a file.
pub(super) fn intact_records(log: &Source) -> Result<u64> {
    let mut found = Lost::default();
    each_intact(log, 0, |frame| found.add(frame))?;
    Ok(found.records)
}

/// Batches of `gone` that are not in `gained`, as often as they are there.
fn unmatched(picture: &Picture<'_>, gone: &[Stretch], gained: &[&Stretch]) -> Result<Lost> {
    let mut count = 0_usize;
    each_of(picture, gained.iter().copied(), |_| count = count.saturating_add(1))?;
    // More batches than fit are held against each other in shares, by their prints.
    let shares = count.div_ceil(MAX_MATCHED).max(1) as u64;
    let mut lost = Lost::default();
    for share in 0..shares {
        let of_share = |print: &u64| print % shares == share;
        let mut there: HashMap<u64, u32> = HashMap::new();
        each_of(picture, gained.iter().copied(), |frame| {
            if let Some(print) = print(frame).filter(of_share) {
                let times = there.entry(print).or_default();
                *times = times.saturating_add(1);
            }
        })?;
        each_of(picture, gone.iter(), |frame| {
            let Some(print) = print(frame).filter(of_share) else { return };
            match there.get_mut(&print) {
                Some(times) if *times > 0 => *times -= 1,
                _ => lost.add(frame),
            }
        })?;
    }
    Ok(lost)
}

/// What tells a batch from others: two checksums of all its bytes. Batches too large to hold are told by their head, which has
/// the checksum of the rest.
fn print(frame: &Frame<'_>) -> Option<u64> {
    let bytes = frame.bytes().unwrap_or(frame.head());
    let mut ieee = Crc32::default();
    ieee.update(bytes);
    Some(u64::from(crc32c(bytes)) << 32 | u64::from(ieee.finish()))
}

fn each_of<'s>(
    picture: &Picture<'_>,
    stretches: impl Iterator<Item = &'s Stretch>,
    mut each: impl FnMut(&Frame<'_>),
) -> Result<()> {
    for stretch in stretches {
        if let Some(source) = picture.original(&stretch.name)? {
            each_intact(&source.bounded(stretch.to), stretch.from, &mut each)?;
        }
    }
    Ok(())
}

/// Shows each batch of format 2 whose checksum fits, wherever it stands.
fn each_intact(log: &Source, from: u64, mut each: impl FnMut(&Frame<'_>)) -> Result<()> {
    let mut scan = Scan::starting_at(log.clone(), crate::units::FilePosition::new(from)).holding(HELD);
    loop {
        let is_intact = match scan.next()? {
            Step::Stop(Stop::End | Stop::Remainder { .. }) => return Ok(()),
            Step::Stop(_) => false,
            Step::Batch(frame) => {
                let is_intact = frame.magic() == 2 && frame.check_crc().is_ok();
                if is_intact {
                    each(&frame);
                }
                is_intact
            }
        };
        if !is_intact && !matches!(scan.resync()?, Resync::Found(_)) {
            return Ok(());
        }
    }
}

/// True for the names of `.log` files that Kafka itself would write.
fn is_log(name: &str) -> bool {
    let is = |name: &SegmentName| name.file == SegmentFile::Log && name.leftover.is_none() && name.is_canonical();
    SegmentName::parse(name).as_ref().is_some_and(is)
}
