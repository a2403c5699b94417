//! A file that a command makes: there whole under its name, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::CliError;
use crate::writer::Destination;

/// A file on its way: written under its name with `.tmp` behind, which goes if it is dropped before [`Destination::finish`].
#[derive(Debug)]
pub(crate) struct NewFile {
    file: File,
    path: PathBuf,
    /// The name that it is written under; `None` for pipes and devices, which have no other.
    temporary: Option<PathBuf>,
}

impl NewFile {
    /// Begins the file `path`. What is there already is a pipe or a device, or it stays what it is.
    pub(crate) fn create(path: &Path) -> Result<Self, CliError> {
        let named = |source| CliError::Engine(log_engine::Error::Io { op: "create", path: path.to_owned(), source });
        match fs::metadata(path) {
            Ok(there) if there.is_file() || there.is_dir() => {
                return Err(CliError::Refused {
                    message: format!("{} exists", path.display()),
                    hint: Some("choose a name that is free, or - for standard output".to_owned()),
                });
            }
            Ok(_) => {
                let file = OpenOptions::new().write(true).open(path).map_err(named)?;
                return Ok(Self { file, path: path.to_owned(), temporary: None });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(named(error)),
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".tmp");
        let temporary = PathBuf::from(name);
        let file = File::create(&temporary).map_err(named)?;
        Ok(Self { file, path: path.to_owned(), temporary: Some(temporary) })
    }

    fn named(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
    }

    fn publish(&mut self) -> io::Result<()> {
        let Some(temporary) = &self.temporary else {
            return Ok(());
        };
        self.file.sync_all()?;
        fs::rename(temporary, &self.path)?;
        self.temporary = None;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| self.named(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Destination for NewFile {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.publish().map_err(|error| self.named(&error))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // The error that led here was told; a rest with such a name is overwritten by the next attempt.
            let _ = fs::remove_file(temporary);
        }
    }
}
