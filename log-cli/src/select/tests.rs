//! The flags together, as a command line gives them.

use clap::Parser;
use log_engine::{Batch, BatchBuilder, Offset, ProducerEpoch, ProducerId, Scratch, Sequence, Timestamp};

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    select: SelectArgs,
}

const NOW: i64 = 10_000;

fn selection(flags: &str) -> Result<Selection, String> {
    let line = Line::try_parse_from(std::iter::once("x").chain(flags.split_whitespace()));
    line.map_err(|e| e.to_string())?.select.selection(NOW).map_err(|e| e.to_string())
}

/// Two batches: records 0 to 3 of producer 7 with keys `k0`.. and times 1000.., records 4 and 5 of nobody, without keys.
fn log() -> Vec<Vec<u8>> {
    let mut first =
        BatchBuilder::new(Offset::new(0)).producer(ProducerId::new(7), ProducerEpoch::new(1), Sequence::new(0));
    for i in 0..4 {
        first.push(Timestamp::new(1000 + i), Some(format!("k{i}").as_bytes()), Some(b"value"), &[]).unwrap();
    }
    let mut second = BatchBuilder::new(Offset::new(4));
    second.push(Timestamp::new(2000), None, None, &[]).unwrap();
    second.push(Timestamp::new(1500), None, Some(b"late"), &[]).unwrap();
    [first, second]
        .into_iter()
        .map(|builder| {
            let mut bytes = Vec::new();
            builder.finish(&mut bytes).unwrap();
            bytes
        })
        .collect()
}

/// The offsets that the flags leave of [`log`].
fn offsets(flags: &str) -> Vec<i64> {
    let selection = selection(flags).unwrap();
    let bounds = selection.bounds(0, 6);
    let mut scratch = Scratch::default();
    let mut found = Vec::new();
    for bytes in log() {
        let batch = Batch::parse(&bytes).unwrap();
        let wanted = bounds.touch(&batch) && selection.wants_batch(&batch, Control::Yes);
        for record in batch.records(&mut scratch).unwrap() {
            let record = record.unwrap();
            let taken = selection.wants(&bounds, &batch, &record);
            if wanted && taken {
                found.push(record.offset.get());
            }
            assert!(!bounds.contain_all(&batch) || bounds.contain(&record), "{flags}");
        }
    }
    found
}

#[test]
fn flags_leave_the_records_they_name() {
    for (flags, expected) in [
        ("", &[0, 1, 2, 3, 4, 5][..]),
        ("-o 2", &[2, 3, 4, 5]),
        ("-o 2:4", &[2, 3]),
        ("-o :3", &[0, 1, 2]),
        ("-o -2", &[4, 5]),
        ("-o end", &[]),
        ("-o 3:+2", &[3, 4]),
        ("-o @0000000001:0000000002", &[0, 1, 2, 3, 5]),
        ("--since 1970-01-01T00:00:01.002Z", &[2, 3, 4, 5]),
        ("--until 1970-01-01T00:00:01.002Z", &[0, 1]),
        ("--since -8500ms --until -8s", &[5]),
        ("-o @-9s:+2ms", &[0, 1]),
        ("-o @-9s --until -8999ms", &[0]),
        ("-k k1", &[1]),
        ("-k k1 -k k3", &[1, 3]),
        ("--key-hex 6b32", &[2]),
        ("--key-regex ^k[01]$", &[0, 1]),
        ("--null-key", &[4, 5]),
        ("--tombstone", &[4]),
        ("--value-contains at", &[5]),
        ("--null-key --value-regex ^l", &[5]),
        ("--producer-id 7", &[0, 1, 2, 3]),
        ("--producer-id -1", &[4, 5]),
        ("--producer-id 7 -k k0", &[0]),
        ("-v --producer-id 7", &[4, 5]),
        ("-v -k k0", &[1, 2, 3, 4, 5]),
        ("-v --producer-id 7 -k k0", &[1, 2, 3, 4, 5]),
        ("-v --null-key -o 1:3", &[1, 2]),
        ("-v", &[0, 1, 2, 3, 4, 5]),
        ("--codec zstd", &[]),
        ("--magic 2 --codec none", &[0, 1, 2, 3, 4, 5]),
        ("--control=only", &[]),
        ("--control", &[0, 1, 2, 3, 4, 5]),
    ] {
        assert_eq!(offsets(flags), expected, "{flags}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    for flags in
        ["-o x", "--since noon", "--key-hex 0", "--key-regex (", "--per-partition", "--leader-epoch x", "--codec lzo"]
    {
        assert!(selection(flags).is_err(), "{flags}");
    }
}
