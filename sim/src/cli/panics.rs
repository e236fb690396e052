//! A panic is our own mistake: it becomes one line with the command that shows it, never a raw backtrace unless one was
//! asked for with `RUST_BACKTRACE`, and it never takes down what runs beside it.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

thread_local! {
    /// Outer: whether a panic of this thread is caught. Inner: what it said.
    static CAUGHT: RefCell<Option<Option<String>>> = const { RefCell::new(None) };
}

/// Takes panics from now on.
pub fn install() {
    let raw = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let kept = CAUGHT.with(|caught| match &mut *caught.borrow_mut() {
            Some(slot) => {
                *slot = Some(said(info));
                true
            }
            None => false,
        });
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|asked| asked != "0") {
            raw(info);
        } else if !kept {
            tell!("{}", line(&said(info), &crate::cli::again::whole()));
        }
    }));
}

/// Runs `work`; if it panics, what the panic said.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let outer = CAUGHT.with(|caught| caught.replace(Some(None)));
    // Whatever `work` could leave half-changed ends with it: nothing it holds is looked at again.
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    let inner = CAUGHT.with(|caught| caught.replace(outer)).flatten();
    done.map_err(|_| inner.unwrap_or_else(|| "a panic that said nothing".to_owned()))
}

/// How a panic is told; `again` is the command that shows it.
pub fn line(panic: &str, again: &str) -> String {
    format!("internal error: {panic}\nthis is a bug in swarm-sim; please report it with this command: {again}")
}

fn said(info: &PanicHookInfo<'_>) -> String {
    let what = info.payload_as_str().unwrap_or("a panic without words");
    info.location().map_or_else(|| what.to_owned(), |at| format!("{what} ({}:{})", at.file(), at.line()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_words_and_the_next_one_too() {
        install();
        for n in 0..2 {
            let said = guarded(|| panic!("no {n}")).unwrap_err();
            assert!(said.starts_with(&format!("no {n} (")) && said.contains("panics.rs"), "{said}");
        }
        assert_eq!(guarded(|| guarded(|| panic!("inner")).is_err()), Ok(true));
        assert!(line("x", "swarm-sim run a").ends_with("swarm-sim run a"));
    }
}
