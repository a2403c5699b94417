//! Any words behind the program's name, in a scratch folder with a damaged directory: a documented exit code.
#![no_main]

#[path = "../../log-cli/tests/words.rs"]
mod words;

use std::sync::Once;

use log_engine::testing::golden;
use words::{EXIT_CODES, command_line};

log_fuzz::target!(cli_args);

fn cli_args(data: &[u8]) {
    static SCRATCH: Once = Once::new();
    SCRATCH.call_once(|| {
        let folder = golden::private_copy(&golden::sample_damaged());
        std::env::set_current_dir(folder.keep()).expect("a scratch folder");
    });
    let Some(words) = command_line(data) else { return };
    let code = log_cli::run(words.clone());
    assert!(EXIT_CODES.contains(&code.into()), "{words:?} ends with {code}");
}
