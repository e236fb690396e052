//! The exact command that does a run again, for a reader to paste.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// How this program was called: through cargo, which builds it first, or by its own path.
fn program() -> String {
    if std::env::var_os("CARGO").is_some() {
        return "cargo run --release -p swarm-sim --".to_owned();
    }
    std::env::args_os().next().map_or_else(|| "swarm-sim".to_owned(), |path| word(&path))
}

/// The command that runs the scenario at `file` under `seed` again.
pub fn run(file: &Path, seed: u64, input: Option<&Path>) -> String {
    let mut text = format!("{} run {} --seed {seed}", program(), path(file));
    if let Some(input) = input {
        text.push_str(&format!(" --input {}", path(input)));
    }
    text
}

/// A path that is not taken for an option.
fn path(path: &Path) -> String {
    match path.as_os_str().as_encoded_bytes() {
        [b'-', ..] => word(Path::new(".").join(path).as_os_str()),
        _ => word(path.as_os_str()),
    }
}

/// The command this program was called with.
pub fn whole() -> String {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words = args.iter().map(|arg| word(arg));
    std::iter::once(program()).chain(words).collect::<Vec<_>>().join(" ")
}

/// `word` as a shell takes it for one word; one that is no UTF-8 in the spelling that bash, zsh and POSIX since 2024 have for any byte.
fn word(word: &OsStr) -> String {
    match word.to_str() {
        Some(text) => quoted(text),
        None => format!("$'{}'", word.as_encoded_bytes().escape_ascii()),
    }
}

/// `word` as a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quoted("scenarios/quiet.toml"), "scenarios/quiet.toml");
        assert_eq!(quoted("my files/a.toml"), "'my files/a.toml'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_utf_8_can_be_pasted() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = OsStr::from_bytes(b"it's \xff.toml");
        let text = run(Path::new(name), 7, None);
        assert!(text.ends_with(r" run $'it\'s \xff.toml' --seed 7"), "{text}");
        let shell = std::process::Command::new("bash").args(["-c", &format!("printf %s {}", word(name))]).output();
        // Where there is no bash, the spelling has to do.
        if let Ok(said) = shell {
            assert_eq!(said.stdout, name.as_bytes());
        }
        assert!(run(Path::new(OsStr::from_bytes(b"-\xff")), 7, None).ends_with(r" run $'./-\xff' --seed 7"));
    }

    #[test]
    fn the_real_file_and_input_are_named() {
        let text = run(Path::new("a b.toml"), 7, Some(Path::new("/texts")));
        assert!(text.ends_with(" run 'a b.toml' --seed 7 --input /texts"), "{text}");
        assert!(run(Path::new("-d.toml"), 1, None).ends_with(" run ./-d.toml --seed 1"));
    }
}
