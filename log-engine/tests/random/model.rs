//! A log as a list of batches in memory: what `Log` has to answer, said as simply as it can be.
//!
//! No files, no indexes, no snapshots. What depends on them, because a start or a truncation reads producers back from snapshots, is
//! held between bounds (`reload`) and taken over.

use std::collections::BTreeMap;

use log_engine::log::LogState;

use super::producers::{EndedTxn, Producers, Remembered, Stamp};

/// One batch, with its final bytes.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) base: i64,
    pub(super) last: i64,
    pub(super) epoch: i32,
    /// A timestamp a record.
    pub(super) times: Vec<i64>,
    pub(super) bytes: Vec<u8>,
    pub(super) stamp: Option<Stamp>,
}

/// The settings that matter to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) segment_bytes: usize,
    pub(super) retention_bytes: Option<usize>,
    pub(super) retention_ms: Option<i64>,
}

/// What the log has to answer to an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Appended { first: i64, last: i64 },
    Duplicate { first: i64, last: i64 },
    Refused(&'static str),
}

/// The log.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) settings: Settings,
    /// Everything that was appended and not cut off, also what was deleted from the front since.
    history: Vec<Batch>,
    /// The base offsets of the segments.
    pub(super) segments: Vec<i64>,
    /// When each segment's file changed last. Also of segments that are gone.
    changed: BTreeMap<i64, i64>,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) high_watermark: i64,
    /// Whether the batch of the high watermark was looked up: it stays where it is then, also when that batch is cut off.
    is_placed: bool,
    /// Epochs and where they begin.
    pub(super) epochs: Vec<(i32, i64)>,
    pub(super) producers: Producers,
    /// Ended transactions whose markers are not below the high watermark.
    ended: Vec<EndedTxn>,
    /// Ended transactions that a start or a truncation may or may not have read back.
    perhaps_ended: Vec<EndedTxn>,
    /// A truncation or a start leaves the first unstable offset to the next append or watermark.
    is_unstable_known: bool,
    pub(super) now: i64,
    /// What the checkpoint file says of the log's start.
    pub(super) start_checkpoint: i64,
}

impl Model {
    pub(super) fn new(settings: Settings, now: i64) -> Self {
        Self {
            settings,
            history: Vec::new(),
            segments: vec![0],
            changed: BTreeMap::from([(0, now)]),
            start: 0,
            end: 0,
            high_watermark: 0,
            is_placed: false,
            epochs: Vec::new(),
            producers: Producers::default(),
            ended: Vec::new(),
            perhaps_ended: Vec::new(),
            is_unstable_known: true,
            now,
            start_checkpoint: 0,
        }
    }

    /// The batches in the log's segments.
    pub(super) fn batches(&self) -> &[Batch] {
        let first = self.segments[0];
        &self.history[self.history.partition_point(|batch| batch.base < first)..]
    }

    /// The base offset of the segment that an offset is in.
    pub(super) fn segment_of(&self, offset: i64) -> i64 {
        self.segments[self.segments.partition_point(|base| *base <= offset) - 1]
    }

    /// The batches of one segment.
    pub(super) fn in_segment(&self, base: i64) -> impl Iterator<Item = &Batch> {
        self.batches().iter().filter(move |batch| self.segment_of(batch.base) == base)
    }

    pub(super) fn active(&self) -> i64 {
        self.segments[self.segments.len() - 1]
    }

    pub(super) fn size_of(&self, base: i64) -> usize {
        self.in_segment(base).map(|batch| batch.bytes.len()).sum()
    }

    /// The largest timestamp of a segment; of an empty one the time at which its file changed.
    pub(super) fn largest_of(&self, base: i64) -> i64 {
        let largest = self.in_segment(base).flat_map(|batch| &batch.times).max();
        largest.or(self.changed.get(&base)).copied().unwrap_or(-1)
    }

    /// Between which bounds the last stable offset lies; `None` while nobody has to know.
    pub(super) fn last_stable(&self) -> Option<(i64, i64)> {
        let open = self.producers.first_open();
        let of = |ended: &[EndedTxn]| ended.iter().map(|ended| ended.first).min();
        let surely = open.into_iter().chain(of(&self.ended)).min();
        let least = surely.into_iter().chain(of(&self.perhaps_ended)).min();
        // Behind what was deleted it is looked up anew, as the first batch that is left.
        let place = |first: i64| match self.batches().iter().find(|batch| batch.last >= self.start) {
            Some(batch) if first < self.start => batch.base,
            None if first < self.start => self.end,
            _ => first,
        };
        let bound =
            |first: Option<i64>| first.map_or(self.high_watermark, |first| place(first).min(self.high_watermark));
        self.is_unstable_known.then(|| (bound(least), bound(surely)))
    }

    /// True if there is one last stable offset.
    pub(super) fn is_last_stable_sure(&self) -> bool {
        self.last_stable().is_some_and(|(least, most)| least == most)
    }

    /// Every transaction that was aborted by a marker in the log.
    pub(super) fn aborted(&self) -> Vec<EndedTxn> {
        self.aborted_from(0)
    }

    /// The same, if nobody knows of what was before the batch `n`: who was forgotten begins a transaction in its middle.
    pub(super) fn aborted_from(&self, n: usize) -> Vec<EndedTxn> {
        let mut producers = Producers::default();
        let ended = self.history.iter().skip(n).filter_map(|batch| producers.apply(batch));
        ended.filter(|ended| !ended.commit && ended.marker >= self.segments[0]).collect()
    }

    /// Whether a transaction of `id` from the offset `first` on was aborted.
    pub(super) fn was_aborted(&self, id: i64, first: i64) -> bool {
        let from = |n| self.aborted_from(n).into_iter().any(|txn| (txn.id, txn.first) == (id, first));
        (0..self.history.len()).any(from)
    }

    /// An append: `batch` has its final offsets. A follower asks no producer.
    pub(super) fn append(&mut self, batch: Batch, is_follower: bool) -> Answer {
        self.assign_epoch(batch.epoch, batch.base);
        if batch.bytes.len() > self.settings.segment_bytes {
            return Answer::Refused("RecordBatchTooLargeException");
        }
        let size = self.size_of(self.active());
        if size > 0 && size + batch.bytes.len() > self.settings.segment_bytes {
            self.begin_segment(batch.base);
        }
        match batch.stamp.as_ref().filter(|_| !is_follower).map_or(Ok(None), |stamp| self.producers.check(stamp)) {
            Err(refused) => return Answer::Refused(refused),
            Ok(Some(Remembered { offsets: (first, last), .. })) => return Answer::Duplicate { first, last },
            Ok(None) => {}
        }
        let (first, last) = (batch.base, batch.last);
        self.changed.insert(self.active(), self.now);
        self.end = last + 1;
        self.ended.extend(self.producers.apply(&batch));
        self.history.push(batch);
        self.is_unstable_known = true;
        Answer::Appended { first, last }
    }

    /// Kafka: `LeaderEpochFileCache.assign`.
    pub(super) fn assign_epoch(&mut self, epoch: i32, start: i64) {
        if self.epochs.last().is_none_or(|last| last.0 != epoch || start < last.1) {
            self.epochs.retain(|known| known.0 < epoch && known.1 < start);
            self.epochs.push((epoch, start));
        }
    }

    fn cut_epochs_below(&mut self, start: i64) {
        let gone = self.epochs.iter().take_while(|known| known.1 <= start).count();
        let first = self.epochs.drain(..gone).next_back();
        self.epochs.splice(0..0, first.map(|(epoch, _)| (epoch, start)));
    }

    /// The offset of an epoch's end, and the epoch that it is of.
    pub(super) fn end_of_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        if epoch == -1 {
            return None;
        }
        if self.epochs.last().is_some_and(|last| last.0 == epoch) {
            return Some((epoch, self.end));
        }
        let next = self.epochs.iter().find(|known| known.0 > epoch)?;
        let floor = self.epochs.iter().rev().find(|known| known.0 <= epoch);
        Some((floor.map_or(epoch, |floor| floor.0), next.1))
    }

    pub(super) fn set_high_watermark(&mut self, offset: i64) {
        self.high_watermark = offset.clamp(self.start, self.end);
        self.is_placed = self.high_watermark == self.end;
        self.forget_ended_below(self.high_watermark);
        self.is_unstable_known = true;
    }

    /// Who reads up to the high watermark looks its batch up, and it moves to where that begins.
    pub(super) fn settle_high_watermark(&mut self) {
        let held = self.batches().iter().find(|batch| batch.last >= self.high_watermark);
        let at = held.map_or(self.end, |held| held.base);
        if !std::mem::replace(&mut self.is_placed, true) && self.high_watermark != at {
            self.high_watermark = at;
            self.forget_ended_below(at);
            self.is_unstable_known = true;
        }
    }

    fn forget_ended_below(&mut self, offset: i64) {
        self.ended.retain(|ended| ended.marker >= offset);
        self.perhaps_ended.retain(|ended| ended.marker >= offset);
    }

    pub(super) fn roll(&mut self) -> i64 {
        if self.active() != self.end {
            self.begin_segment(self.end);
        }
        self.end
    }

    fn begin_segment(&mut self, base: i64) {
        self.segments.push(base);
        self.changed.insert(base, self.now);
    }

    /// Lets the log begin at `offset`; whether it began before.
    pub(super) fn raise_start(&mut self, offset: i64) -> bool {
        if offset <= self.start {
            return false;
        }
        self.start = offset;
        if self.high_watermark < offset {
            self.set_high_watermark(offset);
        }
        self.cut_epochs_below(offset);
        self.forget_ended_below(offset);
        self.is_unstable_known = true;
        true
    }

    /// Retention by start, by size, by age; how many segments went.
    pub(super) fn delete_old(&mut self) -> usize {
        let mut deleted = 0;
        for reason in 0..3 {
            let total: usize = self.segments.iter().map(|base| self.size_of(*base)).sum();
            let mut excess = self.settings.retention_bytes.and_then(|keep| total.checked_sub(keep));
            let mut count = 0;
            for (i, base) in self.segments.iter().enumerate() {
                let (next, size) = (self.segments.get(i + 1).copied(), self.size_of(*base));
                let is_asked_for = match reason {
                    0 => next.is_some_and(|next| next <= self.start),
                    1 => {
                        excess = excess.and_then(|excess| excess.checked_sub(size));
                        excess.is_some()
                    }
                    _ => self.settings.retention_ms.is_some_and(|keep| self.now - self.largest_of(*base) > keep),
                };
                let is_replicated = next.unwrap_or(self.end) <= self.high_watermark;
                if !(is_asked_for && is_replicated && (next.is_some() || size > 0)) {
                    break;
                }
                count += 1;
            }
            if count == self.segments.len() {
                self.roll();
            }
            self.segments.drain(..count);
            self.raise_start(self.segments[0]);
            deleted += count;
        }
        deleted
    }

    /// Cuts the log; whether it was longer. The producers are those of `reload`, if it was.
    pub(super) fn truncate_to(&mut self, offset: i64) -> bool {
        let end = offset.min(self.end);
        self.epochs.retain(|known| known.1 < end);
        if offset >= self.end {
            return false;
        }
        if self.segments[0] > offset {
            self.restart_at(offset, None);
            return true;
        }
        self.segments.retain(|base| *base <= offset);
        let before = self.size_of(self.active());
        self.history.retain(|batch| batch.last < offset);
        if self.size_of(self.active()) < before {
            self.changed.insert(self.active(), self.now);
        }
        self.end = offset;
        self.start = self.start.min(offset);
        if self.high_watermark >= offset {
            self.set_high_watermark(offset);
        }
        self.is_unstable_known = false;
        true
    }

    /// Empties the log.
    pub(super) fn restart_at(&mut self, offset: i64, start: Option<i64>) {
        self.history.clear();
        self.segments = vec![offset];
        self.changed.insert(offset, self.now);
        self.epochs.clear();
        self.producers = Producers::default();
        self.ended.clear();
        self.perhaps_ended.clear();
        self.end = offset;
        self.start = start.unwrap_or(offset);
        self.high_watermark = offset;
    }

    /// What a start reads as the log's start: nothing is written down where the first segment says it.
    pub(super) fn checkpoint(&mut self) -> i64 {
        self.start_checkpoint = if self.start > self.segments[0] { self.start } else { 0 };
        self.start_checkpoint
    }

    /// The last bytes of the active segment's file are lost.
    pub(super) fn lose(&mut self, bytes: usize) {
        let active = self.active();
        let mut left = self.size_of(active).saturating_sub(bytes);
        let mut end = active;
        for batch in self.in_segment(active) {
            let Some(rest) = left.checked_sub(batch.bytes.len()) else { break };
            (left, end) = (rest, batch.last + 1);
        }
        self.history.retain(|batch| batch.base < end);
        self.changed.insert(active, self.now);
    }

    /// A start. The log ends behind its last batch, also where a truncation took one whole. Behind a crash all batches are looked at, and
    /// the epochs in them that are above the latest are noted.
    pub(super) fn reopen(&mut self, clean: bool) {
        self.is_unstable_known = false;
        let noted: Vec<_> = self.batches().iter().filter(|_| !clean).map(|batch| (batch.epoch, batch.base)).collect();
        for (epoch, base) in noted {
            if self.epochs.last().is_none_or(|latest| epoch > latest.0) {
                self.assign_epoch(epoch, base);
            }
        }
        self.end = self.in_segment(self.active()).last().map_or(self.active(), |last| last.last + 1);
        if self.end < self.start_checkpoint {
            self.restart_at(self.start_checkpoint, None);
            return;
        }
        self.epochs.retain(|known| known.1 < self.end);
        self.cut_epochs_below(self.start_checkpoint.min(self.end));
        self.start = self.segments[0].max(self.start_checkpoint);
        self.high_watermark = self.start;
        self.is_placed = false;
    }

    /// Takes over what was read back of the producers, if it can be so: each is as the batches from some offset on say it, for that is
    /// what a log's start was once, and who has a batch from the log's start on is known.
    pub(super) fn reload(&mut self, state: &LogState) -> Result<(), String> {
        let replay = |batches: &mut dyn Iterator<Item = &Batch>| {
            let mut producers = Producers::default();
            let ended: Vec<_> = batches.filter_map(|batch| producers.apply(batch)).collect();
            (producers, ended)
        };
        let (_, ended) = replay(&mut self.history.iter());
        let from = |n: usize| replay(&mut self.history.iter().skip(n)).0;
        let all: Vec<Producers> = (0..=self.history.len()).map(from).collect();
        let (short, _) = replay(&mut self.history.iter().filter(|batch| batch.last >= self.start));
        let mut loaded = Producers::default();
        for (id, entry) in &state.producers {
            let id = id.get();
            let is_like = |producers: &Producers| {
                producers
                    .0
                    .get(&id)
                    .filter(|known| {
                        let coordinator = entry.coordinator_epoch().unwrap_or(-1);
                        (known.epoch, known.coordinator) == (entry.epoch().get(), coordinator)
                            && known.open_since == entry.open_since().map(|since| since.get())
                            && known.last_sequence() == entry.last_sequence().map_or(-1, |last| last.get())
                    })
                    .cloned()
            };
            let Some(mut known) = all.iter().find_map(is_like) else {
                return Err(format!("producer {id} came back as {entry:?}: {:?}", all[0].0.get(&id)));
            };
            let kept = entry.batches().count();
            if kept > known.batches.len() {
                return Err(format!("producer {id} came back with {kept} batches: {known:?}"));
            }
            known.batches.drain(..known.batches.len() - kept);
            loaded.0.insert(id, known);
        }
        if let Some(lost) = short.0.keys().find(|id| !loaded.0.contains_key(id)) {
            return Err(format!("producer {lost} did not come back"));
        }
        self.producers = loaded;
        self.ended.clear();
        // Those below the high watermark count until it is told again.
        self.perhaps_ended = ended.into_iter().collect();
        Ok(())
    }
}
