//! What `run --out` keeps of a run: its report, its history, the nodes' audit logs, what the needs asked for.

use std::path::{Path, PathBuf};

use swarm_core::id::Label;
use swarm_reports::history::write_line;
use swarm_reports::render::json;

use crate::cli::CliError;
use crate::cli::files::LateFolder;
use crate::world::Outcome;

/// Writes all of it.
pub fn write(folder: &LateFolder, outcome: &Outcome) -> Result<(), CliError> {
    folder.write(Path::new("run.json"), json(&outcome.report).as_bytes())?;
    let history: String = outcome.history.iter().map(write_line).collect();
    folder.write(Path::new("history.jsonl"), history.as_bytes())?;
    for (name, log) in &outcome.audit {
        folder.write(&Path::new("audit").join(format!("{name}.jsonl")), log.as_bytes())?;
    }
    for (need, tasks) in &outcome.outputs {
        for (label, (_, bytes)) in tasks.values().flatten() {
            if let Some(bytes) = bytes {
                folder.write(&Path::new("out").join(need.to_string()).join(file_name(label)), bytes)?;
            }
        }
    }
    Ok(())
}

/// A label as the name of a file: what is no plain character becomes `_`.
fn file_name(label: &Label) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    label.as_str().chars().map(plain).collect::<String>().into()
}
