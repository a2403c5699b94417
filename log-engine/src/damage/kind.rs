//! The kinds of faults, each with its name, a sentence, and the function that finds a place for it.

use std::fmt;

use super::fault::Change;
use super::site::Site;
use super::{
    anywhere, batches, checkpoints, epochs, identity, indexes, leftovers, names, segments, snapshots, tails,
    txn_indexes,
};
use crate::error::Result;

/// What a fault changes; `None` where a directory has no place for it.
pub(super) type Planned = Result<Option<Vec<Change>>>;

/// A kind of fault.
#[derive(Clone, Copy)]
pub struct Kind {
    /// What it is called, in lower case with dashes. Names stay.
    pub name: &'static str,
    /// What it does, as a sentence without its point.
    pub about: &'static str,
    plan: fn(&mut Site<'_>) -> Planned,
}

impl Kind {
    pub(super) const fn new(name: &'static str, about: &'static str, plan: fn(&mut Site<'_>) -> Planned) -> Self {
        Self { name, about, plan }
    }

    /// All kinds, in an order that stays.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        let families = [
            batches::KINDS,
            tails::KINDS,
            segments::KINDS,
            indexes::KINDS,
            txn_indexes::KINDS,
            snapshots::KINDS,
            epochs::KINDS,
            checkpoints::KINDS,
            identity::KINDS,
            leftovers::KINDS,
            names::KINDS,
            anywhere::KINDS,
        ];
        families.into_iter().flatten()
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|kind| kind.name == name)
    }

    /// Finds a place for it.
    pub(super) fn plan(&self, site: &mut Site<'_>) -> Planned {
        (self.plan)(site)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}
