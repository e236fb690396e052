//! Semantic versions.

use core::cmp::Ordering;

use super::{Answer, Meter, Stop, text};
use crate::value::Value;

struct Version<'a> {
    numbers: [i64; 3],
    pre: &'a str,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = match text.split_once('+') {
            Some((text, build)) => dotted(build).then_some(text)?,
            None => text,
        };
        let (text, pre) = match text.split_once('-') {
            Some((text, pre)) => (dotted(pre) && !pre.split('.').any(padded)).then_some((text, pre))?,
            None => (text, ""),
        };
        let mut parts = text.split('.');
        let mut number = || {
            let part = parts.next()?;
            let plain = digital(part) && !padded(part);
            plain.then(|| part.parse().ok()).flatten()
        };
        let numbers = [number()?, number()?, number()?];
        parts.next().is_none().then_some(Self { numbers, pre })
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre, other.pre) {
            ("", "") => Ordering::Equal,
            // A version comes after what was released before it.
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (one, other) => {
                let each = one.split('.').zip(other.split('.')).map(|(one, other)| compare_parts(one, other));
                let longer = one.split('.').count().cmp(&other.split('.').count());
                each.chain([longer]).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }
        })
    }
}

fn compare_parts(one: &str, other: &str) -> Ordering {
    match (digital(one), digital(other)) {
        // Longer than 64 bits is the largest of 64 bits.
        (true, true) => {
            let number = |part: &str| part.parse::<i64>().unwrap_or(i64::MAX);
            number(one).cmp(&number(other))
        }
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => one.cmp(other),
    }
}

/// Names of letters, digits and hyphens, with dots between them.
fn dotted(text: &str) -> bool {
    text.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

fn digital(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number with zeros before it.
fn padded(part: &str) -> bool {
    part.len() > 1 && part.starts_with('0') && digital(part)
}

/// Which of two versions is the later one.
pub(super) fn compare(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let (one, other) = (text(&arguments[0])?, text(&arguments[1])?);
    meter.bytes(4 * (one.len() + other.len()))?;
    let version = |text| Version::parse(text).ok_or(Stop::Undefined);
    Ok(Value::int(version(one)?.compare(&version(other)?) as i128))
}

/// Whether something is a version.
pub(super) fn is_valid(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let Ok(text) = text(&arguments[0]) else { return Ok(Value::Bool(false)) };
    meter.bytes(4 * text.len())?;
    Ok(Value::Bool(Version::parse(text).is_some()))
}
