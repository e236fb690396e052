//! The manifest of a run folder: which nodes' logs are in it and where each ends, and the digest of every other file.
//!
//! A log binds itself: its lines are chained and its node has signed where it closed. What no log can tell is that another
//! log is missing, or that it was put in from elsewhere, or what the files that nobody signs were; that is what stands here.
//! Nobody signs the manifest: whoever can write it anew can lie about which nodes ran and what was told of them, though not
//! about what a node of the run did.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use swarm_core::audit::{Line, LineBody};
use swarm_core::id::{AgentId, Digest};
use swarm_scenarios::read_regular;

use crate::cli::CliError;

/// Its name in the folder.
pub const NAME: &str = "manifest.json";
/// Of the manifest's form.
const VERSION: u32 = 1;
/// Where the outputs are.
pub const OUT: &str = "out";
/// What a live swarm's folder has, and a run's has not.
const LIVE: &str = "swarm.json";
/// Where the policies are, each under its address.
pub const POLICIES: &str = "policies";
/// Where the logs are.
pub const AUDIT: &str = "audit";

/// What a run left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    version: u32,
    /// Every file that is no log, by its path in the folder.
    files: BTreeMap<String, Digest>,
    /// Every log, by its name in the `audit` folder.
    pub logs: BTreeMap<String, LogEnd>,
}

/// Whose log it is, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEnd {
    /// The node's key.
    pub agent: AgentId,
    /// Digest of the last line, which is the closing seal: the node's signature on all lines before it.
    pub head: Digest,
    /// How many.
    pub lines: u64,
}

impl Manifest {
    /// Of a run that has left nothing yet.
    pub fn new() -> Self {
        Self { version: VERSION, files: BTreeMap::new(), logs: BTreeMap::new() }
    }

    /// The run leaves `file`.
    pub fn file(&mut self, file: &Path, bytes: &[u8]) {
        self.files.insert(inside(file), Digest::sha256(bytes));
    }

    /// The run leaves a log called `name`.
    pub fn log(&mut self, name: &str, log: &[u8]) {
        self.logs.extend(LogEnd::of(log).map(|end| (name.to_owned(), end)));
    }

    /// As it is written.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("every manifest has a JSON form");
        bytes.push(b'\n');
        bytes
    }

    /// The manifest of `folder`, if that is a folder that a run left.
    ///
    /// # Errors
    /// It should be there and is not, or is none.
    pub fn of(folder: &Path) -> Result<Option<Self>, CliError> {
        let path = folder.join(NAME);
        match read_regular(&path) {
            Ok(bytes) => match serde_json::from_slice::<Self>(&bytes) {
                Ok(manifest) if manifest.version == VERSION => Ok(Some(manifest)),
                Ok(manifest) => Err(CliError::NoManifest { path, what: format!("version {}", manifest.version) }),
                Err(error) => Err(CliError::NoManifest { path, what: error.to_string() }),
            },
            // A folder of logs alone has none, nor has one that a live swarm works in: a run's has.
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
                let told = ["run.json", "history.jsonl"].iter().any(|own| folder.join(own).is_file());
                let outputs = folder.join(OUT).is_dir() && !folder.join(LIVE).is_file();
                if told || outputs {
                    return Err(CliError::NoManifest { path, what: "it is missing, and every run leaves one".into() });
                }
                Ok(None)
            }
            Err(why) => Err(CliError::Unreadable { path, why }),
        }
    }

    /// What is not as the run left it, logs apart: for each file what is wrong with it, sorted.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn differences(&self, folder: &Path) -> Result<Vec<(PathBuf, &'static str)>, CliError> {
        let mut there = BTreeSet::new();
        list(folder, Path::new(""), &mut there)?;
        let mut found = Vec::new();
        for name in &there {
            let path = folder.join(name);
            let log = Path::new(name).strip_prefix(AUDIT).ok().and_then(|log| log.to_str());
            match (self.files.get(name), log) {
                (Some(digest), _) => {
                    let bytes = read_regular(&path).map_err(CliError::unreadable(&path))?;
                    if Digest::sha256(&bytes) != *digest {
                        found.push((path, "changed after the run"));
                    }
                }
                (None, Some(log)) if self.logs.contains_key(log) => {}
                (None, _) if name == NAME => {}
                (None, _) => found.push((path, "not of this run: the manifest does not name it")),
            }
        }
        let logs = self.logs.keys().map(|log| format!("{AUDIT}/{log}"));
        for name in self.files.keys().cloned().chain(logs).filter(|name| !there.contains(name)) {
            found.push((folder.join(name), "missing: the manifest names it"));
        }
        found.sort();
        Ok(found)
    }
}

impl LogEnd {
    /// Of a log whose first and last line can be read.
    pub fn of(log: &[u8]) -> Option<Self> {
        let lines = || log.strip_suffix(b"\n").map(|log| log.split(|byte| *byte == b'\n'));
        let opening: Line = serde_json::from_slice(lines()?.next()?).ok()?;
        let LineBody::Open(opening) = opening.body else { return None };
        Some(Self { agent: opening.me, head: Digest::sha256(lines()?.next_back()?), lines: lines()?.count() as u64 })
    }
}

/// A path in the folder, as the manifest spells it.
fn inside(path: &Path) -> String {
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Every file below `folder`, by its path in it. What is neither file nor folder counts as a file, and reading it is refused.
fn list(folder: &Path, at: &Path, found: &mut BTreeSet<String>) -> Result<(), CliError> {
    let path = folder.join(at);
    for entry in fs::read_dir(&path).map_err(CliError::unreadable(&path))? {
        let entry = entry.map_err(CliError::unreadable(&path))?;
        let name = at.join(entry.file_name());
        if entry.file_type().map_err(CliError::unreadable(&path))?.is_dir() {
            list(folder, &name, found)?;
        } else {
            found.insert(inside(&name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_not_as_the_run_left_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut manifest = Manifest::new();
        for name in ["run.json", "out/a/b"] {
            manifest.file(Path::new(name), name.as_bytes());
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), name).unwrap();
        }
        let found = || manifest.differences(folder.path()).unwrap();
        assert_eq!(found(), []);
        fs::write(path("out/a/b"), "other").unwrap();
        assert_eq!(found(), [(path("out/a/b"), "changed after the run")]);
        fs::remove_file(path("out/a/b")).unwrap();
        assert_eq!(found(), [(path("out/a/b"), "missing: the manifest names it")]);
        fs::write(path("out/a/c"), "").unwrap();
        let stray = (path("out/a/c"), "not of this run: the manifest does not name it");
        assert!(found().contains(&stray), "{:?}", found());
    }

    #[test]
    fn a_manifest_that_is_none_is_refused_and_a_run_without_one_too() {
        let folder = tempfile::tempdir().unwrap();
        let of = || Manifest::of(folder.path());
        assert_eq!(of().unwrap(), None);
        fs::write(folder.path().join("run.json"), "{}").unwrap();
        assert!(matches!(of(), Err(CliError::NoManifest { .. })));
        fs::rename(folder.path().join("run.json"), folder.path().join("history.jsonl")).unwrap();
        assert!(matches!(of(), Err(CliError::NoManifest { .. })));
        // One of which all that tells of the run was taken, and its outputs were left.
        fs::remove_file(folder.path().join("history.jsonl")).unwrap();
        fs::create_dir(folder.path().join(OUT)).unwrap();
        assert!(matches!(of(), Err(CliError::NoManifest { .. })));
        fs::write(folder.path().join(LIVE), "{}").unwrap();
        assert_eq!(of().unwrap(), None, "a live swarm writes outputs, and no manifest");
        let manifest = Manifest::new();
        fs::write(folder.path().join(NAME), manifest.to_bytes()).unwrap();
        assert_eq!(of().unwrap(), Some(manifest.clone()));
        let other = Manifest { version: 2, ..manifest };
        for bytes in [other.to_bytes(), b"{}".to_vec(), Vec::new()] {
            fs::write(folder.path().join(NAME), bytes).unwrap();
            assert!(matches!(of(), Err(CliError::NoManifest { .. })));
        }
    }
}
