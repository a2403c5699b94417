//! Damage to a file of a directory whose log is closed, as a power cut or a bad disk might do it.

use super::args::{Args, unhex};

/// What is done to the bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The last bytes go.
    Cut(u64),
    /// Bytes are added.
    Grow(Vec<u8>),
    /// A byte is inverted. Negative positions count from the end.
    Flip(i64),
    /// Bytes are overwritten, past the end if need be. Negative positions count from the end.
    Write(i64, Vec<u8>),
    /// The file goes.
    Remove,
}

impl Damage {
    /// The damage that a line describes, and the file that it names.
    pub(super) fn parse(args: &mut Args<'_>) -> Result<(Self, String), String> {
        let how = args.needed_word("cut, grow, flip, write or remove")?;
        let file = args.needed_word("a file")?.to_owned();
        let damage = match how {
            "cut" => Self::Cut(args.word_number("a number of bytes")?),
            "grow" => {
                let what = args.needed_word("bytes")?;
                match what.strip_prefix("zeros:") {
                    Some(count) => Self::Grow(vec![0; super::args::number("zeros", count)?]),
                    None => Self::Grow(unhex(what)?),
                }
            }
            "flip" => Self::Flip(args.word_number("a position")?),
            "write" => Self::Write(args.word_number("a position")?, unhex(args.needed_word("bytes")?)?),
            "remove" => Self::Remove,
            _ => return Err(format!("cannot {how}")),
        };
        Ok((damage, file))
    }

    /// What becomes of a file's bytes; `None` if the file goes.
    #[must_use]
    pub fn apply(&self, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Self::Cut(count) => {
                bytes.truncate(bytes.len().saturating_sub(usize::try_from(*count).unwrap_or(usize::MAX)))
            }
            Self::Grow(more) => bytes.extend(more),
            Self::Flip(at) => {
                let at = position(*at, bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 0xff;
                }
            }
            Self::Write(at, what) => {
                let at = position(*at, bytes.len());
                let end = at.saturating_add(what.len());
                bytes.resize(bytes.len().max(end), 0);
                if let Some(place) = bytes.get_mut(at..end) {
                    place.copy_from_slice(what);
                }
            }
            Self::Remove => return None,
        }
        Some(bytes)
    }
}

/// A position from the start, or from the end if negative; never before the start.
fn position(at: i64, len: usize) -> usize {
    let from_end = || len.saturating_sub(usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX));
    usize::try_from(at).unwrap_or_else(|_| from_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged(line: &str) -> Option<Vec<u8>> {
        let mut args = Args::new(line.split(' ')).unwrap();
        let (damage, file) = Damage::parse(&mut args).unwrap();
        args.end().unwrap();
        assert_eq!(file, "f");
        damage.apply(vec![1, 2, 3])
    }

    #[test]
    fn each_kind_of_damage_does_what_it_says() {
        for (line, left) in [
            ("cut f 1", vec![1, 2]),
            ("cut f 9", vec![]),
            ("grow f 0a", vec![1, 2, 3, 10]),
            ("grow f zeros:2", vec![1, 2, 3, 0, 0]),
            ("flip f 0", vec![0xfe, 2, 3]),
            ("flip f -1", vec![1, 2, 0xfc]),
            ("flip f -9", vec![0xfe, 2, 3]),
            ("flip f 3", vec![1, 2, 3]),
            ("write f 1 0909", vec![1, 9, 9]),
            ("write f -1 0707", vec![1, 2, 7, 7]),
            ("write f 5 07", vec![1, 2, 3, 0, 0, 7]),
        ] {
            assert_eq!(damaged(line), Some(left), "{line}");
        }
        assert_eq!(damaged("remove f"), None);
    }
}
