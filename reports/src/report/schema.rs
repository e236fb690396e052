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
    schema::<MutantsReport>("urn:can-swarm:report:mutants:2", "What the hunt for planted bugs came to")
}

fn schema<T: JsonSchema>(id: &str, title: &str) -> Value {
    // What is written always has every field that is not marked as optional: the schema is of what is written.
    let mut schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    schema.insert("$id".into(), id.into());
    schema.insert("title".into(), title.into());
    schema.to_value()
}

#[cfg(test)]
#[path = "../../tests/fits/mod.rs"]
mod fits;

#[cfg(test)]
mod tests {
    use super::fits::fits;
    use super::*;
    use crate::report::fixture::{held, robbed, violated};
    use crate::report::{Catch, PlantedBug, Unmodified};

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
            took: vec![Some(4), None],
            median: None,
            caught: Some(caught),
            otherwise: None,
            real_ms: 12,
        };
        let unmodified = Unmodified { scenario: "market".into(), runs: 4, accused: None, real_ms: 7 };
        MutantsReport {
            version: 2,
            seeds: 4,
            starts: 2,
            held: true,
            bugs: vec![bug],
            unneeded: vec!["P7".to_owned()],
            unmodified: vec![unmodified],
        }
    }

    #[test]
    fn a_hunt_fits_its_schema_and_what_does_not_is_told() {
        let (schema, written) = (mutants_schema(), serde_json::to_value(hunt()).unwrap());
        covers(&schema, &written);
        // A bug that was missed, and the protocol as it is accused.
        let mut missed = hunt();
        missed.held = false;
        missed.bugs[0].otherwise = missed.bugs[0].caught.take();
        missed.unmodified[0].accused.clone_from(&missed.bugs[0].otherwise);
        covers(&schema, &serde_json::to_value(missed).unwrap());
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
        covers(&run_schema(), &serde_json::to_value(robbed(1)).unwrap());
        covers(&run_schema(), &serde_json::to_value(super::super::fixture::beyond(1, true)).unwrap());
        let robbed: Vec<_> = (0..30).map(robbed).collect();
        let sweep = SweepReport::of(&robbed);
        assert_eq!(sweep.pays.len(), 1);
        covers(&sweep_schema(), &serde_json::to_value(sweep).unwrap());
        covers(&sweep_schema(), &serde_json::to_value(SweepReport::of([&held(1), &violated(2)])).unwrap());
    }

    #[test]
    fn schemas_have_names() {
        assert_eq!(run_schema()["$id"], "urn:can-swarm:report:run:1");
        assert_eq!(sweep_schema()["$id"], "urn:can-swarm:report:sweep:1");
        assert_eq!(mutants_schema()["$id"], "urn:can-swarm:report:mutants:2");
        assert_eq!(run_schema()["properties"]["seed"]["pattern"], "^(0|[1-9][0-9]{0,19})$");
        assert_eq!(sweep_schema()["properties"]["deliveries"]["type"], "integer");
    }
}
