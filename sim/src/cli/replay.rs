//! `replay`: nodes live their lives again from their audit logs, and no two may disagree on a byte of a result (P2).
//!
//! A log is judged in this order: can it be read, is it as its node wrote it, does its replay say what it says, is it the one
//! that the run left, do all say the same. What a log cut at its end would have said cannot be told from it alone: that is
//! unknown, not well. A run's own folder is held against its manifest, and its outputs against the FINALIZE records.
//!
//! Not all that was final stays so. A challenge makes a result void for everyone; where the register was founded anew, what
//! the lost one said beyond the base is void, and whoever served it may never have heard so. Such results are compared among
//! themselves: two of one generation may differ no more than two that stand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use swarm_core::audit::{BadLog, Final, Replayed, Why, replay};
use swarm_core::base::Base;
use swarm_core::id::{AgentId, Cid, Digest, Fence, NeedId, TaskName, Thread};
use swarm_core::wire::FinalizeRecord;
use swarm_reports::Outcome;
use swarm_reports::check::exit_code;
use swarm_scenarios::read_regular;

use crate::cli::folder::output;
use crate::cli::manifest::{AUDIT, LogEnd, Manifest, POLICIES};
use crate::cli::pool::in_order;
use crate::cli::progress::Progress;
use crate::cli::{CliError, ReplayArgs, code, interrupt, panics, say};
use crate::policies;

/// Replays one log, or all of a folder, and says what came of each.
pub fn run(args: &ReplayArgs) -> Result<u8, CliError> {
    let manifest = if args.path.is_dir() { Manifest::of(&args.path)? } else { None };
    let logs = logs(&args.path)?;
    load(args)?;
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
    say(findings.compare())?;
    say(findings.outputs()?)?;
    findings.unread = logs.len() as u64 - findings.logs;
    say(findings.close())?;
    Ok(if findings.unread > 0 { code::INTERRUPTED } else { findings.code() })
}

/// Has the policies at hand that the nodes may have judged by: of the run's folder, and those that are named.
fn load(args: &ReplayArgs) -> Result<(), CliError> {
    let folder = if args.path.is_dir() { Some(args.path.as_path()) } else { args.path.parent().and_then(Path::parent) };
    let of_run = folder.map(|folder| folder.join(POLICIES)).filter(|policies| policies.is_dir());
    let mut files = Vec::new();
    if let Some(policies) = &of_run {
        for entry in fs::read_dir(policies).map_err(CliError::unreadable(policies))? {
            files.push(entry.map_err(CliError::unreadable(policies))?.path());
        }
    }
    for path in &files {
        let artifact = read_regular(path).map_err(CliError::unreadable(path))?;
        // One that proves nothing was announced for nothing: nobody judged by it.
        let _ = policies::library().load(&artifact);
    }
    for path in &args.policy {
        let artifact = read_regular(path).map_err(CliError::unreadable(path))?;
        policies::library().load(&artifact).map_err(CliError::capsule(path))?;
    }
    // The base policy comes with this program.
    policies::library().load(swarm_policy::BASE).map_err(CliError::capsule(Path::new("the base policy")))?;
    Ok(())
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
    finals: BTreeMap<Name, Final>,
    bases: Vec<Arc<Base>>,
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
type Name = (NeedId, TaskName, Fence);

fn lived(path: &Path) -> Result<Result<Life, Bad>, CliError> {
    let bytes = read_regular(path).map_err(CliError::unreadable(path))?;
    let whole = |Replayed { genesis, sealed_to: sealed, closed, finals, node, .. }| {
        let end = LogEnd::of(&bytes).expect("it was replayed from its opening to its last line");
        Life { genesis, end, sealed, closed, finals, bases: node.bases().to_vec() }
    };
    // The lines after the last seal are chained but signed by nobody: whoever forged them may have written what no node can
    // live through. That is the log's mistake; where nothing is forged, the panic is told by the run that wrote the log.
    match panics::guarded(|| replay(&bytes, policies::library())) {
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
    /// The results in each log.
    finals: Vec<(PathBuf, BTreeMap<Name, Final>)>,
    /// Where the register was founded anew, by generation, as far as any log knows.
    bases: BTreeMap<u32, Arc<Base>>,
}

impl Findings {
    /// Takes the next log; what came of it, for people.
    fn log(&mut self, path: &Path, lived: Result<Life, Bad>) -> String {
        self.logs += 1;
        let name = path.display();
        let life = match lived {
            Ok(life) => life,
            Err(Bad::Line(bad, end)) if matches!(bad.why, Why::Diverged { .. } | Why::OtherDecision { .. }) => {
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
                    Why::NoOpening => {
                        "  name the folder of a run, or a log of its `audit` folder; if it is one, its beginning was changed\n"
                    }
                    Why::NoSuchEngine { .. } | Why::WrongVersion { .. } => "",
                    _ => {
                        "  the log is not as its node wrote it: take it anew from where it was kept, or do the run again\n"
                    }
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
        self.bases.extend(life.bases.into_iter().map(|base| (base.generation, base)));
        self.finals.push((path.to_owned(), life.finals));
        text
    }

    /// The generation whose founding made a result of `need` void, if one did.
    fn lost_to(&self, need: NeedId, result: &Final) -> Option<u32> {
        let beyond =
            |base: &&Arc<Base>| base.generation > result.generation && base.of(Thread::Need(need)).seq < result.seq;
        self.bases.values().find(beyond).map(|base| base.generation)
    }

    /// Every result in every log: whose it is, what it is called, and what made it void, if it was lost.
    fn results(&self) -> impl Iterator<Item = (&Path, &Name, &Final, Option<u32>)> {
        self.finals.iter().flat_map(|(path, finals)| {
            finals.iter().map(|(name, result)| (&**path, name, result, self.lost_to(name.0, result)))
        })
    }

    /// Holds the results of all logs against each other.
    fn compare(&mut self) -> String {
        let mut text = String::new();
        let mut first: BTreeMap<(Option<u32>, &Name), (&Path, &Final)> = BTreeMap::new();
        let mut outcomes = Vec::new();
        for (path, name, result, lost) in self.results() {
            let (where_first, known) = *first.entry((lost, name)).or_insert((path, result));
            if known.record != result.record {
                outcomes.push(Outcome::Violated);
                let ((need, task, fence), first, path) = (name, where_first.display(), path.display());
                text.push_str(&format!(
                    "{path}\n  P2 violated: task {task} of {need}, fence {fence}: other bytes than in "
                ));
                text.push_str(&format!("{first}\n    {}\n    {}\n", show(&known.record), show(&result.record)));
            }
        }
        self.outcomes.append(&mut outcomes);
        text
    }

    /// The results that nothing made void. Of one task the last counts: a node that died may not have heard that its is void.
    fn standing(&self) -> Vec<FinalizeRecord> {
        let mut last: BTreeMap<(NeedId, &TaskName), (Fence, bool, &Final)> = BTreeMap::new();
        for (_, (need, task, fence), result, lost) in self.results() {
            if lost.is_some() {
                continue;
            }
            let of = last.entry((*need, task)).or_insert((*fence, false, result));
            if *fence > of.0 {
                *of = (*fence, false, result);
            }
            of.1 |= *fence == of.0 && result.invalidated;
        }
        let stand = last.into_values().filter(|(_, void, _)| !void);
        stand.filter_map(|(.., result)| serde_json::from_slice(&result.record).ok()).collect()
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
            format!(
                "{} lines of this node, but not those that the manifest names: one of the two was changed",
                own.lines
            )
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
        let mut text = String::new();
        for FinalizeRecord { need, outputs, .. } in self.standing() {
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
        let copies = self.results().count();
        let results = self.results().map(|(_, name, _, lost)| (name, lost)).collect::<BTreeSet<_>>().len();
        if self.unread > 0 {
            self.outcomes.push(Outcome::Unknown);
        } else if results == 0 {
            self.outcomes.push(Outcome::Vacuous);
        }
        let verdict = match self.tampered {
            true => "bad input",
            false => self.outcomes.iter().max().map_or(Outcome::Held.as_str(), |worst| worst.as_str()),
        };
        let logs = self.logs;
        let alone = if self.alone { "no manifest here: whether a log is missing cannot be told\n" } else { "" };
        let unread = match self.unread {
            0 => String::new(),
            unread => format!("interrupted: {unread} of {} logs were not replayed\n", logs + unread),
        };
        format!("\n{alone}{unread}{results} FINALIZE records, {copies} copies, {logs} logs: {verdict}\n")
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
    use swarm_core::id::{Seq, label};

    fn need() -> NeedId {
        NeedId::of(&AgentId([0; 32]), swarm_core::id::Nonce(1))
    }

    fn life(bytes: &[u8]) -> Life {
        let result = Final { record: bytes.to_vec(), generation: 0, seq: Seq(5), invalidated: false };
        let finals = [((need(), label("t"), Fence::default()), result)].into();
        Life { genesis: Digest::default(), end: end(1), sealed: 9, closed: true, finals, bases: Vec::new() }
    }

    /// The life of one that serves the register that was founded anew, on a need that was kept up to `kept`.
    fn anew(bytes: &[u8], kept: u64, agent: u8) -> Life {
        let chain = swarm_core::register::Chain { seq: Seq(kept), ..Default::default() };
        let base = Base { generation: 1, heads: [(Thread::Need(need()), chain)].into() };
        let mut life = Life { end: end(agent), bases: vec![Arc::new(base)], ..life(bytes) };
        life.finals.values_mut().for_each(|result| result.generation = 1);
        life
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
        let text = text + &findings.compare() + &findings.close();
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

    /// Both may end the same grant, each in its own way.
    #[test]
    fn what_a_lost_register_said_is_held_against_itself_alone() {
        for order in [[0, 1], [1, 0]] {
            let lives = |kept| order.map(|at| Ok([life(b"x"), anew(b"y", kept, 2)].into_iter().nth(at).unwrap()));
            let (held, text) = code(lives(4).into());
            assert!(held == 0 && text.contains("2 FINALIZE records, 2 copies"), "{text}");
            assert_eq!(code(lives(5).into()).0, 1, "what was kept is one result");
        }
        assert_eq!(
            code(vec![Ok(life(b"x")), Ok(other(b"y")), Ok(anew(b"x", 4, 3))]).0,
            1,
            "two of the lost one differ"
        );
        assert_eq!(code(vec![Ok(life(b"x")), Ok(anew(b"y", 4, 2)), Ok(anew(b"z", 4, 3))]).0, 1);
    }

    #[test]
    fn what_a_challenge_made_void_is_no_result_any_more() {
        let record = |commit: &[u8]| {
            swarm_core::wire::canonical::to_vec(&FinalizeRecord {
                attestations: Vec::new(),
                commit: Cid::of(commit),
                engines: Vec::new(),
                epoch: Default::default(),
                fence: Fence::default(),
                need: need(),
                outputs: BTreeMap::new(),
                payouts: Vec::new(),
                plan: Digest::default(),
                snapshot: Default::default(),
                task: label("t"),
            })
        };
        let standing = |lives: Vec<Life>| {
            let mut findings = Findings::default();
            lives.into_iter().for_each(|life| drop(findings.log(Path::new("a.jsonl"), Ok(life))));
            findings.standing().iter().map(|record| record.commit).collect::<Vec<_>>()
        };
        let dead = life(&record(b"first"));
        assert_eq!(standing(vec![life(&record(b"first"))]), [Cid::of(b"first")]);
        let mut void = other(&record(b"first"));
        void.finals.values_mut().for_each(|result| result.invalidated = true);
        let again = Final { record: record(b"second"), generation: 0, seq: Seq(9), invalidated: false };
        assert_eq!(standing(vec![dead, void]), [], "who died before it was void does not know");
        let mut redone = other(&record(b"first"));
        redone.finals.values_mut().for_each(|result| result.invalidated = true);
        redone.finals.insert((need(), label("t"), Fence(1)), again);
        assert_eq!(standing(vec![redone, Life { end: end(3), ..life(&record(b"first")) }]), [Cid::of(b"second")]);
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
