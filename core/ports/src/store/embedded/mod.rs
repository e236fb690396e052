//! The contracts kept on local files: what a newcomer gets with no server at all. One process at a time.
//!
//! `Committed` here means: on the disk, flushed, and found again after a crash at any moment.

mod artifacts;
mod bus;
mod journal;
mod register;

use std::fs::{self, File, TryLockError};
use std::path::Path;

use super::StoreError;

pub use artifacts::DiskArtifacts;
pub use bus::LocalBus;
pub use journal::Recovered;
pub use register::FileRegister;

fn unwritable(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    move |why| StoreError::Unwritable { path: path.to_owned(), why }
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    move |why| StoreError::Unreadable { path: path.to_owned(), why }
}

/// Makes what was created, renamed or removed in `folder` durable.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(unwritable(folder))
}

/// Creates `folder` and what is above it, durably.
fn create_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(unwritable(folder))?;
    folder.ancestors().skip(1).take_while(|above| !above.as_os_str().is_empty()).try_for_each(sync_folder)
}

/// Opens `path` for this process alone, creating it.
fn open_alone(path: &Path) -> Result<File, StoreError> {
    let file = File::options().read(true).append(true).create(true).open(path).map_err(unwritable(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unwritable(path)(source)),
    }
}
