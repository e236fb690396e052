//! One thread of the register at one coordinator: what it applied, what it vouched for, what it believes, and the
//! stopwatches it holds (PROTOCOL 5).

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::{Params, ms};
use crate::id::{AgentId, Digest, Segment, Seq, Thread};
use crate::mutant::{Mutant, planted};
use crate::node::desk::{Desk, Saying};
use crate::node::duty::rank;
use crate::node::io::{Message, Note, Subject};
use crate::node::timer::Timer;
use crate::register::{ALONE_MAX, Applied, Believed, Chain, Command, Event, Feed, Outcome, Says, Word};
use crate::reject::Reject;
use crate::slot::{Stopwatch, Waiting};
use crate::time::{Instant, Span};
use crate::wire::{Body, EntryBatch};

/// Waits longer than this are also reported at each tenth, so that a coordinator's crash loses little of them.
const LONG: Span = Span::from_secs(3_600);

/// Most entries one ENTRY vouches for.
const BATCH_MAX: usize = 64;

/// Most bytes of entries that travel beside one ENTRY, unless a single one is longer: a bus takes a mebibyte, and no entry
/// comes near that.
const BATCH_BYTES_MAX: usize = 768 * 1_024;

/// This coordinator's own stopwatch on one segment.
#[derive(Clone, Debug)]
struct Watch {
    /// What had passed when it was (re)started.
    base: Span,
    /// When it was (re)started, on this boot's clock.
    started: Instant,
    /// What late bids added to this coordinator's patience.
    patience: Span,
    /// How often they did.
    extensions: u32,
    total: Span,
    waiting: Waiting,
    /// What it last reported.
    reported: Span,
}

impl Watch {
    fn elapsed(&self, now: Instant) -> Span {
        self.base + now.since(self.started)
    }

    /// How far the next report lies ahead, and what it will say.
    fn next(&self, now: Instant) -> (Span, Span) {
        let (end, tenth) = (self.total + self.patience, Span(self.total.0 / 10));
        let end = if planted(Mutant::ReportsEarly) { Span(self.total.0 / 2) } else { end };
        let elapsed = self.elapsed(now);
        if self.total > LONG && self.reported + tenth < self.total {
            let say = self.reported + tenth;
            return (say.saturating_sub(elapsed), say);
        }
        (end.saturating_sub(elapsed), self.total)
    }
}

/// An entry that this coordinator has not vouched for.
#[derive(Clone)]
struct Unsaid {
    entry: Arc<Applied>,
    link: Digest,
    /// When it was applied and how long it may stay unsaid, if anyone waits for it.
    wanted: Option<(Instant, Span)>,
}

impl Unsaid {
    /// How much of its patience is left.
    fn left(&self, now: Instant) -> Option<Span> {
        self.wanted.map(|(since, patience)| patience.saturating_sub(now.since(since)))
    }
}

/// One thread at one coordinator.
#[derive(Clone)]
pub(super) struct Lane {
    pub thread: Thread,
    /// What this coordinator applied.
    pub chain: Chain,
    feed: Feed,
    /// Whether this coordinator is among the first in line to vouch, of whom there are just enough. The others wait a little
    /// longer and, unless some may lie, are silent about what is believed without them.
    eager: bool,
    /// Applied, not yet vouched for.
    unsaid: VecDeque<Unsaid>,
    /// Chain before the first of those.
    said: Chain,
    /// Some of those lie further ahead of belief than others would keep this coordinator's word: it says them when belief comes.
    held_back: bool,
    /// Own links not yet believed.
    own: BTreeMap<Seq, Digest>,
    watches: BTreeMap<Segment, Watch>,
}

impl Lane {
    /// The lane of `thread` at the coordinator in the `place`-th of `of` places, when `believe_at` voices are enough.
    pub fn new(thread: Thread, place: usize, of: usize, believe_at: usize) -> Self {
        Self {
            thread,
            chain: Chain::default(),
            feed: Feed::new(thread),
            eager: rank(&Digest::of_json("swarm/lane", &thread), place, of) < believe_at,
            unsaid: VecDeque::new(),
            said: Chain::default(),
            held_back: false,
            own: BTreeMap::new(),
            watches: BTreeMap::new(),
        }
    }

    /// Chains what a command did here, to be vouched for soon.
    pub fn push(&mut self, desk: &mut Desk, command: &Arc<Command>, outcome: Outcome) -> Arc<Applied> {
        let entry = Arc::new(Applied::new(command.id(), outcome, self.chain.seq.next()));
        let link = entry.link(self.thread);
        self.chain.push(&link);
        // Whoever founds the register anew on something else than what its act names must be stopped.
        if !desk.roster.voices().admits(self.thread, &self.chain) {
            desk.emit(Note::Diverged { thread: self.thread, entry: Arc::clone(&entry) });
        }
        self.own.insert(entry.seq, link);
        self.feed.applied(link, Arc::clone(&entry));
        let patience = self.patience(desk, &entry);
        let wanted = patience.map(|patience| (desk.now.mono, patience));
        self.unsaid.push_back(Unsaid { entry: Arc::clone(&entry), link, wanted });
        let timer = Timer::Batch(self.thread);
        if let Some(patience) = patience
            && (!desk.is_waiting(&timer) || patience < desk.left(&timer))
        {
            desk.wake_in(patience, timer);
        }
        let note = Note::Applied { command: Arc::clone(command), entry: Arc::clone(&entry), link, thread: self.thread };
        desk.emit(note);
        entry
    }

    /// How long this coordinator waits before it vouches for an entry; nothing if nobody waits for it.
    fn patience(&self, desk: &Desk, entry: &Applied) -> Option<Span> {
        let local = &desk.setup.local;
        let line = ms(local.entry_batch_ms) + if self.eager { Span::ZERO } else { ms(local.stagger_ms) };
        let haste = |event: &Event| match event {
            // A step on the way to an event that others wait for, and vouched for with that one; or the end of what nobody
            // waits for. A day's window would otherwise cost a hundred signatures of each coordinator.
            Event::Reported { .. }
            | Event::Proposed { .. }
            | Event::Queued { .. }
            | Event::RoundOpened { .. }
            | Event::Revealed { .. }
            | Event::Told { .. } => None,
            // Idle workers do not bid at once. Whoever is beaten loses nothing by hearing of all their bids together.
            Event::Bid { .. } => Some(line + ms(local.bid_jitter_ms)),
            _ => Some(line),
        };
        entry.outcome.events().iter().filter_map(haste).min()
    }

    /// Vouches for what was applied since the last time and waits to be believed. `inboxes` names agents that should look, per
    /// entry.
    pub fn vouch(&mut self, desk: &mut Desk, subject: Subject, inboxes: impl Fn(&Applied) -> Vec<AgentId>) {
        let believed = self.feed.chain().seq;
        // A liar may have told this coordinator what it told nobody else: the others may be waiting for just this word.
        let silent = desk.setup.genesis.params.liars_max == 0 || planted(Mutant::SilentAmongLiars);
        while silent && let Some(unsaid) = self.unsaid.pop_front_if(|unsaid| unsaid.entry.seq <= believed) {
            self.said.push(&unsaid.link);
        }
        let now = desk.now.mono;
        let Some(left) = self.unsaid.iter().filter_map(|unsaid| unsaid.left(now)).min() else { return };
        if left > Span::ZERO {
            return desk.wake_in(left, Timer::Batch(self.thread));
        }
        let reach = Seq(believed.0.saturating_add(ALONE_MAX));
        while self.unsaid.front().is_some_and(|unsaid| unsaid.entry.seq <= reach) {
            let mut bytes = 0;
            let fits = |unsaid: &&Unsaid| {
                bytes += unsaid.entry.size();
                bytes <= BATCH_BYTES_MAX && unsaid.entry.seq <= reach
            };
            let count = self.unsaid.iter().take(BATCH_MAX).take_while(fits).count().max(1);
            let batch: Vec<_> = self.unsaid.drain(..count).collect();
            let (prev, first) = (self.said.head, self.said.seq.next());
            batch.iter().for_each(|unsaid| self.said.push(&unsaid.link));
            let mut call: Vec<_> = batch.iter().flat_map(|unsaid| inboxes(&unsaid.entry)).collect();
            call.sort_unstable();
            call.dedup();
            let links = batch.iter().map(|unsaid| unsaid.link).collect();
            let body = EntryBatch { first, head: self.said.head, links, prev };
            let mut saying = Saying::new(subject, self.thread, Body::Entry(body));
            (saying.inboxes, saying.entries) = (call, batch.into_iter().map(|unsaid| unsaid.entry).collect());
            desk.say(saying);
        }
        self.held_back = !self.unsaid.is_empty();
    }

    /// Takes another's (or one's own) ENTRY.
    pub fn hear(&mut self, desk: &Desk, message: &Message) -> Result<(), Reject> {
        self.feed.vouch(desk.roster.voices(), desk.roster.believe_at, &message.envelope, &message.entries)
    }

    /// The next entry believed, of those applied here.
    pub fn believe(&mut self, desk: &mut Desk) -> Option<Believed> {
        if self.feed.chain().seq >= self.chain.seq {
            return None;
        }
        let believed = self.feed.poll(desk.roster.voices(), desk.roster.believe_at)?;
        let Believed { entry, link, .. } = &believed;
        if self.own.remove(&entry.seq) != Some(*link) {
            desk.emit(Note::Diverged { thread: self.thread, entry: Arc::clone(entry) });
        }
        desk.emit(Note::Believed { entry: Arc::clone(entry), link: *link, thread: self.thread });
        if core::mem::take(&mut self.held_back) {
            desk.wake_in(Span::ZERO, Timer::Batch(self.thread));
        }
        Some(believed)
    }

    /// Brings the stopwatches in line with the waits that the thread's state has.
    pub fn watch<'a>(&mut self, desk: &mut Desk, waits: impl Iterator<Item = (&'a Waiting, &'a Stopwatch)>) {
        let mut running = BTreeMap::new();
        for (waiting, stopwatch) in waits {
            running.insert(stopwatch.segment, (waiting, stopwatch.total));
        }
        let thread = self.thread;
        self.watches.retain(|segment, _| {
            running.contains_key(segment) || {
                desk.cancel(&Timer::Watch(thread, *segment));
                false
            }
        });
        for (segment, (waiting, total)) in running {
            if self.watches.contains_key(&segment) {
                continue;
            }
            let watch = Watch {
                base: Span::ZERO,
                started: desk.now.mono,
                patience: Span::ZERO,
                extensions: 0,
                total,
                waiting: waiting.clone(),
                reported: Span::ZERO,
            };
            desk.wake_in(watch.next(desk.now.mono).0, Timer::Watch(thread, segment));
            self.watches.insert(segment, watch);
        }
    }

    /// A bid arrived: if this coordinator's stopwatch is in the window's last part, it will wait longer.
    pub fn extend(&mut self, desk: &mut Desk, waiting: &Waiting, params: &Params) {
        let thread = self.thread;
        let now = desk.now.mono;
        let extension = ms(params.bid_extension_ms);
        let found = self.watches.iter_mut().find(|(_, watch)| watch.waiting == *waiting);
        if let Some((segment, watch)) = found {
            let left = (watch.total + watch.patience).saturating_sub(watch.elapsed(now));
            let open = watch.reported < watch.total && watch.extensions < params.bid_extensions_max;
            if watch.waiting.extends() && open && left <= extension.min(watch.total) {
                watch.extensions += 1;
                watch.patience += extension.min(watch.total);
                desk.wake_in(watch.next(now).0, Timer::Watch(thread, *segment));
                desk.mark("bid-window-extended");
            }
        }
    }

    /// A stopwatch is due: the report to submit.
    pub fn report(&mut self, desk: &mut Desk, segment: Segment) -> Option<Word> {
        let watch = self.watches.get_mut(&segment)?;
        let (ahead, elapsed) = watch.next(desk.now.mono);
        if ahead > Span::ZERO {
            desk.wake_in(ahead, Timer::Watch(self.thread, segment));
            return None;
        }
        watch.reported = elapsed;
        if elapsed < watch.total {
            desk.wake_in(watch.next(desk.now.mono).0, Timer::Watch(self.thread, segment));
        }
        Some(Word { by: desk.me(), says: Says::Elapsed { elapsed, segment }, thread: self.thread })
    }

    /// How much of the wait for `waiting` has passed here, as a share of it in basis points.
    pub fn progress_bp(&self, now: Instant, waiting: &Waiting) -> u64 {
        let watch = self.watches.values().find(|watch| watch.waiting == *waiting);
        watch.map_or(0, |w| (u128::from(w.elapsed(now).0) * 10_000 / u128::from(w.total.0.max(1))) as u64)
    }

    /// After a reboot a stopwatch goes on from its last applied report: it neither restarts for ever nor ends early (T72).
    pub fn reboot<'a>(&mut self, desk: &mut Desk, waits: impl Iterator<Item = (&'a Waiting, &'a Stopwatch)>) {
        let me = desk.me();
        // What waited to be vouched for waited on another clock, and long enough.
        let wanted = self.unsaid.iter_mut().filter_map(|unsaid| unsaid.wanted.as_mut());
        wanted.for_each(|(since, patience)| (*since, *patience) = (desk.now.mono, Span::ZERO));
        for (_, stopwatch) in waits {
            if let Some(watch) = self.watches.get_mut(&stopwatch.segment) {
                let applied = stopwatch.reports.get(&me).copied().unwrap_or_default();
                // What late bids added was over before the whole of it begins anew.
                watch.patience = Span::ZERO;
                (watch.base, watch.reported, watch.started) = (applied, applied, desk.now.mono);
                desk.wake_in(watch.next(desk.now.mono).0, Timer::Watch(self.thread, stopwatch.segment));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{NeedId, Nonce, label};
    use crate::time::{Now, WallTime};
    use core::slice::from_ref;

    /// One coordinator's lane with one running wait.
    struct Bench {
        desk: Desk,
        lane: Lane,
        waits: BTreeMap<Waiting, Stopwatch>,
        waiting: Waiting,
    }

    impl Bench {
        fn new(waiting: Waiting, total: Span) -> Self {
            let mut desk = Desk::of_nobody();
            let mut lane = Lane::new(Thread::Need(NeedId::of(&AgentId([1; 32]), Nonce(1))), 0, 1, 1);
            let waits = BTreeMap::from([(waiting.clone(), Stopwatch::new(Segment(1), total))]);
            lane.watch(&mut desk, waits.iter());
            Self { desk, lane, waits, waiting }
        }

        fn at(&mut self, s: u64) -> &mut Self {
            self.desk.now = Now { mono: Instant(Span::from_secs(s).0), wall: WallTime(0) };
            self
        }

        fn bid(&mut self) {
            let params = self.desk.setup.genesis.params.clone();
            self.lane.extend(&mut self.desk, &self.waiting, &params);
        }

        /// What it reports when asked now, in seconds.
        fn report(&mut self) -> Option<u64> {
            let word = self.lane.report(&mut self.desk, Segment(1))?;
            let Says::Elapsed { elapsed, .. } = word.says else { return None };
            Some(elapsed.as_ms() / 1_000)
        }

        /// The register applied what it reported.
        fn applied(&mut self, s: u64) {
            let watch = self.waits.get_mut(&self.waiting).unwrap();
            watch.report(AgentId([1; 32]), Span::from_secs(s));
        }

        fn reboot(&mut self) {
            self.lane.reboot(&mut self.desk, self.waits.iter());
        }

        fn due(&self) -> Option<u64> {
            self.desk.next_deadline().map(|at| at.0 / 1_000_000_000)
        }
    }

    /// T72: nothing that a reboot finds half done waits until the new clock shows what the old one did.
    #[test]
    fn t72_what_was_not_vouched_for_before_a_reboot_is_soon_after() {
        let mut bench = Bench::new(Waiting::Decision, Span::from_secs(60));
        let Bench { desk, lane, .. } = &mut bench;
        desk.now.mono = Instant(Span::from_secs(100_000).0);
        let command = Arc::new(Command::Snapshot { number: 1 });
        let did = Outcome::Did(alloc::vec![Event::Bidding { task: label("t") }]);
        lane.push(desk, &command, did);
        desk.now.mono = Instant(0);
        lane.reboot(desk, core::iter::empty());
        for _ in 0..3 {
            lane.vouch(desk, Subject::Coordinators, |_| Vec::new());
            desk.now.mono = desk.now.mono + Span::from_secs(1);
        }
        assert!(lane.unsaid.is_empty(), "it waits for a clock of a hundred thousand seconds");
    }

    #[test]
    fn t21_a_late_bid_makes_a_stopwatch_patient_but_only_so_often() {
        let mut bench = Bench::new(Waiting::Bids(label("t")), Span::from_secs(30));
        bench.at(10).bid();
        assert_eq!(bench.due(), Some(30), "an early bid changes nothing");
        for (s, due) in [(26, 35), (34, 40), (39, 45), (44, 45), (44, 45)] {
            bench.at(s).bid();
            assert_eq!(bench.due(), Some(due));
        }
        assert_eq!(bench.at(44).report(), None);
        assert_eq!(bench.at(45).report(), Some(30), "patience is its own; what it reports is the window");
        bench.bid();
        assert_eq!(bench.at(60).report(), Some(30), "what it reported it cannot take back");
    }

    #[test]
    fn t21_only_windows_for_offers_are_extended() {
        let mut bench = Bench::new(Waiting::Lease(label("t")), Span::from_secs(30));
        bench.at(29).bid();
        assert_eq!(bench.due(), Some(30));
    }

    #[test]
    fn t72_a_reboot_neither_restarts_a_wait_nor_ends_it_early() {
        // Ten hours: reported each tenth.
        let hour = 3_600;
        let mut bench = Bench::new(Waiting::Challenge(label("t")), Span::from_secs(10 * hour));
        assert_eq!((bench.at(hour - 1).report(), bench.due()), (None, Some(hour)));
        assert_eq!(bench.at(hour).report(), Some(hour));
        bench.applied(hour);
        assert_eq!(bench.at(2 * hour).report(), Some(2 * hour));
        // It reboots at half past two; its clock starts over, and its second report was lost.
        bench.at(0).reboot();
        assert_eq!(bench.report(), None, "nothing has passed since");
        assert_eq!(bench.at(hour).report(), Some(2 * hour));
        bench.applied(2 * hour);
        // Time and again it reboots after ten minutes: each time it goes on from its last applied report, and ends.
        bench.at(0).reboot();
        let mut passed = 0;
        while bench.at(passed).report() != Some(10 * hour) {
            passed += hour / 2;
            assert!(passed <= 8 * hour, "it never ends");
        }
        assert_eq!(passed, 8 * hour, "no earlier than the whole");
    }

    #[test]
    fn t72_a_wait_that_is_gone_is_not_reported() {
        let mut bench = Bench::new(Waiting::Lease(label("t")), Span::from_secs(30));
        // Renewed: another segment of the same wait.
        bench.waits.insert(bench.waiting.clone(), Stopwatch::new(Segment(2), Span::from_secs(30)));
        bench.at(20);
        let Bench { desk, lane, waits, .. } = &mut bench;
        lane.watch(desk, waits.iter());
        assert_eq!((bench.at(30).report(), bench.due()), (None, Some(50)));
    }

    /// A coordinator's lane after these events, an entry each, applied in the first second.
    fn unsaid(events: &[&[Event]]) -> Bench {
        let mut bench = Bench::new(Waiting::Proposals, Span::from_secs(3_600));
        for (events, round) in events.iter().zip(0..) {
            let command = Arc::new(Command::Start { bucket: round });
            bench.lane.push(&mut bench.desk, &command, Outcome::Did(events.to_vec()));
        }
        bench
    }

    /// How many entries each ENTRY said at `ms` vouches for.
    fn said(bench: &mut Bench, ms: u64) -> Vec<usize> {
        bench.desk.now = Now { mono: Instant(Span::from_ms(ms).0), wall: WallTime(0) };
        bench.desk.roles = [crate::wire::Role::Coordinator].into();
        while bench.desk.poll_effect().is_some() {}
        let Bench { desk, lane, .. } = bench;
        lane.vouch(desk, Subject::Coordinators, |_| Vec::new());
        let links = |effect| match effect {
            crate::node::io::Effect::Publish { draft, .. } => match &draft.body {
                Body::Entry(batch) => Some(batch.links.len()),
                _ => None,
            },
            _ => None,
        };
        core::iter::from_fn(|| desk.poll_effect()).filter_map(links).collect()
    }

    #[test]
    fn what_nobody_waits_for_is_vouched_for_with_what_somebody_does() {
        let told = Event::Told { at: 0, need: NeedId::of(&AgentId([1; 32]), Nonce(1)), seq: Seq(1) };
        let over = Event::Over { ending: crate::register::Ending::Closed };
        let mut bench = unsaid(&[from_ref(&told), from_ref(&told)]);
        assert_eq!(said(&mut bench, 3_600_000), [0usize; 0], "in an hour nobody asked for it");
        let mut bench = unsaid(&[from_ref(&told), &[over], from_ref(&told)]);
        assert_eq!(said(&mut bench, 49), [0usize; 0]);
        assert_eq!(said(&mut bench, 50), [3]);
    }

    /// One that is alone for long would say what nobody keeps, and say it but once.
    #[test]
    fn a_lone_voice_waits_where_its_word_would_be_lost() {
        use crate::genesis::Member;
        use crate::node::io::Effect;
        use crate::wire::testing;
        let me = testing::agent(1);
        let mut bench = Bench::new(Waiting::Proposals, Span::from_secs(3_600));
        bench.desk = Desk::of(alloc::vec![Member { agent: me, anchor: Digest::default() }], me);
        bench.desk.roles = [crate::wire::Role::Coordinator].into();
        let over = Event::Over { ending: crate::register::Ending::Closed };
        for round in 0..ALONE_MAX as u32 + 100 {
            let command = Arc::new(Command::Start { bucket: round });
            bench.lane.push(&mut bench.desk, &command, Outcome::Did(alloc::vec![over.clone()]));
        }
        let said = |bench: &mut Bench, ms: u64| -> Vec<Message> {
            bench.desk.now = Now { mono: Instant(Span::from_ms(ms).0), wall: WallTime(0) };
            bench.lane.vouch(&mut bench.desk, Subject::Coordinators, |_| Vec::new());
            let message = |effect| match effect {
                Effect::Publish { draft, entries, .. } => {
                    Some(Message { entries, envelope: Arc::new(draft.as_ref().clone().sign(&testing::key(1))) })
                }
                _ => None,
            };
            core::iter::from_fn(|| bench.desk.poll_effect()).filter_map(message).collect()
        };
        let first = said(&mut bench, 50);
        let links = |said: &[Message]| said.iter().map(|message| message.entries.len() as u64).sum::<u64>();
        assert_eq!((links(&first), links(&said(&mut bench, 60_000))), (ALONE_MAX, 0), "not before belief comes");
        bench.lane.hear(&bench.desk, &first[0]).unwrap();
        let believed = core::iter::from_fn(|| bench.lane.believe(&mut bench.desk)).count() as u64;
        assert!(believed > 0 && bench.desk.is_waiting(&Timer::Batch(bench.lane.thread)), "it goes on by itself");
        assert_eq!(links(&said(&mut bench, 60_000)), believed.min(100));
    }

    /// One of five may lie. Four have said it here; whether the liar among them told the others the same, nobody here knows.
    #[test]
    fn nobody_is_silent_where_some_may_lie() {
        use crate::genesis::Member;
        use crate::node::io::Effect;
        use crate::wire::testing;
        let command = Arc::new(Command::Start { bucket: 1 });
        let over = Event::Over { ending: crate::register::Ending::Closed };
        for (liars_max, words) in [(0, 0), (1, 1)] {
            let lane_of = |n: u8| {
                let mut bench = Bench::new(Waiting::Proposals, Span::from_secs(3_600));
                let member = |n| Member { agent: testing::agent(n), anchor: Digest::default() };
                bench.desk = Desk::of((1..=5).map(member).collect(), testing::agent(n));
                bench.desk.roles = [crate::wire::Role::Coordinator].into();
                let genesis = Arc::make_mut(&mut bench.desk.setup.genesis);
                genesis.params.liars_max = liars_max;
                bench.desk.roster.believe_at = genesis.params.believe_at(5);
                bench.lane.push(&mut bench.desk, &command, Outcome::Did(alloc::vec![over.clone()]));
                bench
            };
            let said = |bench: &mut Bench, n: u8| -> Vec<Message> {
                bench.desk.now = Now { mono: Instant(Span::from_secs(9).0), wall: WallTime(0) };
                bench.lane.vouch(&mut bench.desk, Subject::Coordinators, |_| Vec::new());
                let message = |effect| match effect {
                    Effect::Publish { draft, entries, .. } => {
                        let envelope = Arc::new(draft.as_ref().clone().sign(&testing::key(n)));
                        Some(Message { entries, envelope })
                    }
                    _ => None,
                };
                core::iter::from_fn(|| bench.desk.poll_effect()).filter_map(message).collect()
            };
            let mut own = lane_of(1);
            for n in 2..=5 {
                for message in said(&mut lane_of(n), n) {
                    own.lane.hear(&own.desk, &message).unwrap();
                }
            }
            assert!(own.lane.believe(&mut own.desk).is_some());
            assert_eq!(said(&mut own, 1).len(), words, "{liars_max} may lie");
        }
    }

    #[test]
    fn a_bid_waits_for_the_other_bids_but_for_nothing_dearer() {
        let (task, need) = (label("t"), NeedId::of(&AgentId([1; 32]), Nonce(1)));
        let bid = crate::bids::Bid {
            agent: AgentId([2; 32]),
            cost: crate::id::Credits(1),
            eta_ms: 1,
            id: need.0,
            lamport: crate::id::Lamport(1),
            score: 1,
        };
        let (bid, over) = (Event::Bid { bid, task }, Event::Over { ending: crate::register::Ending::Closed });
        let mut bench = unsaid(&[from_ref(&bid)]);
        assert_eq!(bench.desk.next_deadline(), Some(Instant(Span::from_ms(2_050).0)));
        assert_eq!(said(&mut bench, 2_049), [0usize; 0]);
        assert_eq!(said(&mut bench, 2_050), [1]);
        let mut bench = unsaid(&[&[bid], &[over]]);
        assert_eq!(
            bench.desk.next_deadline(),
            Some(Instant(Span::from_ms(50).0)),
            "woken for the one that is due first"
        );
        assert_eq!(said(&mut bench, 50), [2]);
    }
}
