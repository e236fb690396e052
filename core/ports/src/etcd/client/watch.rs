//! How the client learns what others write: a watch, which is a hint; a look at the revision, which tells whether the
//! hint was whole; and a list of all heads, which mends what was not.

use std::collections::BTreeSet;

use swarm_core::id::Thread;
use swarm_core::time::Instant;

use super::{Client, Output, Timer, What};
use crate::etcd::api::{Event, Header, Kv, Op, Range, Request, RequestId, Txn, Value};
use crate::etcd::lane::Early;

impl<C: Clone> Client<C> {
    /// Something goes on: look soon whether the watch tells all of it.
    pub(super) fn stir(&mut self, now: Instant) {
        self.poll_ns = self.config.poll_ns;
        if self.poll_at.0 > now.0 + self.poll_ns {
            self.poll_in(now, self.poll_ns);
        }
    }

    pub(super) fn poll_in(&mut self, now: Instant, after: u64) {
        self.timers.remove(&(self.poll_at, Timer::Poll));
        self.poll_at = Instant(now.0 + after);
        self.timers.insert((self.poll_at, Timer::Poll), ());
    }

    pub(super) fn poll_revision(&mut self, now: Instant) {
        let read = Op::Get(Range::one(Value::<C>::head_key(Thread::System)));
        self.ask(now, What::Poll, Request::Txn(Txn { guards: vec![], then: vec![read], otherwise: vec![] }));
    }

    /// The revision is known: the watch has until the next look to tell all up to it.
    pub(super) fn polled(&mut self, now: Instant, header: Header) {
        let late = self.expected > self.told;
        self.expected = header.revision;
        if late {
            self.distrust(now);
            self.rewatch(now);
        }
        if header.revision > self.told {
            self.poll_ns = self.config.poll_ns;
        } else {
            self.poll_ns = (self.poll_ns * 2).min(self.config.poll_max_ns);
        }
        self.poll_in(now, self.poll_ns);
    }

    pub(super) fn list(&mut self, now: Instant, from: String) {
        if from == Value::<C>::HEADS {
            (self.listing, self.listed) = (true, u64::MAX);
        }
        // '0' follows '/'.
        let heads = Range { from, to: "head0".to_owned(), limit: self.config.page };
        self.ask(now, What::List, Request::Txn(Txn { guards: vec![], then: vec![Op::Get(heads)], otherwise: vec![] }));
    }

    /// The watch may have missed something: list all heads, unless that is on its way.
    pub(super) fn distrust(&mut self, now: Instant) {
        if !self.listing {
            self.listing = true;
            let pause = self.pause(1);
            self.timers.insert((Instant(now.0 + pause), Timer::List), ());
        }
    }

    pub(super) fn rewatch(&mut self, now: Instant) {
        if self.watch != RequestId(0) {
            self.outputs.push_back(Output::Ask(self.watch, Request::Unwatch));
        }
        self.watch = self.ask(now, What::Watch, Request::Watch { from: self.told + 1 });
    }

    /// All heads, or the next page of them.
    pub(super) fn listed(&mut self, now: Instant, header: Header, heads: Vec<Kv<Value<C>>>) {
        self.listed = self.listed.min(header.revision);
        let next = (heads.len() >= self.config.page).then(|| heads.last().map(|kv| kv.value.thread())).flatten();
        for Kv { modified, value } in heads {
            if let Value::Head { seq, thread, .. } = value {
                let lane = self.lanes.entry(thread).or_default();
                lane.see_head(seq, modified);
                if lane.lags() || seq < lane.applied && lane.asked.is_none() {
                    lane.doubtful = true;
                    self.advance(now, thread);
                }
            }
        }
        if let Some(thread) = next {
            return self.list(now, format!("{}\0", Value::<C>::head_key(thread)));
        }
        self.listing = false;
        self.told = self.told.max(self.listed);
        if self.watch == RequestId(0) {
            self.rewatch(now);
            self.poll_in(now, self.poll_ns);
        }
    }

    pub(super) fn told_by_watch(&mut self, now: Instant, id: RequestId, event: Event<Value<C>>) {
        match event {
            Event::Began => drop(self.take_asked(id)),
            Event::Ended { compacted: None } => {
                self.take_asked(id);
                self.watch = RequestId(0);
                self.rewatch(now);
            }
            Event::Ended { compacted: Some(_) } => {
                // What lies between is gone as history, not as state.
                self.take_asked(id);
                self.watch = RequestId(0);
                self.distrust(now);
            }
            Event::Wrote(all) => {
                self.stir(now);
                let mut threads = BTreeSet::new();
                for Kv { modified, value } in all {
                    if modified > self.told + 1 {
                        self.distrust(now);
                    }
                    self.told = self.told.max(modified);
                    threads.insert(value.thread());
                    match value {
                        Value::Head { seq, thread, .. } => {
                            self.lanes.entry(thread).or_default().see_head(seq, modified);
                        }
                        Value::Entry { command, id, nonce, seq, thread } => {
                            if !self.take(thread, seq, Early { id, nonce, command }) {
                                return;
                            }
                        }
                    }
                }
                for thread in threads {
                    self.advance(now, thread);
                }
            }
        }
    }
}
