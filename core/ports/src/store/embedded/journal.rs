//! An append-only file of checked frames: one frame per flush, so that a crash can only tear the last one.
//!
//! A file is a first line (`swarm-KIND VERSION`) and frames: length (u32), number from 0 (u64), check (u64), all little
//! endian, then the payload. What does not check at the very end was being written when the process died: it was never
//! acknowledged, and is cut. What does not check while a good frame follows was acknowledged: that file is refused, never
//! mended. (A last frame that rots after it was acknowledged looks like a torn one; the count of cut bytes is reported, and
//! whoever knows of a later entry must not go on.)

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use swarm_core::id::Digest;

use super::{StoreError, create_folder, open_alone, sync_folder, unreadable, unwritable};

const HEAD: usize = 4 + 8 + 8;

/// What was found when a file was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Whole writes (each one batch).
    pub frames: u64,
    /// Bytes of a torn last write that were cut away.
    pub torn_bytes: u64,
}

/// How an append failed.
pub(super) enum Failed {
    /// The file is as before.
    NotWritten(StoreError),
    /// It may or may not be in the file; the journal is closed until it is opened anew.
    Unknown(StoreError),
}

/// An open file.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
    recovered: Recovered,
    frames: u64,
    closed: bool,
}

fn check_of(number: u64, payload: &[u8]) -> u64 {
    Digest::of("swarm/frame", &[&number.to_le_bytes(), payload]).prefix()
}

/// The frame that `bytes` begin with: its number, its payload, its whole length.
fn frame(bytes: &[u8]) -> Option<(u64, &[u8], usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let (check, rest) = rest.split_first_chunk::<8>()?;
    let payload = rest.get(..u32::from_le_bytes(*length) as usize)?;
    let number = u64::from_le_bytes(*number);
    (check_of(number, payload) == u64::from_le_bytes(*check)).then_some((number, payload, HEAD + payload.len()))
}

/// Whether a good frame numbered above `last` begins anywhere in `bytes`.
fn a_later_frame(bytes: &[u8], last: u64) -> bool {
    let numbers = last + 1..=last + 1 + (bytes.len() / HEAD) as u64;
    let plausible = |at: usize| {
        let number = bytes.get(at + 4..at + 12).and_then(|n| n.try_into().ok()).map(u64::from_le_bytes);
        number.is_some_and(|n| numbers.contains(&n))
    };
    (0..bytes.len()).any(|at| plausible(at) && frame(&bytes[at..]).is_some())
}

impl Journal {
    /// Opens the file at `path`, creating it and its folder, and gives every payload to `each` in order; `each` says what is
    /// wrong with one.
    pub(super) fn open(
        path: &Path,
        kind: &str,
        version: u32,
        mut each: impl FnMut(&[u8]) -> Result<(), &'static str>,
    ) -> Result<Self, StoreError> {
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        create_folder(folder)?;
        let file = open_alone(path)?;
        let bytes = fs::read(path).map_err(unreadable(path))?;
        let first = format!("swarm-{kind} {version}\n");
        let mut journal = Self {
            path: path.to_owned(),
            file,
            len: bytes.len() as u64,
            recovered: Recovered::default(),
            frames: 0,
            closed: false,
        };
        if first.as_bytes().starts_with(&bytes) && bytes.len() < first.len() {
            journal.begin(&first, bytes.len() as u64)?;
            sync_folder(folder)?;
            return Ok(journal);
        }
        if !bytes.starts_with(first.as_bytes()) {
            let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
            let found = String::from_utf8_lossy(&line[..line.len().min(40)]).into_owned();
            return Err(StoreError::WrongVersion { path: path.to_owned(), found, wanted: first.trim_end().to_owned() });
        }
        let mut at = first.len();
        let corrupt = |at: usize, why| StoreError::Corrupt { path: path.to_owned(), at: at as u64, why };
        while at < bytes.len() {
            match frame(&bytes[at..]) {
                Some((number, payload, length)) if number == journal.frames => {
                    each(payload).map_err(|why| corrupt(at, why))?;
                    journal.frames += 1;
                    at += length;
                }
                Some(_) => return Err(corrupt(at, "a frame is missing, doubled or moved")),
                None if a_later_frame(&bytes[at..], journal.frames) => {
                    return Err(corrupt(at, "a frame fails its check and good ones follow"));
                }
                None => break,
            }
        }
        journal.recovered = Recovered { frames: journal.frames, torn_bytes: (bytes.len() - at) as u64 };
        if at < bytes.len() {
            journal.len = at as u64;
            journal.file.set_len(journal.len).and_then(|()| journal.file.sync_all()).map_err(unwritable(path))?;
        }
        Ok(journal)
    }

    /// Writes the first line of a new file over what a crash left of it.
    fn begin(&mut self, first: &str, torn_bytes: u64) -> Result<(), StoreError> {
        let write = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.write_all(first.as_bytes())?;
            file.sync_all()
        };
        write(&mut self.file).map_err(unwritable(&self.path))?;
        self.len = first.len() as u64;
        self.recovered.torn_bytes = torn_bytes;
        Ok(())
    }

    /// What was found at opening.
    pub(super) fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// Appends one frame and flushes it to the disk.
    pub(super) fn append(&mut self, payload: &[u8]) -> Result<(), Failed> {
        if self.closed {
            return Err(Failed::NotWritten(StoreError::Closed { path: self.path.clone() }));
        }
        let Ok(length) = u32::try_from(payload.len()) else {
            let (size, max) = (payload.len() as u64, u64::from(u32::MAX));
            return Err(Failed::NotWritten(StoreError::Oversize { size, max }));
        };
        let mut bytes = Vec::with_capacity(HEAD + payload.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&self.frames.to_le_bytes());
        bytes.extend_from_slice(&check_of(self.frames, payload).to_le_bytes());
        bytes.extend_from_slice(payload);
        if let Err(source) = self.file.write_all(&bytes) {
            let error = unwritable(&self.path)(source);
            // Half a frame may be there. With it cut away again, nothing happened.
            return Err(match self.file.set_len(self.len).and_then(|()| self.file.sync_all()) {
                Ok(()) => Failed::NotWritten(error),
                Err(_) => self.close(error),
            });
        }
        // After a failed flush the system may have dropped the pages and report the next flush as good.
        self.file.sync_data().map_err(|e| self.close(unwritable(&self.path)(e)))?;
        self.len += bytes.len() as u64;
        self.frames += 1;
        Ok(())
    }

    fn close(&mut self, error: StoreError) -> Failed {
        self.closed = true;
        Failed::Unknown(error)
    }

    /// Breaks the file under the journal, as a dying disk would.
    #[cfg(test)]
    pub(super) fn break_file(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }
}

/// Appends `field` to a record, preceded by its length.
pub(super) fn put_field(record: &mut Vec<u8>, field: &[u8]) {
    record.extend_from_slice(&(field.len() as u32).to_le_bytes());
    record.extend_from_slice(field);
}

/// Takes the first field off a record; `None` if there is no whole one.
pub(super) fn take_field<'a>(record: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = record.split_first_chunk::<4>()?;
    let (field, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *record = rest;
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Result<(Journal, Vec<Vec<u8>>), StoreError> {
        let mut seen = Vec::new();
        let journal = Journal::open(path, "test", 1, |payload| {
            seen.push(payload.to_vec());
            Ok(())
        })?;
        Ok((journal, seen))
    }

    fn append(journal: &mut Journal, payload: &[u8]) {
        assert!(journal.append(payload).is_ok());
    }

    /// A file with three frames; where each begins, and its end.
    fn three(path: &Path) -> Vec<u64> {
        let (mut journal, _) = open(path).unwrap();
        let mut starts = vec![journal.len];
        for payload in [&b"first"[..], b"", b"the third, and longest"] {
            append(&mut journal, payload);
            starts.push(journal.len);
        }
        starts
    }

    #[test]
    fn t08_cut_at_any_byte_the_whole_frames_before_it_remain() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let starts = three(&path);
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() as u64 {
            fs::write(&path, &whole[..cut as usize]).unwrap();
            let (mut journal, seen) = open(&path).unwrap();
            let kept = starts.iter().filter(|s| **s <= cut).count().saturating_sub(1);
            assert_eq!(seen.len(), kept, "cut at {cut}");
            let torn = cut - starts[..=kept].iter().rev().find(|s| **s <= cut).copied().unwrap_or(0);
            assert_eq!(journal.recovered(), Recovered { frames: kept as u64, torn_bytes: torn }, "cut at {cut}");
            append(&mut journal, b"after");
            drop(journal);
            let (journal, seen) = open(&path).unwrap();
            assert_eq!((seen.len(), journal.recovered().torn_bytes), (kept + 1, 0), "it goes on after a cut at {cut}");
        }
    }

    #[test]
    fn t03_any_changed_byte_is_refused_by_place_or_is_a_torn_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let starts = three(&path);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            fs::write(&path, &bytes).unwrap();
            let at = at as u64;
            match open(&path) {
                Err(StoreError::WrongVersion { .. }) => assert!(at < starts[0]),
                Err(StoreError::Corrupt { at: named, .. }) => {
                    assert!(starts[0] <= at && at < starts[2], "{at} is in a frame before the last");
                    assert_eq!(named, *starts.iter().rfind(|s| **s <= at).unwrap());
                    assert_eq!(fs::read(&path).unwrap(), bytes, "a refused file is not touched");
                }
                Ok((journal, seen)) => {
                    assert!(at >= starts[2], "byte {at} changed and nobody noticed");
                    assert_eq!((seen.len(), journal.recovered().torn_bytes), (2, starts[3] - starts[2]));
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn a_frame_left_out_doubled_or_moved_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let starts: Vec<usize> = three(&path).iter().map(|s| *s as usize).collect();
        let whole = fs::read(&path).unwrap();
        let part = |i: usize| &whole[starts[i]..starts[i + 1]];
        for order in [vec![1, 2], vec![0, 2], vec![0, 0, 1, 2], vec![1, 0, 2], vec![0, 1, 2, 2]] {
            let frames: Vec<u8> = order.iter().flat_map(|i| part(*i).to_vec()).collect();
            fs::write(&path, [&whole[..starts[0]], &frames].concat()).unwrap();
            assert!(matches!(open(&path), Err(StoreError::Corrupt { .. })), "{order:?}");
        }
    }

    #[test]
    fn another_version_or_file_is_refused_by_name_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        for (text, named) in
            [("swarm-test 2\nx", "swarm-test 2"), ("swarm-other 1\n", "swarm-other 1"), ("dear diary", "dear diary")]
        {
            fs::write(&path, text).unwrap();
            match open(&path) {
                Err(StoreError::WrongVersion { found, wanted, .. }) => {
                    assert_eq!((&*found, &*wanted), (named, "swarm-test 1"))
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn two_at_once_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let held = open(&path).unwrap();
        assert!(matches!(open(&path), Err(StoreError::Locked { .. })));
        drop(held);
        assert!(open(&path).is_ok());
    }

    #[test]
    fn where_nothing_can_be_written_the_path_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(
            matches!(open(&file.join("below/j")), Err(StoreError::Unwritable { path, .. }) if path.ends_with("below"))
        );
        assert!(matches!(open(dir.path()), Err(StoreError::Unwritable { .. })));
    }

    #[test]
    fn a_read_only_folder_is_named_and_stays_empty() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
        match open(&dir.path().join("j")) {
            Err(StoreError::Unwritable { path, .. }) => {
                assert!(path.ends_with("j"));
                assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
            }
            // A superuser writes everywhere; then the plain contract holds instead.
            Ok((mut journal, _)) => append(&mut journal, b"privileged"),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn t20_a_write_that_ends_unknown_closes_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let (mut journal, _) = open(&path).unwrap();
        append(&mut journal, b"good");
        journal.break_file();
        assert!(matches!(journal.append(b"lost"), Err(Failed::Unknown(StoreError::Unwritable { .. }))));
        assert!(matches!(journal.append(b"more"), Err(Failed::NotWritten(StoreError::Closed { .. }))));
        drop(journal);
        assert_eq!(open(&path).unwrap().1, [b"good"]);
    }
}
