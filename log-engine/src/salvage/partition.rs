//! One partition from its copies to its output.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use super::aside::Aside;
use super::chain::{Chosen, choose};
use super::commit::Workplace;
use super::history::{epochs_of, with_empty_epochs};
use super::hole::{Cause, Hole};
use super::merge::{Merged, merge, source_of};
use super::output::{Gap, Output, Written};
use super::refused::{Refused, SalvageError};
use super::replica::{Replica, refuse_strangers};
use super::report::{Lost, PartitionReport, SetAside, SourceReport, Unreadable, WhyLost};
use super::run::{Place, Run, divide};
use super::survey::{Shared, join_cleaned, survey};
use super::syncer::Syncer;
use super::{SalvageRequest, SalvageSource, lost};
use crate::error::Result;
use crate::fs::{Fs, WriteFs};
use crate::inspect::{Target, VerifyLevel, VerifyOptions, verify};
use crate::log::{PartitionDirectory, parallel};
use crate::segment::SegmentFile;
use crate::units::{Offset, TopicPartition};

/// A partition whose copies hold more runs of batches than this, because they are damaged in so many places, is refused.
pub const MAX_RUNS: usize = 1 << 19;

/// Bytes of index entries, snapshots and small files for so many bytes of batches, at most.
const BATCH_BYTES_AN_INDEX_BYTE: u64 = 128;
/// What the small files of a partition take at most, apart from that.
const SMALL_FILES: u64 = 1 << 20;

/// Bytes that are no batch, and the offsets between which they lie in their own copy.
#[derive(Debug)]
struct Framed {
    hole: Hole,
    from: Option<Offset>,
    until: Option<Offset>,
}

/// What is there of a partition, and what was decided about it.
#[derive(Debug)]
pub(super) struct Surveyed {
    replicas: Vec<Replica>,
    merged: Merged,
    holes: Vec<Framed>,
    is_cleaned: bool,
    /// What was asked for.
    range: Range<Offset>,
}

impl Surveyed {
    /// Looks at all copies and decides. Writes nothing.
    pub(super) fn look(
        fs: &dyn Fs,
        sources: &[SalvageSource],
        request: &SalvageRequest,
        done: &AtomicU64,
    ) -> Result<Self, SalvageError> {
        let mut replicas = Vec::new();
        for source in sources {
            replicas.push(Replica::open(fs, source.folder.clone(), source.only)?);
        }
        refuse_strangers(&replicas)?;
        let is_cleaned = replicas.iter().any(|replica| replica.checkpoints.cleaner.is_some());
        let shared = Shared::new(is_cleaned, done);
        let places: Vec<Place> = replicas
            .iter()
            .enumerate()
            .flat_map(|(n, it)| (0..it.segments.len()).map(move |segment| Place { replica: n, segment }))
            .collect();
        let looked = parallel(request.jobs, &places, |place| {
            let segment = replicas.get(place.replica).and_then(|replica| replica.segments.get(place.segment));
            segment.map(|segment| survey(&segment.source, *place, &shared)).transpose()
        });
        let mut chosen: Vec<Chosen> = replicas.iter().map(|_| Chosen::default()).collect();
        let mut holes = Vec::new();
        for (place, found) in places.iter().zip(looked) {
            if let (Some(mut found), Some(chosen)) = (found?, chosen.get_mut(place.replica)) {
                let segment = replicas.get(place.replica).and_then(|replica| replica.segments.get(place.segment));
                for hole in &mut found.holes {
                    if segment.is_some_and(|segment| segment.unread.touches(&hole.bytes)) {
                        hole.cause = Cause::Io;
                    }
                }
                chosen.kept.extend(found.runs);
                chosen.aside.extend(found.aside);
                holes.extend(found.holes);
            }
        }
        let is_cleaned = shared.is_cleaned();
        let mut framed = Vec::new();
        for (n, (chosen, replica)) in chosen.iter_mut().zip(&replicas).enumerate() {
            let mut runs = std::mem::take(&mut chosen.kept);
            if is_cleaned {
                runs = join_cleaned(runs);
            }
            if runs.len() > MAX_RUNS {
                return Err(Refused::TooDamaged { path: replica.folder.path.clone(), limit: MAX_RUNS }.into());
            }
            let aside = std::mem::take(&mut chosen.aside);
            *chosen = choose(runs, &replica.bases(), is_cleaned, &replica.epochs, |run, is_behind| {
                divide(source_of(&replicas, run), run, is_behind)
            })?;
            chosen.aside.extend(aside);
            let own = holes.iter().filter(|hole| hole.place.replica == n);
            framed.extend(own.map(|hole| framed_by(hole, &chosen.kept, replica)));
        }
        let mut merged = merge(&replicas, chosen, is_cleaned)?;
        if let Some(range) = &request.offsets {
            merged.runs = within(range, &replicas, merged.runs)?;
            merged.aside.retain(|it| it.first < range.end && it.last >= range.start);
            framed.retain(|it| {
                it.from.is_none_or(|from| from < range.end) && it.until.is_none_or(|until| until > range.start)
            });
        }
        merged.aside = join_touching(merged.aside);
        let range = request.offsets.clone().unwrap_or(Offset::new(i64::MIN)..Offset::new(i64::MAX));
        Ok(Self { replicas, merged, holes: framed, is_cleaned, range })
    }

    /// Bytes that the output will take at most.
    pub(super) fn needed(&self) -> u64 {
        let kept = self.merged.runs.iter().map(Run::len);
        let aside = self.merged.aside.iter().map(|aside| aside.bytes.end.saturating_sub(aside.bytes.start));
        let holes = self.holes.iter().filter(|it| it.hole.cause != Cause::Zeros);
        let holes = holes.map(|it| it.hole.bytes.end.saturating_sub(it.hole.bytes.start));
        let bytes = kept.chain(aside).chain(holes).fold(0, u64::saturating_add);
        bytes.saturating_add(bytes / BATCH_BYTES_AN_INDEX_BYTE).saturating_add(SMALL_FILES)
    }

    /// What the partition is called.
    fn partition(&self) -> Option<&TopicPartition> {
        let names = self.replicas.iter().filter_map(|replica| replica.folder.name.as_ref());
        names.map(|name| &name.partition).next()
    }

    /// Writes the output and what is beside it, and reads the output again.
    pub(super) fn write(
        self,
        from: &dyn Fs,
        place: &Workplace<'_>,
        request: &SalvageRequest,
        done: &AtomicU64,
    ) -> Result<PartitionReport, SalvageError> {
        let in_background = request.jobs > NonZeroUsize::MIN;
        Syncer::during(in_background, |syncer| self.write_and_read(from, place, request, syncer, done))
    }

    fn write_and_read(
        &self,
        from: &dyn Fs,
        place: &Workplace<'_>,
        request: &SalvageRequest,
        syncer: &Syncer,
        done: &AtomicU64,
    ) -> Result<PartitionReport, SalvageError> {
        let name = self.partition().map(ToString::to_string);
        let spot = place.partition(name.as_deref())?;
        let mut written = self.write_log(from, place.fs(), &spot.dir, syncer, done)?;
        for replica in &self.replicas {
            if let Some(path) = replica.changed_file(from)? {
                return Err(Refused::Changed { path }.into());
            }
        }
        let lost = self.lost(std::mem::take(&mut written.gaps), &written.aside);
        let mut aside = self.merged.aside.clone();
        aside.extend(std::mem::take(&mut written.aside));
        aside.sort_by_key(|aside| (aside.place, aside.bytes.start));
        let (aside, unreadable) = self.keep(place, name.as_deref(), &aside, &lost, written.end)?;
        let options = VerifyOptions { level: VerifyLevel::Deep, jobs: request.jobs, ..VerifyOptions::new(request.now) };
        let target = Target::Partition(PartitionDirectory::list(place.fs(), &spot.dir)?);
        let read = verify(place.fs(), &[target], &options, &|_| true, done)?;
        let (mut findings, mut verified_batches) = (Vec::new(), 0);
        for partition in read.partitions {
            if let Some(error) = partition.failures.into_iter().next() {
                return Err(error.into());
            }
            findings.extend(partition.findings);
            verified_batches = partition.batches;
        }
        // A disk may read another time what it cannot read this time.
        if verified_batches != written.batches {
            let (path, written) = (spot.named, written.batches);
            return Err(Refused::NotVerified { path, written, read: verified_batches }.into());
        }
        Ok(PartitionReport {
            partition: self.partition().cloned(),
            path: spot.named,
            sources: self.sources(),
            leader: self.merged.leader,
            segments: written.segments,
            batches: written.batches,
            records: written.records,
            bytes: written.bytes,
            offsets: written.offsets,
            lost,
            aside,
            unreadable,
            is_cleaned: self.is_cleaned,
            left_out_producers: written.left_out_producers,
            findings,
            verified_batches,
        })
    }

    fn sources(&self) -> Vec<SourceReport> {
        let taken = |n: usize| self.merged.runs.iter().filter(move |run| run.place.replica == n);
        let report = |(n, replica): (usize, &Replica)| SourceReport {
            path: replica.folder.path.clone(),
            segments: replica.segments.len() as u64,
            bytes: replica.bytes(),
            batches: taken(n).fold(0, |sum, run| sum.saturating_add(run.batches)),
        };
        self.replicas.iter().enumerate().map(report).collect()
    }

    fn write_log(
        &self,
        from: &dyn Fs,
        to: &dyn WriteFs,
        dir: &Path,
        syncer: &Syncer,
        done: &AtomicU64,
    ) -> Result<Written> {
        let runs = &self.merged.runs;
        let leader = self.replicas.get(self.merged.leader);
        let base_of = |run: &Run| {
            let replica = self.replicas.get(run.place.replica);
            replica.and_then(|it| it.segments.get(run.place.segment)).map_or(run.first, |segment| segment.base)
        };
        let first = runs.first();
        let producers = first.and_then(|run| self.replicas.get(run.place.replica)?.snapshot(from, base_of(run)));
        let mut output = Output::new(to, dir, syncer, producers.as_ref(), done);
        let mut before: Option<&Run> = None;
        // A cleaner leaves segments without batches behind.
        let empty = leader.into_iter().flat_map(|it| &it.segments).filter(|segment| segment.source.is_empty());
        let mut empty = empty.map(|segment| segment.base).peekable();
        for run in runs {
            while let Some(base) = empty.next_if(|base| *base < base_of(run).min(run.first)) {
                if base >= self.range.start {
                    output.segment(base)?;
                }
            }
            let expected = match before {
                Some(before) => before.last.next(),
                None => self.start().unwrap_or(run.first).max(self.range.start).min(run.first),
            };
            if run.first > expected && !(self.is_cleaned && is_natural(before, run)) {
                output.gap(expected, Some(run.first), Some(run));
            }
            output.run(source_of(&self.replicas, run), run, base_of(run))?;
            before = Some(run);
        }
        let end = before.map_or_else(|| self.start().unwrap_or(Offset::ZERO), |run| run.last.next());
        let from = end.max(self.range.start);
        if let Some(until) = self.tail(before, end)
            && from < until.unwrap_or(self.range.end).min(self.range.end)
        {
            output.gap(from, until.map(|until| until.min(self.range.end)), None);
        }
        let last_base = leader.and_then(|leader| leader.segments.last()).map(|segment| segment.base);
        let last_base = last_base.filter(|base| *base < self.range.end);
        match last_base {
            Some(base) => output.segment(base)?,
            None if runs.is_empty() => output.segment(end)?,
            None => {}
        }
        let known = leader.map(|leader| leader.epochs.clone()).unwrap_or_default();
        let epochs = with_empty_epochs(&epochs_of(runs, &known), &known, end.max(last_base.unwrap_or(end)));
        let metadata = leader.and_then(|leader| leader.metadata);
        let metadata = metadata.or_else(|| self.replicas.iter().find_map(|replica| replica.metadata));
        output.finish(&epochs, metadata.as_ref())
    }

    /// Where the log began, as far as the leader says it: the first segment's name, or where its first epoch began.
    fn start(&self) -> Option<Offset> {
        let leader = self.replicas.get(self.merged.leader)?;
        let base = leader.segments.first().map(|segment| segment.base);
        let epoch = leader.epochs.earliest().filter(|_| !leader.is_part).map(|earliest| earliest.start);
        let epoch = epoch.map(|start| leader.checkpoints.log_start.map_or(start, |known| known.max(start)));
        base.map(|base| epoch.map_or(base, |epoch| epoch.min(base))).or(epoch)
    }

    /// Whether something is lost behind the log's `end`, and up to where, if that is known.
    fn tail(&self, last: Option<&Run>, end: Offset) -> Option<Option<Offset>> {
        let leader = self.replicas.get(self.merged.leader)?;
        let checkpoints = leader.checkpoints;
        let base = leader.segments.last().map(|segment| segment.base);
        let known = [base, checkpoints.high_watermark, checkpoints.recovery_point].into_iter().flatten().max();
        if let Some(known) = known.filter(|known| *known > end) {
            return Some(Some(known));
        }
        let behind = |place: Place, at: u64| {
            place.replica == self.merged.leader
                && last.is_none_or(|last| {
                    (place, at) >= (last.place, last.bytes.end) || last.place.replica != place.replica
                })
        };
        let is_torn = self.holes.iter().any(|it| behind(it.hole.place, it.hole.bytes.start) && it.from >= Some(end));
        is_torn.then_some(None)
    }

    /// Why offsets are missing.
    fn lost(&self, gaps: Vec<Gap>, late: &[Aside]) -> Vec<Lost> {
        let aside = || self.merged.aside.iter().chain(late);
        let file = |place: Place| self.replicas.get(place.replica).and_then(|it| it.segments.get(place.segment));
        let lost = |gap: Gap| {
            let from = gap.before.as_ref().map(|run| (run.place, run.bytes.end));
            let until = gap.behind.as_ref().map(|run| (run.place, run.bytes.start));
            let is_between = |at: (Place, u64)| {
                at.0.replica == self.merged.leader
                    && from.is_none_or(|from| from.0.replica != at.0.replica || from <= at)
                    && until.is_none_or(|until| until.0.replica != at.0.replica || at <= until)
            };
            let hole = self.holes.iter().map(|it| &it.hole).find(|hole| is_between((hole.place, hole.bytes.start)));
            let set_aside = aside().find(|aside| is_between((aside.place, aside.bytes.start)));
            let (why, place) = match (hole, set_aside) {
                (Some(hole), _) => (WhyLost::Unreadable(hole.cause), Some((hole.place, hole.bytes.start))),
                (None, Some(aside)) => {
                    (WhyLost::SetAside(aside.reason.clone()), Some((aside.place, aside.bytes.start)))
                }
                (None, None) => match (&gap.before, &gap.behind) {
                    (Some(before), Some(behind)) if before.place == behind.place => (WhyLost::NoBytes, from),
                    (_, Some(behind)) if behind.bytes.start > 0 => (WhyLost::NoBytes, until),
                    (_, None) => (WhyLost::Checkpoint, from),
                    _ => (WhyLost::NoSegment, None),
                },
            };
            let place = place.and_then(|(place, at)| Some((file(place)?.source.path().to_owned(), at)));
            Lost {
                from: gap.from,
                until: gap.until,
                why,
                place,
                transactions: gap.transactions,
                more_transactions: gap.more_transactions,
            }
        };
        gaps.into_iter().map(lost).collect()
    }

    /// Puts what is not in the output beside it.
    fn keep(
        &self,
        place: &Workplace<'_>,
        name: Option<&str>,
        aside: &[Aside],
        lost: &[Lost],
        end: Offset,
    ) -> Result<(Vec<SetAside>, Vec<Unreadable>)> {
        if aside.is_empty() && self.holes.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let (dir, prefix) = place.lost_and_found(name)?;
        let keep = |at: Place, bytes: &Range<u64>| {
            let segment = self.replicas.get(at.replica).and_then(|it| it.segments.get(at.segment));
            let Some(segment) = segment else { return Ok(Default::default()) };
            let source = if self.replicas.len() > 1 { format!("source{}-", at.replica) } else { String::new() };
            let file = format!("{source}{}-{}", SegmentFile::Log.name(segment.base), bytes.start);
            let raw = lost::keep(place.fs(), &dir, &file, &segment.source, bytes)?;
            Ok::<_, crate::error::Error>((segment.source.path().to_owned(), prefix.join(raw)))
        };
        let mut kept_aside = Vec::new();
        for it in aside {
            let (file, kept_as) = keep(it.place, &it.bytes)?;
            kept_aside.push(SetAside {
                source: it.place.replica,
                file,
                position: it.bytes.start,
                bytes: it.bytes.end.saturating_sub(it.bytes.start),
                offsets: (it.first, it.last),
                batches: it.batches,
                records: it.records,
                reason: it.reason.clone(),
                kept_as,
            });
        }
        let mut unreadable = Vec::new();
        for Framed { hole, from, until } in &self.holes {
            let (file, kept_as) = keep(hole.place, &hole.bytes)?;
            unreadable.push(Unreadable {
                source: hole.place.replica,
                file,
                position: hole.bytes.start,
                bytes: hole.bytes.end.saturating_sub(hole.bytes.start),
                offsets: (*from, *until),
                cause: hole.cause,
                rule: hole.rule.clone(),
                gave_up: hole.gave_up,
                is_healed: is_healed(*from, *until, lost, end),
                kept_as,
            });
        }
        place.fs().sync_dir(&dir)?;
        Ok((kept_aside, unreadable))
    }
}

/// True if all that should stand between two offsets came from another copy.
fn is_healed(from: Option<Offset>, until: Option<Offset>, lost: &[Lost], end: Offset) -> bool {
    let Some(from) = from else { return false };
    let overlaps = |it: &Lost| until.is_none_or(|until| it.from < until) && it.until.is_none_or(|behind| from < behind);
    match until {
        Some(until) => until > from && !lost.iter().any(overlaps),
        None => end > from && !lost.iter().any(|it| it.from == from),
    }
}

/// The offsets between which a hole lies in its own copy.
fn framed_by(hole: &Hole, kept: &[Run], replica: &Replica) -> Framed {
    let behind = kept.partition_point(|run| (run.place, run.bytes.start) < (hole.place, hole.bytes.start));
    let before = behind.checked_sub(1).and_then(|n| kept.get(n));
    let base = replica.segments.get(hole.place.segment).map(|segment| segment.base);
    let from = before.map(|run| run.last.next()).or(hole.expected).or(base);
    Framed { hole: hole.clone(), from, until: kept.get(behind).map(|run| run.first) }
}

/// Whether nothing but what a cleaner took can lie between two runs.
fn is_natural(before: Option<&Run>, run: &Run) -> bool {
    match before {
        Some(before) if before.place == run.place => before.touches(run),
        Some(before) => before.place.replica == run.place.replica && run.bytes.start == 0,
        None => run.bytes.start == 0,
    }
}

/// The batches of `runs` that reach into `range`.
fn within(range: &Range<Offset>, replicas: &[Replica], runs: Vec<Run>) -> Result<Vec<Run>> {
    let mut kept = Vec::with_capacity(runs.len());
    for run in runs {
        let mut left = Some(run);
        if let Some(run) = left.take_if(|run| run.first < range.start) {
            left = divide(source_of(replicas, &run), &run, &|id| id.last >= range.start)?.1;
        }
        if let Some(run) = left.take_if(|run| run.last >= range.end) {
            left = divide(source_of(replicas, &run), &run, &|id| id.first >= range.end)?.0;
        }
        kept.extend(left);
    }
    Ok(kept)
}

/// Joins what was set aside for one reason and touches.
fn join_touching(mut aside: Vec<Aside>) -> Vec<Aside> {
    aside.sort_by_key(|aside| (aside.place, aside.bytes.start));
    let mut joined: Vec<Aside> = Vec::new();
    for it in aside {
        match joined.last_mut() {
            Some(last) if last.is_continued_by(&it) => last.join(&it),
            _ => joined.push(it),
        }
    }
    joined
}
