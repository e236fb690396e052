//! What an evaluation of the base policy takes, beside the native rules: anew each time, and remembered.

#[path = "../../tests/common/mod.rs"]
mod common;

use common::{Bytes, content, key};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use swarm_core::policy::{BaseRules, Evaluator, Gate, PolicyInput};
use swarm_core::wire::{Draft, Role, Verb};
use swarm_policy::capsule::Capsule;
use swarm_policy::{BASE, Rego, question};

fn base(c: &mut Criterion) {
    let capsule = Capsule::parse(BASE).unwrap();
    let policy = capsule.prove().unwrap();
    let entry = swarm_core::id::label("ingress");
    let (native, rego) = (BaseRules::default(), Rego::base());
    let roles = [Role::Requester, Role::Planner, Role::Worker, Role::Verifier, Role::Coordinator];
    for verb in [Verb::Need, Verb::Claim, Verb::Propose, Verb::Commit, Verb::Entry] {
        let draft = Draft::new(content(verb, &mut Bytes::of(&[7; 900]), &key(1)));
        let input = PolicyInput::drafted(&draft, &roles);
        let text = question(Gate::Ingress, &input);
        let mut group = c.benchmark_group(verb.as_str());
        group.bench_function("native", |b| b.iter(|| native.evaluate(Gate::Ingress, black_box(&input))));
        group.bench_function("rego", |b| b.iter(|| policy.decide(&entry, black_box(&text))));
        group.bench_function("rego, remembered", |b| b.iter(|| rego.evaluate(Gate::Ingress, black_box(&input))));
        group.finish();
    }
}

criterion_group!(benches, base);
criterion_main!(benches);
