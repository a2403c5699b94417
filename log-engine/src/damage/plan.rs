//! From a seed to faults.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::kind::Kind;
use super::site::Site;
use crate::error::{Error, Result};
use crate::fs::Fs;
use crate::inspect::Target;
use crate::log::{DirectoryState, PartitionDirectory};
use crate::random::Random;

/// Partitions in which a place for a kind is looked for, at most.
const MAX_PARTITIONS: usize = 64;

/// How often a place for a kind is drawn anew because another fault has it.
const MAX_TRIES: usize = 16;

/// Which faults, and how many.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The kinds to choose from; all of them if it is empty.
    pub kinds: Vec<&'static Kind>,
    /// How many faults.
    pub count: usize,
}

impl Default for Wish {
    /// One fault of any kind.
    fn default() -> Self {
        Self { kinds: Vec::new(), count: 1 }
    }
}

/// Finds places for faults in `dir`, a log directory or a partition's folder; nothing is changed.
///
/// Each fault changes other files than those before it, so that they do not depend on each other. They are fewer than wished for where
/// there are no more places, none where no kind has one.
///
/// # Errors
/// [`Error::NotReadable`] if `dir` is neither; [`Error::Io`] where the system refuses.
pub fn plan(fs: &dyn Fs, dir: &Path, seed: u64, wish: &Wish) -> Result<Vec<Fault>> {
    let folders = folders(fs, dir)?;
    let mut random = Random::new(seed);
    let mut faults: Vec<Fault> = Vec::new();
    let mut taken = BTreeSet::new();
    while faults.len() < wish.count {
        let Some(fault) = draw(fs, dir, &folders, &mut random, wish, &taken)? else { break };
        taken.extend(fault.changes.iter().map(|change| change.path().to_owned()));
        faults.push(fault);
    }
    Ok(faults)
}

/// The folders of the live partitions, in order.
fn folders(fs: &dyn Fs, dir: &Path) -> Result<Vec<PathBuf>> {
    match Target::of(fs, dir)? {
        Target::File(path) => Err(Error::NotReadable { path, what: "a file, not a directory" }),
        Target::Partition(folder) => Ok(vec![folder.path]),
        Target::LogDirectory(root) => {
            let live = root.partitions.into_iter().filter(|(name, _)| name.state == DirectoryState::Live);
            Ok(live.map(|(_, path)| path).collect())
        }
    }
}

/// One fault that touches none of the files in `taken`: of the first kind, in an order that is drawn, that has a place.
fn draw(
    fs: &dyn Fs,
    dir: &Path,
    folders: &[PathBuf],
    random: &mut Random,
    wish: &Wish,
    taken: &BTreeSet<PathBuf>,
) -> Result<Option<Fault>> {
    let mut kinds = if wish.kinds.is_empty() { Kind::all().collect() } else { wish.kinds.clone() };
    while !kinds.is_empty() {
        let kind = kinds.swap_remove(random.below(kinds.len()));
        let first = random.below(folders.len());
        for folder in folders.iter().cycle().skip(first).take(folders.len().min(MAX_PARTITIONS)) {
            for _ in 0..MAX_TRIES {
                let folder = PartitionDirectory::list(fs, folder)?;
                let mut site = Site::new(fs, dir, folder, Random::new(random.next()));
                let planned = kind.plan(&mut site)?.filter(|changes| !changes.is_empty());
                match planned {
                    None => break,
                    Some(changes) if changes.iter().any(|change| taken.contains(change.path())) => {}
                    Some(changes) => return Ok(Some(Fault { kind, changes })),
                }
            }
        }
    }
    Ok(None)
}
