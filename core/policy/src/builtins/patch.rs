//! JSON Patch (RFC 6902), for sets too, where an element is its own key.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Answer, Meter, Stop};
use crate::number::Number;
use crate::value::Value;

/// A document after some changes, all or none.
pub(super) fn json_patch(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let Value::Array(operations) = &arguments[1] else { return Err(Stop::Undefined) };
    // A change may copy the whole document, so each is priced by its size.
    let size = arguments[0].to_string().len();
    meter.bytes(size)?;
    let mut document = Some(arguments[0].clone());
    for operation in operations {
        meter.bytes(size + operation.to_string().len())?;
        apply(&mut document, operation)?;
        meter.bytes(document.as_ref().map_or(0, |document| document.to_string().len()))?;
    }
    document.ok_or(Stop::Undefined)
}

fn apply(document: &mut Option<Value>, operation: &Value) -> Result<(), Stop> {
    let Value::Object(fields) = operation else { return Err(Stop::Undefined) };
    let field = |name: &str| fields.get(&Value::string(name)).ok_or(Stop::Undefined);
    let to = path(field("path")?)?;
    let Value::String(verb) = field("op")? else { return Err(Stop::Undefined) };
    match verb.as_str() {
        "add" => insert(document, &to, field("value")?.clone()),
        "remove" => remove(document, &to).map(drop),
        "replace" => {
            remove(document, &to)?;
            insert(document, &to, field("value")?.clone())
        }
        "move" => {
            let from = path(field("from")?)?;
            // Nothing can be moved into itself.
            if to.len() > from.len() && to.starts_with(&from) {
                return Err(Stop::Undefined);
            }
            let moved = remove(document, &from)?;
            insert(document, &to, moved)
        }
        "copy" => {
            let from = path(field("from")?)?;
            let copied = get(document.as_mut().ok_or(Stop::Undefined)?, &from)?.clone();
            insert(document, &to, copied)
        }
        "test" => {
            let found = get(document.as_mut().ok_or(Stop::Undefined)?, &to)?;
            if found == field("value")? { Ok(()) } else { Err(Stop::Undefined) }
        }
        _ => Err(Stop::Undefined),
    }
}

fn path(value: &Value) -> Result<Vec<Value>, Stop> {
    match value {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => {
            let part = |part: &str| Value::String(part.replace("~1", "/").replace("~0", "~"));
            Ok(text.trim_start_matches('/').split('/').map(part).collect())
        }
        Value::Array(parts) => Ok(parts.clone()),
        _ => Err(Stop::Undefined),
    }
}

/// The place in an array that a part of a path names.
fn index(length: usize, part: &Value) -> Result<usize, Stop> {
    let number = match part {
        Value::Number(number) => number.int(),
        Value::String(text) if text == "-" => return Ok(length),
        Value::String(text) if text != "0" && text.starts_with('0') => None,
        Value::String(text) if text.contains(['e', 'E']) => None,
        Value::String(text) => Number::parse(text).and_then(|number| number.int()),
        _ => None,
    };
    number.and_then(|number| usize::try_from(number).ok()).ok_or(Stop::Undefined)
}

/// What stands at `path`. In a set that is the element itself, which nothing may be put into.
fn get<'a>(value: &'a mut Value, path: &[Value]) -> Result<&'a Value, Stop> {
    let Some((first, rest)) = path.split_first() else { return Ok(value) };
    match value {
        Value::Set(elements) => {
            let element = elements.get(first).ok_or(Stop::Undefined)?;
            if rest.is_empty() { Ok(element) } else { Err(Stop::Undefined) }
        }
        other => get(child(other, first)?, rest),
    }
}

fn child<'a>(value: &'a mut Value, part: &Value) -> Result<&'a mut Value, Stop> {
    match value {
        Value::Object(fields) => fields.get_mut(part).ok_or(Stop::Undefined),
        Value::Array(elements) => {
            let at = index(elements.len(), part)?;
            elements.get_mut(at).ok_or(Stop::Undefined)
        }
        _ => Err(Stop::Undefined),
    }
}

fn parent<'a>(document: &'a mut Option<Value>, path: &[Value]) -> Result<&'a mut Value, Stop> {
    path.iter().try_fold(document.as_mut().ok_or(Stop::Undefined)?, child)
}

fn insert(document: &mut Option<Value>, path: &[Value], value: Value) -> Result<(), Stop> {
    let Some((last, path)) = path.split_last() else {
        *document = Some(value);
        return Ok(());
    };
    match parent(document, path)? {
        Value::Object(fields) => drop(fields.insert(last.clone(), value)),
        Value::Array(elements) => {
            let at = index(elements.len(), last)?;
            if at > elements.len() {
                return Err(Stop::Undefined);
            }
            elements.insert(at, value);
        }
        Value::Set(elements) if *last == value => drop(elements.insert(value)),
        _ => return Err(Stop::Undefined),
    }
    Ok(())
}

fn remove(document: &mut Option<Value>, path: &[Value]) -> Result<Value, Stop> {
    let Some((last, path)) = path.split_last() else { return document.take().ok_or(Stop::Undefined) };
    match parent(document, path)? {
        Value::Object(fields) => fields.remove(last).ok_or(Stop::Undefined),
        Value::Array(elements) => {
            let at = index(elements.len(), last)?;
            if at >= elements.len() { Err(Stop::Undefined) } else { Ok(elements.remove(at)) }
        }
        Value::Set(elements) => elements.take(last).ok_or(Stop::Undefined),
        _ => Err(Stop::Undefined),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_an_array_has_one_spelling() {
        let at = |text: &str| index(3, &Value::string(text));
        assert_eq!(at("-"), Ok(3));
        assert_eq!(at("0"), Ok(0));
        assert_eq!(at("12"), Ok(12));
        for bad in ["00", "01", "-1", "1e1", "x", ""] {
            assert_eq!(at(bad), Err(Stop::Undefined), "{bad}");
        }
    }
}
