//! A coordinator's register half: what stands between its protocol half and whatever orders commands.
//!
//! The protocol half submits and is handed entries; which register does the ordering, it never learns. A half is a value
//! like a node: one thing happens to it, what follows lies in [`Outs`], and the host carries it out in that order. A half
//! must hand over every thread's entries from 1 on without a gap, each once; an answer it never gives becomes `Unknown`,
//! which is the host's business.

mod embedded;
mod etcd;
mod raft;
mod sequencer;

use std::collections::VecDeque;
use std::sync::Arc;

use swarm_core::id::{OpId, Thread};
use swarm_core::node::Outcome;
use swarm_core::register::{Command, Entry};

pub use embedded::Embedded;
pub use etcd::EtcdClient;
pub use raft::{Peers, RaftHalf, Shared, word as packet_word};
pub use sequencer::Sequencer;

use crate::kernel::{Cx, LocalTime, NodeId, Stream};
use crate::world::wire::Wire;

/// What a register half wants done.
#[derive(Debug)]
pub enum Out {
    /// Send this to another party.
    Send(NodeId, Wire),
    /// Hand this to the protocol half.
    Applied(Entry),
    /// Answer an operation: `Committed`, `NotCommitted` or `Unknown`.
    Answer(OpId, Outcome),
    /// Something that must sometimes happen did.
    Mark(&'static str),
    /// Something acknowledged is gone: nothing follows any more.
    DataLoss(String),
}

/// What follows from one thing that happened, in order.
pub type Outs = VecDeque<Out>;

/// What every register half does. From `cx` it takes time and randomness only: what it sends leaves through [`Outs`].
pub trait Register {
    /// The host has booted.
    fn start(&mut self, _cx: &mut Cx<'_, Wire>, _outs: &mut Outs) {}

    /// The protocol half wants this ordered.
    fn submit(&mut self, cx: &mut Cx<'_, Wire>, op: OpId, thread: Thread, command: Arc<Command>, outs: &mut Outs);

    /// A message that is no business of the rest of the host.
    fn on_wire(&mut self, cx: &mut Cx<'_, Wire>, from: NodeId, msg: Wire, outs: &mut Outs);

    /// Time has passed; called at the latest when [`Self::deadline`] has come.
    fn on_time(&mut self, _cx: &mut Cx<'_, Wire>, _outs: &mut Outs) {}

    /// Messages of the raft protocol sent so far.
    fn raft_messages(&self) -> u64 {
        0
    }

    /// Whether it believes that it leads the register; a fault may aim at whoever does.
    fn leads(&self) -> bool {
        false
    }

    /// When it wants to be called next.
    fn deadline(&self) -> Option<LocalTime> {
        None
    }
}

/// The register half of one host.
pub enum Half {
    /// The client of the one sequencer.
    Embedded(Embedded),
    /// A member of Raft groups.
    Raft(Box<RaftHalf>),
    /// The client of etcd.
    Etcd(Box<EtcdClient>),
}

impl Half {
    /// The process dies and comes back with what its disk kept; its protocol half has in its log that it was `handed` these. Says
    /// what that was an example of.
    ///
    /// # Panics
    /// If a correct member cannot start from its own log, which would be a mistake of ours.
    pub fn crash(&mut self, luck: &mut Stream, handed: &[&Entry]) -> Vec<&'static str> {
        match self {
            Self::Embedded(half) => *half = Embedded::after(handed.len() as u64, half.era()),
            Self::Etcd(half) => half.crash(luck, handed.iter().copied()),
            Self::Raft(half) => {
                let cut = half.crash(luck).expect("a member starts from what its disk kept");
                let torn = cut.torn.then_some("register-log-torn");
                return torn.into_iter().chain((cut.lost > 0).then_some("register-log-cut")).collect();
            }
        }
        Vec::new()
    }

    /// Whether it has written something that a crash may take.
    pub fn has_unsynced(&self) -> bool {
        matches!(self, Self::Raft(half) if half.has_unsynced())
    }

    /// Whichever it is.
    pub fn get(&self) -> &dyn Register {
        match self {
            Self::Embedded(half) => half,
            Self::Raft(half) => &**half,
            Self::Etcd(half) => &**half,
        }
    }

    /// Whichever it is, to let something happen to it.
    pub fn get_mut(&mut self) -> &mut dyn Register {
        match self {
            Self::Embedded(half) => half,
            Self::Raft(half) => &mut **half,
            Self::Etcd(half) => &mut **half,
        }
    }
}
