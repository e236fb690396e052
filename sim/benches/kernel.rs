//! How fast is the kernel alone? Deliveries per second of ping-pong, from 5 to 500 players, faults off and on.
//!
//! Each player serves one ball to its neighbour and returns every ball it gets to whoever played it, so about as many balls are in the air as there
//! are players. A lost ball is served again after some patience, which is a deadline moved at every delivery and a clock read.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use swarm_sim::kernel::{ClockSpec, Cx, Fault, Kernel, Node, NodeId, Place, Scope, SimTime, Span};

/// Deliveries per sample: enough to hide the few events that are not deliveries.
const DELIVERIES: u64 = 100_000;
const PATIENCE_NS: u64 = 20_000_000;

/// What a player does with a ball.
#[derive(Clone, Copy)]
enum Style {
    /// Back to whoever played it.
    Return,
    /// To anybody, by its own dice: every link is used, memory is touched all over.
    Scatter,
}

struct Player {
    players: u64,
    style: Style,
}

impl Node for Player {
    type Msg = u64;

    fn on_start(&mut self, cx: &mut Cx<'_, u64>) {
        self.on_timer(cx);
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, u64>) {
        let neighbour = NodeId::from_index((cx.me().index() + 1) % self.players as usize);
        cx.send(neighbour, 0);
        cx.wake_after(PATIENCE_NS);
    }

    fn on_message(&mut self, cx: &mut Cx<'_, u64>, from: NodeId, ball: u64) {
        let to = match self.style {
            Style::Return => from,
            Style::Scatter => NodeId::from_index(cx.rng().below(self.players) as usize),
        };
        cx.send(to, ball + 1);
        cx.wake_after(PATIENCE_NS);
    }
}

fn table(players: u64, style: Style, faults: bool) -> Kernel<Player> {
    let mut kernel = Kernel::new(1);
    for player in 0..players {
        let drift_ppm = if faults { (player % 7) as i32 * 100 - 300 } else { 0 };
        kernel.add_at(
            Player { players, style },
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

fn ping_pong(c: &mut Criterion) {
    for (name, style) in [("ping_pong", Style::Return), ("scatter", Style::Scatter)] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(DELIVERIES));
        for (faults, label) in [(false, "faults_off"), (true, "faults_on")] {
            for players in [5, 50, 500] {
                let mut kernel = table(players, style, faults);
                group.bench_function(BenchmarkId::new(label, players), |b| {
                    b.iter(|| {
                        let end = kernel.counters().deliveries + DELIVERIES;
                        while kernel.counters().deliveries < end {
                            kernel.step(SimTime::from_ns(u64::MAX));
                        }
                        black_box(kernel.trace_hash())
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, ping_pong);
criterion_main!(benches);
