//! Real input: a file, or a folder as one text.
//!
//! Reads once, before any need is opened; from then on the text is an artifact and only its content counts. The order of
//! files is that of the bytes of their relative paths, never that in which a file system lists them.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::INPUT_BYTES_MAX;

/// The most files [`gather`] reads.
pub const FILES_MAX: usize = 100_000;

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// Nothing is there.
    #[error("{}: no such file or folder", path.display())]
    Missing {
        /// What was asked for.
        path: PathBuf,
    },
    /// It is there and cannot be read.
    #[error("{}: cannot be read: {why}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// A folder without any file below it.
    #[error("{}: no file in this folder", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// More than a job takes.
    #[error("{}: more than {bytes_max} bytes or {files_max} files: name a smaller part of it", path.display())]
    Oversize {
        /// What was asked for.
        path: PathBuf,
        /// The bound on bytes.
        bytes_max: u64,
        /// The bound on files.
        files_max: usize,
    },
}

/// The bytes of the file at `path`; or of all regular files below the folder at `path`, in the order of the bytes of their
/// relative paths, each ended by a line end if it has none (a word never spans two files). As `find -type f` does, links
/// and special files below the folder are passed over; `path` itself may be a link. At most [`INPUT_BYTES_MAX`] bytes.
///
/// # Errors
/// [`GatherError`], which names the path at fault.
pub fn gather(path: &Path) -> Result<Vec<u8>, GatherError> {
    let oversize = || GatherError::Oversize { path: path.to_owned(), bytes_max: INPUT_BYTES_MAX, files_max: FILES_MAX };
    let top = fs::metadata(path).map_err(|e| failed(path, e))?;
    let mut text = Vec::new();
    if !top.is_dir() && !top.is_file() {
        // A pipe or a device might never end.
        return Err(failed(path, io::Error::new(io::ErrorKind::InvalidInput, "neither a file nor a folder")));
    }
    if top.is_file() {
        append(path, &mut text)?;
        return if text.len() as u64 > INPUT_BYTES_MAX { Err(oversize()) } else { Ok(text) };
    }
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|e| failed(&folder, e))? {
            let entry = entry.map_err(|e| failed(&folder, e))?;
            let kind = entry.file_type().map_err(|e| failed(&entry.path(), e))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
        if files.len() > FILES_MAX {
            return Err(oversize());
        }
    }
    if files.is_empty() {
        return Err(GatherError::Empty { path: path.to_owned() });
    }
    // Not by `Path`, which compares component by component: `a.b` would follow `a/b`.
    files.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    for file in files {
        append(&file, &mut text)?;
        if text.last().is_some_and(|b| *b != b'\n') {
            text.push(b'\n');
        }
        if text.len() as u64 > INPUT_BYTES_MAX {
            return Err(oversize());
        }
    }
    Ok(text)
}

/// Appends the file's bytes, one more than the bound at most.
fn append(path: &Path, text: &mut Vec<u8>) -> Result<(), GatherError> {
    let room = (INPUT_BYTES_MAX + 1).saturating_sub(text.len() as u64);
    let file = fs::File::open(path).map_err(|e| failed(path, e))?;
    file.take(room).read_to_end(text).map(drop).map_err(|e| failed(path, e))
}

fn failed(path: &Path, why: io::Error) -> GatherError {
    let path = path.to_owned();
    match why.kind() {
        io::ErrorKind::NotFound => GatherError::Missing { path },
        _ => GatherError::Unreadable { path, why },
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests make the files that are gathered")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_text_in_the_order_of_path_bytes() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/deep")).unwrap();
        for (name, text) in [("a/deep/x", "3"), ("a.txt", "1\n"), ("a/b", "2"), ("z", ""), ("\u{e9}", "\u{e9}")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        assert_eq!(gather(dir.path()).unwrap(), "1\n2\n3\n\u{e9}\n".as_bytes());
        assert_eq!(gather(&dir.path().join("a/b")).unwrap(), b"2", "a file alone stays as it is");
    }

    #[test]
    fn links_inside_are_passed_over_so_that_a_loop_ends() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("f"), "f\n").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
        assert_eq!(gather(dir.path()).unwrap(), b"f\n");
        assert_eq!(gather(&dir.path().join("loop")).unwrap(), b"f\n", "the path asked for may be a link");
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(gather(&dir.path().join("no")), Err(GatherError::Missing { path }) if path.ends_with("no")));
        assert!(matches!(gather(dir.path()), Err(GatherError::Empty { .. })));
        let file = dir.path().join("f");
        fs::write(&file, "f").unwrap();
        assert!(matches!(gather(&file.join("below")), Err(GatherError::Unreadable { .. })));
        assert!(matches!(gather(Path::new("/dev/zero")), Err(GatherError::Unreadable { .. })));
        let large = fs::File::create(dir.path().join("large")).unwrap();
        large.set_len(INPUT_BYTES_MAX + 1).unwrap();
        assert!(matches!(gather(dir.path()), Err(GatherError::Oversize { .. })));
        assert!(matches!(gather(&dir.path().join("large")), Err(GatherError::Oversize { .. })));
        large.set_len(INPUT_BYTES_MAX).unwrap();
        assert_eq!(gather(&dir.path().join("large")).unwrap().len() as u64, INPUT_BYTES_MAX);
    }
}
