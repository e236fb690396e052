//! Ping-pong: any type can be a node of the kernel, ten lines are enough; and how fast is the kernel alone?
//!
//! Each player serves one ball to its neighbour and returns every ball it gets to whoever played it, so about as many balls are in the air as there
//! are players; who hears nothing for a while serves again. Prints deliveries per second of processor time, and a trace hash to compare.

use std::time::Instant;
use swarm_sim::kernel::{ClockSpec, Cx, Fault, Kernel, Node, NodeId, Place, Scope, SimTime, Span};

const PATIENCE_NS: u64 = 20_000_000;
const DELIVERIES: u64 = 20_000_000;

struct Player(NodeId);
#[rustfmt::skip]
impl Node for Player {
    type Msg = u64;
    fn on_start(&mut self, cx: &mut Cx<'_, u64>) { self.on_timer(cx); }
    fn on_timer(&mut self, cx: &mut Cx<'_, u64>) { cx.send(self.0, 0); cx.wake_after(PATIENCE_NS); }
    fn on_message(&mut self, cx: &mut Cx<'_, u64>, from: NodeId, ball: u64) {
        cx.send(from, ball + 1);
        cx.wake_after(PATIENCE_NS);
    }
}

/// A table of `players`; with `faults`: loss, duplicates, slow and overtaken balls, skewed clocks, two neighbours cut off from each other.
fn table(players: usize, faults: bool) -> Kernel<Player> {
    let mut kernel = Kernel::new(1);
    for player in 0..players {
        let neighbour = NodeId::from_index((player + 1) % players);
        let drift_ppm = if faults { (player % 7) as i32 * 100 - 300 } else { 0 };
        kernel.add_at(
            Player(neighbour),
            Place { clock: ClockSpec { drift_ppm, ..ClockSpec::default() }, ..Place::default() },
        );
    }
    if faults {
        let net = kernel.net_mut();
        net.impose(Scope::All, Fault::Lose { ppm: 10_000 });
        net.impose(Scope::All, Fault::Duplicate { ppm: 5_000, after: Span::new(0, 500_000) });
        net.impose(Scope::All, Fault::Delay { ppm: 20_000, extra: Span::new(0, 3_000_000) });
        net.impose(Scope::All, Fault::Reorder { ppm: 10_000, extra: Span::new(0, 1_000_000) });
        net.cut(NodeId::from_index(0), NodeId::from_index(1));
    }
    kernel
}

fn main() {
    println!("players  faults  deliveries  per second of processor time  trace");
    for (players, faults) in [(5, false), (5, true), (500, false), (500, true)] {
        let mut kernel = table(players, faults);
        let (start, spent) = (Instant::now(), processor_ns());
        while kernel.counters().deliveries < DELIVERIES {
            kernel.step(SimTime::from_ns(u64::MAX));
        }
        let ns = match (spent, processor_ns()) {
            (Some(before), Some(after)) => after - before,
            _ => start.elapsed().as_nanos() as u64,
        };
        let hundredths = DELIVERIES * 100_000 / ns.max(1);
        let label = if faults { "on" } else { "off" };
        println!(
            "{players:>7}  {label:<6}  {DELIVERIES:>10}  {:>24}.{:02} M  {:032x}",
            hundredths / 100,
            hundredths % 100,
            kernel.trace_hash()
        );
    }
}

/// Nanoseconds this process has run on a processor, so that a busy machine does not spoil the figure; only where Linux tells.
fn processor_ns() -> Option<u64> {
    std::fs::read_to_string("/proc/self/schedstat").ok()?.split(' ').next()?.parse().ok()
}
