//! The kernel as a whole, by small worlds of listeners that remember what they heard.

use super::*;
use proptest::prelude::*;

const MS: u64 = 1_000_000;

/// Remembers what it heard from whom, when its deadlines came by its own clock, and how often it started.
#[derive(Default)]
struct Listener {
    heard: Vec<(NodeId, u64)>,
    woken: Vec<u64>,
    starts: u32,
}

impl Node for Listener {
    type Msg = u64;

    fn on_start(&mut self, _: &mut Cx<'_, u64>) {
        self.starts += 1;
    }

    fn on_message(&mut self, _: &mut Cx<'_, u64>, from: NodeId, msg: u64) {
        self.heard.push((from, msg));
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, u64>) {
        self.woken.push(cx.now().ns());
    }
}

fn at(ms: u64) -> SimTime {
    SimTime::from_ns(ms * MS)
}

fn listeners<const N: usize>() -> (Kernel<Listener>, [NodeId; N]) {
    let mut kernel = Kernel::new(3);
    let ids = [(); N].map(|()| kernel.add(Listener::default()));
    (kernel, ids)
}

fn send(kernel: &mut Kernel<Listener>, from: NodeId, to: NodeId, msgs: core::ops::Range<u64>) {
    kernel.with_node(from, |_, cx| msgs.for_each(|msg| cx.send(to, msg)));
}

fn heard(kernel: &Kernel<Listener>, id: NodeId) -> Vec<u64> {
    kernel.node(id).heard.iter().map(|(_, msg)| *msg).collect()
}

/// Passes what it hears to somebody, and looks at every clock: touches all that must be reproducible.
struct Gossip(usize);

impl Node for Gossip {
    type Msg = u64;

    fn on_start(&mut self, cx: &mut Cx<'_, u64>) {
        cx.wake_after(5 * MS);
    }

    fn on_message(&mut self, cx: &mut Cx<'_, u64>, _: NodeId, msg: u64) {
        let to = NodeId::from_index(cx.rng().below(self.0 as u64) as usize);
        let fact = cx.wall().ns();
        cx.digest(fact ^ msg);
        cx.send(to, msg + 1);
        cx.wake_after(5 * MS);
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, u64>) {
        let to = NodeId::from_index((cx.me().index() + 1) % self.0);
        cx.send(to, 0);
        cx.wake_after(5 * MS);
    }
}

fn gossip(seed: u64, timeline: impl Fn(&mut Kernel<Gossip>)) -> Kernel<Gossip> {
    let mut kernel = Kernel::new(seed);
    for i in 0..6 {
        let clock = ClockSpec { offset_ns: 1_000 * i, wall_offset_ns: -7, drift_ppm: i as i32 * 50 };
        kernel.add_at(Gossip(6), Place { class: Class(i as u16 % 2), clock });
    }
    kernel.record_trace();
    kernel.run_until(at(50));
    timeline(&mut kernel);
    kernel.run_until(at(300));
    kernel
}

fn trouble(kernel: &mut Kernel<Gossip>) {
    let [a, b, c] = [0, 1, 2].map(NodeId::from_index);
    kernel.net_mut().impose(Scope::Class(Class(1)), Fault::Lose { ppm: 50_000 });
    kernel.net_mut().impose(Scope::All, Fault::Duplicate { ppm: 50_000, after: Span::new(0, MS) });
    kernel.net_mut().impose(Scope::All, Fault::Reorder { ppm: 50_000, extra: Span::new(0, 5 * MS) });
    kernel.net_mut().halves([a, b]);
    kernel.pause(c);
    kernel.set_clock(b, ClockChange::Drift { ppm: -300 });
    kernel.run_until(at(100));
    kernel.stop(a);
    kernel.resume(c);
    kernel.run_until(at(150));
    kernel.replace(a, Gossip(6));
    kernel.net_mut().heal_all();
}

/// The hash of a rich run is pinned: debug and release, this machine and the next must all agree.
#[test]
fn same_seed_same_run_other_seed_other_run() {
    let (one, two, other) = (gossip(7, trouble), gossip(7, trouble), gossip(8, trouble));
    assert_eq!(one.trace_hash(), two.trace_hash());
    assert_eq!(first_difference(one.trace(), two.trace()), None);
    assert_ne!(one.trace_hash(), other.trace_hash());
    assert!(first_difference(one.trace(), other.trace()).is_some());
    assert_eq!(format!("{:032x}", one.trace_hash()), "aee56f01576e41b2bc4f6fb6d2d94385");
    let bites = one.net().bites();
    assert!(bites.cut > 0 && bites.lost > 0 && bites.duplicated > 0 && bites.reordered > 0, "{bites:?}");
    assert!(one.counters().held > 0 && one.counters().wakes > 0);
}

#[test]
fn the_first_difference_is_where_the_fault_came() {
    let quiet = gossip(7, |_| ());
    let cut = gossip(7, |kernel| {
        kernel.net_mut().isolate(NodeId(4));
    });
    let difference = first_difference(quiet.trace(), cut.trace()).unwrap();
    assert_eq!(difference.right.unwrap().kind, Kind::Cut);
    assert!(difference.left.unwrap().at > at(50), "all before the fault is untouched");
    assert!(difference.to_string().contains("Cut"));
}

#[test]
fn a_fault_that_never_bites_moves_nothing() {
    let quiet = gossip(7, |_| ());
    let harmless = gossip(7, |kernel| {
        for fault in [
            Fault::Lose { ppm: 0 },
            Fault::Delay { ppm: 0, extra: Span::exactly(MS) },
            Fault::Reorder { ppm: 0, extra: Span::exactly(MS) },
        ] {
            kernel.net_mut().impose(Scope::All, fault);
        }
        kernel.net_mut().impose(Scope::Class(Class(9)), Fault::Lose { ppm: PPM });
    });
    assert_eq!(first_difference(quiet.trace(), harmless.trace()), None);
}

#[test]
fn a_fault_of_one_sender_leaves_the_others_alone() {
    let arrivals = |faulty: bool| {
        let (mut kernel, [a, b, c]) = listeners();
        kernel.record_trace();
        if faulty {
            kernel.net_mut().impose(Scope::Link(a, c), Fault::Lose { ppm: 500_000 });
            kernel.net_mut().impose(Scope::Link(a, c), Fault::Duplicate { ppm: 500_000, after: Span::new(0, MS) });
        }
        for round in 0..50 {
            send(&mut kernel, a, c, round..round + 1);
            send(&mut kernel, b, c, round..round + 1);
            kernel.run_until(at(round));
        }
        kernel
            .trace()
            .lines()
            .iter()
            .filter(|line| line.kind == Kind::Deliver && line.from == b)
            .map(|line| (line.at, line.what))
            .collect::<Vec<_>>()
    };
    assert_eq!(arrivals(false), arrivals(true));
}

#[test]
fn links_keep_order_unless_told_otherwise() {
    let (mut kernel, [a, b]) = listeners();
    send(&mut kernel, a, b, 0..200);
    kernel.run_until(at(10));
    assert!(heard(&kernel, b).is_sorted());
    kernel.net_mut().set_wire(Scope::Link(a, b), Wire { fifo: false, ..Wire::default() });
    send(&mut kernel, a, b, 200..400);
    kernel.run_until(at(20));
    assert!(!heard(&kernel, b).is_sorted());
    assert_eq!(kernel.node(b).heard.len(), 400);
}

#[test]
fn order_holds_when_a_link_becomes_faster() {
    let (mut kernel, [a, b]) = listeners();
    kernel.net_mut().set_wire(Scope::All, Wire { delay: Span::exactly(100 * MS), fifo: true });
    send(&mut kernel, a, b, 0..1);
    kernel.net_mut().set_wire(Scope::All, Wire { delay: Span::exactly(MS), fifo: true });
    send(&mut kernel, a, b, 1..2);
    kernel.run_until(at(99));
    assert!(heard(&kernel, b).is_empty());
    kernel.run_until(at(100));
    assert_eq!(heard(&kernel, b), [0, 1]);
}

#[test]
fn reordering_bites_when_something_passes() {
    let (mut kernel, [a, b]) = listeners();
    let fault = kernel.net_mut().impose(Scope::All, Fault::Reorder { ppm: PPM, extra: Span::exactly(50 * MS) });
    send(&mut kernel, a, b, 0..1);
    assert_eq!(kernel.net_mut().lift(fault), 0, "held back, not yet overtaken");
    send(&mut kernel, a, b, 1..3);
    kernel.run_until(at(100));
    assert_eq!(heard(&kernel, b), [1, 2, 0]);
    assert_eq!((kernel.net().bites_of(fault), kernel.net().bites().reordered), (1, 1));
}

#[test]
fn delay_holds_up_those_behind() {
    let (mut kernel, [a, b]) = listeners();
    let fault = kernel.net_mut().impose(Scope::Node(b), Fault::Delay { ppm: PPM, extra: Span::exactly(50 * MS) });
    send(&mut kernel, a, b, 0..1);
    assert_eq!(kernel.net_mut().lift(fault), 1);
    send(&mut kernel, a, b, 1..2);
    kernel.run_until(at(50));
    assert!(heard(&kernel, b).is_empty());
    kernel.run_until(at(52));
    assert_eq!(heard(&kernel, b), [0, 1]);
}

#[test]
fn duplicates_and_losses_are_counted() {
    let (mut kernel, [a, b]) = listeners();
    let twice = kernel.net_mut().impose(Scope::All, Fault::Duplicate { ppm: PPM, after: Span::new(0, MS) });
    send(&mut kernel, a, b, 0..10);
    kernel.run_until(at(10));
    assert_eq!(
        (kernel.node(b).heard.len(), kernel.net().bites_of(twice), kernel.net().bites().duplicated),
        (20, 10, 10)
    );
    assert_eq!((kernel.counters().sent, kernel.counters().deliveries), (10, 20));
    let lost = kernel.net_mut().impose(Scope::All, Fault::Lose { ppm: 500_000 });
    send(&mut kernel, a, b, 0..1_000);
    let drops = kernel.counters().drops;
    assert!((400..600).contains(&drops));
    assert_eq!((kernel.net().bites_of(lost), kernel.net().bites().lost), (drops, drops));
    assert_eq!(kernel.net().bites_of(twice), 10 + 1_000 - drops, "what is lost is not copied");
}

#[test]
fn cuts_cut_what_they_say_and_heal() {
    let (mut kernel, [a, b, c]) = listeners();
    let all = |kernel: &mut Kernel<Listener>| {
        let before: usize = kernel.nodes().map(|(_, node)| node.heard.len()).sum();
        for (from, to) in [(a, b), (b, a), (a, c), (c, a), (b, c), (c, b), (a, a)] {
            send(kernel, from, to, 0..1);
        }
        kernel.run_until(kernel.now().plus(10 * MS));
        kernel.nodes().map(|(_, node)| node.heard.len()).sum::<usize>() - before
    };
    assert_eq!(all(&mut kernel), 7);
    let one_way = kernel.net_mut().cut_one_way(a, b);
    assert_eq!(all(&mut kernel), 6);
    kernel.net_mut().cut(a, b);
    assert_eq!(all(&mut kernel), 5);
    let alone = kernel.net_mut().isolate(c);
    assert_eq!(all(&mut kernel), 1, "only a node to itself");
    assert_eq!(kernel.net_mut().lift(alone), 4);
    assert_eq!(all(&mut kernel), 5, "lifting one cut leaves the others");
    kernel.net_mut().heal_all();
    assert_eq!(all(&mut kernel), 7);
    kernel.net_mut().halves([a]);
    assert_eq!(all(&mut kernel), 3);
    assert_eq!(kernel.net().bites().cut, kernel.counters().drops);
    assert!(kernel.net().bites_of(one_way) >= 1);
    kernel.net_mut().lift(one_way);
    kernel.net_mut().lift(one_way);
    assert_eq!(all(&mut kernel), 3, "lifting twice changes nothing");
}

#[test]
fn a_cut_catches_what_is_on_its_way_only_if_told() {
    for in_flight in [false, true] {
        let (mut kernel, [a, b]) = listeners();
        send(&mut kernel, a, b, 0..5);
        let cut = kernel.net_mut().impose(Scope::Node(b), Fault::Cut { in_flight });
        // A gentler cut that is more particular does not shield the link from the harsher one.
        kernel.net_mut().cut_one_way(a, b);
        kernel.run_until(at(10));
        let caught = if in_flight { 5 } else { 0 };
        assert_eq!(kernel.node(b).heard.len() as u64, 5 - caught);
        assert_eq!(
            (kernel.net().bites_of(cut), kernel.net().bites().cut, kernel.counters().drops),
            (caught, caught, caught)
        );
    }
}

#[test]
fn the_more_particular_scope_wins() {
    let mut kernel = Kernel::new(3);
    let [bus, worker] =
        [1, 2].map(|class| kernel.add_at(Listener::default(), Place { class: Class(class), ..Place::default() }));
    let net = kernel.net_mut();
    net.impose(Scope::Link(bus, worker), Fault::Lose { ppm: 0 });
    let all = net.impose(Scope::All, Fault::Lose { ppm: PPM });
    net.impose(Scope::Between(Class(2), Class(1)), Fault::Lose { ppm: PPM });
    net.impose(Scope::Between(Class(2), Class(1)), Fault::Lose { ppm: 0 });
    send(&mut kernel, bus, worker, 0..3);
    send(&mut kernel, worker, bus, 0..3);
    kernel.run_until(at(5));
    assert_eq!((kernel.node(worker).heard.len(), kernel.node(bus).heard.len(), kernel.net().bites_of(all)), (3, 3, 0));
    kernel.net_mut().set_wire(Scope::Class(Class(2)), Wire { delay: Span::exactly(40 * MS), fifo: true });
    send(&mut kernel, bus, worker, 0..1);
    assert_eq!(kernel.next_at(), Some(at(45)));
}

#[test]
fn a_pause_holds_everything_but_the_clock() {
    let (mut kernel, [a, b]) = listeners();
    kernel.with_node(b, |_, cx| cx.wake_after(3 * MS));
    kernel.pause(b);
    send(&mut kernel, a, b, 0..20);
    kernel.run_until(at(50));
    assert_eq!((kernel.node(b).heard.len(), kernel.node(b).woken.len(), kernel.node(b).starts), (0, 0, 0));
    assert_eq!((kernel.local_time(b).ns(), kernel.counters().held, kernel.is_up(b)), (50 * MS, 20, false));
    kernel.resume(b);
    send(&mut kernel, a, b, 20..21);
    kernel.run_until(at(50));
    assert_eq!(heard(&kernel, b), (0..20).collect::<Vec<_>>());
    assert_eq!((kernel.node(b).woken.as_slice(), kernel.node(b).starts), ([50 * MS].as_slice(), 1));
}

#[test]
fn a_later_call_replaces_the_deadline() {
    let (mut kernel, [a]) = listeners();
    let local = |ms: u64| LocalTime::from_ns(ms * MS);
    for deadline in [5, 9, 7, 2, 8] {
        kernel.with_node(a, |_, cx| cx.wake_at(local(deadline)));
    }
    kernel.run_until(at(20));
    assert_eq!(kernel.node(a).woken, [8 * MS]);
    kernel.with_node(a, |_, cx| cx.wake_at(local(3)));
    kernel.run_until(at(20));
    assert_eq!(kernel.node(a).woken, [8 * MS, 20 * MS], "what has passed is due at once");
    kernel.with_node(a, |_, cx| {
        cx.wake_at(local(25));
        cx.clear_wake();
    });
    kernel.run_until(at(40));
    assert_eq!((kernel.node(a).woken.len(), kernel.counters().wakes, kernel.next_at()), (2, 2, None));
}

#[test]
fn a_deadline_pushed_away_leaves_no_trail() {
    let (mut kernel, [a]) = listeners();
    for later in 1..1_000 {
        kernel.with_node(a, |_, cx| cx.wake_at(LocalTime::from_ns(later * MS)));
    }
    let mut events = 0;
    while kernel.step(at(2_000)) {
        events += 1;
    }
    assert_eq!(
        (kernel.node(a).woken.as_slice(), events),
        ([999 * MS].as_slice(), 3),
        "start, one early wake-up, the deadline"
    );
}

#[test]
fn a_deadline_moves_with_its_clock() {
    for (change, due) in [
        (ClockChange::Drift { ppm: 1_000_000 }, 10 + 45),
        (ClockChange::Drift { ppm: -500_000 }, 10 + 180),
        (ClockChange::Leap { ns: 60 * MS }, 10 + 30),
        (ClockChange::Leap { ns: 500 * MS }, 10),
        (ClockChange::Wall { ns: -(MS as i64) }, 100),
    ] {
        let (mut kernel, [a]) = listeners();
        kernel.with_node(a, |_, cx| cx.wake_at(LocalTime::from_ns(100 * MS)));
        kernel.run_until(at(10));
        kernel.set_clock(a, change);
        kernel.run_until(SimTime::from_ns((due * MS).saturating_sub(1)));
        let early = kernel.node(a).woken.len();
        kernel.run_until(at(due));
        assert_eq!((early, kernel.node(a).woken.len()), (0, 1), "{change:?}");
        kernel.run_until(at(1_000));
        assert_eq!(kernel.node(a).woken.len(), 1, "{change:?}");
    }
}

#[test]
fn a_crash_forgets_and_a_restart_begins_anew() {
    let (mut kernel, [a, b]) = listeners();
    kernel.run_until(at(1));
    let draw = |kernel: &mut Kernel<Listener>| kernel.with_node(b, |_, cx| cx.rng().below(1 << 40));
    let before = draw(&mut kernel);
    kernel.with_node(b, |_, cx| cx.wake_after(5 * MS));
    kernel.stop(b);
    send(&mut kernel, a, b, 0..3);
    kernel.run_until(at(10));
    assert_eq!((kernel.node(b).heard.len(), kernel.node(b).woken.len(), kernel.counters().drops), (0, 0, 3));
    send(&mut kernel, a, b, 3..4);
    let old = kernel.replace(b, Listener::default());
    assert_eq!((old.starts, kernel.local_time(b).ns()), (1, 0));
    assert_ne!(draw(&mut kernel), before);
    kernel.run_until(at(20));
    assert_eq!(
        (heard(&kernel, b).as_slice(), kernel.node(b).starts, kernel.node(b).woken.len()),
        ([3].as_slice(), 1, 0)
    );
}

#[test]
fn what_a_paused_node_held_dies_with_it() {
    let (mut kernel, [a, b]) = listeners();
    kernel.pause(b);
    send(&mut kernel, a, b, 0..4);
    kernel.run_until(at(10));
    kernel.replace(b, Listener::default());
    kernel.replace(b, Listener::default());
    kernel.run_until(at(20));
    assert_eq!((kernel.node(b).heard.len(), kernel.node(b).starts, kernel.counters().drops), (0, 1, 4));
}

#[test]
fn idle_time_is_jumped() {
    let (mut kernel, [a]) = listeners();
    let year = 365 * 24 * 3_600 * 1_000;
    kernel.with_node(a, |_, cx| cx.wake_at(LocalTime::from_ns(100 * year * MS)));
    kernel.run_until(at(200 * year));
    assert_eq!((kernel.node(a).woken.len(), kernel.now()), (1, at(200 * year)));
}

#[test]
#[should_panic(expected = "n0 sends to n7, which was never added")]
fn a_message_to_nobody_is_the_callers_mistake() {
    let (mut kernel, [a]) = listeners();
    send(&mut kernel, a, NodeId(7), 0..1);
}

proptest! {
    /// Whatever a clock does, a wake comes when the node's own clock shows the deadline, and not before.
    #[test]
    fn no_wake_is_early(deadline in 0_u64..200 * MS, changes in proptest::collection::vec((0_u64..30 * MS, prop_oneof![
        (DRIFT_PPM_MIN..=DRIFT_PPM_MAX).prop_map(|ppm| ClockChange::Drift { ppm }),
        (0..20 * MS).prop_map(|ns| ClockChange::Leap { ns }),
        any::<i64>().prop_map(|ns| ClockChange::Wall { ns }),
    ]), 0..8)) {
        let (mut kernel, [a]) = listeners();
        kernel.with_node(a, |_, cx| cx.wake_at(LocalTime::from_ns(deadline)));
        for (pause, change) in changes {
            let shown = kernel.local_time(a);
            kernel.run_until(kernel.now().plus(pause));
            prop_assert!(kernel.local_time(a) >= shown);
            prop_assert_eq!(kernel.node(a).woken.len(), usize::from(kernel.local_time(a).ns() >= deadline));
            kernel.set_clock(a, change);
            kernel.run_until(kernel.now());
        }
        kernel.run_until(at(1 << 20));
        prop_assert_eq!(kernel.node(a).woken.len(), 1);
        prop_assert!(kernel.node(a).woken[0] >= deadline);
    }

    /// In order per link, whatever is changed on the way, as long as nothing reorders or duplicates.
    #[test]
    fn no_change_of_conditions_breaks_order(steps in proptest::collection::vec((0_u64..5 * MS, 0_u64..20 * MS, 0_u32..=PPM, 0_u8..3), 1..30)) {
        let (mut kernel, [a, b]) = listeners();
        for (step, (pause, delay, ppm, act)) in (0_u64..).zip(steps) {
            kernel.net_mut().set_wire(Scope::All, Wire { delay: Span::new(delay / 2, delay), fifo: true });
            kernel.net_mut().lift_all(|_| true);
            kernel.net_mut().impose(Scope::All, Fault::Delay { ppm, extra: Span::new(0, delay) });
            match act {
                0 => kernel.pause(b),
                1 => drop(kernel.resume(b)),
                _ => {}
            }
            send(&mut kernel, a, b, step * 10..step * 10 + 10);
            // Stops in the middle of a moment, where a resume could let the new overtake the old.
            let until = kernel.now().plus(pause);
            for _ in 0..7 {
                kernel.step(until);
            }
        }
        kernel.resume(b);
        kernel.run_until(at(10_000));
        prop_assert!(heard(&kernel, b).is_sorted());
        prop_assert_eq!(kernel.node(b).heard.len() as u64, kernel.counters().sent);
    }
}

/// A message with a sort: its lowest bit.
#[derive(Clone)]
struct Sorted(u64);

impl Fingerprint for Sorted {
    fn fingerprint(&self) -> u64 {
        self.0
    }

    fn sort(&self) -> u8 {
        (self.0 & 1) as u8
    }
}

struct Sorter(Vec<u64>);

impl Node for Sorter {
    type Msg = Sorted;

    fn on_message(&mut self, _: &mut Cx<'_, Sorted>, _: NodeId, msg: Sorted) {
        self.0.push(msg.0);
    }
}

#[test]
fn a_filter_stops_one_sort_also_on_its_way() {
    let mut kernel = Kernel::new(3);
    let [a, b] = [(); 2].map(|()| kernel.add(Sorter(Vec::new())));
    kernel.with_node(a, |_, cx| (0..4).for_each(|n| cx.send(b, Sorted(n))));
    let filter = kernel.net_mut().impose(Scope::All, Fault::Filter { sorts: 1 << 1 });
    kernel.with_node(a, |_, cx| (4..8).for_each(|n| cx.send(b, Sorted(n))));
    kernel.run_until(at(10));
    assert_eq!(kernel.node(b).0, [0, 2, 4, 6]);
    assert_eq!(kernel.net_mut().lift(filter), 4);
    kernel.with_node(a, |_, cx| cx.send(b, Sorted(9)));
    kernel.run_until(at(20));
    assert_eq!(kernel.node(b).0, [0, 2, 4, 6, 9]);
    assert_eq!(kernel.net().bites().filtered, 4);
}

#[test]
fn a_clog_lets_everything_through_at_once_in_order() {
    let (mut kernel, [a, b]) = listeners();
    send(&mut kernel, a, b, 0..1);
    kernel.run_until(at(5));
    let clog = kernel.net_mut().impose(Scope::OneWay([a].into(), [b].into()), Fault::Clog { until: at(50) });
    send(&mut kernel, a, b, 1..20);
    send(&mut kernel, b, a, 0..1);
    kernel.run_until(at(49));
    assert_eq!((heard(&kernel, b), heard(&kernel, a)), (vec![0], vec![0]), "only one way is clogged");
    kernel.run_until(at(50));
    assert_eq!(heard(&kernel, b), (0..20).collect::<Vec<_>>());
    assert_eq!(kernel.net_mut().lift(clog), 19);
}

#[test]
fn an_echo_comes_much_later_and_a_cut_one_way_leaves_the_way_back() {
    let (mut kernel, [a, b]) = listeners();
    let echo = kernel.net_mut().impose(Scope::All, Fault::Replay { ppm: PPM, after: Span::exactly(100 * MS) });
    send(&mut kernel, a, b, 0..2);
    kernel.run_until(at(10));
    assert_eq!((heard(&kernel, b), kernel.net_mut().lift(echo)), (vec![0, 1], 2));
    let cut = kernel.net_mut().impose(Scope::OneWay([a].into(), [b].into()), Fault::Cut { in_flight: false });
    send(&mut kernel, a, b, 2..3);
    send(&mut kernel, b, a, 0..1);
    kernel.run_until(at(200));
    assert_eq!((heard(&kernel, b), heard(&kernel, a)), (vec![0, 1, 0, 1], vec![0]));
    assert_eq!(kernel.net_mut().lift(cut), 1);
}

#[test]
fn a_reboot_keeps_the_value_and_starts_it_again() {
    let (mut kernel, [a, b]) = listeners();
    send(&mut kernel, a, b, 0..1);
    kernel.run_until(at(5));
    kernel.stop(b);
    send(&mut kernel, a, b, 1..2);
    kernel.run_until(at(10));
    kernel.reboot(b);
    send(&mut kernel, a, b, 2..3);
    kernel.run_until(at(20));
    assert_eq!((heard(&kernel, b), kernel.node(b).starts), (vec![0, 2], 2));
    assert!(kernel.local_time(b).ns() <= 10 * MS, "its stopwatch counts from the boot");
}

#[test]
fn who_resumes_says_how_much_it_slept_through() {
    let (mut kernel, [a, b]) = listeners();
    kernel.run_until(at(1));
    kernel.with_node(b, |_, cx| cx.wake_after(5 * MS));
    kernel.pause(b);
    send(&mut kernel, a, b, 0..3);
    kernel.run_until(at(20));
    assert_eq!(kernel.resume(b), 4);
    kernel.run_until(at(30));
    assert_eq!((heard(&kernel, b).len(), kernel.node(b).woken.len()), (3, 1));
}
