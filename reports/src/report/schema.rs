//! The published JSON Schemas of the formats.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use super::{MutantsReport, RunReport, SweepReport};

/// The schema of a run's report.
pub fn run_schema() -> Value {
    schema::<RunReport>("urn:can-swarm:report:run:1", "What a run came to")
}

/// The schema of a sweep's report.
pub fn sweep_schema() -> Value {
    schema::<SweepReport>("urn:can-swarm:report:sweep:1", "What a sweep came to")
}

/// The schema of the report of a hunt for planted bugs.
pub fn mutants_schema() -> Value {
    schema::<MutantsReport>("urn:can-swarm:report:mutants:1", "What the hunt for planted bugs came to")
}

fn schema<T: JsonSchema>(id: &str, title: &str) -> Value {
    // What is written always has every field that is not marked as optional: the schema is of what is written.
    let mut schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    schema.insert("$id".into(), id.into());
    schema.insert("title".into(), title.into());
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{held, violated};
    use crate::report::{Catch, PlantedBug, Unmodified};

    /// Holds `written` against `schema`: types, fields, and what `$ref`, `anyOf` and `enum` say.
    fn fits(root: &Value, schema: &Value, written: &Value) -> Result<(), String> {
        if let Some(name) = schema["$ref"].as_str() {
            return fits(root, root.pointer(name.trim_start_matches('#')).ok_or(name)?, written);
        }
        for any in ["anyOf", "oneOf"] {
            if let Some(choices) = schema[any].as_array() {
                let one = choices.iter().any(|choice| fits(root, choice, written).is_ok());
                return one.then_some(()).ok_or(format!("{written} is none of {choices:?}"));
            }
        }
        let is = match written {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let may = match &schema["type"] {
            Value::String(one) => one == is,
            Value::Array(some) => some.iter().any(|one| one == is),
            _ => true,
        };
        let listed = schema["enum"].as_array().is_none_or(|all| all.contains(written));
        if !may || !listed || schema.get("const").is_some_and(|only| only != written) {
            return Err(format!("{written} is not {schema}"));
        }
        let here = |name: &str, why| format!("{name}: {why}");
        for (name, value) in written.as_object().into_iter().flatten() {
            let field = match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(field), _) => field,
                (None, rest @ Value::Object(_)) => rest,
                _ => return Err(format!("{name} is written but not described")),
            };
            fits(root, field, value).map_err(|why| here(name, why))?;
        }
        if let Value::Object(fields) = written {
            let missing = |name: &&Value| !fields.contains_key(name.as_str().unwrap_or_default());
            if let Some(name) = schema["required"].as_array().into_iter().flatten().find(missing) {
                return Err(format!("{name} is required but not written"));
            }
        }
        let items = written.as_array().into_iter().flatten();
        items.into_iter().try_for_each(|item| fits(root, &schema["items"], item))
    }

    #[track_caller]
    fn covers(schema: &Value, written: &Value) {
        fits(schema, schema, written).unwrap();
    }

    fn hunt() -> MutantsReport {
        let fell = [("P4".to_owned(), "a fence does not rise".to_owned())];
        let caught = Catch { seed: 3, fell: fell.into() };
        let bug = PlantedBug {
            bug: "fence-reused".into(),
            breaks: "A fence is granted twice.".into(),
            scenario: "market".into(),
            expected: "P4".into(),
            caught: Some(caught),
            otherwise: None,
            real_ms: 12,
        };
        let unmodified = Unmodified { scenario: "market".into(), runs: 4, accused: None, real_ms: 7 };
        MutantsReport { version: 1, seeds: 4, held: true, bugs: vec![bug], unmodified: vec![unmodified] }
    }

    #[test]
    fn a_hunt_fits_its_schema_and_what_does_not_is_told() {
        let (schema, written) = (mutants_schema(), serde_json::to_value(hunt()).unwrap());
        covers(&schema, &written);
        for (at, wrong) in [
            ("/held", Value::from(3)),
            ("/bugs/0/caught/seed", Value::from("3")),
            ("/bugs/0/caught/fell/P4", Value::from(3)),
            ("/unmodified/0", Value::Null),
        ] {
            let mut broken = written.clone();
            *broken.pointer_mut(at).unwrap() = wrong;
            assert!(fits(&schema, &schema, &broken).is_err(), "{at}");
        }
        let mut broken = written.clone();
        broken.as_object_mut().unwrap().remove("bugs");
        assert!(fits(&schema, &schema, &broken).unwrap_err().contains("required"));
        let mut broken = written;
        broken["bugs"][0]["more"] = 1.into();
        assert!(fits(&schema, &schema, &broken).unwrap_err().contains("not described"));
    }

    #[test]
    fn schemas_describe_what_is_written() {
        covers(&run_schema(), &serde_json::to_value(held(1)).unwrap());
        covers(&run_schema(), &serde_json::to_value(violated(1)).unwrap());
        covers(&sweep_schema(), &serde_json::to_value(SweepReport::of([&held(1), &violated(2)])).unwrap());
    }

    #[test]
    fn schemas_have_names() {
        assert_eq!(run_schema()["$id"], "urn:can-swarm:report:run:1");
        assert_eq!(sweep_schema()["$id"], "urn:can-swarm:report:sweep:1");
        assert_eq!(mutants_schema()["$id"], "urn:can-swarm:report:mutants:1");
        assert_eq!(run_schema()["properties"]["seed"]["pattern"], "^(0|[1-9][0-9]{0,19})$");
        assert_eq!(sweep_schema()["properties"]["deliveries"]["type"], "integer");
    }
}
