//! The corruption sweep: one directory, and every way in which it is damaged. Not random: the same list each time.
//!
//! Every bit of every head and of every small file, every length to which a file can be cut, every 512-byte block zeroed, doubled and
//! exchanged, each field at its bounds (with the checksum that then fits, and without), each file gone, empty or something else,
//! and names that nobody wrote.

mod look;
mod names;

use std::fmt;
use std::path::{Path, PathBuf};

use super::memory_fs::{MemoryFs, Node};
use crate::batch::{Batch, Walk};
pub use crate::damage::{Bound, Field};
use crate::damage::{fields, head_bytes};
use crate::units::FilePosition;
pub use look::look;
pub use names::odd_names;

/// Bytes of a disk's sector, which is lost, stale or misplaced as a whole.
const BLOCK: usize = 512;
/// Of a longer file the bits are flipped and the lengths tried up to here only.
const PREFIX: usize = 16 << 10;

/// One damage to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which file, from the root of the directory.
    pub file: PathBuf,
    /// What happens to it.
    pub kind: DamageKind,
}

/// What can happen to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// A bit is another.
    Flip {
        /// The byte.
        at: usize,
        /// The bit, 0 the lowest.
        bit: u8,
    },
    /// The file ends early.
    Cut {
        /// What is left of it.
        len: usize,
    },
    /// A block holds zeros.
    Zero {
        /// Which block, counted from 0.
        block: usize,
    },
    /// A block is there twice, and all behind it moves on.
    Double {
        /// Which block.
        block: usize,
    },
    /// Two blocks have changed places.
    Exchange {
        /// The one.
        block: usize,
        /// The other.
        with: usize,
    },
    /// A field has another value.
    Set {
        /// Where, and how long it is.
        field: Field,
        /// The value.
        to: Bound,
        /// Whether the checksum above the field is made to fit.
        sealed: bool,
    },
    /// The file is not there.
    Missing,
    /// The file has no bytes.
    Empty,
    /// Something else stands in its place.
    Becomes(Other),
    /// A file that was not there, with the bytes of `file`.
    Copied {
        /// Its path.
        to: PathBuf,
    },
}

/// What can stand where a file should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// A folder.
    Directory,
    /// A link.
    Link,
    /// A FIFO.
    Special,
    /// A file that cannot be opened.
    Unreadable,
}

/// Every damage to the directory, file by file.
#[must_use]
pub fn damages(base: &MemoryFs) -> Vec<Damage> {
    let mut all = Vec::new();
    for (file, bytes) in base.files() {
        let mut add = |kind| all.push(Damage { file: file.to_owned(), kind });
        for at in head_bytes(file, bytes).filter(|at| *at < PREFIX) {
            (0..8).for_each(|bit| add(DamageKind::Flip { at, bit }));
        }
        (0..bytes.len().min(PREFIX)).for_each(|len| add(DamageKind::Cut { len }));
        let blocks = bytes.len().div_ceil(BLOCK);
        for block in 0..blocks {
            add(DamageKind::Zero { block });
            add(DamageKind::Double { block });
            (block + 1..blocks).for_each(|with| add(DamageKind::Exchange { block, with }));
        }
        for field in fields(file, bytes) {
            for to in Bound::ALL {
                add(DamageKind::Set { field, to, sealed: false });
                if field.is_sealed {
                    add(DamageKind::Set { field, to, sealed: true });
                }
            }
        }
        add(DamageKind::Missing);
        add(DamageKind::Empty);
        for other in [Other::Directory, Other::Link, Other::Special, Other::Unreadable] {
            add(DamageKind::Becomes(other));
        }
    }
    for (file, to) in odd_names(base) {
        all.push(Damage { file, kind: DamageKind::Copied { to } });
    }
    all
}

impl Damage {
    /// The directory with this damage.
    #[must_use]
    pub fn applied_to(&self, base: &MemoryFs) -> MemoryFs {
        let mut damaged = base.clone();
        let bytes = base.bytes(&self.file).unwrap_or_default();
        match &self.kind {
            DamageKind::Missing => damaged.remove(&self.file),
            DamageKind::Becomes(other) => damaged.put(self.file.clone(), other.node()),
            DamageKind::Copied { to } => damaged.put_file(to.clone(), bytes),
            changed => damaged.put_file(self.file.clone(), changed.bytes(bytes)),
        }
        damaged
    }

    /// True where a checksum or the framing must show it: a walk over the log cannot pass without a word.
    ///
    /// Conservative. Most of the other damages show too, by what the files say of each other.
    #[must_use]
    pub fn is_certain(&self, base: &MemoryFs) -> bool {
        let bytes = base.bytes(&self.file).unwrap_or_default();
        let is_log = self.file.extension().is_some_and(|ending| ending == "log");
        let at = match &self.kind {
            DamageKind::Flip { at, .. } => *at,
            DamageKind::Set { field, sealed: false, .. } if self.kind.bytes(bytes) != bytes => field.at,
            _ => return false,
        };
        // The length, the magic, and all that the checksum covers and is; not what leaders stamp.
        let head = |start: usize| at.checked_sub(start).is_some_and(|at| (8..12).contains(&at) || at >= 16);
        is_log && batches(bytes).any(|(start, len)| at < start + len && head(start))
    }

    /// The sound batches of the directory that the damage does not touch: file and first byte.
    #[must_use]
    pub fn spared<'a>(&self, base: &'a MemoryFs, damaged: &MemoryFs) -> Vec<(&'a Path, FilePosition)> {
        let mut spared = Vec::new();
        for (file, bytes) in base.files().filter(|(file, _)| file.extension().is_some_and(|ending| ending == "log")) {
            let Some(now) = damaged.bytes(file) else { continue };
            let same = batches(bytes).filter(|(at, len)| bytes.get(*at..at + len) == now.get(*at..at + len));
            spared.extend(same.map(|(at, _)| (file, FilePosition::new(at as u64))));
        }
        spared
    }
}

/// First byte and length of the sound batches at the start of a `.log` file.
fn batches(bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let sound = |batch: &Batch<'_>| batch.check_crc().is_ok();
    Walk::new(bytes).filter_map(move |(at, batch)| Some((at, batch.ok().filter(sound)?.bytes().len())))
}

impl DamageKind {
    /// What becomes of a file with these bytes.
    fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut changed = bytes.to_vec();
        let block = |n: usize| n * BLOCK..(n * BLOCK + BLOCK).min(bytes.len());
        match self {
            Self::Flip { at, bit } => changed[*at] ^= 1 << bit,
            Self::Cut { len } => changed.truncate(*len),
            Self::Zero { block: n } => changed[block(*n)].fill(0),
            Self::Double { block: n } => {
                changed.splice(n * BLOCK..n * BLOCK, bytes[block(*n)].iter().copied());
            }
            Self::Exchange { block: one, with } => {
                changed.splice(block(*with), bytes[block(*one)].iter().copied());
                changed.splice(block(*one), bytes[block(*with)].iter().copied());
            }
            Self::Set { field, to, sealed } => {
                field.set(*to, &mut changed);
                if *sealed {
                    field.seal(&mut changed);
                }
            }
            Self::Empty | Self::Missing | Self::Becomes(_) => changed.clear(),
            Self::Copied { .. } => {}
        }
        changed
    }
}

impl Other {
    const fn node(self) -> Node {
        match self {
            Self::Directory => Node::Directory,
            Self::Link => Node::Link,
            Self::Special => Node::Special,
            Self::Unreadable => Node::Unreadable,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.file.display(), self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_does_what_it_says() {
        let bytes: Vec<u8> = (0..1100_u32).map(|n| (n / 512) as u8 + 1).collect();
        let after = |kind: DamageKind| kind.bytes(&bytes);
        assert_eq!(after(DamageKind::Flip { at: 3, bit: 7 })[3], 0x81);
        assert_eq!(after(DamageKind::Cut { len: 9 }).len(), 9);
        let zeroed = after(DamageKind::Zero { block: 2 });
        assert_eq!((zeroed.len(), zeroed[1023], zeroed[1024], zeroed[1099]), (1100, 2, 0, 0));
        let doubled = after(DamageKind::Double { block: 1 });
        assert_eq!((doubled.len(), doubled[511], doubled[512], doubled[1535], doubled[1536]), (1612, 1, 2, 2, 3));
        let exchanged = after(DamageKind::Exchange { block: 0, with: 2 });
        assert_eq!((exchanged.len(), exchanged[0], exchanged[76], exchanged[1099]), (1100, 3, 2, 1));
        assert!(after(DamageKind::Empty).is_empty());
    }
}
