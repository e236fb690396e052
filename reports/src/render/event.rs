//! An event of a history in words: what it is, then each of its fields. The JSON reports have it as it was told.

use serde_json::Value;

use super::human::short;

/// `text`, the JSON of an event, in words; what was cut on its way is shown as it stands.
pub(super) fn in_words(text: &str) -> String {
    let words = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(event)) if event.len() == 1 => {
            let parts = event.iter().map(|(name, fields)| match value(fields) {
                fields if fields.is_empty() => name.replace('-', " "),
                fields => format!("{}: {fields}", name.replace('-', " ")),
            });
            parts.collect()
        }
        _ => text.to_owned(),
    };
    short(&words)
}

fn value(of: &Value) -> String {
    match of {
        Value::Null => "none".to_owned(),
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            // A FINALIZE record is told as the text of its bytes.
            Ok(inner @ Value::Object(_)) => format!("({})", value(&inner)),
            _ => text.clone(),
        },
        Value::Array(items) => items.iter().map(nested).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => {
            let parts = fields.iter().map(|(name, of)| format!("{} {}", name.replace('_', " "), nested(of)));
            parts.collect::<Vec<_>>().join(", ")
        }
        plain => plain.to_string(),
    }
}

fn nested(of: &Value) -> String {
    match of {
        Value::Object(_) => format!("({})", value(of)),
        plain => value(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn events_in_words() {
        let text = r#"{"need-ended":{"how":"failed","need":"n1"}}"#;
        assert_eq!(in_words(text), "need ended: how failed, need n1");
        let text = r#"{"seated":{"seats":["a","b"],"snapshot":{"digest":"d","number":1},"none":null}}"#;
        assert_eq!(in_words(text), "seated: none none, seats a b, snapshot (digest d, number 1)");
        assert_eq!(in_words(r#"{"mark":"outbid"}"#), "mark: outbid");
        assert_eq!(in_words(r#"{"cut":{"a":..."#), r#"{"cut":{"a":..."#);
    }
}
