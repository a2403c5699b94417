//! `verify` against directories of known state: silent where nothing is wrong, right about what is.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use log_engine::testing::expected::{self, Expected, expected_findings};
use log_engine::testing::golden;
use log_engine::{
    Finding, FindingCode, OsFs, Severity, Target, Timestamp, VerifyLevel, VerifyOptions, VerifyReport, verify,
};

/// When the golden directories were written.
const NOW: i64 = 1_795_600_000_000;

fn options(level: VerifyLevel) -> VerifyOptions {
    VerifyOptions { level, jobs: 2.try_into().unwrap(), ..VerifyOptions::new(Timestamp::new(NOW)) }
}

fn deep(dirs: &[PathBuf]) -> VerifyReport {
    let targets: Vec<_> = dirs.iter().map(|dir| Target::of(&OsFs, dir).unwrap()).collect();
    let report = verify(&OsFs, &targets, &options(VerifyLevel::Deep), &|_| true, &AtomicU64::new(0)).unwrap();
    assert_eq!(report.failures().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    report
}

fn line(finding: &Finding) -> String {
    let Finding { code, severity, file, position, message, .. } = finding;
    let position = position.map_or("-".to_owned(), |position| position.to_string());
    format!("{} {code} {} @{position}: {message}", severity.name(), file.display())
}

/// The log directories below `top`, which is one itself or holds some.
fn log_dirs(top: &Path) -> Vec<PathBuf> {
    match Target::of(&OsFs, top) {
        Ok(Target::LogDirectory(_)) => vec![top.to_owned()],
        _ => {
            let mut dirs: Vec<_> = std::fs::read_dir(top).unwrap().map(|entry| entry.unwrap().path()).collect();
            dirs.sort();
            dirs
        }
    }
}

/// The undamaged directories: a name and the log directories of one node.
fn undamaged() -> Vec<(String, Vec<PathBuf>)> {
    let mut all = Vec::new();
    for case in golden::kafka_cases() {
        let damaged_on_purpose = ["crash-cut/", "crash-flip/", "crash-garbage/"];
        if !damaged_on_purpose.iter().any(|damaged| case.starts_with(damaged)) {
            let dir = golden::kafka(&case).join("dir");
            all.push((case, log_dirs(&dir)));
        }
    }
    for scenario in golden::replica_scenarios() {
        let stages = golden::replicas(&scenario).join("dirs");
        for stage in log_dirs(&stages) {
            for node in log_dirs(&stage) {
                let name = node.strip_prefix(&stages).unwrap();
                all.push((format!("{scenario}/{}", name.display()), vec![node.clone()]));
            }
        }
    }
    all
}

#[test]
fn undamaged_directories_give_no_finding_above_info() {
    let mut complaints = String::new();
    let all = undamaged();
    for (name, dirs) in &all {
        // The offsets 91 to 100 were left out of this log before it was replicated.
        let gap = |finding: &Finding| name.starts_with("gap-replicated/") && finding.code == FindingCode::B012;
        let report = deep(dirs);
        let loud = report.findings().filter(|finding| finding.severity > Severity::Info && !gap(finding));
        for finding in loud {
            writeln!(complaints, "{name}: {}", line(finding)).unwrap();
        }
    }
    assert!(all.len() >= 50, "{}", all.len());
    assert!(complaints.is_empty(), "\n{complaints}");
}

/// What a case gives that the table does not say, once for findings and once for exit codes.
fn differences(case: &str, expected: &[Expected]) -> (Vec<String>, Vec<String>) {
    let damaged = golden::damage(case);
    let report = deep(&[damaged.before().to_owned()]);
    let exit = i32::from(report.worst() > Some(Severity::Info));
    let found: Vec<_> = report.findings().collect();
    let all = || found.iter().map(|finding| format!("\n      {}", line(finding))).collect::<String>();
    let exits = expected.iter().filter(|line| line.exit != exit);
    let exits = exits.map(|line| format!("{case}: exit {exit}, expected {}{}", line.exit, all())).collect();
    let is_missing = |due: &&expected::Finding| {
        !found.iter().any(|finding| {
            finding.code.name() == due.code
                && finding.severity.name().starts_with(due.severity)
                && finding.file == Path::new(&due.file)
                && due.position.is_none_or(|position| finding.position == Some(position))
        })
    };
    let missing = expected.iter().filter_map(|line| line.finding.as_ref()).filter(is_missing);
    (missing.map(|due| format!("{case}: no {due:?}{}", all())).collect(), exits)
}

#[test]
fn damage_is_missing_where_it_is() {
    let mut by_case: BTreeMap<String, Vec<Expected>> = BTreeMap::new();
    for line in expected_findings() {
        by_case.entry(line.case.clone()).or_default().push(line);
    }
    let due = by_case.values().flatten().filter(|line| line.finding.is_some()).count();
    let (mut missing, mut exits) = (Vec::new(), Vec::new());
    for (case, expected) in &by_case {
        let (of_findings, of_exits) = differences(case, expected);
        missing.extend(of_findings);
        exits.extend(of_exits);
    }
    println!("findings: {} of {due} as expected", due - missing.len());
    println!("exit codes: {} of {} as expected", by_case.len() - exits.len(), by_case.len());
    assert!(missing.is_empty() && exits.is_empty(), "{}\n{}", missing.join("\n"), exits.join("\n"));
}
