//! The data folder: who takes part, with their keys, and what it was begun for.
//!
//! `swarm.json` is written last. Without it nothing was ever said, and whatever else a crash left of a founding is made
//! anew; with it nothing here is ever written again. A key must never be readable by anyone else.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use swarm_core::audit::Writer;
use swarm_core::genesis::Genesis;
use swarm_core::id::{Cid, Digest};
use swarm_ports::store::embedded::{DiskArtifacts, FileRegister, LocalBus};

use crate::cli::Up;
use crate::error::{LiveError, unreadable, unwritable};
use crate::founding::{self, Actor};
use crate::job::Job;

/// The format of the folder.
const FORMAT: u32 = 2;

/// Everything that may be in it.
const NAMES: [&str; 8] = ["artifacts", "audit", "bus", "genesis.json", "keys", "out", "register", "swarm.json"];

/// What nodes share, there from the founding on.
const STORES: [&str; 3] = ["artifacts", "bus", "register"];

/// What the folder was begun for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    format: u32,
    genesis: Digest,
    input: Cid,
    needs: Digest,
    verifiers: u32,
    workers: u32,
}

/// An opened folder, held against other processes.
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// What all nodes start from.
    pub genesis: Arc<Genesis>,
    /// All who take part.
    pub actors: Vec<Actor>,
    /// The artifacts; holding them holds the folder.
    pub artifacts: DiskArtifacts,
}

impl Folder {
    /// Opens the folder for `job`, founding the swarm if it is new.
    ///
    /// # Errors
    /// It is not a swarm's, of another job or version, damaged, held by another process, or cannot be written.
    pub fn open(options: &Up, job: &Job) -> Result<Self, LiveError> {
        let path = options.data.clone();
        if path.exists() {
            for entry in fs::read_dir(&path).map_err(unreadable(&path))? {
                let name = entry.map_err(unreadable(&path))?.file_name().to_string_lossy().into_owned();
                if !NAMES.iter().any(|own| name == *own || name == format!("{own}.tmp")) {
                    return Err(LiveError::NotOurs { path, found: name });
                }
            }
        }
        let file = path.join("swarm.json");
        // The founding made them all: opened now, a lost one would come back empty, and those who know better would wait.
        if file.exists()
            && let Some(gone) = STORES.into_iter().map(|name| path.join(name)).find(|store| !store.exists())
        {
            return Err(LiveError::DataLoss { path: gone, what: "is gone".to_owned() });
        }
        let artifacts = DiskArtifacts::open(&path.join("artifacts"))?;
        if !file.exists() {
            found(&path, options, job)?;
        }
        let begun = begun(&file)?;
        let differs = |what| Err(LiveError::OtherJob { path: path.clone(), what });
        match () {
            () if begun.input != job.input => return differs("input"),
            () if begun.needs != job.digest() => return differs("needs file"),
            () if begun.workers != options.workers => return differs("number of workers"),
            () if begun.verifiers != options.verifiers => return differs("number of verifiers"),
            () => {}
        }
        let genesis_file = path.join("genesis.json");
        let damaged = |what: String| LiveError::Damaged { path: genesis_file.clone(), what };
        let text = fs::read(&genesis_file).map_err(unreadable(&genesis_file))?;
        let genesis: Genesis = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        genesis.check().map_err(|out| damaged(out.0))?;
        if genesis.digest() != begun.genesis {
            return Err(damaged("not the genesis that the swarm was begun with".to_owned()));
        }
        if genesis.engine != job.rules.engine() {
            return differs("policy");
        }
        let mut actors = Vec::new();
        for (name, role) in founding::cast(options) {
            let file = path.join("keys").join(&name);
            let text = fs::read_to_string(&file).map_err(unreadable(&file))?;
            let damaged = |what: &str| LiveError::Damaged { path: file.clone(), what: what.to_owned() };
            let secret = text.trim_end().parse().map_err(|_| damaged("no key"))?;
            let actor = Actor { name, role, secret };
            if genesis.manifest(&actor.keys().agent()).is_none() {
                return Err(damaged("not the key that the swarm was begun with"));
            }
            actors.push(actor);
        }
        Ok(Self { path, genesis: Arc::new(genesis), actors, artifacts })
    }

    /// Where the audit log of `name` is.
    pub fn log(&self, name: &str) -> PathBuf {
        self.path.join("audit").join(format!("{name}.jsonl"))
    }
}

fn begun(file: &Path) -> Result<Begun, LiveError> {
    #[derive(Deserialize)]
    struct Peek {
        format: u32,
    }
    let text = fs::read(file).map_err(unreadable(file))?;
    let damaged = |error: serde_json::Error| LiveError::Damaged { path: file.to_owned(), what: error.to_string() };
    let found = serde_json::from_slice::<Peek>(&text).map_err(damaged)?.format;
    if found != FORMAT {
        return Err(LiveError::WrongVersion { path: file.to_owned(), found, wanted: FORMAT });
    }
    serde_json::from_slice(&text).map_err(damaged)
}

fn found(path: &Path, options: &Up, job: &Job) -> Result<(), LiveError> {
    let keys = path.join("keys");
    fs::create_dir_all(&keys).map_err(unwritable(&keys))?;
    let mut actors = Vec::new();
    for (name, role) in founding::cast(options) {
        let mut secret = Digest::default();
        getrandom::fill(&mut secret.0).map_err(|error| LiveError::System {
            what: "the system gives no randomness for keys",
            why: error.into(),
        })?;
        write(&keys.join(&name), format!("{secret}\n").as_bytes(), 0o600)?;
        actors.push(Actor { name, role, secret });
    }
    let genesis = founding::genesis(&actors, job);
    assert!(genesis.check().is_ok(), "what is founded here is sound: {:?}", genesis.check());
    // From now on a missing log is a lost one, never a new one: a node that began again would use its nonces twice.
    let audit = path.join("audit");
    fs::create_dir_all(&audit).map_err(unwritable(&audit))?;
    let shared = Arc::new(genesis.clone());
    for actor in &actors {
        let (_, opening) = Writer::open(&founding::setup(actor, &shared));
        write(&audit.join(format!("{}.jsonl", actor.name)), opening.as_bytes(), 0o644)?;
    }
    FileRegister::open(&path.join("register"))?;
    LocalBus::open(&path.join("bus"))?;
    write(&path.join("genesis.json"), &swarm_core::wire::canonical::to_vec(&genesis), 0o644)?;
    let begun = Begun {
        format: FORMAT,
        genesis: genesis.digest(),
        input: job.input,
        needs: job.digest(),
        verifiers: options.verifiers,
        workers: options.workers,
    };
    write(&path.join("swarm.json"), &swarm_core::wire::canonical::to_vec(&begun), 0o644)
}

/// Writes `file` whole or not at all, durably.
pub fn write(file: &Path, bytes: &[u8], mode: u32) -> Result<(), LiveError> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    // What a crash left there may have another mode.
    let _ = fs::remove_file(&beside);
    let written = || {
        let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&beside, file)?;
        File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().map_err(unwritable(file))
}
