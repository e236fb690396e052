//! A document, read within bounds: what anybody needs of it to hold it against a schema, and nothing that machines could differ about.

use super::pointer::{Pointer, index_of};
use crate::id::Label;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The longest document that is read, in bytes.
pub const BYTES_MAX: usize = 1 << 20;
/// The most values in one: numbers, texts, lists, objects and what is in them.
pub const VALUES_MAX: u32 = 65_536;
/// How deep they may lie in one another.
pub const DEPTH_MAX: u32 = 32;

/// A JSON value without fractions: of numbers only that they are whole is known, for nothing is ever compared with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Boolean,
    Integer,
    Text(String),
    List(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// What stands at a place; nothing if there is none.
    pub(super) fn at(&self, pointer: &Pointer) -> Option<&Self> {
        pointer.as_str().split('/').skip(1).try_fold(self, |at, step| match at {
            Self::List(items) => items.get(index_of(step)?),
            Self::Object(members) => members.get(&step.replace("~1", "/").replace("~0", "~")),
            _ => None,
        })
    }

    /// Whether it is a claim that cites something, and nothing but what was `given`.
    pub(super) fn cites(&self, given: &[Label]) -> bool {
        let Self::Object(members) = self else { return false };
        let Some(Self::List(cites)) = members.get("cites") else { return false };
        let is_given =
            |cited: &Self| matches!(cited, Self::Text(name) if given.iter().any(|label| label.as_str() == name));
        !cites.is_empty() && cites.iter().all(is_given)
    }

    /// Reads `document`; nothing if it is no JSON, names a member twice, holds a fraction or a number beyond 64 bits, or is beyond the
    /// bounds. What is read is counted as it is read, so that few bytes cannot ask for much work.
    pub(super) fn read(document: &[u8]) -> Option<Self> {
        if document.len() > BYTES_MAX {
            return None;
        }
        let mut json = serde_json::Deserializer::from_slice(document);
        let mut left = VALUES_MAX;
        let value = Reader { left: &mut left, depth: 0 }.deserialize(&mut json).ok()?;
        json.end().ok()?;
        Some(value)
    }
}

struct Reader<'a> {
    left: &'a mut u32,
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        if self.depth > DEPTH_MAX {
            return Err(de::Error::custom("too deep"));
        }
        *self.left = self.left.checked_sub(1).ok_or_else(|| de::Error::custom("too many values"))?;
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without fractions")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Boolean)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Integer)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Integer)
    }
    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Reader { left: &mut *self.left, depth: self.depth + 1 })? {
            items.push(item);
        }
        Ok(Value::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Reader { left: &mut *self.left, depth: self.depth + 1 })?;
            if members.insert(name, value).is_some() {
                return Err(de::Error::custom("a member twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_cannot_be_read_alike_everywhere_is_not_read() {
        for good in ["null", " [1, -2, true, \"x\"] ", "{\"a\":{}}", "18446744073709551615"] {
            assert!(Value::read(good.as_bytes()).is_some(), "{good}");
        }
        for bad in ["", "{", "1 2", "0.5", "1e3", "18446744073709551616", "{\"a\":1,\"a\":1}", "\"\\ud800\"", "[1,]"] {
            assert_eq!(Value::read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_bounds_are_where_they_are_said_to_be() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        let depth = DEPTH_MAX as usize + 1;
        assert_eq!([depth, depth + 1].map(|n| Value::read(deep(n).as_bytes()).is_some()), [true, false]);
        let many = |n: u32| alloc::format!("[{}]", alloc::vec!["0"; n as usize].join(","));
        assert_eq!([VALUES_MAX - 1, VALUES_MAX].map(|n| Value::read(many(n).as_bytes()).is_some()), [true, false]);
        let long = |n: usize| alloc::format!("{:?}", "x".repeat(n - 2)).to_string();
        assert_eq!([BYTES_MAX, BYTES_MAX + 1].map(|n| Value::read(long(n).as_bytes()).is_some()), [true, false]);
    }
}
