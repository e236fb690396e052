//! `replay`: nodes live their lives again from their audit logs, and no two may disagree on a byte of a result (P2).
//!
//! A log is judged in this order: can it be read, is it as its node wrote it, does its replay say what it says, is it the one
//! that the run left, do all say the same. What a log cut at its end would have said cannot be told from it alone: that is
//! unknown, not well. A run's own folder is held against its manifest, and its outputs against the FINALIZE records.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use swarm_core::audit::{BadLog, Replayed, Why, replay};
use swarm_core::id::{AgentId, Cid, Digest, Fence, NeedId, TaskName};
use swarm_core::wire::FinalizeRecord;
use swarm_reports::Outcome;
use swarm_reports::check::exit_code;
use swarm_scenarios::read_regular;

use crate::cli::folder::output;
use crate::cli::manifest::{AUDIT, LogEnd, Manifest};
use crate::cli::pool::in_order;
use crate::cli::progress::Progress;
use crate::cli::{CliError, ReplayArgs, code, interrupt, panics, say};
use crate::policies;

/// Replays one log, or all of a folder, and says what came of each.
pub fn run(args: &ReplayArgs) -> Result<u8, CliError> {
    let manifest = if args.path.is_dir() { Manifest::of(&args.path)? } else { None };
    let logs = logs(&args.path)?;
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(logs.len());
    let mut progress = Progress::of("replay", "logs", logs.len() as u64);
    let mut findings = Findings { alone: args.path.is_dir() && manifest.is_none(), ..Findings::default() };
    let mut text = String::new();
    if let Some(manifest) = manifest {
        for (path, what) in manifest.differences(&args.path)? {
            text.push_str(&findings.bad(&path, what));
        }
        findings.run = Some((args.path.clone(), manifest));
    }
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
    say(findings.outputs()?)?;
    findings.unread = logs.len() as u64 - findings.logs;
    say(findings.close())?;
    Ok(if findings.unread > 0 { code::INTERRUPTED } else { findings.code() })
}

/// The logs meant, sorted; never none.
fn logs(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let audit = path.join(AUDIT);
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
    end: LogEnd,
    /// Lines that the node's last seal vouches for.
    sealed: u64,
    closed: bool,
    finals: BTreeMap<Final, Vec<u8>>,
}

/// What is wrong with a log.
enum Bad {
    /// Its first bad line, and where it ends.
    Line(Box<BadLog>, Option<LogEnd>),
    /// A node asserts that it cannot happen.
    Unlivable {
        /// What it said.
        panic: String,
    },
}

/// Names a result.
type Final = (NeedId, TaskName, Fence);

fn lived(path: &Path) -> Result<Result<Life, Bad>, CliError> {
    let bytes = read_regular(path).map_err(CliError::unreadable(path))?;
    let whole = |Replayed { genesis, sealed_to: sealed, closed, finals, .. }| {
        let end = LogEnd::of(&bytes).expect("it was replayed from its opening to its last line");
        Life { genesis, end, sealed, closed, finals }
    };
    // The lines after the last seal are chained but signed by nobody: whoever forged them may have written what no node can
    // live through. That is the log's mistake; where nothing is forged, the panic is told by the run that wrote the log.
    let live = || match replay(&bytes, policies::native()) {
        Err(BadLog { why: Why::WrongEngine { found, .. }, .. }) if let Some(other) = policies::known(&found) => {
            replay(&bytes, other)
        }
        done => done,
    };
    match panics::guarded(live) {
        Ok(replayed) => Ok(replayed.map(whole).map_err(|bad| Bad::Line(Box::new(bad), LogEnd::of(&bytes)))),
        Err(panic) => Ok(Err(Bad::Unlivable { panic })),
    }
}

/// What all logs come to.
#[derive(Default)]
struct Findings {
    /// The folder of a run that ended, and what it left.
    run: Option<(PathBuf, Manifest)>,
    /// They are a folder's, and nothing says which logs should be in it.
    alone: bool,
    /// Whose logs were seen.
    agents: BTreeMap<AgentId, PathBuf>,
    tampered: bool,
    outcomes: Vec<Outcome>,
    logs: u64,
    /// Logs that were left when it was interrupted.
    unread: u64,
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
            Err(Bad::Line(bad, end)) if matches!(bad.why, Why::Diverged { .. }) => {
                if self.left(path).is_some_and(|left| Some(left) != end.as_ref()) {
                    self.tampered = true;
                    return format!("{name}, {bad}\n  it is not the log that the run left\n");
                }
                self.outcomes.push(Outcome::Violated);
                return format!("{name}, {bad}\n  P2 violated, or the log was written anew after its last seal\n");
            }
            Err(Bad::Line(bad, _)) => {
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
        if let Some(text) = self.not_the_runs(path, &life.end) {
            return text;
        }
        if *self.genesis.get_or_insert(life.genesis) != life.genesis {
            self.tampered = true;
            return format!("{name}, line 1: the log of another swarm than the others in this folder\n");
        }
        if let Some(other) = self.agents.insert(life.end.agent, path.to_owned()) {
            return self.bad(path, &format!("the log of the same node as {}", other.display()));
        }
        let lines = life.end.lines;
        let mut text = format!("{name}: {lines} lines, {} results, replay equal\n", life.finals.len());
        if !life.closed {
            self.outcomes.push(Outcome::Unknown);
            text.push_str("  not closed: the node still runs, was killed, or lines were cut off the end\n");
        }
        if life.sealed < lines {
            let from = life.sealed + 1;
            text.push_str(&format!("  unsealed: lines {from} to {lines} are chained, and signed by nobody\n"));
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

    /// A file that is not what it should be.
    fn bad(&mut self, path: &Path, what: &str) -> String {
        self.tampered = true;
        format!("{}: {what}\n", path.display())
    }

    /// Where the run left the log at `path`. One that its manifest does not name was told of before.
    fn left(&self, path: &Path) -> Option<&LogEnd> {
        let (_, manifest) = self.run.as_ref()?;
        manifest.logs.get(path.file_name()?.to_str()?)
    }

    /// Why a log that is sound in itself is not the one that the run left, if it is not.
    fn not_the_runs(&mut self, path: &Path, own: &LogEnd) -> Option<String> {
        let left = self.left(path)?;
        if own == left {
            return None;
        }
        let what = if own.agent != left.agent {
            format!("the log of {}, and the manifest names {}", own.agent, left.agent)
        } else if own.lines < left.lines {
            let (after, all) = (own.lines + 1, left.lines);
            return Some(self.bad_line(
                path,
                after,
                &format!("missing; the run left {all} lines, the end was cut off"),
            ));
        } else {
            format!("{} lines of this node, but not those that the manifest names", own.lines)
        };
        Some(self.bad(path, &what))
    }

    fn bad_line(&mut self, path: &Path, line: u64, what: &str) -> String {
        self.tampered = true;
        format!("{}, line {line}: {what}\n", path.display())
    }

    /// Holds the outputs in a run's folder against the FINALIZE records of its nodes.
    fn outputs(&mut self) -> Result<String, CliError> {
        let Some(folder) = self.run.as_ref().map(|(folder, _)| folder.clone()) else { return Ok(String::new()) };
        let records = self.finals.values().filter_map(|(_, bytes)| serde_json::from_slice(bytes).ok());
        let mut text = String::new();
        for FinalizeRecord { need, outputs, .. } in records.collect::<Vec<_>>() {
            for (label, cid) in outputs {
                let path = folder.join(output(&need.to_string(), &label));
                // Not everything that is made is asked for.
                if !path.is_file() {
                    continue;
                }
                let bytes = read_regular(&path).map_err(CliError::unreadable(&path))?;
                if Cid::of(&bytes) != cid {
                    text.push_str(&self.bad(&path, "not the output that the FINALIZE record names"));
                }
            }
        }
        Ok(text)
    }

    fn close(&mut self) -> String {
        if self.unread > 0 {
            self.outcomes.push(Outcome::Unknown);
        } else if self.finals.is_empty() {
            self.outcomes.push(Outcome::Vacuous);
        }
        let verdict = match self.tampered {
            true => "bad input",
            false => self.outcomes.iter().max().map_or(Outcome::Held.as_str(), |worst| worst.as_str()),
        };
        let (results, logs, compared) = (self.finals.len(), self.logs, self.compared);
        let alone = if self.alone { "no manifest here: whether a log is missing cannot be told\n" } else { "" };
        let unread = match self.unread {
            0 => String::new(),
            unread => format!("interrupted: {unread} of {} logs were not replayed\n", logs + unread),
        };
        format!("\n{alone}{unread}{results} FINALIZE records, {compared} copies, {logs} logs: {verdict}\n")
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
        Life { genesis: Digest::default(), end: end(1), sealed: 9, closed: true, finals }
    }

    fn end(agent: u8) -> LogEnd {
        LogEnd { agent: AgentId([agent; 32]), head: Digest::default(), lines: 9 }
    }

    /// The same life, lived by another node.
    fn other(bytes: &[u8]) -> Life {
        Life { end: end(2), ..life(bytes) }
    }

    fn code(lives: Vec<Result<Life, Bad>>) -> (u8, String) {
        let mut findings = Findings::default();
        let text: String = lives.into_iter().map(|life| findings.log(Path::new("a.jsonl"), life)).collect();
        let text = text + &findings.close();
        (findings.code(), text)
    }

    #[test]
    fn each_finding_has_its_code_and_the_worst_wins() {
        let bad = |why| Err(Bad::Line(Box::new(BadLog { line: 3, why }), Some(end(1))));
        let diverged = || bad(Why::Diverged { expected: "a".into(), got: "b".into() });
        assert_eq!(code(vec![Ok(life(b"x")), Ok(other(b"x"))]).0, 0);
        let (violated, text) = code(vec![Ok(life(b"x")), Ok(other(b"y"))]);
        assert!(violated == 1 && text.contains("P2 violated: task t"), "{text}");
        assert_eq!(code(vec![diverged()]).0, 1);
        assert_eq!(code(vec![bad(Why::BrokenChain), diverged()]).0, 1);
        let (tampered, text) = code(vec![Ok(life(b"x")), bad(Why::BrokenChain)]);
        assert!(tampered == 65 && text.contains("a.jsonl, line 3:"), "{text}");
        assert_eq!(code(vec![Ok(life(b"x")), Ok(Life { genesis: Digest([1; 32]), ..other(b"x") })]).0, 65);
        assert_eq!(code(vec![Err(Bad::Unlivable { panic: "x".into() })]).0, 65);
        assert_eq!(code(vec![Ok(Life { closed: false, ..life(b"x") })]).0, 2);
        assert_eq!(code(vec![Ok(Life { finals: BTreeMap::new(), ..life(b"x") })]).0, 4);
    }

    #[test]
    fn what_an_interrupted_replay_left_is_unknown() {
        let mut findings = Findings { unread: 2, ..Findings::default() };
        findings.log(Path::new("a.jsonl"), Ok(life(b"x")));
        let text = findings.close();
        assert!(
            text.contains("interrupted: 2 of 3 logs were not replayed\n") && text.ends_with(": unknown\n"),
            "{text}"
        );
    }

    #[test]
    fn a_second_log_of_one_node() {
        let (tampered, text) = code(vec![Ok(life(b"x")), Ok(life(b"x"))]);
        assert!(tampered == 65 && text.contains("the log of the same node as a.jsonl"), "{text}");
    }

    #[test]
    fn lines_after_the_last_seal_are_told() {
        let (unknown, text) = code(vec![Ok(Life { closed: false, sealed: 6, ..life(b"x") })]);
        assert!(unknown == 2 && text.contains("unsealed: lines 7 to 9 are chained, and signed by nobody"), "{text}");
        let (_, text) = code(vec![Ok(life(b"x"))]);
        assert!(!text.contains("unsealed"), "{text}");
    }

    #[test]
    fn a_log_that_the_run_did_not_leave() {
        let left = |end: LogEnd, lived: Result<Life, Bad>| {
            let mut manifest = Manifest::new();
            manifest.logs.insert("a.jsonl".into(), end);
            let mut findings = Findings { run: Some((PathBuf::new(), manifest)), ..Findings::default() };
            let text = findings.log(Path::new("audit/a.jsonl"), lived);
            (findings.code(), text)
        };
        assert_eq!(left(end(1), Ok(life(b"x"))).0, 0);
        for (end, what) in [
            (end(2), "and the manifest names"),
            (LogEnd { lines: 12, ..end(1) }, "line 10: missing; the run left 12 lines"),
            (LogEnd { head: Digest([1; 32]), ..end(1) }, "but not those that the manifest names"),
        ] {
            let (code, text) = left(end, Ok(life(b"x")));
            assert!(code == 65 && text.contains(what), "{text}");
        }
        // What a replay contradicts is a violation only if the run wrote it.
        let why = || Why::Diverged { expected: "a".into(), got: "b".into() };
        let diverged = || Err(Bad::Line(Box::new(BadLog { line: 3, why: why() }), Some(end(1))));
        assert_eq!((left(end(1), diverged()).0, left(end(2), diverged()).0), (1, 65));
    }
}
