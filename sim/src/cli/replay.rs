//! `replay`: nodes live their lives again from their audit logs, and no two may disagree on a byte of a result (P2).
//!
//! A log is judged in this order: can it be read, is it as its node wrote it, does its replay say what it says, do all say
//! the same. What a log cut at its end would have said cannot be told from it alone: that is unknown, not well.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use swarm_core::audit::{BadLog, Replayed, Why, replay};
use swarm_core::id::{Digest, Fence, NeedId, TaskName};
use swarm_core::policy::{BaseRules, Evaluator};
use swarm_reports::Outcome;
use swarm_reports::check::exit_code;

use crate::cli::pool::in_order;
use crate::cli::progress::Progress;
use crate::cli::{CliError, ReplayArgs, code, interrupt, panics, say};

/// Replays one log, or all of a folder, and says what came of each.
pub fn run(args: &ReplayArgs) -> Result<u8, CliError> {
    let logs = logs(&args.path)?;
    // A run that ended closed all its logs.
    let ended = args.path.join("run.json").is_file();
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(logs.len());
    let mut progress = Progress::of("replay", "logs", logs.len() as u64);
    let mut findings = Findings { ended, ..Findings::default() };
    let mut text = String::new();
    let mut failure = None;
    let work = |number: u64| lived(&logs[number as usize]);
    let take = |number: u64, lived| {
        let path = &logs[number as usize];
        match lived {
            Ok(lived) => {
                text.push_str(&findings.log(path, lived));
                ControlFlow::Continue(())
            }
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    };
    in_order(cores, logs.len() as u64, interrupt::flag(), work, take, |done| progress.at(done, 0))?;
    drop(progress);
    say(text)?;
    if let Some(error) = failure {
        return Err(error);
    }
    say(findings.close())?;
    Ok(if interrupt::asked() { code::INTERRUPTED } else { findings.code() })
}

/// The logs meant, sorted; never none.
fn logs(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let audit = path.join("audit");
    let folder = if audit.is_dir() { audit } else { path.to_owned() };
    let mut logs = Vec::new();
    for entry in fs::read_dir(&folder).map_err(CliError::unreadable(&folder))? {
        let file = entry.map_err(CliError::unreadable(&folder))?.path();
        if file.extension().is_some_and(|ext| ext == "jsonl") {
            logs.push(file);
        }
    }
    logs.sort();
    if logs.is_empty() { Err(CliError::NoLogs(path.to_owned())) } else { Ok(logs) }
}

/// What a whole log comes to.
struct Life {
    genesis: Digest,
    lines: u64,
    closed: bool,
    finals: BTreeMap<Final, Vec<u8>>,
}

/// What is wrong with a log.
enum Bad {
    /// Its first bad line.
    Line(BadLog),
    /// A node asserts that it cannot happen.
    Unlivable {
        /// What it said.
        panic: String,
    },
}

/// Names a result.
type Final = (NeedId, TaskName, Fence);

fn lived(path: &Path) -> Result<Result<Life, Bad>, CliError> {
    let bytes = fs::read(path).map_err(CliError::unreadable(path))?;
    let evaluator: Arc<dyn Evaluator> = Arc::new(BaseRules::default());
    let whole = |Replayed { genesis, lines, closed, finals, .. }| Life { genesis, lines, closed, finals };
    // The lines after the last seal are chained but signed by nobody: whoever forged them may have written what no node can
    // live through. That is the log's mistake; where nothing is forged, the panic is told by the run that wrote the log.
    match panics::guarded(|| replay(&bytes, evaluator)) {
        Ok(replayed) => Ok(replayed.map(whole).map_err(Bad::Line)),
        Err(panic) => Ok(Err(Bad::Unlivable { panic })),
    }
}

/// What all logs come to.
#[derive(Default)]
struct Findings {
    ended: bool,
    tampered: bool,
    outcomes: Vec<Outcome>,
    logs: u64,
    genesis: Option<Digest>,
    /// Every result by the first log that has it.
    finals: BTreeMap<Final, (PathBuf, Vec<u8>)>,
    compared: u64,
}

impl Findings {
    /// Takes the next log; what came of it, for people.
    fn log(&mut self, path: &Path, lived: Result<Life, Bad>) -> String {
        self.logs += 1;
        let name = path.display();
        let life = match lived {
            Ok(life) => life,
            Err(Bad::Line(bad @ BadLog { why: Why::Diverged { .. }, .. })) => {
                self.outcomes.push(Outcome::Violated);
                return format!("{name}, {bad}\n  P2 violated, or the log was written anew after its last seal\n");
            }
            Err(Bad::Line(bad)) => {
                self.tampered = true;
                let hint = match bad.why {
                    Why::NoOpening => "  name the folder of a run, or a log of its `audit` folder\n",
                    _ => "",
                };
                return format!("{name}, {bad}\n{hint}");
            }
            Err(Bad::Unlivable { panic }) => {
                self.tampered = true;
                return format!("{name}: no node can have lived this: {panic}\n");
            }
        };
        if *self.genesis.get_or_insert(life.genesis) != life.genesis {
            self.tampered = true;
            return format!("{name}, line 1: the log of another swarm than the others in this folder\n");
        }
        if !life.closed && self.ended {
            self.tampered = true;
            let after = life.lines + 1;
            return format!("{name}, line {after}: missing; the run ended, so lines were cut off the log's end\n");
        }
        let mut text = format!("{name}: {} lines, {} results, replay equal\n", life.lines, life.finals.len());
        if !life.closed {
            self.outcomes.push(Outcome::Unknown);
            text.push_str("  not closed: the node still runs, was killed, or lines were cut off the end\n");
        }
        for (result, bytes) in life.finals {
            self.compared += 1;
            let (first, known) = self.finals.entry(result.clone()).or_insert_with(|| (path.to_owned(), bytes.clone()));
            if *known != bytes {
                self.outcomes.push(Outcome::Violated);
                let (need, task, fence) = result;
                text.push_str(&format!("  P2 violated: task {task} of {need}, fence {fence}: other bytes than in "));
                text.push_str(&format!("{}\n    {}\n    {}\n", first.display(), show(known), show(&bytes)));
            }
        }
        text
    }

    fn close(&mut self) -> String {
        if self.finals.is_empty() {
            self.outcomes.push(Outcome::Vacuous);
        }
        let verdict = match self.tampered {
            true => "bad input",
            false => self.outcomes.iter().max().map_or(Outcome::Held.as_str(), |worst| worst.as_str()),
        };
        let (results, logs, compared) = (self.finals.len(), self.logs, self.compared);
        format!("\n{results} FINALIZE records, {compared} copies in {logs} logs: {verdict}\n")
    }

    /// A violation is told even if another log is bad; nothing weaker can be told then.
    fn code(&self) -> u8 {
        match exit_code(self.outcomes.iter().copied()) {
            worst if worst == Outcome::Violated.code() => worst,
            _ if self.tampered => code::BAD_INPUT,
            other => other,
        }
    }
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_core::id::label;

    fn life(bytes: &[u8]) -> Life {
        let task = label("t");
        let finals = [(
            (NeedId::of(&swarm_core::id::AgentId([0; 32]), swarm_core::id::Nonce(1)), task, Fence::default()),
            bytes.to_vec(),
        )]
        .into();
        Life { genesis: Digest::default(), lines: 9, closed: true, finals }
    }

    fn code(lives: Vec<Result<Life, Bad>>) -> (u8, String) {
        let mut findings = Findings::default();
        let text: String = lives.into_iter().map(|life| findings.log(Path::new("a.jsonl"), life)).collect();
        let text = text + &findings.close();
        (findings.code(), text)
    }

    #[test]
    fn each_finding_has_its_code_and_the_worst_wins() {
        let bad = |why| Err(Bad::Line(BadLog { line: 3, why }));
        let diverged = || bad(Why::Diverged { expected: "a".into(), got: "b".into() });
        assert_eq!(code(vec![Ok(life(b"x")), Ok(life(b"x"))]).0, 0);
        let (violated, text) = code(vec![Ok(life(b"x")), Ok(life(b"y"))]);
        assert!(violated == 1 && text.contains("P2 violated: task t"), "{text}");
        assert_eq!(code(vec![diverged()]).0, 1);
        assert_eq!(code(vec![bad(Why::BrokenChain), diverged()]).0, 1);
        let (tampered, text) = code(vec![Ok(life(b"x")), bad(Why::BrokenChain)]);
        assert!(tampered == 65 && text.contains("a.jsonl, line 3:"), "{text}");
        assert_eq!(code(vec![Ok(life(b"x")), Ok(Life { genesis: Digest([1; 32]), ..life(b"x") })]).0, 65);
        assert_eq!(code(vec![Err(Bad::Unlivable { panic: "x".into() })]).0, 65);
        assert_eq!(code(vec![Ok(Life { closed: false, ..life(b"x") })]).0, 2);
        assert_eq!(code(vec![Ok(Life { finals: BTreeMap::new(), ..life(b"x") })]).0, 4);
    }

    #[test]
    fn a_run_that_ended_closed_its_logs() {
        let mut findings = Findings { ended: true, ..Findings::default() };
        let text = findings.log(Path::new("a.jsonl"), Ok(Life { closed: false, ..life(b"x") }));
        assert!(text.contains("line 10: missing"), "{text}");
        assert_eq!(findings.code(), 65);
    }
}
