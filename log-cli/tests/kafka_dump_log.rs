//! `kafka-dump-log` against what Kafka 4.4.0's own tool printed: every recorded run, byte for byte.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use log_engine::testing::golden;
use serde_json::Value;

/// Recorded standard error is cut to so many lines.
const RECORDED_LINES: usize = 8;

/// What a run printed and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    code: Option<i32>,
    out: Vec<u8>,
    err: Vec<String>,
}

/// A run of Kafka's tool.
struct Recorded {
    folder: PathBuf,
    args: Vec<String>,
    expected: Outcome,
}

fn run(folder: &Path, args: &[String], variable: &str) -> Outcome {
    let out = Command::new(env!("CARGO_BIN_EXE_log-cli")).arg("kafka-dump-log").args(args).current_dir(folder).output();
    let out = out.unwrap();
    let folder = folder.canonicalize().unwrap();
    let err = String::from_utf8(out.stderr).unwrap().replace(folder.to_str().unwrap(), variable);
    Outcome { code: out.status.code(), out: out.stdout, err: err.lines().map(str::to_owned).collect() }
}

/// Says where two outcomes part, if they do. Lines of standard error beyond the recorded ones are not known.
fn difference(expected: &Outcome, mut found: Outcome) -> Option<String> {
    if expected.err.len() == RECORDED_LINES {
        found.err.truncate(RECORDED_LINES);
    }
    if *expected == found {
        return None;
    }
    let mut lines = expected.out.split(|b| *b == b'\n').zip(found.out.split(|b| *b == b'\n'));
    let part = lines.find(|(a, b)| a != b).map(|(a, b)| [a, b].map(String::from_utf8_lossy));
    let (a, b) = (expected, &found);
    Some(format!(
        "{part:?}, {} and {} bytes, {:?} and {:?}",
        a.out.len(),
        b.out.len(),
        (a.code, &a.err),
        (b.code, &b.err)
    ))
}

/// All files of this name below `folder`.
fn below(folder: &Path, name: &str) -> Vec<PathBuf> {
    golden::files(folder).into_iter().filter(|file| file.ends_with(name)).map(|file| folder.join(file)).collect()
}

/// The standard output that is meant, given in one of three ways.
fn expected_output(run: &Value, folder: &Path) -> Vec<u8> {
    if let Some(text) = run["stdout"].as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(file) = run["stdout_file"].as_str() {
        return std::fs::read(folder.join(file)).unwrap();
    }
    let (file, _) = run["stdout_is"].as_str().unwrap().split_once(" without ").unwrap();
    let whole = std::fs::read(folder.join(file)).unwrap();
    whole.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"| ")).flatten().copied().collect()
}

/// The runs of the 4.4.0 tool on `case`, and how many of them decode records, which is not supported yet.
fn recorded(case: &str) -> (Vec<Recorded>, usize) {
    let case = golden::kafka(case);
    let (mut runs, mut decoding) = (Vec::new(), 0);
    for list in below(&case, "runs.json") {
        let folder = list.parent().unwrap();
        let document = golden::json(&list);
        if !document["tool"].as_str().unwrap().contains("org.apache.kafka.tools") {
            continue;
        }
        // expected*/<partition> tells of dir/<partition>.
        let partition: PathBuf = folder.strip_prefix(&case).unwrap().components().skip(1).collect();
        for run in document["runs"].as_array().unwrap() {
            let args = run["args"].as_str().unwrap();
            if args.contains("-decoder") {
                decoding += 1;
                continue;
            }
            let err = run["stderr"].as_array().into_iter().flatten().map(|line| line.as_str().unwrap().to_owned());
            let code = i32::try_from(run["rc"].as_i64().unwrap()).unwrap();
            let expected = Outcome { code: Some(code), out: expected_output(run, folder), err: err.collect() };
            let args = args.split(' ').map(str::to_owned).collect();
            runs.push(Recorded { folder: case.join("dir").join(&partition), args, expected });
        }
    }
    (runs, decoding)
}

// conformance: DMP-003 DMP-004
#[test]
fn every_recorded_run_is_the_same() {
    let (runs, decoding): (Vec<_>, Vec<_>) = golden::kafka_cases().iter().map(|case| recorded(case)).unzip();
    let (runs, decoding) = (runs.into_iter().flatten().collect::<Vec<_>>(), decoding.iter().sum::<usize>());
    let (next, differences) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(Recorded { folder, args, expected }) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(difference) = difference(expected, run(folder, args, "$PWD")) {
                        differences.lock().unwrap().push(format!("{} {args:?}: {difference}", folder.display()));
                    }
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    for difference in &differences {
        println!("{difference}");
    }
    println!("{decoding} recorded runs with a decoder are left out");
    println!("{} of {} recorded runs are the same", runs.len() - differences.len(), runs.len());
    assert!(differences.is_empty() && runs.len() >= 2300);
}

/// A run that is told in a text file: case, arguments, exit code, both streams.
fn parse_dump(text: &str) -> (String, Vec<String>, Outcome) {
    let after = |mark: &str| text.split_once(mark).unwrap().1;
    let line = |mark: &str| after(mark).lines().next().unwrap().to_owned();
    let args = line("DumpLogSegments ").split(' ').map(str::to_owned).collect();
    let (out, err) = after("# ---- stdout\n").split_once("# ---- stderr\n").unwrap();
    let is_frame = |line: &&str| line.starts_with('\t') || line.starts_with("Caused by: ");
    let err = err.lines().filter(|line| !is_frame(line)).map(str::to_owned).collect();
    let code = line("# exit code: ").parse().ok();
    (line("# case: "), args, Outcome { code, out: out.as_bytes().to_vec(), err })
}

#[test]
fn every_recorded_run_on_a_damaged_file_is_the_same() {
    let folder = golden::damage_dumps();
    let (mut same, mut all) = (0, 0);
    for file in golden::files(&folder) {
        let (case, args, expected) = parse_dump(&std::fs::read_to_string(folder.join(&file)).unwrap());
        let damaged = golden::damage(&case);
        let partition = damaged.before().join(format!("{}-0", case.split('/').next().unwrap()));
        all += 1;
        match difference(&expected, run(&partition, &args, "$DIR")) {
            None => same += 1,
            Some(difference) => println!("{case}: {difference}"),
        }
    }
    println!("{same} of {all} recorded runs on damaged files are the same");
    assert!(same == all && all > 30);
}

#[test]
fn a_link_with_the_tools_name_is_the_tool() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["kafka-dump-log", "kafka-dump-log.sh"] {
        let link = dir.path().join(name);
        symlink(env!("CARGO_BIN_EXE_log-cli"), &link).unwrap();
        let out = Command::new(&link).arg("--version").output().unwrap();
        assert_eq!((out.status.code(), &out.stdout[..]), (Some(0), &b"4.4.0\n"[..]));
        let out = Command::new(&link).arg("--help").output().unwrap();
        assert_eq!((out.status.code(), out.stdout.len()), (Some(1), 0));
        assert!(out.stderr.starts_with(b"This tool helps to parse a log file"));
    }
}

#[test]
fn decoders_are_known_and_said_to_be_missing() {
    for decoder in ["--offsets-decoder", "--cluster-metadata-decoder", "--value-decoder-class=x"] {
        let found = run(Path::new("/"), &["--files".into(), "x.log".into(), decoder.into()], "$PWD");
        let (name, _) = decoder.split_once('=').unwrap_or((decoder, ""));
        assert_eq!((found.code, found.out.len()), (Some(1), 0));
        assert_eq!(found.err, [format!("{name} is not supported yet")]);
    }
}

#[test]
fn nothing_is_made_where_an_index_is_missing() {
    let dir = golden::private_copy(&golden::kafka("plain").join("dir/plain-0"));
    std::fs::remove_file(dir.path().join("00000000000000000000.index")).unwrap();
    let before = golden::files(dir.path());
    for file in ["00000000000000000000.index", "00000000000000000000.timeindex", "00000000000000000000.txnindex"] {
        let found = run(dir.path(), &["--files".into(), file.into()], "$PWD");
        assert_eq!(found.code, Some(i32::from(!file.ends_with(".txnindex"))), "{file}");
    }
    assert_eq!(golden::files(dir.path()), before);
}

// conformance: DMP-012 DMP-013 DMP-016
#[test]
fn what_is_not_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let found = |args: &[&str]| {
        let found = run(dir.path(), &args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>(), "$PWD");
        (found.code, String::from_utf8(found.out).unwrap(), found.err.first().cloned().unwrap_or_default())
    };
    let missing = "Missing required argument \"[files]\"".to_owned();
    assert_eq!(found(&["--deep-iteration"]), (Some(1), String::new(), missing));
    let no_file = "Exception in thread \"main\" java.nio.file.NoSuchFileException: 7.log".to_owned();
    let lines = "Dumping 7.log\nLog starting offset: 7\n".to_owned();
    assert_eq!(found(&["--files", "7.log"]), (Some(1), lines, no_file));
    for name in ["8.log", "8.index"] {
        std::fs::write(dir.path().join(name), []).unwrap();
    }
    let empty = "Dumping 8.index\n8.index is empty.\n".to_owned();
    assert_eq!(found(&["--files", "8.index"]), (Some(0), empty, String::new()));
    let unknown = "Ignoring unknown file x.log.deleted".to_owned();
    assert_eq!(found(&["--files", "x.log.deleted"]), (Some(0), "Dumping x.log.deleted\n".into(), unknown));
}

// conformance: DMP-017
#[test]
fn max_bytes_ends_with_the_last_batch_that_fits() {
    let folder = golden::kafka("plain").join("dir/plain-0");
    let dump = |args: &[&str]| {
        let args: Vec<_> =
            ["--files", "00000000000000000000.log"].iter().chain(args).map(|a| (*a).to_owned()).collect();
        String::from_utf8(run(&folder, &args, "$PWD").out).unwrap()
    };
    let whole: Vec<String> = dump(&[]).lines().map(str::to_owned).collect();
    let half = whole.len() / 2;
    let position = |line: &str| line.split("position: ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    for (more, lines) in [(0_i64, half), (1, half), (-1, half - 1)] {
        let bytes = position(&whole[half]).parse::<i64>().unwrap() + more;
        let cut = dump(&["--max-bytes", &bytes.to_string()]);
        assert_eq!(cut.lines().collect::<Vec<_>>(), whole[..lines], "{bytes} bytes");
    }
}
