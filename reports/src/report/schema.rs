//! The published JSON Schemas of the two formats.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use super::{RunReport, SweepReport};

/// The schema of a run's report.
pub fn run_schema() -> Value {
    schema::<RunReport>("urn:can-swarm:report:run:1", "What a run came to")
}

/// The schema of a sweep's report.
pub fn sweep_schema() -> Value {
    schema::<SweepReport>("urn:can-swarm:report:sweep:1", "What a sweep came to")
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

    /// Every field written is described, and every field described as required is written.
    fn covers(schema: &Value, written: &Value) {
        let described = schema["properties"].as_object().unwrap();
        for name in written.as_object().unwrap().keys() {
            assert!(described.contains_key(name), "{name} is written but not described");
        }
        for name in schema["required"].as_array().unwrap() {
            assert!(written.get(name.as_str().unwrap()).is_some(), "{name} is required but not written");
        }
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
        assert_eq!(run_schema()["properties"]["seed"]["pattern"], "^(0|[1-9][0-9]{0,19})$");
        assert_eq!(sweep_schema()["properties"]["deliveries"]["type"], "integer");
    }
}
