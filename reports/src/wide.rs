//! The JSON form of what may exceed 2^53: a decimal string, so that no reader loses digits.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number that may exceed 2^53 where a field can be left out: a seed, or nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Wide(
    /// Any 64 bits.
    #[serde(with = "crate::wide")]
    #[schemars(schema_with = "crate::wide::schema")]
    pub u64,
);

/// Writes `value` as a decimal string.
pub fn serialize<S: Serializer>(value: &u64, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(value)
}

/// Reads a decimal string without sign or leading zeros.
pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(d)?;
    let spelled = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    match text.parse() {
        Ok(value) if spelled => Ok(value),
        _ => Err(D::Error::custom("not a decimal string of 64 bits without sign or leading zeros")),
    }
}

/// The schema of such a string.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^(0|[1-9][0-9]{0,19})$" })
}

/// The same for what may be negative, or wider than 64 bits.
pub mod any {
    use std::fmt::Display;
    use std::str::FromStr;

    use schemars::{Schema, SchemaGenerator, json_schema};
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes `value` as a decimal string.
    pub fn serialize<T: Display, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    /// Reads a decimal string in the one way in which it is written.
    pub fn deserialize<'de, T: FromStr + Display, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        match text.parse::<T>() {
            Ok(value) if value.to_string() == text => Ok(value),
            _ => Err(D::Error::custom("not a decimal string in its shortest form")),
        }
    }

    /// The schema of such a string.
    pub fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(0|-?[1-9][0-9]*)$" })
    }
}
