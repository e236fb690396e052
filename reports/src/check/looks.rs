//! Whether a document is what a schema says, once more and plainly: by the keywords' own words, over whole JSON values.

use serde_json::Value;

/// Whether what stands at `pointer` in `document` is not what `schema` says of that place. What is no JSON of whole numbers is wrong as
/// a whole.
pub(super) fn is_broken(document: &[u8], schema: &Value, pointer: &str) -> bool {
    let read = serde_json::from_slice::<Value>(document).ok().filter(is_whole);
    let Some(document) = read else { return pointer.is_empty() };
    let Some(value) = document.pointer(pointer) else { return false };
    let mut schema = schema;
    let mut at = &document;
    for step in pointer.split('/').skip(1) {
        let part = if at.is_array() { schema.get("items") } else { schema["properties"].get(step) };
        let (Some(part), Some(inner)) = (part, at.pointer(&format!("/{step}"))) else { return false };
        (schema, at) = (part, inner);
    }
    !fits(value, schema)
}

/// Whether a claim stands at `pointer` in `document` that does not name any of what was `given`, and nothing else, in a list `cites`.
pub(super) fn is_uncited(document: &[u8], pointer: &str, given: &[&str]) -> bool {
    let read = serde_json::from_slice::<Value>(document).ok().filter(is_whole);
    // A claim is an item of a list.
    let list = pointer.rsplit_once('/').map_or("", |(list, _)| list);
    let is_item = read.as_ref().and_then(|document| document.pointer(list)).is_some_and(Value::is_array);
    let Some(claim) = read.as_ref().and_then(|document| document.pointer(pointer)).filter(|_| is_item) else {
        return false;
    };
    let cites = claim["cites"].as_array().map_or(&[][..], Vec::as_slice);
    cites.is_empty() || !cites.iter().all(|name| name.as_str().is_some_and(|name| given.contains(&name)))
}

fn is_whole(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64() || number.is_u64(),
        Value::Array(list) => list.iter().all(is_whole),
        Value::Object(members) => members.values().all(is_whole),
        _ => true,
    }
}

fn fits(value: &Value, schema: &Value) -> bool {
    let of_type = match schema["type"].as_str() {
        Some("array") => value.is_array(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_number(),
        Some("null") => value.is_null(),
        Some("object") => value.is_object(),
        Some("string") => value.is_string(),
        _ => true,
    };
    let at_most = |keyword: &str, count: Option<usize>| match (schema[keyword].as_u64(), count) {
        (Some(most), Some(count)) => count as u64 <= most,
        _ => true,
    };
    let among = schema["enum"].as_array().is_none_or(|all| all.contains(value));
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let complete = value.as_object().is_none_or(|members| required.clone().all(|name| members.contains_key(name)));
    of_type
        && among
        && complete
        && at_most("maxItems", value.as_array().map(Vec::len))
        && at_most("maxLength", value.as_str().map(|text| text.chars().count()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_is_held_against_the_part_of_the_schema_that_speaks_of_it() {
        let schema = json!({
            "type": "object", "required": ["a"],
            "properties": { "a": { "type": "array", "maxItems": 2, "items": { "type": "string", "maxLength": 1, "enum": ["x", "yy"] } } },
        });
        let is = |document: &str, pointer: &str| is_broken(document.as_bytes(), &schema, pointer);
        for (document, pointer, broken) in [
            (r#"{"a":["x"]}"#, "", false),
            (r#"{"a":["x"]}"#, "/a/0", false),
            (r#"{"a":["yy"]}"#, "/a/0", true),
            (r#"{"a":["z"]}"#, "/a/0", true),
            (r#"{"a":[1]}"#, "/a/0", true),
            (r#"{"a":[1]}"#, "/a", false),
            (r#"{"a":[1,2,3]}"#, "/a", true),
            (r#"{"a":[1]}"#, "/a/1", false),
            (r#"{"b":1}"#, "", true),
            (r#"{"b":1}"#, "/b", false),
            ("[", "", true),
            ("[", "/a", false),
            ("0.5", "", true),
        ] {
            assert_eq!(is(document, pointer), broken, "{document} at {pointer:?}");
        }
    }

    #[test]
    fn a_claim_cites_what_was_given() {
        let is = |claims: &str, at: &str| {
            is_uncited(format!(r#"{{"claims":{claims}}}"#).as_bytes(), &format!("/claims{at}"), &["a", "b"])
        };
        for (claims, at, uncited) in [
            (r#"[{"cites":["a"]}]"#, "/0", false),
            (r#"[{"cites":["b","a"]}]"#, "/0", false),
            (r#"[{"cites":["b","c"]}]"#, "/0", true),
            (r#"[{"cites":[]}]"#, "/0", true),
            (r#"[{"cites":"a"}]"#, "/0", true),
            (r#"[{}]"#, "/0", true),
            (r#"[{}]"#, "/1", false),
            ("[7]", "/0", true),
            (r#"{"0":{}}"#, "/0", false),
            ("[0.5]", "/0", false),
        ] {
            assert_eq!(is(claims, at), uncited, "{claims} at {at:?}");
        }
    }
}
