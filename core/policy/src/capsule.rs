//! A policy as it travels: a header that says all that could change an answer, signatures, and the module.
//!
//! ```text
//! swarm-capsule/1          a line
//! {"caps":...}             the header, canonical JSON, a line
//! {"did:key:...":"..."}    the signatures by signer, canonical JSON, a line
//! \0asm...                 the module, to the end
//! ```
//!
//! The engine hash is the digest of the header, which names the digest of the module: a change of module, caps, entry points,
//! runtime, metering or expected decision is another engine. Signatures are over the engine hash and are not part of it.
//!
//! What must never happen: that a capsule is asked before it has decided every case of its own header as the header says.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use ed25519_dalek::Signer as _;
use serde::{Deserialize, Serialize};
use swarm_core::id::{AgentId, Digest, Label};
use swarm_core::identity::Keys;
use swarm_core::reject::Reject;
use swarm_core::wire::{Count, Signature, canonical, verify_signature};

use crate::failure::{Run, Verdict};
use crate::pool::Pool;
use crate::program::Entry;
use crate::{BadCaps, Caps, LoadError, Program, schedule};

/// The first line of a capsule.
const MAGIC: &[u8] = b"swarm-capsule/1\n";

/// The version of what policies are asked, as they see it.
pub const SCHEMA: u32 = 1;

/// Longest header, in bytes.
pub const HEADER_BYTES_MAX: usize = 256 << 10;

/// Most cases in the conformance vector.
pub const CASES_MAX: usize = 256;

/// Most signatures.
pub const SIGNATURES_MAX: usize = 16;

/// Most entry points.
pub const ENTRIES_MAX: usize = 16;

/// A case of the conformance vector. Fields in alphabetical order: hashed as canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Whether it may pass.
    pub allow: bool,
    /// Which entry point is asked, by the header's name for it.
    pub entry: Label,
    /// What it costs.
    pub gas: Count,
    /// What is asked.
    pub input: serde_json::Value,
    /// What speaks against it.
    pub reasons: Vec<Label>,
}

/// What a capsule says of itself. Fields in alphabetical order: hashed as canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Bounds of one evaluation.
    pub caps: Caps,
    /// Inputs and the decisions that they must get.
    pub conformance: Vec<Case>,
    /// Entry points of the module, by what they are for.
    pub entries: BTreeMap<Label, String>,
    /// SHA-256 of the module.
    pub module: Digest,
    /// Length of the module, in bytes.
    pub module_bytes: u32,
    /// What it is called.
    pub name: Label,
    /// Interpreter, metering and builtins it was made for: [`schedule::VERSION`].
    pub runtime: String,
    /// Version of the inputs it was made for: [`SCHEMA`].
    pub schema: u32,
}

/// Signatures over an engine hash, by signer.
type Signatures = BTreeMap<AgentId, Signature>;

/// Why a capsule is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CapsuleError {
    /// Not the form of a capsule.
    NotACapsule {
        /// What is missing.
        missing: &'static str,
    },
    /// A header longer than [`HEADER_BYTES_MAX`], or a list longer than its bound.
    Oversize {
        /// What is too long.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// The header has not the fields it must have.
    MalformedHeader {
        /// What the reader says.
        detail: String,
    },
    /// The bytes are not the canonical form of what they say.
    NonCanonical {
        /// Which part.
        what: &'static str,
    },
    /// Made for another version of the inputs.
    OtherSchema {
        /// Which.
        found: u32,
    },
    /// Made for another interpreter, metering or set of builtins.
    OtherRuntime {
        /// Which.
        found: String,
    },
    /// A cap out of its bounds.
    BadCaps(BadCaps),
    /// The module is not the one that the header names.
    WrongModule,
    /// Signed by nobody.
    Unsigned,
    /// A key that is none, or that signs everything.
    BadKey,
    /// A signature that is not over this engine.
    BadSignature,
    /// The cases do not show both a yes and a no.
    NothingShown,
    /// An entry point that no case asks, or a case that asks none.
    BadEntry {
        /// Its name.
        name: Label,
    },
    /// The module is refused.
    Module(LoadError),
    /// A case is not decided as the header says.
    WrongDecision {
        /// Which case, from zero.
        case: usize,
        /// What the header says.
        expected: Verdict,
        /// What the module says.
        found: Verdict,
    },
}

impl CapsuleError {
    /// Its name in logs and counters.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotACapsule { .. } => "not-a-capsule",
            Self::Oversize { .. } => "oversize-capsule",
            Self::MalformedHeader { .. } => "malformed-header",
            Self::NonCanonical { .. } => "non-canonical",
            Self::OtherSchema { .. } => "other-schema",
            Self::OtherRuntime { .. } => "other-runtime",
            Self::BadCaps(_) => "bad-caps",
            Self::WrongModule => "wrong-module",
            Self::Unsigned => "unsigned",
            Self::BadKey => "bad-key",
            Self::BadSignature => "bad-signature",
            Self::NothingShown => "nothing-shown",
            Self::BadEntry { .. } => "bad-entry",
            Self::Module(error) => error.as_str(),
            Self::WrongDecision { .. } => "wrong-decision",
        }
    }
}

impl fmt::Display for CapsuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotACapsule { missing } => {
                write!(f, "not a capsule: {missing} is missing; make one with `policy build`")
            }
            Self::Oversize { what, max } => write!(f, "the {what} of the capsule is too long, at most {max}"),
            Self::MalformedHeader { detail } => write!(f, "the capsule's header is not one: {detail}"),
            Self::NonCanonical { what } => {
                write!(f, "the capsule's {what} is not in canonical form; make it with `policy build`, not by hand")
            }
            Self::OtherSchema { found } => {
                write!(
                    f,
                    "the capsule is made for inputs of version {found}, here they are of version {SCHEMA}; build it anew"
                )
            }
            Self::OtherRuntime { found } => {
                write!(f, "the capsule is made for {found}, here is {}; build it anew", schedule::VERSION)
            }
            Self::BadCaps(bad) => bad.fmt(f),
            Self::WrongModule => {
                f.write_str("the module is not the one that the capsule's header names; fetch it again")
            }
            Self::Unsigned => f.write_str("nobody has signed the capsule"),
            Self::BadKey => f.write_str("a key of the capsule's signatures is not a usable public key"),
            Self::BadSignature => f.write_str("a signature of the capsule does not verify"),
            Self::NothingShown => {
                f.write_str("the capsule's cases must show at least one that may pass and one that may not; add one")
            }
            Self::BadEntry { name } => {
                write!(f, "entry point {name} of the capsule is asked by no case, or asked and not there; add it")
            }
            Self::Module(error) => error.fmt(f),
            Self::WrongDecision { case, expected, found } => write!(
                f,
                "case {case} of the capsule should come to {} and comes to {}: another module, or another runtime",
                Shown(expected),
                Shown(found)
            ),
        }
    }
}

struct Shown<'a>(&'a Verdict);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { allow, reasons, gas } = self.0;
        f.write_str(if *allow { "allow [" } else { "deny [" })?;
        for (at, reason) in reasons.iter().enumerate() {
            write!(f, "{}{reason}", if at == 0 { "" } else { " " })?;
        }
        write!(f, "] for {gas} gas")
    }
}

impl core::error::Error for CapsuleError {}

impl From<LoadError> for CapsuleError {
    fn from(error: LoadError) -> Self {
        Self::Module(error)
    }
}

fn engine_hash(header: &[u8]) -> Digest {
    Digest::of("swarm/engine", &[header])
}

/// What is signed.
fn to_sign(engine: &Digest) -> Digest {
    Digest::of("swarm/capsule-signature", &[&engine.0])
}

/// A capsule whose form, digests and signatures are good. It has decided nothing yet.
#[derive(Clone, Debug)]
pub struct Capsule {
    header: Header,
    engine: Digest,
    signers: Vec<AgentId>,
    module: Vec<u8>,
}

impl Capsule {
    /// Reads a capsule, and checks all that can be checked without running anything.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, CapsuleError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(CapsuleError::NotACapsule { missing: "its first line" })?;
        let (text, rest) = line(rest, HEADER_BYTES_MAX, "header")?;
        let (signatures, module) = line(rest, 256 * SIGNATURES_MAX, "list of signatures")?;
        let header: Header = serde_json::from_slice(text)
            .map_err(|error| CapsuleError::MalformedHeader { detail: error.to_string() })?;
        // A second spelling of the same header would be a second engine that decides alike.
        if canonical::to_vec(&header) != text || !header.conformance.iter().all(|case| plain(&case.input)) {
            return Err(CapsuleError::NonCanonical { what: "header" });
        }
        check(&header)?;
        if module.len() != header.module_bytes as usize || Digest::sha256(module) != header.module {
            return Err(CapsuleError::WrongModule);
        }
        let engine = engine_hash(text);
        let signers = signers(signatures, &engine)?;
        Ok(Self { header, engine, signers, module: module.to_vec() })
    }

    /// What it says of itself.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The engine hash.
    pub const fn engine(&self) -> Digest {
        self.engine
    }

    /// Who has signed it, in order. Whether one of them may is for the caller to say.
    pub fn signers(&self) -> &[AgentId] {
        &self.signers
    }

    /// The module.
    pub fn module(&self) -> &[u8] {
        &self.module
    }

    /// Loads the module and lets it decide every case.
    ///
    /// # Errors
    /// The module is refused, or one case comes out otherwise: decision, reasons and gas all count.
    pub fn prove(&self) -> Result<Policy, CapsuleError> {
        let program = Program::load(&self.module, self.header.caps)?;
        let mut entries = BTreeMap::new();
        for (purpose, name) in &self.header.entries {
            entries.insert(purpose.clone(), program.entry(name)?);
        }
        let mut instance = program.instance();
        for (at, case) in self.header.conformance.iter().enumerate() {
            let found = instance.decide(entries[&case.entry], &canonical::to_vec(&case.input));
            let expected = Verdict { allow: case.allow, reasons: case.reasons.clone(), gas: case.gas.0 };
            if found != expected {
                return Err(CapsuleError::WrongDecision { case: at, expected, found });
            }
        }
        Ok(Policy { engine: self.engine, entries, pool: Pool::new(program) })
    }
}

/// A policy that has proved itself: the only thing that can be asked.
pub struct Policy {
    engine: Digest,
    entries: BTreeMap<Label, Entry>,
    pool: Pool,
}

impl Policy {
    /// The engine hash.
    pub const fn engine(&self) -> Digest {
        self.engine
    }

    /// Whether it has an entry point for this.
    pub fn serves(&self, purpose: &Label) -> bool {
        self.entries.contains_key(purpose)
    }

    /// Decides `input`, which is JSON. A purpose that it does not serve is denied, for nothing.
    pub fn decide(&self, purpose: &Label, input: &[u8]) -> Verdict {
        match self.entries.get(purpose) {
            Some(entry) => self.pool.evaluate(*entry, input).verdict(),
            None => Run { gas: 0, value: Err(crate::Failure::Undefined) }.verdict(),
        }
    }
}

/// The line that `bytes` begin with, and what comes after.
fn line<'a>(bytes: &'a [u8], max: usize, what: &'static str) -> Result<(&'a [u8], &'a [u8]), CapsuleError> {
    match bytes.iter().take(max + 1).position(|byte| *byte == b'\n') {
        Some(end) => Ok((&bytes[..end], &bytes[end + 1..])),
        None if bytes.len() > max => Err(CapsuleError::Oversize { what, max }),
        None => Err(CapsuleError::NotACapsule { missing: what }),
    }
}

/// Whether a value has one spelling only: whole numbers of 32 bits, and keys whose order is that of their bytes.
fn plain(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => {
            number.as_i64().is_some_and(|number| number.unsigned_abs() <= u64::from(u32::MAX))
        }
        serde_json::Value::Array(elements) => elements.iter().all(plain),
        serde_json::Value::Object(fields) => fields.iter().all(|(key, value)| key.is_ascii() && plain(value)),
        _ => true,
    }
}

fn check(header: &Header) -> Result<(), CapsuleError> {
    if header.schema != SCHEMA {
        return Err(CapsuleError::OtherSchema { found: header.schema });
    }
    if header.runtime != schedule::VERSION {
        return Err(CapsuleError::OtherRuntime { found: header.runtime.clone() });
    }
    header.caps.check().map_err(CapsuleError::BadCaps)?;
    let too_many = |what, max| Err(CapsuleError::Oversize { what, max });
    if header.conformance.len() > CASES_MAX {
        return too_many("conformance vector", CASES_MAX);
    }
    if header.entries.len() > ENTRIES_MAX {
        return too_many("list of entry points", ENTRIES_MAX);
    }
    if header.module_bytes as usize > Caps::MODULE_BYTES_MAX {
        return too_many("module", Caps::MODULE_BYTES_MAX);
    }
    let asked: BTreeSet<&Label> = header.conformance.iter().map(|case| &case.entry).collect();
    let there: BTreeSet<&Label> = header.entries.keys().collect();
    if let Some(name) = asked.symmetric_difference(&there).next() {
        return Err(CapsuleError::BadEntry { name: (*name).clone() });
    }
    let shows = |allow| header.conformance.iter().any(|case| case.allow == allow);
    if !(shows(true) && shows(false)) {
        return Err(CapsuleError::NothingShown);
    }
    Ok(())
}

/// Whose signatures over `engine` these are, in order.
fn signers(text: &[u8], engine: &Digest) -> Result<Vec<AgentId>, CapsuleError> {
    let signatures: Signatures =
        serde_json::from_slice(text).map_err(|error| CapsuleError::MalformedHeader { detail: error.to_string() })?;
    if canonical::to_vec(&signatures) != text {
        return Err(CapsuleError::NonCanonical { what: "list of signatures" });
    }
    if signatures.is_empty() {
        return Err(CapsuleError::Unsigned);
    }
    if signatures.len() > SIGNATURES_MAX {
        return Err(CapsuleError::Oversize { what: "list of signatures", max: SIGNATURES_MAX });
    }
    let said = to_sign(engine);
    for (signer, sig) in &signatures {
        verify_signature(signer, &said.0, sig).map_err(|reject| match reject {
            Reject::BadKey => CapsuleError::BadKey,
            _ => CapsuleError::BadSignature,
        })?;
    }
    Ok(signatures.into_keys().collect())
}

/// What a capsule is made of.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it is called.
    pub name: Label,
    /// Bounds of one evaluation.
    pub caps: Caps,
    /// Entry points of the module, by what they are for.
    pub entries: BTreeMap<Label, String>,
    /// What it must decide: entry, input, and whether and why not. The gas is measured.
    pub cases: Vec<Wanted>,
}

/// A decision that the author of a policy wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which entry point is asked, by what it is for.
    pub entry: Label,
    /// What is asked.
    pub input: serde_json::Value,
    /// Whether it may pass.
    pub allow: bool,
    /// What speaks against it.
    pub reasons: Vec<Label>,
}

impl Draft {
    /// Makes the bytes of a capsule, signed by `keys`.
    ///
    /// # Errors
    /// What [`Capsule::parse`] or [`Capsule::prove`] would say to it.
    pub fn seal(&self, module: &[u8], keys: &[&Keys]) -> Result<Vec<u8>, CapsuleError> {
        let program = Program::load(module, self.caps)?;
        let mut instance = program.instance();
        let mut conformance = Vec::with_capacity(self.cases.len());
        for (at, wanted) in self.cases.iter().enumerate() {
            let Wanted { entry, input, allow, reasons } = wanted;
            let name = self.entries.get(entry).ok_or_else(|| CapsuleError::BadEntry { name: entry.clone() })?;
            let found = instance.decide(program.entry(name)?, &canonical::to_vec(input));
            let expected = Verdict { allow: *allow, reasons: reasons.clone(), gas: found.gas };
            if found != expected {
                return Err(CapsuleError::WrongDecision { case: at, expected, found });
            }
            conformance.push(Case {
                allow: *allow,
                entry: entry.clone(),
                gas: Count(found.gas),
                input: input.clone(),
                reasons: reasons.clone(),
            });
        }
        let header = canonical::to_vec(&Header {
            caps: self.caps,
            conformance,
            entries: self.entries.clone(),
            module: Digest::sha256(module),
            module_bytes: u32::try_from(module.len()).expect("it was loaded"),
            name: self.name.clone(),
            runtime: schedule::VERSION.to_owned(),
            schema: SCHEMA,
        });
        let bytes = [MAGIC, &header, b"\n", &signed(&header, keys), b"\n", module].concat();
        Capsule::parse(&bytes)?.prove()?;
        Ok(bytes)
    }
}

/// The line of signatures by `keys`.
fn signed(header: &[u8], keys: &[&Keys]) -> Vec<u8> {
    let said = to_sign(&engine_hash(header));
    let sign = |keys: &&Keys| (keys.agent(), Signature(keys.signing().sign(&said.0).to_bytes()));
    canonical::to_vec(&keys.iter().map(sign).collect::<Signatures>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use serde_json::json;
    use std::fs;
    use swarm_core::id::label;

    fn key(n: u8) -> Keys {
        Keys::from_seed(&Digest([n; 32]))
    }

    fn module() -> Vec<u8> {
        fs::read(alloc::format!("{}/tests/modules/language.wasm", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn draft() -> Draft {
        let wanted = |input, allow, reasons: &[&str]| Wanted {
            entry: label("ingress"),
            input,
            allow,
            reasons: reasons.iter().map(|reason| label(reason)).collect(),
        };
        Draft {
            name: label("test"),
            caps: Caps::default(),
            entries: [(label("ingress"), "language/decision".to_owned())].into(),
            cases: [
                wanted(json!({"role": "worker", "tasks": []}), true, &[]),
                wanted(json!({"role": "stranger", "tasks": [{"cost": 99}]}), false, &["cost", "role"]),
            ]
            .into(),
        }
    }

    fn sealed() -> Vec<u8> {
        draft().seal(&module(), &[&key(1)]).unwrap()
    }

    /// The header, the signatures and the module of a good capsule, changed and put together again.
    fn changed(change: impl FnOnce(&mut String, &mut String, &mut Vec<u8>)) -> Result<Policy, CapsuleError> {
        let bytes = sealed();
        let mut parts = bytes.splitn(4, |byte| *byte == b'\n');
        parts.next();
        let mut text = || String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
        let (mut header, mut signatures) = (text(), text());
        let mut module = parts.next().unwrap().to_vec();
        change(&mut header, &mut signatures, &mut module);
        let bytes = [MAGIC, header.as_bytes(), b"\n", signatures.as_bytes(), b"\n", &module].concat();
        Capsule::parse(&bytes)?.prove()
    }

    /// As [`changed`], signed anew: what an author could do who holds a key.
    fn resigned(change: impl FnOnce(&mut serde_json::Value)) -> Result<Policy, CapsuleError> {
        changed(|header, signatures, _| {
            let mut value = serde_json::from_str(header).unwrap();
            change(&mut value);
            *header = value.to_string();
            sign(header, signatures, &[&key(1)]);
        })
    }

    fn sign(header: &str, signatures: &mut String, keys: &[&Keys]) {
        *signatures = String::from_utf8(signed(header.as_bytes(), keys)).unwrap();
    }

    fn check(result: Result<Policy, CapsuleError>, code: &str) {
        match result {
            Ok(_) => panic!("taken, should be {code}"),
            Err(error) => assert_eq!(error.as_str(), code, "{error}"),
        }
    }

    #[test]
    fn a_good_capsule_decides() {
        let bytes = sealed();
        let capsule = Capsule::parse(&bytes).unwrap();
        assert_eq!(capsule.signers(), [key(1).agent()]);
        let policy = capsule.prove().unwrap();
        let verdict = policy.decide(&label("ingress"), br#"{"role":"planner","tasks":[{"cost":51}]}"#);
        assert_eq!((verdict.allow, verdict.reasons), (false, [label("cost")].into()));
        assert!(policy.decide(&label("ingress"), br#"{"role":"worker","tasks":[]}"#).allow);
        assert!(!policy.serves(&label("commit")));
        assert_eq!(policy.decide(&label("commit"), b"{}").reasons, [label("undefined")]);
        // The same parts make the same bytes.
        assert_eq!(bytes, sealed());
    }

    #[test]
    fn whoever_signs_it_the_engine_is_the_same() {
        let one = Capsule::parse(&sealed()).unwrap();
        let more = Capsule::parse(&draft().seal(&module(), &[&key(2), &key(1), &key(3)]).unwrap()).unwrap();
        assert_eq!(one.engine(), more.engine());
        assert_eq!(more.signers().len(), 3);
        let dearer = Draft { caps: Caps { gas: 5_000_001, ..Caps::default() }, ..draft() };
        let dearer = Capsule::parse(&dearer.seal(&module(), &[&key(1)]).unwrap()).unwrap();
        assert_ne!(one.engine(), dearer.engine());
    }

    #[test]
    fn what_was_changed_is_refused() {
        check(Capsule::parse(b"").and_then(|capsule| capsule.prove()), "not-a-capsule");
        check(Capsule::parse(MAGIC).and_then(|capsule| capsule.prove()), "not-a-capsule");
        check(changed(|_, _, module| module.push(0)), "wrong-module");
        check(changed(|_, _, module| module[1_000] ^= 1), "wrong-module");
        check(changed(|header, _, _| *header = header.replace("\"gas\":5", "\"gas\":4")), "bad-signature");
        check(changed(|header, _, _| *header = header.replace("\":", "\": ")), "non-canonical");
        check(changed(|header, _, _| *header = header.replace("\"allow\"", "\"also\"")), "malformed-header");
        check(changed(|header, _, _| *header = " ".repeat(HEADER_BYTES_MAX + 2)), "oversize-capsule");
        check(changed(|_, signatures, _| *signatures = "{}".into()), "unsigned");
        check(changed(|_, signatures, _| *signatures = signatures.replace("\":", "\": ")), "non-canonical");
        let twice = |signatures: &str| format!("{},{}", &signatures[..signatures.len() - 1], &signatures[1..]);
        check(changed(|_, signatures, _| *signatures = twice(signatures)), "non-canonical");
        check(
            changed(|_, signatures, _| *signatures = signatures.replace("did:key:z6", "did:key:z0")),
            "malformed-header",
        );
        let (own, other) = (key(1).agent().to_string(), key(2).agent().to_string());
        check(changed(|_, signatures, _| *signatures = signatures.replace(&own, &other)), "bad-signature");
        // The neutral element: plain verification would take any signature of a certain form.
        let weak = AgentId(core::array::from_fn(|at| u8::from(at == 0))).to_string();
        check(changed(|_, signatures, _| *signatures = signatures.replace(&own, &weak)), "bad-key");
    }

    #[test]
    fn an_author_cannot_promise_what_the_module_does_not_keep() {
        check(resigned(|header| header["conformance"][0]["gas"] = json!("1")), "wrong-decision");
        check(resigned(|header| header["conformance"][1]["reasons"] = json!(["cost"])), "wrong-decision");
        check(resigned(|header| header["conformance"][0]["input"]["role"] = json!("stranger")), "wrong-decision");
        check(resigned(|header| header["conformance"][0]["allow"] = json!(false)), "nothing-shown");
        check(resigned(|header| header["conformance"] = json!([])), "bad-entry");
        check(resigned(|header| header["conformance"][0]["gas"] = json!("01")), "malformed-header");
        check(resigned(|header| header["conformance"][0]["input"]["x"] = json!(1.5)), "non-canonical");
        check(resigned(|header| header["conformance"][0]["entry"] = json!("commit")), "bad-entry");
        check(resigned(|header| header["schema"] = json!(2)), "other-schema");
        check(resigned(|header| header["runtime"] = json!("other")), "other-runtime");
        check(resigned(|header| header["caps"]["gas"] = json!(1)), "bad-caps");
        check(resigned(|header| header["entries"]["ingress"] = json!("no/such")), "missing-entry-point");
        check(resigned(|header| header["entries"]["Ingress!"] = json!("language")), "malformed-header");
        check(resigned(|header| header["name"] = json!("")), "malformed-header");
        let wrong = Draft { cases: draft().cases.into_iter().rev().take(1).collect(), ..draft() };
        check(wrong.seal(&module(), &[&key(1)]).and_then(|bytes| Capsule::parse(&bytes)?.prove()), "nothing-shown");
        check(draft().seal(&module(), &[]).and_then(|bytes| Capsule::parse(&bytes)?.prove()), "unsigned");
    }

    #[test]
    fn every_cut_is_refused() {
        let bytes = sealed();
        for end in (0..bytes.len()).step_by(97).chain(bytes.len() - 1..bytes.len()) {
            assert!(Capsule::parse(&bytes[..end]).is_err(), "{end}");
        }
    }
}
