//! The digits of the floats that OPA prints numbers with a point through.
//!
//! No float is computed with here, and none is kept: a decimal is read as the nearest one and written again at once. Both are
//! exact integer algorithms of Rust's own library, the same on every machine.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;

/// The digits of a float and the power of ten of the first one: the value is `d.ddd` times ten to it.
pub(super) struct Digits {
    pub(super) negative: bool,
    pub(super) digits: String,
    pub(super) exponent: i32,
}

/// How many digits.
#[derive(Clone, Copy)]
pub(super) enum Precision {
    /// As few as name this float among all.
    Shortest,
    /// So many behind the first.
    Significant(usize),
}

#[expect(clippy::disallowed_types, reason = "read and written, never computed with")]
fn nearest(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// The digits of the float next to a decimal; `None` if there is none.
pub(super) fn digits(text: &str, precision: Precision) -> Option<Digits> {
    let value = nearest(text)?;
    let written = match precision {
        Precision::Shortest => format!("{value:e}"),
        Precision::Significant(more) => format!("{value:.more$e}"),
    };
    let (negative, written) = written.strip_prefix('-').map_or((false, &written[..]), |rest| (true, rest));
    let (mantissa, exponent) = written.split_once('e')?;
    Some(Digits { negative, digits: mantissa.replace('.', ""), exponent: exponent.parse().ok()? })
}

/// The float next to a decimal with so many digits behind the point, without its sign; and whether it is negative.
pub(super) fn fixed(text: &str, places: usize) -> Option<(bool, String)> {
    let written = format!("{:.places$}", nearest(text)?);
    Some(written.strip_prefix('-').map_or((false, written.clone()), |rest| (true, rest.into())))
}

/// Bits of a mantissa that are kept; the first of a usual number is not.
const MANTISSA: i32 = 52;
/// What is added to an exponent that is kept.
const BIAS: i32 = 1_023;

/// The mantissa and the power of two of the float next to a decimal, and whether it is negative: the value is one times the other.
fn binary(text: &str) -> Option<(bool, u64, i32)> {
    let bits = nearest(text)?.to_bits();
    let kept = i32::try_from(bits >> MANTISSA & 0x7ff).ok()?;
    let mantissa = bits & ((1 << MANTISSA) - 1);
    let (mantissa, exponent) = if kept == 0 { (mantissa, 1) } else { (mantissa | 1 << MANTISSA, kept) };
    Some((bits >> 63 == 1, mantissa, exponent - BIAS - MANTISSA))
}

/// The float next to a decimal as mantissa, `p`, and power of two, without its sign; and whether it is negative.
pub(super) fn powers_of_two(text: &str) -> Option<(bool, String)> {
    let (negative, mantissa, exponent) = binary(text)?;
    Some((negative, format!("{mantissa}p{exponent:+}")))
}

/// The float next to a decimal in sixteens with so many digits behind the point, or as many as it has, without its sign; and whether it is
/// negative. A half is rounded to even.
pub(super) fn sixteens(text: &str, places: Option<usize>) -> Option<(bool, String)> {
    /// Where the point stands: sixty bits are behind it.
    const POINT: u32 = 60;
    let (negative, mantissa, exponent) = binary(text)?;
    let (mut mantissa, mut exponent) = match mantissa {
        0 => (0, 0),
        _ => {
            let shift = mantissa.leading_zeros() - (63 - POINT);
            (mantissa << shift, exponent + POINT as i32 - shift as i32)
        }
    };
    if let Some(places) = places.and_then(|places| u32::try_from(places).ok()).filter(|places| *places < 15) {
        let dropped = POINT - 4 * places;
        let (kept, rest, half) = (mantissa >> dropped, mantissa & ((1 << dropped) - 1), 1 << (dropped - 1));
        let up = rest > half || rest == half && kept & 1 == 1;
        mantissa = (kept + u64::from(up)) << dropped;
        if mantissa >> (POINT + 1) == 1 {
            (mantissa, exponent) = (mantissa >> 1, exponent + 1);
        }
    }
    let behind = format!("{:015x}", mantissa & ((1 << POINT) - 1));
    let behind = match places {
        None => behind.trim_end_matches('0').into(),
        Some(places) => format!("{behind:0<places$}")[..places].to_owned(),
    };
    let (point, sign) = (if behind.is_empty() { "" } else { "." }, if exponent < 0 { '-' } else { '+' });
    Some((negative, format!("0x{}{point}{behind}p{sign}{:02}", mantissa >> POINT, exponent.unsigned_abs())))
}
