//! The JSON Schema of scenario files, made from the structs themselves.

use crate::scenario::Scenario;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use std::sync::OnceLock;

/// The identity of this version of the format. A change that makes valid files invalid, or gives
/// them another meaning, counts the last part up.
const SCHEMA_ID: &str = "urn:can-swarm:scenario:1";

/// The JSON Schema (draft 2020-12) of a scenario file, for editors and other tools.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Scenario>();
    schema.insert("$id".into(), SCHEMA_ID.into());
    schema.insert("title".into(), "CAN Swarm scenario".into());
    schema.into()
}

/// The same without references, so that it can be walked beside a document.
pub(crate) fn flat() -> &'static Value {
    static FLAT: OnceLock<Value> = OnceLock::new();
    FLAT.get_or_init(|| {
        let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
        settings.into_generator().into_root_schema_for::<Scenario>().into()
    })
}
