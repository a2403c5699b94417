//! Standard output for data: buffered, coloured only on a terminal, quiet when the reader goes away.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Ndjson,
}

/// How rows are written: as reports are, and two ways more that only rows know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RowFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One JSON object a line
    Ndjson,
    /// Comma-separated values with a head line (dump, grep, tail, export)
    Csv,
    /// The bytes of the values and nothing else (dump, grep, tail)
    Raw,
}

impl RowFormat {
    /// The same for a report; text where a report has no such form, which [`crate::commands`] refuses before.
    pub(crate) const fn report(self) -> Format {
        match self {
            Self::Json => Format::Json,
            Self::Ndjson => Format::Ndjson,
            Self::Text | Self::Csv | Self::Raw => Format::Text,
        }
    }

    /// True for what reports cannot be written as.
    pub(crate) const fn is_for_records(self) -> bool {
        matches!(self, Self::Csv | Self::Raw)
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Makes this the choice for everything that is printed from here on.
    pub(crate) fn choose(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// Bytes that are collected before they are written.
const BUFFER: usize = 256 << 10;

/// Standard output, buffered; styles are stripped unless a terminal shows them.
pub(crate) fn stdout() -> io::BufWriter<anstream::AutoStream<io::StdoutLock<'static>>> {
    io::BufWriter::with_capacity(BUFFER, anstream::AutoStream::auto(io::stdout().lock()))
}

/// Standard output, buffered, bytes as they are.
pub(crate) fn raw_stdout() -> io::BufWriter<io::StdoutLock<'static>> {
    io::BufWriter::with_capacity(BUFFER, io::stdout().lock())
}

/// True if a person looks at standard output.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// True if colours on standard output are seen, or asked for.
pub(crate) fn is_colored() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// Writes one JSON document: indented for a person, in one line otherwise.
pub(crate) fn json(document: &impl Serialize) -> io::Result<()> {
    let mut out = raw_stdout();
    if is_terminal() {
        serde_json::to_writer_pretty(&mut out, document)?;
    } else {
        serde_json::to_writer(&mut out, document)?;
    }
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes the JSON Schema of `T` as it is written: what may be null is there all the same.
pub(crate) fn schema<T: schemars::JsonSchema>() -> io::Result<()> {
    let schema =
        schemars::generate::SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<T>();
    let mut out = raw_stdout();
    serde_json::to_writer_pretty(&mut out, &schema)?;
    out.write_all(b"\n")?;
    out.flush()
}
