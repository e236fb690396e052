//! The values of Rego, as text between a module and its host: JSON, and sets besides, and any value as a key.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::number::Number;

/// A value. In OPA's order: by kind as listed here, then by content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Self>),
    Object(BTreeMap<Self, Self>),
    Set(BTreeSet<Self>),
}

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 256;

impl Value {
    /// Reads what [`Value`]'s `Display` and OPA's `opa_value_dump` write.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut parser = Parser { text: core::str::from_utf8(text).ok()?, at: 0 };
        let value = parser.value(0)?;
        parser.space();
        (parser.at == parser.text.len()).then_some(value)
    }

    /// JSON, with sets as arrays in order and keys as text.
    pub(crate) fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out).expect("a string takes all");
        out
    }

    fn write_json(&self, out: &mut String) -> fmt::Result {
        let elements = match self {
            Self::Object(fields) => {
                out.push('{');
                for (at, (key, value)) in fields.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    match key {
                        Self::String(text) => write_json_string(out, text)?,
                        other => write_json_string(out, &other.to_json())?,
                    }
                    out.push(':');
                    value.write_json(out)?;
                }
                out.push('}');
                return Ok(());
            }
            Self::Array(_) | Self::Set(_) => self.elements().unwrap_or_default(),
            scalar => return write!(out, "{scalar}"),
        };
        out.push('[');
        for (at, element) in elements.into_iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            element.write_json(out)?;
        }
        out.push(']');
        Ok(())
    }

    pub(crate) fn string(text: &str) -> Self {
        Self::String(text.into())
    }

    pub(crate) fn int(value: i128) -> Self {
        Self::Number(Number::from(value))
    }

    /// Its elements, if it is an array or a set.
    pub(crate) fn elements(&self) -> Option<Vec<&Self>> {
        match self {
            Self::Array(elements) => Some(elements.iter().collect()),
            Self::Set(elements) => Some(elements.iter().collect()),
            _ => None,
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Whether `token` comes next; if so it is taken.
    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let here = self.text[self.at..].starts_with(token);
        if here {
            self.at += token.len();
        }
        here
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.space();
        match self.peek()? {
            b'"' => Some(Value::String(self.string()?)),
            b'[' => {
                self.at += 1;
                let mut elements = Vec::new();
                self.list("]", |parser| {
                    elements.push(parser.value(depth + 1)?);
                    Some(())
                })?;
                Some(Value::Array(elements))
            }
            b'{' => self.braces(depth),
            b'-' | b'0'..=b'9' => {
                let rest = &self.text[self.at..];
                let numeric = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
                let end = rest.find(|c| !numeric(c)).unwrap_or(rest.len());
                self.at += end;
                Number::parse(&rest[..end]).map(Value::Number)
            }
            _ => {
                let words = [
                    ("null", Value::Null),
                    ("true", Value::Bool(true)),
                    ("false", Value::Bool(false)),
                    ("set()", Value::Set(BTreeSet::new())),
                ];
                words.into_iter().find(|(word, _)| self.eat(word)).map(|(_, value)| value)
            }
        }
    }

    /// Items up to `close`, with commas between them.
    fn list(&mut self, close: &str, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.eat(close) {
            return Some(());
        }
        loop {
            item(self)?;
            if self.eat(close) {
                return Some(());
            }
            if !self.eat(",") {
                return None;
            }
        }
    }

    /// An object, or a set that is not empty: the first colon tells.
    fn braces(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        if self.eat("}") {
            return Some(Value::Object(BTreeMap::new()));
        }
        let first = self.value(depth + 1)?;
        if self.eat(":") {
            let mut fields = BTreeMap::from([(first, self.value(depth + 1)?)]);
            if !self.eat("}") {
                if !self.eat(",") {
                    return None;
                }
                self.list("}", |parser| {
                    let key = parser.value(depth + 1)?;
                    if !parser.eat(":") {
                        return None;
                    }
                    fields.insert(key, parser.value(depth + 1)?);
                    Some(())
                })?;
            }
            return Some(Value::Object(fields));
        }
        let mut elements = BTreeSet::from([first]);
        if !self.eat("}") {
            if !self.eat(",") {
                return None;
            }
            self.list("}", |parser| {
                elements.insert(parser.value(depth + 1)?);
                Some(())
            })?;
        }
        Some(Value::Set(elements))
    }

    /// A string, which stands here in its quotes.
    fn string(&mut self) -> Option<String> {
        let rest = &self.text.as_bytes()[self.at + 1..];
        let mut escaped = false;
        let end = rest.iter().position(|byte| {
            let quote = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            quote
        })?;
        let quoted = &self.text[self.at..self.at + end + 2];
        self.at += end + 2;
        serde_json::from_str(quoted).ok()
    }
}

/// Writes a string in JSON's quotes.
pub(crate) fn write_json_string(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            c if c < ' ' => write!(out, "\\u{:04x}", c as u32)?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separate = |f: &mut fmt::Formatter<'_>, at: usize| if at > 0 { f.write_char(',') } else { Ok(()) };
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => number.fmt(f),
            Self::String(text) => write_json_string(f, text),
            Self::Array(elements) => {
                f.write_char('[')?;
                for (at, element) in elements.iter().enumerate() {
                    separate(f, at)?;
                    element.fmt(f)?;
                }
                f.write_char(']')
            }
            Self::Object(fields) => {
                f.write_char('{')?;
                for (at, (key, value)) in fields.iter().enumerate() {
                    separate(f, at)?;
                    write!(f, "{key}:{value}")?;
                }
                f.write_char('}')
            }
            Self::Set(elements) if elements.is_empty() => f.write_str("set()"),
            Self::Set(elements) => {
                f.write_char('{')?;
                for (at, element) in elements.iter().enumerate() {
                    separate(f, at)?;
                    element.fmt(f)?;
                }
                f.write_char('}')
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "null",
            "true",
            "-12.5e3",
            r#""a\"\\\n\u0001é""#,
            "[]",
            "[1,[2,{}],set()]",
            r#"{"a":{1,2},"b":[null]}"#,
            r#"{1:2,[3]:"x"}"#,
            "{1}",
            "{{1},{2,3}}",
        ] {
            let value = Value::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(value.to_string(), text);
        }
        assert_eq!(Value::parse(b" { 1 , 1.0 } ").unwrap().to_string(), "{1}");
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in ["", "{", "[1", "[1,]", "{1:2,3}", "{1,2:3}", "\"a", "nul", "1 2", "set(", "{,}", "\"\\x\""] {
            assert_eq!(Value::parse(text.as_bytes()), None, "{text}");
        }
        let deep = "[".repeat(1_000_000);
        assert_eq!(Value::parse(deep.as_bytes()), None);
    }
}
