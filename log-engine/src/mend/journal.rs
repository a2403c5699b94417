//! The journal of a run: what was done to which file, so that it can be undone. One JSON object a line, durable before what it tells
//! of is begun; a last line that does not end is one whose change was not begun.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::error::{Error, Result, Rule};
use crate::units::FilePosition;

/// Bytes of the longest journal that is read.
pub(super) const MAX_JOURNAL_BYTES: usize = 256 << 20;
/// The version that is written and read.
const VERSION: i64 = 1;

/// What is known of the bytes of a file, or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) len: u64,
    /// CRC-32C.
    pub(super) crc: u32,
}

/// A file as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Original {
    /// The bytes that are kept.
    pub(super) content: Content,
    pub(super) modified: Option<SystemTime>,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The folder that is mended; the first line.
    Begin { root: PathBuf },
    /// A file gets new content; `original` is what it had, if it was there. Both are kept under `number`.
    Write { path: PathBuf, number: u64, new: Content, original: Option<Original> },
    /// A file loses what lies from byte `len` on: that is the `original`.
    Cut { path: PathBuf, number: u64, len: u64, original: Original },
    /// A file goes, to where `number` is kept.
    Remove { path: PathBuf, number: u64, len: u64 },
    /// A file or folder gets another name.
    Rename { from: PathBuf, to: PathBuf },
    /// All of it was done.
    Done,
    /// All of it was undone.
    Undone,
}

impl Line {
    /// The line with its line feed.
    ///
    /// # Errors
    /// [`Error::NotReadable`] for a name that is not UTF-8: no file of Kafka's has one.
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let value = match self {
            Self::Begin { root } => json!({"journal": VERSION, "root": text(root)?}),
            Self::Write { path, number, new, original } => json!({
                "write": text(path)?, "number": number, "new": content(new), "original": original.as_ref().map(kept),
            }),
            Self::Cut { path, number, len, original } => {
                json!({"cut": text(path)?, "number": number, "to": len, "original": kept(original)})
            }
            Self::Remove { path, number, len } => json!({"remove": text(path)?, "number": number, "len": len}),
            Self::Rename { from, to } => json!({"rename": text(from)?, "to": text(to)?}),
            Self::Done => json!({"done": true}),
            Self::Undone => json!({"undone": true}),
        };
        Ok(format!("{value}\n").into_bytes())
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let named = |key: &str| value.get(key).and_then(Value::as_str).and_then(inside);
        let number = || value.get("number")?.as_u64();
        if let Some(path) = named("write") {
            let new = parse_content(value.get("new")?)?;
            let original = match value.get("original")? {
                Value::Null => None,
                original => Some(parse_original(original)?),
            };
            return Some(Self::Write { path, number: number()?, new, original });
        }
        if let Some(path) = named("cut") {
            let (len, original) = (value.get("to")?.as_u64()?, parse_original(value.get("original")?)?);
            return Some(Self::Cut { path, number: number()?, len, original });
        }
        if let Some(path) = named("remove") {
            return Some(Self::Remove { path, number: number()?, len: value.get("len")?.as_u64()? });
        }
        if let Some(from) = named("rename") {
            return Some(Self::Rename { from, to: named("to")? });
        }
        let is = |key: &str| value.get(key) == Some(&Value::Bool(true));
        if is("done") || is("undone") {
            return Some(if is("done") { Self::Done } else { Self::Undone });
        }
        let is_begin = value.get("journal").and_then(Value::as_i64) == Some(VERSION);
        is_begin.then(|| value.get("root")?.as_str().map(|root| Self::Begin { root: root.into() })).flatten()
    }
}

/// The whole lines of a journal.
///
/// # Errors
/// [`Error::Corrupt`] at a line that is none of ours, or if the first is not the beginning.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut at: usize = 0;
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        let is_begin = |line: &Line| matches!(line, Line::Begin { .. });
        match Line::parse(whole).filter(|line| is_begin(line) == (number == 1)) {
            Some(line) => lines.push(line),
            None => {
                let found = String::from_utf8_lossy(whole.get(..whole.len().min(80)).unwrap_or_default()).into_owned();
                let rule = Rule::Text { line: number, found, expected: "a line of a run's journal" };
                return Err(Error::corrupt(path, FilePosition::new(at as u64), rule));
            }
        }
        at = at.saturating_add(line.len());
    }
    Ok(lines)
}

/// A name that does not lead out of the folder.
fn inside(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(name);
    let is_plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    (is_plain && !name.is_empty()).then_some(path)
}

fn text(path: &Path) -> Result<&str> {
    let what = "a name that is not UTF-8: it cannot stand in the journal";
    path.to_str().ok_or_else(|| Error::NotReadable { path: path.to_owned(), what })
}

fn content(content: &Content) -> Value {
    json!({"len": content.len, "crc32c": content.crc})
}

fn kept(original: &Original) -> Value {
    let nanos = original.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanos = nanos.and_then(|since| u64::try_from(since.as_nanos()).ok());
    json!({"len": original.content.len, "crc32c": original.content.crc, "modified": nanos})
}

fn parse_content(value: &Value) -> Option<Content> {
    let crc = u32::try_from(value.get("crc32c")?.as_u64()?).ok()?;
    Some(Content { len: value.get("len")?.as_u64()?, crc })
}

fn parse_original(value: &Value) -> Option<Original> {
    let modified = value.get("modified")?.as_u64().map(|nanos| UNIX_EPOCH + Duration::from_nanos(nanos));
    Some(Original { content: parse_content(value)?, modified })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<Line> {
        let original = Original {
            content: Content { len: 9, crc: u32::MAX },
            modified: Some(UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789)),
        };
        let new = Content { len: 0, crc: 0 };
        vec![
            Line::Begin { root: "/data".into() },
            Line::Write { path: "a-0/1.index".into(), number: 3, new, original: Some(original) },
            Line::Write { path: "checkpoint".into(), number: 0, new, original: None },
            Line::Cut {
                path: "a-0/1.log".into(),
                number: 8,
                len: 7,
                original: Original { modified: None, ..original },
            },
            Line::Remove { path: "a-0/2.log".into(), number: 4, len: 1 << 40 },
            Line::Rename { from: "a-0".into(), to: "a-0.x-stray".into() },
            Line::Done,
            Line::Undone,
        ]
    }

    #[test]
    fn a_journal_says_what_was_written_into_it_and_a_torn_line_nothing() {
        let bytes: Vec<u8> = lines().iter().flat_map(|line| line.encode().unwrap()).collect();
        assert_eq!(parse(&bytes, Path::new("journal")).unwrap(), lines());
        assert_eq!(parse(&bytes[..bytes.len() - 1], Path::new("journal")).unwrap(), lines()[..7]);
        assert_eq!(parse(b"", Path::new("journal")).unwrap(), []);
    }

    #[test]
    fn a_line_that_is_none_or_leads_out_of_the_folder_is_an_error() {
        let begin = Line::Begin { root: "/data".into() }.encode().unwrap();
        let bad = [
            "nonsense",
            r#"{"remove":"../outside","number":1,"len":1}"#,
            r#"{"remove":"/etc/passwd","number":1,"len":1}"#,
            r#"{"remove":"","number":1,"len":1}"#,
            r#"{"journal":1,"root":"/twice"}"#,
            r#"{"journal":2,"root":"/data"}"#,
        ];
        for line in bad {
            let bytes = [&begin[..], line.as_bytes(), b"\n"].concat();
            let error = parse(&bytes, Path::new("journal")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("journal at byte {}: line 2", begin.len())), "{error}");
        }
        assert!(parse(b"{\"done\":true}\n", Path::new("journal")).is_err());
    }
}
