//! What the paths of a command line name: the partitions, and the segments of each, in the order in which they are read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::{Glob, GlobSet, GlobSetBuilder};
use log_engine::fs::{Source, StreamFile};
use log_engine::inspect::Target;
use log_engine::log::{DirectoryState, LogDirectory, PartitionDirectory, PartitionName, root_files};
use log_engine::segment::{SegmentFile, SegmentName};
use log_engine::{Error, Fs, LogReader, TopicPartition};

use crate::error::CliError;

/// Where to look.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct TargetArgs {
    /// Files, folders of partitions, log directories; - for one segment on standard input
    #[arg(value_name = "PATH", required_unless_present_any = ["broker_config", "schema"], help_heading = None::<&str>)]
    paths: Vec<PathBuf>,
    /// Read log.dirs of a broker's configuration
    #[arg(long, value_name = "FILE")]
    broker_config: Option<PathBuf>,
    /// Topics with names like this; may be repeated
    #[arg(short, long, value_name = "GLOB")]
    topic: Vec<String>,
    /// Partitions with these numbers: 0,3,7-9
    #[arg(short, long, value_name = "LIST", value_parser = Numbers::parse)]
    partition: Option<Numbers>,
    /// The first offset of the segment on standard input
    #[arg(long, value_name = "N")]
    base_offset: Option<i64>,
}

/// Numbers of partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbers(Vec<(i32, i32)>);

impl Numbers {
    /// `0,3,7-9`.
    fn parse(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<i32>().ok().filter(|number| *number >= 0);
        let ranges: Option<Vec<_>> = text
            .split(',')
            .map(|part| match part.split_once('-') {
                None => number(part).map(|n| (n, n)),
                Some((from, to)) => number(from).zip(number(to)).filter(|(from, to)| from <= to),
            })
            .collect();
        ranges.map(Self).ok_or_else(|| format!("{text:?} is no list of partitions; 0,3,7-9 is one"))
    }

    fn contains(&self, number: i32) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&number))
    }
}

/// One segment to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Its first offset, as its name says; 0 for a name that says none.
    pub(crate) base: i64,
    /// The file's name.
    pub(crate) name: String,
    /// Where it is; `None` for standard input.
    pub(crate) path: Option<PathBuf>,
    /// Its bytes when it was listed; 0 for standard input.
    pub(crate) len: u64,
}

impl Segment {
    fn in_folder(folder: &PartitionDirectory, base: log_engine::Offset, len: u64) -> Self {
        let path = folder.file(base, SegmentFile::Log);
        Self { base: base.get(), name: SegmentFile::Log.name(base), path: Some(path), len }
    }

    /// Opens it. Standard input can be opened once.
    pub(crate) fn open(&self, fs: &dyn Fs) -> Result<Source, Error> {
        match &self.path {
            Some(path) => Source::open(fs, path),
            None => Source::new("<stdin>", Arc::new(StreamFile::new(Box::new(std::io::stdin())))),
        }
    }
}

/// Segments that are read as one log: those of a partition, or one file alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    /// The topic, where a folder's name says it.
    pub(crate) topic: Option<String>,
    /// The partition's number, where a folder's name says it.
    pub(crate) partition: Option<i32>,
    /// The partition's folder; `None` for a file alone, which may be any of its segments.
    pub(crate) folder: Option<PathBuf>,
    /// In order of their offsets.
    pub(crate) segments: Vec<Segment>,
    /// Whether a broker runs on the log directory: then the last bytes may be on their way.
    pub(crate) is_live: bool,
}

impl Series {
    /// The segments of the partition's folder `path`.
    pub(crate) fn of_folder(fs: &dyn Fs, folder: &PartitionDirectory) -> Self {
        let name = folder.name.as_ref().map(|name| name.partition.clone());
        let segments = folder.logs().map(|(base, len)| Segment::in_folder(folder, base, len)).collect();
        Self {
            topic: name.as_ref().map(|name| name.topic.clone()),
            partition: name.as_ref().map(|name| name.partition),
            folder: Some(folder.path.clone()),
            segments,
            is_live: is_in_use(fs, folder.path.parent()),
        }
    }

    fn of_file(fs: &dyn Fs, path: &Path) -> Result<Self, Error> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let parsed = SegmentName::parse(&name);
        if parsed.is_some_and(|parsed| parsed.file != SegmentFile::Log) {
            let what = "no .log file: it holds no records (`log-cli kafka-dump-log --files` shows it)";
            return Err(Error::NotReadable { path: path.to_owned(), what });
        }
        // A bare file name in the working folder: the folder's own name says what it is.
        let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = whole.parent();
        let partition = folder.and_then(Path::file_name).and_then(|name| PartitionName::parse(name.to_str()?));
        let partition = partition.map(|name| name.partition);
        Ok(Self {
            topic: partition.as_ref().map(|partition| partition.topic.clone()),
            partition: partition.as_ref().map(|partition| partition.partition),
            folder: None,
            segments: vec![Segment {
                base: parsed.map_or(0, |parsed| parsed.base.get()),
                name,
                path: Some(path.to_owned()),
                len: fs.stat(path)?.map_or(0, |stat| stat.len),
            }],
            is_live: is_in_use(fs, folder.and_then(Path::parent)),
        })
    }

    fn of_stdin(base: i64) -> Self {
        let segments = vec![Segment { base, name: "-".to_owned(), path: None, len: 0 }];
        Self { topic: None, partition: None, folder: None, segments, is_live: false }
    }

    /// The partition's folder, or the file; `None` for standard input.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.folder.as_deref().or_else(|| self.segments.first()?.path.as_deref())
    }

    /// What to call it before people: `orders-3`, or the file.
    pub(crate) fn label(&self) -> String {
        match (&self.topic, self.partition, &self.folder, self.segments.first()) {
            (Some(topic), Some(partition), ..) => format!("{topic}-{partition}"),
            (_, _, Some(folder), _) => folder.display().to_string(),
            (.., Some(segment)) => segment.name.clone(),
            _ => String::new(),
        }
    }
}

/// What the paths name, and what could not be looked at.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What can be read, in the order of the arguments; within a log directory by topic and number.
    pub(crate) series: Vec<Series>,
    /// Why not, for each path that cannot.
    pub(crate) failed: Vec<Error>,
}

impl Found {
    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        let segments = self.series.iter().flat_map(|series| &series.segments);
        segments.fold(0, |sum: u64, one| sum.saturating_add(one.len))
    }
}

impl TargetArgs {
    /// Looks what is there.
    pub(crate) fn find(&self, fs: &dyn Fs) -> Result<Found, CliError> {
        let wanted = self.wanted()?;
        let mut found = Found::default();
        for path in self.all_paths(fs)? {
            if path.as_os_str() == "-" {
                found.series.push(Series::of_stdin(self.base_offset.unwrap_or(0)));
            } else if let Err(error) = find_path(fs, &path, &wanted, &mut found) {
                found.failed.push(error);
            }
        }
        Ok(found)
    }

    /// The paths with links resolved, as given otherwise: entries of a folder that are links are never followed.
    pub(crate) fn all_paths(&self, fs: &dyn Fs) -> Result<Vec<PathBuf>, CliError> {
        let mut paths = self.paths.clone();
        if let Some(file) = &self.broker_config {
            paths.extend(log_dirs(fs, file)?);
        }
        Ok(paths)
    }

    /// Which partitions of a log directory are wanted.
    pub(crate) fn wanted(&self) -> Result<Wanted, CliError> {
        Ok(Wanted { topics: self.topics()?, partitions: self.partition.clone() })
    }

    fn topics(&self) -> Result<Option<GlobSet>, CliError> {
        if self.topic.is_empty() {
            return Ok(None);
        }
        let mut set = GlobSetBuilder::new();
        for glob in &self.topic {
            set.add(Glob::new(glob).map_err(|e| CliError::usage(e.to_string()))?);
        }
        set.build().map(Some).map_err(|e| CliError::usage(e.to_string()))
    }
}

/// Which partitions are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    topics: Option<GlobSet>,
    partitions: Option<Numbers>,
}

impl Wanted {
    /// True for what `-t` and `-p` name; without them for everything. A folder without a name fits no `-t` and no `-p`.
    pub(crate) fn takes(&self, topic: Option<&str>, partition: Option<i32>) -> bool {
        self.topics.as_ref().is_none_or(|topics| topic.is_some_and(|topic| topics.is_match(topic)))
            && self.partitions.as_ref().is_none_or(|numbers| partition.is_some_and(|number| numbers.contains(number)))
    }

    /// As [`Self::takes`], for the partition that a folder's name says.
    pub(crate) fn takes_partition(&self, partition: Option<&TopicPartition>) -> bool {
        self.takes(partition.map(|it| it.topic.as_str()), partition.map(|it| it.partition))
    }

    /// True if nothing is left out.
    pub(crate) const fn is_everything(&self) -> bool {
        self.topics.is_none() && self.partitions.is_none()
    }

    fn takes_series(&self, series: &Series) -> bool {
        self.takes(series.topic.as_deref(), series.partition)
    }
}

/// Where a path given by hand leads: a link is followed, as in any command, and `.` gets its name. Any other path stays as it was
/// written, so that what is printed can be found again.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, Error> {
    let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    if path.file_name().is_some() && !is_link {
        return Ok(path.to_owned());
    }
    std::fs::canonicalize(path).map_err(|source| Error::Io { op: "open", path: path.to_owned(), source })
}

fn find_path(fs: &dyn Fs, path: &Path, wanted: &Wanted, found: &mut Found) -> Result<(), Error> {
    match Target::of(fs, &resolve(path)?)? {
        Target::File(path) => {
            found.series.extend(Some(Series::of_file(fs, &path)?).filter(|one| wanted.takes_series(one)))
        }
        Target::Partition(folder) => {
            found.series.extend(Some(Series::of_folder(fs, &folder)).filter(|one| wanted.takes_series(one)));
        }
        Target::LogDirectory(dir) => find_partitions(fs, &dir, wanted, found),
    }
    Ok(())
}

/// The live partitions of a log directory; folders on their way out or in are read where they are named by hand.
fn find_partitions(fs: &dyn Fs, dir: &LogDirectory, wanted: &Wanted, found: &mut Found) {
    let mut partitions: Vec<_> = dir.partitions.iter().filter(|(name, _)| name.state == DirectoryState::Live).collect();
    partitions.sort_by(|(a, _), (b, _)| a.partition.cmp(&b.partition));
    for (name, path) in partitions {
        if wanted.takes(Some(&name.partition.topic), Some(name.partition.partition)) {
            match PartitionDirectory::list(fs, path) {
                Ok(folder) => found.series.push(Series::of_folder(fs, &folder)),
                Err(error) => found.failed.push(error),
            }
        }
    }
}

/// Whether a broker holds the lock of the log directory `dir`. What cannot be asked is not in use.
fn is_in_use(fs: &dyn Fs, dir: Option<&Path>) -> bool {
    dir.is_some_and(|dir| fs.lock_holder(&dir.join(root_files::LOCK)).is_ok_and(|holder| holder.is_some()))
}

/// `log.dirs` of a broker's configuration, or `log.dir` where that is absent; the last of several lines counts.
fn log_dirs(fs: &dyn Fs, file: &Path) -> Result<Vec<PathBuf>, CliError> {
    /// More is no broker's configuration.
    const LIMIT: usize = 16 << 20;
    let text = Source::open(fs, &resolve(file)?)?.read_all(LIMIT)?;
    let text = String::from_utf8_lossy(&text);
    let value_of = |key: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
        lines.filter_map(|line| line.split_once('=')).rfind(|(name, _)| name.trim() == key)
    };
    let (_, dirs) = value_of("log.dirs").or_else(|| value_of("log.dir")).ok_or_else(|| CliError::Usage {
        message: format!("{} names no log.dirs", file.display()),
        hint: Some("name the log directories as arguments".to_owned()),
    })?;
    Ok(dirs.split(',').map(str::trim).filter(|dir| !dir.is_empty()).map(PathBuf::from).collect())
}

/// The log in a partition's folder.
pub(crate) fn open_partition<'f>(fs: &'f dyn Fs, dir: &Path) -> Result<LogReader<'f>, CliError> {
    match Target::of(fs, &resolve(dir)?)? {
        Target::Partition(folder) => Ok(LogReader::open(fs, &folder.path)?),
        Target::LogDirectory(_) | Target::File(_) => Err(CliError::Usage {
            message: format!("{} is not the folder of one partition", dir.display()),
            hint: Some("name a folder such as orders-3".to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use log_engine::OsFs;

    use super::*;

    #[test]
    fn lists_of_partitions() {
        let list = Numbers::parse("0,3,7-9").unwrap();
        let contained: Vec<i32> = (0..12).filter(|n| list.contains(*n)).collect();
        assert_eq!(contained, [0, 3, 7, 8, 9]);
        for text in ["", "x", "-1", "3-1", "1,,2", "1-", "99999999999"] {
            assert!(Numbers::parse(text).is_err(), "{text}");
        }
    }

    /// A log directory with two topics, a deleted folder, and a link out of it.
    fn log_dir() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in ["orders-10", "orders-2", "users-0", "gone-0.0123456789abcdef0123456789abcdef-delete"] {
            let folder = root.path().join("data").join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            for base in [7, 0] {
                std::fs::write(folder.join(format!("{base:020}.log")), b"").unwrap();
            }
            std::fs::write(folder.join("00000000000000000000.index"), b"").unwrap();
        }
        std::os::unix::fs::symlink("data/orders-2", root.path().join("link")).unwrap();
        std::os::unix::fs::symlink("orders-2", root.path().join("data/linked-0")).unwrap();
        root
    }

    fn labels(root: &Path, paths: &[&str], topic: &[&str], partition: Option<&str>) -> Vec<String> {
        let args = TargetArgs {
            paths: paths.iter().map(|path| root.join(path)).collect(),
            broker_config: None,
            topic: topic.iter().map(|&glob| glob.to_owned()).collect(),
            partition: partition.map(|list| Numbers::parse(list).unwrap()),
            base_offset: None,
        };
        let found = args.find(&OsFs).unwrap();
        let series = found.series.iter().map(|one| format!("{} {}", one.label(), one.segments.len()));
        series.chain(found.failed.iter().map(ToString::to_string)).collect()
    }

    #[test]
    fn paths_name_partitions_in_order_and_links_are_followed_by_hand_only() {
        let root = log_dir();
        let labels = |paths: &[&str], topic: &[&str], partition| labels(root.path(), paths, topic, partition);
        assert_eq!(labels(&["data"], &[], None), ["orders-2 2", "orders-10 2", "users-0 2"]);
        assert_eq!(labels(&["data"], &["or*"], None), ["orders-2 2", "orders-10 2"]);
        assert_eq!(labels(&["data"], &["users", "gone"], None), ["users-0 2"]);
        assert_eq!(labels(&["data"], &[], Some("0-5")), ["orders-2 2", "users-0 2"]);
        assert_eq!(labels(&["link"], &[], None), ["orders-2 2"]);
        let deleted = "data/gone-0.0123456789abcdef0123456789abcdef-delete";
        assert_eq!(labels(&[deleted], &[], None), ["gone-0 2"]);
        assert_eq!(labels(&["data/users-0/00000000000000000007.log"], &[], None), ["users-0 1"]);
        let refused = labels(&["data/users-0/00000000000000000000.index", "none"], &[], None);
        assert!(refused[0].contains("holds no records") && refused[1].contains("No such file"), "{refused:?}");
    }

    #[test]
    fn a_brokers_configuration_names_the_directories() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("server.properties");
        std::fs::write(&file, "# log.dirs=/no\nlog.dir=/old\nlog.dirs = /a, /b ,\n").unwrap();
        assert_eq!(log_dirs(&OsFs, &file).unwrap(), [PathBuf::from("/a"), PathBuf::from("/b")]);
        std::fs::write(&file, "log.dir=/old").unwrap();
        assert_eq!(log_dirs(&OsFs, &file).unwrap(), [PathBuf::from("/old")]);
        std::fs::write(&file, "broker.id=1").unwrap();
        assert!(log_dirs(&OsFs, &file).is_err());
    }
}
