//! One node with what its host holds for it: keys, hash chain, audit log.
//!
//! The one rule: nothing leaves before the log lines that lead to it are on the disk. [`Host::handle`] only collects what is
//! to be done; the loop carries it out after [`Host::flush`].

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use swarm_core::audit::{self, Restored, Writer};
use swarm_core::id::{Digest, NeedId, Seq, Thread};
use swarm_core::identity::Keys;
use swarm_core::node::{Effect, Input, Node};
use swarm_core::register::{Command, Submission};
use swarm_core::reveal::Chains;
use swarm_core::time::Now;
use swarm_core::wire::{Draft, Envelope, Role};

use crate::error::{LiveError, unreadable, unwritable};
use crate::folder::Folder;
use crate::founding::{self, Actor};

/// An effect, and the envelope made from it if it is a publish.
pub type Ready = (Effect, Option<Arc<Envelope>>);

/// A node and its surroundings.
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The node.
    pub node: Node,
    /// Consumer groups it listens through.
    pub groups: Vec<String>,
    /// Needs whose conversation it follows.
    pub following: Vec<NeedId>,
    /// How far the register's entries were handed to it, per thread (coordinators).
    pub fed: BTreeMap<Thread, Seq>,
    /// Answers that wait to be handed in.
    pub waiting: VecDeque<Input>,
    /// Times its agent wanted something of it.
    pub acts: u64,
    /// Times it was started before.
    pub boots: u64,
    keys: Keys,
    chains: Option<Chains>,
    writer: Writer,
    /// Where its log is.
    pub path: PathBuf,
    file: File,
    unwritten: Vec<u8>,
}

impl Host {
    /// Makes the node again from its log. Its first input must be a boot.
    ///
    /// # Errors
    /// The log is lost, damaged, or another's.
    pub fn open(folder: &Folder, actor: &Actor) -> Result<Self, LiveError> {
        let path = folder.log(&actor.name);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(unreadable(&path))?,
        };
        let restored = audit::restore(&bytes, founding::library())
            .map_err(|bad| LiveError::Log { path: path.clone(), bad })?
            .ok_or_else(|| LiveError::DataLoss { path: path.clone(), what: "the audit log is gone".to_owned() })?;
        let Restored { replayed, writer, keep } = restored;
        let keys = actor.keys();
        if replayed.genesis != folder.genesis.digest() || replayed.node.me() != keys.agent() {
            return Err(LiveError::Damaged { path, what: "the log of another node or swarm".to_owned() });
        }
        let file = OpenOptions::new().append(true).open(&path).map_err(unwritable(&path))?;
        if keep < bytes.len() {
            file.set_len(keep as u64).and_then(|()| file.sync_all()).map_err(unwritable(&path))?;
        }
        Ok(Self {
            name: actor.name.clone(),
            role: actor.role,
            node: replayed.node,
            groups: Vec::new(),
            following: replayed.following.into_iter().collect(),
            fed: replayed.applied,
            waiting: VecDeque::new(),
            acts: replayed.acts,
            boots: replayed.boots,
            chains: (actor.role == Role::Coordinator).then(|| actor.chains()),
            keys,
            writer,
            path,
            file,
            unwritten: Vec::new(),
        })
    }

    /// Hands one input to the node; what follows is appended to `ready`, to be carried out after a flush.
    pub fn handle(&mut self, now: Now, input: Input, ready: &mut Vec<Ready>) {
        self.unwritten.extend(self.writer.input(now, &input).into_bytes());
        self.node.handle(now, input);
        while let Some(effect) = self.node.poll_effect() {
            let signed = match &effect {
                Effect::Publish { draft, .. } => Some(Arc::new(self.keys.sign(Draft::clone(draft)))),
                _ => None,
            };
            self.unwritten
                .extend(self.writer.effect(&effect, signed.as_ref()).into_iter().flat_map(String::into_bytes));
            ready.push((effect, signed));
        }
        if self.writer.is_seal_due() {
            self.seal(false);
        }
    }

    /// Signs the log so far.
    pub fn seal(&mut self, closing: bool) {
        self.unwritten.extend(self.writer.seal(&self.keys, closing).into_bytes());
    }

    /// What its node wants ordered, under its signature where that is wanted.
    pub fn sign(&self, wish: Submission) -> Arc<Command> {
        wish.sign(self.keys.signing())
    }

    /// Where this coordinator's hash chain that counts from round `since` ends.
    pub fn anchor(&mut self, since: u32) -> Option<Digest> {
        Some(self.chains.as_mut()?.anchor(since))
    }

    /// The value this coordinator reveals in `round`, out of the chain that counts from round `since`.
    pub fn reveal(&mut self, since: u32, round: u32) -> Option<Digest> {
        self.chains.as_mut()?.value(since, round)
    }

    /// Whether there are lines that are not on the disk yet.
    pub fn is_dirty(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Brings all lines to the disk.
    ///
    /// # Errors
    /// They may not be there; then nothing that follows from them may leave.
    pub fn flush(&mut self) -> Result<(), LiveError> {
        self.file.write_all(&self.unwritten).and_then(|()| self.file.sync_data()).map_err(unwritable(&self.path))?;
        self.unwritten.clear();
        Ok(())
    }
}
