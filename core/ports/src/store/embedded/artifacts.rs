//! The embedded artifact store: a folder of files named by their content.
//!
//! A file appears under its address whole or not at all: written beside, flushed, then renamed. It is never written again,
//! and every read is held against the name.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use swarm_core::id::Cid;

use super::super::{ARTIFACT_BYTES_MAX, Answer, Artifacts, Bytes, StoreError, bounded};
use super::{create_folder, open_alone, sync_folder, unreadable, unwritable};

/// Artifacts in one folder, held by one process.
#[derive(Debug)]
pub struct DiskArtifacts {
    folder: PathBuf,
    /// Keeps other processes out while it is open.
    _lock: File,
    swept: u64,
}

impl DiskArtifacts {
    /// Opens the store in `folder`, creating it, and sweeps away what writes that a crash cut short left there.
    ///
    /// # Errors
    /// [`StoreError`]: not writable, or held by another process.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        create_folder(folder)?;
        let lock = open_alone(&folder.join(".lock"))?;
        let mut swept = 0;
        for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
            let path = entry.map_err(unreadable(folder))?.path();
            if path.extension().is_some_and(|e| e == "tmp") {
                fs::remove_file(&path).map_err(unwritable(&path))?;
                swept += 1;
            }
        }
        Ok(Self { folder: folder.to_owned(), _lock: lock, swept })
    }

    /// Unfinished writes that were swept away at opening.
    pub fn swept(&self) -> u64 {
        self.swept
    }

    fn path(&self, cid: &Cid) -> PathBuf {
        self.folder.join(cid.to_string())
    }

    /// Writes `bytes` beside their place; nothing under an address has changed yet.
    fn write_beside(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let write = || -> io::Result<()> {
            let mut file = File::create(path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|error| {
            // What is left is swept at the next opening if it cannot be removed now.
            let _ = fs::remove_file(path);
            unwritable(path)(error)
        })
    }
}

impl Artifacts for DiskArtifacts {
    fn put(&mut self, bytes: &[u8]) -> Answer<Cid> {
        let cid = Cid::of(bytes);
        let path = self.path(&cid);
        let beside = path.with_extension("tmp");
        let prepared = bounded(bytes, ARTIFACT_BYTES_MAX).and_then(|()| self.get(&cid)).and_then(|held| match held {
            Some(_) => Ok(true),
            None => self.write_beside(&beside, bytes).map(|()| false),
        });
        match prepared {
            Err(error) => Answer::NotCommitted(error),
            // It may have been renamed just before a crash, and the folder not flushed.
            Ok(true) => sync_folder(&self.folder).map_or_else(Answer::Unknown, |()| Answer::Committed(cid)),
            Ok(false) => {
                match fs::rename(&beside, &path).map_err(unwritable(&path)).and_then(|()| sync_folder(&self.folder)) {
                    Ok(()) => Answer::Committed(cid),
                    Err(error) => Answer::Unknown(error),
                }
            }
        }
    }

    fn get(&self, cid: &Cid) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(cid);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&path)(error)),
        };
        let mut bytes = Vec::new();
        file.take(ARTIFACT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable(&path))?;
        let found = Cid::of(&bytes);
        if found != *cid {
            return Err(StoreError::CorruptArtifact { cid: *cid, found });
        }
        Ok(Some(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::conformance;
    use super::*;

    #[test]
    fn it_conforms() {
        let dir = tempfile::tempdir().unwrap();
        conformance::artifacts(&mut DiskArtifacts::open(&dir.path().join("new/folder")).unwrap());
        conformance::artifacts_survive(|| DiskArtifacts::open(&dir.path().join("again")).unwrap());
    }

    #[test]
    fn damage_is_an_error_that_names_the_artifact_and_is_never_mended_silently() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = DiskArtifacts::open(dir.path()).unwrap();
        let cid = store.put(b"true").committed().unwrap();
        for damage in [&b"trux"[..], b"tru", b"", b"true\n"] {
            fs::write(store.path(&cid), damage).unwrap();
            match store.get(&cid) {
                Err(StoreError::CorruptArtifact { cid: named, found }) => {
                    assert_eq!((named, found), (cid, Cid::of(damage)))
                }
                other => panic!("{other:?}"),
            }
            assert!(matches!(store.put(b"true"), Answer::NotCommitted(StoreError::CorruptArtifact { .. })));
        }
        fs::write(store.path(&cid), b"true").unwrap();
        assert!(store.get(&cid).unwrap().is_some());
    }

    #[test]
    fn t08_killed_inside_a_put_nothing_is_under_the_address() {
        let dir = tempfile::tempdir().unwrap();
        let store = DiskArtifacts::open(dir.path()).unwrap();
        let cid = Cid::of(b"whole");
        for cut in 0..=5 {
            fs::write(store.path(&cid).with_extension("tmp"), &b"whole"[..cut]).unwrap();
            assert_eq!(store.get(&cid).unwrap(), None);
        }
        drop(store);
        let mut store = DiskArtifacts::open(dir.path()).unwrap();
        assert_eq!(store.swept(), 1);
        assert_eq!(store.put(b"whole").committed(), Some(cid));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the artifact and the lock");
    }

    #[test]
    fn where_nothing_can_be_written_the_path_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(DiskArtifacts::open(&file), Err(StoreError::Unwritable { .. })));
        let mut store = DiskArtifacts::open(&dir.path().join("store")).unwrap();
        assert!(matches!(DiskArtifacts::open(&dir.path().join("store")), Err(StoreError::Locked { .. })));
        fs::remove_dir_all(dir.path().join("store")).unwrap();
        match store.put(b"text") {
            Answer::NotCommitted(StoreError::Unwritable { path, .. }) => assert!(path.starts_with(dir.path())),
            other => panic!("{other:?}"),
        }
    }
}
