//! `grep`: what is found, how it is printed, and the exit codes of its namesake.

use log_engine::testing::golden;

use crate::support::{arg, assert_expected, assert_valid, lines, run, stdout};

/// The offsets that are found in `txn-0` of the sample.
fn offsets(args: &[&str]) -> Vec<i64> {
    let folder = golden::sample().join("txn-0");
    let output = run(&[&["grep", "--json", args[0], arg(&folder)], &args[1..]].concat());
    lines(&output).iter().map(|line| line["offset"].as_i64().unwrap()).collect()
}

#[test]
fn patterns_are_found_in_keys_values_and_headers() {
    let all = offsets(&["", "--control=no"]);
    let dump = run(&["dump", "--json", "--control=no", arg(&golden::sample().join("txn-0"))]);
    assert_eq!(
        all.len(),
        lines(&dump).iter().filter(|line| !line["value"].is_null() || !line["key"].is_null()).count()
    );
    let birch = offsets(&["birch", "--control=no"]);
    assert!(!birch.is_empty() && birch.len() < all.len(), "{birch:?}");
    assert_eq!(offsets(&["BIRCH", "-i", "--control=no"]), birch);
    assert_eq!(offsets(&["BIRCH", "--control=no"]), Vec::<i64>::new());
    assert_eq!(offsets(&["^a0$", "--in", "value", "--control=no"]), Vec::<i64>::new());
    assert!(offsets(&["^a0$", "--in", "key,headers"]).contains(&0));
    assert_eq!(offsets(&["b.rch", "-F"]), Vec::<i64>::new());
    let others: Vec<_> = all.iter().copied().filter(|offset| !birch.contains(offset)).collect();
    assert_eq!(offsets(&["birch", "-v", "--control=no"]), others);
    assert_eq!(offsets(&["birch", "-m", "1"]), birch[..1]);
    assert_eq!(offsets(&["birch", "-n", "2"]), birch[..2]);
    assert_eq!(offsets(&["birch", "-o", "0:5", "--isolation", "read_committed"]), [0], "4 was aborted");
}

#[test]
fn neighbours_are_printed_once_and_groups_set_apart() {
    let folder = golden::sample().join("txn-0");
    for (name, flags) in [
        ("grep.txt", &["-C", "1"][..]),
        ("grep-before.txt", &["-B", "2", "-m", "2"]),
        ("grep-after.txt", &["-A", "2", "-m", "1"]),
    ] {
        assert_expected(name, &stdout(&run(&[&["grep", "a0", arg(&folder), "--in", "key"], flags].concat())));
    }
}

#[test]
fn counts_and_lists_name_the_partitions() {
    let sample = golden::sample();
    let counts = lines(&run(&["grep", "birch", arg(&sample), "-t", "txn*", "-c", "--json"]));
    assert_valid("grep", &counts);
    assert_eq!(counts.len(), 3);
    let text = stdout(&run(&["grep", "birch", arg(&sample), "-t", "txn*", "-c"]));
    let expected: String = counts
        .iter()
        .map(|line| format!("{}-{}:{}\n", line["topic"].as_str().unwrap(), line["partition"], line["count"]))
        .collect();
    assert_eq!(text, expected);
    let listed = stdout(&run(&["grep", "^a0$", arg(&sample), "-t", "txn", "-l"]));
    assert!(listed.lines().all(|path| std::path::Path::new(path).is_dir()) && listed.lines().count() == 2, "{listed}");
}

#[test]
fn exit_codes_are_those_of_grep() {
    let (sample, damaged) = (golden::sample(), golden::sample_damaged());
    let (sample, damaged) = (arg(&sample), arg(&damaged));
    for (args, code) in [
        (&["grep", "birch", sample][..], 0),
        (&["grep", "no such words", sample], 1),
        (&["grep", "birch", sample, "/no/such/directory"], 4),
        (&["grep", "-q", "birch", sample, "/no/such/directory"], 0),
        (&["grep", "no such words", sample, "/no/such/directory"], 4),
        (&["grep", "no such words", damaged], 4),
        (&["grep", "v1", damaged], 0),
        (&["grep", "(", sample], 2),
        (&["grep", "birch"], 2),
    ] {
        assert_eq!(run(args).status.code(), Some(code), "{args:?}");
    }
    assert!(run(&["grep", "-q", "birch", sample]).stdout.is_empty());
}
