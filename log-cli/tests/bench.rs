//! `bench`: every line says what it measured, and nothing is left behind.

use serde_json::Value;

use crate::support::{arg, assert_valid, lines, run, stdout};

#[test]
fn each_policy_and_number_of_threads_is_a_line_that_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    let policies = "never,every:1,every:100,interval:5ms";
    let args = [
        "bench",
        "write",
        arg(scratch.path()),
        "--records",
        "200",
        "--size",
        "50",
        "--fsync",
        policies,
        "--threads",
        "1,2",
    ];
    let output = run(&[&args[..], &["--format", "ndjson"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found = lines(&output);
    let cases: Vec<_> =
        found.iter().map(|line| (line["fsync"].as_str().unwrap(), line["threads"].as_u64().unwrap())).collect();
    let expected: Vec<_> = policies.split(',').flat_map(|policy| [(policy, 1), (policy, 2)]).collect();
    assert_eq!(cases, expected);
    for line in &found {
        assert_eq!((&line["records"], &line["size"]), (&200.into(), &50.into()));
        let number = |name: &str| line[name].as_f64().unwrap();
        assert!(number("recordsPerSecond") > 0.0 && number("megabytesPerSecond") > 0.0, "{line}");
        assert!(0.0 < number("p50") && number("p50") <= number("p99") && number("p99") <= number("p999"), "{line}");
        let syncs = number("fsyncsPerSecond") * number("seconds");
        match line["fsync"].as_str().unwrap() {
            // The file of leader epochs, once, when the first batch names one.
            "never" => assert!(syncs.round() <= 2.0, "{line}"),
            // Threads that wait for one another's sync need fewer.
            "every:1" => assert!((1.0..=400.5).contains(&syncs.round()), "{line}"),
            "every:100" => assert!((1.0..=8.0).contains(&syncs.round()), "{line}"),
            _ => {}
        }
        assert!(!line["fileSystem"].as_str().unwrap().is_empty() && !line["device"].as_str().unwrap().is_empty());
    }
    let document = run(&[&args[..], &["--json"]].concat());
    let document: Value = serde_json::from_slice(&document.stdout).unwrap();
    assert_eq!(document.as_array().unwrap().len(), expected.len());
    assert_valid("bench", std::slice::from_ref(&document));
    let text = stdout(&run(&args));
    assert_eq!(text.lines().count(), expected.len());
    for (line, (policy, threads)) in text.lines().zip(&expected) {
        let rest = line
            .strip_prefix(&format!("write fsync {policy:<13} threads {threads:>2}, batches of 1 x 50 B"))
            .unwrap_or_else(|| panic!("{line}"));
        for said in ["MB/s", "records/s", "p50", "p99.9", "fsyncs/s", "page cache"] {
            assert!(rest.contains(said), "{line}");
        }
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn reading_and_recovering_see_every_record() {
    let scratch = tempfile::tempdir().unwrap();
    let of = |args: &[&str]| -> Vec<Value> {
        let shared = [
            "--records",
            "5k",
            "--batch",
            "100",
            "--segment-bytes",
            "100kB",
            "--format",
            "ndjson",
            arg(scratch.path()),
        ];
        let output = run(&[&["bench"], args, &shared].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        lines(&output)
    };
    for line in of(&["read", "--threads", "1,3"]) {
        assert_eq!(
            (&line["what"], &line["records"], &line["cache"]),
            (&"read".into(), &5000.into(), &"page cache warm".into())
        );
    }
    assert_eq!(of(&["read", "--cache", "cold"])[0]["cache"], "page cache told to forget");
    let recovered = of(&["recover", "--rounds", "2"]);
    assert_eq!((&recovered[0]["what"], &recovered[0]["records"]), (&"recover".into(), &10_000.into()));
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn acknowledged_offsets_are_all_that_is_printed_and_the_log_stays() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("data");
    let args = ["bench", "write", arg(&dir), "--acknowledge", "--records", "10", "--batch", "4", "--fsync", "every:1"];
    assert_eq!(stdout(&run(&args)), "3\n7\n9\n");
    assert_eq!(stdout(&run(&args)), "13\n17\n19\n", "it goes on where the log ends");
    assert_eq!(lines(&run(&["dump", arg(&dir), "--json"])).len(), 20);
}

#[test]
fn exit_codes_say_what_happened() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    std::fs::write(&file, "").unwrap();
    let dir = arg(scratch.path());
    for (args, code) in [
        (&["bench", "write", dir, "--records", "1"][..], 0),
        (&["bench"], 2),
        (&["bench", "--schema"], 0),
        (&["bench", "write", dir, "--records", "0"], 2),
        (&["bench", "write", dir, "--fsync", "always"], 2),
        (&["bench", "write", dir, "--threads", "0"], 2),
        (&["bench", "write", arg(&file), "--records", "1"], 4),
        (&["bench", "write", "/no/such/directory", "--records", "1"], 4),
    ] {
        assert_eq!(run(args).status.code(), Some(code), "{args:?}");
    }
}
