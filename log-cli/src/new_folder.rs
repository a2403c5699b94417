//! A folder that a command makes: there whole under its name, or not at all.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use log_engine::fs::Lock;
use log_engine::log::root_files;
use log_engine::{Fs, OsFs, WriteFs};

use crate::error::CliError;
use crate::human;
use crate::rows::check_unused;

/// A folder on its way. It is filled in a folder called as it is with `.partial` behind, under the name that it will have, and goes
/// to its place when it is published. What an interruption leaves of it is begun anew by the next attempt.
pub(crate) struct NewFolder {
    path: PathBuf,
    partial: PathBuf,
    inside: PathBuf,
    /// Nobody else fills it.
    lock: Box<dyn Lock>,
}

impl NewFolder {
    /// Begins the folder `path`, which must not be there; folders above it are made.
    pub(crate) fn create(path: &Path) -> Result<Self, CliError> {
        let Some(name) = path.file_name() else {
            return Err(CliError::usage(format!("{} is no name for a new folder", path.display())));
        };
        if OsFs.stat(path)?.is_some() {
            return Err(CliError::Refused {
                message: format!("{} exists", path.display()),
                hint: Some("name a folder that is not there yet".to_owned()),
            });
        }
        check_unused(path)?;
        let mut partial = OsString::from(path);
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        make(&partial)?;
        let lock = OsFs.lock(&partial.join(root_files::LOCK))?;
        let inside = partial.join(name);
        if OsFs.stat(&inside)?.is_some() {
            fs::remove_dir_all(&inside).map_err(|source| failed("remove", &inside, source))?;
        }
        Ok(Self { path: path.to_owned(), partial, inside, lock })
    }

    /// Where to fill it, which is not there yet. It has the name that it will have.
    pub(crate) fn inside(&self) -> &Path {
        &self.inside
    }

    /// What takes more room than there is, is not begun.
    pub(crate) fn refuse_short_space(&self, bytes: u64) -> Result<(), CliError> {
        let free = OsFs.free_space(&self.partial)?;
        if free >= bytes {
            return Ok(());
        }
        let (path, bytes, free) = (self.path.display(), human::bytes(bytes), human::bytes(free));
        Err(CliError::Refused {
            message: format!("{path} needs {bytes}, and {free} are free"),
            hint: Some("make room, or choose less".to_owned()),
        })
    }

    /// Gives it its name. What is in it has to be durable.
    pub(crate) fn publish(self) -> Result<(), CliError> {
        OsFs.sync_dir(&self.partial)?;
        OsFs.rename(&self.inside, &self.path)?;
        OsFs.sync_dir(&self.partial)?;
        OsFs.sync_dir(self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
        OsFs.remove(&self.partial.join(root_files::LOCK))?;
        drop(self.lock);
        Ok(OsFs.remove_dir(&self.partial)?)
    }
}

/// Makes a folder and those above it.
pub(crate) fn make(folder: &Path) -> Result<(), CliError> {
    fs::create_dir_all(folder).map_err(|source| failed("create", folder, source))
}

fn failed(op: &'static str, path: &Path, source: std::io::Error) -> CliError {
    CliError::Engine(log_engine::Error::Io { op, path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_whole_or_not_at_all_and_is_begun_anew() {
        let around = tempfile::tempdir().unwrap();
        let path = around.path().join("a/b/orders-3");
        let first = NewFolder::create(&path).unwrap();
        fs::create_dir(first.inside()).unwrap();
        fs::write(first.inside().join("half"), b"x").unwrap();
        assert!(matches!(NewFolder::create(&path), Err(CliError::Engine(log_engine::Error::Locked { .. }))));
        drop(first);
        assert!(!path.exists());
        let second = NewFolder::create(&path).unwrap();
        assert!(!second.inside().exists(), "what was left is gone");
        fs::create_dir(second.inside()).unwrap();
        fs::write(second.inside().join("whole"), b"x").unwrap();
        assert_eq!(second.inside().file_name(), path.file_name());
        second.publish().unwrap();
        let names = |dir: &Path| fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
        assert_eq!((names(&path), names(path.parent().unwrap())), (vec!["whole".into()], vec!["orders-3".into()]));
        assert!(matches!(NewFolder::create(&path), Err(CliError::Refused { .. })));
        assert!(matches!(NewFolder::create(Path::new("..")), Err(CliError::Usage { .. })));
    }
}
