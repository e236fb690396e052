//! Builtins about strings.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Answer, Meter, Stop, int, text};
use crate::value::Value;

/// All places of a string in another, counted in characters. They may overlap.
pub(super) fn indexof_n(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let (base, search) = (text(&arguments[0])?, text(&arguments[1])?);
    if search.is_empty() {
        return Err(Stop::Undefined);
    }
    meter.bytes(base.len().saturating_mul(search.len()))?;
    let places = base.char_indices().enumerate().filter(|(_, (at, _))| base[*at..].starts_with(search));
    Ok(Value::Array(places.map(|(count, _)| Value::int(count as i128)).collect()))
}

/// How often a string is in another, without overlaps.
pub(super) fn count(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let (base, search) = (text(&arguments[0])?, text(&arguments[1])?);
    meter.bytes(base.len().saturating_add(search.len()))?;
    // The empty string is found before every character and at the end.
    Ok(Value::int(base.matches(search).count() as i128))
}

/// The first `n` parts, or the last if `n` is negative.
pub(super) fn split_n(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let (base, delimiter, n) = (text(&arguments[0])?, text(&arguments[1])?, int(&arguments[2])?);
    meter.bytes(base.len().saturating_add(delimiter.len()))?;
    let parts: Vec<&str> =
        if delimiter.is_empty() { base.split_inclusive(|_| true).collect() } else { base.split(delimiter).collect() };
    meter.elements(parts.len())?;
    let many = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX).min(parts.len());
    let kept = if n >= 0 { &parts[..many] } else { &parts[parts.len() - many..] };
    Ok(Value::Array(kept.iter().map(|part| Value::string(part)).collect()))
}

/// Whether any of some strings begins with any of others.
pub(super) fn any_prefix_match(meter: &mut Meter, arguments: &[Value]) -> Answer {
    any_match(meter, arguments, |text, affix| text.starts_with(affix))
}

/// Whether any of some strings ends with any of others.
pub(super) fn any_suffix_match(meter: &mut Meter, arguments: &[Value]) -> Answer {
    any_match(meter, arguments, |text, affix| text.ends_with(affix))
}

fn any_match(meter: &mut Meter, arguments: &[Value], matches: fn(&str, &str) -> bool) -> Answer {
    let (texts, affixes) = (some_texts(&arguments[0])?, some_texts(&arguments[1])?);
    let affix_bytes: usize = affixes.iter().map(|affix| affix.len()).sum();
    meter.elements(texts.len().saturating_mul(affixes.len()))?;
    meter.bytes(texts.len().saturating_mul(affix_bytes))?;
    Ok(Value::Bool(texts.iter().any(|text| affixes.iter().any(|affix| matches(text, affix)))))
}

/// One string, or an array or set of strings.
fn some_texts(value: &Value) -> Result<Vec<&str>, Stop> {
    match value.elements() {
        Some(elements) => elements.into_iter().map(text).collect(),
        None => Ok([text(value)?].into()),
    }
}

/// A glob pattern that matches only `text`.
pub(super) fn glob_quote_meta(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let pattern = text(&arguments[0])?;
    meter.bytes(2 * pattern.len())?;
    let mut quoted = String::with_capacity(2 * pattern.len());
    for c in pattern.chars() {
        if matches!(c, '*' | '?' | '\\' | '[' | ']' | '{' | '}') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    Ok(Value::String(quoted))
}
