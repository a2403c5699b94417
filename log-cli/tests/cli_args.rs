//! Every command line of the fuzz corpus `cli_args`, in a scratch folder: a documented exit code, soon.

use std::path::Path;
use std::process::Stdio;

use log_engine::testing::golden;

use crate::support::log_cli;
use crate::words::{EXIT_CODES, command_line};

#[test]
fn every_command_line_of_the_corpus_has_a_documented_exit_code() {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/cli_args"));
    let mut tried = 0;
    for input in golden::files(corpus) {
        let bytes = std::fs::read(corpus.join(&input)).unwrap();
        let Some(words) = command_line(&bytes) else { continue };
        let scratch = golden::private_copy(&golden::sample_damaged());
        let mut command = log_cli();
        command.args(&words[1..]).current_dir(scratch.path());
        let done = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.code().is_some_and(|code| EXIT_CODES.contains(&code)),
            "{words:?}: {}: {said}",
            done.status
        );
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}
