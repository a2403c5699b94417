//! `kafka-dump-log` beside Kafka's own tool, on files that are damaged here in many ways. Needs Java 17 and the jars of Kafka 4.4.0
//! (`org.apache.kafka:kafka-tools` and what it depends on) in the folder that `KAFKA_LIBS` names.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use log_engine::testing::golden;
use log_engine::testing::script::{Op, Runner};
use log_engine::{Batch, OsFs};

/// Runs that are compared.
const RUNS: u64 = 600;
const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/java/DumpLog.java");

/// Exit code and standard output.
type Outcome = (i32, Vec<u8>);

/// Kafka's tool, in one virtual machine for all runs.
struct Kafka {
    child: Child,
    runs: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Kafka {
    fn start(libs: &Path, folder: &Path) -> Self {
        let mut child = Command::new("java")
            .arg("-cp")
            .arg(libs.join("*"))
            .arg(DRIVER)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (runs, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, runs, answers }
    }

    fn run(&mut self, args: &[String]) -> Outcome {
        writeln!(self.runs, "{}", args.join("\t")).unwrap();
        let mut head = String::new();
        self.answers.read_line(&mut head).unwrap();
        let [code, out, err] = head.split_whitespace().map(|n| n.parse().unwrap()).collect::<Vec<usize>>()[..] else {
            panic!("the driver answered {head:?}");
        };
        let mut bytes = vec![0; out + err];
        self.answers.read_exact(&mut bytes).unwrap();
        bytes.truncate(out);
        (i32::try_from(code).unwrap(), bytes)
    }

    fn stop(mut self) {
        drop(self.runs);
        self.child.wait().unwrap();
    }
}

fn ours(folder: &Path, args: &[String]) -> Outcome {
    let out = Command::new(env!("CARGO_BIN_EXE_log-cli")).arg("kafka-dump-log").args(args).current_dir(folder).output();
    let out = out.unwrap();
    (out.status.code().unwrap(), out.stdout)
}

/// Numbers that look random and are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n.max(1) as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Where each batch begins, and its length.
fn batches(bytes: &[u8]) -> Vec<(usize, usize)> {
    log_engine::Walk::new(bytes).filter_map(|(at, batch)| Some((at, batch.ok()?.bytes().len()))).collect()
}

/// Changes one thing, as a bad disk, a cut write or a wrong program would.
fn damage(bytes: &mut Vec<u8>, is_log: bool, dice: &mut Dice) {
    let edge = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
    match dice.below(8) {
        0 => bytes.truncate(dice.below(bytes.len() + 1)),
        1 => bytes.resize(bytes.len() + dice.of(&[1, 11, 17, 18, 26, 100]), dice.of(&[0, 0, 0xff, 7])),
        2..=3 if !bytes.is_empty() => {
            let at = dice.below(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
        }
        _ if is_log => {
            // A field of a head, or any byte of the records, under a checksum that fits more often than not.
            let all = batches(bytes);
            let Some(&(at, len)) = all.get(dice.below(all.len())) else { return };
            let head = dice.below(2) == 0;
            let byte = at + dice.below(if head { len.min(61) } else { len });
            bytes[byte] = dice.of(&edge);
            if dice.below(3) > 0 {
                seal(&mut bytes[at..at + len]);
            }
        }
        _ if !bytes.is_empty() => {
            let at = dice.below(bytes.len());
            let end = (at + dice.of(&[1, 4, 8])).min(bytes.len());
            bytes[at..end].fill(dice.of(&edge));
        }
        _ => {}
    }
}

/// Gives a batch the checksum that fits.
fn seal(batch: &mut [u8]) {
    let Ok(parsed) = Batch::parse(batch) else { return };
    let (crc, at) = (parsed.computed_crc(), if parsed.header().is_some() { 17 } else { 12 });
    if parsed.bytes().len() == batch.len() {
        batch[at..at + 4].copy_from_slice(&crc.to_be_bytes());
    }
}

/// All folders of partitions in the golden set that have a `.log` file.
fn partitions() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for case in golden::kafka_cases().iter().filter(|case| *case != "big") {
        let folder = golden::kafka(case).join("dir");
        let logs = golden::files(&folder).into_iter().filter(|file| file.extension().is_some_and(|e| e == "log"));
        found.extend(logs.map(|log| folder.join(log).with_extension("")));
    }
    found
}

/// Lays a segment out in `folder` with one damage; gives the arguments of a run on it.
fn lay_out(segment: &Path, root: &Path, n: u64, dice: &mut Dice) -> Vec<String> {
    let folder = root.join(n.to_string());
    std::fs::create_dir(&folder).unwrap();
    let mut names = Vec::new();
    for suffix in ["log", "index", "timeindex", "txnindex", "snapshot"] {
        let from = segment.with_extension(suffix);
        if let Some(len) = std::fs::metadata(&from).ok().map(|file| file.len()).filter(|len| *len < 1 << 20) {
            let name = from.file_name().unwrap().to_str().unwrap().to_owned();
            std::fs::write(folder.join(&name), std::fs::read(&from).unwrap()).unwrap();
            names.push((name, len));
        }
    }
    let target = names[dice.below(names.len())].0.clone();
    let harmed = if dice.below(4) == 0 { names[0].0.clone() } else { target.clone() };
    let mut bytes = std::fs::read(folder.join(&harmed)).unwrap();
    damage(&mut bytes, harmed.ends_with(".log"), dice);
    std::fs::write(folder.join(&harmed), bytes).unwrap();
    let mut args = vec!["--files".to_owned(), format!("{n}/{target}")];
    let options: [&[&str]; 9] = [
        &[],
        &["--deep-iteration"],
        &["--print-data-log"],
        &["--print-data-log", "--skip-record-metadata"],
        &["--deep-iteration", "--max-bytes", "500"],
        &["--max-bytes", "61"],
        &["--index-sanity-check"],
        &["--verify-index-only"],
        &["--max-message-size", "100"],
    ];
    args.extend(dice.of(&options).iter().map(|option| (*option).to_owned()));
    args
}

/// Kafka's jars, if they are at hand.
fn libs() -> Option<PathBuf> {
    let libs = std::env::var_os("KAFKA_LIBS").map(PathBuf::from).filter(|libs| libs.is_dir());
    if libs.is_none() {
        println!("SKIPPED: KAFKA_LIBS names no folder with Kafka's jars");
    }
    libs
}

/// Whether both tools say the same; a difference is printed.
fn same(kafka: &mut Kafka, root: &Path, args: &[String], of: &dyn std::fmt::Display) -> bool {
    // Ours first: Kafka's tool makes an index that is missing.
    let found = ours(root, args);
    let expected = kafka.run(args);
    if found != expected {
        let lines = found.1.split(|b| *b == b'\n').zip(expected.1.split(|b| *b == b'\n'));
        let part = lines.map(|(a, b)| [a, b].map(String::from_utf8_lossy)).find(|[a, b]| a != b);
        println!("{of} {args:?}: exit {} and {}, {part:?}", found.0, expected.0);
    }
    found == expected
}

#[test]
fn damaged_files_are_shown_as_kafkas_own_tool_shows_them() {
    let Some(libs) = libs() else { return };
    let root = tempfile::tempdir().unwrap();
    let (partitions, mut kafka, mut dice) = (partitions(), Kafka::start(&libs, root.path()), Dice(0x9e37_79b9));
    let mut different = 0;
    for n in 0..RUNS {
        let segment = &partitions[dice.below(partitions.len())];
        let args = lay_out(segment, root.path(), n, &mut dice);
        different += u64::from(!same(&mut kafka, root.path(), &args, &segment.display()));
    }
    kafka.stop();
    println!("{} of {RUNS} runs on damaged files are the same", RUNS - different);
    assert_eq!(different, 0);
}

#[test]
fn what_the_engine_wrote_is_shown_as_kafkas_own_tool_shows_it() {
    let Some(libs) = libs() else { return };
    let root = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(&libs, root.path());
    let (mut runs, mut different) = (0, 0);
    for script in golden::script_names() {
        let text = std::fs::read_to_string(golden::scripts().join(format!("{script}.script"))).unwrap();
        let folder = root.path().join(&script).join("orders-0");
        std::fs::create_dir_all(&folder).unwrap();
        let mut runner = Runner::new(Arc::new(OsFs), &folder).unwrap();
        Op::parse_all(&text).unwrap().iter().for_each(|op| drop(runner.run(op).unwrap()));
        drop(runner);
        for name in golden::files(&folder) {
            let path = Path::new(&script).join("orders-0").join(&name);
            let ending = name.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            let options: &[&str] = match ending {
                "log" => &["--print-data-log", "--deep-iteration"],
                "index" => &["--index-sanity-check", "--verify-index-only"],
                "timeindex" | "txnindex" | "snapshot" => &["--deep-iteration"],
                _ => continue,
            };
            for option in options {
                let args = ["--files", path.to_str().unwrap(), option].map(str::to_owned);
                runs += 1;
                different += u64::from(!same(&mut kafka, root.path(), &args, &script));
            }
        }
    }
    kafka.stop();
    println!("{} of {runs} runs on files that the engine wrote are the same", runs - different);
    assert!(runs > 300, "{runs}");
    assert_eq!(different, 0);
}
