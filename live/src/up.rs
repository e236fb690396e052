//! `up`: from the command line to the outputs on the disk.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use swarm_core::register::Ending;
use swarm_core::reject::Reject;
use swarm_ports::store::{Answer, Artifacts as _};

use crate::cli::Up;
use crate::error::{Exit, LiveError, unwritable};
use crate::folder::{self, Folder};
use crate::job::Job;
use crate::progress::Progress;
use crate::swarm::{End, Fate, Swarm};

/// Brings a swarm up, or up again, and sees its needs to their end.
///
/// # Errors
/// Bad input, or something on the disk that cannot be had; [`LiveError::exit`] says which.
pub fn up(options: &Up) -> Result<Exit, LiveError> {
    let started = Instant::now();
    let job = Job::load(options)?;
    let mut folder = Folder::open(options, &job)?;
    for artifact in [&job.text, &job.policy] {
        match folder.artifacts.put(artifact) {
            Answer::Committed(_) => {}
            Answer::NotCommitted(error) | Answer::Unknown(error) => return Err(error.into()),
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|why| LiveError::System { what: "Ctrl-C cannot be caught", why })?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            // The second finds the flag set already: what is on the disk is safe, so it may simply end the process.
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(Exit::Interrupted as i32);
            }
        }
    });
    let path = folder.path.clone();
    let mut swarm = Swarm::open(folder)?;
    if swarm.is_resumed() {
        tell!("{}: going on where it stopped", path.display());
    }
    let mut progress = Progress::start(job.needs.len(), job.tasks);
    let end = swarm.run(&job, options.timeout, &stop, &mut progress);
    progress.end();
    let end = end?;

    let fates = swarm.fates();
    for fate in &fates {
        let out = path.join("out").join(fate.need.to_string());
        for (name, cid) in fate.outputs.iter().filter(|_| fate.ending == Some(Ending::Closed)) {
            // A label may have slashes in it; it is one file all the same.
            let file = out.join(name.as_str().replace('/', "-"));
            fs::create_dir_all(&out).map_err(unwritable(&out))?;
            folder::write(&file, &swarm.artifact(cid)?, 0o644)?;
        }
        let kept = if out.is_dir() { out.display().to_string() } else { "no output".to_owned() };
        let ending = fate.ending.map_or("still open".to_owned(), |ending| format!("{ending:?}").to_lowercase());
        say!("{ending:<10}  {:<14}  {}", fate.recipe.as_str(), kept);
    }
    // What comes after a task went on is refused everywhere and always: bids for a lease that is given, verdicts beyond the
    // quorum, what was heard before. Only the rest is news.
    let late: u64 = swarm.refused.iter().filter(|(reject, _)| is_late(**reject)).map(|(_, times)| times).sum();
    say!(
        "{} of {} needs closed, {} tasks final, {} messages, {late} came too late to count (as some always do), {} bytes of input, {:.1} s",
        fates.iter().filter(|fate| fate.ending == Some(Ending::Closed)).count(),
        job.needs.len(),
        swarm.tally.finals.len(),
        swarm.published,
        job.text.len(),
        started.elapsed().as_secs_f64(),
    );
    for (reject, times) in swarm.refused.iter().filter(|(reject, _)| !is_late(**reject)) {
        say!("refused: {reject} ({times})");
    }
    Ok(exit(&swarm, &fates, end, job.needs.len()))
}

/// Whether a refusal says only that others were faster.
fn is_late(reject: Reject) -> bool {
    matches!(reject, Reject::StaleFence | Reject::StaleEpoch)
}

fn exit(swarm: &Swarm, fates: &[Fate], end: End, needs: usize) -> Exit {
    if swarm.diverged > 0 {
        tell!("{} times a node believed what contradicts what it applied: this must never happen", swarm.diverged);
        return Exit::Violated;
    }
    let closed = fates.len() == needs && fates.iter().all(|fate| fate.ending == Some(Ending::Closed));
    match end {
        End::Interrupted => {
            tell!("interrupted: this is how far it came; the same command goes on");
            Exit::Interrupted
        }
        End::Done if closed => Exit::Held,
        End::Done => {
            tell!("not every need could be closed");
            Exit::NoLiveness
        }
        End::TimedOut => {
            tell!("time is up (--timeout); the same command goes on");
            Exit::NoLiveness
        }
    }
}
