//! `bundle`: what is in the archive, what never is, and that it is the same every time.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use log_engine::testing::golden;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{arg, assert_valid, lines, run, stdout};

const NOW: &str = "2026-11-25";

fn bundle(dir: &Path, output: &Path) -> std::process::Output {
    run(&["bundle", arg(dir), "-o", arg(output), "--now", NOW, "--json"])
}

/// The files of an archive.
fn unpacked(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(archive).unwrap();
    let bytes =
        if archive.extension().is_some_and(|e| e == "zst") { zstd::decode_all(&*bytes).unwrap() } else { bytes };
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(&*bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        assert_eq!((entry.header().mtime().unwrap(), entry.header().uid().unwrap()), (0, 0));
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(entry.path().unwrap().display().to_string(), content);
    }
    files
}

#[test]
fn the_answers_and_the_small_files_are_in_it_with_their_checksums() {
    let out = tempfile::tempdir().unwrap();
    let sample = golden::sample();
    let archive = out.path().join("x.tar.zst");
    let output = bundle(&sample, &archive);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let documents = lines(&output);
    assert_valid("bundle", &documents);
    let files = unpacked(&archive);
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    assert_eq!(manifest, documents[0]);
    let listed = manifest["files"].as_array().unwrap();
    assert_eq!(listed.len() + 1, files.len());
    for file in listed {
        let bytes = &files[file["name"].as_str().unwrap()];
        assert_eq!(file["bytes"], bytes.len());
        assert_eq!(file["sha256"], format!("{:x}", Sha256::digest(bytes)));
    }
    for name in ["inspect.json", "verify.json", "stats.json"] {
        let document: Value = serde_json::from_slice(&files[name]).unwrap();
        assert_valid(name.trim_end_matches(".json"), &[document]);
    }
    for name in ["recovery-point-offset-checkpoint", "txn-0/leader-epoch-checkpoint", "txn-0/partition.metadata"] {
        assert_eq!(files[&format!("dir-1/{name}")], std::fs::read(sample.join(name)).unwrap(), "{name}");
    }
    assert!(files.keys().any(|name| name.ends_with(".snapshot")));
    assert!(!files.keys().any(|name| name.ends_with(".log") || name.ends_with("index")));
    let of_log = |file: &&Value| file["name"] == "dir-1/txn-0/00000000000000000000.log";
    assert_eq!(manifest["leftOut"].as_array().unwrap().iter().find(of_log).unwrap()["why"], "holds records");
}

#[test]
fn nothing_of_a_record_is_in_it_wherever_damage_puts_it() {
    const CANARY: &str = "c4n4ry";
    let copy = golden::private_copy(&golden::sample());
    let dir = copy.path();
    let records = lines(&run(&["dump", "--json", arg(dir)]));
    let append = |name: &str, text: &str| {
        let mut bytes = std::fs::read(dir.join(name)).unwrap_or_default();
        bytes.extend(text.as_bytes());
        std::fs::write(dir.join(name), bytes).unwrap();
    };
    append("recovery-point-offset-checkpoint", &format!("{CANARY};0;1\n"));
    append("log-start-offset-checkpoint", &format!("t 0 {CANARY}\n"));
    append("meta.properties", &format!("# {CANARY}\n{CANARY}=1\n"));
    append("txn-0/partition.metadata", &format!("\n{CANARY}"));
    append("txn-1/leader-epoch-checkpoint", &format!("{CANARY} \"{CANARY}\"\n"));
    append("txn-0/00000000000000000000.index", CANARY);
    append("txn-0/00000000000000000005.snapshot", CANARY);
    append("txn-0/notes.txt", CANARY);
    append("server.properties", CANARY);
    append(".kafka_cleanshutdown", CANARY);
    let out = tempfile::tempdir().unwrap();
    let archive = out.path().join("x.tar");
    let output = bundle(dir, &archive);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let all = std::fs::read(&archive).unwrap();
    let has = |text: &str| all.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("txn-0") && !has(CANARY));
    let parts = records.iter().flat_map(|record| [&record["key"], &record["value"]]);
    let texts: Vec<&str> = parts.filter_map(Value::as_str).filter(|text| text.len() > 8).collect();
    assert!(texts.len() > 20 && !texts.iter().any(|text| has(text)));
    let manifest: Value = serde_json::from_slice(&unpacked(&archive)["manifest.json"]).unwrap();
    let lost = manifest["leftOut"].as_array().unwrap().iter().filter(|file| file["listed"] == true);
    let lost: Vec<&str> = lost.map(|file| file["name"].as_str().unwrap()).collect();
    for name in ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "txn-1/leader-epoch-checkpoint"] {
        assert!(lost.contains(&&*format!("dir-1/{name}")), "{name}: {lost:?}");
    }
    let rewritten = manifest["files"].as_array().unwrap().iter().filter(|file| file["rewritten"] == true);
    let rewritten: Vec<&str> = rewritten.map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(rewritten, ["dir-1/meta.properties", "dir-1/txn-0/partition.metadata"]);
}

#[test]
fn the_same_directory_makes_the_same_bytes_and_no_file_is_overwritten() {
    let out = tempfile::tempdir().unwrap();
    let (first, second) = (out.path().join("1.tar.zst"), out.path().join("2.tar.zst"));
    let sample = golden::sample_damaged();
    assert_eq!(bundle(&sample, &first).status.code(), Some(0));
    assert_eq!(bundle(&sample, &second).status.code(), Some(0));
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
    let again = bundle(&sample, &first);
    assert_eq!(again.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists"));
    let piped = run(&["bundle", arg(&sample), "-o", "-", "--now", NOW]);
    assert_eq!(piped.status.code(), Some(0));
    assert_eq!(piped.stdout, zstd::decode_all(&*std::fs::read(&first).unwrap()).unwrap());
}

#[test]
fn wrong_places_and_names_are_refused() {
    let copy = golden::private_copy(&golden::sample());
    let out = tempfile::tempdir().unwrap();
    let exit = |dir: &Path, output: &Path| bundle(dir, output).status.code();
    for inside in ["x.tar", "txn-0/x.tar.zst"] {
        assert_eq!(exit(copy.path(), &copy.path().join(inside)), Some(2), "{inside}");
        assert!(!copy.path().join(inside).exists());
    }
    assert_eq!(exit(copy.path(), &out.path().join("x.zip")), Some(2));
    assert_eq!(exit(&copy.path().join("txn-0/00000000000000000000.log"), &out.path().join("x.tar")), Some(2));
    assert_eq!(exit(Path::new("no such directory"), &out.path().join("x.tar")), Some(4));
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0, "nothing is left behind");
    let quiet = run(&["bundle", arg(copy.path()), "-t", "txn", "-o", arg(&out.path().join("x.tar"))]);
    assert_eq!((quiet.status.code(), stdout(&quiet)), (Some(0), String::new()));
    let files = unpacked(&out.path().join("x.tar"));
    assert!(files.contains_key("dir-1/txn-0/partition.metadata") && !files.keys().any(|name| name.contains("txn-seg")));
}
