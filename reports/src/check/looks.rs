//! What a document is, and whether it is what a schema says, once more and plainly: all of it is read as it stands there, and then held
//! against the bounds and against the keywords' own words.
//!
//! The core reads within the bounds and keeps what it compares; here nothing of that is used. What both say is compared below.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The longest document, in bytes; the most values in one, itself among them; and the most others that one of them may lie in.
const BYTES_MAX: usize = 1_048_576;
const VALUES_MAX: usize = 65_536;
const AROUND_MAX: usize = 32;

/// Whether what stands at `pointer` in a document is not what `schema` says of that place. What cannot be read is wrong as a whole: what is
/// no text (nothing is given then), no JSON, not of whole numbers, names a member twice, or is beyond the bounds.
pub(super) fn is_broken(text: Option<&str>, schema: &Value, pointer: &str) -> bool {
    let Some(document) = read(text) else { return pointer.is_empty() };
    let Some(value) = document.at(pointer) else { return false };
    let mut schema = schema;
    let mut at = &document;
    for step in pointer.split('/').skip(1) {
        let part = if matches!(at, Json::List(_)) { schema.get("items") } else { schema["properties"].get(step) };
        let (Some(part), Some(inner)) = (part, at.at(&format!("/{step}"))) else { return false };
        (schema, at) = (part, inner);
    }
    !fits(value, schema)
}

/// Whether a claim stands at `pointer` in a document that can be read, and does not name any of what was `given`, and nothing else, in a
/// list `cites`.
pub(super) fn is_uncited(text: Option<&str>, pointer: &str, given: &[&str]) -> bool {
    let Some(document) = read(text) else { return false };
    // A claim is an item of a list.
    let list = pointer.rsplit_once('/').map_or("", |(list, _)| list);
    let Some(claim) = document.at(pointer).filter(|_| matches!(document.at(list), Some(Json::List(_)))) else {
        return false;
    };
    let Some(Json::List(cites)) = claim.member("cites") else { return true };
    cites.is_empty() || !cites.iter().all(|name| matches!(name, Json::Text(name) if given.contains(&name.as_str())))
}

/// What stands in a document, members in their order and as often as they are there.
#[derive(Debug)]
enum Json {
    Null,
    Boolean,
    Whole,
    Fraction,
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

fn read(text: Option<&str>) -> Option<Json> {
    let document: Json = serde_json::from_str(text.filter(|text| text.len() <= BYTES_MAX)?).ok()?;
    (document.is_sound(0) && document.values() <= VALUES_MAX).then_some(document)
}

impl Json {
    fn inner(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::List(items) => Box::new(items.iter()),
            Self::Object(members) => Box::new(members.iter().map(|(_, value)| value)),
            _ => Box::new(std::iter::empty()),
        }
    }

    fn values(&self) -> usize {
        1 + self.inner().map(Self::values).sum::<usize>()
    }

    /// Whether all in it is whole and not too deep, with so many `around` it, and each member has a name of its own.
    fn is_sound(&self, around: usize) -> bool {
        let is_own = match self {
            Self::Object(members) => {
                members.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len() == members.len()
            }
            Self::Fraction => false,
            _ => true,
        };
        is_own && around <= AROUND_MAX && self.inner().all(|value| value.is_sound(around + 1))
    }

    fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// What a JSON Pointer points to.
    fn at(&self, pointer: &str) -> Option<&Self> {
        let mut at = self;
        for step in pointer.split('/').skip(1) {
            at = match at {
                Self::List(items) => {
                    let is_plain =
                        step.bytes().all(|byte| byte.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
                    items.get(step.parse::<usize>().ok().filter(|_| is_plain)?)?
                }
                _ => at.member(&step.replace("~1", "/").replace("~0", "~"))?,
            };
        }
        Some(at)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(AsItStands)
    }
}

struct AsItStands;

impl<'de> Visitor<'de> for AsItStands {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Boolean)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Whole)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Whole)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Fraction)
    }
    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

fn fits(value: &Json, schema: &Value) -> bool {
    let is_of_type = schema["type"].as_str().is_none_or(|name| {
        name == match value {
            Json::Null => "null",
            Json::Boolean => "boolean",
            Json::Whole | Json::Fraction => "integer",
            Json::Text(_) => "string",
            Json::List(_) => "array",
            Json::Object(_) => "object",
        }
    });
    let at_most = |keyword: &str, count: usize| schema[keyword].as_u64().is_none_or(|most| count as u64 <= most);
    let is_among = schema["enum"].as_array().is_none_or(|all| match value {
        Json::Text(text) => all.iter().any(|one| one.as_str() == Some(text)),
        _ => false,
    });
    let is_so = match value {
        Json::List(items) => at_most("maxItems", items.len()),
        Json::Text(text) => at_most("maxLength", text.chars().count()),
        Json::Object(_) => {
            let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            required.all(|name| value.member(name).is_some())
        }
        _ => true,
    };
    is_of_type && is_among && is_so
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use swarm_core::form::{self, Form, Pointer, Schema};
    use swarm_core::id::{Label, label};
    use swarm_core::wire::Evidence;

    #[test]
    fn it_is_held_against_the_part_of_the_schema_that_speaks_of_it() {
        let schema = json!({
            "type": "object", "required": ["a"],
            "properties": { "a": { "type": "array", "maxItems": 2, "items": { "type": "string", "maxLength": 1, "enum": ["x", "yy"] } } },
        });
        let is = |document: &str, pointer: &str| is_broken(Some(document), &schema, pointer);
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
            is_uncited(Some(&format!(r#"{{"claims":{claims}}}"#)), &format!("/claims{at}"), &["a", "b"])
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

    /// Says a lot of few places: the members of an object, the items of a list in it.
    const SCHEMA: &str = r#"{"properties":{"a":{"type":"integer"},"claims":{"items":{"properties":{"a":{"maxLength":2},"cites":{"maxItems":2}},"required":["a"],"type":"object"},"type":"array"}},"type":"object"}"#;

    /// Holds what both say of a document against each other, at each of these places: whether it is broken there, and uncited.
    #[track_caller]
    fn agree(document: &[u8], pointers: &[&str]) {
        let (text, out, given) = (std::str::from_utf8(document).ok(), label("out"), [label("x"), label("y")]);
        let names: Vec<&str> = given.iter().map(Label::as_str).collect();
        for schema in [SCHEMA, "{}", r#"{"items":{"type":"array"}}"#, r#"{"maxItems":1,"maxLength":1}"#] {
            let schema: Schema = serde_json::from_str(schema).unwrap();
            let by = schema.digest();
            let plain = serde_json::to_value(&schema).unwrap();
            for pointer in pointers {
                let at: Pointer = pointer.parse().unwrap();
                let about = |form: Form, question: Evidence| {
                    form.faults(&out, document, &given, Some(&question)).contains(&question)
                };
                let broken = Evidence::SchemaViolation { label: out.clone(), pointer: at.clone(), schema: by };
                let form = Form { schema: Some(schema.clone()), ..Form::default() };
                let shown = || String::from_utf8_lossy(&document[..document.len().min(200)]).into_owned();
                assert_eq!(is_broken(text, &plain, pointer), about(form, broken), "{} at {pointer:?}", shown());
                let claims: Pointer = pointer.rsplit_once('/').map_or("", |(list, _)| list).parse().unwrap();
                if !at.is_item_of(&claims) {
                    continue;
                }
                let form = Form { cited: true, claims: Some(claims), schema: Some(schema.clone()) };
                let uncited = Evidence::MissingCitation { label: out.clone(), pointer: at };
                assert_eq!(is_uncited(text, pointer, &names), about(form, uncited), "{} at {pointer:?}", shown());
            }
        }
    }

    const PLACES: [&str; 12] = [
        "",
        "/",
        "/a",
        "/0",
        "/00",
        "/1",
        "/claims",
        "/claims/0",
        "/claims/1",
        "/claims/0/a",
        "/claims/0/cites/0",
        "/a~1b",
    ];

    #[test]
    fn at_the_bounds_the_core_says_the_same() {
        assert_eq!(
            (BYTES_MAX, VALUES_MAX, AROUND_MAX),
            (form::BYTES_MAX, form::VALUES_MAX as usize, form::DEPTH_MAX as usize)
        );
        let is_read = |document: &str| {
            agree(document.as_bytes(), &PLACES);
            read(Some(document)).is_some()
        };
        let around = |n: usize, inner: &str| "[".repeat(n) + inner + &"]".repeat(n);
        for inner in ["", "0", "{}", r#"{"a":0}"#] {
            let most = AROUND_MAX + 1 - usize::from(!inner.is_empty()) - usize::from(inner.len() > 2);
            assert_eq!([most, most + 1].map(|n| is_read(&around(n, inner))), [true, false], "{inner:?}");
        }
        let deep = |n: usize| r#"{"claims":"#.repeat(n) + "[7]" + &"}".repeat(n);
        assert_eq!([AROUND_MAX - 1, AROUND_MAX].map(|n| is_read(&deep(n))), [true, false]);
        assert!(!is_read(&around(200, "")) && !is_read(&around(20_000, "")));
        let many = |n: usize| format!("[{}]", vec!["0"; n].join(","));
        assert_eq!([VALUES_MAX - 1, VALUES_MAX].map(|n| is_read(&many(n))), [true, false]);
        let long = |n: usize| format!(r#"{{"claims":[7],"b":"{}"}}"#, "x".repeat(n - 21));
        assert_eq!(
            [BYTES_MAX, BYTES_MAX + 1].map(|n| (long(n).len(), is_read(&long(n)))),
            [(BYTES_MAX, true), (BYTES_MAX + 1, false)]
        );
        let spaced = |n: usize| format!("[7]{}", " ".repeat(n - 3));
        assert_eq!([BYTES_MAX, BYTES_MAX + 1].map(|n| is_read(&spaced(n))), [true, false]);
    }

    #[test]
    fn of_what_can_be_read_in_several_ways_the_core_says_the_same() {
        for (document, is_read) in [
            (&b"{\"claims\":[7]}"[..], true),
            (b"{\"claims\":[7],\"claims\":[7]}", false),
            (b"{\"claims\":[7],\"b\":{\"a\":1,\"a\":1}}", false),
            (b"{\"claims\":[{\"a\":1,\"\\u0061\":1}]}", false),
            (b"{\"claims\":[{\"a\":1,\"A\":1}]}", true),
            (b"{\"claims\":[7],\"b\":\"\xff\"}", false),
            (b"{\"claims\":[7],\"\xc3\x28\":1}", false),
            (b"{\"claims\":[7],\"b\":\"\xed\xa0\x80\"}", false),
            (b"{\"claims\":[7],\"b\":\"\xef\xbf\xbd\"}", true),
            (b"{\"claims\":[7],\"b\":\"\\ud800\"}", false),
            (b"{\"claims\":[7],\"b\":\"\\ud83d\\ude00\"}", true),
            (b"\xef\xbb\xbf{\"claims\":[7]}", false),
            (b"{\"claims\":[7]}\xff", false),
            (b"{\"claims\":[7]} 1", false),
            (b"[-0]", false),
            (b"[0, -1, 18446744073709551615, -9223372036854775808]", true),
            (b"[18446744073709551616]", false),
            (b"[-9223372036854775809]", false),
            (b"[1.0]", false),
            (b"[1e2]", false),
            (b"[01]", false),
            (b"", false),
        ] {
            let shown = String::from_utf8_lossy(document);
            assert_eq!(read(std::str::from_utf8(document).ok()).is_some(), is_read, "{shown}");
            agree(document, &PLACES);
        }
    }

    /// Text of a value, of members that recur, and of what is no JSON.
    fn written() -> impl Strategy<Value = String> {
        let name = || prop::sample::select(vec!["a", "b", "claims", "cites", "\\u0061", "0"]);
        let leaf = prop::sample::select(vec![
            "null",
            "true",
            "0",
            "-7",
            "0.5",
            "1e3",
            "18446744073709551616",
            "\"x\"",
            "\"y\"",
            "\"zzz\"",
            "\"\u{e4}\"",
            "\"\\ud800\"",
            "",
        ]);
        let list = |item: BoxedStrategy<String>| prop::collection::vec(item, 0..4);
        leaf.prop_map(str::to_owned).prop_recursive(5, 40, 4, move |inner| {
            let member = (name(), inner.clone()).prop_map(|(name, value)| format!("\"{name}\":{value}"));
            prop_oneof![
                list(inner.clone().boxed()).prop_map(|items| format!("[{}]", items.join(","))),
                list(member.boxed()).prop_map(|members| format!("{{{}}}", members.join(","))),
                list(inner.boxed()).prop_map(|items| format!("{{\"claims\":[{}]}}", items.join(","))),
            ]
        })
    }

    proptest! {
        /// Whatever is committed, what the core says of it and what is said here is the same.
        #[test]
        fn of_any_document_the_core_says_the_same(text in written(), cut in any::<prop::sample::Index>(), byte in prop::option::weighted(0.2, any::<u8>())) {
            let mut document = text.into_bytes();
            if let (Some(byte), false) = (byte, document.is_empty()) {
                let at = cut.index(document.len());
                document[at] = byte;
            }
            agree(&document, &PLACES);
        }
    }
}
