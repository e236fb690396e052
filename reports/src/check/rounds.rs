//! What the system thread's entries tell of draws, for P6: which reveals each committee's seed was made of, and whether
//! bootstrap was ripe to end when a snapshot was taken (PROTOCOL 6).

use std::collections::BTreeMap;
use std::sync::Arc;

use swarm_core::id::{AgentId, Digest, NeedId, Seq};
use swarm_core::register::{Answer, Applied, Ask, Command, Ending, Event as Did, Outcome};
use swarm_core::slot::Waiting;

use crate::history::Rules;

/// What a round revealed, by agent.
type Reveals = BTreeMap<AgentId, Digest>;

/// Reveals and ripeness, entry by entry.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// The last entry seen.
    seq: Seq,
    /// The open round, or the last one.
    round: Reveals,
    /// What each seed was answered after, by the need that it was answered to.
    seeds: BTreeMap<(NeedId, Digest), Arc<Reveals>>,
    /// Needs that closed, and whether a day has passed.
    closed: u32,
    day_passed: bool,
    /// Both, when each snapshot was taken.
    snapshots: BTreeMap<u32, (u32, bool)>,
}

impl Rounds {
    /// Takes the next entry of the system thread.
    pub fn see(&mut self, command: &Command, entry: &Applied) {
        let Outcome::Did(events) = &entry.outcome else { return };
        // Told again, it is no news.
        if entry.seq <= self.seq {
            return;
        }
        self.seq = entry.seq;
        let mut reveals = None;
        for event in events {
            match event {
                Did::RoundOpened { .. } => self.round.clear(),
                Did::Revealed { by, value, .. } => drop(self.round.insert(*by, *value)),
                Did::RoundClosed { .. } => reveals = Some(Arc::new(self.round.clone())),
                Did::Answered { answer: Answer::Seated { seed, .. }, need, .. } => {
                    // Without the end of a round nothing can be drawn: no seed is right.
                    self.seeds.extend(reveals.clone().map(|reveals| ((*need, *seed), reveals)));
                }
                Did::WaitClosed { waiting: Waiting::Bootstrap } => self.day_passed = true,
                Did::SnapshotTaken { snapshot } => {
                    self.snapshots.insert(snapshot.number, (self.closed, self.day_passed));
                }
                _ => {}
            }
        }
        if let Command::Relay(proof) = command
            && let Some(Did::Asked { ask: Ask::Close { ending: Ending::Closed, .. }, .. }) = proof.claim()
        {
            self.closed += 1;
        }
    }

    /// The reveals after which `seed` was answered to `need`.
    pub fn reveals(&self, need: &NeedId, seed: &Digest) -> Option<&Reveals> {
        self.seeds.get(&(*need, *seed)).map(|reveals| &**reveals)
    }

    /// Whether enough has happened for bootstrap to end with snapshot `number`, if the pool is large enough. The first one
    /// is the genesis'.
    pub fn ripe(&self, number: u32, rules: &Rules) -> Option<bool> {
        let (closed, day_passed) = match number {
            0 | 1 => (0, false),
            _ => *self.snapshots.get(&number)?,
        };
        Some(day_passed || closed >= rules.bootstrap_needs)
    }
}
