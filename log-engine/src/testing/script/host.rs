//! What a broker is to one partition: opens its log, closes it, notes checkpoints, dies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::damage::Damage;
use super::files::{names, read_all};
use super::row::Failure;
use super::settings::Settings;
use crate::checkpoint::Uuid;
use crate::error::{Error, Result};
use crate::fs::{OpenMode, WriteFs, write_all_at};
use crate::log::{Closed, Log, ManualClock, OpenOptions, RecoveryMode};
use crate::units::{Offset, Timestamp};

/// Where every clock stands in the beginning: 2023-11-14T22:13:20Z.
const START: Timestamp = Timestamp::new(1_700_000_000_000);

/// One partition's folder, and its log while it is open.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) fs: Arc<dyn WriteFs>,
    pub(super) dir: PathBuf,
    pub(super) clock: Arc<ManualClock>,
    pub(super) settings: Settings,
    /// What the checkpoint files would say.
    pub(super) checkpoints: Closed,
    log: Option<Log>,
    /// When each `.log` file changed last, as it was told.
    settled: BTreeMap<String, SystemTime>,
}

impl Host {
    pub(super) fn new(fs: Arc<dyn WriteFs>, dir: PathBuf) -> Self {
        Self {
            fs,
            dir,
            clock: Arc::new(ManualClock::at(START)),
            settings: Settings::default(),
            checkpoints: Closed { recovery_point: Offset::ZERO, log_start: Offset::ZERO },
            log: None,
            settled: BTreeMap::new(),
        }
    }

    pub(super) fn log(&self) -> Result<&Log, Failure> {
        self.log.as_ref().ok_or_else(|| Failure::unexpected("NotOpenException", "the log is not open"))
    }

    pub(super) fn is_open(&self) -> bool {
        self.log.is_some()
    }

    /// A partition that the broker just created.
    pub(super) fn create(&mut self) -> Result<(), Failure> {
        self.open(true, Offset::ZERO, Offset::ZERO, self.settings.topic_id)
    }

    /// A partition that the broker finds at its start.
    pub(super) fn load(&mut self, clean: bool, recovery_point: Offset, log_start: Offset) -> Result<(), Failure> {
        self.open(clean, recovery_point, log_start, None)
    }

    fn open(
        &mut self,
        clean: bool,
        recovery_point: Offset,
        log_start: Offset,
        topic_id: Option<Uuid>,
    ) -> Result<(), Failure> {
        if self.is_open() {
            return Err(Failure::unexpected("IllegalStateException", "the log is open"));
        }
        let options = OpenOptions {
            mode: RecoveryMode::Kafka,
            clean,
            recovery_point,
            log_start,
            topic_id,
            clock: Arc::<ManualClock>::clone(&self.clock),
            ..OpenOptions::default()
        };
        let (log, _) = Log::open(Arc::clone(&self.fs), &self.dir, self.settings.config.clone(), options)?;
        self.log = Some(log);
        Ok(())
    }

    /// Notes what a broker would write into its checkpoint files.
    pub(super) fn checkpoint(&mut self) -> Result<(), Failure> {
        let log = self.log()?;
        self.checkpoints = Closed { recovery_point: log.recovery_point(), ..log.checkpoints() };
        Ok(())
    }

    /// A clean shutdown.
    pub(super) fn shutdown(&mut self) -> Result<(), Failure> {
        self.checkpoints = self.log()?.close()?;
        self.log = None;
        Ok(())
    }

    /// The process dies: its files stay as they are, which is as a broker would have left them.
    pub(super) fn crash(&mut self) -> Result<(), Failure> {
        self.log()?.allocate_indexes()?;
        self.log = None;
        Ok(())
    }

    /// Sets the time of change of each `.log` file that changed since the last call to the clock's: segments without a timestamp are
    /// judged by it.
    pub(super) fn settle(&mut self) -> Result<()> {
        let now = u64::try_from(crate::log::Clock::wall(self.clock.as_ref()).get()).unwrap_or(0);
        let now = UNIX_EPOCH + Duration::from_millis(now);
        if self.fs.stat(&self.dir)?.is_none() {
            return Ok(());
        }
        for name in names(self.fs.as_ref(), &self.dir)?.into_iter().filter(|name| name.ends_with(".log")) {
            let path = self.dir.join(&name);
            let modified = self.fs.stat(&path)?.and_then(|stat| stat.modified);
            if modified.is_none() || modified != self.settled.get(&name).copied() {
                let file = self.fs.open_write(&path, OpenMode::Existing)?;
                file.set_modified(now).map_err(|error| Error::io("set the time of", &path, error))?;
                self.settled.insert(name, now);
            }
        }
        Ok(())
    }

    /// The file that a script means: by its name, or `first.SUFFIX` and `active.SUFFIX` by the order of base offsets.
    pub(super) fn find(&self, name: &str) -> Result<Result<String, Failure>, String> {
        let names = names(self.fs.as_ref(), &self.dir).map_err(|error| error.to_string())?;
        let Some((which @ ("first" | "active"), _)) = name.split_once('.') else {
            let known = names.iter().any(|known| known == name);
            return if known { Ok(Ok(name.to_owned())) } else { Err(format!("there is no file {name}")) };
        };
        let suffix = name.strip_prefix(which).unwrap_or(name);
        let mut alike = names.into_iter().filter(|name| name.ends_with(suffix));
        let found = if which == "first" { alike.next() } else { alike.next_back() };
        Ok(found.ok_or_else(|| Failure::unexpected("IOException", format!("there is no {suffix} file"))))
    }

    /// Damages a file of the log, which is not open.
    pub(super) fn damage(&self, damage: &Damage, name: &str) -> Result<()> {
        let path = self.dir.join(name);
        let Some(bytes) = damage.apply(read_all(self.fs.as_ref(), &path)?) else {
            return self.fs.remove(&path);
        };
        let file = self.fs.open_write(&path, OpenMode::Existing)?;
        file.set_len(bytes.len() as u64).map_err(|error| Error::io("cut", &path, error))?;
        write_all_at(file.as_ref(), &path, &bytes, 0)
    }

    /// True if nothing is in the folder, or there is none.
    pub(super) fn is_empty(fs: &dyn WriteFs, dir: &Path) -> Result<bool> {
        Ok(fs.stat(dir)?.is_none() || names(fs, dir)?.is_empty())
    }
}
