//! Numbers as OPA has them: decimals of any length, kept as they were written and compared by value. No floats.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::cmp::Ordering;
use core::fmt;

/// A decimal number. Two spellings of one value are equal.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    text: String,
    negative: bool,
    /// Its digits without zeros at either end; empty for zero.
    digits: String,
    /// The value is `0.digits` times ten to this.
    exponent: i64,
}

impl Number {
    /// Reads JSON's form of a number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, power) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], exponent(&rest[at + 1..])?),
            None => (rest, 0),
        };
        let (whole, part) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let digital = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digital(whole) || !digital(part) || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }
        let all = whole.to_owned() + part;
        let significant = all.trim_start_matches('0');
        let leading = (all.len() - significant.len()) as i64;
        let digits = significant.trim_end_matches('0').to_owned();
        let exponent = if digits.is_empty() { 0 } else { whole.len() as i64 - leading + power };
        Some(Self { text: text.to_owned(), negative: negative && !digits.is_empty(), digits, exponent })
    }

    /// As it is written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Its value, if it is whole and fits. However it is written.
    pub(crate) fn whole(&self) -> Option<i128> {
        let missing = usize::try_from(self.exponent).ok()?.checked_sub(self.digits.len())?;
        if self.exponent > 40 {
            return None;
        }
        let mut value = 0_i128;
        for digit in self.digits.bytes().chain(core::iter::repeat_n(b'0', missing)) {
            value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        }
        Some(if self.negative { -value } else { value })
    }

    /// Its value, if it is whole, an integer of 64 bits, and written without an exponent: where OPA wants a plain integer.
    pub(crate) fn int(&self) -> Option<i64> {
        self.whole().filter(|_| !self.text.contains(['e', 'E'])).and_then(|value| i64::try_from(value).ok())
    }
}

fn exponent(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(sign * digits.parse::<i64>().ok()?)
}

impl From<i128> for Number {
    fn from(value: i128) -> Self {
        Self::parse(&value.to_string()).expect("an integer is a number")
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        };
        let size = || (self.exponent, &self.digits).cmp(&(other.exponent, &other.digits));
        sign(self).cmp(&sign(other)).then_with(|| if self.negative { size().reverse() } else { size() })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn numbers_are_in_order_of_value() {
        let rising =
            ["-1e3", "-12", "-1.5", "-0.01", "0", "0.001", "0.5", "1", "1.25", "2", "10", "12.5", "1e2", "101"];
        for (at, low) in rising.iter().enumerate() {
            for high in &rising[at + 1..] {
                assert!(number(low) < number(high), "{low} < {high}");
                assert!(number(high) > number(low), "{high} > {low}");
            }
        }
        for same in [["1", "1.0"], ["100", "1e2"], ["0", "-0.0"], ["0.5", "5e-1"], ["-20", "-2E+1"]] {
            assert_eq!(number(same[0]), number(same[1]));
        }
    }

    #[test]
    fn whole_numbers_are_known_however_written() {
        assert_eq!(number("120").whole(), Some(120));
        assert_eq!(number("-1.2e2").whole(), Some(-120));
        assert_eq!(number("3.0").whole(), Some(3));
        assert_eq!(number("0").whole(), Some(0));
        assert_eq!(number("1.5").whole(), None);
        assert_eq!(number("0.5").whole(), None);
        assert_eq!(number("1e99").whole(), None);
        assert_eq!(number("9223372036854775808").int(), None);
        assert_eq!(number("3.0").int(), Some(3));
        assert_eq!(number("3e0").int(), None);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in ["", "-", "01", "1.", ".5", "1e", "+1", "1 ", "0x1", "1e9999999999"] {
            assert!(Number::parse(bad).is_none(), "{bad}");
        }
    }
}
