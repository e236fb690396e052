//! What `run --out` keeps of a run: its scenario, its report, its history, the nodes' audit logs, the policies that they judged
//! by, what the needs asked for, and the manifest that holds them together.

use std::path::{Path, PathBuf};

use swarm_core::id::{Cid, Label};
use swarm_reports::history::write_line;
use swarm_reports::render::json;
use swarm_scenarios::Scenario;

use crate::cli::CliError;
use crate::cli::files::LateFolder;
use crate::cli::manifest::{self, AUDIT, Manifest, OUT, POLICIES};
use crate::policies;
use crate::world::Outcome;

/// Writes all of it; `text` is the scenario's file.
pub fn write(folder: &LateFolder, scenario: &Scenario, text: &[u8], outcome: &Outcome) -> Result<(), CliError> {
    let mut manifest = Manifest::new();
    let mut keep = |name: &Path, bytes: &[u8]| {
        manifest.file(name, bytes);
        folder.write(name, bytes)
    };
    keep(Path::new(&format!("{}.toml", scenario.name)), text)?;
    keep(Path::new("run.json"), json(&outcome.report).as_bytes())?;
    let history: String = outcome.history.iter().map(write_line).collect();
    keep(Path::new("history.jsonl"), history.as_bytes())?;
    for (need, tasks) in &outcome.outputs {
        for (label, (_, bytes)) in tasks.values().flatten() {
            if let Some(bytes) = bytes {
                keep(&output(&need.to_string(), label), bytes)?;
            }
        }
    }
    // Whoever replays the logs judges by the same rules.
    for (_, policy) in scenario.all_policies() {
        let artifact = policies::artifact(policy, scenario);
        keep(&Path::new(POLICIES).join(Cid::of(&artifact).to_string()), &artifact)?;
    }
    for (node, log) in &outcome.audit {
        let name = format!("{node}.jsonl");
        manifest.log(&name, log.as_bytes());
        folder.write(&Path::new(AUDIT).join(name), log.as_bytes())?;
    }
    folder.write(Path::new(manifest::NAME), &manifest.to_bytes())
}

/// Where the output `label` of `need` is kept.
pub fn output(need: &str, label: &Label) -> PathBuf {
    Path::new(OUT).join(need).join(file_name(label))
}

/// A label as the name of a file: what is no plain character becomes `_`.
fn file_name(label: &Label) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    label.as_str().chars().map(plain).collect::<String>().into()
}
