//! One game of ping-pong on three simulators, one thread, no faults: deliveries per second of processor time.
//!
//! Each player serves one ball to its neighbour and returns every ball it gets to whoever played it, so as many balls are in
//! the air as there are players. A message takes 1 to 10 ms. Every simulator is used as its own documentation does: the peers
//! give each player a socket and tasks, this project's kernel gives it a handler. That is a difference in what is offered, and
//! it is part of the figure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const DELAY_MS: (u64, u64) = (1, 10);
const PORT: u16 = 9_000;

/// One measurement: its name, players, and deliveries after which it ends.
type Game = fn(players: usize, deliveries: u64) -> u64;

fn main() {
    // As many deliveries as each can be asked for without anyone falling asleep.
    let games: [(&str, Game, usize, u64); 6] = [
        ("swarm-sim", kernel, 5, 10_000_000),
        ("madsim", peer_madsim, 5, 1_000_000),
        ("turmoil", peer_turmoil, 5, 300_000),
        ("swarm-sim", kernel, 500, 10_000_000),
        ("madsim", peer_madsim, 500, 1_000_000),
        ("turmoil", peer_turmoil, 500, 4_000),
    ];
    println!("simulator  players  deliveries  per second of processor time  of swarm-sim's");
    let mut ours = 0;
    for (name, game, players, wanted) in games {
        let (start, spent) = (Instant::now(), processor_ns());
        let delivered = game(players, wanted);
        let ns = match (spent, processor_ns()) {
            (Some(before), Some(after)) => after - before,
            _ => start.elapsed().as_nanos() as u64,
        };
        let rate = delivered * 1_000_000 / (ns / 1_000).max(1);
        if name == "swarm-sim" {
            ours = rate;
        }
        let share = if rate == ours { "1".into() } else { format!("1/{}", ours / rate.max(1)) };
        println!("{name:<9}  {players:>7}  {delivered:>10}  {rate:>28}  {share:>14}");
    }
}

fn kernel(players: usize, deliveries: u64) -> u64 {
    use swarm_sim::kernel::{Cx, Kernel, Node, NodeId, Scope, SimTime, Span, Wire};
    struct Player(NodeId);
    impl Node for Player {
        type Msg = u64;
        fn on_start(&mut self, cx: &mut Cx<'_, u64>) {
            cx.send(self.0, 0);
        }
        fn on_message(&mut self, cx: &mut Cx<'_, u64>, from: NodeId, ball: u64) {
            cx.send(from, ball + 1);
        }
        fn on_timer(&mut self, _: &mut Cx<'_, u64>) {}
    }
    let mut kernel = Kernel::new(1);
    let (min, max) = (DELAY_MS.0 * 1_000_000, DELAY_MS.1 * 1_000_000);
    kernel.net_mut().set_wire(Scope::All, Wire { delay: Span::new(min, max), fifo: false });
    for player in 0..players {
        kernel.add(Player(NodeId::from_index((player + 1) % players)));
    }
    while kernel.counters().deliveries < deliveries {
        kernel.step(SimTime::from_ns(u64::MAX));
    }
    kernel.counters().deliveries
}

fn peer_madsim(players: usize, deliveries: u64) -> u64 {
    use madsim::net::Endpoint;
    use madsim::runtime::Runtime;
    use std::net::SocketAddr;
    let at = |player: usize| SocketAddr::from(([10, 0, (player / 250) as u8, (player % 250 + 1) as u8], PORT));
    let mut config = madsim::Config::default();
    config.net.send_latency = Duration::from_millis(DELAY_MS.0)..Duration::from_millis(DELAY_MS.1);
    let runtime = Runtime::with_seed_and_config(1, config);
    let count = Arc::new(AtomicU64::new(0));
    for player in 0..players {
        let (count, neighbour) = (Arc::clone(&count), at((player + 1) % players));
        runtime.create_node().ip(at(player).ip()).build().spawn(async move {
            let socket = Endpoint::bind(at(player)).await.expect("a free simulated port");
            // Everyone is bound before anyone serves.
            madsim::time::sleep(Duration::from_secs(1)).await;
            let mut ball = [0; 8];
            socket.send_to(neighbour, 1, &ball).await.expect("the simulated network takes it");
            loop {
                let (_, from) = socket.recv_from(1, &mut ball).await.expect("the socket stays open");
                count.fetch_add(1, Ordering::Relaxed);
                ball = (u64::from_le_bytes(ball) + 1).to_le_bytes();
                socket.send_to(from, 1, &ball).await.expect("the simulated network takes it");
            }
        });
    }
    let watched = Arc::clone(&count);
    runtime.block_on(async move {
        while watched.load(Ordering::Relaxed) < deliveries {
            madsim::time::sleep(Duration::from_millis(100)).await;
        }
    });
    count.load(Ordering::Relaxed)
}

fn peer_turmoil(players: usize, deliveries: u64) -> u64 {
    use turmoil::net::UdpSocket;
    let mut sim = turmoil::Builder::new()
        .simulation_duration(Duration::from_secs(1 << 30))
        .min_message_latency(Duration::from_millis(DELAY_MS.0))
        .max_message_latency(Duration::from_millis(DELAY_MS.1))
        .udp_capacity(1 << 16)
        .rng_seed(1)
        .build();
    let count = Arc::new(AtomicU64::new(0));
    for player in 0..players {
        let (count, neighbour) = (Arc::clone(&count), format!("player-{}", (player + 1) % players));
        sim.host(format!("player-{player}"), move || {
            let (count, neighbour) = (Arc::clone(&count), neighbour.clone());
            async move {
                let socket = UdpSocket::bind(("0.0.0.0", PORT)).await?;
                let mut ball = [0; 8];
                socket.send_to(&ball, (neighbour.as_str(), PORT)).await?;
                loop {
                    let (_, from) = socket.recv_from(&mut ball).await?;
                    count.fetch_add(1, Ordering::Relaxed);
                    ball = (u64::from_le_bytes(ball) + 1).to_le_bytes();
                    socket.send_to(&ball, from).await?;
                }
            }
        });
    }
    while count.load(Ordering::Relaxed) < deliveries {
        sim.step().expect("no player fails");
    }
    count.load(Ordering::Relaxed)
}

/// Nanoseconds this process has run on a processor, so that a busy machine does not spoil the figure; only where Linux tells.
fn processor_ns() -> Option<u64> {
    std::fs::read_to_string("/proc/self/schedstat").ok()?.split(' ').next()?.parse().ok()
}
