//! Any bytes as the words of a command line, and the exit codes that a command may have. Shared with the fuzz target `cli_args`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The documented exit codes.
pub(crate) const EXIT_CODES: [i32; 7] = [0, 1, 2, 3, 4, 5, 130];
/// More words are left out.
const MOST: usize = 24;

/// A word a line, behind the program's name; `None` for lines that must not be tried in a scratch folder: those that leave it, and
/// those that wait on purpose.
pub(crate) fn command_line(data: &[u8]) -> Option<Vec<OsString>> {
    let words: Vec<&[u8]> = data.split(|byte| *byte == b'\n').take(MOST).collect();
    // What is replaced is kept beside the folder.
    let leaves = |word: &&[u8]| {
        word.contains(&b'/') || word.contains(&0) || word.windows(2).any(|two| two == b"..") || *word == b"--apply"
    };
    let waits = |word: &&[u8]| {
        word.starts_with(b"--fol") || word.starts_with(b"--rate") || word.starts_with(b"bench") || is_follow(word)
    };
    if words.iter().any(|word| leaves(word) || waits(word)) {
        return None;
    }
    let owned = words.into_iter().map(|word| OsStr::from_bytes(word).to_owned());
    Some([OsString::from("log-cli")].into_iter().chain(owned).collect())
}

/// `-F`, alone or among other short flags.
fn is_follow(word: &[u8]) -> bool {
    word.starts_with(b"-") && !word.starts_with(b"--") && word.contains(&b'F')
}
