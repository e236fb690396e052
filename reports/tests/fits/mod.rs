//! Whether what was written is what a published schema describes: as much of JSON Schema as the schemas of this project use,
//! and stricter in one way, since a field that is written and not described is wrong here.

use serde_json::Value;

/// Holds `written` against `schema`: types, fields, and what `$ref`, `anyOf` and `enum` say.
pub fn fits(root: &Value, schema: &Value, written: &Value) -> Result<(), String> {
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
