//! Files that somebody else names: a pipe or a device might never answer, so only regular files are read.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Opens the regular file at `path`, or the one that a link there leads to.
///
/// # Errors
/// It is another kind of thing, or the system says why not.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let found = fs::metadata(path)?;
    // A folder is left to the system to refuse: it says so better. Opening a pipe would wait for whoever writes to it.
    if !found.is_file() && !found.is_dir() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a file nor a folder: only files are read"));
    }
    File::open(path)
}

/// All bytes of the regular file at `path`.
///
/// # Errors
/// As [`open_regular`].
pub fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}
