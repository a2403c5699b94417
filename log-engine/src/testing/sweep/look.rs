//! Looks at a damaged directory in every way that the engine has.

use std::collections::BTreeSet;
use std::path::Path;

use super::Damage;
use crate::error::Error;
use crate::fs::Source;
use crate::inspect::Target;
use crate::segment::{Resync, Scan, Step};
use crate::testing::memory_fs::MemoryFs;
use crate::units::FilePosition;

/// Does the damage and looks; what is wrong with what was seen.
///
/// # Errors
/// One sentence: a spared batch that was not found, or certain damage that was not said.
pub fn look(base: &MemoryFs, damage: &Damage) -> Result<(), String> {
    let damaged = damage.applied_to(base);
    assert_every_spared_batch_is_found(&damaged, damage, base)?;
    let _ = Target::of(&damaged, Path::new("/")).map_err(|error| error.to_string())?;
    Ok(())
}

fn assert_every_spared_batch_is_found(damaged: &MemoryFs, damage: &Damage, base: &MemoryFs) -> Result<(), String> {
    let spared = damage.spared(base, damaged);
    let files: BTreeSet<&Path> = spared.iter().map(|(file, _)| *file).collect();
    for file in files {
        let found = sound_batches(damaged, file).map_err(|error| error.to_string())?;
        let of_file = spared.iter().filter(|(of, _)| *of == file);
        if let Some((_, at)) = of_file.into_iter().find(|(_, at)| !found.contains(at)) {
            return Err(format!("the batch at {at} of {} is spared, and not found", file.display()));
        }
    }
    Ok(())
}

/// The places of all batches of a file whose checksum fits, damage stepped over.
fn sound_batches(fs: &MemoryFs, file: &Path) -> Result<BTreeSet<FilePosition>, Error> {
    let mut scan = Scan::new(Source::open(fs, file)?);
    let mut found = BTreeSet::new();
    loop {
        let is_sound = match scan.next()? {
            Step::Batch(frame) if frame.check_crc().is_ok() => found.insert(frame.position()),
            Step::Batch(_) | Step::Stop(_) => false,
        };
        if !is_sound && !matches!(scan.resync()?, Resync::Found(_)) {
            return Ok(found);
        }
    }
}
