//! `policy`: what a capsule is, does and says, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::{Place, command, sim};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/policy").join(name)
}

fn base() -> String {
    shipped("policies/base.capsule").display().to_string()
}

const QUESTION: &str = r#"{"body":{"cost":"7","eta_ms":5,"task":"a"},"bytes":400,"gate":"ingress","refs":0,"roles":[ROLES],"verb":"CLAIM"}"#;

/// What the base policy says to a CLAIM of somebody with these roles.
fn said(roles: &str) -> String {
    let place = Place::with(&[("ask.json", &QUESTION.replace("ROLES", roles))]);
    let did = sim(["policy", "eval", &base(), "--entry", "ingress", "--input", &place.text("ask.json")]);
    assert_eq!(did.code, 0, "{}", did.err);
    did.out
}

#[test]
fn a_capsule_answers() {
    assert!(said("\"worker\"").contains(r#""value":{"allow":true,"reasons":[]}"#), "{}", said("\"worker\""));
    assert!(said("\"planner\"").contains(r#""value":{"allow":false,"reasons":["role"]}"#), "{}", said("\"planner\""));
}

#[test]
fn a_capsule_is_told_and_tested() {
    let did = sim(["policy", "inspect", &base()]);
    let told: serde_json::Value = serde_json::from_str(&did.out).unwrap();
    assert_eq!((did.code, &told["name"], &told["schema"]), (0, &"swarm-base".into(), &1.into()));
    let entries = told["entries"].as_object().unwrap();
    assert_eq!(entries.keys().collect::<Vec<_>>(), ["commit", "ingress", "preflight"]);
    let module = shipped("policies/base.wasm").display().to_string();
    let bare: serde_json::Value = serde_json::from_str(&sim(["policy", "inspect", &module]).out).unwrap();
    assert_eq!((&bare["module"], &bare["engine"]), (&told["module"], &serde_json::Value::Null));

    let place = Place::with(&[
        (
            "good.json",
            r#"[{"input": {"gate": "ingress"}, "decision": {"allow": false, "reasons": ["budget", "cost", "fee", "refs", "role", "size", "telemetry", "window"]}}]"#,
        ),
        ("other.json", r#"[{"input": {"gate": "ingress"}, "decision": {"allow": true}}]"#),
        ("none.json", r#"[{"input": {}, "decision": {"allow": true}}]"#),
    ]);
    let test = |cases: &str| sim(["policy", "test", &base(), "--cases", &place.text(cases)]);
    let did = test("good.json");
    assert!(did.code == 0 && did.out.contains("all 226 cases") && did.out.contains("0 of 1 cases"), "{}", did.out);
    let did = test("other.json");
    assert!(did.code == 1 && did.out.contains("case 0: expected") && did.out.contains("1 of 1 cases"), "{}", did.out);
    test("none.json").fails(65, &["cases that cannot be taken", "input.gate"]);
}

#[test]
fn what_is_no_capsule_or_was_changed_is_refused_by_name() {
    let good = fs::read(base()).unwrap();
    let place =
        Place::with(&[("text.capsule", "hello"), ("empty.capsule", ""), ("ask.json", "{"), ("cases.json", "[]")]);
    let inspect = |name: &str| sim(["policy", "inspect", &place.text(name)]);
    for name in ["text.capsule", "empty.capsule"] {
        inspect(name).fails(65, &["not-a-capsule", "missing;"]);
    }
    let changed = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        fs::write(place.path(name), bytes).unwrap();
        inspect(name)
    };
    let last = good.len() - 1;
    changed("module.capsule", &|bytes| bytes[last] ^= 1).fails(65, &["wrong-module"]);
    changed("cut.capsule", &|bytes| bytes.truncate(last)).fails(65, &["wrong-module"]);
    changed("header.capsule", &|bytes| {
        let at = bytes.windows(12).position(|part| part == b"\"allow\":true").unwrap();
        bytes[at + 8..at + 12].copy_from_slice(b"null");
    })
    .fails(65, &["malformed-header"]);
    changed("gas.capsule", &|bytes| {
        let at = bytes.windows(7).position(|part| part == b"\"gas\":5").unwrap();
        bytes[at + 6] = b'6';
    })
    .fails(65, &["bad-signature"]);
    changed("module.wasm", &|bytes| *bytes = b"\0asm\x01\0\0\0".to_vec()).fails(65, &["not-a-module"]);
    let did = sim(["policy", "eval", &base(), "--input", &place.text("ask.json")]);
    did.fails(65, &["ask.json: not JSON"]);
    let did = sim(["policy", "eval", &base(), "--entry", "egress", "--input", &place.text("cases.json")]);
    did.fails(65, &["missing-entry-point", "egress"]);
}

/// Only making one needs the compiler.
#[test]
fn without_its_compiler_no_policy_is_made_and_nothing_is_written() {
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let case = |gate: &str| format!("{{\"input\":{{\"gate\":\"{gate}\"}},\"decision\":{{\"allow\":false}}}}");
    let cases = format!("[{}]", ["preflight", "ingress", "commit"].map(case).join(","));
    let files = [("cases.json", &*cases), ("few.json", "[]"), ("key", key), ("no-key", "secret words"), ("open", key)];
    let place = Place::with(&files);
    for (name, mode) in [("key", 0o600), ("no-key", 0o600), ("open", 0o640)] {
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let rego = shipped("policies/base.rego").display().to_string();
    let build = |cases: &str, key: &str, opa: &str| {
        let mut command = command();
        command.args(["policy", "build", &rego, "--entry", "swarm/base/decision", "--cases", &place.text(cases)]);
        command.args(["--key", &place.text(key), "--out", &place.text("new.capsule")]);
        let out = command.env("OPA", opa).stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        crate::Did { code: out.status.code().unwrap(), out: text(out.stdout), err: text(out.stderr) }
    };
    build("cases.json", "key", "/no/such/opa")
        .fails(69, &["opa 1.22.2 is needed", "go install", "to run policies it is not needed"]);
    build("cases.json", "key", "true").fails(69, &["opa 1.22.2 is needed"]);
    build("few.json", "key", "true").fails(65, &["few.json", "\"preflight\"", "each gate needs one"]);
    build("cases.json", "open", "true").fails(65, &["mode 640 lets others at the key", "chmod 600"]);
    let did = build("cases.json", "no-key", "/no/such/opa");
    did.fails(65, &["no key", "64 hexadecimal digits"]);
    assert!(!did.err.contains("secret words"), "what stands there is never shown");
    assert_eq!(place.names(), ["cases.json", "few.json", "key", "no-key", "open"]);
}
