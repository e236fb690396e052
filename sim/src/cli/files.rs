//! Files written whole or not at all: beside their place first, then moved into it. What is no file and can be written to,
//! such as a terminal, is written through and never replaced.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::{CliError, say};

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
    to: To,
}

/// Where it goes.
#[derive(Debug)]
enum To {
    /// Into a regular file, new or there: written beside its place, then moved into it.
    Place {
        place: PathBuf,
        beside: PathBuf,
        file: File,
    },
    /// Through a terminal or another device of characters: it cannot be replaced, and must not be.
    Device(File),
    /// To where this program's own output goes, whatever that is.
    Output,
    Errors,
}

impl LateFile {
    /// Makes room for `path`; what stands there stays until the end. A link stays too: what it leads to is written. Pipes are
    /// refused, since opening one may wait for a reader for ever, and so is what would be destroyed by writing to it. `-` is the
    /// standard output.
    pub fn begin(path: &Path) -> Result<Self, CliError> {
        let to = match path.to_str() {
            Some("-" | "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1") => To::Output,
            Some("/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2") => To::Errors,
            _ => To::file(path)?,
        };
        Ok(Self { path: path.to_owned(), to })
    }

    /// Its name, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it goes where this program's own output goes.
    pub fn is_output(&self) -> bool {
        matches!(self.to, To::Output)
    }

    /// Writes it.
    pub fn finish(mut self, bytes: &[u8]) -> Result<(), CliError> {
        let written = match &mut self.to {
            To::Output => return say(bytes),
            To::Errors => io::stderr().write_all(bytes),
            To::Device(device) => device.write_all(bytes),
            To::Place { place, beside, file } => {
                let written = file.write_all(bytes).and_then(|()| file.sync_all());
                written.and_then(|()| fs::rename(beside, place))
            }
        };
        written.map_err(CliError::unwritable(&self.path))
    }
}

impl To {
    fn file(path: &Path) -> Result<Self, CliError> {
        let wrong = |what| CliError::WrongKind { path: path.to_owned(), what };
        let place = behind(path)?;
        let kind = match fs::metadata(&place) {
            Ok(there) => Some(there.file_type()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(why) => return Err(CliError::Unwritable { path: path.to_owned(), why }),
        };
        match kind {
            Some(kind) if kind.is_dir() => return Err(wrong("is a folder; a file was expected")),
            Some(kind) if is_char_device(kind) => {
                let device = OpenOptions::new().write(true).open(&place);
                return device.map(Self::Device).map_err(CliError::unwritable(path));
            }
            Some(kind) if !kind.is_file() => {
                return Err(wrong("is a pipe, a socket or a disk; a file, or /dev/stdout, was expected"));
            }
            _ => {}
        }
        if place.file_name().is_none() {
            return Err(wrong("is no name of a file"));
        }
        let beside = beside(&place);
        let file = File::create_new(&beside).map_err(CliError::unwritable(path))?;
        Ok(Self::Place { place, beside, file })
    }
}

impl Drop for LateFile {
    fn drop(&mut self) {
        if let To::Place { beside, .. } = &self.to {
            // Gone already if it was finished.
            let _ = fs::remove_file(beside);
        }
    }
}

/// Where `path` leads, if it is a link; itself otherwise.
fn behind(path: &Path) -> Result<PathBuf, CliError> {
    if !fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink()) {
        return Ok(path.to_owned());
    }
    fs::canonicalize(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            CliError::WrongKind { path: path.to_owned(), what: "is a link that leads to no file" }
        }
        _ => CliError::Unwritable { path: path.to_owned(), why: error },
    })
}

#[cfg(unix)]
fn is_char_device(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_char_device(&kind)
}

#[cfg(not(unix))]
const fn is_char_device(_: FileType) -> bool {
    false
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
        // `runs/` and `runs` are one place, and what is written beside it must not land inside it. A link stays: the folder it
        // leads to is filled.
        let path = behind(&path.components().collect::<PathBuf>())?;
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
        assert!(matches!(LateFile::begin(Path::new("")), Err(CliError::WrongKind { .. })));
        // Two reports at one place would be one report.
        let first = LateFile::begin(&path).unwrap();
        assert!(LateFile::begin(&path).is_err());
        drop(first);
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    #[cfg(unix)]
    fn links_stay_and_lead_to_what_is_written() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let is_link = |name: &str| fs::symlink_metadata(path(name)).unwrap().is_symlink();
        fs::create_dir(path("far")).unwrap();
        fs::write(path("far/report"), "old").unwrap();
        symlink(path("far/report"), path("link")).unwrap();
        LateFile::begin(&path("link")).unwrap().finish(b"new").unwrap();
        assert!(is_link("link") && fs::read(path("far/report")).unwrap() == b"new");
        assert_eq!(names(&path("far")), ["report"]);

        symlink(path("nothing"), path("dangling")).unwrap();
        symlink(path("far"), path("to-folder")).unwrap();
        symlink(path("loop"), path("loop")).unwrap();
        for name in ["dangling", "to-folder"] {
            assert!(matches!(LateFile::begin(&path(name)), Err(CliError::WrongKind { .. })), "{name}");
        }
        assert!(matches!(LateFile::begin(&path("loop")), Err(CliError::Unwritable { .. })));

        fs::create_dir(path("empty")).unwrap();
        symlink(path("empty"), path("run")).unwrap();
        let late = LateFolder::begin(&path("run")).unwrap();
        late.write(Path::new("a"), b"x").unwrap();
        late.finish().unwrap();
        assert!(is_link("run") && fs::read(path("empty/a")).unwrap() == b"x");
        assert!(matches!(LateFolder::begin(&path("dangling")), Err(CliError::WrongKind { .. })));
        assert!(matches!(LateFolder::begin(&path("link")), Err(CliError::WrongKind { .. })));
    }

    #[test]
    #[cfg(unix)]
    fn devices_are_written_through_and_pipes_refused() {
        use std::os::unix::fs::FileTypeExt as _;
        let null = Path::new("/dev/null");
        LateFile::begin(null).unwrap().finish(b"x").unwrap();
        assert!(fs::metadata(null).unwrap().file_type().is_char_device(), "it was not replaced");
        assert!(matches!(LateFolder::begin(null), Err(CliError::WrongKind { .. })));
        if Path::new("/dev/full").exists() {
            let full = LateFile::begin(Path::new("/dev/full")).unwrap();
            assert!(matches!(full.finish(b"x"), Err(CliError::Unwritable { .. })));
        }
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let socket = folder.path().join("socket");
        let _listens = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [&pipe, &socket] {
            assert!(matches!(LateFile::begin(path), Err(CliError::WrongKind { .. })), "{}", path.display());
            assert!(matches!(LateFolder::begin(path), Err(CliError::WrongKind { .. })), "{}", path.display());
        }
        assert_eq!(names(folder.path()), ["pipe", "socket"]);
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
