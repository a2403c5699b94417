//! What `diff` says to programs.

use std::path::PathBuf;

use log_engine::inspect::{Comparison, Election, Held, Next, Relation};
use log_engine::{LeaderEpoch, Offset};
use schemars::JsonSchema;
use serde::Serialize;

/// Replicas of one partition, compared.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    /// Whether all hold the same.
    identical: bool,
    /// What is compared begins here: the highest log start.
    from: i64,
    /// All are the same up to here.
    common_end: i64,
    /// The leader epoch there.
    epoch: Option<i32>,
    /// The replicas, in the order that was given.
    replicas: Vec<ReplicaRow>,
    /// Each with each.
    pairs: Vec<PairRow>,
    /// Each under each.
    elections: Vec<ElectionRow>,
}

/// One replica.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ReplicaRow {
    /// Its folder.
    path: String,
    /// The first offset that clients see.
    log_start: i64,
    /// The offset behind its last batch.
    log_end: i64,
    /// Its last leader epoch.
    epoch: Option<i32>,
    /// Its high watermark, where a checkpoint says it.
    high_watermark: Option<i64>,
    /// What it has behind the prefix that all share.
    behind: HeldRow,
    /// Whether bytes in it are no batch, or batches do not decode.
    damaged: bool,
}

/// Records of one replica.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct HeldRow {
    /// How many.
    records: u64,
    /// The first offset of their first batch; null if there are none.
    first: Option<i64>,
    /// The last offset of their last batch.
    last: Option<i64>,
}

/// Two replicas side by side.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PairRow {
    /// Their places among the replicas.
    replicas: [usize; 2],
    /// How they stand to each other.
    relation: RelationWord,
    /// They are the same up to here.
    common_end: i64,
    /// What each of them has next, where that is not the same.
    at: [Option<NextRow>; 2],
}

/// How two replicas stand to each other.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum RelationWord {
    /// They hold the same.
    Identical,
    /// One ends where the other goes on.
    Prefix,
    /// They hold something else at one place.
    Diverged,
    /// One begins behind the other's end.
    Apart,
}

/// What a replica has at a place.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NextRow {
    /// The leader epoch of the batch.
    epoch: Option<i32>,
    /// Its first offset.
    base_offset: i64,
    /// Its last offset.
    last_offset: i64,
}

/// What becomes of a replica when it follows another one.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ElectionRow {
    /// The leader's place among the replicas.
    leader: usize,
    /// The follower's.
    follower: usize,
    /// Where the follower cuts its log; null where leader epochs do not say it, and the high watermark decides.
    truncates_to: Option<i64>,
    /// What the follower has and the leader has not.
    loses: HeldRow,
    /// Offsets at which the follower keeps something else than the leader has: leader epochs do not tell the two apart.
    keeps_different: Option<[i64; 2]>,
}

impl HeldRow {
    fn new(held: &Held) -> Self {
        let (first, last) = held.offsets.map(|(first, last)| (first.get(), last.get())).unzip();
        Self { records: held.records, first, last }
    }
}

impl NextRow {
    fn new(next: &Next) -> Self {
        let (first, last) = next.offsets;
        Self { epoch: next.epoch.map(LeaderEpoch::get), base_offset: first.get(), last_offset: last.get() }
    }
}

impl ElectionRow {
    fn new(election: &Election) -> Self {
        Self {
            leader: election.leader,
            follower: election.follower,
            truncates_to: election.truncates_to.map(Offset::get),
            loses: HeldRow::new(&election.loses),
            keeps_different: election.keeps.map(|(first, last)| [first.get(), last.get()]),
        }
    }
}

impl Document {
    pub(super) fn new(comparison: &Comparison, dirs: &[PathBuf]) -> Self {
        let replicas = comparison.replicas.iter().zip(dirs).map(|(replica, dir)| ReplicaRow {
            path: dir.display().to_string(),
            log_start: replica.log_start.get(),
            log_end: replica.log_end.get(),
            epoch: replica.epoch.map(LeaderEpoch::get),
            high_watermark: replica.high_watermark.map(Offset::get),
            behind: HeldRow::new(&replica.behind),
            damaged: replica.is_damaged,
        });
        let pairs = comparison.pairs.iter().map(|pair| PairRow {
            replicas: pair.replicas,
            relation: match pair.relation {
                Relation::Identical => RelationWord::Identical,
                Relation::Prefix => RelationWord::Prefix,
                Relation::Diverged => RelationWord::Diverged,
                Relation::Apart => RelationWord::Apart,
            },
            common_end: pair.common_end.get(),
            at: [0, 1].map(|n: usize| pair.at.get(n).and_then(Option::as_ref).map(NextRow::new)),
        });
        Self {
            identical: comparison.is_identical(),
            from: comparison.from.get(),
            common_end: comparison.common_end.get(),
            epoch: comparison.epoch.map(LeaderEpoch::get),
            replicas: replicas.collect(),
            pairs: pairs.collect(),
            elections: comparison.elections.iter().map(ElectionRow::new).collect(),
        }
    }
}
