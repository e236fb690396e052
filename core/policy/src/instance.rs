//! A module that answers one question after the other, each as if it were the first.
//!
//! What must never happen: that an answer or its gas depends on an earlier question. After each one the memory and every
//! global are put back, whatever way it ended; an instance whose memory grew, which cannot be undone, is thrown away.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use wasmi::{
    Engine, Error, Global, Linker, Memory, MemoryType, Module, Store, StoreLimitsBuilder, TrapCode, TypedFunc, Val,
};

use crate::builtins::Builtin;
use crate::caps::{Caps, PAGE};
use crate::failure::{Failure, Run, Verdict};
use crate::host::{self, Calls, Halt, Host, text_at};
use crate::load::LoadError;
use crate::program::{Entry, ONE_SHOT, Program, Snapshot};
use crate::schedule;
use crate::sections::global_name;
use crate::value::Value;

/// Which calls answer a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `opa_eval`.
    OneShot,
    /// A context that is filled, evaluated and read.
    Steps,
}

/// `opa_eval`: nothing, entry point, data, input, its length, heap, form of the result.
type OneShot = TypedFunc<(i32, i32, i32, i32, i32, i32, i32), i32>;

/// The functions of a module that the runner calls.
#[derive(Clone, Copy)]
pub(crate) struct Exports {
    one_shot: Option<OneShot>,
    context: TypedFunc<(), i32>,
    set_input: TypedFunc<(i32, i32), ()>,
    set_data: TypedFunc<(i32, i32), ()>,
    set_entry: TypedFunc<(i32, i32), ()>,
    eval: TypedFunc<i32, i32>,
    result: TypedFunc<i32, i32>,
    json_dump: TypedFunc<i32, i32>,
    heap: TypedFunc<(), i32>,
    calls: Calls,
}

/// A module in a store.
pub(crate) struct Raw {
    store: Store<Host>,
    instance: wasmi::Instance,
    memory: Memory,
    exports: Exports,
}

impl Raw {
    /// Gives the module its memory and runs its start function, on the gas of one evaluation.
    pub(crate) fn start(
        engine: &Engine,
        linker: &Linker<Host>,
        module: &Module,
        caps: Caps,
        pages: u32,
        builtins: Arc<[Option<&'static Builtin>]>,
    ) -> Result<Self, LoadError> {
        let failed = |error: Error| LoadError::StartFailed { detail: error.to_string() };
        let limits = StoreLimitsBuilder::new()
            .memory_size(Exports::start_bytes(caps.memory_pages))
            .memories(2)
            .instances(2)
            .tables(2)
            .trap_on_grow_failure(true)
            .build();
        let mut store = Store::new(engine, Host { limits, memory: None, calls: None, builtins });
        store.limiter(|host| &mut host.limits);
        store.set_fuel(u64::from(caps.gas)).map_err(failed)?;
        let memory = Memory::new(&mut store, MemoryType::new(pages, None)).map_err(failed)?;
        store.data_mut().memory = Some(memory);
        let mut linker = linker.clone();
        linker.define(host::ENV, host::MEMORY, memory).map_err(|error| failed(error.into()))?;
        let instance = linker.instantiate_and_start(&mut store, module).map_err(failed)?;
        let exports = exports(&store, &instance).map_err(failed)?;
        Ok(Self { store, instance, memory, exports })
    }

    /// The value of a constant that the module exports.
    pub(crate) fn constant(&self, name: &'static str) -> Result<i32, LoadError> {
        let global = self.instance.get_global(&self.store, name).ok_or(LoadError::MissingExport { name })?;
        match global.get(&self.store) {
            Val::I32(value) => Ok(value),
            _ => Err(LoadError::WrongType { name: name.to_string() }),
        }
    }

    /// Names and numbers from a function that lists them.
    pub(crate) fn list(&mut self, name: &'static str) -> Result<BTreeMap<String, i32>, LoadError> {
        let failed = |error: Error| LoadError::StartFailed { detail: error.to_string() };
        let list = self.instance.get_typed_func::<(), i32>(&self.store, name).map_err(failed)?;
        let value = list.call(&mut self.store, ()).map_err(failed)?;
        let text = self.exports.json_dump.call(&mut self.store, value).map_err(failed)?;
        let text = text_at(self.memory.data(&self.store), text).ok_or(LoadError::MalformedList { name })?;
        serde_json::from_slice(text).map_err(|_| LoadError::MalformedList { name })
    }

    /// Puts an empty data document into the module, and takes the state that questions start from.
    pub(crate) fn snapshot(&mut self, globals: &[u32]) -> Result<Snapshot, LoadError> {
        let failed = |error: Error| LoadError::StartFailed { detail: error.to_string() };
        let empty = b"{}";
        let text = self.exports.calls.malloc.call(&mut self.store, empty.len() as i32).map_err(failed)?;
        self.memory.write(&mut self.store, text as u32 as usize, empty).map_err(|error| failed(error.into()))?;
        let data = self.exports.calls.parse.call(&mut self.store, (text, empty.len() as i32)).map_err(failed)?;
        let heap = self.exports.heap.call(&mut self.store, ()).map_err(failed)?;
        let globals = self.globals(globals).iter().map(|global| global.get(&self.store)).collect();
        let memory = self.memory.data(&self.store);
        let used = memory.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Ok(Snapshot { image: memory[..used].to_vec(), bytes: memory.len(), globals, data, heap })
    }

    fn globals(&self, indices: &[u32]) -> Vec<Global> {
        let global = |index: &u32| self.instance.get_global(&self.store, &global_name(*index));
        indices.iter().map(|index| global(index).expect("it was given this name")).collect()
    }
}

fn exports(store: &Store<Host>, instance: &wasmi::Instance) -> Result<Exports, Error> {
    Ok(Exports {
        one_shot: instance.get_typed_func(store, ONE_SHOT).ok(),
        context: instance.get_typed_func(store, "opa_eval_ctx_new")?,
        set_input: instance.get_typed_func(store, "opa_eval_ctx_set_input")?,
        set_data: instance.get_typed_func(store, "opa_eval_ctx_set_data")?,
        set_entry: instance.get_typed_func(store, "opa_eval_ctx_set_entrypoint")?,
        eval: instance.get_typed_func(store, "eval")?,
        result: instance.get_typed_func(store, "opa_eval_ctx_get_result")?,
        json_dump: instance.get_typed_func(store, "opa_json_dump")?,
        heap: instance.get_typed_func(store, "opa_heap_ptr_get")?,
        calls: Calls {
            dump: instance.get_typed_func(store, "opa_value_dump")?,
            malloc: instance.get_typed_func(store, "opa_malloc")?,
            parse: instance.get_typed_func(store, "opa_value_parse")?,
        },
    })
}

/// One running copy of a [`Program`].
pub struct Instance {
    program: Program,
    raw: Raw,
    globals: Vec<Global>,
    /// How often it had to be made anew.
    renewed: u64,
}

impl Instance {
    pub(crate) fn new(program: &Program) -> Self {
        let raw = fresh(program);
        let globals = raw.globals(&program.0.globals);
        Self { program: program.clone(), raw, globals, renewed: 0 }
    }

    /// Length of its memory, in bytes. The same before every question.
    pub fn memory_bytes(&self) -> usize {
        self.raw.memory.data_size(&self.raw.store)
    }

    /// How often it was thrown away and made anew since it was made: for the counters of a host.
    pub const fn renewed(&self) -> u64 {
        self.renewed
    }

    /// Answers with the value of an entry point for `input`, which is JSON.
    pub fn evaluate(&mut self, entry: Entry, input: &[u8]) -> Run {
        let cap = u64::from(self.program.0.caps.gas);
        self.raw.store.set_fuel(cap).expect("metering is on");
        let result = self.ask(entry, input);
        let left = self.raw.store.get_fuel().expect("metering is on");
        let value = result.map_err(failure);
        let gas = match value {
            // What a block of instructions would have cost differs from what was left; the cap is the same for everyone.
            Err(Failure::OutOfGas) => cap,
            _ => cap - left,
        };
        self.restore();
        Run { gas, value: value.and_then(|text| unwrap(&text)) }
    }

    /// Answers with the decision of an entry point for `input`.
    pub fn decide(&mut self, entry: Entry, input: &[u8]) -> Verdict {
        self.evaluate(entry, input).verdict()
    }

    fn ask(&mut self, entry: Entry, input: &[u8]) -> Result<Vec<u8>, Error> {
        let Raw { store, memory, exports, .. } = &mut self.raw;
        let snapshot = &self.program.0.snapshot;
        let length = i32::try_from(input.len()).map_err(|_| TrapCode::GrowthOperationLimited)?;
        let left = store.get_fuel()?.checked_sub(schedule::INPUT_BYTE * input.len() as u64);
        store.set_fuel(left.ok_or(TrapCode::OutOfFuel)?)?;
        let text = match self.program.0.way {
            Way::OneShot => {
                let at = snapshot.heap as u32 as usize;
                let end = at + input.len();
                // The module does not know of memory that it did not take itself, hence input must fit what it starts with.
                let room = memory.data_mut(&mut *store).get_mut(at..end);
                room.ok_or(TrapCode::GrowthOperationLimited)?.copy_from_slice(input);
                // The heap begins where a block may begin.
                let heap = (end.next_multiple_of(8)) as i32;
                let one_shot = exports.one_shot.ok_or_else(|| Error::new("opa_eval is gone"))?;
                one_shot.call(&mut *store, (0, entry.0, snapshot.data, at as i32, length, heap, AS_VALUE))?
            }
            Way::Steps => {
                let at = exports.calls.malloc.call(&mut *store, length)?;
                memory.write(&mut *store, at as u32 as usize, input).map_err(|_| TrapCode::MemoryOutOfBounds)?;
                let input = exports.calls.parse.call(&mut *store, (at, length))?;
                let context = exports.context.call(&mut *store, ())?;
                exports.set_input.call(&mut *store, (context, input))?;
                exports.set_data.call(&mut *store, (context, snapshot.data))?;
                exports.set_entry.call(&mut *store, (context, entry.0))?;
                if exports.eval.call(&mut *store, context)? != 0 {
                    return Err(Error::host(Halt::Abort("eval failed".to_string())));
                }
                let result = exports.result.call(&mut *store, context)?;
                exports.calls.dump.call(&mut *store, result)?
            }
        };
        let text = text_at(memory.data(&*store), text);
        Ok(text.ok_or(Error::host(Halt::Breach("its result has no end")))?.to_vec())
    }

    /// Puts back everything that a question can have changed.
    fn restore(&mut self) {
        let snapshot = &self.program.0.snapshot;
        if self.memory_bytes() != snapshot.bytes {
            self.raw = fresh(&self.program);
            self.globals = self.raw.globals(&self.program.0.globals);
            self.renewed += 1;
            return;
        }
        restore_memory(self.raw.memory.data_mut(&mut self.raw.store), &snapshot.image);
        for (global, value) in self.globals.iter().zip(&snapshot.globals) {
            global.set(&mut self.raw.store, value.clone()).expect("a mutable global of this type");
        }
    }
}

/// Only pages that differ are written: to read them is cheaper.
fn restore_memory(memory: &mut [u8], image: &[u8]) {
    const CHUNK: usize = PAGE / 16;
    static ZEROS: [u8; CHUNK] = [0; CHUNK];
    let (used, rest) = memory.split_at_mut(image.len());
    for (now, then) in used.chunks_mut(CHUNK).zip(image.chunks(CHUNK)) {
        if now != then {
            now.copy_from_slice(then);
        }
    }
    for now in rest.chunks_mut(CHUNK) {
        if *now != ZEROS[..now.len()] {
            now.fill(0);
        }
    }
}

/// A started module in the state of the snapshot.
fn fresh(program: &Program) -> Raw {
    let loaded = &program.0;
    let (engine, linker, module) = (&loaded.engine, &loaded.linker, &loaded.module);
    let mut raw = Raw::start(engine, linker, module, loaded.caps, loaded.start_pages, Arc::clone(&loaded.builtins))
        .expect("it has started before, from the same state");
    restore_memory(raw.memory.data_mut(&mut raw.store), &loaded.snapshot.image);
    for (global, value) in raw.globals(&loaded.globals).iter().zip(&loaded.snapshot.globals) {
        global.set(&mut raw.store, value.clone()).expect("a mutable global of this type");
    }
    raw.store.data_mut().calls = Some(raw.exports.calls);
    raw
}

fn failure(error: Error) -> Failure {
    match Halt::of(&error) {
        // OPA's allocator says this when memory does not grow.
        Some(Halt::Abort(words)) => return Failure::Aborted(words.clone()),
        Some(Halt::Breach(what)) => return Failure::Trapped(what),
        None => {}
    }
    match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => Failure::OutOfGas,
        Some(TrapCode::GrowthOperationLimited) => Failure::OverMemory,
        Some(code) => Failure::Trapped(host::trap_name(code)),
        None => Failure::Trapped("the interpreter stopped"),
    }
}

/// Asks `opa_eval` for Rego's form of the result: JSON has no sets, and the module would write them in the order of its
/// hash table.
const AS_VALUE: i32 = 1;

/// A result set holds one value, or none if no rule gave one.
fn unwrap(text: &[u8]) -> Result<String, Failure> {
    let results = Value::parse(text).ok_or(Failure::MalformedResult)?;
    match results.elements().as_deref() {
        Some([]) => Err(Failure::Undefined),
        Some([Value::Object(fields)]) if fields.len() == 1 => {
            let value = fields.get(&Value::string("result")).ok_or(Failure::MalformedResult)?;
            Ok(value.to_json())
        }
        _ => Err(Failure::MalformedResult),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn memory_is_put_back_wherever_it_was_changed() {
        let mut image = vec![1_u8; 5_000];
        image[4_999] = 9;
        let mut clean = image.clone();
        clean.resize(3 * PAGE, 0);
        for at in [0, 4_095, 4_096, 4_999, 5_000, 8_192, PAGE, 3 * PAGE - 1] {
            let mut memory = clean.clone();
            memory[at] ^= 0xff;
            restore_memory(&mut memory, &image);
            assert!(memory == clean, "{at}");
        }
    }

    #[test]
    fn a_result_is_one_value_or_none() {
        assert_eq!(unwrap(b"set()"), Err(Failure::Undefined));
        assert_eq!(unwrap(b"{{\"result\":{\"b\":{3,1},\"a\":1}}}"), Ok("{\"a\":1,\"b\":[1,3]}".to_string()));
        for bad in [&b""[..], b"{{\"result\":}}", b"{{\"result\":1},{\"result\":2}}", b"{{\"result\":\"\xff\"}}", b"{}"]
        {
            assert_eq!(unwrap(bad), Err(Failure::MalformedResult));
        }
    }
}
