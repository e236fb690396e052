//! Disputes about one stretch of a run (PROTOCOL 8: bisection).
//!
//! A run is cut into stretches of equal length, and a COMMIT says what it had come to after each but the last. All of that is in the
//! open, so whoever did the work again finds by itself the first stretch that goes wrong: its begin is agreed on, and its end is not. Only that stretch
//! is done again by those who rule, from the committed state before it, which is an artifact that its digest is the address of.

use std::collections::BTreeMap;

use swarm_core::id::{Cid, Digest, Label};
use swarm_core::node::Outcome;
use swarm_core::wire::{Count, Evidence, Telemetry};

use super::{JobError, Kind, STRETCHES_MAX, bounded};
use crate::jobs::trace::Trace;

/// Units of a job that are not worth cutting.
const UNITS_MIN: u64 = 16;

/// One stretch.
pub(super) struct Stretch {
    /// Which, from 0.
    pub(super) number: u64,
    /// The unit that it ends at.
    pub(super) until: u64,
    is_last: bool,
}

/// All stretches of a run over so many units.
pub(super) fn all(units: u64) -> impl Iterator<Item = Stretch> {
    let stretches = (units / UNITS_MIN).clamp(1, STRETCHES_MAX);
    let one =
        move |number| Stretch { number, until: units * (number + 1) / stretches, is_last: number + 1 == stretches };
    (0..stretches).map(one)
}

/// What a run came to, as a COMMIT says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Committed<'a> {
    /// Its outputs.
    pub(super) outputs: &'a BTreeMap<Label, Cid>,
    /// What it had come to along the way.
    pub(super) states: &'a [Digest],
}

impl Committed<'_> {
    /// The first stretch that did not lead to what this says, to whoever came to something itself: one that leads to another state, or the
    /// last, if that leads to other outputs or there are states of further ones.
    fn wrong_stretch(&self, own: Committed<'_>) -> Option<u32> {
        let wrong = (0..own.states.len()).find(|at| self.states.get(*at) != Some(&own.states[*at]));
        let ends = self.states.len() == own.states.len() && self.outputs == own.outputs;
        wrong.or((!ends).then_some(own.states.len())).map(|at| at as u32)
    }

    /// The artifact that a stretch begins with; nothing if that is the job's beginning.
    pub(super) fn before(&self, stretch: u32) -> Option<Cid> {
        let before = (stretch as usize).checked_sub(1)?;
        self.states.get(before).map(|state| Cid(*state))
    }
}

/// What came of doing one stretch again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Redone {
    /// Whether it does not lead to what was committed.
    is_wrong: bool,
    /// What that took.
    telemetry: Telemetry,
}

impl Redone {
    /// What a host tells its node of it.
    pub(super) fn into_outcome(self, stretch: u32) -> Outcome {
        let against = if self.is_wrong { vec![Evidence::StretchMismatch { stretch }] } else { Vec::new() };
        let (outputs, proofs, states) = Default::default();
        Outcome::Ran { against, outputs, proofs, states, telemetry: self.telemetry }
    }
}

/// The first stretch that did not lead to what was committed, to whoever did the work and came to its `own`, and what it begins with: whoever
/// disputes it brings that. None of an authored job.
pub(super) fn astray(
    job: &str,
    inputs: &[impl AsRef<[u8]>],
    produces: &[Label],
    committed: Committed<'_>,
    own: Committed<'_>,
) -> Option<(u32, Option<Vec<u8>>)> {
    let stretch = committed.wrong_stretch(own)?;
    Some((stretch, state_before(job, inputs, produces, stretch).ok()?))
}

/// What the run had come to before a stretch, as bytes; nothing if the stretch begins with nothing, or is none.
///
/// # Errors
/// As [`run`](super::run).
fn state_before(
    job: &str,
    inputs: &[impl AsRef<[u8]>],
    produces: &[Label],
    stretch: u32,
) -> Result<Option<Vec<u8>>, JobError> {
    let (kind, inputs) = checked(job, inputs, produces)?;
    let Some(mut machine) = kind.machine(&inputs, produces, None)? else { return Ok(None) };
    let mut trace = Trace::new(0);
    for at in all(machine.units()).take_while(|at| at.number <= stretch.into()) {
        if at.number == u64::from(stretch) {
            return Ok(Some(machine.state()).filter(|_| stretch > 0));
        }
        machine.advance(at.until, &mut trace)?;
    }
    Ok(None)
}

/// Does one stretch again, from the committed state before it: `before` is the artifact of that. Where it cannot be had the work is done
/// from its beginning; if that comes to another state, or to none, the first that is wrong is another one: whoever names that is heard
/// after. If nothing could be said of it, a friend of the worker's could name a later one, and no committee would ever rule. A stretch
/// that there is none of is not wrong, nor is any of an authored job, nor of work that nobody can even begin.
///
/// # Errors
/// As [`run`](super::run).
pub(super) fn redo(
    job: &str,
    inputs: &[impl AsRef<[u8]>],
    produces: &[Label],
    committed: Committed<'_>,
    stretch: u32,
    before: Option<&[u8]>,
) -> Result<Redone, JobError> {
    let (kind, inputs) = match checked(job, inputs, produces) {
        Err(error) if error.stops_everyone() => {
            return Ok(Redone { is_wrong: false, telemetry: Telemetry::default() });
        }
        checked => checked?,
    };
    let before = before.filter(|bytes| committed.before(stretch) == Some(Cid::of(bytes)));
    let size: u64 = inputs.iter().map(|input| input.len() as u64).sum();
    let mut trace = Trace::new(size);
    let redone = |is_wrong, trace: &Trace| {
        let (bytes, steps) = (Count(size), Count(trace.steps()));
        Ok(Redone { is_wrong, telemetry: Telemetry { bytes, steps } })
    };
    let Ok(Some(begin)) = kind.machine(&inputs, produces, None) else { return redone(false, &trace) };
    let mut stretches = all(begin.units()).take_while(|at| at.number <= stretch.into()).collect::<Vec<_>>();
    if stretches.last().is_none_or(|last| last.number != u64::from(stretch)) {
        return redone(false, &trace);
    }
    // No state is longer, of whatever job.
    let longest = 4 * size + 8 * (inputs.len() + produces.len() + 8) as u64;
    let mut machine = match before {
        None => begin,
        Some(bytes) if bytes.len() as u64 > longest => return redone(true, &trace),
        // What is no state leads nowhere.
        Some(_) => {
            stretches.drain(..stretch as usize);
            match kind.machine(&inputs, produces, before)? {
                Some(machine) => machine,
                None => return redone(true, &trace),
            }
        }
    };
    for at in stretches {
        match machine.advance(at.until, &mut trace) {
            Ok(()) => {}
            Err(_) if at.number == u64::from(stretch) => return redone(true, &trace),
            Err(error) if error.stops_everyone() => return redone(false, &trace),
            Err(error) => return Err(error),
        }
        if at.number < stretch.into() {
            if at.number + 1 == u64::from(stretch) && committed.before(stretch) != Some(Cid::of(&machine.state())) {
                return redone(false, &trace);
            }
            continue;
        }
        let is_right = if at.is_last {
            let outputs: Vec<Cid> = machine.outputs().iter().map(|bytes| Cid::of(bytes)).collect();
            let said = produces.iter().map(|name| committed.outputs.get(name));
            let same = said.eq(outputs.iter().map(Some)) && committed.outputs.len() == produces.len();
            same && committed.states.len() as u64 == at.number
        } else {
            committed.states.get(at.number as usize) == Some(&Cid::of(&machine.state()).0)
        };
        if !is_right {
            return redone(true, &trace);
        }
    }
    redone(false, &trace)
}

fn checked<'a>(
    job: &str,
    inputs: &'a [impl AsRef<[u8]>],
    produces: &[Label],
) -> Result<(Kind, Vec<&'a [u8]>), JobError> {
    let kind = Kind::parse(job)?;
    kind.check(job, inputs.len(), produces)?;
    Ok((kind, bounded(inputs)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{Done, is_authored, run};
    use proptest::prelude::*;
    use swarm_core::id::label;

    /// A job, inputs that it can be cut into stretches over, and what it produces.
    type Case = (&'static str, Vec<Vec<u8>>, Vec<Label>);

    fn jobs() -> Vec<Case> {
        let text: String = (0..400u32).map(|i| format!("w{} is word_{}\n", i % 37, i * 7 % 11)).collect();
        let one = || vec![label("out")];
        let list = run("count", &[&text], &one(), &[]).unwrap().outputs.remove(0).1;
        let long: String = (0..5_000u32).map(|i| format!("{}\tv{}\n", i + 1, i * 7_919 % 5_003)).collect();
        let sorted = run("sort", &[&long], &one(), &[]).unwrap().outputs.remove(0).1;
        let sorted_too = run("sort", &[&list], &one(), &[]).unwrap().outputs.remove(0).1;
        let parts = ["a", "b", "c", "d", "e"].map(label).to_vec();
        vec![
            ("split/5", vec![text.clone().into()], parts.clone()),
            ("count", vec![text.into()], one()),
            ("sort", vec![long.into()], one()),
            ("merge", vec![sorted.clone(), Vec::new(), sorted_too, sorted], one()),
            ("synth/300", vec![b"x".to_vec()], parts),
        ]
    }

    fn committed(done: &Done) -> (BTreeMap<Label, Cid>, Vec<Digest>) {
        let outputs = done.outputs.iter().map(|(name, bytes)| (name.clone(), Cid::of(bytes))).collect();
        (outputs, done.states.clone())
    }

    fn wrong_stretch(said: Committed<'_>, done: &Done) -> Option<u32> {
        let (outputs, states) = committed(done);
        said.wrong_stretch(Committed { outputs: &outputs, states: &states })
    }

    #[test]
    fn stretches_add_up_to_the_run_and_each_leads_to_the_next() {
        for (job, inputs, produces) in jobs() {
            let done = run(job, &inputs, &produces, &[]).unwrap();
            assert_eq!(done.states.len() as u64, STRETCHES_MAX - 1, "{job}");
            let (outputs, states) = committed(&done);
            let said = Committed { outputs: &outputs, states: &states };
            assert_eq!(wrong_stretch(said, &done), None);
            let mut steps = 0;
            for stretch in 0..STRETCHES_MAX as u32 {
                let before = state_before(job, &inputs, &produces, stretch).unwrap();
                assert_eq!(before.as_ref().map(|bytes| Cid::of(bytes)), said.before(stretch), "{job}, {stretch}");
                let redone = redo(job, &inputs, &produces, said, stretch, before.as_deref()).unwrap();
                assert!(!redone.is_wrong, "{job}, {stretch}");
                steps += redone.telemetry.steps.0;
            }
            assert_eq!(steps, done.telemetry.steps.0, "{job}: nothing is done twice");
        }
    }

    /// T33: whoever did the work finds the first stretch that goes wrong, and doing that one again shows it, for a part of the work.
    #[test]
    fn t33_a_dispute_is_narrowed_to_one_stretch() {
        for (job, inputs, produces) in jobs() {
            let done = run(job, &inputs, &produces, &[]).unwrap();
            let (outputs, states) = committed(&done);
            let last = states.len() as u32;
            for wrong in 0..=last {
                let (mut outputs, mut states) = (outputs.clone(), states.clone());
                // From there on it is another run.
                states.iter_mut().skip(wrong as usize).for_each(|state| *state = Digest::of("t", &[&state.0]));
                outputs.values_mut().for_each(|cid| *cid = Cid::of(b"not so"));
                let said = Committed { outputs: &outputs, states: &states };
                assert_eq!(wrong_stretch(said, &done), Some(wrong));
                let before = state_before(job, &inputs, &produces, wrong).unwrap();
                let redone = redo(job, &inputs, &produces, said, wrong, before.as_deref()).unwrap();
                assert!(redone.is_wrong, "{job}, {wrong}");
                assert!(redone.telemetry.steps.0 <= done.telemetry.steps.0 / 2, "{job}, {wrong}: {redone:?}");
                if let Some(right) = wrong.checked_sub(1) {
                    let before = state_before(job, &inputs, &produces, right).unwrap();
                    assert!(!redo(job, &inputs, &produces, said, right, before.as_deref()).unwrap().is_wrong);
                }
                assert!(before.is_none_or(
                    |bytes| bytes.len() <= 4 * inputs.concat().len() + 8 * (inputs.len() + produces.len() + 8)
                ));
                // Without the state, or with another than was committed, the work is done from its beginning.
                for other in [None, Some(&b"another"[..])] {
                    let whole = redo(job, &inputs, &produces, said, wrong, other).unwrap();
                    assert!(whole.is_wrong && (wrong < last || whole.telemetry.steps == done.telemetry.steps));
                }
            }
        }
    }

    #[test]
    fn the_number_of_states_is_part_of_what_is_said() {
        let (job, inputs, produces) = jobs().pop().unwrap();
        let done = run(job, &inputs, &produces, &[]).unwrap();
        let (outputs, states) = committed(&done);
        let (short, long) = (&states[..9], [&states[..], &states[..1]].concat());
        for (states, wrong) in [(short, 9), (&long[..], 15), (&[][..], 0)] {
            let said = Committed { outputs: &outputs, states };
            assert_eq!(wrong_stretch(said, &done), Some(wrong));
            assert!(redo(job, &inputs, &produces, said, wrong, None).unwrap().is_wrong);
        }
        let said = Committed { outputs: &outputs, states: &states };
        assert!(!redo(job, &inputs, &produces, said, 16, None).unwrap().is_wrong, "there is no such stretch");
        let extra = [&states[..], &states[..2]].concat();
        let said = Committed { outputs: &outputs, states: &extra };
        for stretch in [16, 17] {
            assert!(!redo(job, &inputs, &produces, said, stretch, None).unwrap().is_wrong, "nor there");
        }
        let missing = BTreeMap::new();
        let said = Committed { outputs: &missing, states: &states };
        assert_eq!(wrong_stretch(said, &done), Some(15));
        assert!(redo(job, &inputs, &produces, said, 15, None).unwrap().is_wrong);
        // What many results are right of is not cut.
        assert!(is_authored("brief/2") && run("brief/2", &inputs, &produces[..1], &[]).unwrap().states.is_empty());
        assert!(!redo("brief/2", &inputs, &produces[..1], said, 0, None).unwrap().is_wrong);
    }

    /// Of what begins with a state that is not what the work comes to, whoever has that says what follows from it, and whoever has not says
    /// that this stretch is not the first that is wrong. Everybody rules: a friend of the worker's cannot name what nobody can look at.
    #[test]
    fn t76_a_stretch_whose_begin_nobody_has_is_ruled_on() {
        let (job, inputs, produces) = jobs().pop().unwrap();
        let done = run(job, &inputs, &produces, &[]).unwrap();
        let other = run(job, &[b"y".to_vec()], &produces, &[]).unwrap();
        let (outputs, states) = committed(&other);
        let said = Committed { outputs: &outputs, states: &states };
        assert_eq!(wrong_stretch(said, &done), Some(0));
        assert!(redo(job, &inputs, &produces, said, 0, None).unwrap().is_wrong);
        let before = state_before(job, &[b"y".to_vec()], &produces, 5).unwrap();
        assert!(!redo(job, &inputs, &produces, said, 5, before.as_deref()).unwrap().is_wrong, "it follows");
        assert!(!redo(job, &inputs, &produces, said, 5, None).unwrap().is_wrong, "the first that is wrong is another");
        let made_up = [Digest([9; 32]); 15];
        let said = Committed { outputs: &outputs, states: &made_up };
        assert!((1..16).all(|at| !redo(job, &inputs, &produces, said, at, None).unwrap().is_wrong));
        assert!(redo(job, &inputs, &produces, said, 0, None).unwrap().is_wrong, "whoever names that one is right");
    }

    /// A job that fails leads nowhere, and everybody sees where.
    #[test]
    fn a_stretch_that_fails_is_wrong() {
        let list: String = (0..200u32).map(|i| format!("1\tw{:03}\n", if i == 150 { 0 } else { i })).collect();
        let (inputs, produces) = ([list.into_bytes()], [label("out")]);
        assert!(matches!(run("merge", &inputs, &produces, &[]), Err(JobError::Malformed { .. })));
        let (outputs, states) = (BTreeMap::new(), [Digest::default(); 15]);
        let said = Committed { outputs: &outputs, states: &states };
        let begin = state_before("merge", &inputs, &produces, 11).unwrap().unwrap();
        let mut states = states;
        states[10] = Cid::of(&begin).0;
        let said_so = Committed { states: &states, ..said };
        let ruled = |before: Option<&[u8]>| {
            (11..13).map(|at| redo("merge", &inputs, &produces, said_so, at, before)).collect::<Vec<_>>()
        };
        assert!(ruled(Some(&begin))[0].as_ref().unwrap().is_wrong);
        assert_eq!(ruled(Some(&begin))[0].as_ref().unwrap().is_wrong, ruled(None)[0].as_ref().unwrap().is_wrong);
        assert!(!ruled(None)[1].as_ref().unwrap().is_wrong, "nothing comes after that");
    }

    /// Work that cannot begin has no stretches: whoever disputes one is ruled wrong, and not left unruled.
    #[test]
    fn of_what_cannot_begin_no_stretch_is_wrong() {
        let (outputs, states) = (BTreeMap::new(), [Digest::default(); 2]);
        let said = Committed { outputs: &outputs, states: &states };
        for (job, input) in [("sort", "no list"), ("split/0", "a"), ("split/2", "a")] {
            for stretch in 0..3 {
                let redone = redo(job, &[input], &[label("out")], said, stretch, None).unwrap();
                assert!(!redone.is_wrong, "{job}, {stretch}");
            }
        }
        assert!(redo("render", &["a"], &[label("out")], said, 0, None).is_err(), "another may know it");
    }

    /// Going on from a committed state that is none is wrong. One that is another than it should be may lead where it should: then it is
    /// the stretch before it that is wrong.
    #[test]
    fn a_state_that_is_none_leads_nowhere() {
        for (job, inputs, produces) in jobs() {
            let done = run(job, &inputs, &produces, &[]).unwrap();
            let (outputs, states) = committed(&done);
            let good = state_before(job, &inputs, &produces, 8).unwrap().unwrap();
            let redone = |bytes: &[u8], stretch: u32| {
                let mut states = states.clone();
                states[7] = Cid::of(bytes).0;
                let said = Committed { outputs: &outputs, states: &states };
                redo(job, &inputs, &produces, said, stretch, Some(bytes)).unwrap().is_wrong
            };
            for len in 0..8 {
                assert!(redone(&good[..len], 8), "{job}: {len} bytes are no state");
            }
            assert!(redone(&[0xff; 8], 8) && redone(&[&good[..], &[0xff; 3]].concat(), 8), "{job}");
            for at in 0..good.len().min(200) {
                let mut other = good.clone();
                other[at] ^= 0x81;
                assert!(redone(&other, 8) || redone(&other, 7), "{job}, byte {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_state_is_a_panic(which in 0usize..5, state in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..80)) {
            let (job, inputs, produces) = jobs().swap_remove(which);
            let states = [Cid::of(&state).0];
            let outputs = BTreeMap::new();
            let said = Committed { outputs: &outputs, states: &states };
            let redone = redo(job, &inputs, &produces, said, 1, Some(&state)).unwrap();
            prop_assert_eq!(Ok(redone), redo(job, &inputs, &produces, said, 1, Some(&state)));
        }
    }
}
