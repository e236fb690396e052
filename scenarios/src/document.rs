//! A scenario's text, its tree with the place of every value, and as many of its mistakes of form
//! as can be told at once. Nothing here knows what a scenario means.

use crate::finding::{Code, Draft, Finding, Text};
use crate::scenario::Scenario;
use crate::schema;
use crate::value::shorten;
use crate::wording::{did_you_mean, from_serde, missing_key};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

/// The largest scenario file that is read.
pub const SCENARIO_BYTES_MAX: u64 = 1 << 20;

/// How many mistakes of type are looked for before giving up on a file.
const REPAIRS_MAX: usize = 64;

/// A parsed file. Values with a mistake of form have been taken out, so that the rest can be read
/// and judged; `spoilt` remembers where they were.
pub(crate) struct Document<'t> {
    text: &'t Text,
    table: DeTable<'t>,
    spoilt: BTreeSet<String>,
}

impl<'t> Document<'t> {
    /// Parses the text; mistakes go to `findings`. There is no scenario when the text is not TOML,
    /// or so spoilt that looking further would not help.
    pub fn parse(text: &'t Text, findings: &mut Vec<Finding>) -> (Self, Option<Scenario>) {
        let (table, errors) = DeTable::parse_recoverable(text.inner());
        let mut document = Self { text, table: table.into_inner(), spoilt: BTreeSet::new() };
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            findings.push(from_serde(error.message(), Code::Syntax, None).at(text, span));
        }
        if !errors.is_empty() {
            return (document, None);
        }
        let mut walk = Walk { text, findings, spoilt: BTreeSet::new() };
        walk.table(&mut document.table, schema::flat(), "", 0..0);
        document.spoilt = walk.spoilt;
        let scenario = document.read(findings);
        (document, scenario)
    }

    /// Reads the tree into a scenario, taking out each value that does not fit.
    fn read(&mut self, findings: &mut Vec<Finding>) -> Option<Scenario> {
        for _ in 0..REPAIRS_MAX {
            let table = Spanned::new(0..self.text.inner().len(), self.table.clone());
            let error = match Scenario::deserialize(Deserializer::from(table)) {
                Ok(scenario) => return Some(scenario),
                Err(error) => error,
            };
            let span = error.span().unwrap_or(0..0);
            let path = take_out(&mut self.table, &span, schema::flat(), "");
            let bounds = path.as_deref().and_then(schema::bounds);
            findings.push(from_serde(error.message(), Code::WrongType, bounds).at(self.text, span));
            self.spoilt.insert(path?);
        }
        None
    }

    /// Whether the value at `path` was taken out for a mistake of form: what is said about its
    /// default would mislead.
    pub fn is_spoilt(&self, path: &str) -> bool {
        let above = path.match_indices('.').map(|(at, _)| &path[..at]);
        above.chain([path]).any(|part| self.spoilt.contains(part))
    }

    /// Whether the file itself says something at `path`.
    pub fn says(&self, path: &str) -> bool {
        self.place(path).is_some_and(|(_, found)| found == path.split('.').count())
    }

    /// The place of a value; if the file leaves it out, of the table it would stand in.
    pub fn span(&self, path: &str) -> Range<usize> {
        self.place(path).map_or(0..0, |(span, _)| span)
    }

    /// The deepest part of `path` that is there, and how many of its steps that is. A key with a
    /// plain value is shown together with it.
    fn place(&self, path: &str) -> Option<(Range<usize>, usize)> {
        let mut steps = path.split('.');
        let (key, mut value) = self.table.get_key_value(steps.next()?)?;
        let (mut start, mut depth) = (key.span(), 1);
        for step in steps {
            let next = match value.get_ref() {
                DeValue::Table(table) => table.get_key_value(step).map(|(key, next)| (key.span(), next)),
                DeValue::Array(array) => {
                    let next = step.parse().ok().and_then(|index: usize| array.get(index));
                    next.map(|next| (next.span(), next))
                }
                _ => None,
            };
            let Some(next) = next else { break };
            (start, value) = next;
            depth += 1;
        }
        let is_plain = !matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_));
        let end = if is_plain { value.span().end } else { start.end };
        Some((start.start..end, depth))
    }
}

/// Looks for keys that are unknown or missing, beside the schema.
struct Walk<'w> {
    text: &'w Text,
    findings: &'w mut Vec<Finding>,
    spoilt: BTreeSet<String>,
}

impl Walk<'_> {
    fn table(&mut self, table: &mut DeTable<'_>, schema: &Value, path: &str, span: Range<usize>) {
        let Some(known) = schema["properties"].as_object() else {
            return;
        };
        let unknown: Vec<_> =
            table.keys().filter(|key| !known.contains_key(key.get_ref().as_ref() as &str)).cloned().collect();
        for key in unknown {
            let name: &str = key.get_ref();
            let place = if path.is_empty() { "a scenario".into() } else { format!("`{path}`") };
            let what = format!("`{}` is no key of {place}", shorten(name));
            let mend = match whose(name, path) {
                Some(owner) => format!("it belongs to {owner}"),
                None => did_you_mean(name, known.keys().map(String::as_str)),
            };
            let draft = Draft::error(Code::UnknownKey, what, mend);
            self.findings.push(draft.at(self.text, key.span()));
            table.remove(&key);
        }
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !table.contains_key(key) {
                self.findings.push(missing_key(key).at(self.text, span.clone()));
                self.spoilt.insert(put_in(table, path, key));
            }
        }
        // Read by place instead of by name, an array would pass for a table.
        let arrays = table.iter().filter(|(key, value)| is_untold(value, &known[key.get_ref().as_ref()]));
        let arrays: Vec<_> = arrays.map(|(key, value)| (key.clone(), value.span())).collect();
        for (key, span) in arrays {
            let name: &str = key.get_ref();
            let what = format!("`{}` lists values without their names", shorten(name));
            let draft = Draft::error(Code::WrongType, what, "write a table: each value with its key");
            self.findings.push(draft.at(self.text, span));
            self.spoilt.insert(join(path, name));
            table.remove(&key);
        }
        for (key, value) in table.iter_mut() {
            let name: &str = key.get_ref();
            let (path, schema, span) = (join(path, name), &known[name], value.span());
            match value.get_mut() {
                DeValue::Table(table) => self.table(table, schema, &path, span),
                DeValue::Array(array) => {
                    for (index, item) in array.iter_mut().enumerate() {
                        let span = item.span();
                        if let DeValue::Table(table) = item.get_mut() {
                            self.table(table, &schema["items"], &join(&path, &index.to_string()), span);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// Whether an array stands where `schema` wants a table, or among the tables that it wants a list of.
fn is_untold(value: &Spanned<DeValue<'_>>, schema: &Value) -> bool {
    let DeValue::Array(array) = value.get_ref() else { return false };
    let is_table = |schema: &Value| schema["properties"].is_object();
    let untold = |item: &Spanned<DeValue<'_>>| matches!(item.get_ref(), DeValue::Array(_));
    is_table(schema) || (is_table(&schema["items"]) && array.iter().any(untold))
}

/// The one other table that has a key of that name.
fn whose(key: &str, path: &str) -> Option<String> {
    let sections = schema::flat()["properties"].as_object()?;
    let mut owners = sections.iter().filter_map(|(name, section)| {
        let properties = section["properties"].as_object()?;
        (name != path && properties.contains_key(key)).then(|| format!("`[{name}]`"))
    });
    let owner = owners.next()?;
    owners.next().is_none().then_some(owner)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Puts a value that can be read in the place of one that is missing or spoilt, so that the rest
/// of the file is judged all the same; gives the path about which nothing more may be said.
fn put_in(table: &mut DeTable<'_>, path: &str, key: &str) -> String {
    let value = match key {
        "kind" => "loss",
        "for" => "1ns",
        "at" => "0s",
        "role" => "worker",
        "who" => "worker:random",
        _ => "?",
    };
    let value = DeValue::String(value.into());
    table.insert(Spanned::new(0..0, key.to_owned().into()), Spanned::new(0..0, value));
    // What the other keys of a fault mean hangs on its kind.
    if key == "kind" { path.to_owned() } else { join(path, key) }
}

/// Removes the entry whose value covers the span and is no table itself; gives its path. What the
/// schema requires is replaced instead.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>, schema: &Value, path: &str) -> Option<String> {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        let schema = &schema["properties"][key.get_ref().as_ref()];
        let path = join(path, key.get_ref());
        let covers = value.span().start <= span.start && span.end <= value.span().end;
        let inner = match value.get_mut() {
            DeValue::Table(table) => take_out(table, span, schema, &path),
            DeValue::Array(array) => array.iter_mut().enumerate().find_map(|(index, item)| {
                let DeValue::Table(table) = item.get_mut() else {
                    return None;
                };
                take_out(table, span, &schema["items"], &join(&path, &index.to_string()))
            }),
            _ => None,
        };
        if inner.is_some() {
            return inner;
        }
        if covers {
            found = Some((key.clone(), path));
            break;
        }
    }
    let (key, whole) = found?;
    table.remove(&key);
    let name: &str = key.get_ref();
    let required = schema["required"].as_array().into_iter().flatten().any(|key| key == name);
    Some(if required { put_in(table, path, name) } else { whole })
}
