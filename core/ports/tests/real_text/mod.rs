//! A real text that every machine has that builds this: the sources of the packages it is built from. And what an
//! independent tool makes of it.

use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use swarm_ports::jobs;

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
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|dir| dir.join("Cargo.lock").exists());
    let house = house.expect("the workspace has a lock file");
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
pub fn real_text() -> Vec<u8> {
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
pub fn by_pipeline(text: &[u8]) -> Vec<u8> {
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
