//! What every command shares: help, exit codes, completions, the manual, a closed pipe.

use std::process::{Command, Stdio};

fn log_cli() -> Command {
    Command::new(env!("CARGO_BIN_EXE_log-cli"))
}

#[test]
fn help_and_version_are_fine_and_wrong_arguments_are_2() {
    for (args, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["completions", "--help"], 0),
        (&[], 2),
        (&["recover"], 2),
        (&["completions"], 2),
        (&["--colour"], 2),
        (&["completions", "bash", "--format", "csv"], 2),
    ] {
        let status = log_cli().args(args).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn completions_and_manual_name_the_commands() {
    for args in [&["completions", "bash"][..], &["man"]] {
        let out = log_cli().args(args).output().unwrap();
        assert!(out.status.success());
        assert!(String::from_utf8(out.stdout).unwrap().contains("completions"), "{args:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(log_cli().arg("man").arg("-o").arg(dir.path()).status().unwrap().success());
    assert!(dir.path().join("log-cli.1").exists() && dir.path().join("log-cli-completions.1").exists());
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let mut child =
        log_cli().args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert_eq!((out.status.code(), &out.stderr[..]), (Some(0), &[][..]));
}
