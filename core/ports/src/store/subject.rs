//! Names under which messages travel, and the filters that pick them.
//!
//! A subject is tokens joined by dots. In a filter `*` stands for exactly one token and a last `>` for one or more. Nothing
//! else is special, and a wildcard is never part of a subject: a message is published under one name.

use std::fmt;
use std::str::FromStr;

/// Neither a subject nor a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSubject {
    /// Too long, or empty, or an empty token.
    #[error("a subject is 1 to 255 bytes: tokens joined by single dots")]
    Shape,
    /// A character that no token may have.
    #[error("a token is visible ASCII without `*` and `>`; in a filter `*` is a whole token, `>` the whole last one")]
    Token,
}

/// What a message is published under, for example `market.need`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

/// What a group consumes, for example `thread.*.*.propose` or `thread.7.>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filter(String);

fn check(text: &str, wildcards: bool) -> Result<String, BadSubject> {
    if text.len() > 255 || text.split('.').any(str::is_empty) {
        return Err(BadSubject::Shape);
    }
    let plain = |token: &str| token.bytes().all(|b| b.is_ascii_graphic() && b != b'*' && b != b'>');
    let mut tokens = text.split('.').peekable();
    while let Some(token) = tokens.next() {
        let wildcard = token == "*" || (token == ">" && tokens.peek().is_none());
        if !(plain(token) || (wildcards && wildcard)) {
            return Err(BadSubject::Token);
        }
    }
    Ok(text.to_owned())
}

impl Filter {
    /// Whether this picks `subject`.
    pub fn matches(&self, subject: &Subject) -> bool {
        let (mut wanted, mut tokens) = (self.0.split('.'), subject.0.split('.'));
        loop {
            match (wanted.next(), tokens.next()) {
                (Some(">"), Some(_)) | (None, None) => return true,
                (Some(want), Some(token)) if want == "*" || want == token => {}
                _ => return false,
            }
        }
    }
}

macro_rules! by_text {
    ($($t:ident $wildcards:literal),*) => { $(
        impl FromStr for $t {
            type Err = BadSubject;
            fn from_str(text: &str) -> Result<Self, BadSubject> {
                check(text, $wildcards).map(Self)
            }
        }
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl $t {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    )* };
}
by_text!(Subject false, Filter true);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_pick_by_tokens() {
        let picks = |filter: &str, subject: &str| {
            filter.parse::<Filter>().unwrap().matches(&subject.parse::<Subject>().unwrap())
        };
        for (filter, subject, wanted) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.b", "a", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("*.b", "a.b", true),
            ("*", "a.b", false),
            (">", "a", true),
            (">", "a.b", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            ("a.>", "ab.c", false),
            ("a.*.c.>", "a.b.c.d.e", true),
        ] {
            assert_eq!(picks(filter, subject), wanted, "{filter} on {subject}");
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for bad in ["", ".", "a.", ".a", "a..b", &"x".repeat(256)] {
            assert_eq!(bad.parse::<Filter>(), Err(BadSubject::Shape), "{bad}");
        }
        for bad in ["a b", "a.>.b", "a*", "*a.b", ">>", "\u{e9}", "a\n"] {
            assert_eq!(bad.parse::<Filter>(), Err(BadSubject::Token), "{bad}");
        }
        for bad in ["*", "a.>", ">"] {
            assert_eq!(bad.parse::<Subject>(), Err(BadSubject::Token), "{bad}");
            assert!(bad.parse::<Filter>().is_ok());
        }
    }
}
