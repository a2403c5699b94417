//! Mending a log directory where it lies: what is wrong with it, what would be done about it, and what would be left then.
//!
//! The work is done on an [`Overlay`] and checked there, so that a plan is known to help before a byte is changed. A plan is a list of
//! changes for a [`Run`](super::Run); who carries it out holds the directory's lock.

mod broker;
mod derived;
mod root;
mod tail;
mod wrong;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use self::root::Ends;
pub use self::root::Note;
use self::wrong::Wrong;
use super::{Change, Overlay};
use crate::checkpoint::CleanShutdown;
use crate::error::{Error, Result};
use crate::fs::{Fs, Kind, OpenMode, WriteFs};
use crate::inspect::{Finding, PartitionReport, Severity, Target, VerifyLevel, VerifyOptions, VerifyReport, verify};
use crate::log::{DirectoryState, LogConfig, LogDirectory, PartitionDirectory, PartitionName, root_files};
use crate::units::{Timestamp, TopicPartition};

/// How far a repair goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepairLevel {
    /// Makes derived files again: indexes, snapshots, leader epochs, recovery points. No record is touched.
    #[default]
    Derived,
    /// Also cuts what lies behind the last sound batch of the last segment.
    Tail,
    /// Does what a broker's start would do, whatever is lost by it.
    Broker,
}

/// What to repair, and what stands in no file.
#[derive(Clone, Debug)]
pub struct RepairOptions {
    /// How far to go.
    pub level: RepairLevel,
    /// Leave the marker of a clean stop, if all is well then.
    pub mark_clean: bool,
    /// The time.
    pub now: Timestamp,
    /// Threads.
    pub jobs: NonZeroUsize,
    /// Kafka: `index.interval.bytes`; `None`: as the indexes show it.
    pub index_interval: Option<u64>,
    /// The topic's settings, for what a broker would do.
    pub config: LogConfig,
}

impl RepairOptions {
    /// The lowest level on one thread.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            level: RepairLevel::Derived,
            mark_clean: false,
            now,
            jobs: NonZeroUsize::MIN,
            index_interval: None,
            config: LogConfig::default(),
        }
    }
}

/// The repair of one log directory, or of a partition's folder that lies alone.
#[derive(Debug)]
pub struct Repair {
    fs: Arc<dyn Fs>,
    root: PathBuf,
    /// The root's files are there, and are mended.
    is_log_dir: bool,
    folders: Vec<PathBuf>,
    options: RepairOptions,
    before: VerifyReport,
    root_changes: Vec<Change>,
    root_errors: Vec<Finding>,
    notes: Vec<Note>,
    /// Folders that a broker sets aside, and the names that they get.
    strays: BTreeMap<PathBuf, PathBuf>,
}

/// What would be done to one partition.
#[derive(Debug)]
pub struct PartitionPlan {
    /// Its folder.
    pub path: PathBuf,
    /// What its name says; `None` for a copy under another name.
    pub name: Option<PartitionName>,
    /// What is to be done, relative to [`Repair::root`].
    pub changes: Vec<Change>,
    /// What is found now.
    pub before: PartitionReport,
    /// What would be found then; `None` for the same, where nothing is to be done.
    after: Option<PartitionReport>,
}

impl PartitionPlan {
    /// What would be found then.
    #[must_use]
    pub fn after(&self) -> &PartitionReport {
        self.after.as_ref().unwrap_or(&self.before)
    }

    /// Data records that would be gone.
    #[must_use]
    pub fn records_dropped(&self) -> u64 {
        self.before.records.saturating_sub(self.after().records)
    }

    /// True if nothing would be left that keeps the partition from being marked as cleanly stopped.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let after = self.after();
        after.failures.is_empty() && !after.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

impl Repair {
    /// Looks at the log directory, or at a partition's folder that lies alone, as far as it takes to know where logs end and what is
    /// wrong around them. Of the partitions, those are repaired of whose names `selected` says yes.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] and [`Error::NotReadable`] where it cannot be read.
    pub fn look(
        fs: Arc<dyn Fs>,
        target: &Target,
        options: RepairOptions,
        selected: &(dyn Fn(Option<&TopicPartition>) -> bool + Sync),
        done: &AtomicU64,
    ) -> Result<Option<Self>> {
        let (root, is_log_dir, folders) = match target {
            Target::File(_) => return Ok(None),
            Target::LogDirectory(dir) => {
                let is_broker = options.level == RepairLevel::Broker;
                let is_metadata = |path: &Path| path.file_name().is_some_and(|name| name == root_files::METADATA_LOG);
                let wanted = dir.partitions.iter().filter(|(name, path)| {
                    // What is on its way out needs no index; the metadata log has a layer of its own that loads it.
                    let is_left_alone =
                        if is_broker { is_metadata(path) } else { name.state == DirectoryState::Delete };
                    !is_left_alone && selected(Some(&name.partition))
                });
                (dir.path.clone(), true, wanted.map(|(_, path)| path.clone()).collect())
            }
            Target::Partition(folder) => {
                let parent = folder.path.parent().filter(|parent| !parent.as_os_str().is_empty());
                (parent.unwrap_or(Path::new(".")).to_owned(), false, vec![folder.path.clone()])
            }
        };
        let quick = VerifyOptions { level: VerifyLevel::Quick, jobs: options.jobs, ..VerifyOptions::new(options.now) };
        let unchanged = Overlay::new(Arc::clone(&fs), None);
        let before = verify(&unchanged, std::slice::from_ref(target), &quick, &|_| true, done)?;
        let mut repair = Self {
            fs,
            root,
            is_log_dir,
            folders,
            options,
            before,
            root_changes: Vec::new(),
            root_errors: Vec::new(),
            notes: Vec::new(),
            strays: BTreeMap::new(),
        };
        repair.plan_root()?;
        Ok(Some(repair))
    }

    /// The folder that the paths of all changes are relative to.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folders of the partitions that are repaired.
    #[must_use]
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// What is to be done to the files at the root, the marker aside: that is the last thing to be changed.
    pub fn root_changes(&self) -> impl Iterator<Item = &Change> {
        self.root_changes.iter().filter(|change| !is_marker(change))
    }

    /// The marker, if it is to be written or removed.
    #[must_use]
    pub fn marker_change(&self) -> Option<&Change> {
        self.root_changes.iter().find(|change| is_marker(change))
    }

    /// What a person has to know, or to decide.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Errors of the directory itself that would be left: nothing here mends them.
    #[must_use]
    pub fn root_errors(&self) -> &[Finding] {
        &self.root_errors
    }

    /// Makes durable what lies in the partitions' folders, so that recovery points and a marker may speak for it.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where the disk fails.
    pub fn sync(&self, fs: &dyn WriteFs) -> Result<()> {
        for folder in &self.folders {
            for entry in fs.list(folder)?.into_iter().filter(|entry| entry.stat.kind == Kind::File) {
                let path = folder.join(entry.name);
                let file = fs.open_write(&path, OpenMode::Existing)?;
                file.sync().map_err(|e| Error::io("sync", &path, e))?;
            }
            fs.sync_dir(folder)?;
        }
        Ok(())
    }

    /// What is wrong with the directory itself, as it is now.
    pub fn root_findings(&self) -> impl Iterator<Item = &Finding> {
        self.before.log_dirs.iter().flat_map(|dir| &dir.findings)
    }

    fn overlay(&self) -> Overlay {
        Overlay::new(Arc::clone(&self.fs), None)
    }

    /// Where the logs end that lie in the directory.
    fn ends(&self) -> Ends {
        let live = |report: &&PartitionReport| {
            let is_metadata = report.path.file_name().is_some_and(|name| name == root_files::METADATA_LOG);
            !is_metadata && report.name.as_ref().is_some_and(|name| name.state == DirectoryState::Live)
        };
        let partitions = self.before.partitions.iter().filter(live);
        partitions.filter_map(|report| Some((report.name.as_ref()?.partition.clone(), report.log_end))).collect()
    }

    fn plan_root(&mut self) -> Result<()> {
        if !self.is_log_dir {
            return Ok(());
        }
        let overlay = self.overlay();
        if self.options.level == RepairLevel::Broker {
            self.strays = broker::start_on_root(&overlay, &self.overlay(), &self.root, &self.options)?;
        } else {
            let mut findings: Vec<Finding> = self.before.findings().cloned().collect();
            findings.retain(|finding| finding.code.name().starts_with(['C', 'D']));
            root::mend(&overlay, &self.root, &findings, &self.ends(), self.options.mark_clean, &mut self.notes)?;
        }
        self.root_changes = overlay.changes(&self.root)?;
        let quick = VerifyOptions {
            level: VerifyLevel::Quick,
            jobs: self.options.jobs,
            ..VerifyOptions::new(self.options.now)
        };
        let dir = Target::LogDirectory(LogDirectory::list(&overlay, &self.root)?);
        let then = verify(&overlay, &[dir], &quick, &|_| true, &AtomicU64::new(0))?;
        let left = then.log_dirs.into_iter().flat_map(|dir| dir.findings);
        self.root_errors = left.filter(|finding| finding.severity == Severity::Error).collect();
        Ok(())
    }

    /// The directory with the root's files as they will be.
    fn mended_root(&self) -> Result<Overlay> {
        let overlay = self.overlay();
        for change in &self.root_changes {
            match change {
                Change::Write { path, bytes } => overlay.write(&self.root.join(path), bytes)?,
                Change::Remove { path } => overlay.remove(&self.root.join(path))?,
                Change::Cut { .. } | Change::Rename { .. } => {}
            }
        }
        Ok(overlay)
    }

    /// Plans the repair of the partition in `folder`, which is one of [`Self::folders`]. `done` counts the bytes that are read.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] where it cannot be read; at the level of the broker what keeps a broker from loading it.
    pub fn plan(&self, folder: &Path, done: &AtomicU64) -> Result<PartitionPlan> {
        let name = folder.file_name().and_then(|name| name.to_str()).and_then(PartitionName::parse);
        let overlay = self.mended_root()?;
        let before = self.check(&overlay, folder, done)?;
        match self.options.level {
            RepairLevel::Broker => broker::start(&overlay, &self.overlay(), &self.root, folder, &self.options)?,
            RepairLevel::Tail => {
                let listed = PartitionDirectory::list(&overlay, folder)?;
                if tail::cut(&overlay, &listed)? {
                    let cut = self.check(&overlay, folder, done)?;
                    self.derive(&overlay, folder, &cut)?;
                } else {
                    self.derive(&overlay, folder, &before)?;
                }
            }
            RepairLevel::Derived => self.derive(&overlay, folder, &before)?,
        }
        let in_folder = |change: &Change| self.root.join(change.path()).starts_with(folder);
        let mut changes: Vec<Change> = overlay.changes(&self.root)?.into_iter().filter(in_folder).collect();
        // The logs are large: what stays as it is, is not read again.
        let after = if changes.is_empty() { None } else { Some(self.check(&overlay, folder, done)?) };
        if let Some(stray) = self.strays.get(folder) {
            let relative = |path: &Path| path.strip_prefix(&self.root).unwrap_or(path).to_owned();
            changes.push(Change::Rename { from: relative(folder), to: relative(stray) });
        }
        Ok(PartitionPlan { path: folder.to_owned(), name, changes, before, after })
    }

    fn derive(&self, overlay: &Overlay, folder: &Path, found: &PartitionReport) -> Result<()> {
        let least = if self.options.mark_clean { Severity::Info } else { Severity::Warning };
        let mut wrong = Wrong::of(&found.findings, least);
        let listed = PartitionDirectory::list(overlay, folder)?;
        if self.options.mark_clean && found.log_end > found.log_start {
            wrong.want_snapshots_of_a_clean_stop(&listed, found.log_end);
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let known = derived::Known { index_interval: self.options.index_interval, log_end: found.log_end };
        derived::make(overlay, &listed, &wrong, known)
    }

    /// What is found of one partition on the overlay.
    fn check(&self, overlay: &Overlay, folder: &Path, done: &AtomicU64) -> Result<PartitionReport> {
        let options = VerifyOptions {
            level: VerifyLevel::Deep,
            jobs: self.options.jobs,
            index_interval: self.options.index_interval,
            ..VerifyOptions::new(self.options.now)
        };
        let listed = PartitionDirectory::list(overlay, folder)?;
        let mut report = verify(overlay, &[Target::Partition(listed)], &options, &|_| true, done)?;
        match report.partitions.pop() {
            Some(partition) => Ok(partition),
            None => Err(report
                .unlisted
                .pop()
                .unwrap_or_else(|| Error::NotReadable { path: folder.to_owned(), what: "no partition's folder" })),
        }
    }
}

fn is_marker(change: &Change) -> bool {
    change.path() == Path::new(CleanShutdown::FILE_NAME)
}
