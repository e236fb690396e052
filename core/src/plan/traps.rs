//! The traps that a plan must not fall into, as rules over whole histories of inputs.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

use super::testkit::{
    add, agent, attestation, epoch, labels, link, need, note, planner, propose, thread, update, wordcount,
};
use super::{Attested, Document, Fact, Orphan, Plan, TaskState, View};
use crate::id::{AgentId, Cid, Epoch, Fence, TaskName, label};
use crate::wire::Envelope;

/// One thing that happens to a view.
#[derive(Clone, Debug)]
enum Input {
    Patch(Arc<Envelope>),
    Entitle(AgentId),
    Decided(Cid, Epoch),
    Restate(TaskName, Epoch, Fence, TaskState),
    Invalidate(TaskName, Epoch, Fence),
}

fn feed(view: &mut View, input: &Input) {
    match input.clone() {
        Input::Patch(patch) => drop(view.add_patch(&patch).expect("of sound form")),
        Input::Entitle(agent) => view.entitle(agent),
        Input::Decided(proposal, epoch) => view.decided(proposal, epoch),
        Input::Restate(task, epoch, fence, state) => view.restate(task, epoch, fence, state),
        Input::Invalidate(task, epoch, fence) => view.invalidate(task, epoch, fence),
    }
}

fn view_of<'a>(inputs: impl IntoIterator<Item = &'a Input>) -> View {
    let mut view = View::new();
    inputs.into_iter().for_each(|input| feed(&mut view, input));
    view
}

/// What is seen, and what is ready, as text.
fn seen(view: &View) -> (String, Vec<String>) {
    (String::from_utf8(view.canonical()).unwrap(), view.ready().map(ToString::to_string).collect())
}

/// A decided word count by agent 1, with agents 1 and 2 entitled.
fn decided() -> (View, Arc<Envelope>) {
    let proposal = planner(1, wordcount());
    let mut view = View::new();
    view.add_patch(&proposal).unwrap();
    view.decided(proposal.id(), epoch(1));
    view.entitle(agent(1));
    view.entitle(agent(2));
    (view, proposal)
}

fn ready(view: &View) -> Vec<&str> {
    view.ready().map(|task| task.as_str()).collect()
}

#[test]
fn tasks_become_ready_as_their_parents_become_final() {
    let (mut view, _) = decided();
    assert_eq!(ready(&view), ["split"]);
    view.restate(label("split"), epoch(1), Fence(1), TaskState::Leased);
    assert!(ready(&view).is_empty());
    view.restate(label("split"), epoch(1), Fence(1), TaskState::Final);
    assert_eq!(ready(&view), ["count/1", "count/2"]);
    view.restate(label("count/1"), epoch(1), Fence(1), TaskState::Paid);
    view.restate(label("count/2"), epoch(1), Fence(1), TaskState::Failed);
    assert!(ready(&view).is_empty(), "a failed parent has no result");
}

#[test]
fn a_reopened_task_is_idle_again_under_its_new_fence() {
    let (mut view, _) = decided();
    view.restate(label("split"), epoch(1), Fence(2), TaskState::Idle);
    view.restate(label("split"), epoch(1), Fence(1), TaskState::Verifying);
    let standing = view.get_task(&label("split")).unwrap().standing.unwrap();
    assert_eq!((standing.fence, standing.state), (Fence(2), TaskState::Idle));
    assert_eq!(ready(&view), ["split"]);
}

#[test]
fn t77_a_result_made_void_readies_nobody() {
    let (mut view, _) = decided();
    view.invalidate(label("split"), epoch(1), Fence(1));
    view.restate(label("split"), epoch(1), Fence(1), TaskState::Final);
    assert!(ready(&view).is_empty());
    view.restate(label("split"), epoch(1), Fence(2), TaskState::Final);
    assert_eq!(ready(&view), ["count/1", "count/2"], "the new result counts");
}

#[test]
fn the_view_orders_tasks_as_the_decided_plan_does() {
    let mut patch = wordcount();
    patch.push(link("count/2", "count/1"));
    patch.push(Fact::Produces { label: label("log"), task: label("count/2") });
    patch.push(Fact::Requires { label: label("log"), task: label("merge") });
    let plan = Plan::of(&need(), &propose(patch.clone())).unwrap();
    let proposal = planner(1, patch);
    let mut view = View::new();
    view.add_patch(&proposal).unwrap();
    view.decided(proposal.id(), epoch(1));
    for (name, task) in plan.tasks() {
        let seen = view.get_task(name).unwrap();
        assert!(seen.decided);
        assert_eq!(seen.parents, task.parents.iter().collect::<Vec<_>>(), "{name}");
        assert_eq!(seen.children, task.children.iter().collect::<Vec<_>>(), "{name}");
        assert_eq!(seen.requires, task.requires.iter().collect::<Vec<_>>(), "{name}");
        assert_eq!(seen.produces, task.produces.iter().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn later_patches_stand_beside_the_decided_plan_and_cannot_bend_it() {
    let (mut view, _) = decided();
    let before = seen(&view).1;
    // A Lamport value of 0 sorts before the proposal's, and still does not.
    let patch = vec![
        add("split", "other", "x", "y"),
        Fact::Requires { label: label("x"), task: label("split") },
        link("extra", "split"),
        add("extra", "extra", "", "x"),
    ];
    view.add_patch(&update(2, 0, patch)).unwrap();
    let split = view.get_task(&label("split")).unwrap();
    assert_eq!((split.job, split.requires), (&label("split"), labels("text").iter().collect()));
    assert!(!view.get_task(&label("extra")).unwrap().decided);
    assert_eq!(seen(&view).1, before, "an added link delays nothing, an added task is not ready");
}

#[test]
fn facts_of_strangers_are_held_until_they_are_entitled() {
    let (mut view, _) = decided();
    view.add_patch(&update(3, 5, vec![note("split", "k", "stranger")])).unwrap();
    assert_eq!((view.held(), view.get_task(&label("split")).unwrap().annotations.len()), (1, 0));
    view.entitle(agent(3));
    assert_eq!((view.held(), view.get_task(&label("split")).unwrap().annotations.len()), (0, 1));
}

#[test]
fn the_latest_remark_wins_by_lamport_then_agent_then_fact() {
    let value = |patches: &[(u8, u64, &str)]| {
        let (mut view, _) = decided();
        for (by, lamport, value) in patches {
            view.add_patch(&update(*by, *lamport, vec![note("split", "k", value)])).unwrap();
        }
        view.get_task(&label("split")).unwrap().annotations[&label("k")].to_string()
    };
    assert_eq!(value(&[(1, 7, "new"), (2, 6, "old")]), "new");
    let higher = if agent(1) > agent(2) { "one" } else { "two" };
    assert_eq!(value(&[(1, 7, "one"), (2, 7, "two")]), higher);
    assert_eq!(value(&[(2, 7, "two"), (1, 7, "one")]), higher);
    let [a, b] = [note("split", "k", "a"), note("split", "k", "b")];
    assert_eq!(value(&[(1, 7, "a"), (1, 7, "b")]), if a.id() > b.id() { "a" } else { "b" });
}

#[test]
fn a_state_fact_without_its_entry_is_kept_and_not_shown() {
    let (mut view, _) = decided();
    let state = Fact::State { epoch: epoch(1), fence: Fence(9), state: TaskState::Paid, task: label("split") };
    view.add_patch(&update(2, 5, vec![state])).unwrap();
    assert_eq!((view.standing(&label("split")), view.unbacked().count()), (None, 1));
    view.restate(label("split"), epoch(1), Fence(9), TaskState::Paid);
    assert_eq!(view.unbacked().count(), 0);
}

#[test]
fn parallel_proposals_are_orphaned_by_the_epoch_that_decided() {
    let [one, two] = [planner(1, wordcount()), planner(2, wordcount())];
    let mut view = View::new();
    view.add_patch(&one).unwrap();
    assert_eq!(view.get_thread().candidates, [one.id()]);
    assert!(view.get_thread().tasks.is_empty(), "nothing of a candidate is shown");
    view.decided(one.id(), epoch(2));
    view.add_patch(&two).unwrap();
    let thread = view.get_thread();
    assert_eq!(thread.orphans, [Orphan { orphaned_by_epoch: epoch(2), proposal: two.id() }]);
    assert_eq!((thread.candidates.len(), thread.tasks.len()), (0, 4));
}

#[test]
fn t18_after_a_restore_attested_work_of_the_orphaned_branch_is_salvaged() {
    let restored = Epoch(1 << 32 | 1);
    let mut changed = wordcount();
    changed[3] = add("merge", "merge", "sum/2 sum/1 text", "total");
    let [old, new] = [planner(1, wordcount()), planner(2, changed)];
    let (mut view, _) = decided();
    assert_eq!(view.decision().unwrap().proposal, old.id());
    view.add_patch(&update(2, 5, vec![attestation("split", b"attest"), attestation("merge", b"attest")])).unwrap();
    let lookup = |id: &Cid| {
        let outputs = ["part/1", "total"].map(|name| (label(name), Cid::of(name.as_bytes())));
        (*id == Cid::of(b"attest")).then(|| Attested { epoch: epoch(1), outputs: outputs.into() })
    };
    assert!(view.salvage(&label("split"), &label("part/1"), lookup).is_empty(), "live work is no alternate");
    view.decided(new.id(), restored);
    assert!(view.get_thread().tasks.is_empty(), "the old branch is gone, the new one not here yet");
    view.add_patch(&new).unwrap();
    assert_eq!(view.salvage(&label("split"), &label("part/1"), lookup), [Cid::of(b"part/1")].into());
    assert!(view.salvage(&label("merge"), &label("total"), lookup).is_empty(), "other inputs, other work");
    assert!(view.salvage(&label("split"), &label("part/1"), |_| None).is_empty());
    let thread = view.get_thread();
    assert_eq!(thread.orphans, [Orphan { orphaned_by_epoch: restored, proposal: old.id() }]);
    assert_eq!(thread.tasks[&label("merge")].requires.len(), 3);
}

#[test]
fn t24_links_that_close_a_cycle_are_ignored_alike() {
    let facts = [
        update(1, 3, vec![link("a", "b")]),
        update(2, 4, vec![link("b", "c")]),
        update(1, 5, vec![link("c", "a")]),
        update(2, 6, vec![link("a", "c")]),
        update(1, 7, vec![link("b", "b")]),
    ];
    let ignored = |order: &[usize]| {
        let (mut view, _) = decided();
        for n in order {
            view.add_patch(&facts[*n]).unwrap();
        }
        view.get_thread().ignored_links.into_iter().map(|(p, c)| alloc::format!("{p}>{c}")).collect::<Vec<_>>()
    };
    // Whoever comes last in Lamport order yields, also if it arrived first.
    for order in [[0, 1, 2, 3, 4], [2, 1, 0, 4, 3], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]] {
        assert_eq!(ignored(&order), ["b>b", "c>a"], "{order:?}");
    }
    assert_eq!(ignored(&[2, 1]).len(), 0);
}

/// Whoever adds more links than a plan could need adds nothing with them, whatever order they came in.
#[test]
fn links_beyond_a_bound_are_ignored_alike() {
    let name = |n: u64| alloc::format!("t{n}");
    let many: Vec<_> = (0..1_040u64).map(|n| update(1, 2_000 - n, vec![link(&name(n), &name(n + 1))])).collect();
    let (mut rising, _) = decided();
    let (mut falling, _) = decided();
    for (patch, other) in many.iter().zip(many.iter().rev()) {
        rising.add_patch(patch).unwrap();
        falling.add_patch(other).unwrap();
    }
    assert_eq!(rising.get_thread().ignored_links.len(), 16);
    let first = (label(&name(0)), label(&name(1)));
    assert!(rising.get_thread().ignored_links.contains(&(&first.0, &first.1)), "the latest in Lamport order");
    assert_eq!(seen(&rising), seen(&falling));
}

#[test]
fn the_decided_plan_wins_against_links_that_sort_before_it() {
    let (mut late, proposal) = decided();
    late.add_patch(&update(2, 0, vec![link("merge", "split")])).unwrap();
    let mut early = View::new();
    early.entitle(agent(1));
    early.entitle(agent(2));
    early.add_patch(&update(2, 0, vec![link("merge", "split")])).unwrap();
    early.add_patch(&proposal).unwrap();
    assert!(early.get_thread().ignored_links.is_empty());
    early.decided(proposal.id(), epoch(1));
    assert_eq!(seen(&early), seen(&late));
    assert_eq!(late.get_thread().ignored_links, [(&label("merge"), &label("split"))].into());
}

fn any_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["split", "count/1", "merge", "x", "y"])
}

fn any_state() -> impl Strategy<Value = TaskState> {
    use TaskState::{Cancelled, Failed, Final, Idle, Leased, Paid};
    prop::sample::select(vec![Idle, Leased, Final, Paid, Failed, Cancelled])
}

/// Facts that collide as often as possible: few names, few keys, few values.
fn any_fact() -> impl Strategy<Value = Fact> {
    let few = || prop::sample::select(vec!["p", "q"]);
    prop_oneof![
        3 => (any_name(), any_name()).prop_map(|(p, c)| link(p, c)),
        2 => (any_name(), few(), few()).prop_map(|(t, k, v)| note(t, k, v)),
        1 => (any_name(), few(), few()).prop_map(|(t, r, p)| add(t, "job", r, p)),
        1 => (any_name(), few()).prop_map(|(t, l)| Fact::Requires { label: label(l), task: label(t) }),
        1 => (any_name(), few()).prop_map(|(t, l)| Fact::Produces { label: label(l), task: label(t) }),
        1 => (any_name(), few()).prop_map(|(t, e)| attestation(t, e.as_bytes())),
        1 => (any_name(), any_state(), 0u64..3).prop_map(|(t, state, fence)| Fact::State {
            epoch: epoch(1), fence: Fence(fence), state, task: label(t),
        }),
    ]
}

/// A patch of one to three facts by one of three agents, often under the same Lamport value.
fn any_update() -> impl Strategy<Value = Arc<Envelope>> {
    (0u8..3, 0u64..4, prop::collection::vec(any_fact(), 1..3))
        .prop_map(|(by, lamport, facts)| update(by, lamport, facts))
}

fn any_input() -> impl Strategy<Value = Input> {
    let proposal = (0u8..2, any::<bool>()).prop_map(|(by, linked)| {
        let mut patch = wordcount();
        if linked {
            patch.push(link("count/2", "count/1"));
        }
        planner(by, patch)
    });
    prop_oneof![
        4 => any_update().prop_map(Input::Patch),
        1 => proposal.clone().prop_map(Input::Patch),
        2 => (0u8..3).prop_map(|by| Input::Entitle(agent(by))),
        1 => (proposal, 1u64..3).prop_map(|(patch, n)| Input::Decided(patch.id(), epoch(n))),
        2 => (any_name(), 1u64..3, 0u64..3, any_state()).prop_map(|(t, e, f, s)| Input::Restate(label(t), epoch(e), Fence(f), s)),
        1 => (any_name(), 1u64..3, 0u64..3).prop_map(|(t, e, f)| Input::Invalidate(label(t), epoch(e), Fence(f))),
    ]
}

/// Calls `each` with every permutation of 0..n (Heap's algorithm).
fn permutations(n: usize, each: &mut impl FnMut(&[usize])) {
    fn heap(k: usize, order: &mut [usize], each: &mut impl FnMut(&[usize])) {
        if k <= 1 {
            return each(order);
        }
        for i in 0..k {
            heap(k - 1, order, each);
            if i + 1 < k {
                order.swap(if k.is_multiple_of(2) { i } else { 0 }, k - 1);
            }
        }
    }
    heap(n, &mut (0..n).collect::<Vec<_>>(), each);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn t22_all_permutations_of_up_to_7_patches_give_one_view(patches in prop::collection::vec(any_update(), 1..=7)) {
        let inputs: Vec<Input> = patches.into_iter().map(Input::Patch).collect();
        let (start, _) = decided();
        let mut wanted = None;
        let mut differing = None;
        permutations(inputs.len(), &mut |order| {
            let mut view = start.clone();
            order.iter().for_each(|n| feed(&mut view, &inputs[*n]));
            let got = view.digest();
            if *wanted.get_or_insert(got) != got {
                differing = Some(order.to_vec());
            }
        });
        prop_assert_eq!(differing, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn t22_all_pairwise_merges_give_one_state(patches in prop::collection::vec(any_update(), 1..=7)) {
        let replica = |mask: usize| {
            let (mut view, proposal) = decided();
            let mut doc = Document::new(thread());
            doc.insert(&proposal).unwrap();
            for (_, patch) in patches.iter().enumerate().filter(|(n, _)| mask >> n & 1 == 1) {
                doc.insert(patch).unwrap();
                view.add_patch(patch).unwrap();
            }
            (doc, view)
        };
        let all = (1 << patches.len()) - 1;
        let (whole, seen_whole) = replica(all);
        // Every way to cut the patches in two, each half taught the other.
        for mask in 0..=all {
            let [(mut doc, mut view), (other, _)] = [replica(mask), replica(all & !mask)];
            let known = |bytes: &[u8]| {
                let all = patches.iter().chain(whole.patches());
                Ok(Arc::clone(all.into_iter().find(|patch| patch.bytes()[..] == *bytes).expect("signed here")))
            };
            for patch in doc.merge(&other.missing(&doc.heads()), known).unwrap() {
                view.add_patch(&patch).unwrap();
            }
            prop_assert_eq!(doc.heads_digest(), whole.heads_digest());
            prop_assert_eq!(view.digest(), seen_whole.digest());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn t81_facts_and_entries_in_any_order_end_in_one_view(
        (inputs, shuffled) in prop::collection::vec(any_input(), 0..24)
            .prop_flat_map(|inputs| (Just(inputs.clone()), Just(inputs).prop_shuffle())),
    ) {
        prop_assert_eq!(seen(&view_of(&inputs)), seen(&view_of(&shuffled)));
        let again = view_of(inputs.iter().chain(&shuffled));
        prop_assert_eq!(seen(&again), seen(&view_of(&inputs)), "hearing all of it twice changes nothing");
    }

    /// From scratch: entries first, then patches as they sort, the order in which nothing is ever revised.
    #[test]
    fn incremental_equals_from_scratch(inputs in prop::collection::vec(any_input(), 0..24)) {
        let mut incremental = View::new();
        for n in 0..inputs.len() {
            feed(&mut incremental, &inputs[n]);
            let mut scratch: Vec<&Input> = inputs[..=n].iter().collect();
            scratch.sort_by_key(|input| match input {
                Input::Patch(patch) => (1, patch.lamport, patch.sender),
                _ => (0, Default::default(), Default::default()),
            });
            prop_assert_eq!(seen(&incremental), seen(&view_of(scratch)));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(swarm_mutants)]
    fn planted_bugs_are_caught() {
        use crate::mutant::{Mutant, plant};

        use super::t24_links_that_close_a_cycle_are_ignored_alike;

        plant(Some(Mutant::CycleByArrival));
        let caught = std::panic::catch_unwind(t24_links_that_close_a_cycle_are_ignored_alike).is_err();
        plant(None);
        assert!(caught);
    }
}
