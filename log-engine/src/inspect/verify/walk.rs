//! The one walk over a segment's `.log`, and those who look on: B001 to B004, B009, B013.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use super::VerifyLevel;
use super::batch::Seen;
use super::code::FindingCode;
use super::epochs::SegmentEpochs;
use super::finding::{Findings, Place, Severity};
use super::offset_index::OffsetIndexCheck;
use super::offsets::Offsets;
use super::plan::SegmentPlan;
use super::producers::Feed;
use super::slots::Slots;
use super::time_index::TimeIndexCheck;
use super::{offset_index, records, time_index};
use crate::batch::{Scratch, Stop};
use crate::error::{Result, Rule};
use crate::fs::{Fs, Source};
use crate::inspect::HELD;
use crate::segment::{Frame, MAX_BUFFERED_BATCH, Resync, Scan, SegmentFile, Step};
use crate::units::FilePosition;

/// A timestamp so far ahead of the clock is wrong: one year, in milliseconds.
const FAR_AHEAD: i64 = 366 * 86_400_000;
/// Timestamps before 2001 are no times of records.
const FIRST_TIME: i64 = 978_307_200_000;
/// Bytes that are walked between two reports of how far the work is.
const REPORT: u64 = 1 << 20;
/// Batches are decompressed up to this size while others are walked beside them.
const HELD_DECOMPRESSED: usize = 4 << 20;
/// Bytes read at a time to see whether a tail is all zeros.
const PIECE: usize = 64 << 10;

/// What is known of a segment once it was walked.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) findings: Findings,
    /// Bytes of the `.log`.
    pub(super) bytes: u64,
    /// Sound batches.
    pub(super) batches: u64,
    /// Data records in them; not those of control batches.
    pub(super) records: u64,
    pub(super) offsets: Offsets,
    pub(super) epochs: SegmentEpochs,
    /// The last sound batch does not end where the file ends.
    pub(super) tail_is_damaged: bool,
    /// Only the cleaner leaves such batches.
    pub(super) shows_cleaning: bool,
    /// Some batch names a producer.
    pub(super) has_producers: bool,
    /// Where the last sound batch begins.
    pub(super) last_batch: u64,
    /// The offset index is there and has no byte.
    pub(super) index_is_empty: bool,
    /// The offset index is longer than the batches can have filled, and ends empty, though the next start does not make it anew.
    pub(super) index_is_padded: bool,
    /// Entries of the offset index past the end of the log.
    pub(super) index_beyond: Findings,
    /// Entries of the time index for offsets past the end of the log.
    pub(super) times_beyond: Findings,
}

/// Bytes that are no sound batch.
struct Damage {
    code: FindingCode,
    severity: Severity,
    message: String,
}

/// Damage that was told, of which it is not yet known what follows.
struct Hole {
    /// Where its finding is listed.
    listed: usize,
    /// Where the next sound batch stands.
    next: Option<u64>,
    /// Sound batches before it.
    batches: u64,
}

impl Hole {
    /// What follows it in a segment of so many sound batches, and behind that segment.
    fn followers(&self, batches: u64, segments: usize) -> String {
        let here = match (self.next, batches.saturating_sub(self.batches)) {
            (None, _) => String::new(),
            (Some(next), 1) => format!("; 1 sound batch follows in this segment, at byte {next}"),
            (Some(next), batches) => {
                format!("; {batches} sound batches follow in this segment, the first at byte {next}")
            }
        };
        match (self.next, segments) {
            (_, 0) => here,
            (Some(_), 1) => format!("{here}, then 1 segment"),
            (Some(_), _) => format!("{here}, then {segments} segments"),
            (None, 1) => "; 1 segment follows".to_owned(),
            (None, _) => format!("; {segments} segments follow"),
        }
    }
}

/// Walks one segment. Producers are shown to `feed` at the deep level.
pub(super) fn walk(fs: &dyn Fs, plan: &SegmentPlan, feed: &mut Feed<'_>, done: &AtomicU64) -> Result<Walked> {
    let source = Source::open(fs, &plan.path(SegmentFile::Log))?;
    let mut walker = Walker::open(fs, plan, feed, source.len())?;
    let mut scan = Scan::new(source.clone()).holding(HELD);
    let mut unreported = 0;
    loop {
        let (position, damage) = match scan.next()? {
            Step::Stop(Stop::End) => break,
            Step::Stop(stop) => (scan.position().get(), walker.stopped(&scan, stop)?),
            Step::Batch(frame) => match damage_of(&frame) {
                None => {
                    if walker.is_to_be_held(&frame) {
                        walker.alone(source.clone(), frame.position())?;
                    } else {
                        walker.batch(&frame)?;
                    }
                    unreported += frame.len();
                    if unreported >= REPORT {
                        done.fetch_add(std::mem::take(&mut unreported), Ordering::Relaxed);
                    }
                    continue;
                }
                Some(damage) => (frame.position().get(), damage),
            },
        };
        let found = scan.resync()?;
        if !walker.damaged(position, damage, found) {
            break;
        }
    }
    done.fetch_add(unreported, Ordering::Relaxed);
    walker.finish()
}

/// What is wrong with a whole frame.
fn damage_of(frame: &Frame<'_>) -> Option<Damage> {
    let rule = frame.check_crc().err()?.rule;
    let end = frame.end();
    let (code, message) = match rule {
        Rule::SizeTooSmall { size, minimum } => {
            (FindingCode::B002, format!("batch size {size} is below the minimum of {minimum}"))
        }
        _ if frame.magic() < 0 => (FindingCode::B004, format!("message format {} is unknown; {rule}", frame.magic())),
        rule => (FindingCode::B001, format!("batch at offset {} up to byte {end}: {rule}", frame.offset())),
    };
    Some(Damage { code, severity: Severity::Error, message })
}

struct Walker<'a, 'f> {
    plan: &'a SegmentPlan,
    feed: &'a mut Feed<'f>,
    walked: Walked,
    index: Option<OffsetIndexCheck>,
    times: Option<TimeIndexCheck>,
    scratch: Scratch,
    /// At most as many as findings are listed.
    holes: Vec<Hole>,
    /// Later timestamps than this are wrong.
    latest: i64,
}

impl<'a, 'f> Walker<'a, 'f> {
    fn open(fs: &dyn Fs, plan: &'a SegmentPlan, feed: &'a mut Feed<'f>, len: u64) -> Result<Self> {
        let mut walked = Walked { bytes: len, offsets: Offsets::new(), ..Walked::default() };
        let latest = plan.facts.now.get().saturating_add(FAR_AHEAD);
        let open = |file: SegmentFile| Source::open(fs, &plan.path(file));
        // Nothing can be held against the indexes of a closed segment that lost its log.
        let has_log = len > 0 || plan.is_last();
        let index = match plan.files.offset_index.filter(|_| has_log) {
            None if !has_log => None,
            None => {
                offset_index::missing(&plan.file(SegmentFile::OffsetIndex), plan, &mut walked.findings);
                None
            }
            Some(_) => {
                let source = open(SegmentFile::OffsetIndex)?;
                walked.index_is_empty = source.is_empty();
                Some(OffsetIndexCheck::new(Slots::new(source), plan, len))
            }
        };
        let times = match plan.files.time_index.filter(|_| has_log) {
            None if !has_log => None,
            None => {
                time_index::missing(&plan.file(SegmentFile::TimeIndex), plan, &mut walked.findings);
                None
            }
            Some(_) => Some(TimeIndexCheck::new(Slots::new(open(SegmentFile::TimeIndex)?), plan, latest)),
        };
        Ok(Self {
            plan,
            feed,
            walked,
            index,
            times,
            scratch: Scratch::with_limit(HELD_DECOMPRESSED),
            holes: Vec::new(),
            latest,
        })
    }

    /// True for a batch of which more is needed than its head, though the walk does not hold it.
    fn is_to_be_held(&self, frame: &Frame<'_>) -> bool {
        let is_looked_into = self.plan.facts.level == VerifyLevel::Deep || frame.magic() < 2;
        is_looked_into && frame.bytes().is_none() && frame.len() <= MAX_BUFFERED_BATCH as u64
    }

    /// Shows a sound batch to all, with as much memory as it takes; nobody else has so much meanwhile.
    fn alone(&mut self, source: Source, position: FilePosition) -> Result<()> {
        // Who has the permit must not wait for who may be waiting for it.
        self.feed.make_room(&mut self.walked.findings)?;
        let facts = Arc::clone(&self.plan.facts);
        let _permit = facts.large_batches.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = std::mem::take(&mut self.scratch);
        let mut scan = Scan::starting_at(source, position);
        if let Step::Batch(frame) = scan.next()? {
            self.batch(&frame)?;
        }
        self.scratch = scratch;
        Ok(())
    }

    /// Shows a sound batch to all.
    fn batch(&mut self, frame: &Frame<'_>) -> Result<()> {
        let Some(seen) = Seen::of(frame) else { return Ok(()) };
        let (plan, out) = (self.plan, &mut self.walked.findings);
        format_of(&seen, plan, out);
        self.walked.batches = self.walked.batches.saturating_add(1);
        self.walked.last_batch = seen.position;
        self.walked.shows_cleaning |= seen.shows_cleaning();
        timestamp(&seen, self.latest, plan, out);
        let offsets_fit = self.offsets(&seen)?;
        if offsets_fit {
            self.walked.epochs.batch(&seen, plan, &mut self.walked.findings);
        }
        self.records(&seen);
        if let Some(header) = seen.header.filter(|header| header.producer_id().get() != -1) {
            self.walked.has_producers = true;
            if plan.facts.level == VerifyLevel::Deep && offsets_fit {
                self.feed.batch(header, &seen, &mut self.scratch, &mut self.walked.findings)?;
            }
        }
        Ok(())
    }

    /// Shows a batch to those who look at offsets; whether its own make sense.
    fn offsets(&mut self, seen: &Seen<'_>) -> Result<bool> {
        let (plan, out) = (self.plan, &mut self.walked.findings);
        if !self.walked.offsets.batch(seen, plan, out) {
            // Neither index can be held against an offset that is wrong itself.
            self.lose(seen.frame.end().get());
            return Ok(false);
        }
        if let Some(index) = &mut self.index {
            index.batch(seen, &self.walked.offsets, plan, out)?;
        }
        if let Some(times) = &mut self.times {
            times.batch(seen, &self.walked.offsets, plan, out)?;
        }
        Ok(true)
    }

    /// Counts the records of a batch; at the deep level it looks at each.
    fn records(&mut self, seen: &Seen<'_>) {
        let records = match seen.record_count() {
            // What an unknown format holds is not known either.
            _ if self.plan.facts.level == VerifyLevel::Deep && seen.frame.magic() <= 2 => {
                records::check(seen, &mut self.scratch, self.plan, &mut self.walked.findings)
            }
            None => records::count_inner(seen, &mut self.scratch, self.plan),
            counted => counted,
        };
        if !seen.is_control() {
            let records = records.or(seen.record_count()).unwrap_or(0);
            self.walked.records = self.walked.records.saturating_add(records);
        }
    }

    /// Bytes up to `until` tell nothing about offsets and times.
    fn lose(&mut self, until: u64) {
        self.walked.offsets.damage();
        if let Some(index) = &mut self.index {
            index.damage(until);
        }
        if let Some(times) = &mut self.times {
            times.damage();
        }
    }

    /// What it means that no batch stands at the walk's position.
    fn stopped(&self, scan: &Scan, stop: Stop) -> Result<Damage> {
        let left = scan.left();
        let in_flight = self.plan.facts.in_use && self.plan.is_last();
        let tail = if in_flight { Severity::Info } else { self.plan.tail_weight() };
        let or_in_flight = if in_flight { "; the broker is writing it" } else { "" };
        let (code, severity, message) = match stop {
            Stop::PastEnd { size, left } => (
                FindingCode::B003,
                tail,
                format!("batch promises {} bytes, but the file ends after {left}{or_in_flight}", i64::from(size) + 12),
            ),
            Stop::Size { .. } if is_zero_to_end(scan)? => {
                (FindingCode::B013, tail, format!("{left} zero bytes follow the last batch{or_in_flight}"))
            }
            Stop::Size { size } => {
                (FindingCode::B002, Severity::Error, format!("batch size {size} is below the minimum of 14"))
            }
            Stop::Remainder { .. } | Stop::End => (
                FindingCode::B013,
                tail,
                format!("{left} bytes follow the last batch, too few to be one{or_in_flight}"),
            ),
        };
        Ok(Damage { code, severity, message })
    }

    /// Notes damage at `position`; whether a sound batch follows behind it.
    fn damaged(&mut self, position: u64, damage: Damage, found: Resync) -> bool {
        let Damage { code, mut severity, mut message } = damage;
        let next = match found {
            Resync::Found(next) => {
                // Not an end, but a hole.
                severity = Severity::Error;
                Some(next.get())
            }
            Resync::None => None,
            Resync::GaveUp(at) => {
                message = format!("{message}; the search for the next sound batch was given up at byte {at}");
                None
            }
        };
        let place = Place::at(&self.plan.log, position);
        let place = match self.walked.offsets.highest() {
            Some(highest) => place.offset(highest.saturating_add(1)),
            None => place.offset(self.plan.base.get()),
        };
        if let Some(listed) = self.walked.findings.add_listed(code, severity, place, || message) {
            self.holes.push(Hole { listed, next, batches: self.walked.batches });
        }
        self.walked.tail_is_damaged = next.is_none();
        self.lose(next.unwrap_or(self.walked.bytes));
        self.feed.damage();
        next.is_some()
    }

    fn finish(mut self) -> Result<Walked> {
        let (plan, out) = (self.plan, &mut self.walked.findings);
        for hole in &self.holes {
            out.amend(hole.listed, &hole.followers(self.walked.batches, plan.segments_behind));
        }
        if let Some(mut index) = self.index.take() {
            index.finish(plan, out)?;
            self.walked.index_is_padded = index.is_padded(self.walked.batches);
            self.walked.index_beyond = index.into_beyond();
        }
        if let Some(times) = self.times.take() {
            self.walked.times_beyond = times.finish(self.walked.offsets.highest(), plan, out)?;
        }
        Ok(self.walked)
    }
}

/// B004 for batches that are laid out as a known format but call themselves another, or an old one.
fn format_of(seen: &Seen<'_>, plan: &SegmentPlan, out: &mut Findings) {
    let magic = seen.frame.magic();
    let place = Place::at(&plan.log, seen.position).offset(seen.lowest());
    match magic {
        2 => {}
        0 | 1 => out.add(FindingCode::B004, Severity::Info, place, || format!("message of the old format {magic}")),
        _ => out.add(FindingCode::B004, Severity::Error, place, || {
            format!("message format {magic} is unknown; 2 is the latest")
        }),
    }
}

/// B009.
fn timestamp(seen: &Seen<'_>, latest: i64, plan: &SegmentPlan, out: &mut Findings) {
    let time = seen.max_timestamp;
    let place = Place::at(&plan.log, seen.position).offset(seen.lowest());
    if time > latest {
        out.add(FindingCode::B009, Severity::Warning, place, || {
            format!("latest timestamp is {time}, more than a year ahead of the clock")
        });
    } else if time < FIRST_TIME {
        out.add(FindingCode::B009, Severity::Info, place, || format!("latest timestamp is {time}, before 2001"));
    }
}

/// Whether nothing but zeros follows the walk's position. Holes of a sparse file are not read.
fn is_zero_to_end(scan: &Scan) -> Result<bool> {
    let source = scan.source();
    let mut position = scan.position().get();
    let mut piece = vec![0; PIECE];
    while let Some(data) = source.next_data(position)? {
        let read = source.read_at(&mut piece, data)?;
        if piece.iter().take(read).any(|byte| *byte != 0) {
            return Ok(false);
        }
        if read == 0 {
            break;
        }
        position = data.saturating_add(read as u64);
    }
    Ok(true)
}

/// The files of a segment whose batches are not looked at: names and sizes.
pub(super) fn glance(plan: &SegmentPlan) -> Result<Walked> {
    let mut walked = Walked { bytes: plan.files.log.unwrap_or(0), ..Walked::default() };
    let out = &mut walked.findings;
    let sized: [(SegmentFile, Option<u64>, u64, FindingCode); 2] = [
        (SegmentFile::OffsetIndex, plan.files.offset_index, 8, FindingCode::I001),
        (SegmentFile::TimeIndex, plan.files.time_index, 12, FindingCode::T001),
    ];
    for (kind, len, step, code) in sized {
        let file: PathBuf = plan.file(kind);
        match len {
            None if kind == SegmentFile::OffsetIndex => offset_index::missing(&file, plan, out),
            None => time_index::missing(&file, plan, out),
            Some(len) if len % step != 0 => {
                out.add(code, Severity::Warning, Place::at(&file, len / step * step), || {
                    format!("size {len} is no multiple of {step}")
                });
            }
            Some(_) => {}
        }
    }
    Ok(walked)
}
