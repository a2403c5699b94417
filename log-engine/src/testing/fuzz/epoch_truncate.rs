//! Two replicas whose logs went apart, and what the leader's epochs let them cut.

use std::path::Path;
use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};

use super::whole_log::{FOLDER, NOW, batches, config, open, options, read_from};
use crate::fs::sim::SimFs;
use crate::log::{AppendAsLeader, Isolation, Log, ManualClock, NewRecord, OpenOptions, RecoveryMode};
use crate::units::{LeaderEpoch, Offset};

/// More terms are left out.
const MOST_TERMS: usize = 24;

/// One leader's time: what it appends, and whether the other replica is there to follow it.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Term {
    /// The second replica leads, not the first.
    second: bool,
    /// Epochs that pass over before it: elections that nobody won.
    skipped: u8,
    appends: u8,
    /// The other follows, but only so many batches of what it lacks.
    follows: Option<u8>,
    /// The leader loses its process at the end.
    dies: bool,
}

/// Lets two replicas lead in turn as the bytes say, with the other following or not, and at last reconciles each with the other.
///
/// # Panics
/// If a follower cuts below what it has in common with its leader, needs more questions than it has epochs and one, or does not end up
/// with the leader's batches.
pub fn epoch_truncate(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut replicas = [Replica::new(), Replica::new()];
    let mut epoch = 0;
    let mut appended = 0;
    for _ in 0..MOST_TERMS {
        if input.is_empty() {
            break;
        }
        let Ok(term) = Term::arbitrary(&mut input) else { break };
        epoch += 1 + i32::from(term.skipped % 3);
        let [first, second] = &mut replicas;
        let (leader, follower) = if term.second { (second, first) } else { (first, second) };
        let log = &leader.log;
        log.assign_epoch(LeaderEpoch::new(epoch), log.end()).expect("nothing fails");
        for _ in 0..term.appends % 8 {
            appended += 1;
            leader.append(epoch, appended);
        }
        if let Some(batches) = term.follows {
            reconcile(&follower.log, log);
            fetch(&follower.log, log, usize::from(batches % 8), epoch);
        }
        if term.dies {
            leader.restart();
        }
    }
    let [first, second] = &replicas;
    for (leader, follower) in [(first, second), (second, first)] {
        epoch += 1;
        leader.log.assign_epoch(LeaderEpoch::new(epoch), leader.log.end()).expect("nothing fails");
        reconcile(&follower.log, &leader.log);
        fetch(&follower.log, &leader.log, usize::MAX, epoch);
        assert_eq!(content(&follower.log), content(&leader.log));
        assert_eq!(follower.log.end(), leader.log.end());
        assert_eq!(epochs_with_records(&follower.log), epochs_with_records(&leader.log));
    }
}

/// A log and its disk.
struct Replica {
    fs: SimFs,
    log: Log,
}

impl Replica {
    fn new() -> Self {
        let fs = SimFs::with_folder(Path::new(FOLDER).parent().expect("of two"));
        let log = opened(&fs, Offset::ZERO);
        Self { fs, log }
    }

    fn append(&self, epoch: i32, number: u32) {
        let value = number.to_be_bytes().repeat(1 + number as usize % 40);
        let records = (0..=number % 3).map(|_| NewRecord { value: Some(&value), ..NewRecord::default() });
        let how = AppendAsLeader::client(LeaderEpoch::new(epoch));
        self.log.append_records(records, None, &how).expect("a sound batch");
    }

    fn restart(&mut self) {
        self.fs = self.fs.restart();
        self.log = opened(&self.fs, self.log.recovery_point());
    }
}

fn opened(fs: &SimFs, recovery_point: Offset) -> Log {
    let clock = Arc::new(ManualClock::at(NOW));
    let known = OpenOptions { recovery_point, ..options(RecoveryMode::Strict, &clock) };
    open(fs, config(), known).expect("nothing was lost").0
}

fn content(log: &Log) -> Vec<u8> {
    read_from(log, log.start(), Isolation::LogEnd).0
}

/// Cuts the follower's log where the leader's epochs say that they went apart.
///
/// Kafka: `AbstractFetcherThread.getOffsetTruncationState`.
fn reconcile(follower: &Log, leader: &Log) {
    let common = common_end(follower, leader);
    let epochs = follower.leader_epochs().len();
    let mut questions = 0;
    while let Some(latest) = follower.latest_epoch() {
        questions += 1;
        assert!(questions <= epochs + 1, "asked {questions} times with {epochs} epochs");
        let answer = leader.end_offset_for_epoch(latest).expect("the leader's epoch is the highest");
        let own = follower.end_offset_for_epoch(answer.epoch).expect("the answer is not above the question");
        let knows_it = own.epoch == answer.epoch;
        let end = if knows_it { own.end.min(answer.end) } else { own.end };
        follower.truncate_to(end.min(follower.end())).expect("nothing fails");
        if knows_it {
            break;
        }
    }
    assert!(follower.end() >= common, "cut to {}, below {common} that both have", follower.end());
    assert!(content(leader).starts_with(&content(follower)), "what is left is the leader's");
}

/// Where the first batch ends that only one of them has.
fn common_end(one: &Log, other: &Log) -> Offset {
    let (one, other) = (content(one), content(other));
    let (one, other) = (batches(&one), batches(&other));
    let equal = one.iter().zip(&other).take_while(|(one, other)| one.bytes() == other.bytes());
    equal.last().map_or(Offset::ZERO, |(last, _)| last.last_offset().next())
}

fn fetch(follower: &Log, leader: &Log, most: usize, epoch: i32) {
    if follower.end() == leader.end() {
        return;
    }
    let (bytes, _) = read_from(leader, follower.end(), Isolation::LogEnd);
    for batch in batches(&bytes).iter().take(most) {
        follower.append_as_follower(batch.bytes(), LeaderEpoch::new(epoch)).expect("what comes next");
    }
}

/// Epochs in which something was written, and where they begin. A follower does not hear of the others.
fn epochs_with_records(log: &Log) -> Vec<(i32, i64)> {
    let epochs = log.leader_epochs();
    let ends = epochs.iter().skip(1).map(|entry| entry.start).chain([log.end()]);
    let written = epochs.iter().zip(ends).filter(|(entry, end)| entry.start < *end);
    written.map(|(entry, _)| (entry.epoch.get(), entry.start.get())).collect()
}
