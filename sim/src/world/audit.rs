//! A node's audit log, written as the run goes: what really happened, not what a replay makes of it.

use std::sync::Arc;

use swarm_core::audit::{Memory, Writer};
use swarm_core::identity::Keys;
use swarm_core::node::{Effect, Input, Setup};
use swarm_core::time::Now;
use swarm_core::wire::{Draft, Envelope};

/// The log so far.
pub struct AuditLog {
    writer: Writer,
    text: String,
}

impl AuditLog {
    pub fn open(setup: &Setup) -> Self {
        let (writer, text) = Writer::open(setup);
        Self { writer, text }
    }

    /// A log whose lines are remembered for whoever reads it back, in the room of `text`, which is emptied.
    pub fn remembered(setup: &Setup, mut text: String) -> Self {
        let (mut writer, opening) = Writer::open(setup);
        writer.remember();
        text.clear();
        text.push_str(&opening);
        Self { writer, text }
    }

    /// The room that its text took.
    pub fn into_text(self) -> String {
        self.text
    }

    /// What is remembered of it.
    pub fn memory(&mut self) -> Memory {
        self.writer.forget()
    }

    /// Goes on with a log that a crash cut.
    pub fn resume(writer: Writer, text: String) -> Self {
        Self { writer, text }
    }

    /// All lines so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Before the node handles it.
    pub fn input(&mut self, now: Now, input: &Input) {
        self.text.push_str(&self.writer.input(now, input));
    }

    /// Before it is carried out. A publish is signed here as the host signs it: signing twice gives the same bytes.
    pub fn effect(&mut self, effect: &Effect, sign: impl FnOnce(&Draft) -> Arc<Envelope>) {
        let signed = match effect {
            Effect::Publish { draft, .. } => Some(sign(draft)),
            _ => None,
        };
        self.text.extend(self.writer.effect(effect, signed.as_ref()));
    }

    /// After an input's last effect.
    pub fn drained(&mut self, keys: &Keys) {
        if self.writer.is_seal_due() {
            self.text.push_str(&self.writer.seal(keys, false));
        }
    }

    /// The whole log, sealed by a node that stops.
    pub fn close(mut self, keys: &Keys) -> String {
        self.text.push_str(&self.writer.seal(keys, true));
        self.text
    }
}
