//! What survives of a lost register: the longest beginning of each thread that some log holds, cut until no thread rests on
//! what the base of another lacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use swarm_core::config::Local;
use swarm_core::genesis::Genesis;
use swarm_core::id::{Digest, Seq, Thread};
use swarm_core::members::Mandate;
use swarm_core::node::{Input, Node, Setup};
use swarm_core::register::{Chain, Command, Entry};
use swarm_core::time::Now;

use crate::policies;

/// What a register can be founded on.
pub struct Survived {
    entries: BTreeMap<Thread, Vec<Entry>>,
    /// How far each thread reaches.
    pub heads: BTreeMap<Thread, Chain>,
}

impl Survived {
    /// Of what these members applied, each in the order of its register.
    pub fn of(genesis: &Arc<Genesis>, logs: Vec<Vec<Entry>>) -> Self {
        let mut entries: BTreeMap<Thread, Vec<Entry>> = BTreeMap::new();
        for log in logs {
            for entry in log {
                let thread = entries.entry(entry.thread).or_default();
                // One order was handed to all, each entry again after a restart.
                if entry.seq.0 == thread.len() as u64 + 1 {
                    thread.push(entry);
                }
            }
        }
        loop {
            let heads = fold(genesis, &entries);
            let lengths = heads.iter().map(|(thread, chain)| (*thread, chain.seq));
            let lengths: BTreeMap<Thread, Seq> = lengths.collect();
            let reach = |thread: &Thread| lengths.get(thread).copied().unwrap_or_default();
            let system = entries.get(&Thread::System).map_or(&[][..], Vec::as_slice);
            let kept = system.iter().take_while(|entry| match &*entry.command {
                Command::Relay(proof) => proof.entry.seq <= reach(&proof.thread),
                _ => true,
            });
            let kept = kept.count();
            let mut cut = kept < system.len();
            for (thread, log) in &mut entries {
                let length = if *thread == Thread::System { kept } else { reach(thread).0 as usize };
                cut |= length < log.len();
                log.truncate(length);
            }
            entries.retain(|_, log| !log.is_empty());
            if !cut {
                return Self { entries, heads };
            }
        }
    }

    /// The entries that the register is founded on: all that survived, and behind it, in every thread that is kept and in the
    /// system thread, the act.
    pub fn founding(&self, act: &Arc<Mandate>) -> Vec<Entry> {
        let mut all: BTreeMap<Thread, Vec<Entry>> = self.entries.clone();
        all.entry(Thread::System).or_default();
        for (thread, log) in &mut all {
            let (command, seq) = (Arc::new(Command::Mandate(Arc::clone(act))), Seq(log.len() as u64 + 1));
            log.push(Entry { command, seq, thread: *thread });
        }
        all.into_values().flatten().collect()
    }
}

/// How far a coordinator comes with these entries. One that rests on another thread waits for it.
fn fold(genesis: &Arc<Genesis>, entries: &BTreeMap<Thread, Vec<Entry>>) -> BTreeMap<Thread, Chain> {
    let mut node = Node::new(Setup {
        me: genesis.coordinators[0].agent,
        bases: Vec::new(),
        genesis: Arc::clone(genesis),
        local: Local::default(),
        mandates: Vec::new(),
        stream: Digest::default(),
        engines: policies::library(),
    });
    for entry in entries.values().flatten() {
        node.handle(Now::default(), Input::Applied(entry.clone()));
        while node.poll_effect().is_some() {}
    }
    node.chains()
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_core::config::Params;
    use swarm_core::genesis::Member;
    use swarm_core::id::{AgentId, Cid, NeedId, Nonce};
    use swarm_core::policy::{BaseRules, Evaluator as _};
    use swarm_core::register::{Applied, Outcome, Proof};

    fn entry(thread: Thread, seq: u64, command: Command) -> Entry {
        Entry { command: Arc::new(command), seq: Seq(seq), thread }
    }

    /// Where the base of the system thread ends, if its second entry cites the third of a need of which `kept` survived.
    fn system_ends(kept: u64) -> Seq {
        let member = Member { agent: AgentId([1; 32]), anchor: Digest::default() };
        let genesis = Genesis {
            arbiters: Vec::new(),
            capsule: Cid::default(),
            coordinators: vec![member],
            engine: BaseRules::default().engine(),
            holdings: BTreeMap::new(),
            manifests: Vec::new(),
            mints: Vec::new(),
            params: Params::default(),
            policy_keys: Vec::new(),
            recovery: Vec::new(),
        };
        let need = Thread::Need(NeedId::of(&AgentId([1; 32]), Nonce(1)));
        let cited = Applied::new(Digest::default(), Outcome::Did(Vec::new()), Seq(3));
        let cites = Command::Relay(Proof { at: 0, entry: cited, thread: need, vouchers: Vec::new() });
        let system = [Command::Start { bucket: 1 }, cites, Command::Start { bucket: 2 }];
        let system = (1..).zip(system).map(|(seq, command)| entry(Thread::System, seq, command));
        let of_need = (1..=kept).map(|seq| entry(need, seq, Command::Snapshot { number: 1 }));
        let survived = Survived::of(&Arc::new(genesis), vec![system.collect(), of_need.collect()]);
        survived.heads[&Thread::System].seq
    }

    #[test]
    fn t18_a_base_cites_nothing_that_another_thread_has_lost() {
        assert_eq!(system_ends(3), Seq(3), "all that it rests on is there");
        assert_eq!(system_ends(2), Seq(1));
        assert_eq!(system_ends(0), Seq(1));
    }
}
