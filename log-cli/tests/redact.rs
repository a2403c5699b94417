//! `--redact`: what is taken out is nowhere in what is printed or copied, by any command in any form.

use std::path::{Path, PathBuf};

use log_engine::batch::Header;
use log_engine::testing::golden;
use log_engine::{BatchBuilder, LeaderEpoch, Offset, Timestamp};

use crate::support::{arg, lines, log_cli, run, stdout};

/// What must not be seen, in a key, a value and a header's value: as text, as JSON, and as bytes that are no text.
const SECRETS: [&[u8]; 5] =
    [b"SECRET-KEY", b"SECRET-VALUE", b"SECRET-HEADER", b"{\"name\":\"SECRET-JSON\"}", b"\xff\xfeSECRET-BYTES"];

/// A key or a value.
type Bytes<'a> = Option<&'a [u8]>;

/// A partition of two batches, one of them compressed.
fn partition(dir: &Path) -> PathBuf {
    let folder = dir.join("private-0");
    std::fs::create_dir(&folder).unwrap();
    let mut log = Vec::new();
    for (base, codec) in [(0, log_engine::Codec::None), (4, log_engine::Codec::Gzip)] {
        let mut builder = BatchBuilder::new(Offset::new(base)).leader_epoch(LeaderEpoch::new(1)).codec(codec, None);
        let headers = [
            Header { key: b"name", value: Some(SECRETS[2]) },
            Header { key: b"none", value: None },
            Header { key: b"bytes", value: Some(SECRETS[4]) },
        ];
        let rows: [(Bytes<'_>, Bytes<'_>); 4] = [
            (Some(SECRETS[0]), Some(SECRETS[1])),
            (Some(SECRETS[0]), None),
            (Some(SECRETS[4]), Some(SECRETS[3])),
            (None, Some(SECRETS[4])),
        ];
        for (n, (key, value)) in rows.into_iter().enumerate() {
            builder.push(Timestamp::new(1_700_000_000_000 + n as i64), key, value, &headers).unwrap();
        }
        builder.finish(&mut log).unwrap();
    }
    std::fs::write(folder.join("00000000000000000000.log"), log).unwrap();
    folder
}

/// Each secret as it may be written.
fn spellings() -> Vec<Vec<u8>> {
    let mut all = vec![b"SECRET".to_vec()];
    for secret in SECRETS {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        all.push(hex.into_bytes());
        all.push(base64(secret).into_bytes());
    }
    all
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks(3).filter(|group| group.len() == 3);
    groups
        .flat_map(|group| {
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift & 63) as usize] as char)
        })
        .collect()
}

fn assert_clean(what: &str, bytes: &[u8]) {
    for secret in spellings() {
        let found = bytes.windows(secret.len()).any(|window| window.eq_ignore_ascii_case(&secret));
        assert!(!found, "{what} tells {:?}", String::from_utf8_lossy(&secret));
    }
}

const HOWS: [&str; 3] = ["keys,values,headers", "keys,values,headers=hash", "keys,values,headers=length"];

#[test]
fn nothing_that_is_taken_out_is_printed_by_any_command_in_any_form() {
    let around = tempfile::tempdir().unwrap();
    let folder = partition(around.path());
    let forms: Vec<Vec<&str>> = vec![
        vec![],
        vec!["--max-value-bytes", "4"],
        vec!["--format", "json"],
        vec!["--format", "ndjson"],
        vec!["--format", "ndjson", "--bytes", "hex"],
        vec!["--format", "ndjson", "--bytes", "base64"],
        vec!["--format", "ndjson", "--bytes", "json"],
        vec!["--format", "csv"],
        vec!["--format", "csv", "--bytes", "hex"],
        vec!["--format", "raw"],
        vec!["--color", "always"],
        vec!["-f", "%t %p %o %d %k %v %k{hex} %v{hex} %k{base64} %v{base64} %h{%k=%v }\\n"],
    ];
    let commands: [&[&str]; 4] =
        [&["dump"], &["grep", "SECRET"], &["grep", "-C", "2", "SECRET-KEY"], &["tail", "-n", "9"]];
    for command in commands {
        for form in &forms {
            let plain = run(&[command, &form[..], &[arg(&folder)]].concat());
            assert_eq!(
                plain.status.code(),
                Some(0),
                "{command:?} {form:?}: {}",
                String::from_utf8_lossy(&plain.stderr)
            );
            assert!(!plain.stdout.is_empty());
            for how in HOWS {
                let output = run(&[command, &form[..], &[arg(&folder), "--redact", how]].concat());
                assert_eq!(output.status.code(), Some(0), "{command:?} {form:?}");
                assert_clean(&format!("{command:?} {form:?} {how}"), &[output.stdout, output.stderr].concat());
            }
        }
    }
    for format in ["ndjson", "csv"] {
        for how in HOWS {
            let output = run(&["export", arg(&folder), "-o", "-", "--format", format, "--redact", how]);
            assert_eq!(output.status.code(), Some(0));
            assert!(!output.stdout.is_empty());
            assert_clean(&format!("export {format} {how}"), &[output.stdout, output.stderr].concat());
        }
    }
    // Without the flag the test would see it.
    assert!(String::from_utf8_lossy(&run(&["dump", arg(&folder)]).stdout).contains("SECRET"));
}

#[test]
fn nothing_that_is_taken_out_is_in_what_is_written() {
    let around = tempfile::tempdir().unwrap();
    let folder = partition(around.path());
    for (n, how) in HOWS.into_iter().enumerate() {
        let copied = around.path().join(format!("copied{n}-0"));
        let replayed = around.path().join(format!("replayed{n}"));
        let to = format!("dir:{}", replayed.display());
        // Not compressed, so that what is in it can be seen.
        let copy = ["copy", arg(&folder), "-o", arg(&copied), "--recompress", "none", "--redact", how];
        assert_eq!(run(&copy).status.code(), Some(0));
        let replay = run(&["replay", arg(&folder), "--to", &to, "--redact", how]);
        assert_eq!(replay.status.code(), Some(0));
        let lines = run(&["replay", arg(&folder), "--to", "-", "--redact", how]);
        assert_clean(&format!("replay {how}"), &[lines.stdout, lines.stderr].concat());
        for place in [&copied, &replayed] {
            for file in golden::files(place) {
                assert_clean(&format!("{} {how}", file.display()), &std::fs::read(place.join(&file)).unwrap());
            }
            let dumped = run(&["dump", "--format", "ndjson", arg(place)]);
            assert_eq!(stdout(&dumped).lines().count(), 8);
            assert_clean(&format!("dump {how}"), &dumped.stdout);
        }
    }
}

#[test]
fn equal_keys_stay_equal_and_tombstones_stay_tombstones() {
    let around = tempfile::tempdir().unwrap();
    let folder = partition(around.path());
    let copied = around.path().join("hashed-0");
    let copy = ["copy", arg(&folder), "-o", arg(&copied), "--redact", "keys=hash", "--redact", "values=length"];
    assert_eq!(run(&copy).status.code(), Some(0));
    assert_eq!(run(&["verify", "--level", "deep", arg(&copied)]).status.code(), Some(0));
    let rows = lines(&run(&["dump", "--json", arg(&copied)]));
    assert_eq!(rows[0]["key"], rows[1]["key"]);
    assert_eq!(rows[0]["key"], rows[4]["key"]);
    assert_ne!(rows[0]["key"], rows[2]["key"]);
    assert_eq!((&rows[0]["value"], &rows[3]["key"]), (&"<12 bytes>".into(), &serde_json::Value::Null));
    assert!(rows[1]["value"].is_null());
    assert_eq!(rows[0]["headers"][0]["value"], "SECRET-HEADER", "what is not asked for stays");
    let printed = lines(&run(&["dump", "--json", arg(&folder), "--redact", "keys=hash", "--redact", "values=length"]));
    let shown = |rows: &[serde_json::Value]| -> Vec<_> {
        rows.iter().map(|row| (row["key"].clone(), row["value"].clone())).collect()
    };
    assert_eq!(shown(&printed), shown(&rows), "the same is printed and copied");
    let salted = lines(&run(&["dump", "--json", arg(&folder), "--redact", "keys=hash", "--redact-salt", "s"]));
    assert_ne!(salted[0]["key"], rows[0]["key"]);
}

#[test]
fn markers_of_transactions_stay_what_they_are() {
    let source = golden::sample().join("txn-0");
    let around = tempfile::tempdir().unwrap();
    let copied = around.path().join("txn-0");
    assert_eq!(run(&["copy", arg(&source), "-o", arg(&copied), "--redact", "keys,values"]).status.code(), Some(0));
    let markers = |dir: &Path| {
        stdout(&run(&["dump", "--json", "--control=only", arg(dir)])).replace("\"segment\"", "").lines().count()
    };
    assert!(markers(&source) > 0);
    assert_eq!(markers(&copied), markers(&source));
    let committed = |dir: &Path| lines(&run(&["dump", "--json", "--isolation", "read_committed", arg(dir)])).len();
    assert_eq!(committed(&copied), committed(&source));
    assert_eq!(
        log_cli().args(["dump", "--redact", "everything", arg(&source)]).output().unwrap().status.code(),
        Some(2)
    );
}
