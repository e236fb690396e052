//! The exact command that does a run again, for a reader to paste.

use std::ffi::OsString;
use std::path::Path;

/// How this program was called: through cargo, which builds it first, or by its own path.
fn program() -> String {
    if std::env::var_os("CARGO").is_some() {
        return "cargo run --release -p swarm-sim --".to_owned();
    }
    std::env::args_os().next().map_or_else(|| "swarm-sim".to_owned(), |path| quoted(&path.to_string_lossy()))
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
    let text = path.to_string_lossy();
    quoted(&if text.starts_with('-') { format!("./{text}") } else { text.into_owned() })
}

/// The command this program was called with.
pub fn whole() -> String {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words = args.iter().map(|arg| quoted(&arg.to_string_lossy()));
    std::iter::once(program()).chain(words).collect::<Vec<_>>().join(" ")
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

    #[test]
    fn the_real_file_and_input_are_named() {
        let text = run(Path::new("a b.toml"), 7, Some(Path::new("/texts")));
        assert!(text.ends_with(" run 'a b.toml' --seed 7 --input /texts"), "{text}");
        assert!(run(Path::new("-d.toml"), 1, None).ends_with(" run ./-d.toml --seed 1"));
    }
}
