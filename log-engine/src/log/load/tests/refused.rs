//! Logs that the careful modes refuse: what was found wrong late has changed nothing either.

use super::*;
use crate::batch::Batch;

/// Who believes a clean marker reads only what the producers are made from.
#[test]
fn damage_where_nothing_is_checked_changes_nothing_either() {
    let mut files = healthy(&[0, 4, 8], 10);
    files
        .retain(|path, _| !path.ends_with(EpochCheckpoint::FILE_NAME) && path.extension() != Some("snapshot".as_ref()));
    let damaged = change(&files, &log_path(4), |log| log[LEN as usize + 8..][..4].fill(0xff));
    for mode in [RecoveryMode::Strict, RecoveryMode::TornTail] {
        let (refused, after) = loaded(&damaged, &LoadOptions { clean: true, ..options(mode) });
        assert_eq!((broken(refused).1, after == damaged), (LEN, true), "{mode:?}");
    }
}

/// Where the last segment ends is looked up in its index, which leads into a value that looks like a batch and goes on like none.
#[test]
fn an_index_that_lies_about_the_end_changes_nothing_either() {
    let inner = batch_of(2, 0);
    let mut outer = BatchBuilder::new(Offset::ZERO);
    outer.push(Timestamp::new(T), None, Some(&[&inner[..], &[0; 40]].concat()), &[]).unwrap();
    let mut log = outer.into_batch().unwrap();
    assign(&mut log, Offset::ZERO, LeaderEpoch::new(0)).unwrap();
    let looks_so = log.windows(inner.len()).position(|window| window == inner).unwrap();
    log.extend(batches(1..6));
    let last = log.len() - LEN as usize;
    let (made, mut files) = loaded(&[(log_path(0), log)].into(), &options(RecoveryMode::TornTail));
    assert_eq!(end_of(made), 6);
    files
        .retain(|path, _| !path.ends_with(EpochCheckpoint::FILE_NAME) && path.extension() != Some("snapshot".as_ref()));
    let lying = change(&files, &path(&SegmentFile::OffsetIndex.name(Offset::ZERO)), |index| {
        let entries = [(2, looks_so), (250, 0), (5, last)].map(|(offset, at)| [offset, u32::try_from(at).unwrap()]);
        *index = entries.as_flattened().iter().flat_map(|field| field.to_be_bytes()).collect();
    });
    for mode in [RecoveryMode::Strict, RecoveryMode::TornTail] {
        let (refused, after) = loaded(&lying, &LoadOptions { clean: true, ..options(mode) });
        assert_eq!((broken(refused).1, after == lying), ((looks_so + inner.len()) as u64, true), "{mode:?}");
    }
}

/// Its checksum fits, so no crash has made it, and the producers cannot be made of it.
#[test]
fn a_marker_that_nobody_can_read_is_damage_and_changes_nothing() {
    let id = (ProducerId::new(9), ProducerEpoch::new(0), Sequence::new(-1));
    let marker = |key: &[u8], codec: u8| {
        let mut builder = BatchBuilder::new(Offset::ZERO).producer(id.0, id.1, id.2).transactional().control();
        builder.push(Timestamp::new(T), Some(key), Some(&[0; 6]), &[]).unwrap();
        let mut out = Vec::new();
        builder.finish(&mut out).unwrap();
        out[22] |= codec;
        let crc = Batch::parse(&out).unwrap().computed_crc();
        out[17..21].copy_from_slice(&crc.to_be_bytes());
        assign(&mut out, Offset::new(1), LeaderEpoch::new(0)).unwrap();
        out
    };
    let (commit, unknown_codec, short_key) = ([0, 0, 0, 1], 7, [0; 3]);
    for bad in [marker(&commit, unknown_codec), marker(&short_key, 0)] {
        for behind in [batches(2..3), vec![0xee; 20], Vec::new()] {
            let log = [batch_of(0, 0), bad.clone(), behind].concat();
            let files: Files = [(log_path(0), log)].into();
            for (mode, clean) in
                [(RecoveryMode::Strict, false), (RecoveryMode::TornTail, false), (RecoveryMode::TornTail, true)]
            {
                let (refused, after) = loaded(&files, &LoadOptions { clean, ..options(mode) });
                assert_eq!((broken(refused).1, after == files), (LEN, true), "{mode:?}, {clean}");
            }
        }
    }
    assert_eq!(
        end_of(
            loaded(
                &[(log_path(0), [batch_of(0, 0), marker(&commit, 0)].concat())].into(),
                &options(RecoveryMode::Strict)
            )
            .0
        ),
        2
    );
}
