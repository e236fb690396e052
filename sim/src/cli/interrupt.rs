//! Ctrl-C, and the word of whoever runs this program that it should end (SIGTERM): the first asks everything to come to its end,
//! the second ends the program, unless it comes together with the first: some senders mean a process and its group. A terminal that hangs up does what it always did, so `nohup` works.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::{CliError, code};

static ASKED: AtomicBool = AtomicBool::new(false);

/// What comes so soon after the first is the same word.
const ONE_WORD: Duration = Duration::from_millis(200);

/// Listens from now on.
pub fn install() -> Result<(), CliError> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(CliError::Signals)?;
    std::thread::spawn(move || {
        let mut first: Option<Instant> = None;
        for _ in signals.forever() {
            match first {
                Some(first) if first.elapsed() < ONE_WORD => continue,
                Some(_) => std::process::exit(code::INTERRUPTED.into()),
                None => first = Some(Instant::now()),
            }
            ASKED.store(true, Ordering::Relaxed);
            tell!("interrupted: the report so far follows; once more to leave at once");
        }
    });
    Ok(())
}

/// What is set once somebody asked.
pub fn flag() -> &'static AtomicBool {
    &ASKED
}

/// Whether somebody asked.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
