//! Amounts with a unit behind them.

use alloc::format;
use alloc::string::{String, ToString};

use num_bigint::BigUint;

use super::{Answer, Meter, Stop, text};
use crate::number::Number;
use crate::schedule;
use crate::value::Value;

/// Splits an amount from its unit, as far as the amount looks like a number.
fn split(text: &str) -> Option<(&str, &str)> {
    const EXPONENT_DIGITS_MAX: usize = 6;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let numeric = bytes[at].is_ascii_digit() || matches!(bytes[at], b'.' | b'e' | b'E' | b'+' | b'-');
        if !numeric {
            break;
        }
        if matches!(bytes[at], b'e' | b'E') {
            match bytes.get(at + 1) {
                Some(b'+' | b'-') => at += 1,
                Some(next) if next.is_ascii_digit() => {}
                _ => break,
            }
            let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits > EXPONENT_DIGITS_MAX {
                return None;
            }
        }
        at += 1;
    }
    Some(text.split_at(at))
}

/// A decimal as its digits and the power of ten they stand for, without zeros at its end.
fn decimal(meter: &mut Meter, text: &str) -> Result<(bool, BigUint, i32), Stop> {
    let (negative, text) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, power) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().map_err(|_| Stop::Undefined)?),
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Stop::Undefined);
    }
    let kept = digits.trim_end_matches('0');
    let power = power - part.len() as i32 + (digits.len() - kept.len()) as i32;
    long(meter, kept.len())?;
    Ok((negative, kept.parse().unwrap_or_default(), power))
}

/// Pays for a computation with numbers of so many digits.
fn long(meter: &mut Meter, digits: usize) -> Result<(), Stop> {
    meter.charge(schedule::BYTE, digits.saturating_mul(digits) / 64)
}

fn number(negative: bool, digits: &str) -> Answer {
    let sign = if negative && digits.bytes().any(|digit| matches!(digit, b'1'..=b'9')) { "-" } else { "" };
    Number::parse(&format!("{sign}{digits}")).map(Value::Number).ok_or(Stop::Undefined)
}

/// An amount of anything: 10K, 1.5Gi, 100m.
pub(super) fn parse(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let raw = text(&arguments[0])?;
    meter.bytes(4 * raw.len())?;
    meter.elements(4)?;
    let plain = raw.replace('"', "");
    if plain.contains(' ') {
        return Err(Stop::Undefined);
    }
    let (amount, unit) = split(&plain).ok_or(Stop::Undefined)?;
    // Only the first letter's case tells: m is a thousandth, M a million.
    let mut letters = unit.chars();
    let unit: String = letters.next().into_iter().chain(letters.flat_map(char::to_lowercase)).collect();
    let (negative, value, power) = decimal(meter, amount)?;
    // The factor is a fraction of a power of two. OPA's thousandth is the nearest binary fraction of 53 bits.
    let (factor, halvings) = match unit.as_str() {
        "m" => (1_152_921_504_606_847, 60),
        unit => (factor(unit).ok_or(Stop::Undefined)?, 0),
    };
    let product = value * factor;
    if halvings == 0 && power >= 0 {
        meter.bytes(power as usize)?;
        let zeros = if product.bits() == 0 { 0 } else { power as usize };
        return number(negative, &(product.to_string() + &"0".repeat(zeros)));
    }
    // A fraction, to ten digits behind the point, halves rounded up.
    const PLACES: u32 = 10;
    long(meter, amount.len() + power.unsigned_abs() as usize)?;
    let ten = BigUint::from(10_u8);
    let (above, below): (BigUint, BigUint) = match power {
        0.. => (product * ten.pow(power.unsigned_abs()), BigUint::from(1_u8) << halvings),
        _ => (product, ten.pow(power.unsigned_abs()) << halvings),
    };
    let (whole, left) = (&above / &below, &above % &below);
    if left.bits() == 0 {
        return number(negative, &whole.to_string());
    }
    let tenths = (above * ten.pow(PLACES) * 2_u8 + &below) / (below * 2_u8);
    let digits = format!("{:0>11}", tenths.to_string());
    let (whole, part) = digits.split_at(digits.len() - PLACES as usize);
    number(negative, &format!("{whole}.{part}"))
}

/// An amount of bytes: 10KB, 1.5GiB. Whole bytes, what is left over is dropped.
pub(super) fn parse_bytes(meter: &mut Meter, arguments: &[Value]) -> Answer {
    let raw = text(&arguments[0])?;
    meter.bytes(4 * raw.len())?;
    meter.elements(4)?;
    let plain = raw.to_lowercase().replace('"', "");
    if plain.contains(' ') {
        return Err(Stop::Undefined);
    }
    let (amount, unit) = split(&plain).ok_or(Stop::Undefined)?;
    let unit = match unit.strip_suffix('b') {
        Some("") => return Err(Stop::Undefined),
        Some(unit) => unit,
        None => unit,
    };
    let factor = factor(unit).ok_or(Stop::Undefined)?;
    let (negative, value, power) = decimal(meter, amount)?;
    long(meter, amount.len() + power.unsigned_abs() as usize)?;
    let total = Binary::decimal(value, power).times(&factor.into(), BITS);
    number(negative, &total.whole().to_string())
}

/// The factor of a unit.
fn factor(unit: &str) -> Option<u64> {
    let lower = unit.to_ascii_lowercase();
    let letter = lower.trim_end_matches('i');
    if lower.len() - letter.len() > 1 {
        return None;
    }
    let power = match letter {
        "" if lower.is_empty() => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return None,
    };
    Some(if letter.len() == lower.len() { 1_000_u64.pow(power) } else { 1 << (10 * power) })
}

/// Bits of the fractions that OPA counts bytes with.
const BITS: u64 = 64;
/// Bits of the powers of five that it reads a decimal with, and of what it makes those of.
const POWER_BITS: u64 = 128;
const SQUARE_BITS: u64 = 192;

/// A binary fraction, rounded to so many bits after each step, to nearest and ties to even. OPA counts bytes with these, and drops what
/// is left over, so a product that comes out a little below a whole number is one less.
#[derive(Clone)]
struct Binary {
    mantissa: BigUint,
    /// The value is the mantissa times two to this.
    exponent: i64,
}

impl From<u64> for Binary {
    fn from(value: u64) -> Self {
        Self { mantissa: value.into(), exponent: 0 }
    }
}

impl Binary {
    /// Its highest bits; `sticky` says that the lower end is not all there.
    fn rounded(self, bits: u64, sticky: bool) -> Self {
        let cut = self.mantissa.bits().saturating_sub(bits);
        if cut == 0 {
            return self;
        }
        let mut kept = &self.mantissa >> cut;
        let low = self.mantissa.trailing_zeros().unwrap_or(0);
        // Above a half, or at it: to even, unless something more was left over.
        if self.mantissa.bit(cut - 1) && (low < cut - 1 || sticky || kept.bit(0)) {
            kept += 1_u8;
        }
        Self { mantissa: kept, exponent: self.exponent + cut as i64 }
    }

    fn times(&self, other: &Self, bits: u64) -> Self {
        let mantissa = &self.mantissa * &other.mantissa;
        Self { mantissa, exponent: self.exponent + other.exponent }.rounded(bits, false)
    }

    fn over(&self, other: &Self, bits: u64) -> Self {
        // A quotient of enough bits to round by, and what is left over.
        let lift = bits + 2 + other.mantissa.bits();
        let dividend = &self.mantissa << lift;
        let (quotient, rest) = (&dividend / &other.mantissa, &dividend % &other.mantissa);
        let exponent = self.exponent - other.exponent - lift as i64;
        Self { mantissa: quotient, exponent }.rounded(bits, rest.bits() != 0)
    }

    /// Five to `power`, as Go comes to it: it squares what it is made of, and rounds.
    fn fives(power: u32) -> Self {
        const EXACT: u32 = 27;
        let mut product = Self::from(5_u64.pow(power.min(EXACT)));
        let (mut rest, mut square) = (power.saturating_sub(EXACT), Self::from(5));
        while rest > 0 {
            if rest & 1 == 1 {
                product = product.times(&square, POWER_BITS);
            }
            square = square.times(&square, SQUARE_BITS);
            rest >>= 1;
        }
        product
    }

    /// `value` times ten to `power`.
    fn decimal(value: BigUint, power: i32) -> Self {
        let exact = Self { mantissa: value, exponent: power.into() };
        let fives = Self::fives(power.unsigned_abs());
        match power {
            0 => exact.rounded(BITS, false),
            1.. => exact.times(&fives, BITS),
            _ => exact.over(&fives, BITS),
        }
    }

    /// Its whole part.
    fn whole(self) -> BigUint {
        match u64::try_from(self.exponent) {
            Ok(up) => self.mantissa << up,
            Err(_) => self.mantissa >> self.exponent.unsigned_abs(),
        }
    }
}
