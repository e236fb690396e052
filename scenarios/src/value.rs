//! Durations and amounts as they are written in files. Whole nanoseconds and whole credits only:
//! a float, a negative or a huge value must be refused where it stands, never rounded or wrapped.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, Visitor, value::StrDeserializer};
use serde::ser::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use swarm_nemeses::{Between, Lasts};

/// The longest duration a file may name: 366 days. A few of them add up far below 2^64 ns.
pub const DURATION_MAX_NS: u64 = 366 * 24 * 3_600 * 1_000_000_000;

/// How durations are shown, largest unit first, in nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A duration in nanoseconds, written like `"150ms"`, `"30s"`, `"1h 30m"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// So many microseconds.
    pub const fn micros(count: u64) -> Self {
        Self(count * 1_000)
    }

    /// So many milliseconds.
    pub const fn millis(count: u64) -> Self {
        Self(count * 1_000_000)
    }

    /// So many seconds.
    pub const fn secs(count: u64) -> Self {
        Self::millis(count * 1_000)
    }

    /// So many hours.
    pub const fn hours(count: u64) -> Self {
        Self::secs(count * 3_600)
    }

    /// Whole milliseconds, at least as long: what a mend suggests should be a plain number.
    pub(crate) const fn up_to_ms(self) -> Self {
        Self::millis(self.0.div_ceil(1_000_000))
    }

    /// Whole milliseconds, at most as long, if there is one.
    pub(crate) const fn down_to_ms(self) -> Self {
        if self.0 < 1_000_000 { self } else { Self::millis(self.0 / 1_000_000) }
    }

    fn parse(text: &str) -> Result<Self, String> {
        // humantime takes more spellings than its errors should teach.
        let duration = humantime::parse_duration(text).map_err(|error| {
            let why = match error {
                humantime::DurationError::UnknownUnit { ref unit, .. } if unit.is_empty() => ": it has no unit".into(),
                humantime::DurationError::UnknownUnit { unit, .. } => {
                    format!(": `{}` is no unit of time", shorten(&unit))
                }
                _ => String::new(),
            };
            let mend =
                "write numbers with the units d, h, m, s, ms, us or ns, such as \"150ms\", \"30s\" or \"1h 30m\"";
            format!("`{}` is no duration{why} ({mend}) [bad-duration]", shorten(text))
        })?;
        match u64::try_from(duration.as_nanos()) {
            Ok(ns) if ns <= DURATION_MAX_NS => Ok(Self(ns)),
            _ => Err(format!("`{}` is longer than 366 days (name a shorter one) [out-of-range]", shorten(text))),
        }
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In days at most: a month of 30.44 days, as humantime writes it, reads like a riddle.
        let mut rest = self.0;
        let mut gap = "";
        for (unit, size) in UNITS {
            let count = rest / size;
            rest %= size;
            if count > 0 {
                write!(f, "{gap}{count}{unit}")?;
                gap = " ";
            }
        }
        if self.0 == 0 { f.write_str("0s") } else { Ok(()) }
    }
}

/// A span of time ahead (`"5s"`) or behind (`"-5s"`), in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignedNanos(pub i64);

impl SignedNanos {
    fn parse(text: &str) -> Result<Self, String> {
        let (size, sign) = match text.strip_prefix('-') {
            Some(rest) => (Nanos::parse(rest)?, -1),
            None => (Nanos::parse(text)?, 1),
        };
        let size = i64::try_from(size.0).expect("366 days are below 2^63 ns");
        Ok(Self(sign * size))
    }
}

impl fmt::Display for SignedNanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", Nanos(self.0.unsigned_abs()))
    }
}

/// An amount of credits in a needs file: a whole number, or a decimal string, which alone may pass
/// 2^53: beyond that JSON numbers lose digits in many readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credits(pub u64);

impl Credits {
    fn parse(text: &str) -> Result<Self, String> {
        let plain =
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        text.parse().ok().filter(|_| plain).map(Self).ok_or_else(|| {
            format!(
                "`{}` is no amount (write whole credits, without sign or leading zeros: \
                 1000 or \"1000\") [bad-amount]",
                shorten(text)
            )
        })
    }
}

/// The greatest amount that is written without quotes.
const PLAIN_CREDITS_MAX: u64 = (1 << 53) - 1;

impl<'de> Deserialize<'de> for Credits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amount;
        impl Visitor<'_> for Amount {
            type Value = Credits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("whole credits such as 1000 or \"1000\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Credits, E> {
                Credits::parse(text).map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, amount: u64) -> Result<Credits, E> {
                if amount <= PLAIN_CREDITS_MAX {
                    return Ok(Credits(amount));
                }
                Err(E::custom(format_args!("{amount} may lose digits on its way (write \"{amount}\") [bad-amount]")))
            }
        }
        deserializer.deserialize_any(Amount)
    }
}

impl JsonSchema for Credits {
    fn schema_name() -> Cow<'static, str> {
        "Credits".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Whole credits; in quotes where they pass 2^53.",
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": PLAIN_CREDITS_MAX },
                { "type": "string", "pattern": "^(0|[1-9][0-9]*)$" },
            ],
        })
    }
}

impl Serialize for Credits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How long a fault lasts: a duration, a range to draw from, or `"forever"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// So long.
    For(Between<Nanos>),
    /// It is never taken back, not even by the heal phase.
    Forever,
}

impl From<Lasting> for Lasts {
    fn from(lasting: Lasting) -> Self {
        match lasting {
            Lasting::For(range) => Self::For(range_ns(range)),
            Lasting::Forever => Self::Forever,
        }
    }
}

/// The same range in bare nanoseconds, as nemeses take it.
pub(crate) fn range_ns(range: Between<Nanos>) -> Between<u64> {
    Between { min: range.min.0, max: range.max.0 }
}

/// Foreign text in an error message, cut so that a message stays a line.
pub(crate) fn shorten(text: &str) -> String {
    let cut: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}

macro_rules! written_as_text {
    ($type:ident, $expecting:literal, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        $type::parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $expecting, "pattern": $pattern })
            }
        }
    };
}

written_as_text!(Nanos, "a duration such as \"150ms\", \"30s\" or \"1h 30m\"", "^[0-9][0-9a-zA-Zµ .]*$");
written_as_text!(SignedNanos, "a duration such as \"5s\" or \"-5s\"", "^-?[0-9][0-9a-zA-Zµ .]*$");

impl Serialize for Lasting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::For(range) => range.serialize(serializer),
            Self::Forever => serializer.serialize_str("forever"),
        }
    }
}

impl<'de> Deserialize<'de> for Lasting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Lasting;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration, a range of two, or \"forever\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Lasting, E> {
                if text == "forever" {
                    return Ok(Lasting::Forever);
                }
                let one: StrDeserializer<'_, E> = text.into_deserializer();
                Nanos::deserialize(one).map(|ns| Lasting::For(Between::one(ns)))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Lasting, A::Error> {
                let range = serde::de::value::SeqAccessDeserializer::new(seq);
                Between::deserialize(range).map(Lasting::For)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Lasting {
    fn schema_name() -> Cow<'static, str> {
        "Lasting".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let range = generator.subschema_for::<Between<Nanos>>();
        json_schema!({
            "description": "How long it lasts; \"forever\" outlives the heal phase.",
            "anyOf": [{ "const": "forever" }, range],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_whole_positive_and_bounded() {
        assert_eq!(Nanos::parse("1h 30m").unwrap(), Nanos::secs(5_400));
        assert_eq!(Nanos::parse("150ms").unwrap(), Nanos::millis(150));
        assert_eq!(SignedNanos::parse("-2s").unwrap(), SignedNanos(-2_000_000_000));
        for bad in ["", "5", "-5s", "fast", "--5s", "1e9s", "99999999999999999999s", "400d", "NaN"] {
            assert!(Nanos::parse(bad).is_err(), "{bad}");
        }
        assert!(Nanos::parse("584y").unwrap_err().contains("[out-of-range]"));
    }

    #[test]
    fn amounts_have_one_spelling() {
        assert_eq!(Credits::parse("1000"), Ok(Credits(1_000)));
        for bad in ["", "01", "+1", "-1", "1.0", "18446744073709551616", " 1"] {
            assert!(Credits::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_duration_reads_back_as_it_is_shown(ns in 0..=DURATION_MAX_NS) {
            prop_assert_eq!(Nanos::parse(&Nanos(ns).to_string()).unwrap(), Nanos(ns));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,30}") {
            let _ = (Nanos::parse(&text), SignedNanos::parse(&text), Credits::parse(&text));
        }
    }
}
