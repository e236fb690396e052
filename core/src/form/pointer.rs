//! Where in a document something stands.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A JSON Pointer (RFC 6901): empty for the whole, or each step behind a `/`, in which `~0` stands for `~` and `~1` for `/`. At most
/// [`Pointer::BYTES_MAX`] bytes of printable ASCII, so that what a person reads is what was signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(String);

/// Not a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPointer;

impl fmt::Display for NoPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a JSON Pointer of at most 256 printable ASCII characters")
    }
}

impl Pointer {
    /// The longest one, in bytes.
    pub const BYTES_MAX: usize = 256;

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it points to an item of the list at `list`.
    pub fn is_item_of(&self, list: &Self) -> bool {
        let index = self.0.strip_prefix(&*list.0).and_then(|rest| rest.strip_prefix('/'));
        index.is_some_and(|index| index_of(index).is_some())
    }

    /// The item `at` of the list that it points to; nothing if that lies too deep to be pointed to.
    pub fn item(&self, at: usize) -> Option<Self> {
        format!("{}/{at}", self.0).parse().ok()
    }
}

impl Pointer {
    /// The member `name`, which holds nothing to escape, of the object that it points to; nothing if that lies too deep.
    pub(super) fn member(&self, name: &str) -> Option<Self> {
        format!("{}/{name}", self.0).parse().ok()
    }
}

/// A place in a list, as a step says it: a number without leading zeros.
pub(super) fn index_of(step: &str) -> Option<usize> {
    let is_plain = step == "0" || (!step.starts_with('0') && step.bytes().all(|b| b.is_ascii_digit()));
    if is_plain { step.parse().ok() } else { None }
}

impl FromStr for Pointer {
    type Err = NoPointer;
    fn from_str(text: &str) -> Result<Self, NoPointer> {
        let begins = text.is_empty() || text.starts_with('/');
        let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        let fits = text.len() <= Self::BYTES_MAX && text.bytes().all(|b| matches!(b, b' '..=b'~'));
        if begins && escapes && fits { Ok(Self(text.to_owned())) } else { Err(NoPointer) }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Pointer {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_a_pointer_and_what_is_not() {
        let long = "/".repeat(Pointer::BYTES_MAX);
        for good in ["", "/", "/a", "/a/0", "/a~0b/~1", &long] {
            assert_eq!(good.parse::<Pointer>().map(|pointer| pointer.to_string()), Ok(good.to_string()));
        }
        for bad in ["a", "/~", "/~2", "/a~", "/\u{e9}", "/\n", &alloc::format!("{long}/")] {
            assert_eq!(bad.parse::<Pointer>(), Err(NoPointer), "{bad:?}");
        }
    }

    #[test]
    fn an_item_stands_right_below_its_list() {
        let pointer = |text: &str| text.parse::<Pointer>().unwrap();
        for (text, is_item) in [
            ("/a/0", true),
            ("/a/17", true),
            ("/a", false),
            ("/a/", false),
            ("/a/01", false),
            ("/a/0/1", false),
            ("/ab/0", false),
            ("/a/-1", false),
            ("/a/+1", false),
        ] {
            assert_eq!(pointer(text).is_item_of(&pointer("/a")), is_item, "{text}");
        }
        assert_eq!(pointer("/a").item(3), Some(pointer("/a/3")));
        assert_eq!(pointer(&"/".repeat(Pointer::BYTES_MAX)).item(0), None);
    }
}
