//! The index files that real brokers wrote: decoded, encoded again, and held against their `.log` files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use log_engine::testing::golden;
use log_engine::{
    Index, IndexEntry, Offset, OffsetIndex, OsFs, SegmentFile, SegmentName, Source, TimeIndex, TxnIndex, TxnIndexState,
};

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
