//! One thing that was found, and the list that keeps many equal ones short.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::code::FindingCode;
use crate::units::Offset;

/// How many findings of one code and weight in one file are listed one by one; the rest are counted in the last of them.
pub const MAX_LISTED: u64 = 10;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Normal, or only worth knowing.
    Info,
    /// Wrong, but harmless so far or repaired by the next start.
    Warning,
    /// Damage, or the next start or a consumer loses or misreads something.
    Error,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warn",
            Self::Error => "error",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub code: FindingCode,
    /// How bad it is here.
    pub severity: Severity,
    /// The file or folder, relative to the log directory (to the folder above for a partition that was given alone).
    pub file: PathBuf,
    /// The first byte of the batch, of the wrong field of an entry, or of what is foreign; 0 for text files and missing ones; `None`
    /// for folders.
    pub position: Option<u64>,
    /// The offset it is about, where there is one.
    pub offset: Option<Offset>,
    /// What is wrong, in a sentence, with the values that disagree.
    pub message: String,
    /// How many equal ones in this file this one stands for, itself included.
    pub count: u64,
    /// What it weighs if the log turns out to be a cleaned one.
    pub(super) if_cleaned: Option<Severity>,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    file: &'a Path,
    position: Option<u64>,
    offset: Option<i64>,
}

impl<'a> Place<'a> {
    /// A byte of a file.
    pub(super) fn at(file: &'a Path, position: u64) -> Self {
        Self { file, position: Some(position), offset: None }
    }

    /// A file as a whole, or one that is missing.
    pub(super) fn file(file: &'a Path) -> Self {
        Self::at(file, 0)
    }

    /// A folder.
    pub(super) fn folder(file: &'a Path) -> Self {
        Self { file, position: None, offset: None }
    }

    /// The same, about this offset.
    pub(super) fn offset(self, offset: i64) -> Self {
        Self { offset: Some(offset), ..self }
    }
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    severity: Severity,
    if_cleaned: Option<Severity>,
}

impl From<Severity> for Weight {
    fn from(severity: Severity) -> Self {
        Self::fixed(severity)
    }
}

impl Weight {
    /// This severity in any case.
    pub(super) const fn fixed(severity: Severity) -> Self {
        Self { severity, if_cleaned: None }
    }

    /// This severity, but only info where compaction explains it.
    pub(super) const fn unless_cleaned(severity: Severity) -> Self {
        Self { severity, if_cleaned: Some(Severity::Info) }
    }
}

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    /// For each kind: how many there were, and where the last listed one stands.
    kinds: BTreeMap<(FindingCode, Weight, PathBuf), (u64, usize)>,
}

impl Findings {
    /// Adds one. The message is made only if it will be read.
    pub(super) fn add(
        &mut self,
        code: FindingCode,
        weight: impl Into<Weight>,
        place: Place<'_>,
        message: impl FnOnce() -> String,
    ) {
        self.add_listed(code, weight, place, message);
    }

    /// Adds one; where it stands in the list, for [`Self::amend`], unless it is only counted.
    pub(super) fn add_listed(
        &mut self,
        code: FindingCode,
        weight: impl Into<Weight>,
        place: Place<'_>,
        message: impl FnOnce() -> String,
    ) -> Option<usize> {
        let weight = weight.into();
        let next = self.list.len();
        let (count, last) = self.kinds.entry((code, weight, place.file.to_owned())).or_insert((0, next));
        *count = count.saturating_add(1);
        if *count > MAX_LISTED {
            if let Some(finding) = self.list.get_mut(*last) {
                finding.count = finding.count.saturating_add(1);
            }
            return None;
        }
        *last = next;
        self.list.push(Finding {
            code,
            severity: weight.severity,
            file: place.file.to_owned(),
            position: place.position,
            offset: place.offset.map(Offset::new),
            message: message(),
            count: 1,
            if_cleaned: weight.if_cleaned,
        });
        Some(next)
    }

    /// Adds to the message of a listed one what was not known at once.
    pub(super) fn amend(&mut self, listed: usize, more: &str) {
        if let Some(finding) = self.list.get_mut(listed) {
            finding.message.push_str(more);
        }
    }

    /// Whether a finding of one of these codes was made in `file`.
    pub(super) fn has(&self, codes: &[FindingCode], file: &Path) -> bool {
        self.list.iter().any(|finding| codes.contains(&finding.code) && finding.file == file)
    }

    /// Whether a finding of this code was made there.
    pub(super) fn has_at(&self, code: FindingCode, place: Place<'_>) -> bool {
        self.list.iter().any(|f| f.code == code && f.file == place.file && f.position == place.position)
    }

    /// Adds those of another list behind these.
    pub(super) fn append(&mut self, other: Self) {
        self.list.extend(other.list);
    }

    /// True if nothing was found.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The findings; `cleaned` says for each whether it lies where compaction has been.
    pub(super) fn settle(self, cleaned: impl Fn(&Finding) -> bool) -> Vec<Finding> {
        let settle = |mut finding: Finding| {
            if let Some(severity) = finding.if_cleaned.take().filter(|_| cleaned(&finding)) {
                finding.severity = severity;
            }
            finding
        };
        self.list.into_iter().map(settle).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_equal_findings_are_counted_in_the_last_listed_one() {
        let mut findings = Findings::default();
        let file = Path::new("a-0/1.index");
        for n in 0..MAX_LISTED + 5 {
            findings.add(FindingCode::I003, Severity::Warning, Place::at(file, n), || n.to_string());
        }
        findings.add(FindingCode::I003, Severity::Error, Place::at(file, 99), String::new);
        findings.add(FindingCode::I003, Severity::Warning, Place::at(Path::new("b"), 7), String::new);
        let list = findings.settle(|_| false);
        let counts: Vec<_> = list.iter().map(|finding| (finding.position.unwrap(), finding.count)).collect();
        let mut expected: Vec<_> = (0..MAX_LISTED).map(|n| (n, 1)).collect();
        expected.last_mut().unwrap().1 = 6;
        expected.extend([(99, 1), (7, 1)]);
        assert_eq!(counts, expected);
    }

    #[test]
    fn what_compaction_explains_weighs_little_where_it_has_been() {
        let mut findings = Findings::default();
        for file in ["old", "active"] {
            let place = Place::file(Path::new(file));
            findings.add(FindingCode::B012, Weight::unless_cleaned(Severity::Warning), place, String::new);
        }
        let list = findings.settle(|finding| finding.file == Path::new("old"));
        assert_eq!([list[0].severity, list[1].severity], [Severity::Info, Severity::Warning]);
    }
}
