//! Amounts with a unit behind them.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Answer, Meter, Stop, text};
use crate::number::Number;
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

/// A decimal as its digits and the power of ten they stand for. No more digits than fit 64 bits.
fn decimal(text: &str) -> Option<(bool, u64, i32)> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, power) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kept = digits.trim_end_matches('0');
    let power = power - part.len() as i32 + (digits.len() - kept.len()) as i32;
    let value = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    Some((negative, value, power))
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
    let (negative, value, power) = decimal(amount).ok_or(Stop::Undefined)?;
    // The factor is a fraction of a power of two. OPA's thousandth is the nearest binary fraction of 53 bits.
    let (factor, halvings) = match unit.as_str() {
        "m" => (1_152_921_504_606_847, 60),
        unit => (factor(unit).ok_or(Stop::Undefined)?, 0),
    };
    let product = u128::from(value).checked_mul(u128::from(factor)).ok_or(Stop::Undefined)?;
    let (product, zeros) = (product, power);
    if halvings == 0 && zeros >= 0 {
        if zeros > 4_096 {
            return Err(Stop::Undefined);
        }
        meter.bytes(zeros as usize)?;
        let digits = match product {
            0 => "0".to_string(),
            product => product.to_string() + &"0".repeat(zeros as usize),
        };
        return number(negative, &digits);
    }
    // A fraction, to ten digits behind the point, halves rounded up.
    const PLACES: i32 = 10;
    let (mut above, mut below) = (product, 1_u128);
    let tens = |power: i32| 10_u128.checked_pow(u32::try_from(power).unwrap_or(u32::MAX)).ok_or(Stop::Undefined);
    if zeros >= 0 {
        above = above.checked_mul(tens(zeros)?).ok_or(Stop::Undefined)?;
    } else {
        below = tens(-zeros)?;
    }
    below = below.checked_mul(1 << halvings).ok_or(Stop::Undefined)?;
    if above.is_multiple_of(below) {
        return number(negative, &(above / below).to_string());
    }
    let mut digits = (above / below).to_string();
    let mut rest = above % below;
    let mut fraction = String::new();
    for _ in 0..PLACES {
        rest = rest.checked_mul(10).ok_or(Stop::Undefined)?;
        fraction += &(rest / below).to_string();
        rest %= below;
    }
    if rest >= below - rest {
        let all: u128 = format!("{digits}{fraction}").parse().map_err(|_| Stop::Undefined)?;
        let all = format!("{:0>11}", all + 1);
        let (whole, part) = all.split_at(all.len() - PLACES as usize);
        (digits, fraction) = (whole.to_string(), part.to_string());
    }
    number(negative, &format!("{digits}.{fraction}"))
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
    let (negative, value, power) = decimal(amount).ok_or(Stop::Undefined)?;
    let rounded = Binary::of(value, power).ok_or(Stop::Undefined)?.times(factor);
    number(negative, &rounded.whole().ok_or(Stop::Undefined)?.to_string())
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

/// A binary fraction of 64 bits, rounded to nearest, ties to even: OPA counts bytes with these, and drops what is left over,
/// so a product that comes out a little below a whole number is one less.
#[derive(Clone, Copy)]
struct Binary {
    /// Zero, or with its highest bit set.
    mantissa: u64,
    /// The value is the mantissa times two to this.
    exponent: i32,
}

impl Binary {
    /// The highest bits of `value`, whose lower end is not all there if `sticky`.
    fn rounded(value: u128, exponent: i32, sticky: bool) -> Self {
        if value == 0 {
            return Self { mantissa: 0, exponent: 0 };
        }
        let cut = 64 - value.leading_zeros() as i32;
        if cut <= 0 {
            return Self { mantissa: (value << -cut) as u64, exponent: exponent + cut };
        }
        let (kept, lost, half) = (value >> cut, value & ((1 << cut) - 1), 1_u128 << (cut - 1));
        let up = lost > half || lost == half && (sticky || kept & 1 == 1);
        match kept + u128::from(up) {
            over if over >> 64 == 1 => Self { mantissa: 1 << 63, exponent: exponent + cut + 1 },
            kept => Self { mantissa: kept as u64, exponent: exponent + cut },
        }
    }

    /// `value` times ten to `power`, for powers that fit.
    fn of(value: u64, power: i32) -> Option<Self> {
        const POWER_MAX: u32 = 27;
        if value == 0 {
            return Some(Self { mantissa: 0, exponent: 0 });
        }
        let fives = 5_u64.pow(Some(power.unsigned_abs()).filter(|power| *power <= POWER_MAX)?);
        if power >= 0 {
            return Some(Self::rounded(u128::from(value) * u128::from(fives), power, false));
        }
        // The quotient has 66 bits at least: 64, one to round by, and what is left over.
        let lift = value.leading_zeros() as i32 + 63;
        let dividend = u128::from(value) << lift;
        let (quotient, rest) = (dividend / u128::from(fives), dividend % u128::from(fives));
        let low = u128::from(rest != 0);
        // One more bit at the end says that something was left over.
        if quotient >> 126 == 0 {
            return Some(Self::rounded(quotient << 1 | low, power - lift - 1, false));
        }
        Some(Self::rounded(quotient, power - lift, rest != 0))
    }

    fn times(self, factor: u64) -> Self {
        Self::rounded(u128::from(self.mantissa) * u128::from(factor), self.exponent, false)
    }

    /// Its whole part, if it fits.
    fn whole(self) -> Option<u128> {
        match self.exponent {
            exponent if exponent > 64 => None,
            exponent if exponent >= 0 => Some(u128::from(self.mantissa) << exponent),
            exponent => Some(u128::from(self.mantissa).checked_shr(exponent.unsigned_abs()).unwrap_or(0)),
        }
    }
}
