//! Batches to the end of the log: check, place, write, remember producers and epochs.
//!
//! The order is Kafka's, because a refused append can leave traces: the epoch is noted and a full segment rolled before the producer
//! is asked. Kafka: `UnifiedLog.append`.

use std::sync::Arc;

use super::Log;
use super::config::LogConfig;
use super::roll::Incoming;
use super::state::Writer;
use super::ticket::{Durability, Ticket};
use crate::batch::{
    Analysis, AnalysisRules, AppendOrigin, BatchBuilder, Built, TimestampType, Validated, ValidationRules, Walk,
    analyze, assign_built, validate,
};
use crate::checkpoint::EpochEntry;
use crate::compress::Codec;
use crate::epoch::LeaderEpochs;
use crate::error::{Malformed, Refusal, Result, Rule};
use crate::plant::Fault;
use crate::producer::{
    Announcement, CachedBatch, CompletedTransaction, Marker, PendingUpdates, ProducerRules, VerificationGuard,
};
use crate::sync::atomic::Ordering;
use crate::units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// How a leader appends.
#[derive(Clone, Copy, Debug)]
pub struct AppendAsLeader {
    /// The leader's epoch, stamped on every batch.
    pub leader_epoch: LeaderEpoch,
    /// Who sent the batches, which decides what is checked.
    pub origin: AppendOrigin,
    /// What [`Log::start_verification`] gave for the transaction, where verification is on.
    pub guard: Option<VerificationGuard>,
    /// The transaction version that the client or coordinator speaks; `None` where it does not say.
    pub transaction_version: Option<i16>,
    /// How soon this append becomes durable, where that differs from the log's setting.
    pub durability: Option<Durability>,
}

impl AppendAsLeader {
    /// A client's batches, by the leader of `epoch`.
    #[must_use]
    pub const fn client(epoch: LeaderEpoch) -> Self {
        Self {
            leader_epoch: epoch,
            origin: AppendOrigin::Client,
            guard: None,
            transaction_version: None,
            durability: None,
        }
    }

    /// A coordinator's batches, by the leader of `epoch`.
    #[must_use]
    pub const fn coordinator(epoch: LeaderEpoch, transaction_version: i16) -> Self {
        let transaction_version = Some(transaction_version);
        Self {
            leader_epoch: epoch,
            origin: AppendOrigin::Coordinator,
            guard: None,
            transaction_version,
            durability: None,
        }
    }
}

/// What became of an append.
///
/// Kafka: `LogAppendInfo`.
#[derive(Clone, Debug)]
pub struct Appended {
    /// Offset of the first record: of the first write for a duplicate, `None` if nothing came.
    pub first_offset: Option<Offset>,
    /// Offset of the last record, likewise.
    pub last_offset: Option<Offset>,
    /// The largest timestamp; -1 if there is none.
    pub max_timestamp: Timestamp,
    /// The log's time, where the topic counts by it; for a duplicate the timestamp of its first write.
    pub append_time: Option<Timestamp>,
    /// The batch was there already: nothing was written.
    pub duplicate: bool,
    /// Bytes of whole batches that came.
    pub valid_bytes: usize,
    /// How the last compressed batch came.
    pub source_codec: Codec,
    /// The leader epoch in the last batch that came, if it named one.
    pub batch_epoch: Option<LeaderEpoch>,
    /// Base offset of the segment that was written to.
    pub segment: Offset,
    /// To wait with until the batches are durable.
    pub ticket: Ticket,
}

impl Log {
    /// Appends a client's or coordinator's batches: checks them, gives them offsets and the leader's epoch, and writes them. `batches`
    /// are changed in place; nothing but their heads, unless the topic's codec is another one than theirs: then what is written is
    /// built anew and `batches` are of no further use.
    ///
    /// *Appended* when it returns: every reader of this process sees it. *Written*, too. *Durable* as the log's durability says, or
    /// when the ticket says so. Bytes behind the last whole batch are left out, and if no whole batch came, nothing happens.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] with Kafka's reason; then nothing was written, but a segment may have been rolled and an epoch noted.
    /// [`crate::Error::Io`] where the disk refuses: the log is as it was, or [`crate::Error::Poisoned`] from then on if that cannot be brought
    /// about. [`crate::Error::Closed`], [`crate::Error::Poisoned`].
    ///
    /// Kafka: `UnifiedLog.appendAsLeader`.
    pub fn append_as_leader(&self, batches: &mut [u8], how: &AppendAsLeader) -> Result<Appended> {
        let config = self.config.load();
        let call = Call { how, config: &config, now: Timestamp::NONE };
        let appended = self.lead(batches, &call)?;
        self.keep_promise(appended, &call)
    }

    /// Syncs behind an append where its level of durability asks for it, with the append lock free for others.
    fn keep_promise(&self, appended: Appended, call: &Call<'_>) -> Result<Appended> {
        let level = match call.how.durability.unwrap_or(call.config.durability) {
            // Nothing was added that would count.
            Durability::EveryN(_) if appended.duplicate => Durability::Os,
            level => level,
        };
        self.sync_after_append(appended.ticket.end(), level, call.config.max_unsynced_bytes)?;
        Ok(appended)
    }

    fn lead(&self, batches: &mut [u8], call: &Call<'_>) -> Result<Appended> {
        let how = call.how;
        let limit = call.config.max_message_bytes;
        let rules = AnalysisRules {
            origin: how.origin,
            leader_epoch: how.leader_epoch,
            max_message_bytes: (how.origin != AppendOrigin::RaftLeader).then_some(limit),
        };
        self.begin_append()?;
        let analysis = analyze(batches, &rules)?;
        let Some(valid) = batches.get_mut(..analysis.valid_bytes).filter(|valid| !valid.is_empty()) else {
            return Ok(self.nothing_appended(&analysis));
        };
        let mut writer = self.writer()?;
        let call = Call { now: self.now(), ..*call };
        if how.origin == AppendOrigin::RaftLeader {
            return self.place_as_they_are(&mut writer, valid, &analysis, &call);
        }
        let rules = self.validation_rules(&call, analysis.source_codec);
        let placed = validate(valid, &rules, &mut writer.scratch)?;
        let bytes = placed.rebuilt.as_deref().unwrap_or(valid);
        if placed.rebuilt.is_some() {
            check_sizes(bytes, limit)?;
        }
        self.append_placed(&mut writer, bytes, &Facts::of(&placed), &analysis, &call)
    }

    /// Appends a batch that this library has just made, so that nothing of it has to be looked at again: `batch` keeps the rules of
    /// [`validate`] for a log with the call's settings.
    pub(super) fn append_built(&self, batch: &mut [u8], built: &Built, call: &Call<'_>) -> Result<Appended> {
        let (size, limit) = (batch.len() as u64, call.config.max_message_bytes);
        self.begin_append()?;
        if size > limit {
            return Err(Refusal::MessageTooLarge { size, limit }.into());
        }
        let mut writer = self.writer()?;
        let is_append_time = call.config.message_timestamp_type == TimestampType::LogAppendTime;
        let call = Call { now: if is_append_time { self.now() } else { call.now }, ..*call };
        let placed = assign_built(batch, built, &self.validation_rules(&call, built.codec));
        let analysis = Analysis::of_built(batch.len(), built);
        let appended = self.append_placed(&mut writer, batch, &Facts::of(&placed), &analysis, &call)?;
        drop(writer);
        self.keep_promise(appended, &call)
    }

    /// What every append does before its batches are looked at.
    ///
    /// Kafka: in `UnifiedLog.append`, `maybeFlushMetadataFile`.
    fn begin_append(&self) -> Result<()> {
        self.disk.check()?;
        if self.has_unwritten_topic_id.load(Ordering::Acquire) {
            let mut writer = self.writer()?;
            self.write_topic_id(&mut writer)?;
        }
        Ok(())
    }

    /// Appends what a fetch from the leader brought: offsets, epochs and bytes stay as they are. Batches of an epoch above
    /// `fetch_epoch`, the one the fetch was for, are left out with all behind them. Offsets may leave gaps.
    ///
    /// # Errors
    /// As [`Self::append_as_leader`]; [`Refusal::UnexpectedAppendOffset`] below the log's end, [`Refusal::OffsetsOutOfOrder`].
    ///
    /// Kafka: `UnifiedLog.appendAsFollower`.
    pub fn append_as_follower(&self, batches: &[u8], fetch_epoch: LeaderEpoch) -> Result<Appended> {
        let how = AppendAsLeader {
            leader_epoch: fetch_epoch,
            origin: AppendOrigin::Replication,
            guard: None,
            transaction_version: None,
            durability: None,
        };
        let rules =
            AnalysisRules { origin: AppendOrigin::Replication, leader_epoch: fetch_epoch, max_message_bytes: None };
        self.begin_append()?;
        let analysis = analyze(batches, &rules)?;
        let Some(valid) = batches.get(..analysis.valid_bytes).filter(|valid| !valid.is_empty()) else {
            return Ok(self.nothing_appended(&analysis));
        };
        let mut writer = self.writer()?;
        let config = self.config.load();
        let call = Call { how: &how, config: &config, now: self.now() };
        let appended = self.place_as_they_are(&mut writer, valid, &analysis, &call)?;
        drop(writer);
        self.keep_promise(appended, &call)
    }

    /// Appends the marker that ends a producer's transaction, as its coordinator does.
    ///
    /// # Errors
    /// As [`Self::append_as_leader`].
    pub fn append_marker(&self, marker: &EndTransaction, leader_epoch: LeaderEpoch) -> Result<Appended> {
        let mut batch = marker.batch()?;
        self.append_as_leader(&mut batch, &AppendAsLeader::coordinator(leader_epoch, marker.transaction_version))
    }

    /// Announces a transaction before its coordinator is asked about it, so that its first batch is taken where verification is on;
    /// `None` if the transaction is open already.
    ///
    /// # Errors
    /// [`Refusal::InvalidProducerEpoch`] if the producer was replaced; [`crate::Error::Closed`].
    ///
    /// Kafka: `UnifiedLog.maybeStartTransactionVerification`.
    pub fn start_verification(&self, announced: &Announcement) -> Result<Option<VerificationGuard>> {
        let mut writer = self.writer()?;
        Ok(writer.producers.states_mut().start_verification(announced, self.now(), self.end())?)
    }

    fn validation_rules(&self, call: &Call<'_>, source_codec: Codec) -> ValidationRules {
        let config = call.config;
        ValidationRules {
            origin: call.how.origin,
            leader_epoch: call.how.leader_epoch,
            next_offset: self.end(),
            now: call.now,
            timestamp_type: config.message_timestamp_type,
            before_max_ms: config.message_timestamp_before_max_ms,
            after_max_ms: config.message_timestamp_after_max_ms,
            compact: config.compact,
            compression: config.compression,
            source_codec,
            max_record_bytes: config.max_decompressed_bytes,
        }
    }

    fn place_as_they_are(
        &self,
        writer: &mut Writer,
        valid: &[u8],
        analysis: &Analysis,
        call: &Call<'_>,
    ) -> Result<Appended> {
        let end = self.end();
        // Of messages before format 2 the first offset is not known; their first batch's last one stands for it.
        let first = analysis.first_or_last_offset();
        if first < end {
            let (first, last) = (first.get(), analysis.last_offset.get());
            return Err(Refusal::UnexpectedAppendOffset { first, last, end: end.get() }.into());
        }
        let facts = Facts {
            first: analysis.first_offset,
            last: analysis.last_offset,
            max_timestamp: analysis.max_timestamp,
            append_time: None,
        };
        self.append_placed(writer, valid, &facts, analysis, call)
    }

    /// The part that leaders and followers share.
    fn append_placed(
        &self,
        writer: &mut Writer,
        bytes: &[u8],
        facts: &Facts,
        analysis: &Analysis,
        call: &Call<'_>,
    ) -> Result<Appended> {
        self.note_epochs(writer, bytes)?;
        let segment_bytes = call.config.segment_bytes;
        if bytes.len() as u64 > segment_bytes {
            return Err(Refusal::RecordListTooLarge { size: bytes.len() as u64, limit: segment_bytes }.into());
        }
        let incoming =
            Incoming { bytes: bytes.len() as u64, max_timestamp: facts.max_timestamp, last_offset: facts.last };
        self.roll_if_full(writer, &incoming, facts.first, call)?;
        let pending = match check_producers(writer, bytes, call)? {
            Checked::Duplicate(first_write) => {
                return Ok(Appended {
                    first_offset: Some(first_write.first_offset()),
                    last_offset: Some(first_write.last_offset),
                    append_time: Some(first_write.timestamp),
                    duplicate: true,
                    ticket: self.ticket(first_write.last_offset.next()),
                    ..self.answer(writer, facts, analysis)
                });
            }
            Checked::Pending(pending) => pending,
        };
        let active = &writer.active;
        let publish = |size| self.disk.appended(facts.last.next(), bytes.len() as u64, active.base(), size);
        if let Err(error) = active.append_then(bytes, publish) {
            // Cut back to what was there before, so that nothing stands between it and the next append.
            if !Fault::FailedWriteKept.is_planted() {
                self.poisoning(writer.active.undo())?;
            }
            return Err(error);
        }
        writer.stored_end = facts.last.next();
        self.disk.waiters.notify();
        self.refresh_high_watermark(writer)?;
        if let Some(pending) = pending {
            self.remember_producers(writer, pending)?;
        }
        writer.producers.update_map_end(facts.last.next());
        self.update_first_unstable(writer)?;
        Ok(self.answer(writer, facts, analysis))
    }

    fn answer(&self, writer: &Writer, facts: &Facts, analysis: &Analysis) -> Appended {
        Appended {
            first_offset: facts.first,
            last_offset: Some(facts.last),
            max_timestamp: facts.max_timestamp,
            append_time: facts.append_time,
            duplicate: false,
            valid_bytes: analysis.valid_bytes,
            source_codec: analysis.source_codec,
            batch_epoch: analysis.last_leader_epoch,
            segment: writer.active.base(),
            ticket: self.ticket(facts.last.next()),
        }
    }

    fn remember_producers(&self, writer: &mut Writer, pending: PendingUpdates) -> Result<()> {
        let completed = writer.producers.states_mut().commit(pending);
        for aborted in completed.iter().filter_map(CompletedTransaction::aborted_txn) {
            self.poisoning(writer.active.append_aborted(&aborted))?;
        }
        Ok(())
    }

    /// Kafka: `UnifiedLog.assignEpochStartOffset` for each batch.
    fn note_epochs(&self, writer: &mut Writer, bytes: &[u8]) -> Result<()> {
        for (_, batch) in Walk::new(bytes) {
            let batch = batch.map_err(Refusal::CorruptMessage)?;
            match batch.header() {
                Some(header) => {
                    let entry = EpochEntry { epoch: header.leader_epoch(), start: header.base_offset() };
                    self.note_epoch(writer, entry)?;
                }
                None if writer.epochs.latest().is_some() => {
                    self.change_epochs(writer, LeaderEpochs::default())?;
                }
                None => {}
            }
        }
        Ok(())
    }

    fn ticket(&self, end: Offset) -> Ticket {
        Ticket::new(Arc::clone(&self.disk), end)
    }

    fn nothing_appended(&self, analysis: &Analysis) -> Appended {
        let active = self.segments().last().map_or(Offset::ZERO, |active| active.base());
        Appended {
            first_offset: None,
            last_offset: None,
            max_timestamp: Timestamp::NONE,
            append_time: None,
            duplicate: false,
            valid_bytes: analysis.valid_bytes,
            source_codec: analysis.source_codec,
            batch_epoch: analysis.last_leader_epoch,
            segment: active,
            ticket: self.ticket(Offset::ZERO),
        }
    }
}

/// One append: how, by which settings, when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) how: &'a AppendAsLeader,
    pub(super) config: &'a LogConfig,
    pub(super) now: Timestamp,
}

/// What an append adds, when its offsets are final.
struct Facts {
    first: Option<Offset>,
    last: Offset,
    max_timestamp: Timestamp,
    append_time: Option<Timestamp>,
}

impl Facts {
    const fn of(placed: &Validated) -> Self {
        Self {
            first: Some(placed.first_offset),
            last: placed.last_offset,
            max_timestamp: placed.max_timestamp,
            append_time: placed.append_time,
        }
    }
}

enum Checked {
    Duplicate(CachedBatch),
    Pending(Option<PendingUpdates>),
}

/// Kafka: `UnifiedLog.analyzeAndValidateProducerState`.
fn check_producers(writer: &mut Writer, bytes: &[u8], call: &Call<'_>) -> Result<Checked> {
    let rules = ProducerRules {
        origin: call.how.origin,
        transaction_version: call.how.transaction_version,
        is_verification_required: call.config.transaction_verification,
        guard: call.how.guard,
    };
    let mut pending = None;
    let Writer { producers, scratch, .. } = writer;
    for (_, batch) in Walk::new(bytes) {
        let batch = batch.map_err(Refusal::CorruptMessage)?;
        let Some(header) = batch.header().filter(|header| header.has_producer()) else { continue };
        let marker = Marker::of(&batch, scratch).map_err(no_marker)?;
        let updates = pending.get_or_insert_with(|| PendingUpdates::new(rules));
        if let Some(duplicate) = updates.add(producers.states(), header, marker)? {
            return Ok(Checked::Duplicate(duplicate));
        }
    }
    Ok(Checked::Pending(pending))
}

/// Why the marker in a control batch cannot be told, as Kafka tells it apart.
fn no_marker(malformed: Malformed) -> Refusal {
    match malformed.rule {
        Rule::Compressed { .. } | Rule::TooLarge { .. } | Rule::Mismatch { .. } => Refusal::Undecodable(malformed),
        _ => Refusal::InvalidRecord(malformed),
    }
}

/// The end of a transaction, to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransaction {
    /// Whose transaction.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// Committed, or else aborted.
    pub commit: bool,
    /// Epoch of the coordinator.
    pub coordinator_epoch: i32,
    /// When.
    pub timestamp: Timestamp,
    /// Version of the transaction protocol.
    pub transaction_version: i16,
}

impl EndTransaction {
    /// The marker as the coordinator sends it.
    ///
    /// # Errors
    /// [`Refusal::InvalidBatch`] without a producer id or epoch.
    pub fn batch(&self) -> Result<Vec<u8>, Refusal> {
        let producer = (self.producer_id, self.producer_epoch);
        let nobody = LeaderEpoch::new(-1);
        let built = BatchBuilder::end_transaction(
            Offset::ZERO,
            nobody,
            producer,
            self.timestamp,
            self.commit,
            self.coordinator_epoch,
        );
        built.map_err(|_| Refusal::InvalidBatch {
            what: "producer of a marker",
            found: self.producer_id.get(),
            expected: "a producer id and an epoch",
        })
    }
}

/// No batch may be above `limit` bytes after it was changed.
fn check_sizes(bytes: &[u8], limit: u64) -> Result<()> {
    for (_, batch) in Walk::new(bytes) {
        let size = batch.map_err(Refusal::CorruptMessage)?.bytes().len() as u64;
        if size > limit {
            return Err(Refusal::MessageTooLarge { size, limit }.into());
        }
    }
    Ok(())
}
