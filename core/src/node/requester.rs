//! Opens needs and follows them to their end.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::id::{AgentId, Digest, NeedId, Thread};
use crate::mutant::{Mutant, planted};
use crate::node::desk::{Desk, Saying};
use crate::node::io::{Note, Subject};
use crate::node::threads::Threads;
use crate::slot::{self, Record};
use crate::wire::{Body, Cancel, Need, Unmask};

/// Opens the mask of a need's last result, which was found wrong.
pub(super) fn unmask(desk: &mut Desk, need: NeedId, record: &Record, denied: Vec<AgentId>, salt: Digest) {
    let wrong = record.tasks.iter().find_map(|(name, task)| Some((name, task.fence, task.wrong.as_ref()?)));
    let Some((task, fence, wrong)) = wrong else { return };
    let Body::Commit(commit) = &wrong.commit.body else { return };
    let mask = slot::mask(&desk.me(), &wrong.commit.sender, commit.outputs.values(), &salt);
    let body = Unmask { commit: wrong.commit.id(), denied, mask, salt, task: task.clone() };
    let saying = Saying::new(Subject::Thread(need), Thread::Need(need), Body::Unmask(body));
    desk.say(saying.epoch(record.epoch).fence(fence));
}

/// The requester's part of a node. It keeps nothing of its own: what became of a need is in the need's record.
#[derive(Clone, Default)]
pub(super) struct Requester;

impl Requester {
    pub fn post(&mut self, desk: &mut Desk, threads: &mut Threads, need: Need) {
        if planted(Mutant::NeedForgotten) {
            return;
        }
        let id = NeedId::of(&desk.me(), desk.next_nonce());
        let mut saying = Saying::new(Subject::MarketNeed, Thread::Need(id), Body::Need(need.clone()));
        saying.refs = need.requires.values().copied().collect();
        saying.refs.sort_unstable();
        saying.refs.dedup();
        // One that the register would refuse is told of here, or its requester would follow it for ever.
        let said = match slot::terms(&need, &desk.setup.genesis.params) {
            Ok(()) => desk.try_say(saying),
            Err(reject) => {
                desk.keep_back();
                Err(reject)
            }
        };
        match said {
            Ok(_) => threads.follow(desk, id),
            Err(reject) => {
                let requester = desk.me();
                desk.emit(Note::NeedRefused { asked: Arc::new(need), need: id, reject, requester });
            }
        }
    }

    pub fn cancel(&mut self, desk: &mut Desk, need: NeedId) {
        let body = Body::Cancel(Cancel { reason: "the requester's agent asked for it".to_string(), task: None });
        desk.say(Saying::new(Subject::Thread(need), Thread::Need(need), body));
    }
}
