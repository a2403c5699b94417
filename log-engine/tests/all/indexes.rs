//! The index files that real brokers wrote: decoded, encoded again, and held against their `.log` files.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use log_engine::batch::Stop;
use log_engine::fs::Source;
use log_engine::segment::{
    Index, IndexEntry, IndexInterval, Indexer, IntervalSamples, OffsetIndex, RebuildEnd, Rebuilt, Scan, SegmentFile,
    SegmentName, Step, TimeIndex, TxnIndex, TxnIndexState, next_offset, rebuild,
};
use log_engine::testing::golden;
use log_engine::{Error, Offset, OsFs};

/// The folders of all undamaged log directories.
fn undamaged() -> impl Iterator<Item = PathBuf> {
    let damaged = ["crash-cut/before", "crash-flip/before", "crash-flip/after", "crash-garbage/before"];
    let kafka = golden::kafka_cases().into_iter().filter(move |case| !damaged.contains(&case.as_str()));
    let replicas = golden::replica_scenarios().into_iter().map(|scenario| golden::replicas(&scenario));
    kafka.map(|case| golden::kafka(&case)).chain(replicas)
}

/// The segments' files below `folder`, with what their names say.
fn segment_files(folder: &Path) -> impl Iterator<Item = (SegmentName, PathBuf)> {
    golden::files(folder).into_iter().filter_map(move |file| {
        let name = SegmentName::parse(file.file_name()?.to_str()?)?;
        Some((name, folder.join(file)))
    })
}

fn source(path: &Path) -> Source {
    Source::open(&OsFs, path).unwrap()
}

fn read<E: IndexEntry>(path: &Path, base: Offset) -> Index<E> {
    Index::read(&source(path), base).unwrap()
}

fn assert_encodes_to_itself<E: IndexEntry>(index: &Index<E>) {
    let mut again = Vec::new();
    index.iter().for_each(|entry| entry.encode(&mut again));
    assert_eq!(index.odd_bytes(), 0, "{}", index.path().display());
    assert!(again == index.bytes(), "{}", index.path().display());
}

#[test]
fn undamaged_indexes_are_encoded_to_the_same_bytes() {
    let mut counts = BTreeMap::new();
    let mut with_zero_tail = 0;
    for (name, path) in undamaged().collect::<Vec<_>>().iter().flat_map(|folder| segment_files(folder)) {
        match name.file {
            SegmentFile::OffsetIndex => {
                let index: OffsetIndex = read(&path, name.base);
                assert_encodes_to_itself(&index);
                index.check().unwrap();
                with_zero_tail += u32::from(index.used_len() < index.len());
            }
            SegmentFile::TimeIndex => {
                let index: TimeIndex = read(&path, name.base);
                assert_encodes_to_itself(&index);
            }
            SegmentFile::TxnIndex => {
                let index: TxnIndex = read(&path, name.base);
                assert_encodes_to_itself(&index);
                assert!(matches!(index.state(), TxnIndexState::Accepted), "{}", path.display());
                assert_eq!(index.used_len(), index.len(), "{}", path.display());
            }
            SegmentFile::Log | SegmentFile::Snapshot => continue,
        }
        *counts.entry(name.file).or_insert(0) += 1;
    }
    println!("{counts:?}, {with_zero_tail} offset indexes with zeros at the end");
    assert_eq!(counts.len(), 3, "{counts:?}");
    assert!(with_zero_tail > 0);
}

/// The files of one segment.
struct Segment {
    base: Offset,
    log: PathBuf,
}

impl Segment {
    fn file(&self, file: SegmentFile) -> PathBuf {
        self.log.with_file_name(file.name(self.base))
    }

    fn offsets(&self) -> OffsetIndex {
        read(&self.file(SegmentFile::OffsetIndex), self.base)
    }

    fn times(&self) -> TimeIndex {
        read(&self.file(SegmentFile::TimeIndex), self.base)
    }

    fn rebuilt(&self, interval: u64) -> Rebuilt {
        let mut scan = Scan::new(source(&self.log));
        rebuild(&mut scan, Indexer::new(self.base, interval), |_| ControlFlow::Continue(())).unwrap()
    }
}

/// The segments of each partition below `folder`, in order.
fn partitions(folder: &Path) -> BTreeMap<PathBuf, Vec<Segment>> {
    let mut partitions = BTreeMap::<_, Vec<_>>::new();
    for (name, log) in segment_files(folder) {
        if name.file == SegmentFile::Log && name.leftover.is_none() {
            partitions.entry(log.parent().unwrap().to_owned()).or_default().push(Segment { base: name.base, log });
        }
    }
    partitions
}

/// What the entries of a partition say of the interval between them.
fn interval(segments: &[Segment]) -> IndexInterval {
    let mut samples = IntervalSamples::default();
    for segment in segments {
        let offsets = segment.offsets();
        let mut gathered = samples.segment(&offsets);
        let mut scan = Scan::new(source(&segment.log));
        while let Step::Batch(frame) = scan.next().unwrap() {
            gathered.batch(frame.position());
        }
        gathered.finish();
    }
    samples.estimate()
}

/// Closed segments as a leader of today writes them. Elsewhere live entries are sparser: one an append and not one a batch (2.8, with
/// messages of formats 0 and 1 too), a counter that a restart set back, a follower's append, the metadata log's.
#[test]
fn closed_segments_are_rebuilt_to_the_same_bytes() {
    let sparser = ["epochs", "follower-failure", "legacy", "metadata", "older-2.8.2-plain", "older-2.8.2-txn"];
    let mut closed = 0;
    for folder in undamaged().filter(|folder| !sparser.iter().any(|name| folder.ends_with(name))) {
        for (partition, mut segments) in partitions(&folder) {
            let found = interval(&segments);
            assert_eq!(found.fitting, found.samples, "{}", partition.display());
            segments.pop();
            for segment in segments {
                let Rebuilt { indexes, end, .. } = segment.rebuilt(found.bytes);
                let name = segment.log.display();
                assert_eq!(end, RebuildEnd::Stop(Stop::End), "{name}");
                assert_eq!(indexes.offsets.bytes(), segment.offsets().bytes(), "{name}");
                assert_eq!(indexes.times.bytes(), segment.times().bytes(), "{name}");
                closed += 1;
            }
        }
    }
    println!("{closed} closed segments");
    assert!(closed >= 100, "{closed}");
}

/// The damaged cases whose names `wanted` picks.
fn damaged(wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (String, golden::Damaged)> {
    let cases = golden::damage_cases().into_iter().filter(move |case| wanted(case));
    cases.map(|case| {
        let damaged = golden::damage(&case);
        (case, damaged)
    })
}

/// The name of the partition that a case is about.
fn partition_name(damaged: &golden::Damaged) -> String {
    let cluster = &damaged.truth()["cluster"];
    format!("{}-{}", cluster["topic"].as_str().unwrap(), cluster["partition"])
}

/// Whether two files differ in more than the zeros at their ends.
fn differ(one: &Path, other: &Path) -> bool {
    let used = |file: &Path| {
        let mut bytes = fs::read(file).unwrap_or_default();
        bytes.truncate(bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
        bytes
    };
    used(one) != used(other)
}

#[test]
fn a_broker_that_recovered_segments_made_the_indexes_that_are_made_here() {
    let mut made = 0;
    for (case, damaged) in damaged(|case| case.ends_with("__killed")) {
        if damaged.truth()["broker"]["started"] != true {
            continue;
        }
        let (before, after) = (damaged.before().join(partition_name(&damaged)), damaged.after());
        let segments = partitions(after).remove(&after.join(partition_name(&damaged))).unwrap_or_default();
        // A segment that recovery emptied keeps old bytes in its indexes.
        for segment in segments.iter().filter(|segment| !source(&segment.log).is_empty()) {
            let changed = |file| differ(&before.join(SegmentFile::name(file, segment.base)), &segment.file(file));
            // The interval of all partitions that were damaged.
            let made_here = segment.rebuilt(300).indexes;
            let context = format!("{case}: {}", segment.base);
            if changed(SegmentFile::OffsetIndex) {
                assert!(segment.offsets().used().eq(made_here.offsets.iter()), "{context}");
                made += 1;
            }
            if changed(SegmentFile::TimeIndex) {
                assert!(segment.times().used().eq(made_here.times.iter()), "{context}");
                made += 1;
            }
        }
    }
    println!("{made} index files");
    assert!(made >= 200, "{made}");
}

#[test]
fn behind_a_marker_a_log_ends_where_the_last_slot_leads() {
    let (mut right, mut fatal) = (0, 0);
    // In one the log is wiped afterwards, in the other the end is that of another folder.
    let others = ["plain/log-start-beyond-end__clean", "plain/root-delete-directory__clean"];
    let wanted = |case: &str| (case.ends_with("__clean") || case.contains("/marker-")) && !others.contains(&case);
    for (case, damaged) in damaged(wanted).filter(|(_, damaged)| damaged.truth()["clean_marker"] == true) {
        let broker = &damaged.truth()["broker"];
        let segments = partitions(damaged.before()).remove(&damaged.before().join(partition_name(&damaged)));
        let Some(last) = segments.and_then(|mut segments| segments.pop()) else { continue };
        if !last.file(SegmentFile::OffsetIndex).exists() {
            continue;
        }
        match (next_offset(&source(&last.log), &last.offsets()), broker["log_end"].as_i64()) {
            (Ok(end), Some(seen)) => {
                assert_eq!(end.get(), seen, "{case}");
                right += 1;
            }
            (Ok(_), None) => {} // Something else kept the broker from loading it.
            (Err(Error::Corrupt(_)), seen) => {
                assert_eq!((seen, broker["started"].as_bool()), (None, Some(false)), "{case}");
                fatal += 1;
            }
            (Err(error), _) => panic!("{case}: {error}"),
        }
    }
    println!("{right} log ends, {fatal} that end the broker");
    assert!(right >= 100 && fatal >= 3, "{right} {fatal}");
}
