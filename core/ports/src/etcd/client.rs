//! The client itself: submissions in, entries in order out, questions to etcd in between.
//!
//! One thing happens to it at a time; then [`Client::poll`] until there is nothing more.

mod watch;

use std::collections::{BTreeMap, VecDeque};

use swarm_core::id::{Digest, Seq, Thread};
use swarm_core::rng::Stream;
use swarm_core::time::Instant;

use super::Config;
use super::api::{Guard, Header, Kv, Nonce, Op, Range, Request, RequestId, Response, Txn, Value};
use super::lane::{Early, Lane, Wanted};
use super::output::{Answer, Loss, Output, Ticket};

/// A question under way.
#[derive(Debug)]
struct Asked<C> {
    what: What<C>,
    due: Instant,
    /// The answer cannot be of an earlier revision.
    floor: u64,
}

#[derive(Debug)]
enum What<C> {
    /// All heads.
    List,
    /// The revision.
    Poll,
    /// A thread from its last applied entry on; and that entry's nonce.
    Read(Thread, Seq, Nonce),
    /// The same, and what is written after it if nothing else was.
    Write(Thread, Seq, Nonce, Nonce, Vec<(Digest, C)>),
    /// A watch.
    Watch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Request(RequestId),
    Lane(Thread),
    Poll,
    List,
    Watch,
}

/// What a client knows before it begins.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The cluster that the deployment runs on, as whoever set it up says; none for the first that answers.
    pub cluster: Option<u64>,
    /// The last entry of each thread that was handed over in an earlier life, and its command's id.
    pub last: BTreeMap<Thread, (Seq, Digest)>,
}

/// One coordinator's client.
#[derive(Debug)]
pub struct Client<C> {
    config: Config,
    stream: Stream,
    lanes: BTreeMap<Thread, Lane<C>>,
    asked: BTreeMap<RequestId, Asked<C>>,
    timers: BTreeMap<(Instant, Timer), ()>,
    last_id: RequestId,
    /// Cluster and highest revision of any answer.
    seen: Option<Header>,
    watch: RequestId,
    /// Revisions up to here were told by the watch, or listed.
    told: u64,
    /// A poll saw this revision; the watch has until the next poll to tell it.
    expected: u64,
    poll_ns: u64,
    poll_at: Instant,
    /// Heads are to be listed, or are being listed.
    listing: bool,
    listed: u64,
    outputs: VecDeque<Output<C>>,
    stopped: bool,
}

impl<C: Clone> Client<C> {
    /// A client that has asked nothing yet. Pauses and nonces come from `stream`, which no other client may share.
    pub fn new(config: Config, mut stream: Stream, kept: Kept) -> Self {
        let lane = |(thread, last)| (thread, Lane { kept: Some(last), doubtful: true, ..Lane::default() });
        // An answer to a client of an earlier life must not pass for one to this.
        let last_id = RequestId(stream.below(1 << 62));
        Self {
            config,
            stream,
            lanes: kept.last.into_iter().map(lane).collect(),
            asked: BTreeMap::new(),
            timers: BTreeMap::new(),
            last_id,
            seen: kept.cluster.map(|cluster| Header { cluster, revision: 0 }),
            watch: RequestId(0),
            told: 0,
            expected: 0,
            poll_ns: config.poll_ns,
            poll_at: Instant(0),
            listing: false,
            listed: 0,
            outputs: VecDeque::new(),
            stopped: false,
        }
    }

    /// Begins: finds the threads, reads them from their beginning, watches for more.
    pub fn start(&mut self, now: Instant) {
        self.list(now, Value::<C>::HEADS.to_owned());
        for thread in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.advance(now, thread);
        }
    }

    /// Orders `command`, known as `id`, in `thread`. Answered once.
    pub fn submit(&mut self, now: Instant, ticket: Ticket, thread: Thread, id: Digest, command: C) {
        if self.stopped {
            return self.outputs.push_back(Output::Answer(ticket, Answer::Unknown));
        }
        let lane = self.lanes.entry(thread).or_default();
        match lane.queue.iter_mut().find(|wanted| wanted.id == id) {
            Some(wanted) => wanted.tickets.push(ticket),
            None => {
                let tickets = vec![ticket];
                lane.queue.push_back(Wanted { id, command, tickets, tries: 0, unsure: false });
            }
        }
        self.stir(now);
        self.advance(now, thread);
    }

    /// What is wanted next.
    pub fn poll(&mut self) -> Option<Output<C>> {
        self.outputs.pop_front()
    }

    /// When [`Self::on_time`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|((at, _), ())| *at)
    }

    /// Time has passed.
    pub fn on_time(&mut self, now: Instant) {
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, timer), ()) = entry.remove_entry();
            match timer {
                Timer::Request(id) => {
                    if let Some(asked) = self.asked.remove(&id) {
                        self.missed(now, asked.what);
                    }
                }
                Timer::Lane(thread) => {
                    self.lanes.entry(thread).or_default().rests_until = None;
                    self.advance(now, thread);
                }
                Timer::Poll => self.poll_revision(now),
                Timer::List => self.list(now, Value::<C>::HEADS.to_owned()),
                Timer::Watch => self.rewatch(now),
            }
        }
    }

    /// etcd says something to the request `id`, or to the watch that it began.
    pub fn on_response(&mut self, now: Instant, id: RequestId, response: Response<Value<C>>) {
        if self.stopped {
            return;
        }
        match response {
            Response::Watch { header, event } => {
                if id == self.watch && self.same_world(header, 0) {
                    self.told_by_watch(now, id, event);
                }
            }
            Response::Txn { header, held, read } => {
                let Some(asked) = self.take_asked(id) else { return };
                if self.same_world(header, asked.floor) {
                    self.ran(now, header, held, read, asked.what);
                }
            }
            Response::Unavailable => {
                if let Some(asked) = self.take_asked(id) {
                    self.missed(now, asked.what);
                }
            }
        }
    }

    fn ask(&mut self, now: Instant, what: What<C>, request: Request<Value<C>>) -> RequestId {
        self.last_id.0 += 1;
        let (id, due) = (self.last_id, Instant(now.0 + self.config.request_ns));
        let floor = self.seen.map_or(0, |seen| seen.revision);
        self.asked.insert(id, Asked { what, due, floor });
        self.timers.insert((due, Timer::Request(id)), ());
        self.outputs.push_back(Output::Ask(id, request));
        id
    }

    fn take_asked(&mut self, id: RequestId) -> Option<Asked<C>> {
        let asked = self.asked.remove(&id)?;
        self.timers.remove(&(asked.due, Timer::Request(id)));
        Some(asked)
    }

    /// Whether an answer comes from the cluster known so far, and is no older than it may be.
    fn same_world(&mut self, header: Header, floor: u64) -> bool {
        let seen = self.seen.get_or_insert(header);
        if seen.cluster != header.cluster {
            let was = seen.cluster;
            self.lost(Loss::OtherCluster { was, is: header.cluster });
            return false;
        }
        if header.revision < floor {
            self.lost(Loss::WentBack { was: floor, is: header.revision });
            return false;
        }
        seen.revision = seen.revision.max(header.revision);
        true
    }

    /// Stops for good.
    fn lost(&mut self, loss: Loss) {
        self.stopped = true;
        self.timers.clear();
        self.asked.clear();
        let waiting = std::mem::take(&mut self.lanes).into_values().flat_map(|lane| lane.queue);
        for ticket in waiting.flat_map(|wanted| wanted.tickets) {
            self.outputs.push_back(Output::Answer(ticket, Answer::Unknown));
        }
        self.outputs.push_back(Output::Lost(loss));
    }

    /// A pause after `misses` in a row, drawn so that rivals part ways.
    fn pause(&mut self, misses: u32) -> u64 {
        let longest = self.config.pause_ns.saturating_mul(1 << misses.min(20)).min(self.config.pause_max_ns);
        1 + self.stream.below(longest.max(1))
    }

    fn rest(&mut self, now: Instant, thread: Thread) {
        let lane = self.lanes.entry(thread).or_default();
        lane.misses += 1;
        let misses = lane.misses;
        let until = Instant(now.0 + self.pause(misses));
        self.lanes.entry(thread).or_default().rests_until = Some(until);
        self.timers.insert((until, Timer::Lane(thread)), ());
    }

    /// A question has no answer that says anything.
    fn missed(&mut self, now: Instant, what: What<C>) {
        match what {
            What::List => {
                self.listing = false;
                self.distrust(now);
            }
            What::Poll => self.poll_in(now, self.config.poll_ns),
            What::Watch => {
                let at = Instant(now.0 + self.pause(3));
                self.timers.insert((at, Timer::Watch), ());
            }
            What::Read(thread, ..) => {
                let lane = self.lanes.entry(thread).or_default();
                (lane.asked, lane.doubtful) = (None, true);
                self.rest(now, thread);
            }
            What::Write(thread, _, _, nonce, commands) => {
                self.tried(thread, &commands, true);
                let lane = self.lanes.entry(thread).or_default();
                (lane.asked, lane.unsure) = (None, Some(nonce));
                self.rest(now, thread);
            }
        }
    }

    /// A write of these did not come to a known success.
    fn tried(&mut self, thread: Thread, commands: &[(Digest, C)], unsure: bool) {
        let lane = self.lanes.entry(thread).or_default();
        for wanted in lane.queue.iter_mut().filter(|wanted| commands.iter().any(|(id, _)| *id == wanted.id)) {
            wanted.tries += 1;
            wanted.unsure |= unsure;
        }
    }

    fn ran(&mut self, now: Instant, header: Header, held: bool, mut read: Vec<Vec<Kv<Value<C>>>>, what: What<C>) {
        match what {
            What::Watch => {}
            What::Poll => self.polled(now, header),
            What::List => self.listed(now, header, read.pop().unwrap_or_default()),
            What::Read(thread, from, nonce) => {
                self.lanes.entry(thread).or_default().misses = 0;
                self.read(now, thread, from, nonce, read);
            }
            What::Write(thread, from, _, nonce, commands) if held => {
                let mut seq = from;
                for (id, command) in commands {
                    seq = seq.next();
                    if !self.take(thread, seq, Early { id, nonce, command }) {
                        return;
                    }
                }
                let lane = self.lanes.entry(thread).or_default();
                lane.see_head(seq, header.revision);
                (lane.asked, lane.misses) = (None, 0);
                self.advance(now, thread);
            }
            What::Write(thread, from, last, _, commands) => {
                // Somebody else was first; what they wrote came along.
                self.tried(thread, &commands, false);
                self.rest(now, thread);
                self.read(now, thread, from, last, read);
            }
        }
    }

    /// A thread's head and its entries from `from` on were read.
    fn read(&mut self, now: Instant, thread: Thread, from: Seq, nonce: Nonce, mut read: Vec<Vec<Kv<Value<C>>>>) {
        let (entries, heads) = (read.pop().unwrap_or_default(), read.pop().unwrap_or_default());
        let head = heads.into_iter().next().map(|kv| (kv.modified, kv.value));
        let (end, modified) = match head {
            Some((modified, Value::Head { seq, .. })) => (seq, modified),
            _ => (Seq(0), 0),
        };
        let is_kept =
            |kv: &Kv<Value<C>>| matches!(kv.value, Value::Entry { seq, nonce: by, .. } if (seq, by) == (from, nonce));
        let kept = self.lanes.get(&thread).and_then(|lane| lane.kept).map_or(Seq(0), |(kept, _)| kept);
        if end < from.max(kept) || from > Seq(0) && !entries.first().is_some_and(is_kept) {
            // Before anything of it is handed over: what follows is another history.
            return self.lost(Loss::Forgotten { thread, seq: from.max(kept) });
        }
        let whole = entries.len() < self.config.page;
        let lane = self.lanes.entry(thread).or_default();
        let (unsure, before) = (lane.unsure, lane.applied);
        let mut found = false;
        for kv in entries {
            let Value::Entry { command, id, nonce: by, seq, .. } = kv.value else { continue };
            found |= unsure == Some(by);
            if seq > from && !self.take(thread, seq, Early { id, nonce: by, command }) {
                return;
            }
        }
        let lane = self.lanes.entry(thread).or_default();
        lane.see_head(end, modified);
        (lane.asked, lane.doubtful) = (None, false);
        let caught_up = lane.applied > before;
        if found || whole {
            lane.unsure = None;
        }
        if found {
            self.outputs.push_back(Output::FoundOwn);
        } else if caught_up {
            self.outputs.push_back(Output::CaughtUp);
        }
        self.advance(now, thread);
    }

    /// Takes an entry and hands over what is in order now; whether that is no other than was handed over before.
    fn take(&mut self, thread: Thread, seq: Seq, entry: Early<C>) -> bool {
        let outputs = &mut self.outputs;
        let mut apply = |seq, command| outputs.push_back(Output::Applied(thread, seq, command));
        let taken = self.lanes.entry(thread).or_default().take(seq, entry, &mut apply);
        if let Err(seq) = taken {
            self.lost(Loss::Forgotten { thread, seq });
        }
        taken.is_ok()
    }

    /// Answers what has its place or no hope, and asks what is to be asked next.
    fn advance(&mut self, now: Instant, thread: Thread) {
        let lane = self.lanes.entry(thread).or_default();
        let (outputs, tries_max) = (&mut self.outputs, self.config.tries_max);
        let (known, resolved) = (&lane.known, lane.unsure.is_none() && lane.asked.is_none());
        lane.queue.retain(|wanted| {
            let answer = match known.get(&wanted.id) {
                Some(seq) => Answer::Committed(*seq),
                None if resolved && wanted.tries >= tries_max && !wanted.unsure => Answer::NotCommitted,
                None if resolved && wanted.tries >= tries_max => Answer::Unknown,
                None => return true,
            };
            outputs.extend(wanted.tickets.iter().map(|ticket| Output::Answer(*ticket, answer)));
            false
        });
        if lane.asked.is_some() || lane.rests_until.is_some_and(|until| until > now) {
            return;
        }
        let (from, last) = (lane.applied, lane.last);
        let head = Op::Get(Range::one(Value::<C>::head_key(thread)));
        let entries = Op::Get(Range {
            from: Value::<C>::entry_key(thread, Seq(from.0.max(1))),
            to: Value::<C>::entry_key(thread, Seq(u64::MAX)),
            limit: self.config.page,
        });
        let wants = !lane.queue.is_empty();
        let guard = lane.guard().filter(|_| !lane.doubtful && lane.unsure.is_none() && !lane.lags());
        let (what, txn) = match guard {
            Some(_) if !wants => return,
            Some(guard) => {
                let batch = lane.queue.iter().take(self.config.batch_max);
                let commands: Vec<(Digest, C)> = batch.map(|w| (w.id, w.command.clone())).collect();
                let nonce =
                    Nonce(u128::from(self.stream.below(u64::MAX)) << 64 | u128::from(self.stream.below(u64::MAX)));
                let txn = write(thread, from, guard, nonce, &commands, vec![head, entries]);
                (What::Write(thread, from, last, nonce, commands), txn)
            }
            None if wants || lane.doubtful || lane.unsure.is_some() || lane.lags() => {
                let txn = Txn { guards: vec![], then: vec![head, entries], otherwise: vec![] };
                (What::Read(thread, from, last), txn)
            }
            None => return,
        };
        let id = self.ask(now, what, Request::Txn(txn));
        self.lanes.entry(thread).or_default().asked = Some(id);
    }
}

/// The transaction that puts `commands` after `from`, if the head is still that of `guard`.
fn write<C: Clone>(
    thread: Thread,
    from: Seq,
    guard: u64,
    nonce: Nonce,
    commands: &[(Digest, C)],
    otherwise: Vec<Op<Value<C>>>,
) -> Txn<Value<C>> {
    let head = Value::<C>::head_key(thread);
    let at = if guard == 0 { Guard::Absent(head.clone()) } else { Guard::At(head.clone(), guard) };
    // Were head and log ever at odds, nothing that is there would be written over.
    let guards = vec![at, Guard::Absent(Value::<C>::entry_key(thread, from.next()))];
    let mut then = Vec::with_capacity(commands.len() + 1);
    let mut seq = from;
    for (id, command) in commands {
        seq = seq.next();
        let entry = Value::Entry { command: command.clone(), id: *id, nonce, seq, thread };
        then.push(Op::Put(Value::<C>::entry_key(thread, seq), entry));
    }
    then.push(Op::Put(head, Value::Head { nonce, seq, thread }));
    Txn { guards, then, otherwise }
}
