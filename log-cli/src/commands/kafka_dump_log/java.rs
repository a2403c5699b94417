//! What Java does without being asked: paths, numbers from text, UTF-8, the order of a hash map.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::thrown::Thrown;

/// A path as `java.io.File` holds it: no double slashes, none at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JavaFile(OsString);

impl JavaFile {
    pub(super) fn new(path: &[u8]) -> Self {
        let mut normal: Vec<u8> = Vec::with_capacity(path.len());
        for &byte in path {
            if byte != b'/' || normal.last() != Some(&b'/') {
                normal.push(byte);
            }
        }
        if normal.len() > 1 && normal.last() == Some(&b'/') {
            normal.pop();
        }
        Self(OsString::from_vec(normal))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(super) fn path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// What stands behind the last slash.
    pub(super) fn name(&self) -> &[u8] {
        let bytes = self.bytes();
        let start = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        bytes.get(start..).unwrap_or_default()
    }

    /// The name up to its first dot.
    pub(super) fn stem(&self) -> &[u8] {
        self.name().split(|&byte| byte == b'.').next().unwrap_or_default()
    }

    /// The path from the root on; dots stay.
    pub(super) fn absolute(&self) -> PathBuf {
        if self.path().is_absolute() {
            return self.path().to_owned();
        }
        let folder = std::env::current_dir().unwrap_or_default();
        if self.0.is_empty() { folder } else { folder.join(self.path()) }
    }

    /// A file in the same folder with the same number and another ending, by its absolute path.
    pub(super) fn companion(&self, suffix: &str) -> Self {
        let absolute = self.absolute();
        let mut path = absolute.parent().unwrap_or(Path::new("/")).as_os_str().to_owned();
        path.push("/");
        path.push(OsStr::from_bytes(self.stem()));
        path.push(suffix);
        Self::new(path.as_bytes())
    }
}

impl std::fmt::Display for JavaFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.path().display().fmt(f)
    }
}

/// `Long.parseLong`.
pub(super) fn parse_long(text: &[u8]) -> Result<i64, Thrown> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(|| not_a_number(text))
}

/// `Integer.parseInt`.
pub(super) fn parse_int(text: &[u8]) -> Result<i32, Thrown> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(|| not_a_number(text))
}

fn not_a_number(text: &[u8]) -> Thrown {
    let text = String::from_utf8_lossy(text);
    Thrown::new("java.lang.NumberFormatException", format!("For input string: \"{text}\""))
}

/// What stands for bytes that are no UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Adds `bytes` as `new String(bytes, UTF_8)` shows them: as they are where they are UTF-8, with replacement characters where not.
#[inline]
pub(super) fn put_text(out: &mut Vec<u8>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => out.extend_from_slice(text.as_bytes()),
        Err(_) => put_broken_text(out, bytes),
    }
}

#[cold]
fn put_broken_text(out: &mut Vec<u8>, mut rest: &[u8]) {
    while let Err(error) = std::str::from_utf8(rest) {
        let (valid, broken) = rest.split_at(error.valid_up_to());
        out.extend_from_slice(valid);
        out.extend_from_slice(REPLACEMENT);
        let len = error.error_len().unwrap_or(broken.len()).max(len_of_surrogate(broken));
        rest = broken.get(len..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// How many bytes of half a surrogate pair stand at the start of `bytes`: Java replaces them together, Rust one by one.
fn len_of_surrogate(bytes: &[u8]) -> usize {
    match bytes {
        [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
        [0xed, 0xa0..=0xbf, ..] => 2,
        _ => 0,
    }
}

/// Puts `entries` into the order in which a `HashMap<String, _>` that took their keys in the given order gives them.
pub(super) fn in_hash_order<V>(mut entries: Vec<(String, V)>) -> Vec<(String, V)> {
    let mut buckets = 16_u32;
    while entries.len() as u64 * 4 > u64::from(buckets) * 3 {
        buckets = buckets.saturating_mul(2);
    }
    entries.sort_by_key(|(key, _)| {
        let hash = key.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ (hash >> 16)) & (buckets - 1)
    });
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_double_and_last_slashes() {
        let file = |path: &str| JavaFile::new(path.as_bytes()).to_string();
        assert_eq!(file(".//a///b.log//"), "./a/b.log");
        assert_eq!((file("//"), file(""), file("../x")), ("/".into(), String::new(), "../x".into()));
        let file = JavaFile::new(b"/data/t-0/0007.log.1");
        assert_eq!((file.name(), file.stem()), (&b"0007.log.1"[..], &b"0007"[..]));
        assert_eq!(file.companion(".index").to_string(), "/data/t-0/0007.index");
    }

    #[test]
    fn numbers_are_those_that_java_reads() {
        assert_eq!((parse_long(b"+5").unwrap(), parse_long(b"-0005").unwrap()), (5, -5));
        for text in ["", "x", " 5", "9223372036854775808", "+", "5_0"] {
            let expected = format!("java.lang.NumberFormatException: For input string: \"{text}\"");
            assert_eq!(parse_long(text.as_bytes()).unwrap_err().to_string(), expected);
        }
        assert!(parse_int(b"2147483648").is_err());
    }

    /// The number of replacement characters is what `new String(bytes, UTF_8)` gives on Java 17.
    #[test]
    fn broken_text_is_replaced_as_java_does() {
        let text = |bytes: &[u8]| {
            let mut out = Vec::new();
            put_text(&mut out, bytes);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text("grün, 水, 𝄞".as_bytes()), "grün, 水, 𝄞");
        for (bytes, shown) in [
            (&b"a\xffb"[..], "a?b"),
            (b"\xc3", "?"),
            (b"\xc0\x80", "??"),
            (b"\xe6\xb0", "?"),
            (b"\xe6\xb0a", "?a"),
            (b"\xe0\x80\x80", "???"),
            (b"\xed\xa0\x80", "?"),
            (b"\xed\xa0", "?"),
            (b"\xed\xa0a", "?a"),
            (b"\xed\xa0\x80\xed\xb0\x80!", "??!"),
            (b"\xf0\x9d\x84", "?"),
            (b"\xf0\x9d\x84z", "?z"),
            (b"\xf4\x90\x80\x80", "????"),
            (b"\xf8\x88\x80\x80\x80", "?????"),
        ] {
            assert_eq!(text(bytes), shown.replace('?', "\u{fffd}"), "{bytes:02x?}");
        }
    }

    #[test]
    fn entries_come_in_the_order_of_their_hashes() {
        let entries = ["/b", "/a", "/q"].map(|key| (key.to_owned(), ()));
        let keys: Vec<_> = in_hash_order(entries.into()).into_iter().map(|(key, ())| key).collect();
        // Buckets 3, 2 and 2 of 16.
        assert_eq!(keys, ["/a", "/q", "/b"]);
    }
}
