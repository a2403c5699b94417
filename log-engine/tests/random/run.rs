//! Carries one random script out on a log, with the model beside it.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use log_engine::testing::script::{Action, Op, Runner};
use log_engine::{OsFs, Timestamp};
use serde_json::Value;

use super::agree::{agree, answers_agree};
use super::model::{Answer, Batch, Model};
use super::steps::{Step, Steps};

/// Where the clocks of scripts stand in the beginning.
const START: i64 = 1_700_000_000_000;

/// A script that was carried out.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// Its text.
    pub(crate) script: String,
    /// Operations that the log refused.
    pub(crate) refused: usize,
    /// Whether it ended early, in a log that no start opens.
    pub(crate) stuck: usize,
    /// Starts of the log behind the first one.
    pub(crate) starts: usize,
}

/// Draws a script from `seed` and carries it out in the folder `dir`; what the log and the model do not agree about.
pub(crate) fn run(seed: u64, operations: usize, dir: &Path) -> Result<Ran, (String, String)> {
    let mut ran = Ran::default();
    let mut steps = Steps::new(seed);
    match carry_out(&mut steps, operations, dir, &mut ran) {
        Ok(()) => Ok(ran),
        Err(wrong) => Err((wrong, ran.script)),
    }
}

fn carry_out(steps: &mut Steps, operations: usize, dir: &Path, ran: &mut Ran) -> Result<(), String> {
    let mut runner = Runner::new(Arc::new(OsFs), dir).map_err(|error| error.to_string())?;
    let (settings, line) = steps.settings();
    let mut model = Model::new(settings, START);
    answer(&mut runner, &mut ran.script, &line)?;
    answer(&mut runner, &mut ran.script, "open")?;
    for _ in 0..operations {
        let step = steps.next(&model);
        ran.starts += usize::from(matches!(step, Step::Reopen { .. }));
        let (row, op) = answer(&mut runner, &mut ran.script, &step.line())?;
        ran.refused += usize::from(row.get("error").is_some());
        let wrong = |wrong: String| format!("line {}: {}: {wrong}", op.line, step.line());
        if is_stuck(&step, &row) {
            ran.stuck += 1;
            return Ok(());
        }
        let reads_back = apply(&step, &op, &row, &mut model).map_err(wrong)?;
        let Some(log) = runner.log() else { continue };
        let state = log.describe().map_err(|error| wrong(error.to_string()))?;
        if reads_back {
            model.reload(&state).map_err(wrong)?;
        }
        agree(log, &state, &model).map_err(wrong)?;
        model.settle_high_watermark();
        answers_agree(log, &model, &mut steps.random).map_err(wrong)?;
    }
    if runner.log().is_some() {
        answer(&mut runner, &mut ran.script, "close")?;
    }
    Ok(())
}

fn answer(runner: &mut Runner, script: &mut String, line: &str) -> Result<(Value, Op), String> {
    // Writing to a string cannot fail.
    let _ = writeln!(script, "{line}");
    let op = Op::parse(script.lines().count(), line).map_err(|wrong| wrong.to_string())?.ok_or("no operation")?;
    let row = runner.run(&op).map_err(|wrong| wrong.to_string())?;
    Ok((row.into_value(), op))
}

/// Lets the model do the same; an error if the log answered something else. Whether it read producers back.
fn apply(step: &Step, op: &Op, row: &Value, model: &mut Model) -> Result<bool, String> {
    let told = |key: &str, expected: Value| match &row[key] {
        found if *found == expected => Ok(false),
        found => Err(format!("{key}: the log says {found}, the model {expected}; {row}")),
    };
    match step {
        Step::Append { base, epoch, stamp, times, .. } => {
            let base_offset = base.unwrap_or(model.end);
            let last = base_offset + i64::try_from(times.len()).unwrap_or(0) - 1;
            let bytes = final_bytes(op, model.now, base_offset, *epoch)?;
            let batch = Batch { base: base_offset, last, epoch: *epoch, times: times.clone(), bytes, stamp: *stamp };
            let expected = model.append(batch, base.is_some());
            let found = match (row["error"].as_str(), row["duplicate"].as_bool()) {
                (Some(refused), _) => format!("Refused({refused:?})"),
                (None, is_duplicate) => {
                    let kind = if is_duplicate == Some(true) { "Duplicate" } else { "Appended" };
                    format!("{kind} {{ first: {}, last: {} }}", row["first"], row["last"])
                }
            };
            if found == format!("{expected:?}") {
                Ok(false)
            } else {
                Err(format!("the log says {found}, the model {expected:?}; {row}"))
            }
        }
        Step::AssignEpoch(epoch) => {
            model.assign_epoch(*epoch, model.end);
            Ok(false)
        }
        Step::HighWatermark { to, monotonic: true } => {
            let moves = *to > model.high_watermark;
            if moves {
                model.set_high_watermark(*to);
            }
            told("moved", moves.into())
        }
        Step::HighWatermark { to, monotonic: false } => {
            model.set_high_watermark(*to);
            told("hw", model.high_watermark.into())
        }
        Step::DeleteTo(to) if *to > model.high_watermark => told("error", "OffsetOutOfRangeException".into()),
        Step::DeleteTo(to) => told("moved", model.raise_start(*to).into()),
        Step::DeleteOld => told("deleted", model.delete_old().into()),
        Step::TruncateTo(to) => {
            let is_cut = model.truncate_to(*to);
            told("truncated", is_cut.into()).map(|_| is_cut)
        }
        Step::TruncateFully(to) => {
            model.restart_at(*to, None);
            told("ok", true.into())
        }
        Step::Roll => told("base", model.roll().into()),
        Step::Flush => told("ok", true.into()),
        Step::Checkpoint => told("log_start_checkpoint", model.checkpoint().into()),
        Step::Time(now) => {
            model.now = *now;
            told("ok", true.into())
        }
        Step::Close => {
            told("recovery_point_checkpoint", model.end.into())?;
            told("log_start_checkpoint", model.checkpoint().into())
        }
        Step::Crash => told("ok", true.into()),
        Step::Lose(bytes) => {
            model.lose(usize::try_from(*bytes).map_err(|error| error.to_string())?);
            Ok(false)
        }
        Step::Reopen { clean } => {
            model.reopen(*clean);
            told("ok", true.into()).map(|_| true)
        }
    }
}

/// Whether a start refuses what an append took: a log that has forgotten a producer with an open transaction, because its batches were
/// deleted, takes others from it, and a start that reads back a time when it was known does not. Kafka refuses such a log, too.
fn is_stuck(step: &Step, row: &Value) -> bool {
    matches!(step, Step::Reopen { clean: false }) && row["error"] == "InvalidTxnStateException"
}

/// A batch as it has to stand in the file: as it was sent, with the offset and the epoch that the log gives it.
fn final_bytes(op: &Op, now: i64, base: i64, epoch: i32) -> Result<Vec<u8>, String> {
    let (Action::AppendLeader { payload, .. } | Action::AppendFollower { payload, .. }) = &op.action else {
        return Err("no append".to_owned());
    };
    let mut bytes = payload.bytes(Timestamp::new(now)).map_err(|error| error.to_string())?;
    bytes.splice(0..8, base.to_be_bytes());
    bytes.splice(12..16, epoch.to_be_bytes());
    Ok(bytes)
}

/// What an [`Answer`] says when it is printed; the rows are compared with it.
#[test]
fn answers_are_printed_as_rows_are_compared() {
    assert_eq!(format!("{:?}", Answer::Appended { first: 1, last: 2 }), "Appended { first: 1, last: 2 }");
    assert_eq!(format!("{:?}", Answer::Refused("E")), "Refused(\"E\")");
}
