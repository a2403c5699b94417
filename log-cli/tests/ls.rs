//! `ls`: what there is, in text and JSON.

use log_engine::testing::golden;

use crate::support::{arg, assert_valid, lines, run, stdout};

#[test]
fn partitions_segments_and_files_are_listed() {
    let sample = golden::sample();
    let names = stdout(&run(&["ls", arg(&sample)]));
    assert_eq!(names, "__consumer_offsets-0\n__transaction_state-0\ntxn-0\ntxn-1\ntxn-seg-0\n");
    assert_eq!(stdout(&run(&["ls", arg(&sample), "-t", "txn", "-p", "1"])), "txn-1\n");
    let segments = stdout(&run(&["ls", "--segments", arg(&sample), "-t", "txn"]));
    assert!(segments.starts_with("txn-0/00000000000000000000.log\ntxn-0/00000000000000000005.log\n"), "{segments}");
    let files = stdout(&run(&["ls", "--files", arg(&sample.join("txn-1"))]));
    assert_eq!(files.lines().count(), std::fs::read_dir(sample.join("txn-1")).unwrap().count());
    assert!(files.contains("txn-1/partition.metadata\n"));
}

#[test]
fn rows_are_valid_by_the_schema_and_say_sizes_and_offsets() {
    let sample = golden::sample();
    for flags in [&["-l"][..], &["--segments"], &["--segments", "-l"], &["--files"]] {
        let rows = lines(&run(&[&["ls", arg(&sample), "--format", "ndjson"], flags].concat()));
        assert!(rows.len() >= 5);
        assert_valid("ls", &rows);
    }
    let rows = lines(&run(&["ls", "-l", "--format", "ndjson", arg(&sample.join("txn-0"))]));
    let ends = lines(&run(&["dump", "--json", arg(&sample.join("txn-0")), "-o", "-1"]));
    assert_eq!(rows[0]["endOffset"].as_i64().unwrap(), ends[0]["offset"].as_i64().unwrap() + 1);
    assert_eq!((&rows[0]["offset"], &rows[0]["segments"]), (&0.into(), &2.into()));

    let size = |row: &serde_json::Value| row["bytes"].as_u64().unwrap();
    let mut rows = lines(&run(&["ls", "--format", "ndjson", "--sort", "size", arg(&sample)]));
    assert!(rows.windows(2).all(|pair| size(&pair[0]) >= size(&pair[1])));
    rows.reverse();
    assert_eq!(lines(&run(&["ls", "--format", "ndjson", "--sort", "size", "-r", arg(&sample)])), rows);
}

#[test]
fn the_table_has_a_head_and_folders_on_their_way_out_say_so() {
    let dir = golden::kafka("dirs").join("dir/disk1");
    let table = stdout(&run(&["ls", "-l", arg(&dir)]));
    assert!(table.lines().next().unwrap().trim_start().starts_with("SIZE  SEGMENTS"), "{table}");
    let both = [dir.clone(), golden::kafka("dirs").join("dir/disk2")];
    let all = lines(&run(&["ls", "--format", "ndjson", arg(&both[0]), arg(&both[1])]));
    for state in ["live", "delete", "future", "stray"] {
        assert!(all.iter().any(|row| row["state"] == state), "{state}");
    }
    assert_eq!(run(&["ls", "/no/such/directory"]).status.code(), Some(4));
    assert_eq!(run(&["ls", arg(&golden::sample().join("meta.properties"))]).status.code(), Some(4));
}
