//! Carries scripts out on a [`Log`], one answer an operation.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::answers;
use super::batches::Payload;
use super::files::facts;
use super::host::Host;
use super::op::{Action, Op, ScriptError};
use super::row::{Failure, Row};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::fs::WriteFs;
use crate::log::{AppendAsLeader, Appended, Clock, Log, RunTasks};
use crate::producer::Announcement;
use crate::units::{LeaderEpoch, Offset, Timestamp};

/// Runs scripts on one partition, whose log is opened in recovery mode `Kafka`.
///
/// Time stands still but for `time`. Background tasks without a delay run behind the operation that asked for them, all others by
/// `run-tasks`; after `tasks manual` nothing runs otherwise. The files' times are the script's.
#[derive(Debug)]
pub struct Runner {
    host: Host,
    created: bool,
    manual_tasks: bool,
}

impl Runner {
    /// A runner for the partition in `dir`, which must be empty or missing; its parent must be there.
    ///
    /// # Errors
    /// [`Error::NotReadable`] if something is in `dir`; [`Error::Io`].
    pub fn new(fs: Arc<dyn WriteFs>, dir: &Path) -> Result<Self> {
        if !Host::is_empty(fs.as_ref(), dir)? {
            return Err(Error::NotReadable { path: dir.to_owned(), what: "not an empty folder" });
        }
        Ok(Self { host: Host::new(fs, dir.to_owned()), created: false, manual_tasks: false })
    }

    /// A runner for a partition that lies in `dir` already, with topic configs of these names and values; the log is not open yet.
    ///
    /// # Errors
    /// What is wrong with a config.
    pub fn over(fs: Arc<dyn WriteFs>, dir: &Path, configs: &[(String, String)]) -> Result<Self, String> {
        let mut runner = Self { host: Host::new(fs, dir.to_owned()), created: true, manual_tasks: false };
        runner.set(configs)?;
        Ok(runner)
    }

    /// The log, while it is open.
    #[must_use]
    pub fn log(&self) -> Option<&Log> {
        self.host.log().ok()
    }

    /// Carries out one operation. What the log refuses is part of the answer.
    ///
    /// # Errors
    /// If the script is wrong: nothing that a log was asked.
    pub fn run(&mut self, op: &Op) -> Result<Row, ScriptError> {
        let wrong = |why| ScriptError { line: op.line, op: op.name.clone(), why };
        let mut row = Row::new(op);
        match &op.action {
            Action::Config(_) if self.created => {
                return Err(wrong("must come before the first operation on the log; use update-config".to_owned()));
            }
            Action::Config(pairs) => self.set(pairs).map_err(wrong)?,
            Action::Time(ms) => self.host.clock.set(Timestamp::new(*ms)),
            Action::Tasks { manual } => self.manual_tasks = *manual,
            action => {
                if let Err(failure) = self.operate(action, &mut row).map_err(wrong)? {
                    row.fail(&failure);
                }
                if self.created {
                    self.follow_up(action, &mut row);
                }
                return Ok(row);
            }
        }
        row.put("ok", true);
        if self.created {
            self.follow_up(&op.action, &mut row);
        }
        Ok(row)
    }

    /// What comes behind each operation: tasks that wait for nothing, times of files, the log's offsets.
    fn follow_up(&mut self, action: &Action, row: &mut Row) {
        if let Some(Err(error)) =
            self.log().filter(|_| !self.manual_tasks).map(|log| log.run_tasks(RunTasks::Immediate))
        {
            row.fail_task(&error.into());
        }
        if let Err(error) = self.host.settle() {
            row.fail_task(&error.into());
        }
        if let Some(log) = self.log().filter(|_| *action != Action::State) {
            row.put("log", answers::offsets(log));
        }
    }

    fn set(&mut self, pairs: &[(String, String)]) -> Result<(), String> {
        pairs.iter().try_for_each(|(name, value)| self.host.settings.set(name, value))
    }

    /// Carries out an operation on the log; the outer error is the script's, the inner one the log's.
    fn operate(&mut self, action: &Action, row: &mut Row) -> Result<Result<(), Failure>, String> {
        if !self.created {
            if let Err(failure) = self.host.create() {
                return Ok(Err(failure));
            }
            self.created = true;
        }
        match action {
            Action::UpdateConfig(pairs) => {
                self.set(pairs)?;
                Ok(self.host.log().map(|log| {
                    log.update_config(self.host.settings.config.clone());
                    row.put("ok", true);
                }))
            }
            Action::Damage(damage, file) => {
                if self.host.is_open() {
                    return Ok(Err(Failure::unexpected("IllegalStateException", "the log is open")));
                }
                let damaged = self.host.find(file)?.and_then(|name| {
                    self.host.damage(damage, &name)?;
                    Ok(name)
                });
                Ok(damaged.map(|name| row.put("file", name)))
            }
            Action::AppendLeader { epoch, origin, payload, verified, version } => {
                let batches = self.bytes(payload)?;
                let how = AppendAsLeader {
                    origin: *origin,
                    transaction_version: (*version >= 0).then_some(*version),
                    ..AppendAsLeader::client(LeaderEpoch::new(*epoch))
                };
                Ok(self.append_as_leader(batches, how, *verified, row))
            }
            Action::AppendFollower { epoch, payload } => {
                let (batches, epoch) = (self.bytes(payload)?, LeaderEpoch::new(*epoch));
                Ok(self.host.log().and_then(|log| answer_append(log, row, || log.append_as_follower(&batches, epoch))))
            }
            _ => Ok(self.apply(action, row)),
        }
    }

    fn bytes(&self, payload: &Payload) -> Result<Vec<u8>, String> {
        payload.bytes(self.host.clock.wall()).map_err(|refused| refused.to_string())
    }

    fn append_as_leader(
        &self,
        mut batches: Vec<u8>,
        mut how: AppendAsLeader,
        verified: bool,
        row: &mut Row,
    ) -> Result<(), Failure> {
        let log = self.host.log()?;
        if verified {
            let first = Batch::parse(&batches).ok();
            let header = first.and_then(|batch| batch.header());
            let header = header.ok_or_else(|| Failure::unexpected("NoSuchElementException", "there is no batch"))?;
            how.guard = log.start_verification(&Announcement {
                producer_id: header.producer_id(),
                epoch: header.producer_epoch(),
                sequence: header.base_sequence(),
                has_own_epochs: how.transaction_version >= Some(2),
            })?;
        }
        answer_append(log, row, || log.append_as_leader(&mut batches, &how))
    }

    /// All that needs no look at the script any more.
    fn apply(&mut self, action: &Action, row: &mut Row) -> Result<(), Failure> {
        match action {
            Action::Checkpoint => {
                self.host.checkpoint()?;
                answers::checkpoints(self.host.checkpoints, row);
                return Ok(());
            }
            Action::Close => {
                self.host.shutdown()?;
                answers::checkpoints(self.host.checkpoints, row);
                return Ok(());
            }
            Action::Crash => {
                self.host.crash()?;
                row.put("ok", true);
                return Ok(());
            }
            Action::Reopen { clean, recovery_point, log_start } => {
                let known = self.host.checkpoints;
                let recovery_point = recovery_point.map_or(known.recovery_point, Offset::new);
                let log_start = log_start.map_or(known.log_start, Offset::new);
                self.host.load(*clean, recovery_point, log_start)?;
                row.put("ok", true);
                return Ok(());
            }
            Action::Files => {
                let facts = facts(self.host.fs.as_ref(), &self.host.dir)?;
                let file = |(name, file): (&String, &super::FileFacts)| json!({"name": name, "size": file.size, "sha256": file.sha256});
                row.put("files", facts.iter().map(file).collect::<Value>());
                return Ok(());
            }
            _ => {}
        }
        let log = self.host.log()?;
        match action {
            Action::State => answers::state(log, self.host.fs.as_ref(), &self.host.dir, row),
            _ => answers::ask(log, action, row),
        }
    }
}

/// Appends, and tells what became of it.
fn answer_append(log: &Log, row: &mut Row, append: impl FnOnce() -> Result<Appended>) -> Result<(), Failure> {
    let before = log.active_segment();
    let appended = append();
    row.put("rolled", log.active_segment() != before);
    answers::appended(&appended?, log, row);
    Ok(())
}
