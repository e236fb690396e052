//! Files written whole or not at all: beside their place first, then moved into it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::CliError;

/// The name beside `path` under which it is written first.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".tmp-{}", std::process::id()));
    name.into()
}

/// A file to be written at the end of a long work. That it can be written is known from the start.
#[derive(Debug)]
pub struct LateFile {
    path: PathBuf,
    beside: PathBuf,
    file: File,
}

impl LateFile {
    /// Makes room for `path`; what stands there stays until the end.
    pub fn begin(path: &Path) -> Result<Self, CliError> {
        if path.is_dir() {
            return Err(CliError::WrongKind { path: path.to_owned(), what: "is a folder; a file was expected" });
        }
        let beside = beside(path);
        let file = File::create(&beside).map_err(CliError::unwritable(path))?;
        Ok(Self { path: path.to_owned(), beside, file })
    }

    /// Writes it.
    pub fn finish(mut self, bytes: &[u8]) -> Result<(), CliError> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_all());
        written.and_then(|()| fs::rename(&self.beside, &self.path)).map_err(CliError::unwritable(&self.path))
    }
}

impl Drop for LateFile {
    fn drop(&mut self) {
        // Gone already if it was finished.
        let _ = fs::remove_file(&self.beside);
    }
}

/// A folder to be filled, that appears at its place when all is in it.
#[derive(Debug)]
pub struct LateFolder {
    path: PathBuf,
    beside: PathBuf,
}

impl LateFolder {
    /// Makes room for `path`, which must be new or empty.
    pub fn begin(path: &Path) -> Result<Self, CliError> {
        // `runs/` and `runs` are one place, and what is written beside it must not land inside it.
        let path: PathBuf = path.components().collect();
        match fs::read_dir(&path).map(|mut inside| inside.next().is_none()) {
            Ok(true) => {}
            Ok(false) => return Err(CliError::NotEmpty(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory && path.exists() => {
                return Err(CliError::WrongKind { path, what: "is no folder" });
            }
            Err(why) => return Err(CliError::Unwritable { path, why }),
        }
        if path.file_name().is_none() {
            return Err(CliError::WrongKind { path, what: "cannot be replaced by a new folder" });
        }
        let beside = beside(&path);
        fs::create_dir(&beside).map_err(CliError::unwritable(&path))?;
        Ok(Self { path, beside })
    }

    /// Writes a file of it, folders above included.
    pub fn write(&self, name: &Path, bytes: &[u8]) -> Result<(), CliError> {
        let file = self.beside.join(name);
        let folder = file.parent().expect("a file in the folder");
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&file, bytes));
        written.map_err(CliError::unwritable(&self.path.join(name)))
    }

    /// Moves it into its place.
    pub fn finish(self) -> Result<(), CliError> {
        // An empty folder gives way; one that has been filled meanwhile does not.
        fs::rename(&self.beside, &self.path).map_err(CliError::unwritable(&self.path))
    }
}

impl Drop for LateFolder {
    fn drop(&mut self) {
        // Gone already if it was finished.
        let _ = fs::remove_dir_all(&self.beside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        drop(LateFile::begin(&path).unwrap());
        assert!(names(folder.path()).is_empty());
        LateFile::begin(&path).unwrap().finish(b"one").unwrap();
        let second = LateFile::begin(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        second.finish(b"two").unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), names(folder.path()).len()), (b"two".as_slice(), 1));
        assert!(matches!(LateFile::begin(folder.path()), Err(CliError::WrongKind { .. })));
        assert!(matches!(LateFile::begin(&folder.path().join("no/where")), Err(CliError::Unwritable { .. })));
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let late = LateFolder::begin(&path).unwrap();
        late.write(Path::new("a/b"), b"x").unwrap();
        assert!(!path.exists());
        drop(late);
        assert!(names(folder.path()).is_empty());
        fs::create_dir(&path).unwrap();
        let late = LateFolder::begin(&path.join("")).unwrap();
        late.write(Path::new("a/b"), b"x").unwrap();
        late.finish().unwrap();
        assert_eq!((names(folder.path()), names(&path)), (vec!["run".to_owned()], vec!["a".to_owned()]));
        assert!(matches!(LateFolder::begin(&path), Err(CliError::NotEmpty(_))));
        assert!(matches!(LateFolder::begin(&path.join("a/b")), Err(CliError::WrongKind { .. })));
        assert!(matches!(LateFolder::begin(&path.join("a/b/c")), Err(CliError::Unwritable { .. })));
        assert!(matches!(LateFolder::begin(Path::new("/")), Err(CliError::NotEmpty(_) | CliError::WrongKind { .. })));
    }
}
