//! The audit log of a real, small run: it replays, it restarts, and nobody can touch it unnoticed.

mod swarm;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use ed25519_dalek::Signer as _;
use proptest::prelude::*;
use swarm::{Swarm, engines};
use swarm_core::audit::{self, BadLog, Line, LineBody, Number, Opening, Record, SEAL_EVERY, Seal, Why, Writer};
use swarm_core::id::{Digest, OpId, Thread};
use swarm_core::identity::Keys;
use swarm_core::node::{Effect, Input, Setup};
use swarm_core::register::Ending;
use swarm_core::time::{Instant, Now, Span, WallTime};
use swarm_core::wire::{Signature, canonical};

const PLANNER: usize = 4;
const WORKER: usize = 6;

fn run() -> &'static Swarm {
    static RUN: OnceLock<Swarm> = OnceLock::new();
    RUN.get_or_init(Swarm::finished)
}

fn lines(n: usize) -> Vec<String> {
    run().hosts[n].log.lines().map(str::to_owned).collect()
}

fn join(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"]).flatten().copied().collect()
}

fn bad(log: &[u8]) -> BadLog {
    match audit::replay(log, engines()) {
        Ok(_) => panic!("it replays"),
        Err(bad) => bad,
    }
}

fn read(line: &str) -> Line {
    serde_json::from_str(line).unwrap()
}

/// Writes `lines` as whoever holds `keys` could: numbered, chained and sealed anew.
fn forged(lines: &[Line], keys: &Keys) -> Vec<u8> {
    let (mut log, mut prev) = (Vec::new(), Digest::default());
    for (number, line) in lines.iter().enumerate() {
        let mut line = Line { number: Number(number as u64), prev, ..line.clone() };
        if let LineBody::Seal(seal) = &mut line.body {
            let covers = Seal::covers(&keys.agent(), line.number, &prev, seal.closing);
            seal.sig = Signature(keys.signing().sign(&covers.0).to_bytes());
        }
        let bytes = canonical::to_vec(&line);
        prev = Digest::sha256(&bytes);
        log.extend([&bytes[..], b"\n"].concat());
    }
    log
}

#[test]
fn a_need_is_settled_and_every_log_replays_to_the_same_results() {
    let swarm = run();
    assert_eq!(swarm.ended.values().collect::<Vec<_>>(), [&Ending::Closed], "refused: {:?}", swarm.refused);
    assert_eq!(swarm.diverged, 0);
    let all = audit::replay(swarm.hosts[0].log.as_bytes(), engines()).unwrap();
    assert_eq!(all.finals.len(), 2, "two tasks");
    for (n, host) in swarm.hosts.iter().enumerate() {
        let replayed = audit::replay(host.log.as_bytes(), engines()).unwrap();
        assert_eq!(replayed.lines, host.log.lines().count() as u64);
        assert_eq!((replayed.closed, replayed.sealed_to), (true, replayed.lines));
        assert_eq!((replayed.boots, replayed.following), (1, host.follows.clone()));
        assert_eq!(replayed.genesis, all.genesis);
        for (name, bytes) in &replayed.finals {
            assert_eq!(Some(bytes), all.finals.get(name), "{name:?} at node {n}");
        }
        let seals = host.log.lines().filter(|line| line.starts_with("{\"body\":{\"seal\":")).count() as u64;
        assert!(seals > replayed.lines / SEAL_EVERY);
    }
}

#[test]
fn every_line_is_canonical_by_an_independent_canonicaliser() {
    for host in &run().hosts {
        for line in host.log.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let again = serde_json_canonicalizer::to_vec(&value).unwrap();
            let same = again.iter().zip(line.as_bytes()).take_while(|(a, b)| a == b).count();
            assert!(again == line.as_bytes(), "{:.80} differs at {:.80}", line, &line[same..]);
        }
    }
}

#[test]
fn t03_a_line_deleted_doubled_moved_or_changed_is_named() {
    let whole = lines(PLANNER);
    for at in 0..whole.len() {
        let n = at as u64 + 1;
        let last = at + 1 == whole.len();

        let mut less = whole.clone();
        less.remove(at);
        match at {
            0 => assert_eq!(bad(&join(&less)), BadLog { line: 1, why: Why::NoOpening }),
            // The end is the one thing a chain cannot hold: what is left was a whole log once, but it was never closed.
            _ if last => assert!(audit::replay(&join(&less), engines()).is_ok_and(|r| !r.closed)),
            _ => assert_eq!(
                bad(&join(&less)),
                BadLog { line: n, why: Why::OutOfPlace { expected: at as u64, found: n } }
            ),
        }

        let mut more = whole.clone();
        more.insert(at, whole[at].clone());
        let doubled = BadLog { line: n + 1, why: Why::OutOfPlace { expected: n, found: at as u64 } };
        assert_eq!(bad(&join(&more)), doubled);

        if !last {
            let mut moved = whole.clone();
            moved.swap(at, at + 1);
            assert_eq!(bad(&join(&moved)).line, n);
        }

        // The clock of an input: nothing but the chain can tell.
        if let LineBody::Input { input, now } = read(&whole[at]).body {
            let mut line = read(&whole[at]);
            let now = Now { wall: WallTime(now.wall.0 + 1), ..now };
            line.body = LineBody::Input { input, now };
            let mut changed = whole.clone();
            changed[at] = String::from_utf8(canonical::to_vec(&line)).unwrap();
            assert_eq!(bad(&join(&changed)), BadLog { line: n, why: Why::BrokenChain });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever byte becomes whatever other byte: its line is named.
    #[test]
    fn t03_any_byte_changed_is_found_in_its_line(n in prop::sample::select(vec![PLANNER, PLANNER, PLANNER, WORKER]), at: prop::sample::Index, to: u8) {
        let mut log = run().hosts[n].log.clone().into_bytes();
        let at = at.index(log.len());
        prop_assume!(log[at] != to);
        let line = log[..at].iter().filter(|b| **b == b'\n').count() as u64 + 1;
        log[at] = to;
        prop_assert_eq!(bad(&log).line, line);
    }

    /// A log cut anywhere is no whole log, unless it is cut between two inputs, and then it is not closed.
    #[test]
    fn t03_a_cut_log_is_not_taken_for_a_closed_one(at: prop::sample::Index) {
        let log = run().hosts[PLANNER].log.as_bytes();
        let cut = &log[..at.index(log.len())];
        match audit::replay(cut, engines()) {
            Ok(replayed) => prop_assert!(!replayed.closed),
            Err(bad) => prop_assert!(bad.line >= cut.iter().filter(|b| **b == b'\n').count() as u64),
        }
    }

    /// A crash at any byte: what is left makes the node again as it was at an input's end, and what it says from then on
    /// never reuses a Lamport value or a nonce of what had left it, unless it says that very thing again.
    #[test]
    fn t08_a_crash_at_any_byte_reuses_nothing(n in prop::sample::select(vec![0usize, 3, PLANNER, WORKER, 9]), at: prop::sample::Index) {
        let host = &run().hosts[n];
        let cut = at.index(host.log.len());
        let Some(mut restored) = audit::restore(&host.log.as_bytes()[..cut], engines()).unwrap() else {
            prop_assert!(!host.log.as_bytes()[..cut].contains(&b'\n'), "only without an opening is there nothing");
            return Ok(());
        };
        prop_assert!(restored.keep <= cut);
        let kept = &host.log[..restored.keep];
        let said: Vec<_> = kept.lines().filter_map(|line| match read(line).body {
            LineBody::Record(Record::Publish { envelope, .. }) => Some(envelope),
            _ => None,
        }).collect();
        let ids: BTreeSet<_> = said.iter().map(|e| e.id()).collect();
        let lamport = said.iter().map(|e| e.lamport).max();
        let nonce = said.iter().map(|e| e.nonce).max();

        // It goes on, on the clock of another boot.
        let mut log = kept.to_owned();
        for (mono, input) in [(5, Input::Boot), (5_000_000_000, Input::Wake), (90_000_000_000, Input::Wake)] {
            let now = Now { mono: Instant(mono), wall: WallTime(0) };
            log += &restored.writer.input(now, &input);
            restored.replayed.node.handle(now, input);
            while let Some(effect) = restored.replayed.node.poll_effect() {
                let signed = match &effect {
                    Effect::Publish { draft, .. } => {
                        let fresh = Some(draft.lamport) > lamport && Some(draft.nonce) > nonce;
                        prop_assert!(fresh || ids.contains(&draft.id()), "{:?}", draft.body);
                        Some(Arc::new(host.keys.sign((**draft).clone())))
                    }
                    _ => None,
                };
                log.extend(restored.writer.effect(&effect, signed.as_ref()));
            }
        }
        log += &restored.writer.seal(&host.keys, true);
        let replayed = audit::replay(log.as_bytes(), engines());
        prop_assert!(replayed.as_ref().is_ok_and(|r| r.closed), "{:?}", replayed.err());
    }
}

#[test]
fn t04_a_stranger_cannot_seal() {
    let log: Vec<Line> = lines(PLANNER).iter().map(|line| read(line)).collect();
    let own = &run().hosts[PLANNER].keys;
    assert_eq!(forged(&log, own), run().hosts[PLANNER].log.as_bytes(), "the node's own hand writes the same");
    let stranger = Keys::from_seed(&Digest::sha256(b"a stranger"));
    let first_seal = log.iter().position(|line| matches!(line.body, LineBody::Seal(_))).unwrap() as u64 + 1;
    assert_eq!(bad(&forged(&log, &stranger)), BadLog { line: first_seal, why: Why::BadSeal });

    // Under its own name it needs a manifest, and the only ones are those of others.
    let LineBody::Open(opening) = log[0].body.clone() else { panic!("the first line opens") };
    let renamed = Line { body: LineBody::Open(Opening { me: stranger.agent(), ..opening }), ..log[0].clone() };
    let forgery = forged(&[renamed, log[log.len() - 1].clone()], &stranger);
    assert_eq!(bad(&forgery), BadLog { line: 2, why: Why::UnknownSigner });
}

#[test]
fn a_node_that_lies_in_its_own_log_is_found_out_by_the_replay() {
    let log: Vec<Line> = lines(WORKER).iter().map(|line| read(line)).collect();
    let own = &run().hosts[WORKER].keys;
    let found = |lie: &dyn Fn(&mut Vec<Line>) -> usize| {
        let mut log = log.clone();
        let at = lie(&mut log);
        let bad = bad(&forged(&log, own));
        assert_eq!(bad.line, at as u64 + 1, "{bad}");
        bad.why
    };
    let record =
        |log: &Vec<Line>| log.iter().position(|l| matches!(l.body, LineBody::Record(Record::Publish { .. }))).unwrap();
    // A record that was left out, invented, or altered.
    assert!(matches!(
        found(&|log| {
            let at = record(log);
            log.remove(at);
            at
        }),
        Why::Diverged { .. }
    ));
    assert!(matches!(
        found(&|log| {
            let at = record(log);
            log.insert(at, log[at].clone());
            at + 1
        }),
        Why::Diverged { .. }
    ));
    let altered = found(&|log| {
        let at = log.iter().position(|l| matches!(l.body, LineBody::Record(Record::Execute { .. }))).unwrap();
        log[at].body = LineBody::Record(Record::Execute { op: OpId(77), work: Digest::default() });
        at
    });
    assert!(
        matches!(altered, Why::Diverged { expected, got } if expected.contains("\"77\"") && !got.contains("\"77\""))
    );
    // The wrong thread.
    let moved = found(&|log| {
        let at = record(log);
        log[at].thread = Thread::System;
        at
    });
    assert!(matches!(moved, Why::Diverged { .. }));
    let moved = found(&|log| {
        let of_a_need = |l: &Line| matches!(l.body, LineBody::Input { .. }) && l.thread != Thread::System;
        let at = log.iter().position(of_a_need).unwrap();
        log[at].thread = Thread::System;
        at
    });
    assert!(matches!(moved, Why::Diverged { .. }));
    // A clock that goes back.
    let back = found(&|log| {
        let at = log.iter().rposition(|l| matches!(l.body, LineBody::Input { .. })).unwrap();
        let LineBody::Input { now, .. } = &mut log[at].body else { unreachable!() };
        now.mono = Instant(1);
        at
    });
    assert_eq!(back, Why::ClockWentBack);
}

#[test]
fn the_whole_swarm_killed_at_once_goes_on_from_its_logs() {
    let mut swarm = Swarm::new();
    swarm.post(swarm::need());
    let mut lives = 1;
    // A while of running, then nothing is left but the logs, the register and the bus, and every clock begins anew.
    while !swarm.run(Span::from_ms(130), |s| !s.ended.is_empty()) {
        lives += 1;
        assert!(lives < 100, "it gets nowhere");
        swarm.now.mono = Instant(lives);
        for host in &mut swarm.hosts {
            let restored = audit::restore(host.log.as_bytes(), engines()).unwrap().unwrap();
            assert_eq!(restored.keep, host.log.len());
            assert_eq!(restored.replayed.following, host.follows);
            (host.node, host.writer) = (restored.replayed.node, restored.writer);
            host.inbox.push_back(Input::Boot);
        }
    }
    assert!(lives > 3, "only {lives} lives");
    assert_eq!(swarm.ended.values().collect::<Vec<_>>(), [&Ending::Closed], "refused: {:?}", swarm.refused);
    assert_eq!(swarm.diverged, 0);
    swarm.close();
    let mut finals = BTreeMap::new();
    for host in &swarm.hosts {
        let replayed = audit::replay(host.log.as_bytes(), engines()).unwrap();
        assert_eq!(replayed.boots, lives);
        for (name, bytes) in replayed.finals {
            assert_eq!(finals.entry(name).or_insert_with(|| bytes.clone()), &bytes);
        }
    }
    assert_eq!(finals.len(), 2);
}

#[test]
fn t82_a_threads_lines_alone_are_no_replay() {
    let of_need: Vec<String> = lines(WORKER)
        .into_iter()
        .filter(|line| read(line).thread != Thread::System || read(line).number.0 == 0)
        .collect();
    assert!(of_need.len() > 10);
    assert!(matches!(bad(&join(&of_need)).why, Why::OutOfPlace { .. }));
}

#[test]
fn another_format_another_engine_and_no_log_at_all_are_named() {
    let log = &run().hosts[PLANNER].log;
    let other = log.replacen("{\"format\":2,", "{\"format\":1,\"more\":[],", 1);
    assert_eq!(bad(other.as_bytes()), BadLog { line: 1, why: Why::WrongVersion { found: 1 } });
    for junk in [&b""[..], b"\n", b"{}\n", b"\xff\xfe\n", &[b'['; 100_000], b"{\"body\":{\"open\":{}}}\n"] {
        assert!(matches!(bad(junk).why, Why::NoOpening | Why::Torn), "{junk:?}");
    }
    let mut lines: Vec<Line> = lines(PLANNER).iter().map(|line| read(line)).collect();
    let LineBody::Open(opening) = &mut lines[0].body else { panic!("the first line opens") };
    Arc::make_mut(&mut opening.genesis).engine = Digest::sha256(b"another");
    let forgery = forged(&lines, &run().hosts[PLANNER].keys);
    assert!(matches!(bad(&forgery), BadLog { line: 1, why: Why::NoSuchEngine { .. } }));
}

#[test]
#[should_panic(expected = "a host signs a draft before it records it")]
fn a_publish_without_its_envelope_is_never_recorded() {
    let swarm = run();
    let envelope = lines(WORKER).iter().find_map(|line| match read(line).body {
        LineBody::Record(Record::Publish { envelope, op, subject, .. }) => Some((envelope, op, subject)),
        _ => None,
    });
    let (envelope, op, subject) = envelope.unwrap();
    let draft = Arc::new(swarm_core::wire::Draft::new((**envelope).clone()));
    let opening = match read(&lines(WORKER)[0]).body {
        LineBody::Open(opening) => opening,
        _ => unreachable!(),
    };
    let setup = Setup {
        me: swarm.hosts[WORKER].keys.agent(),
        bases: opening.bases,
        genesis: opening.genesis,
        local: opening.local,
        mandates: opening.mandates,
        stream: opening.stream,
        engines: engines(),
    };
    let (mut writer, _) = Writer::open(&setup);
    writer.effect(&Effect::Publish { op, subject, inboxes: Vec::new(), draft, entries: [].into() }, None);
}
