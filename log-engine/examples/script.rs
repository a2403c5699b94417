//! Carries out a script of operations on a fresh log, and prints one line of JSON for each, as Kafka's own storage classes answer it
//! (`tests/kafka-oracle` runs the same scripts).
//!
//! `cargo run --release -p log-engine --example script -- FILE.script DIR`
//!
//! `DIR` must be empty or missing; its name is the partition. A wrong script ends with exit code 1 and says which line.

use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use log_engine::OsFs;
use log_engine::testing::script::{Op, Runner};

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let [script, dir] = &args[..] else {
        eprintln!("script FILE.script DIR");
        return ExitCode::FAILURE;
    };
    match run(Path::new(script), Path::new(dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("script: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(script: &Path, dir: &Path) -> Result<(), Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "the script is not the log's")]
    let text = std::fs::read_to_string(script).map_err(|error| format!("{}: {error}", script.display()))?;
    let ops = Op::parse_all(&text)?;
    let mut runner = Runner::new(Arc::new(OsFs), dir)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for op in &ops {
        let row = runner.run(op)?;
        writeln!(out, "{row}")?;
    }
    Ok(out.flush()?)
}
