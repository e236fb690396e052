//! How ranges and targets are written in files: a range is one value or `[least, greatest]`, a
//! target is its text. Errors name the rule in square brackets at their end, which is where the
//! scenario lint finds it.

use crate::draw::Between;
use crate::target::{Role, Target};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{I64Deserializer, SeqAccessDeserializer, StrDeserializer, U64Deserializer};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, IntoDeserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

impl<T: Serialize + PartialEq> Serialize for Between<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.min == self.max { self.min.serialize(serializer) } else { [&self.min, &self.max].serialize(serializer) }
    }
}

impl<'de, T: Deserialize<'de> + Copy + PartialOrd> Deserialize<'de> for Between<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrTwo(PhantomData))
    }
}

struct OneOrTwo<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Copy + PartialOrd> Visitor<'de> for OneOrTwo<T> {
    type Value = Between<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one value or a range [least, greatest]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let one: StrDeserializer<'_, E> = text.into_deserializer();
        T::deserialize(one).map(Between::one)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        let one: I64Deserializer<E> = value.into_deserializer();
        T::deserialize(one).map(Between::one)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        let one: U64Deserializer<E> = value.into_deserializer();
        T::deserialize(one).map(Between::one)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let [min, max] = <[T; 2]>::deserialize(SeqAccessDeserializer::new(&mut seq))?;
        if seq.next_element::<IgnoredAny>()?.is_some() {
            let what = "a range of more than two values (write the least and the greatest) [wrong-type]";
            return Err(A::Error::custom(what));
        }
        if max < min {
            return Err(A::Error::custom("the range runs backwards (write the smaller value first) [inverted-range]"));
        }
        Ok(Between { min, max })
    }
}

impl<T: JsonSchema> JsonSchema for Between<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Between_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({
            "description": "One value, or the range [least, greatest] to draw from.",
            "anyOf": [
                one,
                { "type": "array", "items": one, "minItems": 2, "maxItems": 2 },
            ],
        })
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TargetText)
    }
}

struct TargetText;

impl Visitor<'_> for TargetText {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a target such as \"worker:random\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Target, E> {
        text.parse().map_err(|error| {
            E::custom(format_args!(
                "{error} (write `all`, `bus`, `register`, `store`, or a role and a pick: \
                 `worker:0`, `verifier:random`, `coordinator:all`) [bad-target]"
            ))
        })
    }
}

impl JsonSchema for Target {
    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let roles = Role::ALL.map(Role::name).join("|");
        json_schema!({
            "description": "all, bus, register, store, or role:pick where pick is all, random or a number from 0.",
            "type": "string",
            "pattern": format!("^(all|bus|register|store|({roles}):(all|random|[0-9]+))$"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_value_or_two_in_order() {
        let read = |text| serde_json::from_str::<Between<u32>>(text);
        assert_eq!(read("5").unwrap(), Between::one(5));
        assert_eq!(read("[2,9]").unwrap(), Between { min: 2, max: 9 });
        assert!(read("[9,2]").unwrap_err().to_string().contains("[inverted-range]"));
        for bad in ["[1]", "[1,2,3]", "-1", "\"x\"", "4294967296", "{}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(serde_json::to_string(&read("[2,9]").unwrap()).unwrap(), "[2,9]");
        assert_eq!(serde_json::to_string(&read("[2,2]").unwrap()).unwrap(), "2");
    }

    #[test]
    fn a_bad_target_says_what_would_be_one() {
        let error = serde_json::from_str::<Target>("\"boss\"").unwrap_err().to_string();
        assert!(error.contains("worker:0") && error.contains("[bad-target]"), "{error}");
    }
}
