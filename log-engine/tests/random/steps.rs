//! Draws a script, operation by operation, from what the model says that the log is now: offsets near its ends, sequences that follow
//! or nearly do, markers for open transactions.

use super::model::{Model, Settings};
use super::producers::{Kind, Stamp, next_sequence};
use super::rng::Random;

const PRODUCERS: u64 = 4;

/// One operation, as the model sees it.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Records, or the end of a transaction; `base` is a follower's.
    Append {
        base: Option<i64>,
        epoch: i32,
        stamp: Option<Stamp>,
        times: Vec<i64>,
        value: u64,
    },
    AssignEpoch(i32),
    HighWatermark {
        to: i64,
        monotonic: bool,
    },
    DeleteTo(i64),
    DeleteOld,
    TruncateTo(i64),
    TruncateFully(i64),
    Roll,
    Flush,
    Checkpoint,
    Time(i64),
    Close,
    Crash,
    Lose(u64),
    Reopen {
        clean: bool,
    },
}

impl Step {
    /// The line of a script that asks for it.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Append { base, epoch, stamp, times, value } => {
                let marker = stamp.is_some_and(|stamp| matches!(stamp.kind, Kind::Marker { .. }));
                let mut line = match (base, marker) {
                    (Some(base), _) => format!("append-follower base={base} batch-epoch={epoch}"),
                    (None, true) => format!("append-marker epoch={epoch}"),
                    (None, false) => format!("append-records epoch={epoch}"),
                };
                if let Some(Stamp { id, epoch, kind }) = stamp {
                    line += &format!(" pid={id} pepoch={epoch}");
                    match kind {
                        Kind::Data { first, transactional, .. } => line += &format!(" seq={first} txn={transactional}"),
                        Kind::Marker { commit, coordinator } => {
                            let end = if *commit { "commit" } else { "abort" };
                            line += &format!(" {end} coordinator-epoch={coordinator}");
                        }
                    }
                }
                let stamps: Vec<String> = times.iter().map(i64::to_string).collect();
                line += &format!(" ts={}", stamps.join(","));
                if marker { line } else { line + &format!(" records={}x{value}", times.len()) }
            }
            Self::AssignEpoch(epoch) => format!("assign-epoch {epoch}"),
            Self::HighWatermark { to, monotonic } => format!("hw {to}{}", if *monotonic { " monotonic" } else { "" }),
            Self::DeleteTo(to) => format!("delete-to {to}"),
            Self::DeleteOld => "delete-old".to_owned(),
            Self::TruncateTo(to) => format!("truncate-to {to}"),
            Self::TruncateFully(to) => format!("truncate-fully {to}"),
            Self::Roll => "roll".to_owned(),
            Self::Flush => "flush".to_owned(),
            Self::Checkpoint => "checkpoint".to_owned(),
            Self::Time(now) => format!("time {now}"),
            Self::Close => "close".to_owned(),
            Self::Crash => "crash".to_owned(),
            Self::Lose(bytes) => format!("damage cut active.log {bytes}"),
            Self::Reopen { clean: true } => "reopen clean".to_owned(),
            Self::Reopen { clean: false } => "reopen unclean recovery-point=0".to_owned(),
        }
    }
}

/// Who draws.
pub(super) struct Steps {
    pub(super) random: Random,
    epoch: i32,
    is_follower: bool,
    /// Appends that a client may send again.
    sent: Vec<Step>,
    /// What has to come next.
    waiting: Vec<Step>,
}

impl Steps {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let is_follower = random.one_in(4);
        Self { random, epoch: 0, is_follower, sent: Vec::new(), waiting: Vec::new() }
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.random.below(of.len() as u64)).unwrap_or(0)]
    }

    /// A number from `from` to `to`.
    fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.random.below(u64::try_from(to - from + 1).unwrap_or(1)).cast_signed()
    }

    /// The settings, and the line of a script that sets them.
    pub(super) fn settings(&mut self) -> (Settings, String) {
        let settings = Settings {
            segment_bytes: self.pick(&[300, 700, 1500, 4000]),
            retention_bytes: self.pick(&[None, Some(1000), Some(5000)]),
            retention_ms: self.pick(&[None, Some(2000), Some(60_000)]),
        };
        let interval = self.pick(&[0, 100, 1000]);
        let bytes = settings.retention_bytes.map_or("-1".to_owned(), |bytes| bytes.to_string());
        let ms = settings.retention_ms.unwrap_or(-1);
        let line = format!(
            "config segment.bytes={} index.interval.bytes={interval} segment.index.bytes=1200 retention.bytes={bytes} retention.ms={ms}",
            settings.segment_bytes
        );
        (settings, line)
    }

    pub(super) fn next(&mut self, model: &Model) -> Step {
        if !self.waiting.is_empty() {
            return self.waiting.remove(0);
        }
        let step = match self.random.below(100) {
            0..=54 => self.append(model),
            55..=66 => self.watermark(model),
            67..=69 => Step::DeleteTo(self.boundary(model, model.start, model.high_watermark)),
            70..=74 => Step::DeleteOld,
            75..=78 => Step::TruncateTo(self.between(model.start, model.end + 1)),
            79 => Step::TruncateFully(model.end + self.between(0, 20)),
            80..=83 => Step::Roll,
            84..=85 => Step::Flush,
            86..=88 => Step::Checkpoint,
            89..=91 => Step::Time(model.now + self.pick(&[1, 500, 3000])),
            92..=94 => {
                self.epoch += 1;
                Step::AssignEpoch(self.epoch)
            }
            _ => self.restart(),
        };
        if matches!(&step, Step::Append { base: None, stamp: Some(_), .. }) {
            self.sent.push(step.clone());
        }
        step
    }

    /// An offset where a batch begins, or the log's end, from `from` to `to`; `from` if there is none.
    fn boundary(&mut self, model: &Model, from: i64, to: i64) -> i64 {
        let begins = model.batches().iter().map(|batch| batch.base).chain([model.end]);
        let fit: Vec<i64> = begins.filter(|at| (from..=to).contains(at)).collect();
        if fit.is_empty() { from } else { self.pick(&fit) }
    }

    fn watermark(&mut self, model: &Model) -> Step {
        let from = if self.random.one_in(5) { model.start } else { model.high_watermark };
        let to = if self.random.one_in(3) { model.end } else { self.boundary(model, from, model.end) };
        Step::HighWatermark { to, monotonic: self.random.one_in(3) }
    }

    fn restart(&mut self) -> Step {
        let is_clean = self.random.one_in(2);
        if !is_clean && self.random.one_in(2) {
            self.waiting.push(Step::Lose(1 + self.random.below(120)));
        }
        self.waiting.push(Step::Reopen { clean: is_clean });
        if is_clean { Step::Close } else { Step::Crash }
    }

    fn append(&mut self, model: &Model) -> Step {
        if !self.sent.is_empty() && !self.is_follower && self.random.one_in(10) {
            let sent = self.random.below(self.sent.len() as u64);
            return self.sent[usize::try_from(sent).unwrap_or(0)].clone();
        }
        let count = 1 + self.random.below(4);
        let times = (0..count).map(|_| model.now + self.between(-2000, 500)).collect();
        let stamp = self.stamp(model, i32::try_from(count).unwrap_or(1));
        let is_marker = stamp.is_some_and(|stamp| matches!(stamp.kind, Kind::Marker { .. }));
        let gap = if self.random.one_in(8) && model.size_of(model.active()) > 0 && model.high_watermark < model.end {
            self.between(1, 20)
        } else {
            0
        };
        Step::Append {
            base: self.is_follower.then_some(model.end + gap),
            epoch: self.epoch,
            stamp,
            times: if is_marker { vec![model.now] } else { times },
            value: self.pick(&[0, 10, 40, 90]),
        }
    }

    /// Somebody, nobody, or the coordinator.
    fn stamp(&mut self, model: &Model, count: i32) -> Option<Stamp> {
        if self.random.one_in(3) {
            return None;
        }
        let id = 1000 + self.random.below(PRODUCERS).cast_signed();
        let known = model.producers.0.get(&id);
        let epoch = known.map_or(0, |known| known.epoch);
        let open = known.is_some_and(|known| known.open_since.is_some());
        // A leader has refused what a follower would have to refuse.
        let is_wrong = !self.is_follower && self.random.one_in(8);
        if (open && self.random.one_in(3)) || self.random.one_in(20) {
            let coordinator = known.map_or(0, |known| known.coordinator.max(0));
            let (epoch, coordinator) = match self.random.below(4) {
                0 if is_wrong => (epoch - 1, coordinator),
                1 if is_wrong => (epoch, coordinator - 1),
                2 => (epoch + 1, coordinator + 1),
                _ => (epoch, coordinator),
            };
            let kind = Kind::Marker { commit: self.random.one_in(2), coordinator: coordinator.max(0) };
            return Some(Stamp { id, epoch: epoch.max(0), kind });
        }
        let next = match known {
            None => self.pick(&[0, 0, 7, i32::MAX - 3]),
            Some(known) => next_sequence(known.last_sequence()),
        };
        let (epoch, first) = match self.random.below(4) {
            0 if is_wrong => (epoch, next.wrapping_add(3) & i32::MAX),
            1 if is_wrong => (epoch + 1, 2),
            2 if is_wrong => ((epoch - 1).max(0), next),
            3 if !open && self.random.one_in(6) => (epoch + 1, 0),
            _ => (epoch, next),
        };
        let transactional = if is_wrong { self.random.one_in(2) } else { open || self.random.one_in(3) };
        // Sequences begin anew behind the largest.
        let last = i32::try_from((i64::from(first) + i64::from(count) - 1) & i64::from(i32::MAX)).unwrap_or(0);
        Some(Stamp { id, epoch, kind: Kind::Data { first, last, transactional } })
    }
}
