//! Builtins about arrays, sets, objects and graphs.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Answer, Meter, Stop};
use crate::value::Value;

/// The numbers from one to another, both included, by steps.
pub(super) fn range_step(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let whole = |value: &Value| match value {
        Value::Number(number) => number.whole().ok_or(Stop::Undefined),
        _ => Err(Stop::Undefined),
    };
    let (from, to, step) = (whole(&arguments[0])?, whole(&arguments[1])?, whole(&arguments[2])?);
    if step <= 0 {
        return Err(Stop::Undefined);
    }
    let (mut at, mut numbers) = (Some(from), Vec::new());
    while let Some(number) = at.filter(|at| if from <= to { *at <= to } else { *at >= to }) {
        meter.elements(1)?;
        numbers.push(Value::int(number));
        at = if from <= to { number.checked_add(step) } else { number.checked_sub(step) };
    }
    Ok(Value::Array(numbers))
}

/// Whether all of one thing is in another.
pub(super) fn object_subset(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let (all, part) = (&arguments[0], &arguments[1]);
    match (all, part) {
        (Value::Array(all), Value::Set(part)) => {
            meter.elements(all.len())?;
            // Repeated elements count again, and an array that is empty holds nothing, not even nothing.
            let hits = all.iter().filter(|element| part.contains(element)).count();
            Ok(Value::Bool(!all.is_empty() && hits >= part.len()))
        }
        _ => match within(meter, all, part)? {
            Some(is) => Ok(Value::Bool(is)),
            None => Err(Stop::Undefined),
        },
    }
}

/// Whether `part` is within `all`; `None` if they are not of one kind of collection.
fn within(meter: &mut Meter, all: &Value, part: &Value) -> Result<Option<bool>, Stop> {
    Ok(Some(match (all, part) {
        (Value::Object(all), Value::Object(part)) => {
            for (key, value) in part {
                meter.elements(1)?;
                let Some(other) = all.get(key) else { return Ok(Some(false)) };
                if value != other && within(meter, other, value)? != Some(true) {
                    return Ok(Some(false));
                }
            }
            true
        }
        (Value::Set(all), Value::Set(part)) => {
            meter.elements(part.len())?;
            part.is_subset(all)
        }
        (Value::Array(all), Value::Array(part)) => {
            meter.elements(all.len().saturating_mul(part.len().max(1)))?;
            part.is_empty() || all.windows(part.len()).any(|run| run == part)
        }
        _ => return Ok(None),
    }))
}

/// All ways through a graph from some vertices, each to its end or to where it would come round.
pub(super) fn reachable_paths(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let (Value::Object(graph), Some(starts)) = (&arguments[0], arguments[1].elements()) else {
        return Err(Stop::Undefined);
    };
    let mut paths = BTreeSet::new();
    for start in starts {
        let Some(edges) = graph.get(start) else { continue };
        match edges.elements().unwrap_or_default() {
            edges if edges.is_empty() => {
                paths.insert(Value::Array([start.clone()].into()));
            }
            edges => {
                for next in edges {
                    follow(meter, graph, next, &mut [start.clone()].into(), &mut paths)?;
                }
            }
        }
    }
    Ok(Value::Set(paths))
}

fn follow(
    meter: &mut Meter,
    graph: &BTreeMap<Value, Value>,
    at: &Value,
    path: &mut Vec<Value>,
    paths: &mut BTreeSet<Value>,
) -> Result<(), Stop> {
    meter.elements(path.len())?;
    let Some(edges) = graph.get(at) else {
        paths.insert(Value::Array(path.clone()));
        return Ok(());
    };
    path.push(at.clone());
    let edges = edges.elements().unwrap_or_default();
    if edges.is_empty() {
        paths.insert(Value::Array(path.clone()));
    }
    for next in edges {
        if path.contains(next) {
            meter.elements(path.len())?;
            paths.insert(Value::Array(path.clone()));
        } else {
            follow(meter, graph, next, path, paths)?;
        }
    }
    path.pop();
    Ok(())
}
