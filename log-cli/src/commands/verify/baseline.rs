//! `--baseline`: the findings of an earlier answer, which are not told again.

use std::collections::BTreeSet;
use std::path::Path;

use log_engine::Fs;
use log_engine::fs::Source;
use serde_json::Value;

use super::document::Found;
use crate::error::CliError;
use crate::select::targets::resolve;

/// An earlier answer is not larger than this.
const MAX_BYTES: usize = 256 << 20;

/// Findings that are known: code, file and position.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeSet<(String, String, Option<u64>)>);

impl Known {
    /// Whether the earlier answer had it.
    pub(super) fn has(&self, found: &Found) -> bool {
        self.0.contains(&(found.code.to_owned(), found.file.clone(), found.position))
    }
}

/// Reads an answer that `verify --json` wrote.
pub(super) fn read(fs: &dyn Fs, file: &Path) -> Result<Known, CliError> {
    let wrong = |why: &str| CliError::Usage {
        message: format!("{}: {why}", file.display()),
        hint: Some("write one with `log-cli verify --json PATH > FILE`".to_owned()),
    };
    let bytes = Source::open(fs, &resolve(file)?)?.read_all(MAX_BYTES)?;
    let document: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(&error.to_string()))?;
    if document.get("schema") != Some(&Value::from("verify/1")) {
        return Err(wrong("not an answer of verify"));
    }
    let mut known = Known::default();
    let lists = ["partitions", "logDirs"].into_iter().filter_map(|name| document.get(name)?.as_array());
    let findings = lists.flatten().filter_map(|entry| entry.get("findings")?.as_array()).flatten();
    for finding in findings {
        let text = |name: &str| finding.get(name).and_then(Value::as_str).map(str::to_owned);
        if let (Some(code), Some(file)) = (text("code"), text("file")) {
            known.0.insert((code, file, finding.get("position").and_then(Value::as_u64)));
        }
    }
    Ok(known)
}
