//! The real job against an independent tool: the words of some megabytes of source, counted by the plan's tasks and by
//! `tr | grep | sort | uniq -c`.
//!
//! The text is what every machine that builds this has: the sources of the packages it is built from.

use std::collections::BTreeMap;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use swarm_core::config::WINDOWS;
use swarm_core::id::{Cid, Credits, Digest, Label, label};
use swarm_core::plan::Fact;
use swarm_core::wire::{Class, Need};
use swarm_ports::{jobs, recipes};

/// What cargo says to `args`, if it has an answer.
fn cargo(args: &[&str]) -> Option<String> {
    let out =
        Command::new(env!("CARGO")).current_dir(env!("CARGO_MANIFEST_DIR")).args(args).output().expect("cargo runs");
    out.status.success().then(|| String::from_utf8(out.stdout).expect("cargo writes UTF-8"))
}

/// Source folders of the packages that this one is built from, found the way cargo finds them.
fn dependency_sources() -> Vec<PathBuf> {
    let version = cargo(&["-vV"]).expect("cargo knows its version");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo knows its host");
    // Packages for other platforms need not be on this machine; if one for this platform is not, cargo may get it.
    let metadata = ["metadata", "--format-version", "1", "--filter-platform", host, "--offline"];
    let text = cargo(&metadata).or_else(|| cargo(&metadata[..5])).expect("cargo knows the dependencies");
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("core/ports is two folders deep");
    let mut folders: Vec<PathBuf> = text
        .split("\"manifest_path\":\"")
        .skip(1)
        .filter_map(|rest| Path::new(rest.split('"').next()?).parent().map(Path::to_owned))
        .filter(|folder| !folder.starts_with(house))
        .collect();
    folders.sort();
    folders.dedup();
    folders
}

/// Several megabytes: whole packages, one after the other, until there is enough.
fn real_text() -> Vec<u8> {
    let mut text = Vec::new();
    for folder in dependency_sources() {
        // Not every package keeps its sources in `src`.
        if let Ok(source) = jobs::gather(&folder.join("src")) {
            text.extend(source);
        }
        if text.len() > 4 << 20 {
            break;
        }
    }
    assert!(text.len() > 2 << 20, "only {} bytes of dependency sources were found", text.len());
    text
}

/// What the independent tool makes of `text`, its `   COUNT WORD` lines brought into the form of a list.
fn by_pipeline(text: &[u8]) -> Vec<u8> {
    let pipeline = r"tr -cs 'A-Za-z0-9_' '\n' | grep -v '^$' | sort | uniq -c";
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(text).and_then(|()| file.rewind()).expect("written");
    let out =
        Command::new("sh").args(["-c", pipeline]).env("LC_ALL", "C").stdin(file).output().expect("the pipeline runs");
    assert!(out.status.success());
    let lines = String::from_utf8(out.stdout).expect("words are ASCII");
    let lines = lines.lines().map(|l| l.trim_start().split_once(' ').expect("count and word"));
    lines.flat_map(|(count, word)| format!("{count}\t{word}\n").into_bytes()).collect()
}

/// Runs `recipe` on `text` task by task.
fn by_plan(recipe: &str, text: &[u8]) -> Vec<u8> {
    let need = Need {
        budget: Credits(10_000),
        class: Class::Simple,
        deadline_ms: 60_000,
        fee: Credits(1),
        fees: Credits(1_000),
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
            let done = jobs::run(job.as_str(), &inputs, &produces, Digest::default()).expect("the task runs");
            assert!(done.states.len() <= jobs::STATES_MAX);
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
