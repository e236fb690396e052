//! A piece of work, from the artifacts that were fetched for it to what a node is told of it: the same on every host.
//!
//! A host fetches what is wanted, does this, sees to it that what was made can be had, and answers. Nothing here asks a store.

use std::collections::BTreeMap;

use swarm_core::id::{Cid, Label, label};
use swarm_core::node::{Look, Outcome, Work};
use swarm_core::wire::{Evidence, Telemetry};

use super::stretch::{Committed, astray, redo};
use super::{Done, against, is_authored, read, run, write};
use crate::store::Bytes;

/// Outputs as they were written, under their names.
pub type Written = Vec<(Label, Vec<u8>)>;

/// What came of a piece of work.
#[derive(Debug)]
pub struct Made {
    /// What the node is told, once the rest can be had.
    pub outcome: Outcome,
    /// The outputs that were made, each under its address; none where they were only read.
    pub outputs: Vec<(Cid, Vec<u8>)>,
    /// What the first stretch that leads elsewhere begins with. Without it whoever rules does all of the work before it as well.
    pub begin: Option<(Cid, Vec<u8>)>,
}

impl Made {
    fn nothing(outcome: Outcome) -> Self {
        Self { outcome, outputs: Vec::new(), begin: None }
    }

    fn could_not(why: &str) -> Self {
        Self::nothing(Outcome::CouldNot(label(why)))
    }
}

/// The stretch that is ruled on, if `work` is about one: that alone is done again.
pub fn disputed(work: &Work) -> Option<u32> {
    match look(work)?.question {
        Some(Evidence::StretchMismatch { stretch }) => Some(stretch),
        _ => None,
    }
}

/// What that stretch begins with, if it is not the job's beginning. It may be done without.
pub fn begin(work: &Work) -> Option<Cid> {
    committed(look(work)?).before(disputed(work)?)
}

/// The committed artifacts that whoever verifies reads: where many results are right, and where it is said what they look like.
pub fn documents(work: &Work) -> impl Iterator<Item = (&Label, &Cid)> {
    let reads = match work {
        Work::Run { forms, job, .. } => is_authored(job.as_str()) || !forms.is_empty(),
        Work::Load { .. } | Work::Plan { .. } => false,
    };
    look(work).filter(|_| reads && disputed(work).is_none()).into_iter().flat_map(|look| &look.outputs)
}

/// What has to be there to do `work`: its inputs, and what is read; of a policy that is to be loaded its capsule.
pub fn wanted(work: &Work) -> impl Iterator<Item = Cid> {
    let inputs = match work {
        Work::Load { capsule, .. } => std::slice::from_ref(capsule),
        Work::Run { inputs, .. } => inputs.as_slice(),
        Work::Plan { .. } => &[],
    };
    inputs.iter().chain(documents(work).map(|(_, cid)| cid)).copied()
}

fn look(work: &Work) -> Option<&Look> {
    match work {
        Work::Run { verify, .. } => verify.as_deref(),
        Work::Load { .. } | Work::Plan { .. } => None,
    }
}

fn committed(look: &Look) -> Committed<'_> {
    Committed { outputs: &look.outputs, states: &look.states }
}

/// Runs a job, or looks at what somebody else's run gave, on what was `fetched`. Where many results are right a worker writes on a `whim`,
/// and may `revise` that; and who judges `minds` what contradicts itself in a document, or does not.
pub fn perform(
    work: &Work,
    fetched: impl Fn(&Cid) -> Option<Bytes>,
    whim: u64,
    revise: impl FnOnce(Written) -> Written,
    minds: impl Fn(&[u8]) -> bool,
) -> Made {
    let Work::Run { forms, inputs, job, keys, names, produces, verify, .. } = work else {
        return Made::could_not("no-job");
    };
    let (job, is_authored) = (job.as_str(), is_authored(job.as_str()));
    let Some(given) = inputs.iter().map(&fetched).collect::<Option<Vec<_>>>() else {
        return Made::could_not("unavailable");
    };
    let look = verify.as_deref();
    if let (Some(look), Some(stretch)) = (look, disputed(work)) {
        let begin = begin(work).and_then(|cid| fetched(&cid));
        return match redo(job, &given, produces, committed(look), stretch, begin.as_deref()) {
            Ok(redone) => Made::nothing(redone.into_outcome(stretch)),
            Err(_) => Made::could_not("job-failed"),
        };
    }
    let one = |(name, cid): (&Label, &Cid)| Some((name.clone(), fetched(cid)?));
    let Some(documents) = documents(work).map(one).collect::<Option<BTreeMap<_, _>>>() else {
        return Made::could_not("unavailable");
    };
    let done = match look {
        Some(_) if is_authored => {
            read(documents.iter().map(|(name, bytes)| (name.clone(), bytes.to_vec())).collect(), keys)
        }
        None if is_authored => {
            write(job, &given, names, produces, whim).and_then(|written| read(revise(written), keys))
        }
        _ => run(job, &given, produces, keys),
    };
    let done = match done {
        Ok(done) => done,
        // Whoever committed to something committed to what nobody can make: whoever looks gets none of it.
        Err(error) if look.is_some() && !produces.is_empty() && error.stops_everyone() => {
            Done { outputs: Vec::new(), states: Vec::new(), proofs: Vec::new(), telemetry: Telemetry::default() }
        }
        Err(_) => return Made::could_not("job-failed"),
    };
    let is_done = !done.outputs.is_empty();
    let Done { outputs, states, proofs, telemetry } = done;
    let outputs: Vec<(Label, Cid, Vec<u8>)> =
        outputs.into_iter().map(|(name, bytes)| (name, Cid::of(&bytes), bytes)).collect();
    let addresses: BTreeMap<Label, Cid> = outputs.iter().map(|(name, cid, _)| (name.clone(), *cid)).collect();
    let minds = |name: &Label| documents.get(name).is_some_and(|document| minds(document));
    let mut against = against(forms, &documents, names, look.and_then(|look| look.question.as_ref()), minds);
    let own = Committed { outputs: &addresses, states: &states };
    let mut begin = None;
    // Work that cannot be done has no stretches.
    if let Some(look) = look.filter(|_| is_done && !is_authored)
        && let Some((stretch, state)) = astray(job, &given, produces, committed(look), own)
    {
        against.push(Evidence::StretchMismatch { stretch });
        begin = state.map(|bytes| (Cid::of(&bytes), bytes));
    }
    // What was read is there.
    let is_made = look.is_none() || !is_authored;
    let outputs = outputs.into_iter().filter(|_| is_made).map(|(_, cid, bytes)| (cid, bytes)).collect();
    Made { outcome: Outcome::Ran { against, outputs: addresses, proofs, states, telemetry }, outputs, begin }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_core::id::{AgentId, Digest, NeedId, Nonce};

    const LIST: &[u8] = b"1\ta\n";

    /// What comes of looking at these outputs of a job on one input; of doing it, if there are none to look at.
    fn made(job: &str, input: &'static [u8], committed: Option<&[&str]>, question: Option<Evidence>) -> Made {
        let outputs = committed.map(|names| names.iter().map(|name| (label(name), Cid::of(b"whatever"))).collect());
        let verify = outputs.map(|outputs| Look { outputs, question, states: Vec::new() }.into());
        let work = Work::Run {
            forms: BTreeMap::new(),
            inputs: vec![Cid::of(input)],
            job: label(job),
            keys: vec![Digest::default()],
            names: vec![label("in")],
            need: NeedId::of(&AgentId([0; 32]), Nonce(1)),
            produces: committed.unwrap_or(&["out"]).iter().map(|name| label(name)).collect(),
            task: label("only"),
            verify,
        };
        let fetched = |cid: &Cid| [input, &b"whatever"[..]].into_iter().find(|b| Cid::of(b) == *cid).map(Bytes::from);
        perform(&work, fetched, 0, |written| written, |_| true)
    }

    fn told(made: &Made) -> (Vec<Evidence>, usize, usize) {
        let Outcome::Ran { against, outputs, proofs, .. } = &made.outcome else { panic!("{made:?}") };
        (against.clone(), outputs.len(), proofs.len())
    }

    #[test]
    fn what_nobody_can_do_gives_nothing_to_whoever_looks_and_is_no_result_of_who_does_it() {
        let bad = b"no list";
        let could_not = Outcome::CouldNot(label("job-failed"));
        for job in ["sort", "merge"] {
            assert_eq!(told(&made(job, bad, Some(&["out"]), None)), (Vec::new(), 0, 0), "{job}");
            assert_eq!(made(job, bad, None, None).outcome, could_not, "{job}");
            assert_eq!(told(&made(job, LIST, Some(&["out"]), None)).1, 1, "{job}");
        }
        // A number of parts that is none, and more outputs than were asked for.
        for job in ["split/0", "split/2"] {
            assert_eq!(told(&made(job, bad, Some(&["out"]), None)), (Vec::new(), 0, 0), "{job}");
        }
        // Where nothing was committed to, nothing would tell it from what is right.
        assert_eq!(made("sort", bad, Some(&[]), None).outcome, could_not);
        // What this machine does not know another may.
        assert_eq!(made("render", LIST, Some(&["out"]), None).outcome, could_not);
    }

    #[test]
    fn what_is_made_is_handed_over_with_its_address_and_what_is_read_is_not() {
        let own = made("sort", LIST, None, None);
        assert_eq!((own.outputs, own.begin), (vec![(Cid::of(LIST), LIST.to_vec())], None));
        let other = made("sort", LIST, Some(&["out"]), None);
        assert_eq!(told(&other), (vec![Evidence::StretchMismatch { stretch: 0 }], 1, 1));
        assert_eq!(other.outputs, [(Cid::of(LIST), LIST.to_vec())]);
        let ruled = made("sort", LIST, Some(&["out"]), Some(Evidence::StretchMismatch { stretch: 0 }));
        assert_eq!((told(&ruled).0.len(), ruled.outputs.len()), (1, 0), "that stretch alone");
        let authored = made("brief/1", b"a text", Some(&["out"]), None);
        assert_eq!((told(&authored).1, authored.outputs.len()), (1, 0));
        assert_eq!(made("brief/1", b"a text", None, None).outputs.len(), 1);
    }

    #[test]
    fn what_is_wanted_and_not_there_is_unavailable() {
        let Made { outcome, .. } = {
            let work = Work::Run {
                forms: BTreeMap::new(),
                inputs: vec![Cid::of(b"gone")],
                job: label("sort"),
                keys: Vec::new(),
                names: Vec::new(),
                need: NeedId::of(&AgentId([0; 32]), Nonce(1)),
                produces: vec![label("out")],
                task: label("only"),
                verify: Some(Look { outputs: BTreeMap::new(), question: None, states: Vec::new() }.into()),
            };
            assert_eq!(wanted(&work).collect::<Vec<_>>(), [Cid::of(b"gone")]);
            perform(&work, |_| None, 0, |written| written, |_| true)
        };
        assert_eq!(outcome, Outcome::CouldNot(label("unavailable")));
    }
}
