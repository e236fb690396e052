//! Ctrl-C: the first asks everything to come to its end, the second ends the program.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::{CliError, code};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Listens from now on.
pub fn install() -> Result<(), CliError> {
    Ok(ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(code::INTERRUPTED.into());
        }
        tell!("interrupted: the report so far follows; once more to leave at once");
    })?)
}

/// What is set once somebody asked.
pub fn flag() -> &'static AtomicBool {
    &ASKED
}

/// Whether somebody asked.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
