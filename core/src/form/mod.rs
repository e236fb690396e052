//! What a need asks of an output besides its name, and how anybody sees whether it is so (PROTOCOL 8: proof classes).
//!
//! Whoever looks reads the committed artifact by its address, never what somebody brings along, within bounds, and comes to the same
//! on every machine.

mod pointer;
mod schema;
mod value;

pub use pointer::{NoPointer, Pointer};
pub use schema::{Kind, NAME_BYTES_MAX, NAMES_MAX, SCHEMA_DEPTH_MAX, SCHEMAS_MAX, Schema};
pub use value::{BYTES_MAX, DEPTH_MAX, VALUES_MAX};

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::Label;
use crate::reject::Reject;
use crate::wire::Evidence;
use value::Value;

/// The form of an output that is a JSON document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// Where its claims stand, if it makes any: the items of a list. No two of them may contradict each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Pointer>,
    /// What it looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Schema>,
}

impl Form {
    /// Holds the form itself against its bounds.
    ///
    /// # Errors
    /// [`Reject::WrongFields`] if it says nothing; as [`Schema::check`].
    pub fn check(&self) -> Result<(), Reject> {
        if self.claims.is_none() && self.schema.is_none() {
            return Err(Reject::WrongFields);
        }
        self.schema.iter().try_for_each(Schema::check)
    }

    /// What anybody can see to be wrong with `document`, the output called `label`: the first place that is not what the schema says,
    /// and what the `question` says if that is so. What cannot be read is wrong as a whole.
    pub fn faults(&self, label: &Label, document: &[u8], question: Option<&Evidence>) -> Vec<Evidence> {
        let Some(schema) = &self.schema else { return Vec::new() };
        let document = Value::read(document);
        let whole = Pointer::default();
        let first = match &document {
            None => Some(whole.clone()),
            Some(document) => schema.broken_at(document, &whole),
        };
        let named = |pointer| Evidence::SchemaViolation { label: label.clone(), pointer, schema: schema.digest() };
        let mut found: Vec<Evidence> = first.map(named).into_iter().collect();
        if let Some(asked @ Evidence::SchemaViolation { label: of, pointer, schema: by }) = question {
            let is_so = document.as_ref().map_or(*pointer == whole, |document| schema.is_broken_at(document, pointer));
            if of == label && *by == schema.digest() && is_so && !found.contains(asked) {
                found.push(asked.clone());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Digest, label};

    #[test]
    fn only_what_is_so_is_found_and_what_is_asked_is_answered() {
        let schema: Schema = serde_json::from_str(r#"{"items":{"type":"integer"},"type":"array"}"#).unwrap();
        let by = schema.digest();
        let form = Form { claims: None, schema: Some(schema) };
        let said = |pointer: &str, schema: Digest| Evidence::SchemaViolation {
            label: label("out"),
            pointer: pointer.parse().unwrap(),
            schema,
        };
        let faults =
            |document: &str, asked: Option<Evidence>| form.faults(&label("out"), document.as_bytes(), asked.as_ref());
        assert_eq!(faults("[1,2]", Some(said("/0", by))), []);
        assert_eq!(faults("[1,null,true]", None), [said("/1", by)]);
        assert_eq!(faults("[1,null,true]", Some(said("/1", by))), [said("/1", by)]);
        assert_eq!(faults("[1,null,true]", Some(said("/2", by))), [said("/1", by), said("/2", by)]);
        assert_eq!(faults("[1,null,true]", Some(said("/2", Digest::default()))), [said("/1", by)], "another schema");
        assert_eq!(faults("[0.5]", Some(said("/0", by))), [said("", by)], "what cannot be read");
        assert_eq!(form.faults(&label("other"), b"[null]", Some(&said("/0", by))).len(), 1, "another output");
        assert_eq!(Form { claims: Some(Pointer::default()), schema: None }.faults(&label("out"), b"", None), []);
        assert_eq!(Form::default().check(), Err(Reject::WrongFields));
    }
}
