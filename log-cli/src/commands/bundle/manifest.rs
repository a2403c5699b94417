//! What is in a bundle, and what is not.

use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// `manifest.json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    /// The version of this form.
    schema: Version,
    tool: Tool,
    /// The time that was gone by: milliseconds since 1970.
    now: i64,
    /// The folders of the archive, and the directories that they stand for.
    folders: Vec<Folder>,
    /// What is in the archive besides this.
    files: Vec<Taken>,
    /// What lies in the directories and is not in it.
    left_out: Vec<LeftOut>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum Version {
    #[serde(rename = "bundle/1")]
    One,
}

/// What made the archive.
#[derive(Debug, Serialize, JsonSchema)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

/// A folder of the archive.
#[derive(Debug, Serialize, JsonSchema)]
struct Folder {
    name: String,
    path: String,
}

/// A file of the archive.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Taken {
    name: String,
    bytes: u64,
    /// Of these bytes, in hexadecimal digits.
    sha256: String,
    /// Whether they differ from those of the file: something in it said nothing.
    rewritten: bool,
}

/// A file that stayed out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LeftOut {
    /// As it would be called in the archive.
    name: String,
    bytes: u64,
    why: String,
    /// Whether it is on the list of what goes in.
    listed: bool,
}

impl Manifest {
    pub(super) fn new(now: i64) -> Self {
        Self {
            schema: Version::One,
            tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
            now,
            folders: Vec::new(),
            files: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// The folder `name` stands for the directory `path`.
    pub(super) fn folder(&mut self, name: &str, path: String) {
        self.folders.push(Folder { name: name.to_owned(), path });
    }

    pub(super) fn took(&mut self, name: &str, bytes: &[u8], rewritten: bool) {
        let sha256 = format!("{:x}", Sha256::digest(bytes));
        self.files.push(Taken { name: name.to_owned(), bytes: bytes.len() as u64, sha256, rewritten });
    }

    /// A file that is not on the list.
    pub(super) fn passed(&mut self, name: String, bytes: u64, why: &str) {
        self.left_out.push(LeftOut { name, bytes, why: why.to_owned(), listed: false });
    }

    /// A file, or a folder, that should be in it and cannot.
    pub(super) fn lost(&mut self, name: String, bytes: u64, why: String) {
        self.left_out.push(LeftOut { name, bytes, why, listed: true });
    }

    /// True if all is in it that is on the list.
    pub(super) fn is_whole(&self) -> bool {
        self.listed_left_out() == 0
    }

    pub(super) fn listed_left_out(&self) -> u64 {
        self.left_out.iter().filter(|file| file.listed).count() as u64
    }

    /// How many files are in it, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.files.len() as u64, self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes)))
    }
}
