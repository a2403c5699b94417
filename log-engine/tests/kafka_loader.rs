//! Kafka's own loader opens what we wrote, and finds in it what we find: hundreds of directories, left by a clean close and by a process
//! that died, as the golden scripts make them.
//!
//! `KAFKA_ORACLE=$PWD/log-engine/tests/kafka-oracle cargo test -p log-engine --test kafka_loader -- --nocapture` where Java and Maven are
//! at hand; without the variable the test says that it was left out.
#![allow(clippy::disallowed_methods, reason = "tests prepare folders")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use log_engine::log::{DirectoryState, LogDirectory, PartitionDirectory};
use log_engine::salvage::{SalvageRequest, SalvageSource, salvage};
use log_engine::testing::golden;
use log_engine::testing::script::{Action, Op, Row, Runner, compare_manifests, compare_rows, facts, manifest, sha256};
use log_engine::{LogReader, OsFs, Timestamp};
use serde_json::{Map, Value};

/// Moments of a script at which the process dies.
const DEATHS: usize = 4;
/// Fewer directories than this prove too little.
const ENOUGH: usize = 200;
/// Where the clock of a script stands in the beginning.
const START: i64 = 1_700_000_000_000;

/// A directory that we wrote, twice: for Kafka and for us.
struct Written {
    /// Which script, and when.
    name: String,
    for_kafka: PathBuf,
    for_us: PathBuf,
    clean: bool,
    configs: Vec<(String, String)>,
    time: i64,
    recovery_point: i64,
    log_start: i64,
    /// Where the log ended; `None` where that is within a batch, because it was cut there: no file says so, a broker that starts finds
    /// the end of the batch before, and begins anew where that lies below the log's start.
    end: Option<i64>,
    /// Checksums of the segments.
    segments: BTreeMap<String, String>,
}

impl Written {
    /// The arguments of `load`, for a directory that Kafka may change.
    fn arguments(&self) -> String {
        let clean = if self.clean { "--clean" } else { "--unclean" };
        let (recovery_point, start, time) = (self.recovery_point, self.log_start, self.time);
        let mut line = format!(
            "{} {clean} --recovery-point {recovery_point} --log-start {start} --time {time} --in-place --close",
            self.for_kafka.display()
        );
        for (name, value) in &self.configs {
            line.push_str(&format!(" --config {name}={value}"));
        }
        line
    }

    /// Opens our copy as Kafka opened its own; the state of the log, as Kafka's loader tells it.
    fn open(&self) -> Row {
        let mut runner = Runner::over(Arc::new(OsFs), &self.for_us, &self.configs).unwrap();
        let run = |runner: &mut Runner, text: &str| runner.run(&Op::parse(1, text).unwrap().unwrap()).unwrap();
        run(&mut runner, &format!("time {}", self.time));
        let clean = if self.clean { "clean" } else { "unclean" };
        let (recovery_point, start) = (self.recovery_point, self.log_start);
        let opened = run(&mut runner, &format!("reopen {clean} recovery-point={recovery_point} log-start={start}"));
        if opened.get("error").is_some() {
            return opened;
        }
        let state = run(&mut runner, "state");
        run(&mut runner, "close");
        state
    }
}

/// Checksums of the segments of a partition: what no loader may change in a log of ours, but for zeros behind the last batch of one that
/// was preallocated.
fn segments(dir: &Path) -> BTreeMap<String, String> {
    let files = golden::files(dir).into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "log"));
    let written = |file: &PathBuf| {
        let mut bytes = fs::read(dir.join(file)).unwrap();
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        sha256(&bytes)
    };
    files.map(|file| (file.display().to_string(), written(&file))).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file()) {
        let copied = to.join(entry.file_name());
        fs::copy(entry.path(), &copied).unwrap();
        // Kafka goes by it where a segment has no time of its own.
        let modified = entry.metadata().unwrap().modified().unwrap();
        fs::File::options().append(true).open(copied).unwrap().set_modified(modified).unwrap();
    }
}

/// What a script leaves when the process dies at some moments of it, and after its clean close.
fn written(script: &str, root: &Path) -> Vec<Written> {
    let dir = root.join("live").join("orders-0");
    fs::create_dir_all(&dir).unwrap();
    let text = fs::read_to_string(golden::scripts().join(format!("{script}.script"))).unwrap();
    let mut ops = Op::parse_all(&text).unwrap();
    ops.push(Op::parse(ops.len() + 1, "close").unwrap().unwrap());
    let mut runner = Runner::new(Arc::new(OsFs), &dir).unwrap();
    let (mut configs, mut time, mut written) = (BTreeMap::new(), START, Vec::new());
    let every = ops.len().div_ceil(DEATHS);
    for (n, op) in ops.iter().enumerate() {
        match &op.action {
            Action::Config(pairs) | Action::UpdateConfig(pairs) => configs.extend(pairs.iter().cloned()),
            Action::Time(ms) => time = *ms,
            _ => {}
        }
        let closes = op.action == Action::Close;
        let before = runner.log().map(|log| log.end().get());
        let row = runner.run(op).unwrap();
        let Some(end) = (if closes { before } else { runner.log().map(|log| log.end().get()) }) else { continue };
        let checkpoint = |key: &str| row.get(key).and_then(Value::as_i64);
        let known = match runner.log().map(log_engine::Log::checkpoints) {
            Some(now) => Some((now.recovery_point.get(), now.log_start.get())),
            None => checkpoint("recovery_point_checkpoint").zip(checkpoint("log_start_checkpoint")),
        };
        let Some((recovery_point, log_start)) = known.filter(|_| closes || n % every == every - 1) else { continue };
        let copies = ["kafka", "us"].map(|who| root.join(format!("{who}-{n}")).join("orders-0"));
        copies.iter().for_each(|to| copy(&dir, to));
        let [for_kafka, for_us] = copies;
        let (name, segments) = (format!("{script} behind line {}", op.line), segments(&for_us));
        let configs = configs.clone().into_iter().collect();
        let batches_end = LogReader::open(&OsFs, &for_us).unwrap().log_end().unwrap();
        let end = Some(end).filter(|end| *end == batches_end.get());
        written.push(Written {
            name,
            for_kafka,
            for_us,
            clean: closes,
            configs,
            time,
            recovery_point,
            log_start,
            end,
            segments,
        });
    }
    written
}

/// What differs between Kafka's loader and ours, and between what Kafka found and what we had written.
fn differences(written: &Written, kafka: &Value) -> Vec<String> {
    let ours = written.open().into_value();
    let mut answer = Map::from_iter([("line".to_owned(), 1.into()), ("op".to_owned(), ours["op"].clone())]);
    match &kafka["state"] {
        Value::Object(state) => answer.extend(state.clone()),
        _ => answer.extend(["error", "code", "message"].map(|key| (key.to_owned(), kafka[key].clone()))),
    }
    let mut differences = compare_rows(&[Value::Object(answer)], &[ours]);
    let files = |dir: &Path| manifest(&facts(&OsFs, dir).unwrap());
    differences.extend(compare_manifests(&files(&written.for_kafka), &files(&written.for_us), true));
    if let Some(end) = written.end {
        if kafka["state"]["log_end"] != end {
            differences.push(format!("Kafka finds the end at {}, we left it at {end}", kafka["state"]["log_end"]));
        }
        if segments(&written.for_kafka) != written.segments {
            differences.push(format!("Kafka changed {:?} to {:?}", written.segments, segments(&written.for_kafka)));
        }
    }
    differences
}

/// The program that runs Kafka's loader, if it is here.
fn oracle() -> Option<PathBuf> {
    let found = std::env::var_os("KAFKA_ORACLE").map(|folder| PathBuf::from(folder).join("run"));
    if found.is_none() {
        println!(
            "SKIPPED: KAFKA_ORACLE does not name the folder of Kafka's loader (tests/kafka-oracle; wants Java and Maven)"
        );
    }
    found
}

fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// What Kafka's loader says of directories, one start of it for all: `list` has its arguments, a line each.
fn load_all(oracle: &Path, root: &Path, list: &str) -> Vec<Value> {
    let file = root.join("list");
    fs::write(&file, list).unwrap();
    let loaded = Command::new(oracle).arg("loads").arg(&file).output().unwrap();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    String::from_utf8(loaded.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn kafkas_loader_finds_what_we_wrote() {
    let Some(oracle) = oracle() else { return };
    let root = scratch();
    let scripts = golden::script_names();
    let all: Vec<Written> = scripts.iter().flat_map(|script| written(script, &root.path().join(script))).collect();
    let list: String = all.iter().map(|written| written.arguments() + "\n").collect();
    let answers = load_all(&oracle, root.path(), &list);
    assert_eq!(answers.len(), all.len());
    let mut wrong = Vec::new();
    for (written, kafka) in all.iter().zip(&answers) {
        let differences = differences(written, kafka);
        if !differences.is_empty() {
            wrong.push(format!("{}:\n  {}", written.name, differences.join("\n  ")));
        }
    }
    let clean = all.iter().filter(|written| written.clean).count();
    let cut = all.iter().filter(|written| written.end.is_none()).count();
    println!(
        "{} of {} directories, {clean} of them closed cleanly, {cut} cut within a batch",
        all.len() - wrong.len(),
        all.len()
    );
    assert!(cut * 20 < all.len(), "{cut} cut within a batch");
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert!(all.len() >= ENOUGH, "{} directories", all.len());
}

/// Salvages every live partition of the damaged golden directories, and all replicas together, into folders of `root`: each output with
/// the end of its log.
fn salvaged(root: &Path) -> Vec<(PathBuf, i64)> {
    let mut sources: Vec<Vec<PathBuf>> = Vec::new();
    let mut kept = Vec::new();
    for case in golden::damage_cases() {
        let damaged = golden::damage(&case);
        let listed = LogDirectory::list(&OsFs, damaged.before()).unwrap();
        let live = listed.partitions.into_iter().filter(|(name, _)| name.state == DirectoryState::Live);
        sources.extend(live.map(|(_, path)| vec![path]));
        kept.push(damaged);
    }
    for scenario in golden::replica_scenarios() {
        let dirs = golden::replicas(&scenario).join("dirs");
        for stage in fs::read_dir(&dirs).unwrap().map(|entry| entry.unwrap().path()) {
            sources.push([1, 2, 3].map(|node| stage.join(node.to_string()).join("orders-0")).into());
        }
    }
    let salvage_one = |(n, copies): (usize, &Vec<PathBuf>)| {
        let source =
            |dir: &PathBuf| SalvageSource { folder: PartitionDirectory::list(&OsFs, dir).unwrap(), only: None };
        let output = root.join(format!("salvaged-{n}")).join(copies[0].file_name().unwrap());
        let request = SalvageRequest {
            partitions: vec![copies.iter().map(source).collect()],
            output: output.clone(),
            offsets: None,
            is_log_directory: false,
            jobs: 1.try_into().unwrap(),
            now: Timestamp::new(START),
        };
        let salvaged = salvage(&OsFs, &OsFs, &request, &AtomicU64::new(0)).unwrap();
        let report = salvaged.commit(b"").unwrap();
        let last_base = PartitionDirectory::list(&OsFs, &output).unwrap().logs().next_back().unwrap().0.get();
        (output, report.partitions[0].offsets.map_or(0, |(_, last)| last.get() + 1).max(last_base))
    };
    sources.iter().enumerate().map(salvage_one).collect()
}

#[test]
fn kafkas_loader_takes_what_was_salvaged() {
    let Some(oracle) = oracle() else { return };
    let root = scratch();
    let all = salvaged(root.path());
    // As behind a clean stop, and as after a crash with nothing known.
    let modes = ["--clean", "--unclean"];
    let mut list = String::new();
    for mode in modes {
        for (n, (dir, end)) in all.iter().enumerate() {
            let copied = root.path().join(format!("{}-{n}", &mode[2..])).join(dir.file_name().unwrap());
            copy(dir, &copied);
            let recovery_point = if mode == "--clean" { *end } else { 0 };
            let dir = copied.display();
            list.push_str(&format!(
                "{dir} {mode} --recovery-point {recovery_point} --time {START} --in-place --close\n"
            ));
        }
    }
    let answers = load_all(&oracle, root.path(), &list);
    assert_eq!(answers.len(), modes.len() * all.len());
    let mut wrong = Vec::new();
    for (line, (answer, (dir, end))) in list.lines().zip(answers.iter().zip(all.iter().cycle())) {
        let loaded = Path::new(line.split(' ').next().unwrap());
        if answer["state"]["log_end"] != *end {
            wrong.push(format!("{line}: {}, not {end}: {}", answer["state"]["log_end"], answer["message"]));
        } else if segments(loaded) != segments(dir) {
            wrong.push(format!("{line}: Kafka changed {:?} to {:?}", segments(dir), segments(loaded)));
        }
    }
    println!("{} of {} loads of {} salvaged logs", answers.len() - wrong.len(), answers.len(), all.len());
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), answers.len(), wrong.join("\n"));
    assert!(all.len() > ENOUGH);
}
