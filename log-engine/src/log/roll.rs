//! When a segment is full (pure), and how the next one begins.

use std::sync::Arc;

use super::Log;
use super::append::Call;
use super::state::Writer;
use super::tasks::Task;
use crate::error::{Error, Result, Rule};
use crate::random::Random;
use crate::segment::{RollFacts, Segment, SegmentFile};
use crate::units::{FilePosition, Offset, Timestamp};

/// What is about to be appended, as far as rolling asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming {
    /// Bytes of all batches.
    pub(super) bytes: u64,
    /// The largest timestamp; -1 if there is none.
    pub(super) max_timestamp: Timestamp,
    /// Offset of the last record.
    pub(super) last_offset: Offset,
}

/// How large and how old a segment may become.
#[derive(Clone, Copy, Debug)]
pub(super) struct RollLimits {
    pub(super) segment_bytes: u64,
    /// What the jitter left of it.
    pub(super) segment_ms: i64,
}

/// Why a segment is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RollReason {
    Size,
    Age,
    IndexFull,
    OffsetRange,
}

/// Whether `incoming` begins a new segment at the time `now`.
///
/// Kafka: `LogSegment.shouldRoll`.
pub(super) fn should_roll(
    base: Offset,
    segment: &RollFacts,
    incoming: &Incoming,
    limits: RollLimits,
    now: Timestamp,
) -> Option<RollReason> {
    if segment.size > limits.segment_bytes.saturating_sub(incoming.bytes) {
        return Some(RollReason::Size);
    }
    let first = segment.first_timestamp.filter(|first| first.get() >= 0);
    let waited = match first {
        Some(first) => incoming.max_timestamp.get().saturating_sub(first.get()),
        None => now.get().saturating_sub(segment.created.get()),
    };
    if segment.size > 0 && waited > limits.segment_ms {
        return Some(RollReason::Age);
    }
    if segment.is_index_full {
        return Some(RollReason::IndexFull);
    }
    incoming.last_offset.delta_from(base).is_none().then_some(RollReason::OffsetRange)
}

/// What is taken off the time that the segment at `base` may grow, below `most`: as good as drawn, so that not all logs roll at
/// once, and the same again after a restart.
fn jitter_ms(base: Offset, most: i64) -> i64 {
    if most <= 0 {
        return 0;
    }
    i64::try_from(Random::new(base.get().cast_unsigned()).next() % most.cast_unsigned()).unwrap_or(0)
}

impl Log {
    /// Begins a new segment at the log's end, whatever the last one holds; its base offset. An empty last segment is made anew.
    ///
    /// What was appended before is synced by a task, and the recovery point moves then.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses; the log takes no more appends then.
    ///
    /// Kafka: `UnifiedLog.roll`.
    pub fn roll(&self) -> Result<Offset> {
        let mut writer = self.writer()?;
        let segment = self.roll_at(&mut writer, None)?;
        Ok(segment.base())
    }

    /// Begins a new segment if the last one has no room for `incoming`, whose first offset is `first`.
    pub(super) fn roll_if_full(
        &self,
        writer: &mut Writer,
        incoming: &Incoming,
        first: Option<Offset>,
        call: &Call<'_>,
    ) -> Result<()> {
        let config = call.config;
        let age = if config.compact { config.max_compaction_lag_ms.min(config.segment_ms) } else { config.segment_ms };
        let jitter = jitter_ms(writer.active.base(), config.segment_jitter_ms.min(config.segment_ms));
        let limits = RollLimits { segment_bytes: config.segment_bytes, segment_ms: age.saturating_sub(jitter) };
        let facts = writer.active.roll_facts()?;
        if should_roll(writer.active.base(), &facts, incoming, limits, call.now).is_some() {
            // Of messages before format 2 only the last offset is known; the new segment must be able to tell it.
            let at = first.unwrap_or(Offset::new(incoming.last_offset.get().saturating_sub(i64::from(i32::MAX))));
            self.roll_at(writer, Some(at))?;
        }
        Ok(())
    }

    /// Kafka: `UnifiedLog.roll`, `LocalLog.roll`.
    pub(super) fn roll_at(&self, writer: &mut Writer, at: Option<Offset>) -> Result<Arc<Segment>> {
        let base = at.unwrap_or(Offset::ZERO).max(self.end());
        let active = Arc::clone(&writer.active);
        let segment = if self.segments().contains(base) {
            if active.base() != base || active.size() > 0 {
                return Err(self.cannot_roll(base, &active));
            }
            // A broker looks at both indexes here, and so makes their files.
            active.make_indexes()?;
            self.replace_segment(writer, &active, base)?
        } else if base < active.base() {
            self.roll_back(writer, &active, base)?
        } else {
            self.disk.sealed(active.base());
            active.become_inactive()?;
            let segment = self.add_segment(writer, base)?;
            self.settle_gap(writer.stored_end, base)?;
            segment
        };
        writer.producers.update_map_end(base);
        let snapshot = writer.producers.take_snapshot(self.fs(), false)?;
        self.refresh_high_watermark(writer)?;
        self.submit(Task::Flush { snapshot, until: base }, 0);
        Ok(segment)
    }

    /// A segment at `base`, the log's end, instead of the one beyond it that a follower's append made before it was refused: only such
    /// an append, behind a gap, leaves one. Where a broker then takes no append until it starts again, the log goes on.
    fn roll_back(&self, writer: &mut Writer, beyond: &Arc<Segment>, base: Offset) -> Result<Arc<Segment>> {
        if beyond.size() > 0 {
            return Err(self.cannot_roll(base, beyond));
        }
        self.lower_recovery_point(base)?;
        self.delete_snapshots_later(writer, &[beyond.base()])?;
        self.replace_segment(writer, beyond, base)
    }

    /// A segment that begins behind a gap looks, after a crash, like one whose predecessor lost its end. So what lies before the gap is
    /// made durable, and that is written down, before anything lies behind it.
    fn settle_gap(&self, end: Offset, base: Offset) -> Result<()> {
        match &self.checkpoint {
            Some(checkpoint) if base > end => {
                self.disk.settle(base)?;
                checkpoint.write()
            }
            _ => Ok(()),
        }
    }

    /// A new segment behind all others.
    pub(super) fn add_segment(&self, writer: &mut Writer, base: Offset) -> Result<Arc<Segment>> {
        let options = self.segment_options();
        let made = Segment::create(&self.disk.fs, self.dir(), base, &options, self.now())?;
        let segment = Arc::new(made);
        self.store_segments(self.segments().with(Arc::clone(&segment)));
        writer.active = Arc::clone(&segment);
        self.disk.rolled_to(base);
        Ok(segment)
    }

    fn cannot_roll(&self, base: Offset, active: &Segment) -> Error {
        let (found, expected) = (base.get(), active.base().next().get());
        let rule = Rule::Below { what: "base offset of the new segment", found, least: expected };
        Error::corrupt(&self.dir().join(SegmentFile::Log.name(active.base())), FilePosition::START, rule)
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::fs::WriteFs;
    use crate::fs::sim::SimFs;
    use crate::log::{AppendAsLeader, LogConfig, ManualClock, NewRecord, OpenOptions};
    use crate::units::LeaderEpoch;

    const NOW: i64 = 1_700_000_000_000;
    const FACTS: RollFacts = RollFacts {
        size: 900,
        first_timestamp: Some(Timestamp::new(5000)),
        created: Timestamp::new(0),
        is_index_full: false,
    };
    const LIMITS: RollLimits = RollLimits { segment_bytes: 1000, segment_ms: 100 };

    fn incoming(bytes: u64, max_timestamp: i64, last_offset: i64) -> Incoming {
        Incoming { bytes, max_timestamp: Timestamp::new(max_timestamp), last_offset: Offset::new(last_offset) }
    }

    fn rolls(facts: &RollFacts, incoming: &Incoming, now: i64) -> Option<RollReason> {
        should_roll(Offset::new(10), facts, incoming, LIMITS, Timestamp::new(now))
    }

    #[test]
    fn a_segment_may_be_filled_to_the_byte() {
        assert_eq!(rolls(&FACTS, &incoming(100, 5000, 20), 0), None);
        assert_eq!(rolls(&FACTS, &incoming(101, 5000, 20), 0), Some(RollReason::Size));
    }

    #[test]
    fn age_counts_from_the_first_timestamp_and_without_one_from_the_making() {
        assert_eq!(rolls(&FACTS, &incoming(1, 5100, 20), i64::MAX), None);
        assert_eq!(rolls(&FACTS, &incoming(1, 5101, 20), 0), Some(RollReason::Age));
        for first_timestamp in [None, Some(Timestamp::NONE)] {
            let facts = RollFacts { first_timestamp, ..FACTS };
            assert_eq!(rolls(&facts, &incoming(1, i64::MAX, 20), 100), None);
            assert_eq!(rolls(&facts, &incoming(1, 0, 20), 101), Some(RollReason::Age));
            let empty = RollFacts { size: 0, ..facts };
            assert_eq!(rolls(&empty, &incoming(1, 0, 20), 101), None, "nothing is in it to be old");
        }
    }

    #[test]
    fn full_indexes_and_offsets_out_of_range_roll() {
        let full = RollFacts { is_index_full: true, ..FACTS };
        assert_eq!(rolls(&full, &incoming(1, 5000, 20), 0), Some(RollReason::IndexFull));
        let last = 10 + i64::from(i32::MAX);
        assert_eq!(rolls(&FACTS, &incoming(1, 5000, last), 0), None);
        assert_eq!(rolls(&FACTS, &incoming(1, 5000, last + 1), 0), Some(RollReason::OffsetRange));
    }

    #[test]
    fn jitter_is_spread_below_its_bound_and_repeats() {
        let drawn: std::collections::BTreeSet<i64> = (0..1000).map(|base| jitter_ms(Offset::new(base), 500)).collect();
        assert!(drawn.len() > 300 && drawn.iter().all(|jitter| (0..500).contains(jitter)), "{}", drawn.len());
        assert_eq!(jitter_ms(Offset::new(7), 500), jitter_ms(Offset::new(7), 500));
        assert_eq!([0, -1].map(|most| jitter_ms(Offset::new(7), most)), [0, 0]);
    }

    fn log(config: LogConfig) -> Log {
        let clock = Arc::new(ManualClock::at(Timestamp::new(NOW)));
        let options = OpenOptions { clean: true, clock, ..OpenOptions::default() };
        Log::open(Arc::new(SimFs::with_folder("/")), Path::new("/t-0"), config, options).unwrap().0
    }

    fn append_at(log: &Log, time: i64) {
        let record = NewRecord { timestamp: Some(Timestamp::new(time)), ..NewRecord::default() };
        log.append_records([record], None, &AppendAsLeader::client(LeaderEpoch::new(0))).unwrap();
    }

    // conformance: LLG-035
    #[test]
    fn a_segment_begins_at_the_end_of_the_log_or_where_it_is_told_to_behind_it() {
        let log = log(LogConfig::default());
        let roll = |at: Option<i64>| {
            let segment = log.roll_at(&mut log.locked(), at.map(Offset::new)).unwrap();
            (segment.base().get(), log.segments().len())
        };
        assert_eq!(roll(Some(0)), (0, 1));
        append_at(&log, NOW);
        assert_eq!(roll(None), (1, 2));
        append_at(&log, NOW);
        assert_eq!((roll(Some(1)), log.end().get()), ((2, 3), 2));
        append_at(&log, NOW);
        assert_eq!(roll(Some(9)), (9, 4));
    }

    // conformance: ULG-044
    #[test]
    fn a_segment_is_full_when_its_own_jitter_is_taken_off_its_time() {
        let log = log(LogConfig { segment_ms: 3600, segment_jitter_ms: 1200, ..LogConfig::default() });
        let jitter = jitter_ms(Offset::ZERO, 1200);
        assert!(jitter > 0);
        for (time, segments) in [(0, 1), (3600 - 1200, 1), (3600 - jitter, 1), (3600 - jitter + 1, 2)] {
            append_at(&log, NOW + time);
            assert_eq!(log.segments().len(), segments, "{time}");
        }
    }

    // conformance: SEG-008
    #[test]
    fn an_empty_segment_that_was_cut_has_room_and_all_its_time_before_it() {
        let disk = SimFs::with_folder("/t-0");
        let fs: Arc<dyn WriteFs> = Arc::new(disk.clone());
        let (dir, options) = (Path::new("/t-0"), LogConfig::default().segment_options());
        let segment = Segment::create(&fs, dir, Offset::ZERO, &options, Timestamp::new(NOW)).unwrap();
        segment.make_indexes().unwrap();
        segment.close().unwrap();
        assert!(disk.files().values().all(Vec::is_empty));
        let segment = Segment::open(&fs, dir, Offset::ZERO, &options, Timestamp::new(NOW)).unwrap();
        segment.truncate_to(Offset::new(57), Timestamp::new(NOW + 1000)).unwrap();
        let facts = segment.roll_facts().unwrap();
        assert_eq!((facts.is_index_full, facts.created.get()), (false, NOW + 1000));
        let limits = RollLimits { segment_bytes: 1 << 30, segment_ms: 300_000 };
        let rolls = |last_offset, now| {
            should_roll(Offset::ZERO, &facts, &incoming(1024, NOW, last_offset), limits, Timestamp::new(now))
        };
        assert_eq!(rolls(100, NOW + 1000), None);
        assert_eq!(rolls(100, NOW + 1000 + 300_001), None);
        assert_eq!(rolls(i64::from(i32::MAX) + 200, NOW + 1000), Some(RollReason::OffsetRange));
    }
}
