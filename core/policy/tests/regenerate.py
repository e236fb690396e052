#!/usr/bin/env python3
"""Asks the pinned OPA again: builds the module of every topic in cases/ and writes down what `opa eval` answers.

    tests/regenerate.py [OPA]

Each rule of a topic is one case per input. A rule without a value is a case too, listed under "undefined".
"""
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).parent
OPA = sys.argv[1] if len(sys.argv) > 1 else "opa"
PINNED = "1.22.2"


def run(*words, stdin=None, cwd=None):
    done = subprocess.run([OPA, *words], input=stdin, capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        sys.exit(f"opa {' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def build(source, entries, to, *beside):
    with tempfile.TemporaryDirectory() as folder:
        bundle = pathlib.Path(folder) / "bundle.tar.gz"
        # A module remembers what its source was called: by name alone, it is the same wherever this folder lies.
        names = (w for e in entries for w in ("-e", e))
        run("build", "-t", "wasm", "-o", str(bundle), *names, source.name, *beside, cwd=source.parent)
        with tarfile.open(bundle) as tar:
            to.write_bytes(tar.extractfile("/policy.wasm").read())


def rules(source):
    """Names of the rules, without those of functions."""
    heads = re.findall(r"^(?:default )?([a-z]\w*)(.?)", source.read_text(), re.M)
    return sorted({name for name, after in heads if after != "(" and name not in ("package", "import", "default", "else")})


GOOD = [
    {"body": {"budget": "500", "class": "simple", "fee": "10", "windows": {"bids_ms": 1000, "challenge_ms": 60000,
     "decision_ms": 10000, "lease_ms": 60000, "proposals_ms": 1000, "verify_ms": 30000}}, "bytes": 900, "gate": "ingress",
     "refs": 0, "roles": ["requester"], "verb": "NEED"},
    {"body": {"cost": "7", "eta_ms": 5, "task": "a"}, "bytes": 400, "gate": "ingress", "refs": 0, "roles": ["worker"], "verb": "CLAIM"},
    {"body": {"ballot": 1, "cost_caps": {"a": "5", "b": "6"}, "eta_ms": 9, "patch": []}, "bytes": 400, "gate": "preflight",
     "refs": 1, "roles": ["planner"], "verb": "PROPOSE"},
    {"body": {"outputs": {}, "states": [], "task": "a", "telemetry": {"bytes": "100", "steps": "1000"}}, "bytes": 500,
     "gate": "commit", "measured": {"bytes": "100", "steps": "999"}, "refs": 1, "roles": ["worker"], "verb": "COMMIT"},
    {"body": {"progress_bp": 10, "task": "a"}, "bytes": 300, "gate": "ingress", "refs": 0, "roles": ["worker"], "verb": "HEARTBEAT"},
]
OTHERS = {
    "budget": ["0", "1", "1000000", "1000001", "18446744073709551615"], "class": ["complex", "critical", "royal"],
    "fee": ["0", "11", "100", "1000", "1001"], "cost": ["0", "1000000000", "1000000001"], "bids_ms": [9, 10, 2592000000, 2592000001],
    "bytes": [0, 1, 65536, 65537, "101", "99", "1099511627776", "1099511627777"], "steps": ["0", "1000", "1001", "1125899906842625"],
    "gate": ["preflight", "ingress", "commit", "elsewhere"], "refs": [128, 129], "b": ["0", "1000000001"],
    "roles": [[], ["coordinator"], ["mint", "worker", "requester", "planner"]],
    "verb": ["NEED", "CLAIM", "PROPOSE", "COMMIT", "CHALLENGE", "MINT", "UPDATE_PLAN", "SHOUT"],
}


def variants(value):
    """`value` with one thing in it missing or other, anywhere."""
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        yield {other: kept for other, kept in value.items() if other != name}
        for new in OTHERS.get(name, []):
            yield {**value, name: new}
        for new in variants(inner):
            yield {**value, name: new}


def base():
    """The modules of the policies, and what OPA decides for good envelopes and for all their variants."""
    folder = HERE.parent / "policies"
    build(folder / "base.rego", ["swarm/base/decision"], folder / "base.wasm")
    build(folder / "trials.rego", ["swarm/trials/decision"], folder / "trials.wasm", "base.rego")
    inputs = [{}] + [one for good in GOOD for one in (good, *variants(good))]
    query = "[decision | some one in input; decision := data.swarm.base.decision with input as one]"
    decisions = json.loads(run("eval", "--format", "raw", "--stdin-input", "-d", str(folder / "base.rego"),
                               f"json.marshal({query})", stdin=json.dumps(inputs)))
    assert len(decisions) == len(inputs)
    lines = [json.dumps({"decision": d, "input": i}, sort_keys=True, separators=(",", ":")) for d, i in zip(decisions, inputs)]
    (HERE / "cases" / "base.cases.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"base policy: {len(lines)} cases, {sum(d['allow'] for d in decisions)} pass")


def main():
    if f"Version: {PINNED}" not in run("version"):
        sys.exit(f"{OPA} is not version {PINNED}: GOBIN=$PWD/bin go install github.com/open-policy-agent/opa@v{PINNED}")
    total = 0
    for source in sorted((HERE / "cases").glob("*.rego")):
        topic = source.stem
        # What the module does otherwise than OPA may end an evaluation: one entry point each.
        entries = [f"{topic}/{name}" for name in rules(source)] if topic == "quirks" else [topic]
        build(source, entries, HERE / "modules" / f"{topic}.wasm")
        lines = []
        for given in json.loads(source.with_suffix(".inputs.json").read_text()):
            text = json.dumps(given, ensure_ascii=False, separators=(",", ":"))
            # The value's own text, so that no number goes through a float here.
            answer = run("eval", "--format", "raw", "--stdin-input", "-d", str(source), f"json.marshal(data.{topic})", stdin=text)
            value = answer.strip()
            undefined = [name for name in rules(source) if name not in json.loads(value)]
            total += len(rules(source))
            lines.append('{"input":%s,"undefined":%s,"values":%s}' % (text, json.dumps(undefined, separators=(",", ":")), value))
        (HERE / "cases" / f"{topic}.expected.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
        print(f"{topic}: {len(rules(source))} rules, {len(lines)} inputs")
    print(f"{total} cases")
    base()
    names = [builtin["name"] for builtin in json.loads(run("capabilities", "--current"))["builtins"]]
    (HERE / "cases" / "builtins.txt").write_text("\n".join(sorted(names)) + "\n")


main()
