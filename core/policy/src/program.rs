//! A module that was held against every rule that can be checked before it runs, compiled once.
//!
//! What must never happen: that two nodes load the same bytes and the same caps and one refuses, or that a refusal comes
//! only when somebody asks the first question.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use wasmi::{CompilationMode, Config, CustomFuelCosts, Engine, ExternType, Linker, Module, Val, ValType};

use crate::builtins::{self, Builtin};
use crate::caps::{Caps, PAGE};
use crate::host::{self, Host};
use crate::instance::{Exports, Instance, Raw, Way};
use crate::load::LoadError;
use crate::sections;

/// Pages of memory that an instance has at least when it starts, if the cap allows. A question that needs no more never grows
/// the memory, and then the instance is cleaned and kept.
pub(crate) const START_PAGES: u32 = 8;

/// The state that every evaluation starts from.
pub(crate) struct Snapshot {
    /// The memory up to its last byte that is not zero.
    pub(crate) image: Vec<u8>,
    /// Length of the whole memory, in bytes.
    pub(crate) bytes: usize,
    /// The mutable globals.
    pub(crate) globals: Vec<Val>,
    /// Where the empty data document is.
    pub(crate) data: i32,
    /// Where the heap ends.
    pub(crate) heap: i32,
}

pub(crate) struct Loaded {
    pub(crate) caps: Caps,
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Host>,
    pub(crate) module: Module,
    pub(crate) globals: Vec<u32>,
    pub(crate) start_pages: u32,
    pub(crate) way: Way,
    pub(crate) builtins: Arc<[Option<&'static Builtin>]>,
    pub(crate) entries: BTreeMap<String, i32>,
    pub(crate) snapshot: Snapshot,
}

/// A loaded policy module. Cheap to clone: it is kept once.
#[derive(Clone)]
pub struct Program(pub(crate) Arc<Loaded>);

impl core::fmt::Debug for Program {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Program").field("caps", &self.0.caps).field("entries", &self.0.entries).finish_non_exhaustive()
    }
}

/// An entry point of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub(crate) i32);

/// What OPA's modules export, with the types they have there.
const EXPORTS: &[(&str, &[ValType], Option<ValType>)] = &[
    ("builtins", &[], Some(ValType::I32)),
    ("entrypoints", &[], Some(ValType::I32)),
    ("eval", &[ValType::I32], Some(ValType::I32)),
    ("opa_eval_ctx_get_result", &[ValType::I32], Some(ValType::I32)),
    ("opa_eval_ctx_new", &[], Some(ValType::I32)),
    ("opa_eval_ctx_set_data", &[ValType::I32, ValType::I32], None),
    ("opa_eval_ctx_set_entrypoint", &[ValType::I32, ValType::I32], None),
    ("opa_eval_ctx_set_input", &[ValType::I32, ValType::I32], None),
    ("opa_heap_ptr_get", &[], Some(ValType::I32)),
    ("opa_heap_ptr_set", &[ValType::I32], None),
    ("opa_json_dump", &[ValType::I32], Some(ValType::I32)),
    ("opa_malloc", &[ValType::I32], Some(ValType::I32)),
    ("opa_value_dump", &[ValType::I32], Some(ValType::I32)),
    ("opa_value_parse", &[ValType::I32, ValType::I32], Some(ValType::I32)),
];

/// The call that answers a question in one go.
pub(crate) const ONE_SHOT: &str = "opa_eval";

impl Program {
    /// Checks, compiles and starts a module, and asks it what it needs and what it has.
    ///
    /// # Errors
    /// Everything that is wrong with it and can be known without a question.
    pub fn load(bytes: &[u8], caps: Caps) -> Result<Self, LoadError> {
        Self::load_by(bytes, caps, None)
    }

    /// As [`Program::load`], but asked by the older sequence of calls even if the module has the newer single one.
    ///
    /// # Errors
    /// As [`Program::load`].
    pub fn load_stepwise(bytes: &[u8], caps: Caps) -> Result<Self, LoadError> {
        Self::load_by(bytes, caps, Some(Way::Steps))
    }

    fn load_by(bytes: &[u8], caps: Caps, way: Option<Way>) -> Result<Self, LoadError> {
        caps.check()?;
        if bytes.len() > Caps::MODULE_BYTES_MAX {
            return Err(LoadError::Oversize { bytes: bytes.len() });
        }
        let (exposed, globals) = sections::expose_globals(bytes).ok_or(LoadError::NotAModule)?;
        let engine = Engine::new(&config());
        let module =
            Module::new(&engine, &exposed).map_err(|error| LoadError::InvalidModule { detail: error.to_string() })?;
        let pages = check_imports(&module)?;
        if pages > u64::from(caps.memory_pages) {
            return Err(LoadError::OverMemory { pages, cap: caps.memory_pages });
        }
        check_exports(&module)?;
        let start_pages = START_PAGES.max(pages as u32).min(caps.memory_pages);
        let linker = host::link(&engine);

        // Until it is known which builtins it has, it can call none.
        let none: Arc<[Option<&'static Builtin>]> = Arc::new([]);
        let mut raw = Raw::start(&engine, &linker, &module, caps, start_pages, none)?;
        let minor = abi_version(&mut raw)?;
        let one_shot = minor >= 2 && module.get_export(ONE_SHOT).is_some();
        let way = way.unwrap_or(if one_shot { Way::OneShot } else { Way::Steps });

        let builtins = builtins_of(&raw.list("builtins")?)?;
        let entries = raw.list("entrypoints")?;
        if entries.is_empty() {
            return Err(LoadError::NoEntryPoint);
        }

        // A new one, in which nobody has asked anything.
        let mut raw = Raw::start(&engine, &linker, &module, caps, start_pages, Arc::clone(&builtins))?;
        let snapshot = raw.snapshot(&globals)?;
        Ok(Self(Arc::new(Loaded {
            caps,
            engine,
            linker,
            module,
            globals,
            start_pages,
            way,
            builtins,
            entries,
            snapshot,
        })))
    }

    /// Its caps.
    pub fn caps(&self) -> Caps {
        self.0.caps
    }

    /// The names of its entry points, in order.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        self.0.entries.keys().map(String::as_str)
    }

    /// The names of the builtins that it takes from its host, in its own order.
    pub fn builtins(&self) -> impl Iterator<Item = &'static str> {
        self.0.builtins.iter().flatten().map(|builtin| builtin.name)
    }

    /// The entry point of this name.
    ///
    /// # Errors
    /// [`LoadError::MissingEntryPoint`].
    pub fn entry(&self, name: &str) -> Result<Entry, LoadError> {
        let entry = self.0.entries.get(name).copied();
        entry.map(Entry).ok_or_else(|| LoadError::MissingEntryPoint { name: name.to_string() })
    }

    /// An instance of it, ready for questions.
    pub fn instance(&self) -> Instance {
        Instance::new(self)
    }
}

/// The engine that modules run on. Only what OPA's modules use of WebAssembly is left on. Without bulk memory and reference
/// types nothing but memory and globals can change.
fn config() -> Config {
    let mut config = Config::default();
    config
        .compilation_mode(CompilationMode::Eager)
        .consume_fuel(true)
        .fuel_cost(CustomFuelCosts {
            bytes_copied_per_fuel: crate::schedule::GROWN_BYTES_PER_UNIT,
            fuel_per_bytes_translated: 0,
            fuel_per_bytes_validated: 0,
        })
        .ignore_custom_sections(true)
        .set_max_recursion_depth(1_000)
        .set_max_stack_height(1_000_000)
        .wasm_multi_value(false)
        .wasm_multi_memory(false)
        .wasm_bulk_memory(false)
        .wasm_reference_types(false)
        .wasm_tail_call(false)
        .wasm_extended_const(false)
        .wasm_sign_extension(false)
        .wasm_saturating_float_to_int(false);
    config
}

/// All imports are OPA's; the pages of memory that the module wants to begin with.
fn check_imports(module: &Module) -> Result<u64, LoadError> {
    let mut pages = None;
    for import in module.imports() {
        let name = format!("{}.{}", import.module(), import.name());
        match import.ty() {
            ExternType::Memory(memory) if import.module() == host::ENV && import.name() == host::MEMORY => {
                pages = Some(memory.minimum());
            }
            ExternType::Func(function) if import.module() == host::ENV && host::FUNCTIONS.contains(&import.name()) => {
                let (takes, gives) = match import.name().strip_prefix("opa_builtin") {
                    Some(arity) => (2 + arity.parse::<usize>().unwrap_or(0), 1),
                    None => (1, 0),
                };
                let of_opa = function.params() == alloc::vec![ValType::I32; takes]
                    && function.results() == alloc::vec![ValType::I32; gives];
                if !of_opa {
                    return Err(LoadError::WrongType { name });
                }
            }
            _ => return Err(LoadError::ForeignImport { name }),
        }
    }
    pages.ok_or(LoadError::MissingExport { name: "env.memory (as an import)" })
}

fn check_exports(module: &Module) -> Result<(), LoadError> {
    for (name, takes, gives) in EXPORTS {
        match module.get_export(name) {
            Some(ExternType::Func(function))
                if function.params() == *takes && function.results().iter().eq(gives.iter()) => {}
            Some(_) => return Err(LoadError::WrongType { name: name.to_string() }),
            None => return Err(LoadError::MissingExport { name }),
        }
    }
    match module.get_export(ONE_SHOT) {
        Some(ExternType::Func(function))
            if function.params() == [ValType::I32; 7] && function.results() == [ValType::I32] => {}
        Some(_) => return Err(LoadError::WrongType { name: ONE_SHOT.to_string() }),
        None => {}
    }
    Ok(())
}

/// The minor version of OPA's interface, if the major one is known. Since 1.1 there is a minor one.
fn abi_version(raw: &mut Raw) -> Result<i32, LoadError> {
    let major = raw.constant("opa_wasm_abi_version")?;
    let minor = raw.constant("opa_wasm_abi_minor_version")?;
    match (major, minor) {
        (1, 1..) => Ok(minor),
        found => Err(LoadError::AbiVersion { found }),
    }
}

/// Numbers of builtins lie below this. OPA numbers all it knows, whether a policy uses them or not.
const BUILTIN_IDS: usize = 4_096;

fn builtins_of(named: &BTreeMap<String, i32>) -> Result<Arc<[Option<&'static Builtin>]>, LoadError> {
    let mut table = Vec::new();
    for (name, id) in named {
        let builtin = builtins::find(name).map_err(|refusal| LoadError::builtin(name.clone(), refusal))?;
        let id = usize::try_from(*id).ok().filter(|id| *id < BUILTIN_IDS);
        let id = id.ok_or(LoadError::MalformedList { name: "builtins" })?;
        if table.len() <= id {
            table.resize(id + 1, None);
        }
        table[id] = Some(builtin);
    }
    Ok(table.into())
}

impl Exports {
    /// Length of the memory that an instance starts with, in bytes.
    pub(crate) const fn start_bytes(pages: u32) -> usize {
        pages as usize * PAGE
    }
}
