//! Which rules the nodes judge by, and when others take over.

use crate::file::read_regular;
use crate::value::{Nanos, shorten};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fmt, fs, io};
use swarm_nemeses::Between;

/// The largest capsule that is read.
const CAPSULE_BYTES_MAX: u64 = 16 << 20;

/// How the name of a capsule's file ends.
const CAPSULE: &str = ".capsule";

/// Whose rules they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// The native ones.
    #[default]
    Native,
    /// The base policy in Rego, compiled to WebAssembly and metered. It says the same, under another engine hash.
    Rego,
    /// Those of a capsule in a file; the path is seen from the scenario file, and from anywhere once that is loaded.
    Capsule(PathBuf),
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Rego => f.write_str("rego"),
            Self::Capsule(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "native" => Ok(Self::Native),
            "rego" => Ok(Self::Rego),
            path if path.len() > CAPSULE.len() && path.ends_with(CAPSULE) => Ok(Self::Capsule(path.into())),
            _ => Err(format!(
                "`{}` is no policy (write \"native\", \"rego\", or the path of a file whose name ends in {CAPSULE})",
                shorten(text)
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = String::deserialize(deserializer)?.parse();
        read.map_err(|what: String| D::Error::custom(format!("{what} [bad-policy]")))
    }
}

/// The bytes of a capsule's file.
///
/// # Errors
/// It is no regular file, larger than 16 MiB, or the system says why not.
pub fn read_capsule(path: &Path) -> io::Result<Vec<u8>> {
    match fs::metadata(path)?.len() {
        0..=CAPSULE_BYTES_MAX => read_regular(path),
        _ => Err(io::Error::other(format!("it is larger than {CAPSULE_BYTES_MAX} bytes"))),
    }
}

impl JsonSchema for Policy {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Policy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "`native`, `rego`, or the path of a capsule",
            "examples": ["native", "rego", "policies/fees.capsule"],
            "pattern": "^(native|rego|.+\\.capsule)$",
        })
    }
}

/// The policy keys change the policy: needs opened from then on are judged by it, those that are open keep theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyChange {
    /// When it is announced, drawn by each seed.
    pub at: Between<Nanos>,
    /// The rules from then on.
    pub policy: Policy,
}
