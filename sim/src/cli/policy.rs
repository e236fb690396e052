//! `policy`: from Rego to a capsule that proves itself, and what a capsule is, does and says.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::{Value, json};
use swarm_core::id::{Digest, Label, label};
use swarm_core::identity::Keys;
use swarm_core::policy::Gate;
use swarm_policy::capsule::{Capsule, CapsuleError, Draft, Wanted};
use swarm_policy::{Caps, Entry, Program, Run, Verdict};
use swarm_scenarios::read_regular;

use crate::cli::args::{PolicyArgs, PolicyBuildArgs, PolicyCommand, PolicyEvalArgs, PolicyTestArgs};
use crate::cli::files::LateFile;
use crate::cli::{CliError, say};

/// The compiler whose modules are known to be what this runs.
pub const OPA_VERSION: &str = "1.22.2";

/// Runs the command.
pub fn run(args: &PolicyArgs) -> Result<u8, CliError> {
    match &args.command {
        PolicyCommand::Build(args) => build(args),
        PolicyCommand::Inspect(args) => inspect(&args.file),
        PolicyCommand::Test(args) => test(args),
        PolicyCommand::Eval(args) => eval(args),
    }
}

/// An input and the decision it must get; as in `policies/*.cases.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseLine {
    decision: Decided,
    /// Has the gate it is asked at in `gate`.
    input: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    allow: bool,
    #[serde(default)]
    reasons: Vec<Label>,
}

fn cases(path: &Path) -> Result<Vec<Wanted>, CliError> {
    let bad = |what: String| CliError::NotCases { path: path.to_owned(), what };
    let bytes = read_regular(path).map_err(CliError::unreadable(path))?;
    let lines: Vec<CaseLine> = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    let wanted = |(at, CaseLine { decision, input }): (usize, CaseLine)| {
        let gate = Gate::ALL.into_iter().find(|gate| input["gate"] == gate.as_str());
        let gate =
            gate.ok_or_else(|| bad(format!("case {at}: input.gate is none of preflight, ingress and commit")))?;
        let Decided { allow, reasons } = decision;
        Ok(Wanted { allow, entry: label(gate.as_str()), input, reasons })
    };
    lines.into_iter().enumerate().map(wanted).collect()
}

fn build(args: &PolicyBuildArgs) -> Result<u8, CliError> {
    let out = LateFile::begin(&args.out)?;
    let cases = cases(&args.cases)?;
    let bad = |what: String| CliError::NotCases { path: args.cases.clone(), what };
    if let Some(gate) = Gate::ALL.into_iter().find(|gate| cases.iter().all(|case| case.entry.as_str() != gate.as_str()))
    {
        return Err(bad(format!("no case has {:?} for input.gate: each gate needs one", gate.as_str())));
    }
    let keys = keys(&args.key)?;
    let module = compile(&args.sources, &args.entry)?;
    let draft = Draft {
        caps: Caps { gas: args.gas, memory_pages: args.memory_pages },
        cases,
        entries: Gate::ALL.map(|gate| (label(gate.as_str()), args.entry.clone())).into(),
        name: args.name.clone(),
    };
    let said = |verdict: &Verdict| json!({ "allow": verdict.allow, "reasons": verdict.reasons });
    let bytes = draft.seal(&module, &[&keys]).map_err(|why| match why {
        CapsuleError::WrongDecision { case, expected, found } => {
            bad(format!("case {case} says {}, and the rules come to {}", said(&expected), said(&found)))
        }
        CapsuleError::NothingShown => bad("at least one case must be allowed, and at least one not".to_owned()),
        why => CliError::capsule(&args.out)(why),
    })?;
    let engine = Capsule::parse(&bytes).map_err(CliError::capsule(&args.out))?.engine();
    out.finish(&bytes)?;
    say(format!("{}: engine {engine}, {} cases, signed by {}\n", args.out.display(), draft.cases.len(), keys.agent()))?;
    Ok(0)
}

/// The key in a file of 64 hexadecimal digits that is its owner's alone. What stands there is never shown, whatever it is.
fn keys(path: &Path) -> Result<Keys, CliError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map_err(CliError::unreadable(path))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(CliError::OpenKey { path: path.to_owned(), mode: mode & 0o777 });
        }
    }
    let bytes = read_regular(path).map_err(CliError::unreadable(path))?;
    let text = std::str::from_utf8(&bytes).map(str::trim_ascii).unwrap_or_default();
    let seed: Digest = text.parse().map_err(|_| CliError::NoKey(path.to_owned()))?;
    Ok(Keys::from_seed(&seed))
}

fn opa(words: &[&OsStr], at: &Path) -> Result<String, CliError> {
    let program = std::env::var_os("OPA").unwrap_or_else(|| "opa".into());
    let done = Command::new(&program).args(words).current_dir(at).output();
    let done = done.map_err(|why| CliError::NoOpa { why: why.to_string() })?;
    match done.status.success() {
        true => Ok(String::from_utf8_lossy(&done.stdout).into_owned()),
        false => {
            let said = [done.stdout, done.stderr].concat();
            Err(CliError::OpaSays(String::from_utf8_lossy(&said).trim().to_owned()))
        }
    }
}

/// The module that the pinned OPA makes of these sources.
fn compile(sources: &[PathBuf], entry: &str) -> Result<Vec<u8>, CliError> {
    let version = opa(&["version".as_ref()], Path::new("."))?;
    if !version.lines().any(|line| line.split_whitespace().eq(["Version:", OPA_VERSION])) {
        let found = version.lines().next().unwrap_or_default().to_owned();
        return Err(CliError::NoOpa { why: format!("the one there says {found:?}") });
    }
    let folder = tempfile::tempdir().map_err(CliError::unwritable(&std::env::temp_dir()))?;
    let bundle = folder.path().join("bundle.tar.gz");
    let absolute = |source: &PathBuf| source.canonicalize().map_err(CliError::unreadable(source));
    let sources = sources.iter().map(absolute).collect::<Result<Vec<_>, _>>()?;
    // A module remembers what its sources were called: from where they lie, so that it is the same wherever that is.
    let holds_all = |folder: &&Path| sources.iter().all(|source| source.starts_with(folder));
    let root = sources[0].ancestors().skip(1).find(holds_all).unwrap_or(Path::new("/"));
    let mut words = ["build", "-t", "wasm", "-e", entry, "-o"].map(OsStr::new).to_vec();
    words.push(bundle.as_os_str());
    words.extend(sources.iter().map(|source| source.strip_prefix(root).unwrap_or(source).as_os_str()));
    opa(&words, root)?;
    let file = std::fs::File::open(&bundle).map_err(CliError::unreadable(&bundle))?;
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let unreadable = || CliError::unreadable(&bundle);
    for entry in archive.entries().map_err(unreadable())? {
        let entry = entry.map_err(unreadable())?;
        if entry.path().is_ok_and(|path| path.ends_with("policy.wasm")) {
            let mut module = Vec::new();
            entry.take(Caps::MODULE_BYTES_MAX as u64 + 1).read_to_end(&mut module).map_err(unreadable())?;
            return Ok(module);
        }
    }
    Err(CliError::OpaSays("its bundle has no policy.wasm".to_owned()))
}

/// What a file holds: a capsule, or a bare module.
enum Held {
    Capsule(Box<Capsule>),
    Module(Vec<u8>),
}

fn held(path: &Path) -> Result<Held, CliError> {
    let bytes = read_regular(path).map_err(CliError::unreadable(path))?;
    match bytes.starts_with(b"\0asm") {
        true => Ok(Held::Module(bytes)),
        false => Ok(Held::Capsule(Box::new(Capsule::parse(&bytes).map_err(CliError::capsule(path))?))),
    }
}

fn load(path: &Path, module: &[u8], caps: Caps) -> Result<Program, CliError> {
    Program::load(module, caps).map_err(|error| CliError::capsule(path)(error.into()))
}

fn inspect(path: &Path) -> Result<u8, CliError> {
    let held = held(path)?;
    let (module, caps) = match &held {
        Held::Capsule(capsule) => (capsule.module(), capsule.header().caps),
        Held::Module(module) => (&module[..], Caps::default()),
    };
    let program = load(path, module, caps)?;
    let mut told = json!({
        "builtins": program.builtins().collect::<Vec<_>>(),
        "entry_points": program.entries().collect::<Vec<_>>(),
        "module": Digest::sha256(module),
        "module_bytes": module.len(),
    });
    if let Held::Capsule(capsule) = &held {
        let header = capsule.header();
        let more = json!({
            "caps": header.caps, "cases": header.conformance.len(), "engine": capsule.engine(), "entries": header.entries,
            "name": header.name, "runtime": header.runtime, "schema": header.schema, "signers": capsule.signers(),
        });
        let (Value::Object(told), Value::Object(more)) = (&mut told, more) else { unreachable!("both are objects") };
        told.extend(more);
    }
    say(format!("{told:#}\n"))?;
    Ok(0)
}

fn test(args: &PolicyTestArgs) -> Result<u8, CliError> {
    let Held::Capsule(capsule) = held(&args.file)? else {
        return Err(CliError::capsule(&args.file)(CapsuleError::NotACapsule { missing: "its first line" }));
    };
    let policy = capsule.prove().map_err(CliError::capsule(&args.file))?;
    let mut gas: Vec<u64> = capsule.header().conformance.iter().map(|case| case.gas.0).collect();
    gas.sort_unstable();
    let (least, most) = (gas[0], gas[gas.len() - 1]);
    say(format!(
        "{}: all {} cases of its own come out as it says, for {least} to {most} gas, {} in the middle\n",
        args.file.display(),
        gas.len(),
        gas[gas.len() / 2]
    ))?;
    let Some(path) = &args.cases else { return Ok(0) };
    let (wanted, mut wrong) = (cases(path)?, 0);
    for (at, Wanted { allow, entry, input, reasons }) in wanted.iter().enumerate() {
        let found = policy.decide(entry, &serde_json::to_vec(input).expect("it was read"));
        if (found.allow, &found.reasons) != (*allow, reasons) {
            wrong += 1;
            let said = |allow: bool, reasons: &[Label]| json!({ "allow": allow, "reasons": reasons });
            let (expected, found) = (said(*allow, reasons), said(found.allow, &found.reasons));
            say(format!("{}, case {at}: expected {expected}, found {found}, for {input}\n", path.display()))?;
        }
    }
    say(format!("{}: {wrong} of {} cases come out otherwise\n", path.display(), wanted.len()))?;
    Ok(u8::from(wrong > 0))
}

fn eval(args: &PolicyEvalArgs) -> Result<u8, CliError> {
    let mut input = Vec::new();
    match args.input.as_os_str() == "-" {
        true => drop(std::io::stdin().lock().read_to_end(&mut input).map_err(CliError::unreadable(&args.input))?),
        false => input = read_regular(&args.input).map_err(CliError::unreadable(&args.input))?,
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(&input)
        .map_err(|error| CliError::NotJson { path: args.input.clone(), what: error.to_string() })?;
    let held = held(&args.file)?;
    let (program, entries) = match &held {
        Held::Capsule(capsule) => {
            capsule.prove().map_err(CliError::capsule(&args.file))?;
            (load(&args.file, capsule.module(), capsule.header().caps)?, capsule.header().entries.clone())
        }
        Held::Module(module) => (load(&args.file, module, Caps::default())?, BTreeMap::new()),
    };
    let run = program.instance().evaluate(entry(args, &program, &entries)?, &input);
    let Run { gas, value } = &run;
    let told = match value {
        // As the policy wrote it: read and written again, a long number would come out as another.
        Ok(value) => format!("{{\"gas\":{gas},\"value\":{value}}}"),
        Err(failure) => json!({ "gas": gas, "failure": failure.to_string() }).to_string(),
    };
    say(format!("{told}\n"))?;
    Ok(0)
}

/// The entry point that is asked: the capsule's own name for it, or the module's.
fn entry(args: &PolicyEvalArgs, program: &Program, entries: &BTreeMap<Label, String>) -> Result<Entry, CliError> {
    let known = |name: &str| entries.iter().find(|(label, _)| label.as_str() == name).map(|(_, path)| path.as_str());
    let first = || program.entries().next().expect("what has none is not loaded").to_owned();
    let name = args.entry.as_deref().map_or_else(first, |name| known(name).unwrap_or(name).to_owned());
    program.entry(&name).map_err(|error| CliError::capsule(&args.file)(error.into()))
}
