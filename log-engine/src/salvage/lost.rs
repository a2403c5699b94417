//! The folder beside the output: what could not be salvaged, byte for byte as it stood in its source, and a dump of how it begins.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::run::changed;
use crate::error::{Error, Result};
use crate::fs::{OpenMode, Source, WriteFs, write_all_at, write_whole};
use crate::units::FilePosition;

/// Bytes read at a time.
const PIECE: usize = 256 << 10;
/// Bytes of each range that are shown as text, too.
const SHOWN: usize = 1024;
/// Bytes a line of that text.
const LINE: usize = 16;

/// Copies `bytes` of `source` into `dir`, as `NAME.bin` and `NAME.hex`; the name with `.bin`. Stretches of zeros take no room.
///
/// # Errors
/// [`Error::Io`]; [`Error::Corrupt`] if the source has become shorter.
pub(super) fn keep(fs: &dyn WriteFs, dir: &Path, name: &str, source: &Source, bytes: &Range<u64>) -> Result<PathBuf> {
    let raw = PathBuf::from(format!("{name}.bin"));
    let path = dir.join(&raw);
    let file = fs.open_write(&path, OpenMode::New)?;
    let mut piece = vec![0; PIECE];
    let mut at = bytes.start;
    let mut dump = String::new();
    while at < bytes.end {
        let wanted = usize::try_from(bytes.end.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
        let read = source.read_at(piece.get_mut(..wanted).unwrap_or_default(), at)?;
        let read = piece.get(..read).unwrap_or_default();
        if read.is_empty() {
            return Err(changed(source, FilePosition::new(at)));
        }
        if at == bytes.start {
            dump = hexdump(read.get(..read.len().min(SHOWN)).unwrap_or_default(), at);
        }
        if read.iter().any(|byte| *byte != 0) {
            write_all_at(&*file, &path, read, at.saturating_sub(bytes.start))?;
        }
        at = at.saturating_add(read.len() as u64);
    }
    file.set_len(bytes.end.saturating_sub(bytes.start)).map_err(|e| Error::io("extend", &path, e))?;
    file.sync().map_err(|e| Error::io("sync", &path, e))?;
    write_whole(fs, &dir.join(format!("{name}.hex")), dump.as_bytes())?;
    Ok(raw)
}

/// Bytes as text: where they stand in their file, in hexadecimal, and as characters where they are some.
fn hexdump(bytes: &[u8], position: u64) -> String {
    let mut out = String::new();
    for (n, line) in (0_u64..).zip(bytes.chunks(LINE)) {
        let hex: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
        let text: String =
            line.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' }).collect();
        let at = position.saturating_add(n.saturating_mul(LINE as u64));
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{at:010x}  {hex:<48} |{text}|");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_shows_positions_numbers_and_characters() {
        assert_eq!(
            hexdump(b"Kafka\0\xff 0123456789", 0x428),
            "0000000428  4b 61 66 6b 61 00 ff 20 30 31 32 33 34 35 36 37  |Kafka.. 01234567|\n\
             0000000438  38 39                                            |89|\n"
        );
    }
}
