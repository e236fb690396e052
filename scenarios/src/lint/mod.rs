//! Whether a well-formed scenario makes sense. Each idea has a file: who takes part (`cluster`),
//! what is asked (`workload`), how long things take (`timing`), what goes wrong (`faults`), how much
//! of it is borne (`tolerance`), whether what must happen can happen (`cause`). They judge values only;
//! places come from the document afterwards.

mod cause;
mod cluster;
pub(crate) mod faults;
mod timing;
mod tolerance;
mod workload;

use crate::document::{Document, SCENARIO_BYTES_MAX};
use crate::finding::{Code, Draft, Failure, Finding, Report, Text};
use crate::marks::MARKS;
use crate::needs::{Needs, read_text};
use crate::policy::{Policy, PolicyChange, read_capsule};
use crate::scenario::{Break, Property, Role, Scenario, Strategy};
use crate::wording::did_you_mean;
use miette::NamedSource;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use swarm_policy::Rego;

/// Reads a scenario; the failure holds every error found.
pub fn load(path: &Path) -> Result<Scenario, Failure> {
    let (scenario, report) = examine(path);
    match scenario {
        Some(scenario) if report.is_usable() => Ok(scenario),
        _ => Err(Failure { report }),
    }
}

/// Reads a scenario from text. `path` stands for the file in errors, gives the default name, and
/// its folder is where `needs_file` is looked for.
pub fn load_text(path: &Path, text: impl Into<String>) -> Result<Scenario, Failure> {
    let (scenario, report) = examine_text(path, text.into());
    match scenario {
        Some(scenario) if report.is_usable() => Ok(scenario),
        _ => Err(Failure { report }),
    }
}

/// Everything that is wrong with one file.
pub fn lint(path: &Path) -> Report {
    examine(path).1
}

/// Everything that is wrong with several files, two of one name included.
pub fn lint_all(paths: &[PathBuf]) -> Vec<Report> {
    let mut named: BTreeMap<String, &Path> = BTreeMap::new();
    let mut reports = Vec::new();
    for path in paths {
        let (scenario, mut report) = examine(path);
        if let Some(scenario) = scenario {
            if let Some(first) = named.get(scenario.name.as_str()) {
                let what = format!("`{}` is the name of {} too", scenario.name, first.display());
                let draft = Draft::error(Code::DuplicateName, what, "give it a `name` of its own");
                let text = Arc::new(NamedSource::new(path.display().to_string(), String::new()));
                report.errors.push(draft.at(&text, 0..0));
            } else {
                named.insert(scenario.name, path);
            }
        }
        reports.push(report);
    }
    reports
}

/// The scenario files meant by a list of files and folders: a folder stands for the `.toml` files
/// in it, sorted. `Cargo.toml` is never one, so that `scenarios/*.toml` may be said too.
pub fn discover(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let path = entry?.path();
            if path.is_file() && path.extension().is_some_and(|ext| ext == "toml") {
                inside.push(path);
            }
        }
        inside.sort();
        files.append(&mut inside);
    }
    files.retain(|path| path.file_name().is_none_or(|name| name != "Cargo.toml"));
    Ok(files)
}

fn examine(path: &Path) -> (Option<Scenario>, Report) {
    match read_text(path, SCENARIO_BYTES_MAX) {
        Ok(text) => examine_text(path, text),
        Err(draft) => {
            let text = Arc::new(NamedSource::new(path.display().to_string(), String::new()));
            (None, Report::new(path.into(), vec![draft.at(&text, 0..0)]))
        }
    }
}

fn examine_text(path: &Path, text: String) -> (Option<Scenario>, Report) {
    let text: Text = Arc::new(NamedSource::new(path.display().to_string(), text));
    let mut findings = Vec::new();
    let (document, scenario) = Document::parse(&text, &mut findings);
    let scenario = scenario.map(|mut scenario| {
        let mut notes = Notes { document: &document, text: &text, findings: &mut findings };
        if scenario.name.is_empty() {
            scenario.name = stem(path);
        }
        if let Some(file) = &mut scenario.workload.needs_file {
            // Relative to the scenario, so that a run may be started from anywhere.
            *file = path.parent().unwrap_or(Path::new("")).join(&*file);
            match load_needs(file) {
                Ok(needs) => scenario.needs = Some(needs),
                Err(NeedsProblem::Missing(draft)) => notes.note("workload.needs_file", draft),
                Err(NeedsProblem::Bad(failure)) => notes.findings.extend(failure.report.errors),
            }
        }
        load_capsules(&mut scenario, path.parent().unwrap_or(Path::new("")), &mut notes);
        judge(&mut scenario, &mut notes);
        scenario
    });
    (scenario, Report::new(path.into(), findings))
}

enum NeedsProblem {
    Missing(Draft),
    Bad(Failure),
}

fn load_needs(path: &Path) -> Result<Needs, NeedsProblem> {
    if !path.is_file() {
        let what = match path.symlink_metadata() {
            Ok(_) => format!("the needs file {} is no file", path.display()),
            Err(_) => format!("there is no needs file {}", path.display()),
        };
        let mend = "the path is relative to the scenario file";
        return Err(NeedsProblem::Missing(Draft::error(Code::MissingNeedsFile, what, mend)));
    }
    Needs::load(path).map_err(NeedsProblem::Bad)
}

/// Reads the capsules that the scenario names; their paths are seen from `folder`.
fn load_capsules(scenario: &mut Scenario, folder: &Path, notes: &mut Notes<'_>) {
    let changes = scenario.policies.iter_mut().enumerate();
    let changes = changes.map(|(at, change)| (format!("policies.{at}.policy"), &mut change.policy));
    let all = [("protocol.policy".to_owned(), &mut scenario.protocol.policy)].into_iter().chain(changes);
    for (key, policy) in all {
        let Policy::Capsule(file) = policy else { continue };
        *file = folder.join(&*file);
        match read_capsule(file) {
            Ok(bytes) => {
                if let Err(why) = Rego::new(&bytes) {
                    let what = format!("the capsule {} is none: {why}", file.display());
                    let mend = "look at it with `policy test`, or build it anew";
                    // Nothing runs without the first. One that is announced is refused by every node, which may be what is to be shown.
                    match key.as_str() {
                        "protocol.policy" => notes.error(&key, Code::BadCapsule, what, mend),
                        _ => notes.warning(&key, Code::BadCapsule, what, mend),
                    }
                }
                scenario.capsules.insert(file.clone(), bytes.into());
            }
            Err(error) => {
                let what = format!("the capsule {} cannot be read: {error}", file.display());
                let mend = "name one that `policy build` made; the path is relative to the scenario file";
                notes.error(&key, Code::MissingCapsule, what, mend);
            }
        }
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

fn judge(scenario: &mut Scenario, notes: &mut Notes<'_>) {
    top(scenario, notes);
    cluster::judge(scenario, notes);
    workload::judge(scenario, notes);
    timing::judge(scenario, notes);
    policies(scenario, notes);
    tolerance::judge(scenario, notes);
    cause::judge(scenario, notes);
    scenario.nemeses = faults::judge(scenario, notes);
}

/// Names, limits and what is judged.
fn top(scenario: &Scenario, notes: &mut Notes<'_>) {
    let name = &scenario.name;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        let from = if notes.says("name") { "" } else { ", the file's name," };
        let what = format!("`{}`{from} is no name of a scenario", crate::value::shorten(name));
        let mend = match from {
            "" => "use at most 64 of a-z, 0-9 and `-`: it names files and reports",
            _ => "add a `name` of at most 64 of a-z, 0-9 and `-`, or rename the file: it names reports",
        };
        notes.error("name", Code::BadName, what, mend);
    }
    if !is_line(&scenario.teaches) {
        let mend = "say in one line what a reader learns from a run";
        notes.error("teaches", Code::MissingKey, "`teaches` is not one line of text", mend);
    }
    let limits = &scenario.limits;
    notes.within("limits.max_deliveries", limits.max_deliveries, 1_000, 10_000_000_000);
    notes.within("limits.max_needs", limits.max_needs.into(), 1, 100_000);
    for role in Role::ALL {
        let (name, of) = (role.plural(), role.count(&scenario.cluster));
        let liars =
            scenario.adversaries.iter().filter(|some| some.strategies().any(|strategy| strategy.role() == role));
        let liars: u64 = liars.map(|some| u64::from(some.count)).sum();
        let first = scenario.adversaries.iter().position(|some| some.strategies().any(|s| s.role() == role));
        let at = format!("adversaries.{}", first.unwrap_or_default());
        if role == Role::Coordinator {
            let borne = scenario.cluster.liars_max;
            if liars > u64::from(borne) {
                let what = format!("{liars} of {of} {name} lie, and the cluster bears {borne}");
                let mend = match cluster::bearing(liars) {
                    Some(n) if n <= u64::from(of) => {
                        format!("write `liars_max = {liars}` in `[cluster]`, or let fewer of them lie")
                    }
                    Some(n) => format!(
                        "write `liars_max = {liars}` and `coordinators = {n}` in `[cluster]`, or let fewer of them lie"
                    ),
                    None => "let fewer of them lie: no cluster bears so many".to_owned(),
                };
                notes.error(&at, Code::TooManyLiars, what, mend);
            }
        } else if liars > 0 && liars >= u64::from(of) {
            let what = format!("{liars} of {of} {name} lie: nobody is left who would do it right");
            notes.error(&at, Code::NobodyLeft, what, format!("add {name}, or let fewer of them lie"));
        }
    }
    for (at, some) in scenario.adversaries.iter().enumerate() {
        // Of a word that is not known was told before.
        if some.strategy.is_some() == some.any_of.is_empty() || notes.is_spoilt(&format!("adversaries.{at}.any_of")) {
            continue;
        }
        let (code, what) = match some.strategy {
            Some(_) => (Code::ConflictingKeys, "both `strategy` and `any_of`"),
            None => (Code::MissingKey, "neither `strategy` nor `any_of`"),
        };
        notes.error(&format!("adversaries.{at}.strategy"), code, what, "say how they lie, in one of the two");
    }
    for (at, some) in scenario.adversaries.iter().enumerate() {
        if let Some((strategy, missing)) = some.strategy.and_then(|s| Some((s, cause::of_lie(scenario, s)?))) {
            let what = format!("nothing here can make `{}` lie", strategy.name());
            notes.warning(&format!("adversaries.{at}.strategy"), Code::NoEffect, what, format!("add {missing}"));
        }
    }
    if let Some(at) = scenario.adversaries.iter().position(|some| some.count == 0) {
        let mend = "write at least 1, or take the entry out";
        notes.error(&format!("adversaries.{at}.count"), Code::OutOfRange, "a `count` of 0", mend);
    }
    // Those drawn of `any_of` may be one alone.
    let splitters = scenario.adversaries.iter().filter(|some| some.strategy == Some(Strategy::StakeSplitter));
    if splitters.map(|some| u64::from(some.count)).sum::<u64>() < 2
        && let Some(at) = place_of(scenario, Strategy::StakeSplitter)
    {
        let what = "one `stake-splitter` alone has a whole stake, as the honest have";
        let mend = "write `strategy = \"stake-splitter\"` and a `count` of 2 or more, in an entry of their own";
        notes.error(&format!("adversaries.{at}"), Code::Vacuous, what, mend);
    }
    for (at, strategy) in scenario.properties.pays.iter().enumerate() {
        if !scenario.lies().any(|there| there == *strategy) {
            let what = format!("nobody here acts as `{}`", strategy.name());
            let mend = "add it to `[[adversaries]]`, or take it out";
            notes.error(&format!("properties.pays.{at}"), Code::Vacuous, what, mend);
        }
    }
    breaks(scenario, notes);
    notes.within("protocol.watch_bp", scenario.protocol.watch_bp.into(), 0, 10_000);
    let unseen = [Strategy::AlwaysPass, Strategy::LazyAttester];
    if let Some(lazy) = scenario.lies().find(|lie| unseen.contains(lie) && !scenario.properties.pays.contains(lie))
        && scenario.protocol.watch_bp == 0
    {
        let what = format!("nobody looks at what was judged, so `{}` pays", lazy.name());
        let mend = "write `watch_bp = 2000` in `[protocol]`: honest verifiers do a fifth of the work again";
        let at = place_of(scenario, lazy).unwrap_or_default();
        notes.warning(&format!("adversaries.{at}"), Code::LyingPays, what, mend);
    }
    if scenario.adversaries.is_empty() && scenario.properties.check.contains(&Property::P3) {
        let mend = "add `[[adversaries]]`, or leave P3 out";
        notes.error("properties.check", Code::Vacuous, "where nobody lies there is nothing to see of P3", mend);
    }
    if scenario.workload.decoys_bp == 0 && scenario.properties.check.contains(&Property::Decoys) {
        let mend = "write `decoys_bp` in `[workload]`, or leave it out";
        notes.error("properties.check", Code::Vacuous, "without decoys there is nothing to see of them", mend);
    }
    if scenario.properties.check.is_empty() {
        let mend = "list at least one, or leave the key out to check them all";
        notes.error("properties.check", Code::Vacuous, "no property would be checked", mend);
    }
    if scenario.properties.ends.is_empty() {
        let mend = "list at least one, or leave the key out: then needs must be `closed`";
        notes.error("properties.ends", Code::Vacuous, "no need could end rightly", mend);
    }
    repeated(notes, "properties.ends", scenario.properties.ends.iter().map(|end| end.name()));
    repeated(notes, "properties.pays", scenario.properties.pays.iter().map(|strategy| strategy.name()));
    repeated(notes, "properties.check", scenario.properties.check.iter().map(|p| p.name()));
    let sometimes = &scenario.properties.sometimes;
    repeated(notes, "properties.sometimes", sometimes.iter().map(String::as_str));
    for (index, mark) in sometimes.iter().enumerate() {
        if !MARKS.iter().any(|known| known.name == mark) {
            let what = format!("`{}` is no mark", crate::value::shorten(mark));
            let mend = did_you_mean(mark, MARKS.iter().map(|known| known.name));
            notes.error(&format!("properties.sometimes.{index}"), Code::UnknownMark, what, mend);
        }
    }
}

/// One policy after the other, each another than the one before, and while needs are still to come.
fn policies(scenario: &Scenario, notes: &mut Notes<'_>) {
    let (mut before, mut since) = (&scenario.protocol.policy, 0);
    for (at, PolicyChange { at: when, policy }) in scenario.policies.iter().enumerate() {
        let path = format!("policies.{at}");
        if policy == before {
            let mend = "name another, or take the entry out";
            notes.error(
                &format!("{path}.policy"),
                Code::NoEffect,
                format!("`{policy}` is what was there before"),
                mend,
            );
        }
        if when.min > when.max {
            notes.error(&format!("{path}.at"), Code::InvertedRange, "the range ends before it begins", "swap its ends");
        }
        if when.min.0 < since {
            let mend = "let each `at` begin after the one before has ended";
            notes.error(&format!("{path}.at"), Code::OutOfRange, "it may come before the one before it", mend);
        }
        if when.max > scenario.phases.fault {
            let mend = "name an earlier time, or lengthen `fault` in `[phases]`";
            notes.error(&format!("{path}.at"), Code::PastLimit, "it may come after the faults are over", mend);
        }
        (before, since) = (policy, when.max.0);
    }
}

/// What a scenario takes beyond its promise.
fn breaks(scenario: &Scenario, notes: &mut Notes<'_>) {
    let breaks = &scenario.properties.breaks;
    repeated(notes, "properties.breaks", breaks.iter().map(|of| of.property.name()));
    for (at, Break { property, because }) in breaks.iter().enumerate() {
        let path = format!("properties.breaks.{at}");
        if *property != Property::P3 {
            let what = format!("the promise of {} has no end", property.name());
            notes.error(&path, Code::Vacuous, what, "take it out: nothing may break it");
        } else if scenario.adversaries.is_empty() {
            notes.error(
                &path,
                Code::Vacuous,
                "where nobody lies nothing breaks P3",
                "add `[[adversaries]]`, or take it out",
            );
        }
        if !is_line(because) {
            let what = "`because` is not one line of text";
            notes.error(&path, Code::MissingKey, what, "say in one line why the promise ends here");
        }
    }
}

/// The first entry of those that may lie in this way.
fn place_of(scenario: &Scenario, strategy: Strategy) -> Option<usize> {
    scenario.adversaries.iter().position(|some| some.strategies().any(|there| there == strategy))
}

/// Whether it is one line that a terminal shows as it stands.
fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control)
}

fn repeated<'a>(notes: &mut Notes<'_>, path: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = std::collections::BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            let what = format!("`{}` stands here twice", crate::value::shorten(name));
            notes.error(&format!("{path}.{index}"), Code::DuplicateName, what, "take one out");
        }
    }
}

/// Where the rules put what they find. Nothing is said about a value whose form was already
/// wrong: only its default is known then.
struct Notes<'n> {
    document: &'n Document<'n>,
    text: &'n Text,
    findings: &'n mut Vec<Finding>,
}

impl Notes<'_> {
    fn note(&mut self, path: &str, draft: Draft) {
        if !self.document.is_spoilt(path) {
            self.findings.push(draft.at(self.text, self.document.span(path)));
        }
    }

    fn error(&mut self, path: &str, code: Code, what: impl Into<String>, mend: impl Into<String>) {
        self.note(path, Draft::error(code, what, mend));
    }

    fn warning(&mut self, path: &str, code: Code, what: impl Into<String>, mend: impl Into<String>) {
        self.note(path, Draft::warning(code, what, mend));
    }

    /// Refuses a number beyond its bounds; says whether it was inside.
    fn within(&mut self, path: &str, value: u64, min: u64, max: u64) -> bool {
        let inside = (min..=max).contains(&value);
        if !inside {
            let key = path.rsplit('.').next().unwrap_or(path);
            let what = format!("`{key}` is {value}");
            let mend = format!("write a number from {min} to {max}");
            self.error(path, Code::OutOfRange, what, mend);
        }
        inside
    }

    fn says(&self, path: &str) -> bool {
        self.document.says(path)
    }

    fn is_spoilt(&self, path: &str) -> bool {
        self.document.is_spoilt(path)
    }

    /// The first of `paths` about which the file says something, for mistakes of several keys together; else the first.
    fn said<'p>(&self, paths: &[&'p str]) -> &'p str {
        paths.iter().find(|path| self.says(path)).unwrap_or(&paths[0])
    }
}
