//! What can go wrong in a command, the exit code it means, and the hint that goes with it.

use std::io;

/// The exit codes; scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; the answer is "fine" or "found".
    Fine = 0,
    /// Done; the answer is "no": damage found, no match.
    No = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// Done, but something was left out.
    LeftOut = 3,
    /// Could not do it: the system refused, or this is no Kafka directory.
    Failed = 4,
    /// Would not do it.
    Refused = 5,
    /// Interrupted from the keyboard.
    Interrupted = 130,
}

/// Why a command ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The engine says no.
    #[error(transparent)]
    Engine(#[from] log_engine::Error),
    /// The arguments are wrong in a way that only the command can see.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: Option<String>,
    },
    /// It could be done, but should not be.
    #[error("{message}")]
    Refused {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: Option<String>,
    },
    /// It could not be done.
    #[error("{message}")]
    Failed {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A file of lines has one that cannot be taken.
    #[error("{} line {line} column {column}: {rule}", file.display())]
    Input {
        /// The file.
        file: std::path::PathBuf,
        /// The line, from 1 on.
        line: u64,
        /// The byte in it, from 1 on.
        column: usize,
        /// What it breaks.
        rule: String,
    },
    /// Output could not be written. A closed pipe ends the command quietly.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// Clap's own errors and answers (help, version).
    #[error(transparent)]
    Arguments(#[from] clap::Error),
}

/// Says on standard error what does not end the command.
pub(crate) fn complain(error: &dyn std::fmt::Display) {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{red}error:{red:#} {error}");
}

impl CliError {
    /// A usage error without a hint.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Engine(log_engine::Error::Locked { .. }) => Exit::Refused,
            Self::Engine(_) | Self::Output(_) | Self::Input { .. } | Self::Failed { .. } => Exit::Failed,
            Self::Usage { .. } | Self::Arguments(_) => Exit::Usage,
            Self::Refused { .. } => Exit::Refused,
        }
    }

    /// Says it on standard error and gives the exit code.
    pub(crate) fn report(self) -> u8 {
        match self {
            // A reader that has seen enough closes the pipe: nothing went wrong.
            Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => return Exit::Fine as u8,
            Self::Arguments(error) => {
                let _ = error.print();
                return u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8);
            }
            _ => {}
        }
        complain(&self);
        if let Self::Usage { hint: Some(hint), .. }
        | Self::Refused { hint: Some(hint), .. }
        | Self::Failed { hint: Some(hint), .. } = &self
        {
            let bold = anstyle::Style::new().bold();
            anstream::eprintln!("{bold}hint:{bold:#}  {hint}");
        }
        self.exit() as u8
    }
}
