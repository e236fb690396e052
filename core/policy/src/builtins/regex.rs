//! Regular expressions, in Go's syntax and with Go's answers.

use alloc::string::String;
use alloc::vec::Vec;
use regex::{Captures, Regex, RegexBuilder};
use spin::Once;

use super::syntax::translate;
use super::{Answer, Meter, Stop, int, text};
use crate::schedule;
use crate::value::Value;

/// Most memory of a compiled expression, in bytes. Gas runs out long before.
const COMPILED_BYTES_MAX: usize = 8 << 20;

/// Compiles `pattern`, to be searched for in `text`, and pays for both. Its groups' names stand beside it, by number.
fn compile(meter: &mut Meter, pattern: &str, text: &str) -> Result<(Regex, Vec<String>), Stop> {
    meter.bytes(pattern.len())?;
    let translated = translate(pattern).ok_or(Stop::Undefined)?;
    let weight = usize::try_from(translated.weight).unwrap_or(usize::MAX);
    meter.charge(schedule::REGEX, 1)?;
    meter.charge(schedule::REGEX_BYTE, weight)?;
    meter.charge(schedule::REGEX_STEP, weight.saturating_mul(text.len() + 1))?;
    let compiled = RegexBuilder::new(&translated.pattern).size_limit(COMPILED_BYTES_MAX).build();
    compiled.map(|regex| (regex, translated.names)).map_err(|_| Stop::Undefined)
}

/// The first `n` matches, all if `n` is negative.
pub(super) fn find_n(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let (pattern, base, n) = (text(&arguments[0])?, text(&arguments[1])?, int(&arguments[2])?);
    let (regex, _) = compile(meter, pattern, base)?;
    let many = usize::try_from(n).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for one in regex.find_iter(base).take(many) {
        meter.elements(1)?;
        found.push(Value::string(one.as_str()));
    }
    Ok(Value::Array(found))
}

/// The parts of a string between matches.
pub(super) fn split(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let (pattern, base) = (text(&arguments[0])?, text(&arguments[1])?);
    let (regex, _) = compile(meter, pattern, base)?;
    if base.is_empty() && !pattern.is_empty() {
        return Ok(Value::Array([Value::string("")].into()));
    }
    let (mut parts, mut start, mut end) = (Vec::new(), 0, 0);
    for one in regex.find_iter(base) {
        meter.elements(1)?;
        end = one.start();
        // Nothing stands before an empty match at the front.
        if one.end() != 0 {
            parts.push(Value::string(&base[start..end]));
        }
        start = one.end();
    }
    if end != base.len() {
        parts.push(Value::string(&base[start..]));
    }
    Ok(Value::Array(parts))
}

/// A string with every match replaced by a text in which `$name` stands for a group.
pub(super) fn replace(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let (base, pattern, template) = (text(&arguments[0])?, text(&arguments[1])?, text(&arguments[2])?);
    let (regex, names) = compile(meter, pattern, base)?;
    let (mut out, mut done) = (String::new(), 0);
    for captures in regex.captures_iter(base) {
        let whole = captures.get_match();
        meter.elements(1)?;
        meter.bytes(template.len())?;
        out.push_str(&base[done..whole.start()]);
        expand(meter, &mut out, template, &captures, &names)?;
        done = whole.end();
    }
    out.push_str(&base[done..]);
    Ok(Value::String(out))
}

fn expand(
    meter: &mut Meter,
    out: &mut String,
    template: &str,
    captures: &Captures<'_>,
    names: &[String],
) -> Result<(), Stop> {
    let mut rest = template;
    while let Some((plain, after)) = rest.split_once('$') {
        out.push_str(plain);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = group_name(after) else {
            out.push('$');
            rest = after;
            continue;
        };
        let group = match name.bytes().all(|byte| byte.is_ascii_digit()) {
            true if name.len() == 1 || !name.starts_with('0') => name.parse().ok().and_then(|at| captures.get(at)),
            // Of several groups of one name the first that matched.
            _ => (names.iter().enumerate()).filter(|(_, own)| *own == name).find_map(|(at, _)| captures.get(at)),
        };
        if let Some(group) = group {
            meter.bytes(group.len())?;
            out.push_str(group.as_str());
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(())
}

/// The name of a group after a dollar sign, in braces or as long as it goes.
fn group_name(text: &str) -> Option<(&str, &str)> {
    let (inner, braced) = text.strip_prefix('{').map_or((text, false), |inner| (inner, true));
    // Go's letters and digits: marks and other numbers are neither.
    static WORD: Once<Regex> = Once::new();
    let word = WORD.call_once(|| Regex::new(r"^[\p{L}\p{Nd}_]*").expect("a pattern"));
    let (name, after) = inner.split_at(word.find(inner).map_or(0, |name| name.end()));
    let after = if braced { after.strip_prefix('}')? } else { after };
    (!name.is_empty()).then_some((name, after))
}
