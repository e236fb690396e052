//! Where the time of an envelope goes: `cargo run --release -p swarm-core --example envelope_speed`.
//!
//! Prints nanoseconds per call, the best of several rounds, on one thread. The golden envelope is about 1.2 KB.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "measures wall time, outside the core")]

use std::hint::black_box;
use std::time::Instant;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use swarm_core::id::{AgentId, Cid, Nonce, Thread};
use swarm_core::nonce::Nonces;
use swarm_core::policy::{BaseRules, Evaluator as _, Gate, PolicyInput};
use swarm_core::wire::{Draft, Envelope, Role};

fn best(name: &str, calls: u32, mut call: impl FnMut()) -> u128 {
    let calls = calls / 40;
    let round = |_| {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        start.elapsed().as_nanos() / u128::from(calls)
    };
    let best = (0..200).map(round).min().expect("there are rounds");
    println!("{name:<44} {best:>8} ns");
    best
}

fn main() {
    let bytes = include_str!("../tests/golden/envelope.json").trim_end().as_bytes();
    let envelope = Envelope::verify(bytes).expect("the golden envelope verifies");
    let draft = Draft::new((*envelope).clone());
    let unsigned = draft.unsigned_bytes();
    let key = SigningKey::from_bytes(&[1; 32]);
    let point = VerifyingKey::from_bytes(&envelope.sender.0).expect("a key");
    let sig = Signature::from_bytes(&envelope.sig().0);
    println!("envelope of {} bytes", bytes.len());

    let whole = best("Envelope::verify", 2_000, || drop(black_box(Envelope::verify(black_box(bytes)))));
    let point_ns = best("  of it: key from bytes", 5_000, || {
        let _ = black_box(VerifyingKey::from_bytes(&envelope.sender.0));
    });
    let ed = best("  of it: strict Ed25519", 2_000, || {
        let _ = black_box(point.verify_strict(&unsigned, &sig));
    });
    let sha = best("  of it: SHA-256 of the id", 20_000, || {
        let _ = black_box(Cid::of(black_box(&unsigned)));
    });
    println!("{:<44} {:>8} ns", "  the rest", whole.saturating_sub(point_ns + ed + sha));
    let spoiled = [bytes, b" "].concat();
    best("a refusal before the signature", 20_000, || drop(black_box(Envelope::verify(black_box(&spoiled)))));

    let content = (*envelope).clone();
    best("Draft::new", 20_000, || drop(black_box(Draft::new(black_box(content.clone())))));
    best("Ed25519 sign", 5_000, || {
        let _ = black_box(key.sign(&unsigned));
    });
    best("Content::check", 100_000, || {
        let _ = black_box(black_box(&content).check());
    });
    best("agent id to text", 100_000, || drop(black_box(black_box(envelope.sender).to_string())));
    let text = envelope.sender.to_string();
    best("agent id from text", 100_000, || {
        let _ = black_box(black_box(&text).parse::<AgentId>());
    });

    let rules = BaseRules::default();
    let input = PolicyInput::received(&envelope, &[Role::Worker]);
    best("BaseRules at ingress", 100_000, || drop(black_box(rules.evaluate(Gate::Ingress, black_box(&input)))));
    let (mut nonces, mut nonce) = (Nonces::default(), 0);
    best("Nonces::accept", 100_000, || {
        nonce += 1;
        nonces.accept(envelope.sender, Thread::System, Nonce(nonce), |_| false).expect("a fresh nonce");
    });
}
