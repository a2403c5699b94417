//! A sound log under any index: what is found must not depend on what the index says.

use std::path::Path;
use std::sync::OnceLock;

use crate::batch::BatchBuilder;
use crate::log::{Located, LogReader};
use crate::segment::SegmentFile;
use crate::testing::memory_fs::MemoryFs;
use crate::units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// The partition's folder.
const FOLDER: &str = "/orders-0";
/// Where the segment begins.
pub(super) const BASE: Offset = Offset::new(100);
/// Batches of data in it; every fifth is followed by the marker that ends its transaction.
const BATCHES: i64 = 24;

/// A partition of one segment with nothing but its `.log`.
struct Sound {
    fs: MemoryFs,
    end: Offset,
}

/// The log with `bytes` as its file of this kind, and the questions about it whose answers must be those without it.
pub(super) fn assert_answers_stay(file: SegmentFile, bytes: &[u8], offsets: &[i64], times: &[i64]) {
    let sound = sound();
    let mut indexed = sound.fs.clone();
    indexed.put_file(Path::new(FOLDER).join(file.name(BASE)), bytes);
    for offset in offsets.iter().copied().map(Offset::new) {
        let answer = |fs: &MemoryFs| ask(fs, |log| log.find_offset(offset).map(|answer| answer.found));
        assert_eq!(answer(&indexed), answer(&sound.fs), "offset {offset}");
    }
    for time in times.iter().copied().map(Timestamp::new) {
        let answer = |fs: &MemoryFs| ask(fs, |log| log.offset_for_time(time).map(|answer| answer.found));
        assert_eq!(answer(&indexed), answer(&sound.fs), "time {time}");
    }
    let newest = |fs: &MemoryFs| ask(fs, |log| log.offset_for_max_timestamp().map(|answer| answer.found));
    assert_eq!(newest(&indexed), newest(&sound.fs));
    let reader = LogReader::open(&indexed, Path::new(FOLDER)).expect("memory can be listed");
    assert_eq!(reader.log_end().expect("memory can be read"), sound.end);
    let aborted = |fs: &MemoryFs| {
        let log = LogReader::open(fs, Path::new(FOLDER)).expect("memory can be listed");
        log.aborted_transactions(BASE..sound.end).expect("memory can be read")
    };
    assert_eq!(aborted(&indexed), aborted(&sound.fs));
}

fn ask(
    fs: &MemoryFs,
    question: impl FnOnce(&LogReader<'_>) -> crate::error::Result<Option<Located>>,
) -> Option<Located> {
    let log = LogReader::open(fs, Path::new(FOLDER)).expect("memory can be listed");
    question(&log).expect("memory can be read")
}

fn sound() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    SOUND.get_or_init(|| {
        let mut fs = MemoryFs::default();
        let (bytes, end) = log();
        fs.put_file(Path::new(FOLDER).join(SegmentFile::Log.name(BASE)), bytes);
        Sound { fs, end }
    })
}

/// Batches of one to three records whose times mostly rise; some are aborted. The bytes, and the offset behind the last.
fn log() -> (Vec<u8>, Offset) {
    let producer = (ProducerId::new(7), ProducerEpoch::new(0));
    let (mut bytes, mut next, mut sequence) = (Vec::new(), BASE, 0);
    for n in 0..BATCHES {
        let mut builder = BatchBuilder::new(next).leader_epoch(LeaderEpoch::new(0));
        builder = builder.producer(producer.0, producer.1, Sequence::new(sequence)).transactional();
        // Every seventh batch is half a second early, which the next ones are not.
        let time = 1_000 + 10 * n + if n % 7 == 3 { 500 } else { 0 };
        for record in 0..=n % 3 {
            let value = n.to_be_bytes();
            builder.push(Timestamp::new(time + record), None, Some(&value), &[]).expect("rising offsets");
        }
        sequence += builder.len();
        next = Offset::new(next.get() + i64::from(builder.len()));
        builder.finish(&mut bytes).expect("a small batch");
        if n % 5 == 4 {
            let time = Timestamp::new(time);
            let marker = BatchBuilder::end_transaction(next, LeaderEpoch::new(0), producer, time, n % 2 == 0, 0);
            bytes.extend(marker.expect("a producer"));
            next = next.next();
        }
    }
    (bytes, next)
}
