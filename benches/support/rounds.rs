//! Subjects that run alternately, round by round, and how they compare.

use std::fmt;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// What one run of a subject took, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// On the clock.
    pub wall: f64,
    /// Of this thread's processor time, the system's share included.
    pub cpu: f64,
}

/// Runs `work` and takes the time.
pub fn timed(work: impl FnOnce()) -> Sample {
    let cpu = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        std::time::Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0)).as_secs_f64()
    };
    let (start, before) = (Instant::now(), cpu());
    work();
    Sample { wall: start.elapsed().as_secs_f64(), cpu: cpu() - before }
}

/// Something to measure: each call is one run, of which it times what counts.
pub struct Subject<'a> {
    name: String,
    run: Box<dyn FnMut() -> Sample + 'a>,
}

impl<'a> Subject<'a> {
    /// A subject by its name in the table.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Sample + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The runs of one subject.
#[derive(Clone, Debug)]
pub struct Runs {
    /// Its name.
    pub name: String,
    samples: Vec<Sample>,
}

/// Runs all subjects alternately `rounds` times, after one round that does not count. Each round begins with another subject, so
/// that none always has the same one before it.
#[must_use]
pub fn interleave(rounds: usize, mut subjects: Vec<Subject<'_>>) -> Vec<Runs> {
    let mut runs: Vec<Runs> =
        subjects.iter().map(|subject| Runs { name: subject.name.clone(), samples: Vec::new() }).collect();
    let count = subjects.len();
    for round in 0..=rounds.max(1) {
        for turn in 0..count {
            let index = (round + turn) % count;
            let sample = (subjects[index].run)();
            if round > 0 {
                runs[index].samples.push(sample);
            }
        }
    }
    runs
}

impl Runs {
    /// How this subject compares with `floor` that ran beside it.
    #[must_use]
    pub fn against(&self, floor: &Self) -> Ratio {
        let rounds: Vec<_> = self.samples.iter().zip(&floor.samples).collect();
        let speed = |at| quantile(rounds.iter().map(|(ours, floor)| floor.wall / ours.wall).collect(), at);
        Ratio {
            median: speed(0.5),
            spread: (speed(0.1), speed(0.9)),
            of_cpu: quantile(rounds.iter().map(|(ours, floor)| floor.cpu / ours.cpu).collect(), 0.5),
            ours: self.wall(),
            floor: floor.wall(),
        }
    }

    /// Median seconds of a run.
    #[must_use]
    pub fn wall(&self) -> f64 {
        quantile(self.samples.iter().map(|sample| sample.wall).collect(), 0.5)
    }

    /// Median seconds of processor time of a run.
    #[must_use]
    pub fn cpu(&self) -> f64 {
        quantile(self.samples.iter().map(|sample| sample.cpu).collect(), 0.5)
    }
}

/// How a run compares with its floor.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// Median of the rounds' floor time divided by our time: above 1 is faster than the floor.
    pub median: f64,
    /// The tenth and the ninetieth percentile.
    pub spread: (f64, f64),
    /// The same of processor time alone, which a busy machine disturbs less.
    pub of_cpu: f64,
    /// Median seconds of ours.
    pub ours: f64,
    /// Median seconds of the floor.
    pub floor: f64,
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2} .. {:.2}) x", self.median, self.spread.0, self.spread.1)
    }
}

/// Runs `ours` and `floor` alternately `rounds` times, after one round that does not count.
pub fn ratio(rounds: usize, mut ours: impl FnMut(), mut floor: impl FnMut()) -> Ratio {
    let subjects =
        vec![Subject::new("ours", move || timed(&mut ours)), Subject::new("floor", move || timed(&mut floor))];
    let runs = interleave(rounds, subjects);
    runs[0].against(&runs[1])
}

/// The value below which the share `at` of `values` lies.
#[must_use]
pub fn quantile(mut values: Vec<f64>, at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = (at * (values.len().saturating_sub(1)) as f64).round() as usize;
    values.get(index).copied().unwrap_or(f64::NAN)
}

/// A number of rounds from the environment, so that a quick look and a careful run use the same program.
#[must_use]
pub fn rounds(default: usize) -> usize {
    std::env::var("BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
