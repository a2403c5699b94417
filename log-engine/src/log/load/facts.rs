//! What a segment's batches say of producers and epochs, gathered while the segment is checked and applied later: segments are checked
//! side by side, but producers and epochs follow the order of the log.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::batch::{BatchHeader, Scratch};
use crate::checkpoint::EpochEntry;
use crate::epoch::LeaderEpochs;
use crate::error::{Error, Malformed, Result, Rule};
use crate::log::producers::Producers;
use crate::plant::Fault;
use crate::producer::{CACHED_BATCHES, Marker, ProducerStates};
use crate::segment::{Frame, IndexFault, Segment, SegmentFile, TxnIndex, TxnIndexBuilder};
use crate::units::{FilePosition, LeaderEpoch, Offset};

/// Batches of producers that are kept before those are sorted out that later ones make meaningless.
const ROOM: usize = 1 << 16;

/// What is known of the batches of one segment.
#[derive(Debug)]
pub(super) struct Facts {
    /// True if batches have to follow each other as an honest log's do.
    is_strict: bool,
    epochs: Vec<EpochEntry>,
    batches: Vec<Noted>,
    /// When to sort out next.
    room: usize,
    /// Behind the last batch of format 2.
    map_end: Option<Offset>,
    /// Behind the last batch; the segment's base before the first.
    next: Offset,
    epoch: Option<LeaderEpoch>,
    /// A batch at which checking ended although its checksum fits.
    broken: Option<Broken>,
    scratch: Scratch,
}

/// A batch whose checksum fits and that cannot be all the same.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) position: FilePosition,
    pub(super) rule: Rule,
}

/// A batch of a producer.
#[derive(Clone, Copy, Debug)]
struct Noted {
    position: FilePosition,
    header: BatchHeader,
    marker: Option<Marker>,
}

impl Noted {
    /// What two batches of a producer have in common if one can stand for the other: `None` for markers.
    fn likeness(&self) -> Option<(i16, bool)> {
        let attributes = self.header.attributes();
        (!attributes.is_control()).then(|| (self.header.producer_epoch().get(), attributes.is_transactional()))
    }
}

impl Facts {
    /// Nothing yet of the segment that begins at `base`. `is_strict` refuses batches that a broker takes, but no honest log has.
    pub(super) fn new(base: Offset, is_strict: bool) -> Self {
        Self {
            is_strict,
            epochs: Vec::new(),
            batches: Vec::new(),
            room: ROOM,
            map_end: None,
            next: base,
            epoch: None,
            broken: None,
            scratch: Scratch::default(),
        }
    }

    /// The offset behind the last batch.
    pub(super) const fn next(&self) -> Offset {
        self.next
    }

    pub(super) const fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    /// Notes a batch whose checksum fits. Breaks with what is wrong with it if a broker ends there as at a wrong checksum, with
    /// nothing if [`Self::broken`] says why.
    pub(super) fn note(&mut self, frame: &Frame<'_>) -> ControlFlow<Option<Malformed>> {
        let Ok(last) = frame.last_offset() else { return ControlFlow::Continue(()) };
        if self.is_strict
            && let Err(rule) = self.fits(frame, last)
        {
            return self.break_at(frame, rule);
        }
        self.next = last.next();
        let Some(header) = frame.header() else { return ControlFlow::Continue(()) };
        let epoch = header.leader_epoch();
        if epoch.get() >= 0 && self.epoch.is_none_or(|known| epoch > known) {
            self.epochs.push(EpochEntry { epoch, start: header.base_offset() });
            self.epoch = Some(epoch);
        }
        if header.has_producer() {
            let marker = if header.attributes().is_control() { self.marker(frame) } else { Ok(None) };
            match marker {
                Ok(marker) => self.keep(Noted { position: frame.position(), header: *header, marker }),
                // Behind any other a broker cuts: it stays, and nobody can make the producers of it.
                Err(malformed) if self.is_strict || matches!(malformed.rule, Rule::Mismatch { .. }) => {
                    return self.break_at(frame, malformed.rule);
                }
                Err(malformed) => return ControlFlow::Break(Some(malformed)),
            }
        }
        self.map_end = Some(self.next);
        ControlFlow::Continue(())
    }

    fn marker(&mut self, frame: &Frame<'_>) -> Result<Option<Marker>, Malformed> {
        Marker::of(&frame.batch()?, &mut self.scratch)
    }

    fn break_at(&mut self, frame: &Frame<'_>, rule: Rule) -> ControlFlow<Option<Malformed>> {
        self.broken = Some(Broken { position: frame.position(), rule });
        ControlFlow::Break(None)
    }

    /// Whether a batch can follow the one before. The first 21 bytes of a batch are outside its checksum.
    fn fits(&self, frame: &Frame<'_>, last: Offset) -> Result<(), Rule> {
        if !(0..=2).contains(&frame.magic()) {
            return Err(Rule::Version { what: "batch", found: frame.magic().into(), known: "0 to 2" });
        }
        if frame.offset() < self.next {
            let (found, least) = (frame.offset().get(), self.next.get());
            return Err(Rule::Below { what: "the offset of the batch", found, least });
        }
        if last < frame.offset() {
            let (found, least) = (last.get(), frame.offset().get());
            return Err(Rule::Below { what: "the last offset of the batch", found, least });
        }
        let epoch = frame.header().map(BatchHeader::leader_epoch).filter(|epoch| epoch.get() >= 0);
        match (epoch, self.epoch) {
            (Some(epoch), Some(known)) if epoch < known && !Fault::EpochOfRottenHeader.is_planted() => {
                let (found, least) = (epoch.get().into(), known.get().into());
                Err(Rule::Below { what: "the leader epoch of the batch", found, least })
            }
            _ => Ok(()),
        }
    }

    fn keep(&mut self, batch: Noted) {
        self.batches.push(batch);
        if self.batches.len() >= self.room {
            self.sort_out();
            self.room = self.batches.len().saturating_mul(2).max(ROOM);
        }
    }

    /// Drops the batches that say nothing any more: of a producer only the last [`CACHED_BATCHES`] of a run of like ones are
    /// remembered, and the first, which began a transaction or named the producer.
    fn sort_out(&mut self) {
        // From the end: how many like ones of the same producer follow without another kind between.
        let mut follow: HashMap<i64, (Option<(i16, bool)>, usize)> = HashMap::new();
        let mut behind = vec![0; self.batches.len()];
        for (batch, behind) in self.batches.iter().zip(behind.iter_mut()).rev() {
            let run = follow.entry(batch.header.producer_id().get()).or_insert((None, 0));
            let kind = batch.likeness();
            *behind = if kind.is_some() && run.0 == kind { run.1 } else { 0 };
            *run = (kind, behind.saturating_add(1));
        }
        let mut before: HashMap<i64, Option<(i16, bool)>> = HashMap::new();
        let mut behind = behind.into_iter();
        self.batches.retain(|batch| {
            let kind = batch.likeness();
            let continues = before.insert(batch.header.producer_id().get(), kind).is_some_and(|last| last == kind);
            let is_overtaken = behind.next().is_some_and(|behind| behind >= CACHED_BATCHES);
            !(kind.is_some() && continues && is_overtaken)
        });
    }

    /// Lets the batches be known to `producers` and `epochs`, which have to stand before the segment; the segment's index of aborted
    /// transactions.
    ///
    /// Kafka: the loop of `LogSegment.recover`.
    ///
    /// # Errors
    /// [`Rule::NotTransactional`] for data outside the transaction that its producer has open, at which a broker ends.
    pub(super) fn apply(
        &self,
        segment: &Segment,
        producers: &mut Producers,
        epochs: &mut LeaderEpochs,
    ) -> Result<TxnIndex> {
        for entry in &self.epochs {
            if epochs.latest().is_none_or(|latest| entry.epoch > latest.epoch) {
                epochs.assign(*entry);
            }
        }
        let txns = self.apply_batches(segment, producers.states_mut())?;
        if let Some(end) = self.map_end {
            producers.update_map_end(end);
        }
        Ok(txns)
    }

    /// As [`Self::apply`], for the producers alone.
    pub(super) fn apply_batches(&self, segment: &Segment, states: &mut ProducerStates) -> Result<TxnIndex> {
        let mut txns = TxnIndexBuilder::new(segment.base());
        for batch in &self.batches {
            let in_file = |rule| Error::corrupt(&segment.path(), batch.position, rule);
            let applied = states.apply(&batch.header, batch.marker);
            let completed = applied.map_err(|malformed| in_file(malformed.rule))?;
            if let Some(entry) = completed.and_then(|txn| txn.aborted_txn()) {
                txns.append(&entry).map_err(|fault| in_file(rule_of(fault)))?;
            }
        }
        Ok(txns.finish(&SegmentFile::TxnIndex.name(segment.base())))
    }
}

/// The rule that a batch breaks which an index cannot take.
pub(super) fn rule_of(fault: IndexFault) -> Rule {
    match fault {
        IndexFault::InvalidOffset { offset, last } => {
            Rule::Below { what: "the last offset of the batch", found: offset.get(), least: last.next().get() }
        }
        IndexFault::Overflow { offset, base } => Rule::OffsetOverflow { offset: offset.get(), base: base.get() },
        IndexFault::Position { .. } => Rule::TooLarge { what: "the segment", limit: crate::segment::MAX_SEGMENT_BYTES },
        IndexFault::Full { entries } => Rule::TooMany { what: "index entries are needed", limit: entries as u64 },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::batch::BatchBuilder;
    use crate::producer::CompletedTransaction;
    use crate::units::{ProducerEpoch, ProducerId, Sequence, Timestamp};

    fn header(offset: i64, (id, epoch, kind): (i64, i16, u8)) -> Noted {
        let (time, sequence) = (Timestamp::new(1_700_000_000_000 + offset), i32::try_from(offset).unwrap());
        let producer = (ProducerId::new(id), ProducerEpoch::new(epoch));
        let mut builder = BatchBuilder::new(Offset::new(offset));
        let mut marker = None;
        if kind == 2 {
            builder = builder.producer(producer.0, producer.1, Sequence::new(-1)).transactional().control();
            marker = Some(Marker { commit: offset % 2 == 0, coordinator_epoch: 3, timestamp: time });
        } else {
            builder = builder.producer(producer.0, producer.1, Sequence::new(sequence));
            if kind == 1 {
                builder = builder.transactional();
            }
        }
        builder.push(time, None, Some(b"v"), &[]).unwrap();
        let batch = builder.into_batch().unwrap();
        let header = *BatchHeader::at_start_of(&batch).unwrap();
        Noted { position: FilePosition::new(u64::try_from(offset).unwrap()), header, marker }
    }

    /// The producers behind the batches, the transactions that these end, and whether one was refused.
    fn applied(batches: &[Noted]) -> (ProducerStates, Vec<CompletedTransaction>, bool) {
        let (mut states, mut completed) = (ProducerStates::default(), Vec::new());
        for batch in batches {
            match states.apply(&batch.header, batch.marker) {
                Ok(txn) => completed.extend(txn),
                Err(_) => return (states, completed, true),
            }
        }
        (states, completed, false)
    }

    proptest! {
        #[test]
        fn what_is_sorted_out_says_nothing_that_the_rest_does_not(
            batches in prop::collection::vec((0..3_i64, 0..2_i16, 0..3_u8, 1..12_usize), 0..30),
        ) {
            let runs = batches.iter().flat_map(|(id, epoch, kind, run)| vec![(*id, *epoch, *kind); *run]);
            let all: Vec<Noted> = (0..).zip(runs).map(|(offset, batch)| header(offset, batch)).collect();
            let mut facts = Facts::new(Offset::ZERO, true);
            for (n, batch) in all.iter().enumerate() {
                facts.keep(*batch);
                if n % 7 == 0 {
                    facts.sort_out();
                }
            }
            facts.sort_out();
            let (kept, whole) = (applied(&facts.batches), applied(&all));
            prop_assert_eq!(kept.2, whole.2);
            prop_assert_eq!(&kept.1, &whole.1);
            if !whole.2 {
                prop_assert_eq!(kept.0.snapshot(), whole.0.snapshot());
                for (id, entry) in whole.0.iter() {
                    prop_assert_eq!(kept.0.producer(id), Some(entry));
                }
            }
        }
    }

    #[test]
    fn a_long_run_of_one_producer_takes_little_room() {
        let mut facts = Facts::new(Offset::ZERO, true);
        for offset in 0..3 * ROOM as i64 {
            facts.keep(header(offset, (offset % 2, 0, 0)));
        }
        assert!(facts.batches.len() <= ROOM, "{}", facts.batches.len());
        facts.sort_out();
        assert_eq!(facts.batches.len(), 2 * (CACHED_BATCHES + 1));
    }
}
