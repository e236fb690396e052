//! A range of seeds, as written on the command line: `A..B`, B excluded.

use std::fmt;
use std::str::FromStr;

/// The most seeds of one sweep: more would take days, so it is a slip of the finger.
pub const SEEDS_MAX: u64 = 10_000_000;

/// Seeds from `first` up to, not including, `end`; never none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    first: u64,
    end: u64,
}

/// What is wrong with a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeedsError {
    /// No two numbers.
    #[error("write a first seed, two dots and the seed to stop before: 0..1000")]
    Form,
    /// Not a number that fits.
    #[error("{0:?} is no seed: a seed is a whole number from 0 to 18446744073709551615")]
    Number(String),
    /// Nothing between them.
    #[error("{0} is empty: the second number is excluded, so {1}..{2} is the shortest range there")]
    Empty(String, u64, u64),
    /// Nothing can come after the last number.
    #[error("{0} is empty, and no seed comes after it")]
    Last(String),
    /// The wrong way round.
    #[error("{0} is the wrong way round: write {1}..{2}")]
    Reversed(String, u64, u64),
    /// Too many.
    #[error("{0} are {1} seeds, and a sweep takes at most {SEEDS_MAX}: split it")]
    Huge(String, u64),
}

impl Seeds {
    /// How many.
    pub const fn count(self) -> u64 {
        self.end - self.first
    }

    /// The one at place `index`.
    pub const fn at(self, index: u64) -> u64 {
        self.first + index
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}

/// One seed, as written on the command line.
pub fn seed(text: &str) -> Result<u64, SeedsError> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain).ok_or_else(|| SeedsError::Number(text.to_owned()))
}

impl FromStr for Seeds {
    type Err = SeedsError;

    fn from_str(text: &str) -> Result<Self, SeedsError> {
        let (first, end) = text.split_once("..").ok_or(SeedsError::Form)?;
        if first.is_empty() || end.is_empty() {
            return Err(SeedsError::Form);
        }
        let (first, end) = (seed(first)?, seed(end)?);
        match end.checked_sub(first) {
            None => Err(SeedsError::Reversed(text.to_owned(), end, first)),
            Some(0) => Err(match end.checked_add(1) {
                Some(after) => SeedsError::Empty(text.to_owned(), first, after),
                None => SeedsError::Last(text.to_owned()),
            }),
            Some(count) if count > SEEDS_MAX => Err(SeedsError::Huge(text.to_owned(), count)),
            Some(_) => Ok(Self { first, end }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_what_is_wrong_with_them() {
        let seeds: Seeds = "3..5".parse().unwrap();
        assert_eq!((seeds.count(), seeds.at(0), seeds.at(1), seeds.to_string().as_str()), (2, 3, 4, "3..5"));
        let last = "18446744073709551614..18446744073709551615".parse::<Seeds>().unwrap();
        assert_eq!(last.at(0), u64::MAX - 1);
        let wrong = |text: &str| text.parse::<Seeds>().unwrap_err();
        for text in ["", "5", "5..", "..5", "..", "5-7"] {
            assert_eq!(wrong(text), SeedsError::Form, "{text}");
        }
        for text in ["a..b", "-1..5", "+1..5", "1...5", "1..=5", "0..18446744073709551616", "0x1..9"] {
            assert!(matches!(wrong(text), SeedsError::Number(_)), "{text}");
        }
        assert_eq!((seed("7"), seed("+7").is_err(), seed("").is_err()), (Ok(7), true, true));
        assert_eq!(wrong("7..7"), SeedsError::Empty("7..7".into(), 7, 8));
        assert_eq!(wrong("9..3"), SeedsError::Reversed("9..3".into(), 3, 9));
        assert!(matches!(wrong("18446744073709551615..18446744073709551615"), SeedsError::Last(_)));
        assert_eq!(wrong("0..10000001"), SeedsError::Huge("0..10000001".into(), 10_000_001));
    }
}
