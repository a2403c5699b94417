//! The replicas of one partition side by side: up to where they are the same, and what would be lost under each leader.

mod items;

use std::ops::Range;

use items::{Item, Items};

use crate::checkpoint::EpochEntry;
use crate::epoch::LeaderEpochs;
use crate::error::Result;
use crate::log::{BatchItem, LogReader, OnDamage};
use crate::units::{LeaderEpoch, Offset};

/// What has to be the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompareBy {
    /// The batches: offsets, leader epoch and checksum. Followers store what the leader sent, byte for byte.
    #[default]
    Batches,
    /// The records: offset, time, key, value and headers, however they are batched and compressed.
    Records,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The first offset that clients see.
    pub log_start: Offset,
    /// The offset behind its last batch.
    pub log_end: Offset,
    /// Its last leader epoch; `None` if it names none.
    pub epoch: Option<LeaderEpoch>,
    /// Its high watermark, where a checkpoint says it.
    pub high_watermark: Option<Offset>,
    /// What it has behind the prefix that all replicas share.
    pub behind: Held,
    /// Whether bytes in it are no batch, or batches do not decode.
    pub is_damaged: bool,
}

/// Records of one replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many; those of transaction markers included.
    pub records: u64,
    /// From the first offset of their first batch to the last of their last; `None` if there are none.
    pub offsets: Option<(Offset, Offset)>,
}

/// How two replicas stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// They hold the same.
    Identical,
    /// One ends where the other goes on.
    Prefix,
    /// They hold something else at one place.
    Diverged,
    /// One begins behind the other's end.
    Apart,
}

/// Two replicas side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Their places in the list that was given.
    pub replicas: [usize; 2],
    /// How they stand to each other.
    pub relation: Relation,
    /// What is compared begins here: the higher one of the two log starts.
    pub from: Offset,
    /// They are the same up to here.
    pub common_end: Offset,
    /// What each of them has next, where that is not the same.
    pub at: [Option<Next>; 2],
}

/// What a replica has at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// The leader epoch of the batch; `None` where it names none.
    pub epoch: Option<LeaderEpoch>,
    /// Its first and its last offset.
    pub offsets: (Offset, Offset),
}

/// What becomes of a replica when it follows another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Election {
    /// The leader's place in the list that was given.
    pub leader: usize,
    /// The follower's.
    pub follower: usize,
    /// Where the follower cuts its log, by their leader epochs; `None` where those say nothing: then it goes by its high watermark.
    pub truncates_to: Option<Offset>,
    /// What the follower has and the leader has not.
    pub loses: Held,
    /// Offsets at which the follower keeps something else than the leader has: leader epochs do not tell the two apart.
    pub keeps: Option<(Offset, Offset)>,
}

/// Replicas of one partition, compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What is compared begins here: the highest log start.
    pub from: Offset,
    /// All are the same up to here.
    pub common_end: Offset,
    /// The leader epoch there.
    pub epoch: Option<LeaderEpoch>,
    /// The replicas, in the order that was given.
    pub replicas: Vec<Replica>,
    /// Each with each.
    pub pairs: Vec<Pair>,
    /// Each under each.
    pub elections: Vec<Election>,
}

impl Comparison {
    /// Whether all hold the same.
    #[must_use]
    pub fn is_identical(&self) -> bool {
        self.pairs.iter().all(|pair| pair.relation == Relation::Identical)
            && self.replicas.iter().all(|replica| !replica.is_damaged)
    }
}

/// Compares replicas of one partition, each with each. Below the higher log start nothing is compared: retention does not run everywhere
/// at once.
///
/// Reads each pair up to where they part. Memory: that of one batch of each of two replicas.
///
/// # Errors
/// [`crate::Error::Io`] where reading fails; [`crate::Error::Corrupt`] for a file of leader epochs that a broker does not read.
pub fn compare_replicas(replicas: &[LogReader<'_>], by: CompareBy) -> Result<Comparison> {
    let epochs = replicas.iter().map(epochs_of).collect::<Result<Vec<_>>>()?;
    let mut damaged = vec![false; replicas.len()];
    let mut pairs = Vec::new();
    for (left, one) in replicas.iter().enumerate() {
        for (right, other) in replicas.iter().enumerate().skip(left.saturating_add(1)) {
            let (pair, met) = compare_pair([one, other], [left, right], by)?;
            for (replica, met) in [left, right].into_iter().zip(met) {
                if let Some(damaged) = damaged.get_mut(replica) {
                    *damaged |= met;
                }
            }
            pairs.push(pair);
        }
    }
    let from = replicas.iter().map(LogReader::log_start).max().unwrap_or(Offset::ZERO);
    let common_end = pairs.iter().map(|pair| pair.common_end).min().unwrap_or(from).max(from);
    let mut compared = Vec::new();
    for ((replica, epochs), is_damaged) in replicas.iter().zip(&epochs).zip(damaged) {
        compared.push(Replica {
            log_start: replica.log_start(),
            log_end: replica.log_end()?,
            epoch: epochs.latest().map(|latest| latest.epoch),
            high_watermark: replica.high_watermark(),
            behind: held(replica, common_end..Offset::new(i64::MAX))?,
            is_damaged,
        });
    }
    let last = common_end.checked_add(-1).unwrap_or(common_end).max(from);
    let epoch = epochs.iter().find_map(|epochs| epochs.epoch_for(last));
    let elections = elections(replicas, &epochs, &pairs)?;
    Ok(Comparison { from, common_end, epoch, replicas: compared, pairs, elections })
}

/// Reads two replicas up to where they part; whether damage was met in each.
fn compare_pair(pair: [&LogReader<'_>; 2], places: [usize; 2], by: CompareBy) -> Result<(Pair, [bool; 2])> {
    let [one, other] = pair;
    let from = one.log_start().max(other.log_start());
    let mut common_end = from;
    let [mut ones, mut others] = pair.map(|replica| Items::new(replica, from..Offset::new(i64::MAX), by));
    let (relation, at) = loop {
        match (ones.next()?, others.next()?) {
            (None, None) => break (Relation::Identical, [None, None]),
            (Some(one), Some(other)) if one.is_same(&other) => common_end = common_end.max(one.offsets.1.next()),
            (one, other) => {
                let ends = [pair[0].log_end()?, pair[1].log_end()?];
                let relation = match (&one, &other) {
                    _ if ends.iter().any(|end| *end < from) => Relation::Apart,
                    (Some(_), Some(_)) => Relation::Diverged,
                    _ => Relation::Prefix,
                };
                break (relation, [one, other].map(|item| item.as_ref().map(Item::place)));
            }
        }
    };
    let met = [ones.is_damaged(), others.is_damaged()];
    Ok((Pair { replicas: places, relation, from, common_end, at }, met))
}

/// Each replica under each other one.
fn elections(replicas: &[LogReader<'_>], epochs: &[LeaderEpochs], pairs: &[Pair]) -> Result<Vec<Election>> {
    let mut elections = Vec::new();
    // Whoever is elected begins an epoch above all others where its log ends.
    let latest = epochs.iter().filter_map(|epochs| Some(epochs.latest()?.epoch.get())).max();
    let elected = LeaderEpoch::new(latest.unwrap_or(-1).saturating_add(1));
    let all = || replicas.iter().zip(epochs).enumerate();
    for (leader, (leads, leader_epochs)) in all() {
        for (follower, (follows, follower_epochs)) in all().filter(|(follower, _)| *follower != leader) {
            let places = [leader.min(follower), leader.max(follower)];
            let Some(pair) = pairs.iter().find(|pair| pair.replicas == places) else { continue };
            let (leader_end, end) = (leads.log_end()?, follows.log_end()?);
            let is_out_of_range = end < leads.log_start();
            let truncates_to = match is_out_of_range {
                // Nothing of it is left: it begins anew at the leader's start.
                true => Some(follows.log_start()),
                false => {
                    let mut leader_epochs = leader_epochs.clone();
                    leader_epochs.assign(EpochEntry { epoch: elected, start: leader_end });
                    follower_epochs.truncation(end, &leader_epochs, leader_end)
                }
            };
            let cut = truncates_to.or(follows.high_watermark()).unwrap_or(follows.log_start());
            let parted = if is_out_of_range { follows.log_start() } else { pair.common_end };
            let loses = held(follows, cut.max(parted)..Offset::new(i64::MAX))?;
            let keeps = held(follows, parted..cut.min(end))?.offsets.filter(|_| parted < leader_end);
            elections.push(Election { leader, follower, truncates_to, loses, keeps });
        }
    }
    Ok(elections)
}

/// The records of the batches that reach into a range.
fn held(replica: &LogReader<'_>, range: Range<Offset>) -> Result<Held> {
    let mut held = Held::default();
    if range.start >= range.end {
        return Ok(held);
    }
    let mut items = Items::new(replica, range, CompareBy::Batches);
    while let Some(item) = items.next()? {
        held.records = held.records.saturating_add(item.records);
        let first = held.offsets.map_or(item.offsets.0, |(first, _)| first);
        held.offsets = Some((first, item.offsets.1));
    }
    Ok(held)
}

/// The leader epochs of a replica: of its file, or where that is missing, of its batches.
fn epochs_of(replica: &LogReader<'_>) -> Result<LeaderEpochs> {
    let mut epochs = replica.epochs()?;
    if epochs.latest().is_some() {
        return Ok(epochs);
    }
    let mut batches = replica.batches(replica.log_start()..Offset::new(i64::MAX), OnDamage::GoOn);
    while let Some(item) = batches.next()? {
        if let BatchItem::Batch(found) = item
            && let Some(epoch) = found.batch.leader_epoch()
        {
            epochs.assign(EpochEntry { epoch, start: found.batch.base_offset() });
        }
    }
    Ok(epochs)
}

#[cfg(test)]
mod tests;
