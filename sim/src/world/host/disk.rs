//! A host's disk: an input is written down before anything that follows from it leaves the host.
//!
//! Writing is free; being durable takes a moment, and all that was written when a sync begins becomes durable with it. A host
//! without a disk of its own has one that takes no time at all, so that a run which crashes nobody pays nothing for it.

use std::collections::VecDeque;
use std::rc::Rc;

use swarm_core::node::Effect;

use super::{Host, Waits};
use crate::kernel::{Cx, NodeId, Span};
use crate::world::wire::{Place, Post, Wire};

/// What waits until the inputs before it are durable.
#[derive(Debug)]
pub(super) enum Then {
    Effect(Effect),
    Send(NodeId, Wire),
    /// What was heard is in the log.
    Heard(Place, Rc<Post>),
}

/// How far inputs were written, counted over the host's whole life.
#[derive(Debug)]
pub(super) struct Disk {
    /// How long a sync takes.
    sync: Span,
    pub written: usize,
    pub durable: usize,
    /// What the sync in progress will make durable.
    syncing: Option<usize>,
    /// What follows, each after so many durable inputs.
    pub held: VecDeque<(usize, Then)>,
}

impl Disk {
    pub fn new(sync: Span) -> Self {
        Self { sync, written: 0, durable: 0, syncing: None, held: VecDeque::new() }
    }

    /// After a crash: this much was found, and no sync is in progress.
    pub fn found(&mut self, inputs: usize) {
        (self.written, self.durable, self.syncing) = (inputs, inputs, None);
        self.held.clear();
    }
}

impl Host {
    /// Whether something is written that is not durable yet.
    pub fn has_unsynced(&self) -> bool {
        self.register.has_unsynced() || self.disk.as_ref().is_some_and(|disk| disk.durable < disk.written)
    }

    /// An effect is carried out once the inputs so far are durable.
    pub(super) fn then(&mut self, cx: &mut Cx<'_, Wire>, effect: Effect) {
        match &mut self.disk {
            Some(disk) => disk.held.push_back((disk.written, Then::Effect(effect))),
            None => self.carry_out(cx, effect),
        }
    }

    /// A message leaves once the inputs so far are durable.
    pub(super) fn send_then(&mut self, cx: &mut Cx<'_, Wire>, to: NodeId, msg: Wire) {
        match &mut self.disk {
            Some(disk) if disk.durable < disk.written => disk.held.push_back((disk.written, Then::Send(to, msg))),
            _ => self.send_to(cx, to, msg),
        }
    }

    /// A message that the bus keeps at `place` was heard: a coordinator can say it again once its log holds it.
    pub(super) fn hold_then(&mut self, cx: &mut Cx<'_, Wire>, place: Place, post: Rc<Post>) {
        if !self.coordinates() || post.message.envelope.sender == self.agent() {
            return;
        }
        match &mut self.disk {
            Some(disk) if disk.durable < disk.written => disk.held.push_back((disk.written, Then::Heard(place, post))),
            _ => self.hold(cx, place, post),
        }
    }

    fn hold(&mut self, cx: &mut Cx<'_, Wire>, place: Place, post: Rc<Post>) {
        if let Some(op) = self.outbox.heard(place, post) {
            self.stand_by(cx, op);
        }
    }

    /// Begins to make durable what is written, unless that is being done already.
    pub(super) fn sync(&mut self, cx: &mut Cx<'_, Wire>) {
        let slow = self.ills.slow_disk;
        let Some(disk) = &mut self.disk else { return };
        if disk.syncing.is_some() || disk.durable == disk.written {
            return;
        }
        disk.syncing = Some(disk.written);
        let mut takes = cx.rng().within(disk.sync);
        if let Some(more) = slow {
            takes += cx.rng().within(more);
            self.harm.synced_late += 1;
        }
        self.wait(cx, takes, Waits::Sync);
    }

    /// A sync is done: what waited for it happens now, and the next begins.
    pub(super) fn synced(&mut self, cx: &mut Cx<'_, Wire>) {
        let Some(disk) = &mut self.disk else { return };
        disk.durable = disk.syncing.take().unwrap_or(disk.durable);
        let durable = disk.durable;
        while let Some((_, then)) = self.disk.as_mut().and_then(|disk| disk.held.pop_front_if(|(at, _)| *at <= durable))
        {
            match then {
                Then::Effect(effect) => self.carry_out(cx, effect),
                Then::Send(to, msg) => self.send_to(cx, to, msg),
                Then::Heard(place, post) => self.hold(cx, place, post),
            }
        }
        self.sync(cx);
    }

    /// Whether there is room on the disk; what comes while there is none is as if it had never come.
    pub(super) fn has_room(&mut self) -> bool {
        self.harm.no_room += u64::from(self.ills.full);
        !self.ills.full
    }

    /// There is room on the disk again.
    pub fn freed(&mut self, cx: &mut Cx<'_, Wire>) {
        if std::mem::take(&mut self.unbooted) {
            self.start(cx);
        }
        self.arm(cx);
    }
}
