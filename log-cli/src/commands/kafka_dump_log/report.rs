//! What did not fit, said on standard error after all files.

use std::collections::BTreeMap;
use std::path::Path;

use super::java::{JavaFile, in_hash_order};
use super::printer::Printer;
use super::thrown::Ended;

/// Pairs that are kept of each kind and file; more are counted. A compacted log has as many gaps as records.
const MAX_PAIRS: usize = 500_000;

/// Pairs of numbers that should be equal, increasing or consecutive, by file.
#[derive(Debug, Default)]
pub(super) struct Report {
    offsets: Vec<(String, ByNumber)>,
    timestamps: Vec<(String, InOrder)>,
    order: Vec<(String, InOrder)>,
    not_found: Vec<(String, InOrder)>,
    gaps: Vec<(String, ByNumber)>,
}

/// Pairs sorted by their first number, of which each counts once: the last pair with it.
#[derive(Debug, Default)]
struct ByNumber {
    pairs: BTreeMap<i64, i64>,
    left_out: u64,
}

/// Pairs as they came.
#[derive(Debug, Default)]
struct InOrder {
    pairs: Vec<(i64, i64)>,
    left_out: u64,
}

impl ByNumber {
    fn add(&mut self, first: i64, second: i64) {
        if self.pairs.len() < MAX_PAIRS {
            self.pairs.insert(first, second);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }
}

impl InOrder {
    fn add(&mut self, first: i64, second: i64) {
        if self.pairs.len() < MAX_PAIRS {
            self.pairs.push((first, second));
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }
}

impl Report {
    /// The batch at an index entry's position ends at `log`, not at the entry's offset.
    pub(super) fn offset_mismatch(&mut self, file: &JavaFile, index: i64, log: i64) {
        of(&mut self.offsets, file).add(index, log);
    }

    /// The largest timestamp of a time index entry's batch is another one.
    pub(super) fn timestamp_mismatch(&mut self, file: &JavaFile, index: i64, log: i64) {
        of(&mut self.timestamps, file).add(index, log);
    }

    /// A time index entry is no later than the one before it.
    pub(super) fn out_of_order(&mut self, file: &JavaFile, index: i64, previous: i64) {
        of(&mut self.order, file).add(index, previous);
    }

    /// No batch ends at a time index entry's offset; `log` is where one ends behind it, or -1.
    pub(super) fn not_found(&mut self, file: &JavaFile, index: i64, log: i64) {
        of(&mut self.not_found, file).add(index, log);
    }

    /// A record with offset `next` follows one with offset `last`.
    #[cold]
    pub(super) fn gap(&mut self, file: &JavaFile, last: i64, next: i64) {
        of(&mut self.gaps, file).add(last, next);
    }

    /// Says it all.
    pub(super) fn print(self, printer: &mut Printer) -> Result<(), Ended> {
        for (file, found) in in_hash_order(self.offsets) {
            printer.error_line(format!("Mismatches in :{file}"))?;
            let lines = found.pairs.iter().rev();
            lines_of(printer, lines, found.left_out, |index, log| {
                format!("  Index offset: {index}, log offset: {log}")
            })?;
        }
        for (file, found) in in_hash_order(self.timestamps) {
            printer.error_line(format!("Found timestamp mismatch in :{file}"))?;
            lines_of(printer, found.pairs.iter().map(both), found.left_out, |index, log| {
                format!("  Index timestamp: {index}, log timestamp: {log}")
            })?;
        }
        for (file, found) in in_hash_order(self.order) {
            printer.error_line(format!("Found out of order timestamp in :{file}"))?;
            lines_of(printer, found.pairs.iter().map(both), found.left_out, |index, previous| {
                format!("  Index timestamp: {index}, Previously indexed timestamp: {previous}")
            })?;
        }
        for (file, found) in in_hash_order(self.not_found) {
            printer.error_line(format!("The following indexed offsets are not found in :{file}"))?;
            lines_of(printer, found.pairs.iter().map(both), found.left_out, |index, log| {
                format!("Indexed offset: {index}, found log offset: {log}")
            })?;
        }
        for (file, found) in in_hash_order(self.gaps) {
            printer.error_line(format!("Non-consecutive offsets in {file}"))?;
            let lines = found.pairs.iter();
            lines_of(printer, lines, found.left_out, |last, next| format!("  {last} is followed by {next}"))?;
        }
        Ok(())
    }
}

fn both(pair: &(i64, i64)) -> (&i64, &i64) {
    (&pair.0, &pair.1)
}

fn lines_of<'a>(
    printer: &mut Printer,
    pairs: impl Iterator<Item = (&'a i64, &'a i64)>,
    left_out: u64,
    line: impl Fn(i64, i64) -> String,
) -> Result<(), Ended> {
    for (&first, &second) in pairs {
        printer.error_line(line(first, second))?;
    }
    if left_out > 0 {
        printer.error_line(format!("  (and {left_out} more)"))?;
    }
    Ok(())
}

/// What was found so far in `file`.
fn of<'a, T: Default>(all: &'a mut Vec<(String, T)>, file: &JavaFile) -> &'a mut T {
    let path = shown(&file.absolute());
    // The file at hand came last.
    let at = all.iter().rposition(|(known, _)| *known == path).unwrap_or_else(|| {
        all.push((path, T::default()));
        all.len() - 1
    });
    &mut all[at].1
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
