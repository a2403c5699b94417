//! Segments recovered on a real disk.

use std::fs;
use std::ops::ControlFlow;

use super::*;
use crate::batch::Scratch;
use crate::segment::RebuildEnd;
use crate::segment::live::tests::{BASE, Made, NOW, T, batch_of, found, options};
use crate::units::Offset;

#[test]
fn recovery_cuts_what_is_torn_and_makes_the_indexes_again() {
    let made = Made::filled();
    made.segment.become_inactive().unwrap();
    let whole = (made.bytes(SegmentFile::OffsetIndex), made.bytes(SegmentFile::TimeIndex));
    let log = made.segment.path();
    let bytes = fs::read(&log).unwrap();
    for trust_cache in [true, false] {
        fs::write(&log, [&bytes[..], &[7; 100]].concat()).unwrap();
        fs::write(made.dir.path().join(SegmentFile::OffsetIndex.name(BASE)), b"nonsense that is long enough to stay")
            .unwrap();
        fs::remove_file(made.dir.path().join(SegmentFile::TimeIndex.name(BASE))).unwrap();
        let segment = made.reopened();
        let mut seen = 0;
        let rebuilt = segment
            .check(trust_cache, None, |_| {
                seen += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!((seen, rebuilt.valid_end.get()), (8, 760));
        assert_eq!(fs::read(&log).unwrap().len(), 860, "a check changes nothing");
        assert!(matches!(rebuilt.end, RebuildEnd::Stop(_)));
        let none = || TxnIndex::new("x.txnindex", BASE, Vec::new());
        let installed = segment.install(rebuilt.indexes, none(), rebuilt.valid_end).unwrap();
        let files = vec![SegmentFile::OffsetIndex, SegmentFile::TimeIndex];
        assert_eq!(installed, Installed { cut: 100, rebuilt: files });
        assert_eq!((made.bytes(SegmentFile::OffsetIndex), made.bytes(SegmentFile::TimeIndex)), whole);
        assert_eq!(fs::read(&log).unwrap(), bytes);
        assert_eq!(found(&segment, 1015), Some((1014, 665)));

        let again = made.reopened();
        let rebuilt = again.check(trust_cache, None, |_| ControlFlow::Continue(())).unwrap();
        let nothing = again.install(rebuilt.indexes, none(), rebuilt.valid_end).unwrap();
        assert_eq!(nothing, Installed::default());
        assert!(!made.names().iter().any(|name| name.ends_with(".txnindex")));
    }
}

/// A segment of a hundred batches of one record at offset i and time T + 10 i.
fn hundred() -> Made {
    let made = Made::at(Offset::ZERO, options());
    (0..100).for_each(|i| made.segment.append(&batch_of(i, T + 10 * i, 1, 10)).unwrap());
    made.segment.close().unwrap();
    made
}

fn recovered(made: &Made) -> Segment {
    let segment = Segment::open(&made.fs, made.dir.path(), Offset::ZERO, &options(), NOW).unwrap();
    let rebuilt = segment.check(true, None, |_| ControlFlow::Continue(())).unwrap();
    let none = TxnIndex::new("x.txnindex", Offset::ZERO, Vec::new());
    segment.install(rebuilt.indexes, none, rebuilt.valid_end).unwrap();
    segment
}

// conformance: SEG-014 SEG-017
#[test]
fn recovery_mends_indexes_that_are_noise_from_their_sixth_byte_on() {
    for file in [SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
        let made = hundred();
        let path = made.dir.path().join(file.name(Offset::ZERO));
        let mut bytes = fs::read(&path).unwrap();
        bytes.iter_mut().skip(5).enumerate().for_each(|(n, byte)| *byte = (n * 151 + 89) as u8);
        fs::write(&path, bytes).unwrap();
        let segment = recovered(&made);
        for i in 0..100 {
            let read = segment.read(Offset::new(i), 1, Some(segment.size()), true).unwrap().unwrap();
            assert_eq!(read.offset.get(), i);
        }
        let mut scratch = Scratch::default();
        let mut at = |time| {
            let found = segment.find_by_timestamp(Timestamp::new(T + time), Offset::ZERO, &mut scratch).unwrap();
            found.map(|found| found.offset.get())
        };
        for i in 0..99 {
            assert_eq!((at(10 * i), at(10 * i + 1)), (Some(i), Some(i + 1)));
        }
    }
}

// conformance: SEG-018
#[test]
fn recovery_ends_at_the_batch_that_is_noise() {
    for (broken, from) in [(0, 1), (3, 14), (7, 0), (12, 9), (19, 5)] {
        let made = Made::at(Offset::ZERO, options());
        (0..20).for_each(|i| made.segment.append(&batch_of(i, T + i, 1, 10)).unwrap());
        made.segment.close().unwrap();
        let found = made.segment.translate(Offset::new(broken)).unwrap().unwrap();
        let mut bytes = fs::read(made.segment.path()).unwrap();
        let noise = bytes.iter_mut().skip(usize::try_from(found.position.get()).unwrap() + from);
        noise.enumerate().for_each(|(n, byte)| *byte = (n * 151 + 89) as u8);
        fs::write(made.segment.path(), bytes).unwrap();
        let segment = recovered(&made);
        assert_eq!((segment.size(), segment.next_offset().unwrap().get()), (found.position.get(), broken));
    }
}
