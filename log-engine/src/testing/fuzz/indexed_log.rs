//! A sound log under any index: what is found must not depend on what the index says.

use std::path::Path;
use std::sync::OnceLock;

use crate::batch::{BatchBuilder, Scratch, Walk};
use crate::error::Result;
use crate::log::{Answer, LogReader};
use crate::producer::CompletedTransaction;
use crate::segment::SegmentFile;
use crate::testing::memory_fs::MemoryFs;
use crate::units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// The partition's folder.
const FOLDER: &str = "/orders-0";
/// Where the segment begins.
pub(super) const BASE: Offset = Offset::new(100);
/// Batches of data in it; every fifth is followed by the marker that ends its transaction.
const BATCHES: i64 = 24;

/// A partition of one segment with nothing but its `.log`, and all that is in it.
struct Sound {
    fs: MemoryFs,
    /// Offset and time of the records, in order.
    records: Vec<(Offset, Timestamp)>,
    aborted: Vec<CompletedTransaction>,
    end: Offset,
}

/// Asks the log with `bytes` as its file of this kind for these offsets and times. The answers must be those of a scan.
pub(super) fn assert_answers_stay(file: SegmentFile, bytes: &[u8], offsets: &[i64], times: &[i64]) {
    let sound = sound();
    let mut fs = sound.fs.clone();
    fs.put_file(Path::new(FOLDER).join(file.name(BASE)), bytes);
    let log = LogReader::open(&fs, Path::new(FOLDER)).expect("memory can be listed");
    let first = |wanted: &dyn Fn(&(Offset, Timestamp)) -> bool| sound.records.iter().copied().find(wanted);
    for offset in offsets.iter().copied().map(Offset::new) {
        assert_eq!(found(log.find_offset(offset)), first(&|record| record.0 >= offset), "offset {offset}");
    }
    for time in times.iter().copied().map(Timestamp::new) {
        assert_eq!(found(log.offset_for_time(time)), first(&|record| record.1 >= time), "time {time}");
    }
    let newest = sound.records.iter().map(|record| record.1).max();
    assert_eq!(found(log.offset_for_max_timestamp()), first(&|record| Some(record.1) == newest));
    assert_eq!(log.log_end().expect("memory can be read"), sound.end);
    assert_eq!(log.aborted_transactions(BASE..sound.end).expect("memory can be read"), sound.aborted);
}

fn found(answer: Result<Answer>) -> Option<(Offset, Timestamp)> {
    answer.expect("memory can be read").found.map(|found| (found.offset, found.timestamp))
}

fn sound() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    SOUND.get_or_init(|| {
        let mut fs = MemoryFs::default();
        let (bytes, end) = log();
        let mut scratch = Scratch::default();
        let mut records = Vec::new();
        for (_, batch) in Walk::new(&bytes) {
            let batch = batch.expect("a batch of our own");
            let of_batch = batch.records(&mut scratch).expect("records of our own");
            records
                .extend(of_batch.map(|record| record.expect("a record of our own")).map(|r| (r.offset, r.timestamp)));
        }
        fs.put_file(Path::new(FOLDER).join(SegmentFile::Log.name(BASE)), bytes);
        let reader = LogReader::open(&fs, Path::new(FOLDER)).expect("memory can be listed");
        let aborted = reader.aborted_transactions(BASE..end).expect("memory can be read");
        Sound { fs, records, aborted, end }
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
