//! The files that are shipped: each one loads without a word from the lint, and the published
//! schema agrees.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use swarm_nemeses::Kind;
use swarm_scenarios::{MARKS, Needs, Property, Scenario, discover, lint_all, load, load_text, needs_schema, schema};

fn shipped() -> Vec<PathBuf> {
    discover(&[Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()]).unwrap()
}

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    let value: toml::Value = toml::from_str(&text).unwrap();
    serde_json::to_value(value).unwrap()
}

#[test]
fn every_shipped_file_is_clean() {
    let files = shipped();
    assert!(files.len() >= 7);
    for report in lint_all(&files) {
        let said: Vec<_> = report.findings().map(ToString::to_string).collect();
        assert!(report.is_clean(), "{said:#?}");
    }
}

#[test]
fn every_shipped_file_teaches_something_and_judges_everything() {
    for path in shipped() {
        let scenario = load(&path).unwrap();
        assert_eq!(scenario.name, path.file_stem().unwrap().to_str().unwrap());
        assert!(scenario.teaches.len() > 20);
        // What has lost its register decides nothing more: it owes safety only.
        let all = Property::ALL.into_iter().filter(|one| !matches!(one, Property::P3 | Property::Decoys));
        assert!(scenario.properties.data_loss || scenario.properties.check == all.collect::<Vec<_>>());
        assert_eq!(scenario.nemeses.len(), scenario.faults.len());
        let needs = scenario.needs.map_or(scenario.workload.needs as usize, |n| n.lines.len());
        assert!((1..=20).contains(&needs));
    }
}

#[test]
fn the_shipped_files_have_every_fault() {
    let met: BTreeSet<Kind> = shipped().iter().flat_map(|path| load(path).unwrap().kinds()).collect();
    assert_eq!(met, Kind::ALL.iter().copied().collect());
    let yardstick = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("chaos-standard.toml")).unwrap();
    assert_eq!((yardstick.shape().coordinators, yardstick.shape().agents(), yardstick.workload.needs), (5, 20, 20));
    // Whatever can bite the register that it runs on.
    let biting = Kind::ALL.iter().copied().filter(|kind| !kind.is_of_etcd() && *kind != Kind::RegisterLost);
    assert_eq!(yardstick.kinds(), biting.filter(|kind| !kind.founds_anew()).collect());
}

/// Every way to lie has its mark and a scenario in which it is tried.
#[test]
fn the_shipped_files_have_every_lie() {
    let scenarios: Vec<Scenario> = shipped().iter().map(|path| load(path).unwrap()).collect();
    let adversaries = scenarios.iter().flat_map(|scenario| &scenario.adversaries);
    let met: BTreeSet<&str> = adversaries.flat_map(|some| some.strategies()).map(|lie| lie.mark()).collect();
    assert_eq!(met, MARKS.iter().map(|mark| mark.name).filter(|name| name.starts_with("lied-")).collect());
}

/// On each register the yardstick draws whatever can bite it, and the lint names the rest to whoever asks for it by name.
#[test]
fn the_yardstick_runs_on_every_register() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("chaos-standard.toml")).unwrap();
    for register in ["embedded", "raft", "etcd"] {
        let mut text = text.replace("register = \"raft\"", &format!("register = \"{register}\""));
        if register != "raft" {
            text = text.replace("fold_entries = 32\n", "");
        }
        let scenario = load_text(Path::new("chaos.toml"), text.clone()).unwrap();
        let bites = |kind: &Kind| match register {
            "etcd" => !kind.is_of_raft() && !matches!(kind, Kind::EtcdRestore | Kind::RegisterLost),
            "raft" => !kind.is_of_etcd() && !kind.founds_anew() && *kind != Kind::RegisterLost,
            _ => !kind.is_of_etcd() && !kind.is_of_raft(),
        };
        assert_eq!(scenario.kinds(), Kind::ALL.iter().copied().filter(bites).collect(), "{register}");
        for kind in Kind::ALL.iter().filter(|kind| !bites(kind) && **kind != Kind::EtcdRestore) {
            let asked = text.replace("[chaos]\n", &format!("[chaos]\nkinds = [\"loss\", \"{kind}\"]\n"));
            let said = load_text(Path::new("chaos.toml"), asked).unwrap_err().report.errors[0].to_string();
            assert!(said.contains(&format!("`{kind}` cannot bite")), "{said}");
        }
    }
}

/// What of `value` the schema does not describe: unknown keys, missing keys, values of another
/// type. Enough of JSON Schema to compare shapes; editors bring the whole of it.
fn strangers(value: &Value, schema: &Value, root: &Value, path: &str, out: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).expect("references resolve");
        return strangers(value, target, root, path, out);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |choice: &Value| {
            let mut out = Vec::new();
            strangers(value, choice, root, path, &mut out);
            out.is_empty()
        };
        if !choices.iter().any(fits) {
            out.push(format!("{path}: fits none of its choices"));
        }
        return;
    }
    let kind = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
    };
    let types: Vec<_> = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => vec![kind],
    };
    if !types.contains(&kind) {
        out.push(format!("{path}: {kind} is not {types:?}"));
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(key) {
            Some(schema) => strangers(inner, schema, root, &format!("{path}.{key}"), out),
            None => out.push(format!("{path}.{key}: unknown")),
        }
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(key).is_none() {
            out.push(format!("{path}.{key}: missing"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        strangers(item, &schema["items"], root, &format!("{path}[]"), out);
    }
}

fn against_the_schema(value: &Value) -> Vec<String> {
    let (root, mut out) = (schema(), Vec::new());
    strangers(value, &root, &root, "", &mut out);
    out
}

#[test]
fn the_schema_describes_the_shipped_files_and_nothing_else() {
    for path in shipped() {
        let mut value = json(&path);
        assert_eq!(against_the_schema(&value), [""; 0], "{}", path.display());
        value["cluster"]["coordinatros"] = 3.into();
        value["workload"]["tasks"] = "many".into();
        assert_eq!(against_the_schema(&value).len(), 2);
    }
    assert_eq!(against_the_schema(&serde_json::json!({})), [".teaches: missing"]);
}

#[test]
fn a_scenario_written_out_reads_back_and_fits_the_schema() {
    for path in shipped() {
        let scenario = load(&path).unwrap();
        let text = toml::to_string(&scenario).unwrap();
        let again: Scenario = toml::from_str(&text).unwrap();
        assert_eq!(again.cluster, scenario.cluster);
        assert_eq!(again.workload, scenario.workload);
        assert_eq!(again.faults, scenario.faults);
        assert_eq!(against_the_schema(&serde_json::to_value(&scenario).unwrap()), [""; 0]);
    }
}

/// The number in the schema of a key: of one value where a range may stand too.
fn number(key: &Value) -> Option<(i64, i64)> {
    let one = key["anyOf"].get(0).unwrap_or(key);
    Some((one["minimum"].as_i64()?, one["maximum"].as_i64()?))
}

#[test]
fn the_bounds_of_the_schema_are_the_lint_s() {
    let schema = schema();
    let mut seen = 0;
    let sections = schema["properties"].as_object().unwrap();
    for (section, shape) in sections {
        let Some(definition) = shape["$ref"].as_str() else { continue };
        let definition = schema.pointer(definition.trim_start_matches('#')).unwrap();
        for (key, (least, greatest)) in
            definition["properties"].as_object().unwrap().iter().filter_map(|(key, shape)| Some((key, number(shape)?)))
        {
            let refused = |value: i64| {
                let text = format!("teaches = \"t\"\n[{section}]\n{key} = {value}\n");
                let failure = load_text(Path::new("x.toml"), text).err();
                failure.is_some_and(|f| f.report.errors.iter().any(|e| e.line == 3 || e.code.name() == "out-of-range"))
            };
            assert!(refused(least - 1), "{section}.{key} = {least} - 1");
            assert!(refused(greatest + 1), "{section}.{key} = {greatest} + 1");
            seen += 1;
        }
    }
    assert!(seen >= 25, "{seen}");
}

#[test]
fn the_schema_knows_what_each_fault_takes() {
    let schema = schema();
    let fault = &schema["$defs"]["FaultSection"];
    let of = |kind: &str| {
        let all = fault["oneOf"].as_array().unwrap();
        all.iter().find(|one| one["properties"]["kind"]["const"] == kind).unwrap().clone()
    };
    assert_eq!(fault["oneOf"].as_array().unwrap().len(), Kind::ALL.len());
    let loss = of("loss");
    assert_eq!(loss["required"], serde_json::json!(["ppm"]));
    assert_eq!(loss["properties"]["who"], false);
    assert!(loss["properties"].get("from").is_none());
    let skew = of("skew");
    assert_eq!(skew["required"], serde_json::json!(["who"]));
    let either = serde_json::json!([{ "required": ["offset"] }, { "required": ["drift_ppm"] }]);
    assert_eq!(skew["anyOf"], either);
    assert_eq!(number(&fault["properties"]["ppm"]), Some((0, 1_000_000)));
}

#[test]
fn the_schema_knows_every_mark() {
    let schema = schema();
    let marks = schema["$defs"]["Properties"]["properties"]["sometimes"]["items"]["oneOf"].as_array().unwrap();
    assert_eq!(marks.len(), MARKS.len());
    assert_eq!(marks[0]["const"], MARKS[0].name);
}

#[test]
fn a_schema_cites_nothing_that_its_reader_does_not_have() {
    for schema in [schema(), needs_schema()] {
        let text = schema.to_string();
        for citation in ["PROTOCOL", "ARCHITECTURE", "crate::", "[`", "null"] {
            assert!(!text.contains(citation), "{citation} in {text}");
        }
    }
}

#[test]
fn the_schema_of_a_needs_file_describes_the_shipped_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("wordcount.needs.jsonl");
    let schema = needs_schema();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let mut out = Vec::new();
        strangers(&serde_json::from_str(line).unwrap(), &schema, &schema, "", &mut out);
        assert_eq!(out, [""; 0]);
    }
    assert_eq!(number(&schema["properties"]["parts"]), Some((1, 64)));
    assert_eq!(schema["required"], serde_json::json!(["recipe"]));
}

#[test]
fn the_schema_has_an_identity_without_a_host() {
    assert_eq!(schema()["$id"], "urn:can-swarm:scenario:1");
}

#[test]
fn the_needs_of_the_real_job_are_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("wordcount.needs.jsonl");
    assert_eq!(Needs::load(&path).unwrap().lines[0].parts, 4);
}

#[test]
fn whoever_lies_is_cast_by_role() {
    let rogues = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rogues.toml")).unwrap();
    let names = |pick: fn(u64) -> u64| -> Vec<Vec<&str>> {
        let cast = rogues.cast(pick);
        cast.values().map(|lies| lies.iter().map(|lie| lie.name()).collect()).collect()
    };
    let last =
        [vec!["whisperer"], vec!["double-need"], vec!["plan-patcher"], vec!["self-challenger"; 3], vec!["sybil"; 5]];
    assert_eq!(names(|of| of - 1), last);
    let first = [
        vec!["early-stopwatch"],
        vec!["double-need"],
        vec!["plan-patcher"],
        vec!["wrong-result"; 3],
        vec!["always-pass"; 5],
    ];
    assert_eq!(names(|_| 0), first);
}
