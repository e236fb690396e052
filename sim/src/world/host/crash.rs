//! Death and return of a process. What was durable is still there, and by chance some of what was being written, the last
//! line of it perhaps torn; everything else is gone. The node comes back the way a real one does: from the text of its log.

use std::cell::Cell;
use std::sync::Arc;

use swarm_core::audit::{Restored, restore_with};
use swarm_core::id::NeedId;
use swarm_core::node::{Act, Effect, Input, Note};
use swarm_core::register::Entry;
use swarm_core::wire::Draft;

use super::disk::Then;
use super::{Host, Waits};
use crate::kernel::{Cx, Stream};
use crate::world::audit::AuditLog;
use crate::world::recorder::Shown;
use crate::world::wire::Wire;

thread_local! {
    /// Room for the text of a log. Each crash writes megabytes, and fresh memory costs as much as writing them.
    static ROOM: Cell<String> = const { Cell::new(String::new()) };
}

/// What a host does again when it has come back.
#[derive(Default)]
pub(super) struct Return {
    /// What the node had told before it died, and nobody had heard yet.
    notes: Vec<Note>,
    /// Needs that its log says it follows, and that it was about to leave.
    follows: Vec<(NeedId, bool)>,
    /// What its agent wants and the node does not know of, or no longer.
    wishes: Vec<Act>,
}

impl Host {
    /// The process dies. `luck` decides how much of what was being written is found again.
    ///
    /// # Panics
    /// If the log of a correct node cannot be restored, which would be a mistake of ours.
    pub fn crash(&mut self, luck: &mut Stream) {
        let (tape, disk) = match (&mut self.tape, &mut self.disk) {
            (Some(tape), Some(disk)) => (tape, disk),
            _ => unreachable!("a host that may die has a disk, and a tape of what it wrote"),
        };
        // The log as it was written: the same inputs and effects, the same lines.
        let mut log = AuditLog::remembered(&tape.setup, ROOM.take());
        // Where each input's lines end, and where the seal does that may follow them: an input is found again without its seal.
        let (mut ends, mut sealed) = (vec![log.text().len()], vec![log.text().len()]);
        let sign = |draft: &Draft| {
            let signed = tape.signed.get(&draft.id()).cloned();
            signed.unwrap_or_else(|| Arc::new(self.keys.sign(draft.clone())))
        };
        let mut effects = tape.effects.iter();
        for (now, input, follow) in &tape.inputs {
            log.input(*now, input);
            effects.by_ref().take(*follow).for_each(|effect| log.effect(effect, sign));
            ends.push(log.text().len());
            log.drained(&self.keys);
            sealed.push(log.text().len());
        }
        let (durable, written) = (sealed[disk.durable], log.text().len());
        let at = durable + usize::try_from(luck.below((written - durable) as u64 + 1)).expect("below a text's length");
        // Some disks keep whole blocks, some have everything in their cache, most stop anywhere.
        let found = match luck.below(4) {
            0 => written,
            1 => log.text()[at..].find('\n').map_or(written, |end| at + end + 1),
            _ => at,
        };
        let mut memory = log.memory();
        let text = &log.text().as_bytes()[..found];
        let restored = restore_with(text, Arc::clone(&tape.setup.engines), &mut memory)
            .expect("the log of a correct node is whole");
        let Restored { replayed, writer, keep } = restored.expect("the opening was durable from the start");
        let kept = ends.iter().rposition(|end| *end <= keep).expect("the opening was kept");
        assert!(kept >= disk.durable, "what was durable was found again");

        let mut recorder = self.recorder.borrow_mut();
        if text.last() != Some(&b'\n') {
            recorder.mark("torn-tail");
        }
        if kept < tape.inputs.len() {
            recorder.mark("unsynced-lost");
        }
        drop(recorder);

        let mut back = std::mem::take(&mut self.back);
        back.follows = replayed.following.iter().map(|need| (*need, true)).collect();
        // What was found although its sync was not done was never acted upon; the node asks for most of it again.
        for (at, then) in disk.held.drain(..) {
            match then {
                Then::Effect(Effect::Emit(note)) if at <= kept => back.notes.push(note),
                Then::Effect(Effect::Unfollow(need)) if at <= kept => back.follows.push((need, false)),
                Then::Heard(place, post) if at <= kept => drop(self.outbox.heard(place, post)),
                _ => {}
            }
        }
        let lost = tape.inputs.drain(kept..).map(|(_, input, _)| input);
        back.wishes.extend(lost.filter_map(|input| match input {
            Input::Act(act) => Some(*act),
            _ => None,
        }));
        back.wishes.extend(std::mem::take(&mut self.waits).into_values().filter_map(|waits| match waits {
            Waits::Act(act) => Some(*act),
            _ => None,
        }));
        tape.effects.truncate(tape.inputs.iter().map(|(.., effects)| effects).sum());
        disk.found(kept);
        if self.audit.is_some() {
            let text = String::from_utf8(text[..keep].to_vec()).expect("whole lines of text");
            self.audit = Some(AuditLog::resume(writer, text));
        }
        ROOM.set(log.into_text());
        let handed = tape.inputs.iter().filter_map(|(_, input, _)| match input {
            Input::Applied(entry) => Some(entry),
            _ => None,
        });
        let handed: Vec<&Entry> = handed.collect();
        // They were handed over in order, so the last of a thread is its highest.
        self.fed = handed.iter().map(|entry| (entry.thread, entry.seq)).collect();
        let marks = self.register.crash(luck, &handed);
        marks.into_iter().for_each(|mark| self.recorder.borrow_mut().mark(mark));
        self.node = replayed.node;
        self.back = back;
        self.down = true;
        self.forget();
    }

    /// The process dies, and its disk with it.
    pub fn wipe(&mut self) {
        (self.down, self.gone) = (true, true);
        self.forget();
    }

    /// All that was only in memory is gone. The outbox is not: it is read from the log. The counter is not either: no two
    /// lives of a process use one connection.
    fn forget(&mut self) {
        self.answers.clear();
        self.posts.clear();
        self.posting.clear();
        self.jobs.clear();
        self.follows.clear();
        self.anew.clear();
        self.seen.clear();
        self.inbox.clear();
    }

    /// The process starts, for the first time or again.
    pub fn start(&mut self, cx: &mut Cx<'_, Wire>) {
        if !self.has_room() {
            self.unbooted = true;
            return;
        }
        self.show_what_was_kept();
        self.boots += 1;
        let Return { notes, follows, wishes } = std::mem::take(&mut self.back);
        if std::mem::take(&mut self.down) {
            self.recorder.borrow_mut().mark("node-restarted");
        }
        notes.into_iter().for_each(|note| self.recorder.borrow_mut().note(self.no, note));
        self.input(cx, Input::Boot);
        self.register(cx, |half, cx, outs| half.start(cx, outs));
        for (need, on) in follows {
            self.follow(cx, need, on);
        }
        wishes.into_iter().for_each(|act| self.input(cx, Input::Act(Box::new(act))));
        // What the bus had forgotten and did not keep again before the process died.
        self.outbox.on_their_way().into_iter().for_each(|op| self.repost(cx, op));
        self.arm(cx);
    }

    /// Tells how far a coordinator's clock had come at the last thing that its disk holds of the boot before: its stopwatches know
    /// as much, and go on from there.
    fn show_what_was_kept(&self) {
        let Some(tape) = self.tape.as_ref().filter(|_| !self.fed.is_empty()) else { return };
        let boots = tape.inputs.iter().filter(|(_, input, _)| matches!(input, Input::Boot)).count();
        if let Some((now, ..)) = tape.inputs.last().filter(|_| boots == self.boots as usize) {
            self.show(*now, Shown::Kept);
        }
    }

    /// The agent behind the node wants something, `after` nanoseconds from now, or as soon as the node runs again.
    pub fn act(&mut self, cx: &mut Cx<'_, Wire>, after: u64, act: Act) {
        if self.down || self.unbooted {
            return self.back.wishes.push(act);
        }
        self.wait(cx, after, Waits::Act(Box::new(act)));
        self.arm(cx);
    }
}
