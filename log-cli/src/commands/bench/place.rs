//! Which file system a folder is on, and which device that is on.

use std::path::{Path, PathBuf};

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its type, such as `ext4`.
    pub(super) file_system: String,
    /// What it is on, such as `/dev/sda1`.
    pub(super) device: String,
}

impl Place {
    /// Where `dir` is, as Linux says; `unknown` where it does not.
    pub(super) fn of(dir: &Path) -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        let unknown = || Self { file_system: "unknown".to_owned(), device: "unknown".to_owned() };
        find(&mounts, &dir).unwrap_or_else(unknown)
    }
}

/// The mount in whose tree `dir` is: the deepest, and of several at one place the last.
fn find(mounts: &str, dir: &Path) -> Option<Place> {
    let mut found: Option<(usize, Place)> = None;
    for line in mounts.lines() {
        let Some((before, behind)) = line.split_once(" - ") else { continue };
        let Some(point) = before.split(' ').nth(4).map(unescaped) else { continue };
        let mut behind = behind.split(' ');
        let (Some(file_system), Some(device)) = (behind.next(), behind.next()) else { continue };
        let depth = point.components().count();
        if dir.starts_with(&point) && found.as_ref().is_none_or(|(deepest, _)| depth >= *deepest) {
            let device = unescaped(device).display().to_string();
            found = Some((depth, Place { file_system: file_system.to_owned(), device }));
        }
    }
    found.map(|(_, place)| place)
}

/// A path with the escapes of blanks undone.
fn unescaped(text: &str) -> PathBuf {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
21 1 253:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 21 0:25 / /tmp rw,nosuid - tmpfs tmpfs rw,size=1g
31 21 8:1 / /mnt/my\\040disk rw shared:2 master:3 - xfs /dev/sda1 rw
32 21 0:30 / /mnt rw - overlay over rw
";

    #[test]
    fn the_deepest_mount_counts() {
        let at =
            |dir: &str| find(MOUNTS, Path::new(dir)).map(|place| format!("{} {}", place.file_system, place.device));
        assert_eq!(at("/home/x").as_deref(), Some("ext4 /dev/vda1"));
        assert_eq!(at("/tmp/bench").as_deref(), Some("tmpfs tmpfs"));
        assert_eq!(at("/tmpfile").as_deref(), Some("ext4 /dev/vda1"));
        assert_eq!(at("/mnt/my disk/a").as_deref(), Some("xfs /dev/sda1"));
        assert_eq!(at("/mnt/b").as_deref(), Some("overlay over"));
        assert_eq!(find("nonsense", Path::new("/")), None);
    }
}
