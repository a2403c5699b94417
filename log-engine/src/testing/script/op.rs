//! The operations of a script: a line of text each, read into what they ask for.

use super::args::{Args, number};
use super::batches::Payload;
use super::damage::Damage;
use crate::batch::AppendOrigin;
use crate::log::Isolation;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Its line, counted from 1.
    pub line: usize,
    /// Its name, as it stands there.
    pub name: String,
    /// What it asks for.
    pub action: Action,
}

/// A script that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {op}: {why}")]
pub struct ScriptError {
    /// The line, counted from 1.
    pub line: usize,
    /// The name of the operation.
    pub op: String,
    /// What is wrong with it.
    pub why: String,
}

/// What an operation asks for. Numbers are as they stand in the script; they may make no sense to a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `config`: settings of the log that is to be made.
    Config(Vec<(String, String)>),
    /// `time`: sets the clock, in milliseconds since 1970.
    Time(i64),
    /// `tasks`: whether background tasks run by `run-tasks` alone.
    Tasks {
        /// They do.
        manual: bool,
    },
    /// `open`: makes the log, and nothing else.
    Open,
    /// `update-config`: settings of the open log.
    UpdateConfig(Vec<(String, String)>),
    /// `append-leader`, `append-records` and `append-marker`.
    AppendLeader {
        /// Of the leader.
        epoch: i32,
        /// Who sends it.
        origin: AppendOrigin,
        /// What is sent.
        payload: Payload,
        /// The transaction was announced.
        verified: bool,
        /// The version of its transaction; -1 if it is not known.
        version: i16,
    },
    /// `append-follower`.
    AppendFollower {
        /// The epoch that the fetch was for; `i32::MAX` for any.
        epoch: i32,
        /// What was fetched.
        payload: Payload,
    },
    /// `assign-epoch`: a leader's reign begins.
    AssignEpoch {
        /// The epoch.
        epoch: i32,
        /// Where it begins; the log's end if that is not said.
        offset: Option<i64>,
    },
    /// `roll`.
    Roll,
    /// `flush`.
    Flush {
        /// Also an empty active segment.
        force: bool,
    },
    /// `hw`: the high watermark.
    HighWatermark {
        /// Where it is to be.
        offset: i64,
        /// It only rises.
        monotonic: bool,
    },
    /// `delete-to`: DeleteRecords.
    DeleteTo(i64),
    /// `delete-old`: retention.
    DeleteOld,
    /// `truncate-to`.
    TruncateTo(i64),
    /// `truncate-fully`.
    TruncateFully {
        /// Where the log begins anew.
        offset: i64,
        /// Where its records begin, if not there.
        log_start: Option<i64>,
    },
    /// `read`.
    Read {
        /// The first offset that is wanted.
        from: i64,
        /// The most bytes.
        max: i32,
        /// How far may be read.
        isolation: Isolation,
        /// A first batch that is larger than `max` comes whole.
        min_one: bool,
    },
    /// `aborted`: the aborted transactions of a range.
    Aborted {
        /// The first offset.
        from: i64,
        /// The offset behind the last one.
        to: i64,
    },
    /// `offset-for-time`: a time, or one of Kafka's negative numbers.
    OffsetForTime(i64),
    /// `end-offset-for-epoch`.
    EndOffsetForEpoch(i32),
    /// `expire-producers`.
    ExpireProducers,
    /// `run-tasks`.
    RunTasks {
        /// Also those that are not due, if they run once.
        all: bool,
    },
    /// `checkpoint`.
    Checkpoint,
    /// `close`: a clean shutdown.
    Close,
    /// `crash`: the process dies.
    Crash,
    /// `damage` to a file, which is named, or told as `first.SUFFIX` or `active.SUFFIX`.
    Damage(Damage, String),
    /// `reopen`: a broker's start.
    Reopen {
        /// As after a clean shutdown.
        clean: bool,
        /// The recovery point, if not the checkpoint's.
        recovery_point: Option<i64>,
        /// The log's start, if not the checkpoint's.
        log_start: Option<i64>,
    },
    /// `state`: everything that the log knows of itself.
    State,
    /// `files`: size and checksum of each file.
    Files,
}

impl Op {
    /// The operations of a script.
    ///
    /// # Errors
    /// The first line that cannot be carried out.
    pub fn parse_all(script: &str) -> Result<Vec<Self>, ScriptError> {
        let lines = script.lines().enumerate();
        lines.filter_map(|(i, line)| Self::parse(i + 1, line).transpose()).collect()
    }

    /// The operation on a line; `None` if the line is empty or a comment, which starts with `#`.
    ///
    /// # Errors
    /// If the line cannot be carried out.
    pub fn parse(line: usize, text: &str) -> Result<Option<Self>, ScriptError> {
        let mut parts = text.split_ascii_whitespace();
        let Some(name) = parts.next().filter(|name| !name.starts_with('#')) else {
            return Ok(None);
        };
        let wrong = |why| ScriptError { line, op: name.to_owned(), why };
        let mut args = Args::new(parts).map_err(wrong)?;
        let action = Action::parse(name, &mut args).map_err(wrong)?;
        args.end().map_err(wrong)?;
        Ok(Some(Self { line, name: name.to_owned(), action }))
    }
}

impl Action {
    fn parse(name: &str, args: &mut Args<'_>) -> Result<Self, String> {
        Ok(match name {
            "config" => Self::Config(args.take_pairs()),
            "time" => Self::Time(args.word_number("milliseconds")?),
            "tasks" => Self::Tasks { manual: one_of(args, "auto", "manual")? },
            "open" => Self::Open,
            "update-config" => Self::UpdateConfig(args.take_pairs()),
            "append-leader" => {
                let origin = origin(args.value("origin").unwrap_or("client"))?;
                args.has("batch").then_some(()).ok_or("needs batch=")?;
                Self::append_leader(args, origin)?
            }
            "append-records" => Self::append_leader(args, AppendOrigin::Client)?,
            "append-marker" => Self::append_leader(args, AppendOrigin::Coordinator)?,
            "append-follower" => Self::AppendFollower {
                epoch: args.number("epoch")?.unwrap_or(i32::MAX),
                payload: Payload::parse(args)?,
            },
            "assign-epoch" => Self::AssignEpoch {
                epoch: args.word_number("an epoch")?,
                offset: args.word().map(|word| number("an offset", word)).transpose()?,
            },
            "roll" => Self::Roll,
            "flush" => Self::Flush { force: args.flag("force") },
            "hw" => Self::HighWatermark { monotonic: args.flag("monotonic"), offset: args.word_number("an offset")? },
            "delete-to" => Self::DeleteTo(args.word_number("an offset")?),
            "delete-old" => Self::DeleteOld,
            "truncate-to" => Self::TruncateTo(args.word_number("an offset")?),
            "truncate-fully" => {
                Self::TruncateFully { offset: args.word_number("an offset")?, log_start: args.number("log-start")? }
            }
            "read" => Self::Read {
                from: args.needed_number("from")?,
                max: args.number("max")?.unwrap_or(i32::MAX),
                isolation: args.value("isolation").map_or(Ok(Isolation::LogEnd), isolation)?,
                min_one: args.switch("min-one", true),
            },
            "aborted" => Self::Aborted { from: args.needed_number("from")?, to: args.needed_number("to")? },
            "offset-for-time" => Self::OffsetForTime(args.word_number("a timestamp")?),
            "end-offset-for-epoch" => Self::EndOffsetForEpoch(args.word_number("an epoch")?),
            "expire-producers" => Self::ExpireProducers,
            "run-tasks" => Self::RunTasks { all: args.flag("all") },
            "checkpoint" => Self::Checkpoint,
            "close" => Self::Close,
            "crash" => Self::Crash,
            "damage" => {
                let (damage, file) = Damage::parse(args)?;
                Self::Damage(damage, file)
            }
            "reopen" => Self::Reopen {
                clean: !one_of(args, "clean", "unclean")?,
                recovery_point: args.number("recovery-point")?,
                log_start: args.number("log-start")?,
            },
            "state" => Self::State,
            "files" => Self::Files,
            _ => return Err("there is no such operation".to_owned()),
        })
    }

    fn append_leader(args: &mut Args<'_>, origin: AppendOrigin) -> Result<Self, String> {
        // Kafka's numbers for "version 0" and "not known".
        let version = if origin == AppendOrigin::Coordinator { 0 } else { -1 };
        Ok(Self::AppendLeader {
            epoch: args.number("epoch")?.unwrap_or(0),
            origin,
            version: args.number("tv")?.unwrap_or(version),
            verified: args.switch("verified", false),
            payload: Payload::parse(args)?,
        })
    }
}

/// Whether the next word is the second of two.
fn one_of(args: &mut Args<'_>, first: &str, second: &str) -> Result<bool, String> {
    let word = args.needed_word(&format!("{first} or {second}"))?;
    if word == first || word == second { Ok(word == second) } else { Err(format!("needs {first} or {second}")) }
}

fn origin(name: &str) -> Result<AppendOrigin, String> {
    match name {
        "client" => Ok(AppendOrigin::Client),
        "coordinator" => Ok(AppendOrigin::Coordinator),
        "raft" => Ok(AppendOrigin::RaftLeader),
        _ => Err(format!("there is no origin {name}")),
    }
}

fn isolation(name: &str) -> Result<Isolation, String> {
    match name {
        "log-end" => Ok(Isolation::LogEnd),
        "high-watermark" => Ok(Isolation::HighWatermark),
        "txn-committed" => Ok(Isolation::TxnCommitted),
        _ => Err(format!("there is no isolation {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Op::parse(7, text).unwrap_err().to_string()
    }

    #[test]
    fn lines_are_counted_and_comments_left_out() {
        let ops = Op::parse_all("# first\n\nroll\n  hw 5 monotonic  \n").unwrap();
        let monotonic = Action::HighWatermark { offset: 5, monotonic: true };
        assert_eq!(ops.iter().map(|op| op.line).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(ops.iter().map(|op| &op.action).collect::<Vec<_>>(), [&Action::Roll, &monotonic]);
        assert_eq!(Op::parse_all("roll\nroll\nrol").unwrap_err().line, 3);
    }

    #[test]
    fn what_is_not_said_has_kafkas_defaults() {
        let parse = |text| Op::parse(1, text).unwrap().unwrap().action;
        let Action::AppendLeader { epoch: 0, origin: AppendOrigin::Coordinator, version: 0, verified: false, .. } =
            parse("append-marker pid=1 pepoch=0 abort")
        else {
            panic!()
        };
        let Action::AppendLeader { epoch: 2, origin: AppendOrigin::Client, version: -1, verified: true, .. } =
            parse("append-records epoch=2 records=1x1 verified=true")
        else {
            panic!()
        };
        assert!(matches!(parse("append-follower batch="), Action::AppendFollower { epoch: i32::MAX, .. }));
        let read = Action::Read { from: 3, max: i32::MAX, isolation: Isolation::LogEnd, min_one: true };
        assert_eq!(parse("read from=3"), read);
        let reopen = Action::Reopen { clean: false, recovery_point: Some(0), log_start: None };
        assert_eq!(parse("reopen unclean recovery-point=0"), reopen);
    }

    #[test]
    fn a_wrong_line_says_which_and_why() {
        for (text, said) in [
            ("rol", "line 7: rol: there is no such operation"),
            ("roll now", "line 7: roll: does not know what to do with now"),
            ("read", "line 7: read: needs from="),
            ("read from=1 isolation=none", "line 7: read: there is no isolation none"),
            ("hw", "line 7: hw: needs an offset"),
            ("hw x", "line 7: hw: an offset must be a number of its size, not x"),
            ("reopen", "line 7: reopen: needs clean or unclean"),
            ("tasks often", "line 7: tasks: needs auto or manual"),
            ("append-leader records=1x1", "line 7: append-leader: needs batch="),
            ("damage melt active.log", "line 7: damage: cannot melt"),
            ("truncate-to 1 2", "line 7: truncate-to: does not know what to do with 2"),
        ] {
            assert_eq!(refused(text), said);
        }
    }
}
