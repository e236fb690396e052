//! The native job kinds: what a worker runs, and every verifier runs again, or reads (PROTOCOL 8).
//!
//! | job | inputs | outputs | does |
//! |---|---|---|---|
//! | `split/N` | one text | N | cuts at line ends into N near-equal parts whose concatenation is the text |
//! | `count` | one text | 1 | `count\tword` lines, by first occurrence |
//! | `sort` | one list | 1 | the same lines by the bytes of the word, equal words in their old order |
//! | `merge` | 1 or more sorted lists | 1 | one sorted list, counts of equal words added |
//! | `brief/N` | any texts | 1 | N claims about them, up to whoever writes (at most 8) |
//! | `synth/ROUNDS` | any | 1 or more | iterated hashing: cheap work for needs that only simulate work |
//!
//! A word is a maximal run of `[A-Za-z0-9_]`, in bytes, case-sensitive. A list is lines of `count\tword\n` throughout.
//!
//! Of all but `brief` there is one right result. Of `brief` many are right ([`is_authored`]): a verifier reads the one that was
//! committed, and makes none.
//!
//! A job must never depend on anything but its name, its inputs and the names of its outputs: two honest machines that
//! disagree on one byte fail each other's work. Malformed or oversized input is a named error, never a panic.

mod brief;
mod count;
mod gather;
mod list;
mod machine;
mod merge;
mod reading;
mod sort;
mod split;
mod stretch;
mod synth;
mod trace;
mod work;

use swarm_core::id::{Cid, Digest, Label};
use swarm_core::wire::{Count, Telemetry};

use count::Counting;
use merge::Merge;
use sort::Sort;
use split::Split;
use synth::Synth;

pub use brief::CLAIMS_MAX;
pub use gather::{FILES_MAX, GatherError, gather};
use machine::Machine;
use reading::against;
use trace::Trace;
pub use work::{Made, Written, begin, disputed, documents, perform, wanted};

/// The most bytes that all inputs of one job may have together, and so the most [`gather`] collects.
pub const INPUT_BYTES_MAX: u64 = 64 << 20;
/// The most inputs one job may have.
pub const INPUTS_MAX: usize = 256;
/// The most parts `split/N` cuts.
pub const PARTS_MAX: u32 = 256;
/// The most rounds `synth/ROUNDS` hashes.
pub const ROUNDS_MAX: u32 = 1_000_000;
/// The most stretches that a run is cut into.
pub const STRETCHES_MAX: u64 = 16;

/// A finished run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Each output under the name it was asked for, in the order asked.
    pub outputs: Vec<(Label, Vec<u8>)>,
    /// Addresses of what the run had come to after each stretch but the last, as digests: what a COMMIT publishes, so that a dispute
    /// can be about one stretch. None of an authored job, nor of a short one.
    pub states: Vec<Digest>,
    /// Digests under the caller's keys, one for each, over what was worked out along the way: nobody can compute one from a COMMIT,
    /// nor from a proof made under another key (PROTOCOL 8, T27).
    pub proofs: Vec<Digest>,
    /// Bytes read and written, and steps taken: words, lines or rounds. Equal on every machine.
    pub telemetry: Telemetry,
}

/// Why a job was not run, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// No kind has this name.
    #[error("no job is called {job:?}; there are split/N, count, sort, merge, brief/N and synth/ROUNDS")]
    Unknown {
        /// The name.
        job: String,
    },
    /// The number behind the slash is missing, malformed or out of bounds.
    #[error("{job:?}: the number behind the slash is 1 to {max}, without leading zeros")]
    Parameter {
        /// The name.
        job: String,
        /// The largest one accepted.
        max: u32,
    },
    /// The job takes another number of inputs.
    #[error("{job:?} takes {wanted} inputs, not {got}")]
    Inputs {
        /// The name.
        job: String,
        /// How many it takes, for people.
        wanted: &'static str,
        /// How many there were.
        got: usize,
    },
    /// The job gives another number of outputs, or one name was asked for twice.
    #[error("{job:?} gives {wanted} outputs, each under a name of its own; {got} different names were asked for")]
    Outputs {
        /// The name.
        job: String,
        /// How many it gives, for people.
        wanted: String,
        /// How many different names there were.
        got: usize,
    },
    /// The inputs are larger than any job accepts.
    #[error("{size} bytes of input; a job takes at most {max}")]
    Oversize {
        /// All inputs together.
        size: u64,
        /// The bound.
        max: u64,
    },
    /// A list is not a list.
    #[error("input {input}, line {line}: {why}")]
    Malformed {
        /// Which input, from 1.
        input: usize,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl JobError {
    /// Whether it stops whoever does the same work on the same inputs, so that no result of it is right. What this machine does not know, or
    /// lacks, another may know or have.
    pub fn stops_everyone(&self) -> bool {
        match self {
            Self::Inputs { .. } | Self::Malformed { .. } | Self::Outputs { .. } => true,
            Self::Oversize { .. } | Self::Parameter { .. } => true,
            Self::Unknown { .. } => false,
        }
    }
}

/// A job's name, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Split(u32),
    Count,
    Sort,
    Merge,
    Brief(u32),
    Synth(u32),
}

impl Kind {
    fn parse(job: &str) -> Result<Self, JobError> {
        let number = |text: &str, max| {
            let good = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
            let number = if good { text.parse().ok().filter(|n| *n <= max) } else { None };
            number.ok_or_else(|| JobError::Parameter { job: job.to_owned(), max })
        };
        match job.split_once('/') {
            Some(("split", n)) => number(n, PARTS_MAX).map(Self::Split),
            Some(("brief", n)) => number(n, brief::CLAIMS_MAX).map(Self::Brief),
            Some(("synth", n)) => number(n, ROUNDS_MAX).map(Self::Synth),
            None if job == "count" => Ok(Self::Count),
            None if job == "sort" => Ok(Self::Sort),
            None if job == "merge" => Ok(Self::Merge),
            _ => Err(JobError::Unknown { job: job.to_owned() }),
        }
    }

    /// The job over these inputs: at its beginning, or in a state that some bytes describe; nothing if they describe none.
    fn machine<'a>(
        self,
        inputs: &'a [&'a [u8]],
        produces: &'a [Label],
        state: Option<&'a [u8]>,
    ) -> Result<Option<Box<dyn Machine + 'a>>, JobError> {
        fn boxed<'a>(machine: Option<impl Machine + 'a>) -> Option<Box<dyn Machine + 'a>> {
            machine.map(|machine| Box::new(machine) as Box<dyn Machine + 'a>)
        }
        Ok(match (self, state) {
            (Self::Split(n), None) => boxed(Some(Split::new(inputs[0], n))),
            (Self::Split(n), Some(state)) => boxed(Split::new(inputs[0], n).at(state)),
            (Self::Count, None) => boxed(Some(Counting::new(inputs[0]))),
            (Self::Count, Some(state)) => boxed(Counting::new(inputs[0]).at(state)),
            (Self::Sort, None) => boxed(Some(Sort::new(inputs[0])?)),
            (Self::Sort, Some(state)) => boxed(Sort::new(inputs[0])?.at(state)),
            (Self::Merge, None) => boxed(Some(Merge::new(inputs)?)),
            (Self::Merge, Some(state)) => boxed(Merge::at(inputs, state)),
            (Self::Synth(rounds), None) => boxed(Some(Synth::new(inputs, rounds, produces))),
            (Self::Synth(rounds), Some(state)) => boxed(Synth::new(inputs, rounds, produces).at(state)),
            (Self::Brief(_), _) => None,
        })
    }

    /// Holds the number of inputs and outputs against what the kind takes and gives.
    fn check(self, job: &str, inputs: usize, produces: &[Label]) -> Result<(), JobError> {
        let (wanted, fits) = match self {
            Self::Split(_) | Self::Count | Self::Sort => ("1", inputs == 1),
            Self::Merge => ("1 to 256", (1..=INPUTS_MAX).contains(&inputs)),
            Self::Synth(_) | Self::Brief(_) => ("0 to 256", inputs <= INPUTS_MAX),
        };
        if !fits {
            return Err(JobError::Inputs { job: job.to_owned(), wanted, got: inputs });
        }
        let mut names: Vec<_> = produces.iter().collect();
        names.sort_unstable();
        names.dedup();
        let (wanted, fits) = match self {
            Self::Split(n) => (n.to_string(), produces.len() == n as usize),
            Self::Synth(_) => (format!("1 to {PARTS_MAX}"), (1..=PARTS_MAX as usize).contains(&produces.len())),
            Self::Count | Self::Sort | Self::Merge | Self::Brief(_) => ("1".to_owned(), produces.len() == 1),
        };
        if !fits || names.len() != produces.len() {
            return Err(JobError::Outputs { job: job.to_owned(), wanted, got: names.len() });
        }
        Ok(())
    }
}

/// Holds `job` against the kinds there are, without running it: what a worker asks before it bids.
///
/// # Errors
/// [`JobError::Unknown`] or [`JobError::Parameter`].
pub fn known(job: &str) -> Result<(), JobError> {
    Kind::parse(job).map(drop)
}

/// Whether many results of `job` are right: one is read, and not compared with another.
pub fn is_authored(job: &str) -> bool {
    matches!(Kind::parse(job), Ok(Kind::Brief(_)))
}

/// Writes what `job` gives over `inputs`, which are called `names`, as `whim` has it: the outputs alone. What it took is known once
/// they are [`read`].
///
/// # Errors
/// As [`run`]; of a job that has one right result, [`JobError::Unknown`].
pub fn write(
    job: &str,
    inputs: &[impl AsRef<[u8]>],
    names: &[Label],
    produces: &[Label],
    whim: u64,
) -> Result<Vec<(Label, Vec<u8>)>, JobError> {
    let Kind::Brief(claims) = Kind::parse(job)? else { return Err(JobError::Unknown { job: job.to_owned() }) };
    Kind::Brief(claims).check(job, inputs.len(), produces)?;
    let inputs = bounded(inputs)?;
    let written = brief::write(&inputs, names, claims, whim);
    Ok(produces.iter().cloned().map(|label| (label, written.clone())).collect())
}

/// Reads what an authored job gave: who wrote it and who judges it come to the same.
///
/// # Errors
/// [`JobError::Oversize`].
pub fn read(outputs: Vec<(Label, Vec<u8>)>, keys: &[Digest]) -> Result<Done, JobError> {
    let size = outputs.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    if size > INPUT_BYTES_MAX {
        return Err(JobError::Oversize { size, max: INPUT_BYTES_MAX });
    }
    let mut trace = Trace::new(size);
    brief::read(outputs.iter().map(|(_, bytes)| &bytes[..]), &mut trace);
    let telemetry = Telemetry { bytes: Count(size), steps: Count(trace.steps()) };
    Ok(Done { outputs, states: Vec::new(), proofs: trace.finish(keys), telemetry })
}

/// The inputs, if a job takes so much.
fn bounded<T: AsRef<[u8]>>(inputs: &[T]) -> Result<Vec<&[u8]>, JobError> {
    let inputs: Vec<&[u8]> = inputs.iter().map(AsRef::as_ref).collect();
    let size = inputs.iter().map(|i| i.len() as u64).sum();
    if size > INPUT_BYTES_MAX { Err(JobError::Oversize { size, max: INPUT_BYTES_MAX }) } else { Ok(inputs) }
}

/// Runs `job` over `inputs`, giving the outputs named by `produces`; `keys` key the proofs of work and nothing else. An authored job
/// is written without names for its inputs, on no whim.
///
/// # Errors
/// [`JobError`], equal on every machine for equal arguments.
pub fn run(job: &str, inputs: &[impl AsRef<[u8]>], produces: &[Label], keys: &[Digest]) -> Result<Done, JobError> {
    let kind = Kind::parse(job)?;
    kind.check(job, inputs.len(), produces)?;
    if is_authored(job) {
        return read(write(job, inputs, &[], produces, 0)?, keys);
    }
    let inputs = bounded(inputs)?;
    let read = inputs.iter().map(|i| i.len() as u64).sum();
    let mut trace = Trace::new(read);
    let mut machine = kind.machine(&inputs, produces, None)?.expect("it begins with nothing");
    let mut states = Vec::new();
    for stretch in stretch::all(machine.units()) {
        if stretch.number > 0 {
            states.push(Cid::of(&machine.state()).0);
        }
        machine.advance(stretch.until, &mut trace)?;
    }
    let outputs = machine.outputs();
    assert_eq!(outputs.len(), produces.len(), "a kind gives as many outputs as it declares");
    let written: u64 = outputs.iter().map(|o| o.len() as u64).sum();
    let telemetry = Telemetry { bytes: Count(read + written), steps: Count(trace.steps()) };
    Ok(Done { outputs: produces.iter().cloned().zip(outputs).collect(), states, proofs: trace.finish(keys), telemetry })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use swarm_core::id::label;

    fn names(n: usize) -> Vec<Label> {
        (1..=n).map(|i| label(&format!("out-{i}"))).collect()
    }

    fn key(n: u8) -> Digest {
        Digest([n; 32])
    }

    #[test]
    fn names_and_shapes_are_held_against_the_kind() {
        let none: [&[u8]; 0] = [];
        for bad in ["", "count/1", "split", "splat", "/", "merge/"] {
            assert_eq!(run(bad, &none, &names(1), &[key(1)]), Err(JobError::Unknown { job: bad.into() }));
        }
        for bad in ["split/", "split/0", "split/04", "split/257", "split/-1", "split/1/2", "synth/1000001", "synth/+1"]
        {
            assert!(matches!(known(bad), Err(JobError::Parameter { .. })), "{bad}");
        }
        assert!(matches!(run("count", &none, &names(1), &[key(1)]), Err(JobError::Inputs { got: 0, .. })));
        assert!(matches!(run("sort", &["", ""], &names(1), &[key(1)]), Err(JobError::Inputs { got: 2, .. })));
        assert!(matches!(run("merge", &none, &names(1), &[key(1)]), Err(JobError::Inputs { .. })));
        assert!(matches!(run("split/3", &["a"], &names(2), &[key(1)]), Err(JobError::Outputs { got: 2, .. })));
        let twice = [label("x"), label("x")];
        assert!(matches!(run("split/2", &["a"], &twice, &[key(1)]), Err(JobError::Outputs { got: 1, .. })));
    }

    #[test]
    fn more_than_the_bound_is_refused_before_any_work() {
        let half = vec![b'a'; (INPUT_BYTES_MAX / 2) as usize + 1];
        assert!(matches!(run("merge", &[&half, &half], &names(1), &[key(1)]), Err(JobError::Oversize { .. })));
    }

    #[test]
    fn t27_a_proof_is_bound_to_its_key_and_to_states_that_are_not_published() {
        let text = "one two three two one\n".repeat(400);
        let one = run("count", &[&text], &names(1), &[key(1)]).unwrap();
        let two = run("count", &[&text], &names(1), &[key(2)]).unwrap();
        assert_ne!(one.proofs, two.proofs);
        assert_eq!((&one.outputs, &one.states), (&two.outputs, &two.states));
        assert_eq!(one.states.len() as u64, STRETCHES_MAX - 1);
        // What a copier holds: the published states. No digest of them under the key is the proof.
        let parts: Vec<&[u8]> = one.states.iter().map(|s| &s.0[..]).collect();
        assert_ne!(trace::proof_of(&key(1), &parts), one.proofs[0]);
    }

    #[test]
    fn what_is_authored_is_read_alike_by_all_and_by_each_under_its_key() {
        let text = "one two three two one\n".repeat(40);
        let written = |whim| write("brief/8", &[&text], &[label("text")], &names(1), whim).unwrap();
        assert_ne!(written(1), written(2));
        let done = |n| read(written(1), &[key(n)]).unwrap();
        assert_eq!(
            (done(1).outputs, done(1).telemetry, done(1).states),
            (written(1), done(2).telemetry, done(2).states)
        );
        assert_ne!(done(1).proofs, done(2).proofs);
        assert!(matches!(write("count", &[&text], &[], &names(1), 0), Err(JobError::Unknown { .. })));
        assert!(matches!(write("brief/8", &[&text], &[], &names(2), 0), Err(JobError::Outputs { .. })));
        assert!(matches!(known("brief/9"), Err(JobError::Parameter { max: 8, .. })));
        assert_eq!(["brief/1", "count", "brief"].map(is_authored), [true, false, false]);
    }

    #[test]
    fn a_golden_run_of_each_kind() {
        let show = |done: Done| {
            let text = |b: &Vec<u8>| String::from_utf8(b.clone()).unwrap();
            done.outputs.iter().map(|(_, b)| text(b)).collect::<Vec<_>>()
        };
        let go = |job: &str, inputs: &[&str], n| show(run(job, inputs, &names(n), &[key(0)]).unwrap());
        assert_eq!(go("split/2", &["a b\nc\nlonger line\nd\n"], 2), ["a b\nc\nlonger line\n", "d\n"]);
        assert_eq!(go("count", &["b a, b_1 b;\na"], 1), ["2\tb\n2\ta\n1\tb_1\n"]);
        assert_eq!(go("sort", &["2\tb\n2\ta\n1\tB\n"], 1), ["1\tB\n2\ta\n2\tb\n"]);
        assert_eq!(go("merge", &["1\ta\n2\tc\n", "", "3\ta\n1\tb\n"], 1), ["4\ta\n1\tb\n2\tc\n"]);
        let synth = go("synth/3", &["x"], 2);
        assert_eq!(synth[0], "6fbbf3499572b26cb532ef5188cdf673779ae2e5c5890f1fb059eed62186a959\n");
        assert_ne!(synth[0], synth[1]);
        // One state, of the running (word, count) pairs; worked out apart from this code.
        let proof = run("count", &["b a, b_1 b;\na"], &names(1), &[key(0)]).unwrap().proofs[0];
        assert_eq!(proof.to_string(), "68c31f9c8453ef30f51574f13991aef5fbe3dcbba307bac4bdbab3233813e971");
    }

    proptest! {
        /// Whatever the bytes: an answer, the same one twice, and never a panic.
        #[test]
        fn any_bytes_give_one_answer(
            job in prop::sample::select(vec!["split/1", "split/3", "count", "sort", "merge", "brief/3", "synth/9"]),
            inputs in prop::collection::vec(prop::collection::vec(prop::sample::select(&b"12\tab \n_\xff"[..]), 0..60), 0..4),
        ) {
            let n = if job == "split/3" { 3 } else { 1 };
            let first = run(job, &inputs, &names(n), &[key(7)]);
            prop_assert_eq!(&first, &run(job, &inputs, &names(n), &[key(7)]));
            if let Ok(done) = first {
                prop_assert!((done.states.len() as u64) < STRETCHES_MAX);
            }
        }

        /// Cut, counted apart and merged is counted whole, whatever the number of parts.
        #[test]
        fn parts_add_up(text in "([ab_1]{1,3}[ .\n]){0,60}", n in 1u32..9) {
            let one = |job: &str, inputs: &[Vec<u8>]| run(job, inputs, &names(1), &[key(0)]).unwrap().outputs.remove(0).1;
            let parts = run(&format!("split/{n}"), &[&text], &names(n as usize), &[key(0)]).unwrap().outputs;
            let count = |part: &Vec<u8>| one("sort", &[one("count", std::slice::from_ref(part))]);
            let lists: Vec<_> = parts.iter().map(|(_, part)| count(part)).collect();
            let whole = count(&text.clone().into_bytes());
            prop_assert_eq!(one("merge", &lists), whole);
            prop_assert_eq!(parts.iter().flat_map(|(_, p)| p.clone()).collect::<Vec<_>>(), text.into_bytes());
        }
    }
}
