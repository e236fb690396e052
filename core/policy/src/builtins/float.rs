//! The digits of the floats that OPA prints numbers with a point through.
//!
//! No float is computed with here, and none is kept: a decimal is read as the nearest one and written again at once. Both are
//! exact integer algorithms of Rust's own library, the same on every machine.

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
