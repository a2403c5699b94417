//! The lines of an export as records, and where in the file something is wrong.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::line::{Line, Wrong};
use super::{Emptied, Row};
use crate::error::CliError;
use crate::select::targets::resolve;

/// The longest line: a record of 100 MiB in base64, and as much again.
const MAX_LINE_BYTES: u64 = 256 << 20;

/// What a line stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A record; `is_sound` unless the checksum of its batch did not fit.
    Row { row: Row, is_sound: bool },
    /// A batch whose records are gone.
    Emptied(Emptied),
    /// Something that could not be exported.
    Damage,
}

/// Lines of a file or of standard input.
pub(crate) struct Input {
    from: Box<dyn BufRead>,
    name: PathBuf,
    max_line_bytes: u64,
    /// Milliseconds.
    now: i64,
    line: Vec<u8>,
    /// Its number, from 1 on.
    number: u64,
}

/// A partition as far as a line names it.
pub(crate) type Named = (Option<String>, Option<i32>);

impl Input {
    /// The file `path`; `-` for standard input. Records without a time get `now`, in milliseconds.
    pub(crate) fn open(path: &Path, now: i64) -> Result<Self, CliError> {
        if path.as_os_str() == "-" {
            return Ok(Self::new(Box::new(io::stdin().lock()), Path::new("<stdin>"), now));
        }
        let failed = |source| log_engine::Error::Io { op: "open", path: path.to_owned(), source };
        let file = File::open(resolve(path)?).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(log_engine::Error::NotReadable { path: path.to_owned(), what: "a folder" }.into());
        }
        Ok(Self::new(Box::new(BufReader::with_capacity(256 << 10, file)), path, now))
    }

    fn new(from: Box<dyn BufRead>, name: &Path, now: i64) -> Self {
        Self { from, name: name.to_owned(), max_line_bytes: MAX_LINE_BYTES, now, line: Vec::new(), number: 0 }
    }

    /// What the next line stands for, and the partition that it names; empty lines are passed over.
    pub(crate) fn next(&mut self) -> Result<Option<(Named, Item)>, CliError> {
        while self.read_line()? {
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            // A list would be taken for the fields in their order.
            if self.line.trim_ascii_start().first() != Some(&b'{') {
                return Err(self.wrong_at(1, "a line is a JSON object"));
            }
            let parsed: Result<Line, _> = serde_json::from_slice(&self.line);
            let mut line = match parsed {
                Ok(line) => line,
                Err(error) => {
                    let text = error.to_string();
                    let rule = text.rsplit_once(" at line ").map_or(text.as_str(), |(rule, _)| rule);
                    return Err(self.wrong_at(error.column().max(1), rule));
                }
            };
            let named = (line.topic.take(), line.partition);
            let item = line.item(self.now).map_err(|Wrong { field, rule }| self.wrong(field, &rule))?;
            return Ok(Some((named, item)));
        }
        Ok(None)
    }

    fn read_line(&mut self) -> Result<bool, CliError> {
        self.line.clear();
        self.number = self.number.saturating_add(1);
        let mut limited = (&mut self.from).take(self.max_line_bytes.saturating_add(1));
        let failed = |source| log_engine::Error::Io { op: "read", path: self.name.clone(), source };
        let read = limited.read_until(b'\n', &mut self.line).map_err(failed)?;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        if self.line.len() as u64 > self.max_line_bytes {
            return Err(self.wrong_at(1, &format!("the line has more than {} bytes", self.max_line_bytes)));
        }
        Ok(read > 0)
    }

    /// That the line breaks `rule` where it says `field`.
    pub(crate) fn wrong(&self, field: &str, rule: &str) -> CliError {
        let quoted = format!("\"{field}\"");
        let at = memchr::memmem::find(&self.line, quoted.as_bytes()).unwrap_or(0);
        self.wrong_at(at.saturating_add(1), rule)
    }

    fn wrong_at(&self, column: usize, rule: &str) -> CliError {
        CliError::Input { file: self.name.clone(), line: self.number, column, rule: rule.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use log_engine::Codec;

    use super::super::BatchFacts;
    use super::*;

    fn input(text: &str) -> Input {
        Input::new(Box::new(Cursor::new(text.to_owned().into_bytes())), Path::new("in.ndjson"), 1234)
    }

    fn one(text: &str) -> (Named, Item) {
        input(text).next().unwrap().unwrap()
    }

    fn error(text: &str) -> String {
        let mut input = input(text);
        loop {
            match input.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{text} is taken"),
                Err(error) => return error.to_string(),
            }
        }
    }

    #[test]
    fn the_least_and_the_most_that_a_record_can_say() {
        let (named, Item::Row { row, is_sound: true }) = one("{}") else { panic!("a record") };
        assert_eq!((named, row.offset, row.timestamp, row.key, row.value), ((None, None), None, 1234, None, None));
        let plain = BatchFacts { leader_epoch: 0, ..BatchFacts::default() };
        assert_eq!(*row.batch, plain);
        let (_, Item::Row { row, .. }) = one("{\"leaderEpoch\":null}") else { panic!("a record") };
        assert_eq!(row.batch.leader_epoch, -1);

        let (named, Item::Row { row, is_sound: false }) = one(
            r#"{"topic":"t","partition":3,"offset":"41","timestamp":-1,"timestampType":"LogAppendTime","leaderEpoch":7,
            "producerId":"9007199254740993","producerEpoch":2,"sequence":5,"isTransactional":true,"isControl":false,
            "headers":[{"key":"a","value":null},{"key":"/w==","keyEnc":"base64","value":"","enc":"utf8"}],"key":"","keyEnc":"utf8",
            "value":"/wA=","valueEnc":"base64","segment":"x","position":1,"batchOffset":40,"batchLastOffset":44,
            "deleteHorizonMs":99,"codec":"zstd","magic":2,"crcOk":false}"#
                .replace('\n', " ")
                .as_str(),
        ) else {
            panic!("a record")
        };
        assert_eq!(named, (Some("t".to_owned()), Some(3)));
        assert_eq!((row.offset, row.timestamp, row.sequence), (Some(41), -1, Some(5)));
        assert_eq!((row.key.as_deref(), row.value.as_deref()), (Some(&b""[..]), Some(&b"\xff\0"[..])));
        assert_eq!(row.headers, [(b"a".to_vec(), None), (vec![0xff], Some(Vec::new()))]);
        let batch = &row.batch;
        assert_eq!((batch.first_offset, batch.last_offset, batch.leader_epoch), (Some(40), Some(44), 7));
        assert_eq!((batch.producer, batch.delete_horizon), (Some((9_007_199_254_740_993, 2)), Some(99)));
        assert!(batch.is_transactional && !batch.is_control && batch.is_append_time && batch.codec == Codec::Zstd);
        assert_eq!(one(r#"{"type":"damage","code":"B001","bytes":4,"message":"x"}"#).1, Item::Damage);
    }

    #[test]
    fn an_error_names_line_column_and_rule() {
        for (text, expected) in [
            ("{}\n\n{\"offset\":-1}", "in.ndjson line 3 column 2: -1 is no offset"),
            ("{}\n{\"key\":1}", "in.ndjson line 2 column 8: invalid type: integer `1`, expected a string"),
            ("{\"offest\":1}", "in.ndjson line 1 column 9: unknown field `offest`"),
            ("{\"key\":\"a\"", "in.ndjson line 1 column 10: EOF while parsing an object"),
            ("{\"key\":\"*\",\"keyEnc\":\"base64\"}", "in.ndjson line 1 column 2: no base64: Invalid symbol 42"),
            ("{\"timestamp\":-2}", "in.ndjson line 1 column 2: timestamp -2 is below -1"),
            ("{\"producerId\":1}", "in.ndjson line 1 column 2: a producerId needs a producerEpoch"),
            (
                "{\"producerId\":1,\"producerEpoch\":0}",
                "in.ndjson line 1 column 1: a record of a producer has a sequence",
            ),
            ("{\"isTransactional\":true}", "in.ndjson line 1 column 2: a transaction needs a producerId"),
            (
                "{\"baseOffset\":1,\"count\":3}",
                "in.ndjson line 1 column 17: a batch is a line only where it has no records",
            ),
            ("{\"count\":0,\"baseOffset\":7,\"lastOffset\":6}", "in.ndjson line 1 column 27: lastOffset 6 is below"),
            ("{\"offset\":9223372036854775807}", "in.ndjson line 1 column 2: 9223372036854775807 is no offset"),
            (
                "{\"offset\":\"x\"}",
                "in.ndjson line 1 column 13: invalid value: string \"x\", expected a number of 64 bits",
            ),
            ("{\"codec\":\"zip\"}", "in.ndjson line 1 column 14: unknown variant `zip`"),
            ("{\"type\":\"x\"}", "in.ndjson line 1 column 2: the type of a line"),
            ("[]", "in.ndjson line 1 column 1: a line is a JSON object"),
        ] {
            let found = error(text);
            assert!(found.starts_with(expected), "{text}: {found}");
        }
    }

    #[test]
    fn a_line_has_an_end() {
        let line = "{\"key\":\"abcdef\"}";
        for (limit, is_taken) in [(line.len() - 1, false), (line.len(), true), (line.len() + 1, true)] {
            for text in [line.to_owned(), format!("{line}\n{{}}")] {
                let mut input = Input { max_line_bytes: limit as u64, ..input(&text) };
                assert_eq!(input.next().is_ok(), is_taken, "{limit}");
            }
        }
    }
}
