//! What must hold of a directory after one damage.

use super::Damage;
use crate::inspect::Severity;
use crate::testing::look::look_around;
use crate::testing::memory_fs::MemoryFs;

/// Does the damage and looks; what is wrong with what was seen.
///
/// # Errors
/// One sentence: a spared batch that was not read, or damage that a checksum shows and nobody said.
pub fn look(base: &MemoryFs, damage: &Damage) -> Result<(), String> {
    let damaged = damage.applied_to(base);
    let seen = look_around(&damaged).map_err(|error| error.to_string())?;
    if !seen.refused {
        let spared = damage.spared(base, &damaged);
        if let Some((file, at)) = spared.iter().find(|(file, at)| !seen.batches.contains(&(file.to_path_buf(), *at))) {
            return Err(format!("the batch at {at} of {} is spared, and not read", file.display()));
        }
    }
    if damage.is_certain(base) && !seen.damages.iter().any(|(file, _)| *file == damage.file) {
        return Err("no reader says that anything is wrong".to_owned());
    }
    if damage.is_certain(base) && !seen.findings.iter().any(|found| found.severity > Severity::Info) {
        return Err("verify finds nothing wrong".to_owned());
    }
    Ok(())
}
