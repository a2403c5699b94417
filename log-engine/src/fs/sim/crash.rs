//! What a crash leaves: the outcomes, and the folders after each of them.

use std::collections::{BTreeMap, BTreeSet};

use super::disk::{Disk, Folder, NameChange, Names, Node, ROOT};
use crate::random::Random;

/// What a crash leaves of everything that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nothing of it: only what was durable.
    Nothing,
    /// All of it: as if only the processes had died.
    Everything,
    /// Of each file and folder the first changes, the next write of a file torn at any byte.
    Prefix,
    /// Of each file any of its 512-byte pieces, with or without the new length; what is missing below it is zeros or rubbish (0xA5).
    /// Of each folder any of its changes, but none without an earlier one of the same name.
    Sectors,
    /// The new lengths, and zeros where the new bytes should be; all names.
    SizeOnly,
    /// One of these for each file and each folder.
    Mixed,
}

impl Outcome {
    /// All that stand for one thing; [`Outcome::Mixed`] draws among them.
    pub const SIMPLE: [Self; 5] = [Self::Nothing, Self::Everything, Self::Prefix, Self::Sectors, Self::SizeOnly];

    pub(super) fn draw(random: &mut Random) -> Self {
        Self::SIMPLE.get(random.below(Self::SIMPLE.len())).copied().unwrap_or(Self::Nothing)
    }
}

impl Disk {
    /// The disk as a machine finds it that starts after a crash. The same seed gives the same disk.
    pub(super) fn after_crash(&self, outcome: Outcome, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut names = self.durable_names();
        for change in self.surviving(outcome, &mut random) {
            change.apply(&mut names);
        }
        let mut image =
            Self { files: BTreeMap::new(), folders: BTreeMap::new(), unsynced: Vec::new(), next: self.next };
        let mut to_visit = vec![ROOT];
        while let Some(id) = to_visit.pop() {
            let found = names.remove(&id).unwrap_or_default();
            for node in found.values() {
                match node {
                    Node::Folder(folder) => to_visit.push(*folder),
                    Node::File(file) => {
                        if let Some(content) = self.files.get(file) {
                            image.files.insert(*file, content.after_crash(outcome, &mut random));
                        }
                    }
                }
            }
            image.folders.entry(id).or_insert_with(|| Folder { seen: found.clone(), durable: found });
        }
        image
    }

    fn durable_names(&self) -> BTreeMap<u64, Names> {
        self.folders.iter().map(|(id, folder)| (*id, folder.durable.clone())).collect()
    }

    /// The changes of names that survive, in order.
    fn surviving(&self, outcome: Outcome, random: &mut Random) -> Vec<&NameChange> {
        let folders: BTreeSet<u64> = self.unsynced.iter().map(NameChange::folder).collect();
        let mut kept = vec![false; self.unsynced.len()];
        for folder in folders {
            let outcome = if outcome == Outcome::Mixed { Outcome::draw(random) } else { outcome };
            let own = self.unsynced.iter().enumerate().filter(|(_, change)| change.folder() == folder);
            let first = random.below(own.clone().count() + 1);
            for (nth, (index, _)) in own.enumerate() {
                let keep = match outcome {
                    Outcome::Nothing | Outcome::Mixed => false,
                    Outcome::Everything | Outcome::SizeOnly => true,
                    Outcome::Prefix => nth < first,
                    Outcome::Sectors => random.coin(),
                };
                if let Some(slot) = kept.get_mut(index) {
                    *slot = keep;
                }
            }
        }
        with_what_they_need(&self.unsynced, &kept)
    }

    /// Some of the changes that concern a folder reach the disk and the others never will, though they are still seen.
    pub(super) fn fail_sync_dir(&mut self, folder: u64, random: &mut Random) {
        let (own, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.unsynced).into_iter().partition(|change| change.touches(folder));
        self.unsynced = others;
        let kept: Vec<_> = own.iter().map(|_| random.coin()).collect();
        let mut names = self.durable_names();
        for change in with_what_they_need(&own, &kept) {
            change.apply(&mut names);
        }
        self.set_durable_names(names);
    }
}

/// The changes that are kept, and with each the earlier ones of the same name: a file system does not give a name away before it has
/// taken it from who had it.
fn with_what_they_need<'a>(changes: &'a [NameChange], kept: &[bool]) -> Vec<&'a NameChange> {
    let mut needed = BTreeSet::new();
    let mut found = Vec::new();
    for (change, kept) in changes.iter().zip(kept).rev() {
        if *kept || change.places().any(|place| needed.contains(place)) {
            needed.extend(change.places());
            found.push(change);
        }
    }
    found.reverse();
    found
}
