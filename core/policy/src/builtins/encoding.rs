//! Digests, and strings as other strings.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine as _;
use core::fmt::Write as _;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};

use super::{Answer, Meter, Stop, text};
use crate::schedule;
use crate::value::Value;

macro_rules! hashes {
    ($($(#[$doc:meta])* $digest:ident of $hash:ty),*; $($(#[$hmac_doc:meta])* $hmac:ident with $inner:ty),* $(,)?) => {
        $(
        $(#[$doc])*
        pub(super) fn $digest(meter: &mut Meter, arguments: &[Value]) -> Answer {
            use sha2::Digest as _;
            let message = hashed(meter, &arguments[0])?;
            Ok(Value::String(HEXLOWER.encode(&<$hash>::digest(message))))
        }
        )*

        $(
        $(#[$hmac_doc])*
        pub(super) fn $hmac(meter: &mut Meter, arguments: &[Value]) -> Answer {
            let (message, key) = (hashed(meter, &arguments[0])?, hashed(meter, &arguments[1])?);
            let mut mac = Hmac::<$inner>::new_from_slice(key).expect("a key of any length is one");
            mac.update(message);
            Ok(Value::String(HEXLOWER.encode(&mac.finalize().into_bytes())))
        }
        )*
    };
}

hashes! {
    /// MD5, in hex.
    md5 of md5::Md5,
    /// SHA-1, in hex.
    sha1 of sha1::Sha1,
    /// SHA-256, in hex.
    sha256 of sha2::Sha256;
    /// HMAC with MD5, in hex.
    hmac_md5 with md5::Md5,
    /// HMAC with SHA-1, in hex.
    hmac_sha1 with sha1::Sha1,
    /// HMAC with SHA-256, in hex.
    hmac_sha256 with sha2::Sha256,
    /// HMAC with SHA-512, in hex.
    hmac_sha512 with sha2::Sha512,
}

fn hashed<'a>(meter: &mut Meter, value: &'a Value) -> Result<&'a [u8], Stop> {
    let bytes = text(value)?.as_bytes();
    meter.charge(schedule::HASH, 1)?;
    meter.charge(schedule::HASHED_BYTE, bytes.len())?;
    Ok(bytes)
}

/// Whether two codes are equal. Nothing here is secret, hence no care is taken about time.
pub(super) fn hmac_equal(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let (one, other) = (text(&arguments[0])?, text(&arguments[1])?);
    meter.bytes(one.len() + other.len())?;
    Ok(Value::Bool(one == other))
}

/// Bytes as a string. What is not UTF-8 becomes the replacement character, byte by byte.
fn lossy(bytes: &[u8]) -> Value {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Value::String(text)
}

/// Hex of a string's bytes.
pub(super) fn hex_encode(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let bytes = text(&arguments[0])?.as_bytes();
    meter.bytes(3 * bytes.len())?;
    Ok(Value::String(HEXLOWER.encode(bytes)))
}

/// The string whose hex it is.
pub(super) fn hex_decode(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let digits = text(&arguments[0])?.as_bytes();
    meter.bytes(2 * digits.len())?;
    data_encoding::HEXLOWER_PERMISSIVE.decode(digits).map(|bytes| lossy(&bytes)).map_err(|_| Stop::Undefined)
}

/// Base64url without padding.
pub(super) fn base64url_encode_no_pad(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let bytes = text(&arguments[0])?.as_bytes();
    meter.bytes(3 * bytes.len())?;
    Ok(Value::String(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)))
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => write!(out, "%{byte:02X}").expect("a string takes all"),
        }
    }
}

fn unescape(text: &str) -> Result<Value, Stop> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(Stop::Undefined);
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        });
    }
    Ok(lossy(&bytes))
}

/// A string as part of the query of a URL.
pub(super) fn urlquery_encode(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let plain = text(&arguments[0])?;
    meter.bytes(4 * plain.len())?;
    let mut out = String::new();
    escape(plain, &mut out);
    Ok(Value::String(out))
}

/// The string that a part of a query is of.
pub(super) fn urlquery_decode(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let escaped = text(&arguments[0])?;
    meter.bytes(2 * escaped.len())?;
    unescape(escaped)
}

/// An object of strings, or of arrays or sets of strings, as a query.
pub(super) fn urlquery_encode_object(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let Value::Object(fields) = &arguments[0] else { return Err(Stop::Undefined) };
    let mut named: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (key, value) in fields {
        let values = match value.elements() {
            Some(elements) => elements.into_iter().map(text).collect::<Result<_, _>>()?,
            None => [text(value)?].into(),
        };
        named.insert(key_text(key), values);
    }
    let mut out = String::new();
    for (key, values) in &named {
        for value in values {
            meter.bytes(4 * (key.len() + value.len() + 2))?;
            if !out.is_empty() {
                out.push('&');
            }
            escape(key, &mut out);
            out.push('=');
            escape(value, &mut out);
        }
    }
    Ok(Value::String(out))
}

/// The object of arrays of strings that a query says.
pub(super) fn urlquery_decode_object(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let query = text(&arguments[0])?;
    meter.bytes(4 * query.len())?;
    let mut fields: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        if part.contains(';') {
            return Err(Stop::Undefined);
        }
        meter.elements(1)?;
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        fields.entry(unescape(key)?).or_default().push(unescape(value)?);
    }
    Ok(Value::Object(fields.into_iter().map(|(key, values)| (key, Value::Array(values))).collect()))
}

/// A key as JSON has it: strings as they are, others as their text.
fn key_text(key: &Value) -> String {
    match key {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How JSON is laid out: what stands before every line, and once more for each level.
struct Layout<'a> {
    prefix: &'a str,
    indent: &'a str,
}

/// JSON, laid out over lines if asked.
pub(super) fn json_marshal_with_options(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let Value::Object(options) = &arguments[1] else { return Err(Stop::Undefined) };
    let (mut layout, mut wanted, mut implied) = (Layout { prefix: "", indent: "\t" }, None, false);
    for (key, value) in options {
        match text(key)? {
            "prefix" => (layout.prefix, implied) = (text(value)?, true),
            "indent" => (layout.indent, implied) = (text(value)?, true),
            "pretty" => match value {
                Value::Bool(pretty) => wanted = Some(*pretty),
                _ => return Err(Stop::Undefined),
            },
            _ => return Err(Stop::Undefined),
        }
    }
    let mut out = String::new();
    if wanted.unwrap_or(implied) {
        out.push_str(layout.prefix);
        write_json(meter, &mut out, &arguments[0], Some(&layout), 0)?;
    } else {
        write_json(meter, &mut out, &arguments[0], None, 0)?;
    }
    Ok(Value::String(out))
}

fn write_json(
    meter: &mut Meter,
    out: &mut String,
    value: &Value,
    layout: Option<&Layout<'_>>,
    depth: usize,
) -> Result<(), Stop> {
    let line = |meter: &mut Meter, out: &mut String, depth: usize| {
        let Some(layout) = layout else { return Ok(()) };
        meter.bytes(1 + layout.prefix.len() + depth * layout.indent.len())?;
        out.push('\n');
        out.push_str(layout.prefix);
        (0..depth).for_each(|_| out.push_str(layout.indent));
        Ok(())
    };
    let [open, close] = match value {
        Value::Object(_) => ['{', '}'],
        _ => ['[', ']'],
    };
    let items: Vec<(Option<String>, &Value)> = match value {
        Value::Object(fields) => {
            let named: BTreeMap<String, &Value> = fields.iter().map(|(key, value)| (key_text(key), value)).collect();
            named.into_iter().map(|(key, value)| (Some(key), value)).collect()
        }
        Value::Array(_) | Value::Set(_) => {
            value.elements().unwrap_or_default().into_iter().map(|element| (None, element)).collect()
        }
        Value::String(text) => return write_go_string(meter, out, text),
        scalar => {
            let text = scalar.to_string();
            meter.bytes(text.len())?;
            out.push_str(&text);
            return Ok(());
        }
    };
    meter.elements(items.len() + 1)?;
    out.push(open);
    for (at, (key, item)) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        line(meter, out, depth + 1)?;
        if let Some(key) = key {
            write_go_string(meter, out, key)?;
            out.push_str(if layout.is_some() { ": " } else { ":" });
        }
        write_json(meter, out, item, layout, depth + 1)?;
    }
    if !items.is_empty() {
        line(meter, out, depth)?;
    }
    out.push(close);
    Ok(())
}

/// A string as Go's JSON has it, which may stand in HTML.
fn write_go_string(meter: &mut Meter, out: &mut String, text: &str) -> Result<(), Stop> {
    meter.bytes(2 * text.len() + 2)?;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..=' ' if c != ' ' => write!(out, "\\u{:04x}", c as u32).expect("a string takes all"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", c as u32).expect("a string takes all");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    Ok(())
}
