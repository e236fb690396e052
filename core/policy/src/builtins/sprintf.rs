//! `sprintf`, which is that of Go: verbs, flags, and the text it writes where a verb and its value do not go together.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::float::{self, Precision};
use super::{Answer, Meter, Stop, text};
use crate::number::Number;
use crate::value::Value;

/// A value as Go's formatter gets it.
enum Argument {
    Int(i64),
    /// An integer of more than 64 bits, in decimal, with its sign.
    Big(String),
    /// A number with a point or an exponent, as it is written.
    Float(String),
    Text(String),
}

impl Argument {
    fn of(value: &Value) -> Self {
        match value {
            Value::Number(number) => Self::number(number),
            Value::String(text) => Self::Text(text.clone()),
            other => {
                let mut text = String::new();
                write_term(&mut text, other);
                Self::Text(text)
            }
        }
    }

    fn number(number: &Number) -> Self {
        let text = number.text();
        if text.contains(['.', 'e', 'E']) {
            return Self::Float(text.to_owned());
        }
        text.parse().map_or_else(|_| Self::Big(text.to_owned()), Self::Int)
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "int64",
            Self::Big(_) => "*big.Int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
        }
    }
}

/// A value as Rego writes it.
fn write_term(out: &mut String, value: &Value) {
    let list = |out: &mut String, open: &str, items: &[&Value], close: &str| {
        out.push_str(open);
        for (at, item) in items.iter().enumerate() {
            out.push_str(if at > 0 { ", " } else { "" });
            write_term(out, item);
        }
        out.push_str(close);
    };
    match value {
        Value::String(text) => out.push_str(&quote(text, false)),
        Value::Array(elements) => list(out, "[", &elements.iter().collect::<Vec<_>>(), "]"),
        Value::Set(elements) if elements.is_empty() => out.push_str("set()"),
        Value::Set(elements) => list(out, "{", &elements.iter().collect::<Vec<_>>(), "}"),
        Value::Object(fields) => {
            out.push('{');
            for (at, (key, value)) in fields.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write_term(out, key);
                out.push_str(": ");
                write_term(out, value);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// Whether Go prints a character as it is.
fn printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c if c.is_ascii() => false,
        // Rust leaves alone what prints, and besides escapes marks that go on top of the character before.
        c => !c.is_whitespace() && (c.is_alphanumeric() || c.escape_debug().count() == 1),
    }
}

/// A string in Go's quotes.
fn quote(text: &str, ascii: bool) -> String {
    let mut out = String::from("\"");
    text.chars().for_each(|c| escape(&mut out, c, '"', ascii));
    out + "\""
}

fn escape(out: &mut String, c: char, quote: char, ascii: bool) {
    match c {
        '\\' => out.push_str("\\\\"),
        c if c == quote => out.extend(['\\', c]),
        c if printable(c) && (c.is_ascii() || !ascii) => out.push(c),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if c < ' ' || c == '\u{7f}' => *out += &format!("\\x{:02x}", c as u32),
        c if c as u32 > 0xffff => *out += &format!("\\U{:08x}", c as u32),
        c => *out += &format!("\\u{:04x}", c as u32),
    }
}

/// What stands between the percent sign and the verb.
#[derive(Clone, Copy, Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%#v`: as in Go's source.
    source: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

struct Printer<'a> {
    meter: &'a mut Meter,
    out: String,
    flags: Flags,
}

type Done = Result<(), Stop>;

/// `sprintf(format, arguments)`.
pub(super) fn sprintf(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let layout = text(&arguments[0])?;
    let Value::Array(values) = &arguments[1] else { return Err(Stop::Undefined) };
    meter.bytes(layout.len())?;
    meter.elements(values.len())?;
    let values: Vec<Argument> = values.iter().map(Argument::of).collect();
    let mut printer = Printer { meter, out: String::new(), flags: Flags::default() };
    printer.print(layout, &values)?;
    Ok(Value::String(printer.out))
}

/// Highest width, precision or place of an argument that Go takes.
const NUMBER_MAX: usize = 1_000_000;

/// Reads a number at `at`; `None` and the end of the text if it is too large.
fn number(bytes: &[u8], mut at: usize) -> (Option<usize>, usize) {
    let (start, mut value) = (at, 0);
    while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
        if value > NUMBER_MAX {
            return (None, bytes.len());
        }
        value = value * 10 + usize::from(digit - b'0');
        at += 1;
    }
    ((at > start).then_some(value), at)
}

/// Which argument comes next, and how the format came to it.
struct Place {
    next: usize,
    /// An argument was named by its place: then it is no mistake if some are not used.
    reordered: bool,
    good: bool,
}

impl Place {
    /// Reads `[n]` at `at`, if it is there.
    fn read(&mut self, bytes: &[u8], at: usize, count: usize) -> (bool, usize) {
        if bytes.get(at) != Some(&b'[') {
            return (false, at);
        }
        self.reordered = true;
        let Some(close) = bytes[at..].iter().position(|byte| *byte == b']') else {
            self.good = false;
            return (false, at + 1);
        };
        match number(&bytes[..at + close], at + 1) {
            (Some(place), end) if end == at + close && place >= 1 && place <= count => {
                self.next = place - 1;
                (true, at + close + 1)
            }
            (Some(_), end) if end == at + close => {
                self.good = false;
                (true, at + close + 1)
            }
            _ => {
                self.good = false;
                (false, at + close + 1)
            }
        }
    }
}

impl Printer<'_> {
    fn push(&mut self, text: &str) -> Done {
        self.meter.bytes(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    fn print(&mut self, layout: &str, values: &[Argument]) -> Done {
        let bytes = layout.as_bytes();
        let mut place = Place { next: 0, reordered: false, good: true };
        let mut at = 0;
        while at < bytes.len() {
            let plain = layout[at..].find('%').map_or(bytes.len(), |length| at + length);
            self.push(&layout[at..plain])?;
            if plain == bytes.len() {
                break;
            }
            at = self.directive(layout, plain + 1, values, &mut place)?;
        }
        if !place.reordered && place.next < values.len() {
            self.flags = Flags::default();
            self.push("%!(EXTRA ")?;
            for (at, value) in values[place.next..].iter().enumerate() {
                self.push(if at > 0 { ", " } else { "" })?;
                self.push(value.kind())?;
                self.push("=")?;
                self.argument(value, 'v')?;
            }
            self.push(")")?;
        }
        Ok(())
    }

    /// Prints what the directive whose percent sign stands before `at` says; where the text goes on.
    fn directive(
        &mut self,
        layout: &str,
        mut at: usize,
        values: &[Argument],
        place: &mut Place,
    ) -> Result<usize, Stop> {
        let bytes = layout.as_bytes();
        self.flags = Flags::default();
        while let Some(flag) = bytes.get(at) {
            match flag {
                b'#' => self.flags.sharp = true,
                b'0' => self.flags.zero = true,
                b'+' => self.flags.plus = true,
                b'-' => self.flags.minus = true,
                b' ' => self.flags.space = true,
                _ => break,
            }
            at += 1;
        }
        place.good = true;
        let mut after_place;
        (after_place, at) = place.read(bytes, at, values.len());
        if bytes.get(at) == Some(&b'*') {
            at += 1;
            match star(values, place) {
                Some(width) => {
                    self.flags.minus |= width < 0;
                    self.flags.width = Some(width.unsigned_abs());
                }
                None => self.push("%!(BADWIDTH)")?,
            }
            after_place = false;
        } else {
            (self.flags.width, at) = number(bytes, at);
            if after_place && self.flags.width.is_some() {
                place.good = false;
            }
        }
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            if after_place {
                place.good = false;
            }
            (after_place, at) = place.read(bytes, at, values.len());
            if bytes.get(at) == Some(&b'*') {
                at += 1;
                match star(values, place) {
                    Some(precision) if precision >= 0 => self.flags.precision = Some(precision as usize),
                    _ => self.push("%!(BADPREC)")?,
                }
                after_place = false;
            } else {
                let (precision, end) = number(bytes, at);
                (self.flags.precision, at) = (Some(precision.unwrap_or(0)), end);
            }
        }
        if !after_place {
            (_, at) = place.read(bytes, at, values.len());
        }
        let Some(verb) = layout.get(at..).and_then(|rest| rest.chars().next()) else {
            self.push("%!(NOVERB)")?;
            return Ok(bytes.len());
        };
        let at = at + verb.len_utf8();
        if verb == '%' {
            self.push("%")?;
        } else if !place.good {
            self.push(&format!("%!{verb}(BADINDEX)"))?;
        } else if let Some(value) = values.get(place.next) {
            place.next += 1;
            if matches!(verb, 'v' | 'w') {
                // To these verbs two flags mean something else.
                self.flags.source = core::mem::take(&mut self.flags.sharp);
                self.flags.plus &= matches!(value, Argument::Big(_));
            }
            self.argument(value, verb)?;
        } else {
            self.push(&format!("%!{verb}(MISSING)"))?;
        }
        Ok(at)
    }

    fn argument(&mut self, value: &Argument, verb: char) -> Done {
        match (value, verb) {
            (value, 'T') => self.text(value.kind(), None),
            (Argument::Int(value), verb) => self.int(*value, verb),
            (Argument::Big(digits), 'b' | 'd' | 'o' | 'O' | 's' | 'v' | 'x' | 'X') => self.big(digits, verb),
            // Go would tell where it is in memory.
            (Argument::Big(_), 'p' | 'w') => Err(Stop::Undefined),
            (Argument::Big(digits), verb) => self.push(&format!("%!{verb}(big.Int={digits})")),
            (Argument::Float(text), verb) => self.float(text, verb),
            (Argument::Text(text), verb) => self.string(text, verb),
        }
    }

    fn bad_verb(&mut self, value: &Argument, verb: char) -> Done {
        self.push(&format!("%!{verb}({}=", value.kind()))?;
        self.argument(value, 'v')?;
        self.push(")")
    }

    /// Writes `text` in the width that is asked for. Zeros are put on the left only.
    fn pad(&mut self, text: &str, zero: bool) -> Done {
        let missing = self.flags.width.unwrap_or(0).saturating_sub(text.chars().count());
        self.meter.bytes(missing)?;
        let padding = if zero && !self.flags.minus { "0" } else { " " }.repeat(missing);
        if self.flags.minus {
            self.push(text)?;
            self.push(&padding)
        } else {
            self.push(&padding)?;
            self.push(text)
        }
    }

    fn text(&mut self, text: &str, most: Option<usize>) -> Done {
        let most = most.or(self.flags.precision);
        let end = most.and_then(|most| text.char_indices().nth(most)).map_or(text.len(), |(at, _)| at);
        let zero = self.flags.zero;
        self.pad(&text[..end], zero)
    }

    fn string(&mut self, text: &str, verb: char) -> Done {
        match verb {
            'v' if !self.flags.source => self.text(text, None),
            's' => self.text(text, None),
            'v' | 'q' => {
                let end = self.flags.precision.and_then(|most| text.char_indices().nth(most));
                let cut = &text[..end.map_or(text.len(), |(at, _)| at)];
                self.meter.bytes(10 * cut.len())?;
                let raw = |c: char| c != '`' && c != '\u{feff}' && (c == '\t' || (c >= ' ' && c != '\u{7f}'));
                let quoted = match self.flags.sharp && cut.chars().all(raw) {
                    true => format!("`{cut}`"),
                    false => quote(cut, self.flags.plus && verb == 'q'),
                };
                let zero = self.flags.zero;
                self.pad(&quoted, zero)
            }
            'x' | 'X' => {
                let bytes = &text.as_bytes()[..self.flags.precision.unwrap_or(text.len()).min(text.len())];
                self.meter.bytes(6 * bytes.len())?;
                let digits = |byte: &u8| if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") };
                let sign = match self.flags.sharp {
                    true if verb == 'x' => "0x",
                    true => "0X",
                    false => "",
                };
                let all: Vec<String> = bytes.iter().map(digits).collect();
                let hex = match (self.flags.space, all.is_empty()) {
                    (_, true) => String::new(),
                    (true, _) => format!("{sign}{}", all.join(&format!(" {sign}"))),
                    (false, _) => format!("{sign}{}", all.concat()),
                };
                let zero = self.flags.zero;
                self.pad(&hex, zero)
            }
            verb => self.bad_verb(&Argument::Text(text.to_owned()), verb),
        }
    }

    fn int(&mut self, value: i64, verb: char) -> Done {
        let size = value.unsigned_abs();
        let digits = match verb {
            'v' | 'd' => format!("{size}"),
            'b' => format!("{size:b}"),
            'o' | 'O' => format!("{size:o}"),
            'x' => format!("{size:x}"),
            'X' => format!("{size:X}"),
            'c' => return self.pad(&character(value).to_string(), self.flags.zero),
            'q' => {
                let mut out = String::from("'");
                escape(&mut out, character(value), '\'', self.flags.plus);
                return self.pad(&(out + "'"), self.flags.zero);
            }
            'U' => {
                let places = self.flags.precision.filter(|places| *places > 4).unwrap_or(4);
                self.meter.bytes(places)?;
                let mut out = format!("U+{:0>places$}", format!("{:X}", value as u64));
                if self.flags.sharp && printable(character(value)) && u32::try_from(value).is_ok() {
                    out += &format!(" '{}'", character(value));
                }
                return self.pad(&out, false);
            }
            verb => return self.bad_verb(&Argument::Int(value), verb),
        };
        let signed = value < 0 || self.flags.plus || self.flags.space;
        let places = match (self.flags.precision, self.flags.width) {
            (Some(0), _) if value == 0 => return self.pad("", false),
            (Some(precision), _) => precision,
            (None, Some(width)) if self.flags.zero && !self.flags.minus => width.saturating_sub(usize::from(signed)),
            _ => 0,
        };
        self.meter.bytes(places)?;
        let mut digits = format!("{digits:0>places$}");
        if self.flags.sharp {
            match verb {
                'b' => digits.insert_str(0, "0b"),
                'o' | 'O' if !digits.starts_with('0') => digits.insert(0, '0'),
                'x' => digits.insert_str(0, "0x"),
                'X' => digits.insert_str(0, "0X"),
                _ => {}
            }
        }
        if verb == 'O' {
            digits.insert_str(0, "0o");
        }
        self.signed(value < 0, &digits, false)
    }

    /// Writes digits behind the sign that is due.
    fn signed(&mut self, negative: bool, digits: &str, zero: bool) -> Done {
        let sign = match (negative, self.flags.plus, self.flags.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        match self.flags.width {
            // Zeros stand between the sign and the digits.
            Some(width) if zero && !self.flags.minus => {
                let width = width.saturating_sub(sign.len());
                self.meter.bytes(width)?;
                self.push(&format!("{sign}{digits:0>width$}"))
            }
            _ => self.pad(&format!("{sign}{digits}"), false),
        }
    }

    fn big(&mut self, text: &str, verb: char) -> Done {
        let (negative, decimal) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        self.meter.bytes(decimal.len().saturating_mul(decimal.len()))?;
        let (digits, sharp, prefix) = match verb {
            'b' => (rebased(decimal, 2), "0b", ""),
            'o' => (rebased(decimal, 8), "0", ""),
            'O' => (rebased(decimal, 8), "0o", "0o"),
            'x' => (rebased(decimal, 16), "0x", ""),
            'X' => (rebased(decimal, 16).to_uppercase(), "0X", ""),
            _ => (decimal.to_owned(), "", ""),
        };
        let prefix = if self.flags.sharp { sharp } else { prefix };
        let signed = usize::from(negative || self.flags.plus || self.flags.space);
        let places = match (self.flags.precision, self.flags.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if self.flags.zero && !self.flags.minus => width.saturating_sub(signed + prefix.len()),
            _ => 0,
        };
        self.meter.bytes(places)?;
        self.signed(negative, &format!("{prefix}{digits:0>places$}"), false)
    }

    fn float(&mut self, text: &str, verb: char) -> Done {
        let precision = self.flags.precision;
        self.meter.bytes(400 + precision.unwrap_or(0))?;
        let (negative, digits) = match verb {
            'v' | 'g' | 'G' => {
                let wanted = match precision {
                    Some(precision) => Precision::Significant(precision.max(1) - 1),
                    None => Precision::Shortest,
                };
                let number = float::digits(text, wanted).ok_or(Stop::Undefined)?;
                (number.negative, general(&number, precision, verb == 'G'))
            }
            'e' | 'E' => {
                let wanted = Precision::Significant(precision.unwrap_or(6));
                let number = float::digits(text, wanted).ok_or(Stop::Undefined)?;
                (number.negative, scientific(&number.digits, number.exponent, verb == 'E'))
            }
            'f' | 'F' => float::fixed(text, precision.unwrap_or(6)).ok_or(Stop::Undefined)?,
            'b' => float::powers_of_two(text).ok_or(Stop::Undefined)?,
            'x' => float::sixteens(text, precision).ok_or(Stop::Undefined)?,
            'X' => {
                let (negative, digits) = float::sixteens(text, precision).ok_or(Stop::Undefined)?;
                (negative, digits.to_uppercase())
            }
            verb => return self.bad_verb(&Argument::Float(text.to_owned()), verb),
        };
        let digits = if self.flags.sharp && verb != 'b' { pointed(&digits, verb, precision) } else { digits };
        self.meter.bytes(digits.len())?;
        self.signed(negative, &digits, self.flags.zero)
    }
}

/// With a point whatever it is, and with as many digits as were asked for where others leave zeros out.
fn pointed(number: &str, verb: char, precision: Option<usize>) -> String {
    let sixteens = matches!(verb, 'x' | 'X');
    let power = |c: char| matches!(c, 'p' | 'P') || !sixteens && matches!(c, 'e' | 'E');
    let (digits, power) = number.split_at(number.find(power).unwrap_or(number.len()));
    let wanted = if matches!(verb, 'v' | 'g' | 'G' | 'x') { precision.unwrap_or(6) } else { 0 };
    // Go counts from the first that is no zero, and takes the letter of sixteens for one.
    let counted = match digits {
        "0" => 1,
        _ => digits.chars().filter(|c| *c != '.').skip_while(|c| *c == '0').count(),
    };
    let point = if digits.contains('.') { "" } else { "." };
    format!("{digits}{point}{}{power}", "0".repeat(wanted.saturating_sub(counted)))
}

/// The integer that a star stands for.
fn star(values: &[Argument], place: &mut Place) -> Option<isize> {
    let value = values.get(place.next)?;
    place.next += 1;
    match value {
        Argument::Int(value) => isize::try_from(*value).ok().filter(|value| value.unsigned_abs() <= NUMBER_MAX),
        _ => None,
    }
}

/// Decimal digits in another base.
fn rebased(decimal: &str, base: u32) -> String {
    let mut digits: Vec<u32> = decimal.bytes().map(|byte| u32::from(byte - b'0')).collect();
    let mut out = Vec::new();
    while !digits.is_empty() {
        let mut rest = 0;
        for digit in &mut digits {
            rest = rest * 10 + *digit;
            (*digit, rest) = (rest / base, rest % base);
        }
        out.push(char::from_digit(rest, base).expect("less than the base"));
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..zeros);
    }
    out.into_iter().rev().collect()
}

fn character(value: i64) -> char {
    u32::try_from(value).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// With an exponent if the number is very small, or larger than its digits say.
fn general(number: &float::Digits, precision: Option<usize>, capital: bool) -> String {
    let digits = number.digits.trim_end_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    let most = match precision {
        None => 6,
        Some(precision) => {
            let precision = precision.max(1);
            // No more than there are digits, if they reach to the point.
            if precision > digits.len() && digits.len() as i32 > number.exponent { digits.len() } else { precision }
        }
    };
    let large = number.exponent >= most as i32;
    if number.exponent < -4 || large {
        return scientific(digits, number.exponent, capital);
    }
    if number.exponent < 0 {
        return format!("0.{}{digits}", "0".repeat(-number.exponent as usize - 1));
    }
    let whole = number.exponent as usize + 1;
    match digits.len() > whole {
        true => format!("{}.{}", &digits[..whole], &digits[whole..]),
        false => format!("{digits:0<whole$}"),
    }
}

fn scientific(digits: &str, exponent: i32, capital: bool) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let (letter, sign) = (if capital { 'E' } else { 'e' }, if exponent < 0 { '-' } else { '+' });
    format!("{first}{point}{rest}{letter}{sign}{:02}", exponent.unsigned_abs())
}
