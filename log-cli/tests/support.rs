//! What the tests share: the command, golden directories, expected output.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The command.
pub(crate) fn log_cli() -> Command {
    Command::new(env!("CARGO_BIN_EXE_log-cli"))
}

/// Runs the command with nothing on standard input.
pub(crate) fn run(args: &[&str]) -> Output {
    log_cli().args(args).stdin(Stdio::null()).output().unwrap()
}

/// Standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Each line of standard output as JSON.
pub(crate) fn lines(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Compares with `tests/expected/<name>`; with `UPDATE_EXPECT=1` in the environment it is written instead.
pub(crate) fn assert_expected(name: &str, found: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/expected").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(expected == found, "{name} differs (UPDATE_EXPECT=1 writes it anew); found:\n{found}");
}

/// Panics unless every one of `lines` is valid by what `command --schema` prints.
pub(crate) fn assert_valid(command: &str, lines: &[Value]) {
    let words: Vec<&str> = command.split(' ').chain(["--schema"]).collect();
    let schema: Value = serde_json::from_slice(&run(&words).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for line in lines {
        let wrong: Vec<_> = validator.iter_errors(line).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{line}: {wrong:?}");
    }
}
