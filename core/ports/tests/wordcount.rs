//! The real job against an independent tool: the words of some megabytes of source, counted by the plan's tasks and by
//! `tr | grep | sort | uniq -c`.

mod real_text;

use std::collections::BTreeMap;

use real_text::{by_pipeline, real_text};
use swarm_core::config::WINDOWS;
use swarm_core::id::{Cid, Credits, Label, label};
use swarm_core::plan::Fact;
use swarm_core::wire::{Class, Need};
use swarm_ports::{jobs, recipes};

/// Runs `recipe` on `text` task by task.
fn by_plan(recipe: &str, text: &[u8]) -> Vec<u8> {
    let need = Need {
        budget: Credits(10_000),
        class: Class::Simple,
        deadline_ms: 60_000,
        fee: Credits(1),
        fees: Credits(1_000),
        forms: [].into(),
        k_plan: 3,
        k_result: 5,
        produces: vec![label("words")],
        recipe: label(recipe),
        requires: BTreeMap::from([(label("text"), Cid::of(text))]),
        supersedes: None,
        windows: WINDOWS,
    };
    let plan = recipes::plan(need.recipe.as_str(), &need, 0).expect("a plan");
    let mut have: BTreeMap<Label, Vec<u8>> = BTreeMap::from([(label("text"), text.to_vec())]);
    for fact in plan.patch {
        if let Fact::AddTask { job, produces, requires, .. } = fact {
            let inputs: Vec<&Vec<u8>> = requires.iter().map(|label| &have[label]).collect();
            let done = jobs::run(job.as_str(), &inputs, &produces, &[]).expect("the task runs");
            assert!((done.states.len() as u64) < jobs::STRETCHES_MAX);
            have.extend(done.outputs);
        }
    }
    have.remove(&label("words")).expect("the need's output")
}

#[test]
fn a_real_text_is_counted_as_the_independent_tool_counts_it() {
    let text = real_text();
    let wanted = by_pipeline(&text);
    assert!(wanted.len() > 100_000, "a real text has many words");
    for parts in [1, 4, 16] {
        let got = by_plan(&format!("wordcount/{parts}"), &text);
        assert!(got == wanted, "{parts} parts: {} bytes instead of {}", got.len(), wanted.len());
    }
}
