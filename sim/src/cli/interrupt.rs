//! Ctrl-C, and the word of whoever runs this program that it should end (SIGTERM): the first asks everything to come to its end,
//! the second ends the program. A terminal that hangs up does what it always did, so `nohup` works.

use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::{CliError, code};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Listens from now on.
pub fn install() -> Result<(), CliError> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(CliError::Signals)?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if ASKED.swap(true, Ordering::Relaxed) {
                std::process::exit(code::INTERRUPTED.into());
            }
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
