//! The builtins that OPA leaves to the host of a module, with OPA's answers; and why the others are refused.
//!
//! A builtin here is a function of its arguments. What OPA calls an error is no answer, which is what OPA itself makes of it
//! unless told to be strict. All work is paid for before it is done.

mod collections;
mod encoding;
mod float;
mod patch;
mod regex;
mod sprintf;
mod strings;
mod syntax;
mod units;
mod versions;

use crate::schedule;
use crate::value::Value;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// OPA would call it an error.
    Undefined,
    /// The gas is used up.
    OutOfGas,
}

type Answer = Result<Value, Stop>;

/// The gas that is left.
pub(crate) struct Meter(u64);

impl Meter {
    pub(crate) const fn new(gas: u64) -> Self {
        Self(gas)
    }

    pub(crate) const fn left(&self) -> u64 {
        self.0
    }

    /// Takes `each` for each of `count`, before the work is done.
    fn charge(&mut self, each: u64, count: usize) -> Result<(), Stop> {
        match each.checked_mul(count as u64).and_then(|gas| self.0.checked_sub(gas)) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => {
                self.0 = 0;
                Err(Stop::OutOfGas)
            }
        }
    }

    fn bytes(&mut self, count: usize) -> Result<(), Stop> {
        self.charge(schedule::BYTE, count)
    }

    fn elements(&mut self, count: usize) -> Result<(), Stop> {
        self.charge(schedule::ELEMENT, count)
    }
}

/// A builtin that is provided.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    pub(crate) arity: usize,
    pub(crate) answer: fn(&mut Meter, &[Value]) -> Answer,
}

/// Why a builtin is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its answer depends on more than its arguments.
    Impure {
        /// On what.
        on: &'static str,
    },
    /// It is not provided.
    Unsupported {
        /// Why not.
        because: &'static str,
    },
    /// OPA has no such builtin.
    Unknown,
}

macro_rules! builtins {
    ($($name:literal $arity:literal $answer:path),* $(,)?) => {
        /// In order of name.
        const PROVIDED: &[Builtin] = &[$(Builtin { name: $name, arity: $arity, answer: $answer },)*];
    };
}

builtins! {
    "base64url.encode_no_pad" 1 encoding::base64url_encode_no_pad,
    "crypto.hmac.equal" 2 encoding::hmac_equal,
    "crypto.hmac.md5" 2 encoding::hmac_md5,
    "crypto.hmac.sha1" 2 encoding::hmac_sha1,
    "crypto.hmac.sha256" 2 encoding::hmac_sha256,
    "crypto.hmac.sha512" 2 encoding::hmac_sha512,
    "crypto.md5" 1 encoding::md5,
    "crypto.sha1" 1 encoding::sha1,
    "crypto.sha256" 1 encoding::sha256,
    "glob.quote_meta" 1 strings::glob_quote_meta,
    "graph.reachable_paths" 2 collections::reachable_paths,
    "hex.decode" 1 encoding::hex_decode,
    "hex.encode" 1 encoding::hex_encode,
    "indexof_n" 2 strings::indexof_n,
    "json.marshal_with_options" 2 encoding::json_marshal_with_options,
    "json.patch" 2 patch::json_patch,
    "numbers.range_step" 3 collections::range_step,
    "object.subset" 2 collections::object_subset,
    "regex.find_n" 3 regex::find_n,
    "regex.replace" 3 regex::replace,
    "regex.split" 2 regex::split,
    "semver.compare" 2 versions::compare,
    "semver.is_valid" 1 versions::is_valid,
    "sprintf" 2 sprintf::sprintf,
    "strings.any_prefix_match" 2 strings::any_prefix_match,
    "strings.any_suffix_match" 2 strings::any_suffix_match,
    "strings.count" 2 strings::count,
    "strings.split_n" 3 strings::split_n,
    "units.parse" 1 units::parse,
    "units.parse_bytes" 1 units::parse_bytes,
    "urlquery.decode" 1 encoding::urlquery_decode,
    "urlquery.decode_object" 1 encoding::urlquery_decode_object,
    "urlquery.encode" 1 encoding::urlquery_encode,
    "urlquery.encode_object" 1 encoding::urlquery_encode_object,
}

/// What is refused although a host could be asked for it: a name, or the beginning of names when it ends in a dot.
const REFUSED: &[(&str, Refusal)] = &[
    ("crypto.parse_private_keys", UNUSED),
    ("crypto.x509.parse_and_verify_certificates", CLOCK),
    ("crypto.x509.parse_and_verify_certificates_with_options", CLOCK),
    ("crypto.x509.", UNUSED),
    ("graphql.", LANGUAGE),
    ("http.send", NETWORK),
    ("internal.print", LOG),
    ("internal.test_case", LOG),
    ("io.jwt.decode_verify", CLOCK),
    ("io.jwt.encode_sign", Refusal::Impure { on: "random numbers" }),
    ("io.jwt.encode_sign_raw", Refusal::Impure { on: "random numbers" }),
    ("io.jwt.", UNUSED),
    ("json.match_schema", LANGUAGE),
    ("json.verify_schema", LANGUAGE),
    ("net.lookup_ip_addr", NETWORK),
    ("net.", UNUSED),
    ("opa.runtime", Refusal::Impure { on: "the environment of the process" }),
    ("print", LOG),
    ("providers.aws.sign_req", CLOCK),
    ("rand.intn", Refusal::Impure { on: "random numbers" }),
    ("regex.globs_match", UNUSED),
    ("regex.template_match", UNUSED),
    ("rego.", Refusal::Impure { on: "the source of the policy" }),
    ("set_diff", DEPRECATED),
    ("cast_array", DEPRECATED),
    ("cast_boolean", DEPRECATED),
    ("cast_null", DEPRECATED),
    ("cast_object", DEPRECATED),
    ("cast_set", DEPRECATED),
    ("cast_string", DEPRECATED),
    ("strings.render_template", LANGUAGE),
    ("time.", CLOCK),
    ("trace", LOG),
    ("uri.", UNUSED),
    ("uuid.rfc4122", Refusal::Impure { on: "random numbers" }),
    ("uuid.parse", UNUSED),
    ("yaml.", LANGUAGE),
];

const CLOCK: Refusal = Refusal::Impure { on: "a clock, or on tables of time zones" };
const NETWORK: Refusal = Refusal::Impure { on: "the network" };
const LOG: Refusal = Refusal::Impure { on: "a log outside of the policy" };
const UNUSED: Refusal = Refusal::Unsupported { because: "no rule about envelopes needs it" };
const LANGUAGE: Refusal = Refusal::Unsupported { because: "it takes an interpreter of another language" };
const DEPRECATED: Refusal = Refusal::Unsupported { because: "OPA has given it up" };

/// The names of all builtins that are provided, in order.
pub fn provided() -> impl Iterator<Item = &'static str> {
    PROVIDED.iter().map(|builtin| builtin.name)
}

/// Why a builtin is refused; `None` if it is provided.
pub fn refusal(name: &str) -> Option<Refusal> {
    find(name).err()
}

/// The builtin of this name.
pub(crate) fn find(name: &str) -> Result<&'static Builtin, Refusal> {
    if let Ok(at) = PROVIDED.binary_search_by_key(&name, |builtin| builtin.name) {
        return Ok(&PROVIDED[at]);
    }
    let exact = REFUSED.iter().find(|(refused, _)| *refused == name);
    let family = || REFUSED.iter().find(|(refused, _)| refused.ends_with('.') && name.starts_with(refused));
    Err(exact.or_else(family).map_or(Refusal::Unknown, |(_, refusal)| *refusal))
}

/// The argument as a string.
fn text(value: &Value) -> Result<&str, Stop> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Stop::Undefined),
    }
}

/// The argument as an integer of 64 bits.
fn int(value: &Value) -> Result<i64, Stop> {
    match value {
        Value::Number(number) => number.int().ok_or(Stop::Undefined),
        _ => Err(Stop::Undefined),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order() {
        assert!(PROVIDED.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn no_builtin_is_both() {
        for (name, _) in REFUSED {
            assert!(PROVIDED.iter().all(|builtin| builtin.name != *name), "{name}");
        }
    }

    #[test]
    fn the_exact_name_goes_before_the_family() {
        assert_eq!(refusal("net.lookup_ip_addr"), Some(NETWORK));
        assert_eq!(refusal("net.cidr_merge"), Some(UNUSED));
        assert_eq!(refusal("time.now_ns"), Some(CLOCK));
        assert_eq!(refusal("no.such"), Some(Refusal::Unknown));
        assert_eq!(refusal("sprintf"), None);
    }
}
