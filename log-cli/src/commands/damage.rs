//! `damage`: reproducible faults in a copy of a directory.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log_engine::checkpoint::MetaProperties;
use log_engine::damage::{self, Change, Fault, Kind, MAX_SHOWN, Wish};
use log_engine::inspect::Target;
use log_engine::log::root_files;
use log_engine::mend::DirectoryLock;
use log_engine::{Fs, OsFs};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Global;
use crate::error::{CliError, Exit, complain};
use crate::output::{self, Format};
use crate::render::escaped;

/// Damage a copy of a directory as power cuts, disks and people do: the same faults for the same seed, everywhere
///
/// For tests, and to practise. What is changed is told to the byte. Each fault changes other files than those before it. A directory that
/// is in use is always refused, and one with a meta.properties, or a partition beside one, unless you say that it is a copy.
/// Exits 1 if there is no place for a fault, 3 if there were fewer than asked for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cp -r data copy && rm copy/meta.properties && log-cli damage copy --seed 42
  log-cli damage orders-3.copy --seed 7 --kind crc-value-middle --kind tail-garbage --dry-run
  log-cli damage --list")]
pub(crate) struct Arguments {
    /// A copy of a log directory or of a partition's folder
    #[arg(value_name = "DIR", required_unless_present_any = ["list", "schema"])]
    dir: Option<PathBuf>,
    /// Which faults and where: the same number gives the same ones
    #[arg(long, value_name = "N", required_unless_present_any = ["list", "schema"])]
    seed: Option<u64>,
    /// One of these kinds; see --list
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// How many faults
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    count: u16,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Damage it although it has a meta.properties
    #[arg(long)]
    i_made_a_copy: bool,
    /// Print the kinds of faults, one a line
    #[arg(long, conflicts_with_all = ["dir", "seed", "kind"])]
    list: bool,
}

/// What was done, or would be.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Document {
    directory: String,
    seed: u64,
    /// False for --dry-run.
    applied: bool,
    faults: Vec<FaultDocument>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FaultDocument {
    kind: &'static str,
    about: &'static str,
    /// In the order in which they are made.
    changes: Vec<ChangeDocument>,
}

/// One change; paths are relative to the directory.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "op")]
enum ChangeDocument {
    /// Bytes of a file become others; what lies behind them moves.
    #[serde(rename_all = "camelCase")]
    Bytes {
        file: String,
        /// The first byte that is another.
        position: u64,
        /// How many bytes go.
        old_len: u64,
        /// The first 32 of them, in hexadecimal.
        old: String,
        /// How many bytes come.
        new_len: u64,
        /// The first 32 of them, in hexadecimal.
        new: String,
    },
    /// A new file.
    #[serde(rename_all = "camelCase")]
    New {
        file: String,
        new_len: u64,
        /// Its first 32 bytes, in hexadecimal.
        new: String,
    },
    /// A new file with the bytes of others.
    Copy {
        file: String,
        from: Vec<String>,
        /// So many bytes are missing at its end.
        cut: u64,
    },
    /// A file is gone.
    #[serde(rename_all = "camelCase")]
    Remove { file: String, old_len: u64 },
    /// A folder is gone.
    RemoveFolder { file: String },
}

/// A kind of fault.
#[derive(Debug, Serialize)]
struct KindDocument {
    kind: &'static str,
    about: &'static str,
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Document>()?;
        return Ok(Exit::Fine);
    }
    let (Some(dir), Some(seed), false) = (&arguments.dir, arguments.seed, arguments.list) else {
        list(global)?;
        return Ok(Exit::Fine);
    };
    let wish = Wish { kinds: kinds(&arguments.kind)?, count: arguments.count.into() };
    let root = root_of(dir)?;
    if !arguments.dry_run && !arguments.i_made_a_copy {
        refuse_original(&root)?;
    }
    let held = if arguments.dry_run { None } else { lock(&root)? };
    let faults = damage::plan(&OsFs, dir, seed, &wish)?;
    if !arguments.dry_run {
        faults.iter().try_for_each(|fault| fault.apply(&OsFs, dir))?;
    }
    drop(held);
    let document = Document {
        directory: dir.display().to_string(),
        seed,
        applied: !arguments.dry_run,
        faults: faults.iter().map(FaultDocument::of).collect(),
    };
    tell(&document, global)?;
    Ok(match faults.len() {
        0 => {
            complain(&format!("{}: no place for such a fault", escaped(&document.directory)));
            Exit::No
        }
        n if n < wish.count => {
            complain(&format!("{}: a place for {n} of {} faults only", escaped(&document.directory), wish.count));
            Exit::LeftOut
        }
        _ => Exit::Fine,
    })
}

fn kinds(names: &[String]) -> Result<Vec<&'static Kind>, CliError> {
    let named = |name: &String| {
        Kind::named(name).ok_or_else(|| CliError::Usage {
            message: format!("there is no kind of fault called {}", escaped(name)),
            hint: Some("log-cli damage --list".to_owned()),
        })
    };
    names.iter().map(named).collect()
}

/// The log directory that `dir` is or lies in.
fn root_of(dir: &Path) -> Result<PathBuf, CliError> {
    let absolute = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    Ok(match Target::of(&OsFs, dir)? {
        Target::LogDirectory(_) => dir.to_owned(),
        Target::Partition(_) | Target::File(_) => absolute.parent().unwrap_or(&absolute).to_owned(),
    })
}

/// A directory with an identity may be the only one there is.
fn refuse_original(root: &Path) -> Result<(), CliError> {
    let identity = root.join(MetaProperties::FILE_NAME);
    if OsFs.stat(&identity)?.is_none() {
        return Ok(());
    }
    Err(CliError::Refused {
        message: format!("{} is there: this may be a broker's directory, and not a copy", identity.display()),
        hint: Some("copy the directory and damage the copy: --i-made-a-copy".to_owned()),
    })
}

/// Takes the lock of a log directory, so that no broker starts meanwhile; a folder that is no log directory has none.
fn lock(root: &Path) -> Result<Option<DirectoryLock>, CliError> {
    let has = |name: &str| OsFs.stat(&root.join(name)).map(|there| there.is_some());
    if !has(root_files::LOCK)? && !has(MetaProperties::FILE_NAME)? {
        return Ok(None);
    }
    Ok(Some(DirectoryLock::take(Arc::new(OsFs), root)?))
}

fn list(global: &Global) -> Result<(), CliError> {
    let kinds = Kind::all().map(|kind| KindDocument { kind: kind.name, about: kind.about });
    if global.document() != Format::Text {
        return Ok(output::json(&kinds.collect::<Vec<_>>())?);
    }
    let width = Kind::all().map(|kind| kind.name.len()).max().unwrap_or(0);
    let mut out = output::stdout();
    for KindDocument { kind, about } in kinds {
        writeln!(out, "{kind:<width$}  {about}")?;
    }
    Ok(out.flush()?)
}

fn tell(document: &Document, global: &Global) -> Result<(), CliError> {
    if global.document() != Format::Text {
        return Ok(output::json(document)?);
    }
    let mut out = output::stdout();
    for fault in &document.faults {
        writeln!(out, "{}: {}", fault.kind, fault.about)?;
        for change in &fault.changes {
            writeln!(out, "  {}", change.line())?;
        }
    }
    Ok(out.flush()?)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(MAX_SHOWN).map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes in a line: the first of them, and how many there are if that is not all.
fn shown(hex: &str, len: u64) -> String {
    match len {
        0 => "nothing".to_owned(),
        _ if hex.len() as u64 / 2 < len => format!("{hex}... ({len} bytes)"),
        _ => hex.to_owned(),
    }
}

impl FaultDocument {
    fn of(fault: &Fault) -> Self {
        let Kind { name, about, .. } = fault.kind();
        Self { kind: name, about, changes: fault.changes().iter().map(ChangeDocument::of).collect() }
    }
}

impl ChangeDocument {
    fn of(change: &Change) -> Self {
        let file = text(change.path());
        match change {
            Change::Bytes { position, old_len, old, new, .. } => Self::Bytes {
                file,
                position: position.get(),
                old_len: *old_len,
                old: hex(old),
                new_len: new.len() as u64,
                new: hex(new),
            },
            Change::NewFile { bytes, .. } => Self::New { file, new_len: bytes.len() as u64, new: hex(bytes) },
            Change::Copy { from, cut, .. } => {
                Self::Copy { file, from: from.iter().map(|path| text(path)).collect(), cut: *cut }
            }
            Change::Removed { len, .. } => Self::Remove { file, old_len: *len },
            Change::RemovedFolder { .. } => Self::RemoveFolder { file },
        }
    }

    /// One line for people.
    fn line(&self) -> String {
        match self {
            Self::Bytes { file, position, old_len, old, new_len, new } => {
                format!("{} @{position}: {} -> {}", escaped(file), shown(old, *old_len), shown(new, *new_len))
            }
            Self::New { file, new_len, new } => format!("{}: new, {}", escaped(file), shown(new, *new_len)),
            Self::Copy { file, from, cut } => {
                let less = if *cut > 0 { format!(", without its last {cut} bytes") } else { String::new() };
                format!("{}: new, a copy of {}{less}", escaped(file), escaped(&from.join(" and ")))
            }
            Self::Remove { file, old_len } => format!("{}: removed, {old_len} bytes", escaped(file)),
            Self::RemoveFolder { file } => format!("{}: removed", escaped(file)),
        }
    }
}
