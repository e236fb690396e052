//! The loop: inputs in, lines to the disk, effects out, in turns.
//!
//! A turn takes whatever has arrived for every node, then flushes all logs at once, then carries out what the nodes want:
//! one flush pays for many inputs. Whatever a crash cuts short is asked for again after the next boot, because a node's log
//! holds what it asked for and the bus holds what it has not acknowledged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use swarm_core::id::{AgentId, Cid, Label, Lamport, NeedId, OpId, Seq, Thread, hex, label};
use swarm_core::node::{Act, Effect, Input, Message, Note, Outcome};
use swarm_core::register::{Command, Ending, Entry};
use swarm_core::reject::Reject;
use swarm_core::time::{Instant as Mono, Now, WallTime};
use swarm_core::wire::{Need, Role, canonical};
use swarm_ports::store::embedded::{DiskArtifacts, FileRegister, LocalBus};
use swarm_ports::store::{
    Answer, Artifacts as _, Bus as _, PAYLOAD_BYTES_MAX, Position, Register as _, StoreError, Subject,
};

use crate::error::LiveError;
use crate::folder::Folder;
use crate::host::{Host, Ready};
use crate::job::Job;
use crate::office::Office;
use crate::progress::{Progress, Tally};

/// Messages taken from one consumer group, and entries from one thread, in a turn.
const TAKE_MAX: usize = 128;
/// The longest sleep: how late an interrupt may be noticed.
const SLEEP_MAX: Duration = Duration::from_millis(100);
/// How long nobody must hear anything after the last need is over, and for how long that is waited for at most.
const QUIET: Duration = Duration::from_millis(100);
const QUIET_MAX: Duration = Duration::from_secs(10);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every need is over and paid.
    Done,
    /// Time ran out.
    TimedOut,
    /// Somebody asked to stop.
    Interrupted,
}

/// What became of a need.
#[derive(Debug)]
pub struct Fate {
    /// The need.
    pub need: NeedId,
    /// What it asked for.
    pub recipe: Label,
    /// How it ended, if it did.
    pub ending: Option<Ending>,
    /// The outputs that it asked for and that are final.
    pub outputs: BTreeMap<Label, Cid>,
}

/// Everything that is to be done once the logs are on the disk.
#[derive(Default)]
struct Turn {
    ready: Vec<(usize, Ready)>,
    acks: Vec<(String, Position)>,
}

/// All nodes and what lies between them.
pub struct Swarm {
    hosts: Vec<Host>,
    bus: LocalBus,
    register: FileRegister,
    register_path: PathBuf,
    artifacts: Arc<Mutex<DiskArtifacts>>,
    office: Office,
    buckets: u16,
    /// What was read and verified once, by where it stands: the nodes share it.
    heard: BTreeMap<Position, Arc<Message>>,
    entries: BTreeMap<(Thread, Seq), Arc<Command>>,
    started: Instant,
    /// What the requester believes.
    pub tally: Tally,
    /// Envelopes that were refused, by reason.
    pub refused: BTreeMap<Reject, u64>,
    /// Nodes that believe what contradicts what they applied.
    pub diverged: u64,
    /// Envelopes published.
    pub published: u64,
}

impl Swarm {
    /// Makes all nodes again from their logs.
    ///
    /// # Errors
    /// Something on the disk is damaged, lost or held by another process.
    pub fn open(folder: Folder) -> Result<Self, LiveError> {
        let register_path = folder.path.join("register");
        let register = FileRegister::open(&register_path)?;
        let bus = LocalBus::open(&folder.path.join("bus"))?;
        // Replaying a log is mostly checking signatures: one thread for each.
        let hosts: Vec<Host> = thread::scope(|scope| {
            let opening: Vec<_> =
                folder.actors.iter().map(|actor| scope.spawn(|| Host::open(&folder, actor))).collect();
            opening.into_iter().map(|thread| thread.join().expect("opening a host does not panic")).collect::<Vec<_>>()
        })
        .into_iter()
        .collect::<Result<_, _>>()?;
        let buckets = folder.genesis.params.buckets as u16;
        let artifacts = Arc::new(Mutex::new(folder.artifacts));
        let mut swarm = Self {
            hosts,
            bus,
            register,
            register_path,
            office: Office::open(Arc::clone(&artifacts)),
            artifacts,
            buckets,
            heard: BTreeMap::new(),
            entries: BTreeMap::new(),
            started: Instant::now(),
            tally: Tally::default(),
            refused: BTreeMap::new(),
            diverged: 0,
            published: 0,
        };
        swarm.check_register()?;
        swarm.check_logs()?;
        for n in 0..swarm.hosts.len() {
            swarm.listen(n)?;
        }
        for (need, holding) in swarm.requester().node.needs() {
            swarm.tally.resume(need, &holding.record);
        }
        Ok(swarm)
    }

    /// Whether the nodes were started before.
    pub fn is_resumed(&self) -> bool {
        self.hosts.iter().any(|host| host.boots > 0)
    }

    /// The register must hold whatever a node has applied.
    fn check_register(&self) -> Result<(), LiveError> {
        for host in &self.hosts {
            for (thread, seq) in &host.fed {
                let last = self.register.last(thread)?;
                if last < *seq {
                    let what = format!("ends at entry {last} of thread {thread}, but {} has applied {seq}", host.name);
                    return Err(LiveError::DataLoss { path: self.register_path.clone(), what });
                }
            }
        }
        Ok(())
    }

    /// A node's log must hold whatever it said: from an older copy it would say other things under the same nonces, and nobody
    /// would listen (T08). A copy from after its last word is not found out.
    fn check_logs(&self) -> Result<(), LiveError> {
        #[derive(Deserialize)]
        struct Said {
            envelope: Words,
        }
        #[derive(Deserialize)]
        struct Words {
            lamport: Lamport,
            sender: AgentId,
        }
        // Nothing is believed here, so nothing is verified.
        let said = self.bus.payloads().filter_map(|payload| serde_json::from_slice::<Said>(payload).ok());
        let mut last = BTreeMap::<AgentId, Lamport>::new();
        for Said { envelope: Words { lamport, sender } } in said {
            let known = last.entry(sender).or_default();
            *known = lamport.max(*known);
        }
        for host in &self.hosts {
            let (said, knows) = (last.get(&host.node.me()).copied().unwrap_or_default(), host.node.lamport());
            if said > knows {
                let what =
                    format!("is older than what {} said: it ends at Lamport {knows}, the bus has {said}", host.name);
                return Err(LiveError::DataLoss { path: host.path.clone(), what });
            }
        }
        Ok(())
    }

    fn requester(&mut self) -> &mut Host {
        let found = self.hosts.iter_mut().find(|host| host.role == Role::Requester);
        found.expect("there is always a requester")
    }

    /// Subscribes node `n` to what concerns it (PROTOCOL 3).
    fn listen(&mut self, n: usize) -> Result<(), LiveError> {
        let me = hex(&self.hosts[n].node.me().0);
        self.subscribe(n, "market", "market.>")?;
        self.subscribe(n, "system", "system.>")?;
        self.subscribe(n, "inbox", &format!("agent.{me}.>"))?;
        if self.hosts[n].role == Role::Coordinator {
            self.subscribe(n, "coordinators", "coordinators.>")?;
            self.subscribe(n, "threads", "thread.>")?;
        } else {
            for need in self.hosts[n].following.clone() {
                self.follow(n, need)?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, n: usize, need: NeedId) -> Result<(), LiveError> {
        let filter = format!("thread.{}.{need}.>", need.bucket(self.buckets));
        self.subscribe(n, &need.to_string(), &filter)
    }

    fn subscribe(&mut self, n: usize, what: &str, filter: &str) -> Result<(), LiveError> {
        let group = format!("{}/{what}", self.hosts[n].name);
        let filter = filter.parse().expect("filters are written here");
        self.bus.subscribe(&group, &filter)?;
        if !self.hosts[n].groups.contains(&group) {
            self.hosts[n].groups.push(group);
        }
        Ok(())
    }

    fn now(&self) -> Now {
        let mono = Mono(self.started.elapsed().as_nanos() as u64 + 1);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        Now { mono, wall: WallTime(wall) }
    }

    /// Runs until every need of `job` is over and paid.
    ///
    /// # Errors
    /// A store failed; what was said before is safe.
    pub fn run(
        &mut self,
        job: &Job,
        timeout: Duration,
        stop: &AtomicBool,
        progress: &mut Progress,
    ) -> Result<End, LiveError> {
        for host in &mut self.hosts {
            host.waiting.push_front(Input::Boot);
        }
        // What was posted before is in the requester's log; the rest is posted now, in the file's order.
        let posted = self.requester().acts as usize;
        for need in job.needs.iter().skip(posted) {
            self.requester().waiting.push_back(Input::Act(Box::new(Act::Post(Need::clone(need)))));
        }
        let (mut over, mut quiet) = (None, Instant::now());
        let end = loop {
            if stop.load(Ordering::Relaxed) {
                break End::Interrupted;
            }
            if self.turn()? {
                quiet = Instant::now();
            } else {
                self.sleep();
            }
            progress.show(&self.tally);
            if self.tally.ended.len() >= job.needs.len() && self.is_paid() {
                // The last words are still on their way to some; the needs are settled without them.
                let since = *over.get_or_insert_with(Instant::now);
                let heard = quiet.elapsed() >= QUIET && self.hosts.iter().all(|host| host.node.is_quiet());
                if heard || since.elapsed() >= QUIET_MAX {
                    break End::Done;
                }
            } else if self.started.elapsed() >= timeout {
                break End::TimedOut;
            }
        };
        self.hosts.iter_mut().for_each(|host| host.seal(true));
        self.flush()?;
        self.bus.flush()?;
        Ok(end)
    }

    /// Whether every coordinator has paid out all that needs had set aside.
    fn is_paid(&self) -> bool {
        self.hosts.iter().filter_map(|host| host.node.system()).all(|s| s.ledger().open_pots().next().is_none())
    }

    /// Takes what has arrived for every node; false if nothing had.
    fn turn(&mut self) -> Result<bool, LiveError> {
        while let Some(finished) = self.office.finished(Duration::ZERO) {
            let input = Input::Done { op: finished.op, outcome: finished.outcome };
            self.hosts[finished.host].waiting.push_back(input);
        }
        let mut turn = Turn::default();
        let mut any = false;
        for n in 0..self.hosts.len() {
            let inputs = self.collect(n, &mut turn)?;
            let now = self.now();
            let mut ready = Vec::new();
            let host = &mut self.hosts[n];
            for input in inputs {
                any = true;
                host.handle(now, input, &mut ready);
            }
            if host.node.next_deadline().is_some_and(|at| at <= now.mono) {
                host.handle(now, Input::Wake, &mut ready);
            }
            any |= !ready.is_empty();
            turn.ready.extend(ready.into_iter().map(|ready| (n, ready)));
        }
        self.flush()?;
        self.carry_out(turn)?;
        Ok(any)
    }

    /// All inputs that wait for node `n`.
    fn collect(&mut self, n: usize, turn: &mut Turn) -> Result<Vec<Input>, LiveError> {
        let mut inputs: Vec<Input> = self.hosts[n].waiting.drain(..).collect();
        if self.hosts[n].role == Role::Coordinator {
            for thread in self.register.threads()? {
                let fed = self.hosts[n].fed.entry(thread).or_default();
                for (seq, bytes) in self.register.read(&thread, fed.next(), TAKE_MAX)? {
                    *fed = seq;
                    let entry = self.entries.entry((thread, seq));
                    let command = match entry {
                        std::collections::btree_map::Entry::Occupied(known) => Arc::clone(known.get()),
                        std::collections::btree_map::Entry::Vacant(new) => {
                            let command = serde_json::from_slice(&bytes).map_err(|error| LiveError::DataLoss {
                                path: self.register_path.clone(),
                                what: format!("entry {seq} of thread {thread} is no command: {error}"),
                            })?;
                            Arc::clone(new.insert(Arc::new(command)))
                        }
                    };
                    inputs.push(Input::Applied(Entry { command, seq, thread }));
                }
            }
        }
        let mut heard = Vec::new();
        let host = &self.hosts[n];
        for group in &host.groups {
            for delivery in self.bus.fetch(group, &host.name, TAKE_MAX)? {
                heard.push((delivery.position, group.clone(), delivery.payload));
            }
        }
        heard.sort_unstable_by_key(|(position, ..)| *position);
        for (position, group, payload) in heard {
            turn.acks.push((group, position));
            // Only nodes of this swarm publish here, but the file may have been touched: what does not verify is passed over.
            let message = match self.heard.get(&position) {
                Some(message) => Some(Arc::clone(message)),
                None => serde_json::from_slice::<Message>(&payload).ok().map(Arc::new),
            };
            if let Some(message) = message {
                inputs.push(Input::Message(Message::clone(&message)));
                self.heard.insert(position, message);
            }
        }
        Ok(inputs)
    }

    /// Brings every log to the disk, all at the same time.
    fn flush(&mut self) -> Result<(), LiveError> {
        let dirty = self.hosts.iter_mut().filter(|host| host.is_dirty());
        thread::scope(|scope| {
            let flushing: Vec<_> = dirty.map(|host| scope.spawn(|| host.flush())).collect();
            flushing.into_iter().try_for_each(|thread| thread.join().expect("flushing a log does not panic"))
        })
    }

    /// Does what the nodes want.
    fn carry_out(&mut self, turn: Turn) -> Result<(), LiveError> {
        let mut publishes: Vec<(usize, OpId, Subject, Vec<u8>)> = Vec::new();
        let mut submits: Vec<(usize, OpId, Thread, Vec<u8>)> = Vec::new();
        for (n, (effect, signed)) in turn.ready {
            match effect {
                Effect::Publish { op, subject, inboxes, entries, .. } => {
                    let message = Message { entries, envelope: signed.expect("every publish was signed") };
                    let payload = canonical::to_vec(&message);
                    let verb = message.envelope.verb();
                    let inboxes = inboxes.into_iter().map(swarm_core::node::Subject::Inbox);
                    for subject in std::iter::once(subject).chain(inboxes) {
                        let subject = subject.name(verb, self.buckets).parse().expect("subjects are well formed");
                        publishes.push((n, op, subject, payload.clone()));
                    }
                }
                Effect::Submit { op, thread, wish } => {
                    let command = self.hosts[n].sign(wish);
                    submits.push((n, op, thread, canonical::to_vec(&*command)));
                }
                Effect::Execute { op, work } => {
                    // Planners offer the same on different terms.
                    let variant = self.hosts[..n].iter().filter(|host| host.role == Role::Planner).count();
                    self.office.order(n, op, work, variant as u32);
                }
                Effect::Anchor { op, since } => {
                    let anchor = self.hosts[n].anchor(since);
                    let outcome = anchor.map_or_else(|| Outcome::CouldNot(label("no-chain")), Outcome::Anchored);
                    self.hosts[n].waiting.push_back(Input::Done { op, outcome });
                }
                Effect::Reveal { op, since, round } => {
                    let value = self.hosts[n].reveal(since, round);
                    let outcome = value.map_or_else(|| Outcome::CouldNot(label("used-up")), Outcome::Revealed);
                    self.hosts[n].waiting.push_back(Input::Done { op, outcome });
                }
                Effect::Follow(need) => {
                    if self.hosts[n].role != Role::Coordinator {
                        self.follow(n, need)?;
                    }
                }
                Effect::Unfollow(need) => {
                    let group = format!("{}/{need}", self.hosts[n].name);
                    self.hosts[n].groups.retain(|own| *own != group);
                }
                Effect::Emit(note) => self.note(n, &note),
            }
        }
        self.publish(publishes)?;
        self.submit(submits)?;
        for (group, position) in turn.acks {
            self.bus.ack(&group, position)?;
        }
        // Whatever is old was read by everyone long ago; if not, it is read again.
        while self.heard.len() > 8_192 {
            self.heard.pop_first();
        }
        while self.entries.len() > 8_192 {
            self.entries.pop_first();
        }
        Ok(())
    }

    fn publish(&mut self, publishes: Vec<(usize, OpId, Subject, Vec<u8>)>) -> Result<(), LiveError> {
        let (fit, large): (Vec<_>, Vec<_>) = publishes.into_iter().partition(|p| fits(&p.3));
        let batch: Vec<(Subject, &[u8])> =
            fit.iter().map(|(_, _, subject, payload)| (subject.clone(), &payload[..])).collect();
        let outcome = if batch.is_empty() { Outcome::Committed } else { outcome(self.bus.publish_all(&batch))? };
        self.published += batch.len() as u64;
        let answers = (fit.iter().map(|p| (p.0, p.1, outcome.clone())))
            .chain(large.iter().map(|p| (p.0, p.1, Outcome::NotCommitted)));
        let answers: BTreeMap<(usize, OpId), Outcome> = answers.map(|(n, op, outcome)| ((n, op), outcome)).collect();
        self.answer(answers);
        Ok(())
    }

    fn submit(&mut self, submits: Vec<(usize, OpId, Thread, Vec<u8>)>) -> Result<(), LiveError> {
        let (fit, large): (Vec<_>, Vec<_>) = submits.into_iter().partition(|s| fits(&s.3));
        let batch: Vec<(Thread, &[u8])> = fit.iter().map(|(_, _, thread, command)| (*thread, &command[..])).collect();
        let outcome = if batch.is_empty() { Outcome::Committed } else { outcome(self.register.submit_all(&batch))? };
        let answers = (fit.iter().map(|s| (s.0, s.1, outcome.clone())))
            .chain(large.iter().map(|s| (s.0, s.1, Outcome::NotCommitted)));
        self.answer(answers.map(|(n, op, outcome)| ((n, op), outcome)).collect());
        Ok(())
    }

    fn answer(&mut self, answers: BTreeMap<(usize, OpId), Outcome>) {
        for ((n, op), outcome) in answers {
            self.hosts[n].waiting.push_back(Input::Done { op, outcome });
        }
    }

    fn note(&mut self, n: usize, note: &Note) {
        match note {
            Note::Diverged { .. } => self.diverged += 1,
            Note::Refused { reject, .. } => *self.refused.entry(*reject).or_default() += 1,
            Note::NeedRefused { need, reject, .. } => {
                *self.refused.entry(*reject).or_default() += 1;
                self.tally.ended.insert(*need, Ending::Failed);
            }
            Note::Believed { thread: Thread::Need(need), .. } if self.hosts[n].role == Role::Requester => {
                note.events().iter().for_each(|event| self.tally.fold(*need, event));
            }
            _ => {}
        }
    }

    /// Sleeps until a node wants to be woken or work is done.
    fn sleep(&mut self) {
        let now = self.now().mono;
        let next = self.hosts.iter().filter_map(|host| host.node.next_deadline()).min();
        let until = next.map_or(SLEEP_MAX, |at| Duration::from_nanos(at.since(now).0)).min(SLEEP_MAX);
        if let Some(finished) = self.office.finished(until) {
            let input = Input::Done { op: finished.op, outcome: finished.outcome };
            self.hosts[finished.host].waiting.push_back(input);
        }
    }

    /// What became of every need, by rising id.
    pub fn fates(&mut self) -> Vec<Fate> {
        let ended = self.tally.ended.clone();
        let fate = |(need, holding): (NeedId, swarm_core::node::Holding)| {
            let record = holding.record;
            let wanted = record.need()?;
            let made: BTreeMap<Label, Cid> = (record.tasks.values())
                .filter_map(|task| task.record.as_ref())
                .flat_map(|result| result.outputs.iter().map(|(name, cid)| (name.clone(), *cid)))
                .filter(|(name, _)| wanted.produces.contains(name))
                .collect();
            let ending = ended.get(&need).copied();
            Some(Fate { need, recipe: wanted.recipe.clone(), ending, outputs: made })
        };
        self.requester().node.needs().into_iter().filter_map(fate).collect()
    }

    /// The bytes at `cid`.
    ///
    /// # Errors
    /// They are damaged or gone.
    pub fn artifact(&self, cid: &Cid) -> Result<Arc<[u8]>, LiveError> {
        let store = self.artifacts.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = || LiveError::DataLoss {
            path: self.register_path.with_file_name("artifacts"),
            what: format!("artifact {cid} is final and gone"),
        };
        store.get(cid)?.ok_or_else(gone)
    }
}

fn fits(payload: &[u8]) -> bool {
    payload.len() as u64 <= PAYLOAD_BYTES_MAX
}

/// A store on this machine that fails will fail again: the run ends, and the next one goes on from the disk.
fn outcome<T>(answer: Answer<T>) -> Result<Outcome, StoreError> {
    match answer {
        Answer::Committed(_) => Ok(Outcome::Committed),
        Answer::NotCommitted(error) | Answer::Unknown(error) => Err(error),
    }
}
