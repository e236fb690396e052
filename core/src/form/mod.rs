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
    /// Whether each claim names what it rests on: inputs of its task, by their names, in a list called `cites`.
    #[serde(default, skip_serializing_if = "is_not")]
    pub cited: bool,
    /// Where its claims stand, if it makes any: the items of a list. No two of them may contradict each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Pointer>,
    /// What it looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Schema>,
}

fn is_not(cited: &bool) -> bool {
    !cited
}

impl Form {
    /// Holds the form itself against its bounds.
    ///
    /// # Errors
    /// [`Reject::WrongFields`] if it says nothing, or what is cited of claims that there are none of or that no schema has to be kept to; as
    /// [`Schema::check`].
    pub fn check(&self) -> Result<(), Reject> {
        let is_bare = self.claims.is_none() && self.schema.is_none();
        // What cannot be read is for the schema to say.
        if is_bare || (self.cited && (self.claims.is_none() || self.schema.is_none())) {
            return Err(Reject::WrongFields);
        }
        self.schema.iter().try_for_each(Schema::check)
    }

    /// What anybody can see to be wrong with `document`, the output called `label` of a task with inputs of the names `given`: the first
    /// place that is not what the schema says, the first claim that does not cite any of those inputs and nothing else, and what the
    /// `question` says if that is so. What cannot be read is wrong as a whole.
    pub fn faults(
        &self,
        label: &Label,
        document: &[u8],
        given: &[Label],
        question: Option<&Evidence>,
    ) -> Vec<Evidence> {
        let document = Value::read(document);
        let mut found = self.malformed(label, document.as_ref(), question);
        if let (true, Some(claims), Some(document)) = (self.cited, &self.claims, &document)
            && let Some(Value::List(all)) = document.at(claims)
        {
            let named = |pointer| Evidence::MissingCitation { label: label.clone(), pointer };
            let first = all.iter().position(|claim| !claim.cites(given)).and_then(|at| claims.item(at));
            found.extend(first.map(named));
            if let Some(asked @ Evidence::MissingCitation { label: of, pointer }) = question {
                let is_so = document.at(pointer).is_some_and(|claim| !claim.cites(given));
                if of == label && pointer.is_item_of(claims) && is_so && !found.contains(asked) {
                    found.push(asked.clone());
                }
            }
        }
        found
    }

    fn malformed(&self, label: &Label, document: Option<&Value>, question: Option<&Evidence>) -> Vec<Evidence> {
        let Some(schema) = &self.schema else { return Vec::new() };
        let whole = Pointer::default();
        let first = match document {
            None => Some(whole.clone()),
            Some(document) => schema.broken_at(document, &whole),
        };
        let named = |pointer| Evidence::SchemaViolation { label: label.clone(), pointer, schema: schema.digest() };
        let mut found: Vec<Evidence> = first.map(named).into_iter().collect();
        if let Some(asked @ Evidence::SchemaViolation { label: of, pointer, schema: by }) = question {
            let is_so = document.map_or(*pointer == whole, |document| schema.is_broken_at(document, pointer));
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
        let form = Form { schema: Some(schema), ..Form::default() };
        let said = |pointer: &str, schema: Digest| Evidence::SchemaViolation {
            label: label("out"),
            pointer: pointer.parse().unwrap(),
            schema,
        };
        let faults = |document: &str, asked: Option<Evidence>| {
            form.faults(&label("out"), document.as_bytes(), &[], asked.as_ref())
        };
        assert_eq!(faults("[1,2]", Some(said("/0", by))), []);
        assert_eq!(faults("[1,null,true]", None), [said("/1", by)]);
        assert_eq!(faults("[1,null,true]", Some(said("/1", by))), [said("/1", by)]);
        assert_eq!(faults("[1,null,true]", Some(said("/2", by))), [said("/1", by), said("/2", by)]);
        assert_eq!(faults("[1,null,true]", Some(said("/2", Digest::default()))), [said("/1", by)], "another schema");
        assert_eq!(faults("[0.5]", Some(said("/0", by))), [said("", by)], "what cannot be read");
        assert_eq!(form.faults(&label("other"), b"[null]", &[], Some(&said("/0", by))).len(), 1, "another output");
        let plain = Form { claims: Some(Pointer::default()), ..Form::default() };
        assert_eq!(plain.faults(&label("out"), b"", &[], None), []);
        assert_eq!(Form::default().check(), Err(Reject::WrongFields));
        assert_eq!(Form { cited: true, ..form }.check(), Err(Reject::WrongFields), "there are no claims");
        assert_eq!(Form { cited: true, ..plain.clone() }.check(), Err(Reject::WrongFields), "it need not be readable");
        assert_eq!(Form { cited: true, schema: Some(Schema::default()), ..plain }.check(), Ok(()));
    }

    #[test]
    fn a_claim_cites_what_its_task_was_given_and_nothing_else() {
        let form = Form { cited: true, claims: "/claims".parse().ok(), schema: None };
        let missing = |at: &str| Evidence::MissingCitation {
            label: label("out"),
            pointer: alloc::format!("/claims/{at}").parse().unwrap(),
        };
        let (given, asked) = ([label("a"), label("b")], missing("2"));
        let faults = |claims: &str, asked: Option<&Evidence>| {
            let document = alloc::format!(r#"{{"claims":[{claims}]}}"#);
            form.faults(&label("out"), document.as_bytes(), &given, asked)
        };
        let good = r#"{"cites":["a"]},{"cites":["b","a","b"],"value":1}"#;
        assert_eq!(faults(good, None), []);
        assert_eq!(faults(good, Some(&asked)), [], "there is no third");
        for bad in [
            r#"{"cites":[]}"#,
            "{}",
            r#"{"cites":"a"}"#,
            r#"{"cites":["a","c"]}"#,
            r#"{"cites":[["a"]]}"#,
            "7",
            r#"["a"]"#,
        ] {
            assert_eq!(faults(&alloc::format!("{good},{bad}"), None), [missing("2")], "{bad}");
            assert_eq!(faults(&alloc::format!("{bad},{good}"), Some(&missing("1"))), [missing("0")], "{bad}");
            assert_eq!(
                faults(&alloc::format!("{bad},{bad},{bad}"), Some(&asked)),
                [missing("0"), missing("2")],
                "{bad}"
            );
        }
        let elsewhere = Evidence::MissingCitation { label: label("out"), pointer: "/claims".parse().unwrap() };
        assert_eq!(faults("{}", Some(&elsewhere)), [missing("0")], "no claim stands there");
        for none in ["", "[]", r#"{"claims":{"0":{}}}"#, r#"{"claims":[0.5]}"#] {
            assert_eq!(
                form.faults(&label("out"), none.as_bytes(), &given, None),
                [],
                "{none}: that is for a schema to say"
            );
        }
        let loose = Form { cited: false, ..form.clone() };
        assert_eq!(loose.faults(&label("out"), br#"{"claims":[7]}"#, &given, Some(&missing("0"))), []);
    }
}
