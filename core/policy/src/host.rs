//! What a module can reach while it runs: its memory, the way to give up, and the builtins it declared. Nothing else.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use wasmi::{Caller, Engine, Error, Linker, Memory, StoreLimits, TrapCode, TypedFunc};

use crate::builtins::{Builtin, Meter, Stop};
use crate::schedule;
use crate::value::Value;

/// Name of the module that OPA's imports come from.
pub(crate) const ENV: &str = "env";
/// Name of the imported memory.
pub(crate) const MEMORY: &str = "memory";
/// Names of the imported functions.
pub(crate) const FUNCTIONS: [&str; 6] =
    ["opa_abort", "opa_builtin0", "opa_builtin1", "opa_builtin2", "opa_builtin3", "opa_builtin4"];

/// The functions of the module that a builtin needs.
#[derive(Clone, Copy)]
pub(crate) struct Calls {
    pub(crate) dump: TypedFunc<i32, i32>,
    pub(crate) malloc: TypedFunc<i32, i32>,
    pub(crate) parse: TypedFunc<(i32, i32), i32>,
}

/// The state of a store.
pub(crate) struct Host {
    pub(crate) limits: StoreLimits,
    pub(crate) memory: Option<Memory>,
    /// Only there while a question is answered: nothing may be called at the start.
    pub(crate) calls: Option<Calls>,
    /// By the number that the module gave them.
    pub(crate) builtins: Arc<[Option<&'static Builtin>]>,
}

/// The host stopped the module.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    /// The module called `opa_abort`.
    Abort(String),
    /// The module broke the rules of the interface.
    Breach(&'static str),
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abort(words) => write!(f, "it gave up: {words}"),
            Self::Breach(what) => f.write_str(what),
        }
    }
}

impl wasmi::errors::HostError for Halt {}

fn breach(what: &'static str) -> Error {
    Error::host(Halt::Breach(what))
}

/// Longest message of `opa_abort` that is kept, in bytes.
const ABORT_BYTES_MAX: usize = 256;

/// The bytes from `address` to the zero that ends them.
pub(crate) fn text_at(memory: &[u8], address: i32) -> Option<&[u8]> {
    let rest = memory.get(address as u32 as usize..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    Some(&rest[..end])
}

/// Defines OPA's imports but the memory, which belongs to a store.
pub(crate) fn link(engine: &Engine) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    let defined: Result<(), wasmi::errors::LinkerError> = (|| {
        linker.func_wrap(ENV, "opa_abort", abort)?;
        linker.func_wrap(ENV, "opa_builtin0", |caller: Caller<'_, Host>, id: i32, _: i32| call(caller, id, &[]))?;
        linker.func_wrap(ENV, "opa_builtin1", |caller: Caller<'_, Host>, id: i32, _: i32, a: i32| {
            call(caller, id, &[a])
        })?;
        linker.func_wrap(ENV, "opa_builtin2", |caller: Caller<'_, Host>, id: i32, _: i32, a: i32, b: i32| {
            call(caller, id, &[a, b])
        })?;
        linker.func_wrap(
            ENV,
            "opa_builtin3",
            |caller: Caller<'_, Host>, id: i32, _: i32, a: i32, b: i32, c: i32| call(caller, id, &[a, b, c]),
        )?;
        linker.func_wrap(
            ENV,
            "opa_builtin4",
            |caller: Caller<'_, Host>, id: i32, _: i32, a: i32, b: i32, c: i32, d: i32| call(caller, id, &[a, b, c, d]),
        )?;
        Ok(())
    })();
    defined.expect("each name is defined once");
    linker
}

fn abort(caller: Caller<'_, Host>, address: i32) -> Result<(), Error> {
    let memory = caller.data().memory.ok_or_else(|| breach("it gave up before it had a memory"))?;
    let words = text_at(memory.data(&caller), address).unwrap_or_default();
    let words = String::from_utf8_lossy(&words[..words.len().min(ABORT_BYTES_MAX)]).into_owned();
    Err(Error::host(Halt::Abort(words)))
}

/// Takes `gas` from what is left.
fn charge(caller: &mut Caller<'_, Host>, gas: u64) -> Result<(), Error> {
    let left = caller.get_fuel()?.checked_sub(gas).ok_or(TrapCode::OutOfFuel)?;
    caller.set_fuel(left)
}

/// Calls builtin number `id`. Its arguments are written out by the module, its answer is read in by the module: the host
/// never touches a value in memory, and the module pays for both.
fn call(mut caller: Caller<'_, Host>, id: i32, arguments: &[i32]) -> Result<i32, Error> {
    let host = caller.data();
    let (Some(memory), Some(calls)) = (host.memory, host.calls) else {
        return Err(breach("it called a builtin before it was asked anything"));
    };
    let builtin = usize::try_from(id).ok().and_then(|id| *host.builtins.get(id)?);
    let builtin = builtin.ok_or_else(|| breach("it called a builtin that it did not declare"))?;
    if builtin.arity != arguments.len() {
        return Err(breach("it called a builtin with another number of arguments"));
    }
    charge(&mut caller, schedule::CALL)?;
    let mut values: Vec<Value> = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let text = calls.dump.call(&mut caller, *argument)?;
        let length = text_at(memory.data(&caller), text).ok_or_else(|| breach("an argument has no end"))?.len();
        charge(&mut caller, schedule::ARGUMENT_BYTE * length as u64)?;
        let text = text_at(memory.data(&caller), text).expect("it was there");
        values.push(Value::parse(text).ok_or_else(|| breach("an argument is not a value"))?);
    }
    let mut meter = Meter::new(caller.get_fuel()?);
    let answer = (builtin.answer)(&mut meter, &values);
    caller.set_fuel(meter.left())?;
    match answer {
        Ok(value) => {
            let text = value.to_string();
            charge(&mut caller, schedule::ANSWER_BYTE * text.len() as u64)?;
            let length = i32::try_from(text.len()).map_err(|_| TrapCode::GrowthOperationLimited)?;
            let address = calls.malloc.call(&mut caller, length)?;
            memory
                .write(&mut caller, address as u32 as usize, text.as_bytes())
                .map_err(|_| breach("it gave room outside of its memory"))?;
            calls.parse.call(&mut caller, (address, length))
        }
        // No value, which is what OPA makes of a builtin's error unless told to be strict.
        Err(Stop::Undefined) => Ok(0),
        Err(Stop::OutOfGas) => Err(TrapCode::OutOfFuel.into()),
    }
}

impl Halt {
    pub(crate) fn of(error: &Error) -> Option<&Self> {
        error.downcast_ref::<Self>()
    }
}

/// The interpreter's words for a trap.
pub(crate) fn trap_name(code: TrapCode) -> &'static str {
    code.trap_message()
}
