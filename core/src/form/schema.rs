//! What a document looks like: a few keywords of JSON Schema 2020-12 with the meaning that they have there, and no others.
//!
//! | keyword | the value here |
//! |---|---|
//! | `type` | is one of `array`, `boolean`, `integer`, `null`, `object`, `string` |
//! | `enum` | is one of these texts |
//! | `maxItems`, `maxLength` | is a list of at most so many items, a text of at most so many characters |
//! | `required` | is an object with these members |
//! | `properties`, `items` | has members, or items, that look like this |
//!
//! As there, a keyword says nothing of a value of another type.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::Pointer;
use super::pointer::index_of;
use super::value::Value;
use crate::id::Digest;
use crate::reject::Reject;

/// How deep schemas may lie in one another.
pub const SCHEMA_DEPTH_MAX: u32 = 8;
/// The most schemas in one.
pub const SCHEMAS_MAX: u32 = 64;
/// The most members that one requires, and texts that it allows.
pub const NAMES_MAX: usize = 64;
/// The longest of these, in bytes. Whatever a schema speaks of can be pointed to.
pub const NAME_BYTES_MAX: usize = 24;

/// A type of JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A list.
    Array,
    /// True or false.
    Boolean,
    /// A whole number of 64 bits; a document holds no other.
    Integer,
    /// Nothing.
    Null,
    /// Members by name.
    Object,
    /// A text.
    String,
}

/// A schema. Its fields are keywords, and stand in their alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Schema {
    /// The texts it may be, rising; any if there are none.
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<String>,
    /// What each item looks like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Box<Schema>>,
    /// The most items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<u32>,
    /// The most characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// What members look like, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Schema>,
    /// Members that must be there, rising.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    /// Its type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
}

impl Schema {
    /// Names it.
    pub fn digest(&self) -> Digest {
        Digest::of_json("swarm/schema", self)
    }

    /// Holds the schema itself against its bounds.
    ///
    /// # Errors
    /// [`Reject::Oversize`] (too deep, too many, a name too long), [`Reject::NonCanonical`] (a list that does not rise, a name of
    /// other characters than letters, digits, `_` and `-`).
    pub fn check(&self) -> Result<(), Reject> {
        self.check_at(0, &mut SCHEMAS_MAX.clone())
    }

    fn check_at(&self, depth: u32, left: &mut u32) -> Result<(), Reject> {
        *left = left.checked_sub(1).filter(|_| depth < SCHEMA_DEPTH_MAX).ok_or(Reject::Oversize)?;
        for list in [&self.one_of, &self.required] {
            if list.len() > NAMES_MAX {
                return Err(Reject::Oversize);
            }
            if !list.windows(2).all(|pair| pair[0] < pair[1]) {
                return Err(Reject::NonCanonical);
            }
        }
        for name in self.one_of.iter().chain(&self.required).chain(self.properties.keys()) {
            if name.len() > NAME_BYTES_MAX {
                return Err(Reject::Oversize);
            }
            if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
                return Err(Reject::NonCanonical);
            }
        }
        self.properties.values().chain(self.items.as_deref()).try_for_each(|part| part.check_at(depth + 1, left))
    }

    /// Whether `value` itself is not what this schema says, whatever is in it.
    fn is_broken_by(&self, value: &Value) -> bool {
        let is = |kind: Kind| {
            matches!(
                (kind, value),
                (Kind::Array, Value::List(_))
                    | (Kind::Boolean, Value::Boolean)
                    | (Kind::Integer, Value::Integer)
                    | (Kind::Null, Value::Null)
                    | (Kind::Object, Value::Object(_))
                    | (Kind::String, Value::Text(_))
            )
        };
        let beyond = |most: Option<u32>, count: usize| most.is_some_and(|most| count > most as usize);
        let not_among = match value {
            Value::Text(text) => !self.one_of.contains(text),
            _ => true,
        };
        self.kind.is_some_and(|kind| !is(kind))
            || (!self.one_of.is_empty() && not_among)
            || match value {
                Value::List(items) => beyond(self.max_items, items.len()),
                Value::Text(text) => beyond(self.max_length, text.chars().count()),
                Value::Object(members) => self.required.iter().any(|name| !members.contains_key(name)),
                _ => false,
            }
    }

    /// The first place in `document` that is not what this schema says, outer before inner.
    pub(super) fn broken_at(&self, document: &Value, here: &Pointer) -> Option<Pointer> {
        if self.is_broken_by(document) {
            return Some(here.clone());
        }
        match document {
            Value::List(list) => {
                let part = self.items.as_deref()?;
                list.iter().enumerate().find_map(|(at, item)| part.broken_at(item, &here.item(at)?))
            }
            Value::Object(members) => {
                self.properties.iter().find_map(|(name, part)| part.broken_at(members.get(name)?, &here.member(name)?))
            }
            _ => None,
        }
    }

    /// Whether what stands at `pointer` in `document` is not what this schema says of that place; not if nothing stands there, or it
    /// says nothing of it.
    pub(super) fn is_broken_at(&self, document: &Value, pointer: &Pointer) -> bool {
        let mut at = Some((self, document));
        for step in pointer.as_str().split('/').skip(1) {
            at = at.and_then(|(schema, value)| match value {
                Value::List(list) => Some((schema.items.as_deref()?, list.get(index_of(step)?)?)),
                Value::Object(members) => Some((schema.properties.get(step)?, members.get(step)?)),
                _ => None,
            });
        }
        at.is_some_and(|(schema, value)| schema.is_broken_by(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::canonical;
    use alloc::format;
    use proptest::prelude::*;

    fn schema(text: &str) -> Schema {
        serde_json::from_str(text).unwrap()
    }

    const BRIEF: &str = r#"{"properties":{"claims":{"items":{"properties":{"about":{"enum":["a","b"],"type":"string"},"says":{"maxLength":3},"value":{"type":"integer"}},"required":["about","value"],"type":"object"},"maxItems":2,"type":"array"}},"required":["claims"],"type":"object"}"#;

    #[test]
    fn a_schema_is_written_as_it_is_read() {
        let brief = schema(BRIEF);
        assert_eq!(brief.check(), Ok(()));
        assert_eq!(canonical::to_vec(&brief), BRIEF.as_bytes());
        assert_ne!(brief.digest(), Schema::default().digest());
    }

    #[test]
    fn the_first_place_that_is_not_so_is_named_and_found_again() {
        let brief = schema(BRIEF);
        let claim = |about: &str, value: &str| format!(r#"{{"about":{about},"value":{value}}}"#);
        let all = |claims: &[&str]| format!(r#"{{"claims":[{}]}}"#, claims.join(","));
        let good = claim("\"a\"", "1");
        for (document, broken) in [
            (all(&[]), None),
            (all(&[&good, &claim("\"b\"", "-7")]), None),
            // Members that it says nothing of may be there.
            (r#"{"claims":[],"more":0}"#.into(), None),
            ("7".into(), Some("")),
            ("{}".into(), Some("")),
            (r#"{"claims":{}}"#.into(), Some("/claims")),
            (all(&[&good, &good, &good]), Some("/claims")),
            (all(&[&good, "7"]), Some("/claims/1")),
            (all(&[r#"{"about":"a"}"#]), Some("/claims/0")),
            (all(&[&claim("\"c\"", "1")]), Some("/claims/0/about")),
            (all(&[&claim("1", "1")]), Some("/claims/0/about")),
            (all(&[&good, &claim("\"a\"", "\"1\"")]), Some("/claims/1/value")),
            (all(&[&claim("\"a\"", "null")]), Some("/claims/0/value")),
            (all(&[r#"{"about":"a","says":"four","value":1}"#]), Some("/claims/0/says")),
            // Characters are counted, not bytes; and of what is no text it says nothing.
            (all(&[r#"{"about":"a","says":"äöü","value":1}"#]), None),
            (all(&[r#"{"about":"a","says":4444,"value":1}"#]), None),
        ] {
            let value = Value::read(document.as_bytes()).unwrap();
            let found = brief.broken_at(&value, &Pointer::default());
            assert_eq!(found.as_ref().map(Pointer::as_str), broken, "{document}");
            for place in
                ["", "/claims", "/claims/0", "/claims/1", "/claims/1/value", "/claims/7", "/more", "/claims/0/about/0"]
            {
                let is_broken = brief.is_broken_at(&value, &place.parse().unwrap());
                assert!(!is_broken || broken.is_some(), "{document} {place}");
                assert!(is_broken || broken != Some(place), "{document} {place}");
            }
        }
    }

    #[test]
    fn what_is_no_schema_is_refused_by_name() {
        for unknown in [
            r#"{"format":"date"}"#,
            r#"{"type":"number"}"#,
            r#"{"type":["null"]}"#,
            r#"{"enum":[1]}"#,
            r#"{"maxItems":-1}"#,
        ] {
            assert!(serde_json::from_str::<Schema>(unknown).is_err(), "{unknown}");
        }
        let nested = |depth: u32| {
            (1..depth).fold(Schema::default(), |inner, _| Schema { items: Some(inner.into()), ..Schema::default() })
        };
        assert_eq!(
            [SCHEMA_DEPTH_MAX, SCHEMA_DEPTH_MAX + 1].map(|n| nested(n).check()),
            [Ok(()), Err(Reject::Oversize)]
        );
        let wide = |n: u32| Schema {
            properties: (1..n).map(|n| (format!("m{n}"), Schema::default())).collect(),
            ..Schema::default()
        };
        assert_eq!([SCHEMAS_MAX, SCHEMAS_MAX + 1].map(|n| wide(n).check()), [Ok(()), Err(Reject::Oversize)]);
        let names = |names: &[&str]| Schema {
            required: names.iter().map(|name| (*name).into()).collect(),
            ..Schema::default()
        };
        assert_eq!(names(&["a", "b"]).check(), Ok(()));
        assert_eq!(names(&["b", "a"]).check(), Err(Reject::NonCanonical));
        assert_eq!(names(&["a/b"]).check(), Err(Reject::NonCanonical));
        assert_eq!(names(&[&"x".repeat(NAME_BYTES_MAX + 1)]).check(), Err(Reject::Oversize));
    }

    proptest! {
        /// Whatever is read: no panic, and the place that is named is broken.
        #[test]
        fn any_document_has_one_answer(text in r#"[\[\]{}",:abclims0-9 ]{0,60}"#) {
            if let Some(value) = Value::read(text.as_bytes()) {
                let found = schema(BRIEF).broken_at(&value, &Pointer::default());
                prop_assert!(found.is_none_or(|place| schema(BRIEF).is_broken_at(&value, &place)));
            }
        }
    }
}
