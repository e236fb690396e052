//! What is said about a mistake of form, and what it is likely to have meant.

use crate::finding::{Code, Draft};

/// The nearest of `words` to what was written, if any is near.
fn nearest<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: String = written.chars().take(64).collect();
    words
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&written.to_lowercase(), word), word))
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).max(1))
        .min()
        .map(|(_, word)| word)
}

/// The mend for a word that is not one of `words`.
pub(crate) fn did_you_mean<'a>(written: &str, words: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(word) = nearest(written, words.clone()) {
        return format!("did you mean `{word}`?");
    }
    let list: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    format!("known: {}", list.join(", "))
}

/// Turns what serde says into a finding. Errors of this project's own types end in ` (mend) [code]`;
/// the rest is told by serde's fixed wording, and what has none is taken as it stands. `bounds` are those of a whole number there.
pub(crate) fn from_serde(message: &str, otherwise: Code, bounds: Option<(i64, i64)>) -> Draft {
    let message = message.trim();
    if let Some((rest, code)) = message.strip_suffix(']').and_then(|m| m.rsplit_once(" ["))
        && let Some(code) = Code::ALL.iter().find(|known| known.name() == code)
        && let Some((what, mend)) = rest.strip_suffix(')').and_then(|m| m.rsplit_once(" ("))
    {
        return Draft::error(*code, what, mend);
    }
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let others = || words.iter().skip(1).copied();
    let written = words.first().copied().unwrap_or_default();
    if message.starts_with("unknown variant") {
        let what = format!("`{written}` is not known here");
        return Draft::error(Code::UnknownValue, what, did_you_mean(written, others()));
    }
    if message.starts_with("unknown field") {
        let what = format!("`{written}` is no key of this table");
        return Draft::error(Code::UnknownKey, what, did_you_mean(written, others()));
    }
    if message.starts_with("missing field") {
        return missing_key(written);
    }
    if message == "integer number overflowed" {
        let mend = "write a whole number; the greatest anywhere is 18446744073709551615";
        return Draft::error(Code::OutOfRange, "a number of more digits than any can have", mend);
    }
    let expected = message.rsplit_once("expected ").map_or("another value", |(_, what)| what);
    let whole = match expected {
        "u32" => Some((0, u64::from(u32::MAX))),
        "u64" => Some((0, u64::MAX)),
        "i32" => Some((i32::MIN.into(), i32::MAX.unsigned_abs().into())),
        _ => None,
    };
    let whole = whole.map(|ends| bounds.map_or(ends, |(least, greatest)| (least, greatest.unsigned_abs())));
    let mend = match whole {
        Some((min, max)) => format!("write a whole number from {min} to {max}"),
        None if expected.starts_with("struct ") || expected == "a map" => "write a table".to_owned(),
        None => format!("write {expected}"),
    };
    let wide = message.contains("` as i128") || message.contains("` as u128");
    if wide || message.starts_with("invalid value: integer") {
        return Draft::error(Code::OutOfRange, format!("the number {written} does not fit"), mend);
    }
    if message.starts_with("invalid type") || message.starts_with("invalid value") {
        let found = message.split_once(": ").map_or(message, |(_, rest)| rest);
        let found = found.split(", expected").next().unwrap_or(found);
        return Draft::error(Code::WrongType, format!("{found} cannot stand here"), mend);
    }
    if message == "wanted string or table" {
        return Draft::error(Code::WrongType, "only a name can stand here", "write one, in quotes");
    }
    let what = message.lines().collect::<Vec<_>>().join(", ");
    let mend = match otherwise {
        Code::Syntax if message.contains("duplicate") => "take one of the two out",
        Code::Syntax => "see the line shown; quotes, brackets and `=` are the usual suspects",
        _ => "see the JSON Schema for what may stand here",
    };
    Draft::error(otherwise, what, mend)
}

/// The finding about a key that must be there and is not.
pub(crate) fn missing_key(key: &str) -> Draft {
    let mend = match key {
        "teaches" => "add `teaches = \"one line on what the scenario teaches\"`".to_owned(),
        "for" => "add `for = \"30s\"`, or a range".to_owned(),
        _ => format!("add `{key} = ...`"),
    };
    Draft::error(Code::MissingKey, format!("the key `{key}` is missing"), mend)
}
