//! Numbers of a report that behave unlike numbers.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Real time, in nanoseconds. Two reports that differ in it alone are equal, because a run done again takes another time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RealNs(
    /// Nanoseconds.
    #[serde(with = "crate::wide")]
    #[schemars(schema_with = "crate::wide::schema")]
    pub u64,
);

impl PartialEq for RealNs {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for RealNs {}

/// A rolling 128-bit hash over everything that happened, written as 32 hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceHash(pub u128);

impl fmt::Display for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for TraceHash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceHash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        match u128::from_str_radix(&text, 16).map(Self) {
            Ok(hash) if hash.to_string() == text => Ok(hash),
            _ => Err(D::Error::custom("a trace hash is 32 lower-case hex digits")),
        }
    }
}

impl JsonSchema for TraceHash {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TraceHash".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })
    }
}
