//! Modules that mean harm or are broken, and questions that ask for too much: refused or denied by name, and without a trace.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::{fs, println};
use swarm_core::id::label;

use crate::{Caps, Failure, LoadError, Program};

/// A module with all that OPA's have, and these parts.
struct Parts {
    imports: &'static str,
    abi: (i32, i32),
    /// What `opa_eval` does; 2048 holds an empty result, 2064 an allowing one.
    eval: &'static str,
    more: &'static str,
    builtins: &'static str,
    entries: &'static str,
    memory: &'static str,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            imports: "",
            abi: (1, 3),
            eval: "i32.const 2064",
            more: "",
            builtins: "{}",
            entries: r#"{\22p\22:0}"#,
            memory: "2",
        }
    }
}

impl Parts {
    fn text(&self) -> String {
        let Self { imports, abi: (major, minor), eval, more, builtins, entries, memory } = self;
        format!(
            r#"(module
  (import "env" "memory" (memory {memory}))
  (import "env" "opa_abort" (func $abort (param i32)))
  (import "env" "opa_builtin0" (func $builtin0 (param i32 i32) (result i32)))
  {imports}
  (global $count (mut i32) (i32.const 0))
  (global (export "opa_wasm_abi_version") i32 (i32.const {major}))
  (global (export "opa_wasm_abi_minor_version") i32 (i32.const {minor}))
  (data (i32.const 1024) "{builtins}\00")
  (data (i32.const 1536) "{entries}\00")
  (data (i32.const 2048) "set()\00")
  (data (i32.const 2064) "{{{{\22result\22:{{\22allow\22:true}}}}}}\00")
  (data (i32.const 2128) "{{{{\22result\22:{{\22allow\22:false}}}}}}\00")
  (data (i32.const 3000) "enough\00")
  (func (export "builtins") (result i32) i32.const 1024)
  (func (export "entrypoints") (result i32) i32.const 1536)
  (func (export "eval") (param i32) (result i32) i32.const 0)
  (func (export "opa_eval_ctx_new") (result i32) i32.const 0)
  (func (export "opa_eval_ctx_get_result") (param i32) (result i32) i32.const 0)
  (func (export "opa_eval_ctx_set_data") (param i32 i32))
  (func (export "opa_eval_ctx_set_entrypoint") (param i32 i32))
  (func (export "opa_eval_ctx_set_input") (param i32 i32))
  (func (export "opa_heap_ptr_get") (result i32) i32.const 8192)
  (func (export "opa_heap_ptr_set") (param i32))
  (func (export "opa_json_dump") (param i32) (result i32) local.get 0)
  (func (export "opa_malloc") (param i32) (result i32) i32.const 4096)
  (func (export "opa_value_dump") (param i32) (result i32) local.get 0)
  (func (export "opa_value_parse") (param i32 i32) (result i32) local.get 0)
  (func (export "opa_eval") (param i32 i32 i32 i32 i32 i32 i32) (result i32) {eval})
  {more})"#
        )
    }

    fn bytes(&self) -> Vec<u8> {
        let text = self.text();
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

fn caps() -> Caps {
    Caps { gas: 1_000_000, memory_pages: 16 }
}

fn check_load(parts: Parts, code: &str, says: &str) {
    let error = Program::load(&parts.bytes(), caps()).expect_err(code);
    assert_eq!(error.as_str(), code, "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn a_module_of_this_form_is_good() {
    let program = Program::load(&Parts::default().bytes(), caps()).unwrap();
    let run = program.instance().decide(program.entry("p").unwrap(), b"{}");
    assert_eq!((run.allow, run.reasons.len()), (true, 0));
}

#[test]
fn what_is_no_module_is_refused() {
    let good = Parts::default().bytes();
    let name = |bytes: &[u8]| Program::load(bytes, caps()).expect_err("not good").as_str();
    assert_eq!(name(b""), "not-a-module");
    assert_eq!(name(b"package a\n\nallow := true\n"), "not-a-module");
    assert_eq!(name(&good[..good.len() / 2]), "not-a-module");
    let mut long = good.clone();
    long.resize(Caps::MODULE_BYTES_MAX + 1, 0);
    assert_eq!(name(&long), "oversize");
    // Another type for the last function's body.
    let mut broken = good.clone();
    let at = broken.windows(3).rposition(|bytes| bytes == [0x41, 0x90, 0x10]).unwrap();
    broken[at] = 0x42;
    assert_eq!(name(&broken), "invalid-module");
    for cap in [Caps { gas: 0, ..caps() }, Caps { memory_pages: 1, ..caps() }, Caps { memory_pages: 9_999, ..caps() }] {
        assert_eq!(Program::load(&good, cap).expect_err("cap").as_str(), "bad-caps");
    }
}

/// Every byte of a good module is broken once: it is refused, or it is another good module, and nothing panics.
#[test]
fn no_broken_byte_does_harm() {
    let good = Parts::default().bytes();
    let mut refused = 0;
    for at in 0..good.len() {
        let mut broken = good.clone();
        broken[at] ^= 0x15;
        match Program::load(&broken, Caps { gas: 100_000, memory_pages: 4 }) {
            Ok(program) => {
                for name in program.entries() {
                    let entry = program.entry(name).unwrap();
                    let mut instance = program.instance();
                    let first = instance.evaluate(entry, b"{}");
                    assert_eq!(first, instance.evaluate(entry, b"{}"), "byte {at}");
                }
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > good.len() / 4, "{refused} of {}", good.len());
}

#[test]
fn foreign_things_are_refused() {
    let wasi = r#"(import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))"#;
    check_load(Parts { imports: wasi, ..Parts::default() }, "foreign-import", "wasi_snapshot_preview1.random_get");
    let println = r#"(import "env" "opa_println" (func (param i32)))"#;
    check_load(Parts { imports: println, ..Parts::default() }, "foreign-import", "env.opa_println");
    let global = r#"(import "env" "seed" (global i32))"#;
    check_load(Parts { imports: global, ..Parts::default() }, "foreign-import", "env.seed");
    let typed = r#"(import "env" "opa_builtin1" (func (param i64 i32 i32) (result i32)))"#;
    check_load(Parts { imports: typed, ..Parts::default() }, "wrong-type", "env.opa_builtin1");
    check_load(Parts { memory: "17", ..Parts::default() }, "over-memory", "17 pages");
    check_load(Parts { memory: "2 3", ..Parts::default() }, "start-failed", "memory");
    let bulk = "(func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))";
    check_load(Parts { more: bulk, ..Parts::default() }, "invalid-module", "bulk memory");
}

#[test]
fn another_interface_is_refused() {
    for abi in [(2, 0), (0, 1), (1, 0)] {
        check_load(Parts { abi, ..Parts::default() }, "abi-version", &format!("{}.{}", abi.0, abi.1));
    }
    let without = |name: &str| {
        let text = Parts::default().text().replace(&format!("(export \"{name}\")"), "");
        Program::load(&wat::parse_str(text).unwrap(), caps()).map(|_| ())
    };
    for name in ["opa_value_dump", "eval", "builtins", "opa_wasm_abi_version", "opa_heap_ptr_get"] {
        assert_eq!(without(name), Err(LoadError::MissingExport { name }), "{name}");
    }
    // Older than the single call: asked by the older ones.
    assert_eq!(without("opa_eval"), Ok(()));
}

#[test]
fn lists_that_are_none_are_refused() {
    check_load(Parts { entries: "{}", ..Parts::default() }, "no-entry-point", "opa build -e");
    check_load(Parts { entries: "[1]", ..Parts::default() }, "malformed-list", "entrypoints()");
    check_load(Parts { builtins: r"{\22sprintf\22:-1}", ..Parts::default() }, "malformed-list", "builtins()");
    check_load(Parts { builtins: r"{\22sprintf\22:9999}", ..Parts::default() }, "malformed-list", "builtins()");
    check_load(Parts { builtins: "no", ..Parts::default() }, "malformed-list", "builtins()");
    let program = Program::load(&Parts::default().bytes(), caps()).unwrap();
    let error = program.entry("q").unwrap_err();
    assert_eq!((error.as_str(), error.to_string().contains("opa build -e q")), ("missing-entry-point", true));
}

#[test]
fn builtins_are_refused_by_name() {
    for (builtins, code, says) in [
        (r"{\22time.now_ns\22:0}", "impure-builtin", "time.now_ns, whose answer depends on a clock"),
        (r"{\22http.send\22:0}", "impure-builtin", "network"),
        (r"{\22rand.intn\22:0}", "impure-builtin", "random"),
        (r"{\22uuid.rfc4122\22:0}", "impure-builtin", "random"),
        (r"{\22opa.runtime\22:0}", "impure-builtin", "environment"),
        (r"{\22io.jwt.decode_verify\22:0}", "impure-builtin", "clock"),
        (r"{\22rego.parse_module\22:0}", "impure-builtin", "source"),
        (r"{\22trace\22:0}", "impure-builtin", "log"),
        (r"{\22yaml.unmarshal\22:0}", "unsupported-builtin", "yaml.unmarshal"),
        (r"{\22net.cidr_merge\22:0}", "unsupported-builtin", "net.cidr_merge"),
        (r"{\22my.own\22:0}", "unknown-builtin", "my.own"),
    ] {
        check_load(Parts { builtins, ..Parts::default() }, code, says);
    }
}

#[test]
fn a_start_function_gets_no_more_than_a_question() {
    let endless = "(func $start (loop br 0)) (start $start)";
    check_load(Parts { more: endless, ..Parts::default() }, "start-failed", "fuel");
    let calls = "(func $start (drop (call $builtin0 (i32.const 0) (i32.const 0)))) (start $start)";
    check_load(Parts { more: calls, ..Parts::default() }, "start-failed", "before it was asked");
    let aborts = "(func $start (call $abort (i32.const 3000))) (start $start)";
    check_load(Parts { more: aborts, ..Parts::default() }, "start-failed", "enough");
    let grows = "(func $start (drop (memory.grow (i32.const 99)))) (start $start)";
    check_load(Parts { more: grows, ..Parts::default() }, "start-failed", "");
}

fn check_run(eval: &'static str, failure: Failure) {
    let program = Program::load(&Parts { eval, ..Parts::default() }.bytes(), caps()).unwrap();
    let entry = program.entry("p").unwrap();
    let mut instance = program.instance();
    let first = instance.evaluate(entry, b"{}");
    assert_eq!(first.value, Err(failure.clone()), "{eval}");
    assert_eq!(first, instance.evaluate(entry, b"{}"), "{eval}");
    let verdict = instance.decide(entry, b"{}");
    assert_eq!((verdict.allow, verdict.reasons), (false, [label(failure.as_str())].into()));
    if failure == Failure::OutOfGas {
        assert_eq!(first.gas, u64::from(caps().gas));
    }
}

#[test]
fn what_goes_wrong_is_a_denial_with_its_own_name() {
    check_run("(loop br 0) i32.const 2064", Failure::OutOfGas);
    check_run("unreachable", Failure::Trapped("wasm `unreachable` instruction executed"));
    check_run("(i32.load (i32.const -8))", Failure::Trapped("out of bounds memory access"));
    check_run("(call $abort (i32.const 3000)) i32.const 2064", Failure::Aborted("enough".into()));
    check_run("(drop (memory.grow (i32.const 99))) i32.const 2064", Failure::OverMemory);
    check_run("i32.const 2048", Failure::Undefined);
    check_run("i32.const -1", Failure::Trapped("its result has no end"));
    check_run("i32.const 3000", Failure::MalformedResult);
    check_run(
        "(call $builtin0 (i32.const 0) (i32.const 0))",
        Failure::Trapped("it called a builtin that it did not declare"),
    );
    let deep = "(call $again (local.get 0) (local.get 0) (local.get 0) (local.get 0) (local.get 0) (local.get 0) (local.get 0))";
    let eval = Parts { eval: deep, ..Parts::default() }
        .text()
        .replace("(func (export \"opa_eval\")", "(func $again (export \"opa_eval\")");
    let program = Program::load(&wat::parse_str(eval).unwrap(), caps()).unwrap();
    let run = program.instance().evaluate(program.entry("p").unwrap(), b"{}");
    assert!(matches!(run.value, Err(Failure::Trapped(_))), "{run:?}");
}

#[test]
fn input_that_does_not_fit_is_a_denial() {
    let program = Program::load(&Parts::default().bytes(), caps()).unwrap();
    let entry = program.entry("p").unwrap();
    let long = alloc::vec![b' '; 16 * 65_536];
    assert_eq!(program.instance().evaluate(entry, &long).value, Err(Failure::OutOfGas));
    let rich = Program::load(&Parts::default().bytes(), Caps { gas: 100_000_000, ..caps() }).unwrap();
    assert_eq!(rich.instance().evaluate(rich.entry("p").unwrap(), &long).value, Err(Failure::OverMemory));
}

/// The second question finds nothing of the first: not in a global that nobody exports, not high up in memory, and not in the
/// size of the memory.
#[test]
fn a_note_to_oneself_is_lost() {
    for eval in [
        "(global.set $count (i32.add (global.get $count) (i32.const 1)))
         (select (i32.const 2064) (i32.const 2128) (i32.eq (global.get $count) (i32.const 1)))",
        "(select (i32.const 2064) (i32.const 2128) (i32.eqz (i32.load (i32.const 500000))))
         (i32.store (i32.const 500000) (i32.const 1))",
        "(select (i32.const 2064) (i32.const 2128) (i32.eqz (i32.load (i32.const 100))))
         (i32.store (i32.const 100) (i32.const 1))",
        "(select (i32.const 2064) (i32.const 2128) (i32.eq (memory.size) (i32.const 8)))
         (drop (memory.grow (i32.const 1)))",
    ] {
        let program = Program::load(&Parts { eval, ..Parts::default() }.bytes(), caps()).unwrap();
        let entry = program.entry("p").unwrap();
        let mut instance = program.instance();
        let first = instance.decide(entry, b"{}");
        assert!(first.allow, "{eval}: {first:?}");
        for _ in 0..3 {
            assert_eq!(instance.decide(entry, b"{}"), first, "{eval}");
        }
        assert_eq!(instance.memory_bytes(), 8 * 65_536);
    }
}

/// Another order of questions, a new instance, an old one: every question has its one answer and its one price.
#[test]
fn an_answer_does_not_depend_on_earlier_ones() {
    let path = format!("{}/tests/modules/language.wasm", env!("CARGO_MANIFEST_DIR"));
    let program = Program::load(&fs::read(path).unwrap(), Caps { gas: 20_000_000, memory_pages: 32 }).unwrap();
    let entry = program.entry("language").unwrap();
    let input = |n: usize| match n % 5 {
        0 => r#"{"role":"worker","seven":7,"tasks":[]}"#.to_string(),
        1 => format!(r#"{{"role":"planner","seven":{n},"tasks":[{{"name":"a","cost":{n},"zone":"eu"}}]}}"#),
        // Fails: not JSON, too dear, and nothing at all.
        2 => "{".to_string(),
        3 => format!(r#"{{"tasks":[{}]}}"#, [r#"{"name":"a","cost":1,"zone":"eu"}"#; 2_000].join(",")),
        _ => "{}".to_string(),
    };
    let alone: Vec<_> = (0..25).map(|n| program.instance().evaluate(entry, input(n).as_bytes())).collect();
    let mut instance = program.instance();
    for round in 0..200 {
        let n = (round * 7 + round / 25) % 25;
        assert_eq!(instance.evaluate(entry, input(n).as_bytes()), alone[n], "question {n} in round {round}");
    }
    assert!(alone.iter().any(|run| run.value == Err(Failure::OutOfGas)), "{alone:?}");
    assert!(instance.renewed() > 0, "some grew");
}

#[test]
fn the_heap_does_not_grow() {
    let path = format!("{}/tests/modules/text.wasm", env!("CARGO_MANIFEST_DIR"));
    let program = Program::load(&fs::read(path).unwrap(), Caps::default()).unwrap();
    let entry = program.entry("text").unwrap();
    let mut instance = program.instance();
    let (first, bytes) = (instance.evaluate(entry, b"{}"), instance.memory_bytes());
    for _ in 0..500 {
        assert_eq!(instance.evaluate(entry, b"{}"), first);
    }
    assert_eq!((instance.memory_bytes(), instance.renewed()), (bytes, 0));
    println!("{} gas", first.gas);
}

/// However a module jumps, it takes fuel and none of the host's stack, in every build: by tail calls it did in some.
#[test]
fn a_loop_takes_no_stack() {
    let run = || {
        let parts = Parts {
            eval: "(loop $on (global.set $count (i32.add (global.get $count) (i32.const 1))) (br $on)) unreachable",
            ..Parts::default()
        };
        let program = Program::load(&parts.bytes(), Caps { gas: 50_000_000, ..caps() }).unwrap();
        program.instance().evaluate(program.entry("p").unwrap(), b"{}").value
    };
    let thread = std::thread::Builder::new().stack_size(1 << 18).spawn(run).unwrap();
    assert_eq!(thread.join().unwrap(), Err(Failure::OutOfGas));
}
