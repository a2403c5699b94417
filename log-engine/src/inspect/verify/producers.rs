//! B011, X002, S004: the producers of a log, replayed batch by batch and held against the snapshots beside it.

use std::collections::{BTreeMap, VecDeque};

use super::batch::Seen;
use super::code::FindingCode;
use super::finding::{Findings, Place, Severity, Weight};
use super::in_order::Part;
use super::merge::LogState;
use super::plan::{Facts, SegmentPlan};
use super::snapshots;
use super::txn_index::TxnIndexCheck;
use crate::batch::{BatchHeader, Scratch};
use crate::error::Result;
use crate::fs::Fs;
use crate::producer::{Marker, ProducerEntry, ProducerSnapshot, ProducerStates, SnapshotEntry};
use crate::segment::SegmentFile;
use crate::units::{Offset, ProducerEpoch, ProducerId, Sequence};

/// Batches of a segment that wait for the segments before it: a few MiB.
const MAX_WAITING: usize = 1 << 15;
/// A log with more producers than this is not replayed.
pub const MAX_PRODUCERS: usize = 1 << 16;
/// Where the entries of a snapshot begin, how long each is, and where its fields stand.
const ENTRIES_AT: u64 = 10;
const ENTRY_LEN: u64 = 46;
const EPOCH_AT: u64 = 8;
const LAST_SEQUENCE_AT: u64 = 10;
const TXN_FIRST_OFFSET_AT: u64 = 38;

/// What a walk shows of a batch that names a producer.
#[derive(Clone, Copy, Debug)]
enum Event {
    Batch {
        position: u64,
        header: BatchHeader,
        marker: Option<Marker>,
    },
    /// Batches were lost here.
    Damage,
}

/// Takes what the walk over one segment meets to the log's producers, in the order of the log.
#[derive(Debug)]
pub(super) struct Feed<'a> {
    fs: &'a dyn Fs,
    plan: &'a SegmentPlan,
    part: &'a Part<'a, LogState>,
    waiting: Vec<Event>,
}

impl<'a> Feed<'a> {
    pub(super) fn new(fs: &'a dyn Fs, plan: &'a SegmentPlan, part: &'a Part<'a, LogState>) -> Self {
        Self { fs, plan, part, waiting: Vec::new() }
    }

    /// A sound batch that names a producer.
    pub(super) fn batch(
        &mut self,
        header: &BatchHeader,
        seen: &Seen<'_>,
        scratch: &mut Scratch,
        out: &mut Findings,
    ) -> Result<()> {
        // A marker that cannot be read is told as what it is: records that cannot be read.
        let marker = seen.frame.batch().and_then(|batch| Marker::of(&batch, scratch)).ok().flatten();
        self.waiting.push(Event::Batch { position: seen.position, header: *header, marker });
        if self.waiting.len() >= MAX_WAITING { self.flush(out) } else { Ok(()) }
    }

    /// Makes sure that one more batch will not have to wait for other segments.
    pub(super) fn make_room(&mut self, out: &mut Findings) -> Result<()> {
        if self.waiting.len() + 1 >= MAX_WAITING { self.flush(out) } else { Ok(()) }
    }

    /// Batches were lost.
    pub(super) fn damage(&mut self) {
        self.waiting.push(Event::Damage);
    }

    /// Waits for the segments before and takes in what was met so far.
    pub(super) fn flush(&mut self, out: &mut Findings) -> Result<()> {
        let (fs, plan, waiting) = (self.fs, self.plan, &mut self.waiting);
        self.part.take_in(|log| waiting.drain(..).try_for_each(|event| log.producers.event(event, fs, plan, out)))
    }
}

/// A batch in a log.
#[derive(Clone, Copy, Debug)]
struct Where {
    segment: Offset,
    position: u64,
    offset: i64,
}

/// Batches of one kind by one producer.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    count: u64,
    first: Option<Where>,
}

impl Kind {
    fn add(&mut self, place: Where) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert(place);
    }
}

/// What the log shows of one producer besides its state.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    /// Data batches outside and inside transactions, and markers.
    plain: Kind,
    transactional: Kind,
    markers: u64,
    /// The sequence that would come next if the last batch, whose sequence is wrong, had had the right one.
    instead: Option<Sequence>,
    /// The epoch to which a marker raised it: the next data batch of that epoch is its first.
    raised_to: Option<ProducerEpoch>,
    /// How many damaged places there were when it was last seen.
    damages: u64,
}

/// The producers of one log as far as it was replayed.
#[derive(Debug, Default)]
pub(super) struct LogProducers {
    states: ProducerStates,
    histories: BTreeMap<ProducerId, History>,
    /// Offsets of readable snapshots that the replay has not reached.
    snapshots: VecDeque<Offset>,
    /// The next of them, once somebody asked.
    next: Option<(Offset, ProducerSnapshot)>,
    /// What began before this offset may be unknown.
    known_from: i64,
    damages: u64,
    /// Damage since the last snapshot: transactions may have begun or ended there.
    is_unsure: bool,
    /// Too many producers.
    gave_up: bool,
    txn_index: Option<(Offset, TxnIndexCheck)>,
    /// Producers with an open transaction that a snapshot does not know.
    unknown_open: Vec<(Offset, ProducerId)>,
}

impl LogProducers {
    /// The producers of a log whose first segment begins at `start`, with its readable snapshots in ascending order.
    pub(super) fn new(start: Offset, snapshots: impl IntoIterator<Item = Offset>) -> Self {
        let snapshots = snapshots.into_iter().filter(|offset| *offset >= start && *offset > Offset::ZERO).collect();
        let known_from = if start == Offset::ZERO { i64::MIN } else { start.get() };
        Self { snapshots, known_from, is_unsure: false, ..Self::default() }
    }

    fn is_from_the_start(&self) -> bool {
        self.known_from == i64::MIN
    }

    fn event(&mut self, event: Event, fs: &dyn Fs, plan: &SegmentPlan, out: &mut Findings) -> Result<()> {
        if self.gave_up {
            return Ok(());
        }
        match event {
            Event::Damage => {
                self.damages = self.damages.saturating_add(1);
                self.is_unsure = true;
                if let Some((_, check)) = &mut self.txn_index {
                    check.give_up();
                }
                Ok(())
            }
            Event::Batch { position, header, marker } => {
                let place = Where { segment: plan.base, position, offset: header.base_offset().get() };
                self.batch(place, &header, marker, fs, plan, out)
            }
        }
    }

    fn batch(
        &mut self,
        place: Where,
        header: &BatchHeader,
        marker: Option<Marker>,
        fs: &dyn Fs,
        plan: &SegmentPlan,
        out: &mut Findings,
    ) -> Result<()> {
        self.reach(header.base_offset(), fs, &plan.facts, out)?;
        let id = header.producer_id();
        if self.histories.len() >= MAX_PRODUCERS && !self.histories.contains_key(&id) {
            self.gave_up = true;
            return Ok(());
        }
        let is_control = header.attributes().is_control();
        if !is_control {
            self.sequence(place, header, fs, plan, out)?;
        }
        let before = self.states.producer(id).map(ProducerEntry::epoch).filter(|epoch| epoch.get() != -1);
        let history = self.histories.entry(id).or_default();
        if is_control && before.is_some_and(|before| header.producer_epoch() > before) {
            history.raised_to = Some(header.producer_epoch());
        }
        history.damages = self.damages;
        match (is_control, header.attributes().is_transactional()) {
            (true, _) => history.markers = history.markers.saturating_add(1),
            (false, true) => history.transactional.add(place),
            (false, false) => history.plain.add(place),
        }
        match self.states.apply(header, marker) {
            Ok(Some(completed)) if completed.aborted && !self.is_unsure => {
                // A batch that is wrongly outside is told as what it is, not as a wrong index.
                let is_mixed = self.histories.get(&id).is_some_and(|history| history.plain.count > 0);
                self.txn_index(fs, plan)?.aborted(&completed, is_mixed, out)?;
            }
            Ok(_) => {}
            Err(_) if self.is_unsure => {}
            Err(wrong) => {
                out.add(FindingCode::X002, Severity::Error, at(&place, &plan.log), || {
                    format!("batch {}..{}: {}", place.offset, header.last_offset(), wrong.rule)
                });
                self.histories.entry(id).or_default().instead = Some(header.last_sequence().plus(1));
            }
        }
        Ok(())
    }

    /// B011 for a data batch, against what is known of its producer before it.
    fn sequence(
        &mut self,
        place: Where,
        header: &BatchHeader,
        fs: &dyn Fs,
        plan: &SegmentPlan,
        out: &mut Findings,
    ) -> Result<()> {
        let (id, epoch, first) = (header.producer_id(), header.producer_epoch(), header.base_sequence());
        let mut history = self.histories.get(&id).copied().unwrap_or_default();
        let instead = history.instead.take();
        let is_sure = history.damages == self.damages;
        let weight = plan.facts.history_weight(Severity::Warning);
        let known = self.states.producer(id).filter(|entry| entry.epoch().get() != -1);
        let is_first = history.raised_to == Some(epoch);
        let due = known.and_then(|entry| due(entry, header, is_first));
        let is_strange = known.is_none()
            && first.get() > 0
            && self.is_from_the_start()
            && self.damages == 0
            && self.next_snapshot(fs, &plan.facts)?.is_some_and(|(_, next)| !knows(next, id));
        let mut wrong = |weight: Weight, message: String| {
            out.add(FindingCode::B011, weight, at(&place, &plan.log), || {
                format!("batch {}..{} of producer {id}, epoch {epoch}: {message}", place.offset, header.last_offset())
            });
        };
        if first.get() < 0 {
            wrong(Severity::Error.into(), format!("its sequence is {first}"));
        } else if is_strange {
            wrong(weight, format!("its first sequence is {first}, and the next snapshot does not know it"));
        } else if let Some(due) = due.filter(|due| is_sure && *due != Due::Sequence(first) && instead != Some(first)) {
            wrong(weight, due.to_string_for(first, epoch.get()));
            if let Due::Sequence(due) = due {
                history.instead = Some(due.plus(header.last_offset_delta()).plus(1));
            }
        }
        self.histories.insert(id, history);
        Ok(())
    }

    fn txn_index(&mut self, fs: &dyn Fs, plan: &SegmentPlan) -> Result<&mut TxnIndexCheck> {
        let check = match self.txn_index.take().filter(|(base, _)| *base == plan.base) {
            Some((_, check)) => check,
            None => TxnIndexCheck::open(fs, plan, self.known_from)?,
        };
        Ok(&mut self.txn_index.insert((plan.base, check)).1)
    }

    /// A segment is over.
    pub(super) fn end_segment(&mut self, fs: &dyn Fs, plan: &SegmentPlan, out: &mut Findings) -> Result<()> {
        if self.is_unsure || self.gave_up {
            self.txn_index = None;
            return Ok(());
        }
        self.txn_index(fs, plan)?;
        let Some((_, check)) = self.txn_index.take() else { return Ok(()) };
        check.finish(&plan.facts, out)
    }

    /// The log ends at `end`.
    pub(super) fn finish(mut self, end: Offset, fs: &dyn Fs, facts: &Facts, out: &mut Findings) -> Result<()> {
        if self.gave_up {
            let file = facts.folder.clone();
            out.add(FindingCode::S004, Severity::Info, Place::folder(&file), || {
                format!("more than {MAX_PRODUCERS} producers: their state was not replayed")
            });
            return Ok(());
        }
        self.reach(end, fs, facts, out)?;
        for (id, history) in &self.histories {
            mixed(*id, history, facts, out);
        }
        for (snapshot, id) in std::mem::take(&mut self.unknown_open) {
            self.unknown_transaction(snapshot, id, facts, out);
        }
        Ok(())
    }

    /// Compares with the snapshots up to `offset`.
    fn reach(&mut self, offset: Offset, fs: &dyn Fs, facts: &Facts, out: &mut Findings) -> Result<()> {
        while self.snapshots.front().is_some_and(|next| *next <= offset) {
            self.next_snapshot(fs, facts)?;
            self.snapshots.pop_front();
            let Some((at, snapshot)) = self.next.take() else { continue };
            if self.is_unsure {
                self.states = ProducerStates::from_snapshot(&snapshot, None);
                self.is_unsure = false;
                self.known_from = at.get();
                continue;
            }
            self.compare(at, &snapshot, facts, out);
            if !self.is_from_the_start() {
                self.states = ProducerStates::from_snapshot(&snapshot, None);
            }
        }
        Ok(())
    }

    fn next_snapshot(&mut self, fs: &dyn Fs, facts: &Facts) -> Result<Option<&(Offset, ProducerSnapshot)>> {
        let Some(next) = self.snapshots.front().copied() else { return Ok(None) };
        if self.next.as_ref().is_none_or(|(at, _)| *at != next) {
            self.next =
                snapshots::read(fs, &facts.path.join(SegmentFile::Snapshot.name(next)))?.map(|found| (next, found));
        }
        Ok(self.next.as_ref())
    }

    /// S004: the snapshot at `at` against the replay.
    fn compare(&mut self, at: Offset, snapshot: &ProducerSnapshot, facts: &Facts, out: &mut Findings) {
        let file = facts.file(&SegmentFile::Snapshot.name(at));
        let weight = facts.history_weight(Severity::Warning);
        for (n, says) in (0_u64..).zip(&snapshot.entries) {
            let Some(is) = self.states.producer(says.producer_id).filter(|is| is.epoch().get() != -1) else {
                continue;
            };
            let is_told = self.histories.get(&says.producer_id).is_some_and(|history| history.instead.is_some());
            let found = difference(says, is, self.known_from);
            if let Some((field, message)) = found.filter(|(field, _)| !(is_told && *field == LAST_SEQUENCE_AT)) {
                let position = ENTRIES_AT.saturating_add(n.saturating_mul(ENTRY_LEN)).saturating_add(field);
                out.add(FindingCode::S004, weight, Place::at(&file, position), || {
                    format!("producer {}: {message}", says.producer_id)
                });
            }
        }
        let unknown = self.states.open_transactions().map(|open| open.producer_id).filter(|id| !knows(snapshot, *id));
        let unknown: Vec<_> = unknown.filter(|id| !self.unknown_open.iter().any(|(_, known)| known == id)).collect();
        self.unknown_open.extend(unknown.into_iter().map(|id| (at, id)));
    }

    /// A producer with an open transaction that a snapshot does not know: the batch is wrong if it is the producer's only one, else
    /// the snapshot.
    fn unknown_transaction(&self, at: Offset, id: ProducerId, facts: &Facts, out: &mut Findings) {
        let history = self.histories.get(&id).copied().unwrap_or_default();
        let weight = facts.history_weight(Severity::Warning);
        match history.transactional.first {
            Some(only) if history.transactional.count == 1 && history.plain.count == 0 && history.markers == 0 => {
                let file = facts.file(&SegmentFile::Log.name(only.segment));
                out.add(FindingCode::X002, weight, self::at(&only, &file), || {
                    format!("opens a transaction of producer {id}, which nothing else in the log and no later snapshot knows")
                });
            }
            first => {
                let file = facts.file(&SegmentFile::Snapshot.name(at));
                out.add(FindingCode::S004, weight, Place::file(&file), || {
                    let since = first.map_or(-1, |first| first.offset);
                    format!("does not know producer {id}, which has a transaction open (first batch at offset {since})")
                });
            }
        }
    }
}

fn at<'a>(place: &Where, file: &'a std::path::Path) -> Place<'a> {
    Place::at(file, place.position).offset(place.offset)
}

fn knows(snapshot: &ProducerSnapshot, id: ProducerId) -> bool {
    snapshot.entries.iter().any(|entry| entry.producer_id == id)
}

/// What a producer's next data batch must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Of this sequence.
    Sequence(Sequence),
    /// Not of a lower epoch than this.
    Epoch(i16),
}

impl Due {
    fn to_string_for(self, sequence: Sequence, epoch: i16) -> String {
        match self {
            Self::Sequence(due) => format!("its sequence is {sequence}; {due} would follow"),
            Self::Epoch(known) => format!("epoch {epoch} comes after {known}"),
        }
    }
}

/// What is due from a known producer; `None` if anything goes.
fn due(entry: &ProducerEntry, header: &BatchHeader, is_first: bool) -> Option<Due> {
    let begins_anew = Some(Due::Sequence(Sequence::new(0)));
    match header.producer_epoch().cmp(&entry.epoch()) {
        std::cmp::Ordering::Less => Some(Due::Epoch(entry.epoch().get())),
        std::cmp::Ordering::Greater => begins_anew,
        std::cmp::Ordering::Equal => match entry.last_sequence() {
            Some(last) => Some(Due::Sequence(last.plus(1))),
            None => begins_anew.filter(|_| is_first),
        },
    }
}

/// Where a snapshot's entry differs from the replay: the field's first byte in the entry, and both values.
fn difference(says: &SnapshotEntry, is: &ProducerEntry, known_from: i64) -> Option<(u64, String)> {
    if says.producer_epoch != is.epoch() {
        return Some((EPOCH_AT, format!("epoch is {}; in the log it is {}", says.producer_epoch, is.epoch())));
    }
    let is_known = says.txn_first_offset.is_none_or(|first| first.get() >= known_from);
    if is_known && says.txn_first_offset != is.open_since() {
        let open =
            |first: Option<Offset>| first.map_or_else(|| "none".to_owned(), |first| format!("from offset {first}"));
        let (says, is) = (open(says.txn_first_offset), open(is.open_since()));
        return Some((TXN_FIRST_OFFSET_AT, format!("open transaction is {says}; in the log it is {is}")));
    }
    let last = is.batches().next_back()?;
    if says.last_offset == Some(last.last_offset) && says.last_sequence != last.last_sequence {
        let number = |sequence: Option<Sequence>| sequence.map_or(-1, Sequence::get);
        let (says, is) = (number(says.last_sequence), number(last.last_sequence));
        return Some((LAST_SEQUENCE_AT, format!("last sequence is {says}; in the log it is {is}")));
    }
    None
}

/// X002 for a producer that writes both inside and outside transactions: the rarer kind is the wrong one.
fn mixed(id: ProducerId, history: &History, facts: &Facts, out: &mut Findings) {
    let inside = history.transactional.count.saturating_add(history.markers);
    let (rarer, what) =
        if history.plain.count <= inside { (history.plain, "outside") } else { (history.transactional, "inside") };
    let both = history.plain.count > 0 && inside > 0;
    let Some(first) = rarer.first.filter(|_| both) else { return };
    let file = facts.file(&SegmentFile::Log.name(first.segment));
    let place = at(&first, &file);
    if !out.has_at(FindingCode::X002, place) {
        out.add(FindingCode::X002, facts.history_weight(Severity::Warning), place, || {
            let (plain, count) = (history.plain.count, rarer.count);
            format!("producer {id} wrote {plain} batches outside transactions and {inside} inside; {count} {what} one look wrong")
        });
    }
}
