//! Carries a script out, and holds what became of it against what Kafka made of it.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::compare::{compare_manifests, compare_rows, ends_closed, stuck_at};
use super::files::{facts, manifest};
use super::op::Op;
use super::runner::Runner;
use crate::fs::OsFs;

/// What Kafka made of a script.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'t> {
    /// A JSON document for each operation, a line each.
    pub answers: &'t str,
    /// The [manifest] of the folder in the end.
    pub files: &'t str,
}

/// How another engine compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What differs, a line each.
    pub differences: Vec<String>,
    /// Kafka got stuck on the way: what came before was compared.
    pub is_stuck: bool,
}

impl Expected<'_> {
    /// Carries `script` out on a new log in the folder `dir`, which must be empty or missing.
    ///
    /// # Errors
    /// If the script is wrong, or what Kafka answered cannot be read, or the folder not.
    pub fn judge(&self, script: &str, dir: &Path) -> Result<Verdict, String> {
        let ops = Op::parse_all(script).map_err(|wrong| wrong.to_string())?;
        let expected: Result<Vec<Value>, _> = self.answers.lines().map(serde_json::from_str).collect();
        let mut expected = expected.map_err(|wrong| wrong.to_string())?;
        let mut runner = Runner::new(Arc::new(OsFs), dir).map_err(|error| error.to_string())?;
        let mut found = Vec::with_capacity(ops.len());
        for op in &ops {
            found.push(runner.run(op).map_err(|wrong| wrong.to_string())?.into_value());
        }
        drop(runner);
        if let Some(stuck) = stuck_at(&expected) {
            expected.truncate(stuck);
            found.truncate(stuck);
            return Ok(Verdict { differences: compare_rows(&expected, &found), is_stuck: true });
        }
        let mut differences = compare_rows(&expected, &found);
        let files = manifest(&facts(&OsFs, dir).map_err(|error| error.to_string())?);
        differences.extend(compare_manifests(self.files, &files, ends_closed(&expected)));
        Ok(Verdict { differences, is_stuck: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "open\nroll\nclose\n";

    fn judge(answers: &str, files: &str) -> Verdict {
        let folder = tempfile::tempdir().unwrap();
        Expected { answers, files }.judge(SCRIPT, &folder.path().join("orders-0")).unwrap()
    }

    fn answers(roll: &str) -> String {
        let log = r#""log":{"log_start":0,"log_end":0,"recovery_point":0,"high_watermark":0,"last_stable":0}"#;
        format!(
            "{{\"line\":1,\"op\":\"open\",{log}}}\n{{\"line\":2,\"op\":\"roll\",{roll},{log}}}\n{}\n",
            r#"{"line":3,"op":"close","recovery_point_checkpoint":0,"log_start_checkpoint":0}"#
        )
    }

    #[test]
    fn answers_and_files_are_held_against_each_other() {
        let verdict = judge(&answers("\"base\":1"), "");
        assert_eq!(verdict.differences[0], "line 2: roll: base: expected 1, found 0");
        assert!(verdict.differences.len() > 3 && verdict.differences[1].contains(".index"), "{verdict:?}");
        assert!(!verdict.is_stuck);
    }

    #[test]
    fn where_kafka_is_stuck_nothing_is_compared_any_more() {
        let stuck = r#""error":"KafkaException","message":"Trying to roll a new log segment for topic""#;
        assert_eq!(judge(&answers(stuck), ""), Verdict { differences: Vec::new(), is_stuck: true });
    }
}
