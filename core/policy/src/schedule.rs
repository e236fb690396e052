//! What things cost, in units of gas. A change of any number here, or of what a builtin answers, is another engine: raise [`VERSION`].
//!
//! An instruction of the module costs what the interpreter says (one unit per base operator). What the host does for the
//! module is priced so that a unit is about the same time everywhere, a third of a nanosecond, and never less than that.

/// Name and version of interpreter, metering and builtins together.
pub const VERSION: &str = "swarm-policy/2 wasmi/2.0.0 opa-abi/1";

/// Per byte of input that is put into the module's memory.
pub const INPUT_BYTE: u64 = 1;

/// Per call of a builtin.
pub const CALL: u64 = 1_000;

/// Per byte of an argument's text, which is written out by the module and read by the host.
pub const ARGUMENT_BYTE: u64 = 20;

/// Per byte of an answer's text, which is written by the host and read by the module.
pub const ANSWER_BYTE: u64 = 10;

/// Per byte that a builtin looks at or writes, one pass.
pub const BYTE: u64 = 4;

/// Per element that a builtin looks up, compares or moves.
pub const ELEMENT: u64 = 200;

/// Per byte that is hashed.
pub const HASHED_BYTE: u64 = 40;

/// Per hash begun: the blocks that any message costs.
pub const HASH: u64 = 4_000;

/// Per regular expression, which is compiled at each use.
pub const REGEX: u64 = 100_000;

/// Per byte of a regular expression's text, its counted repetitions written out.
pub const REGEX_BYTE: u64 = 20_000;

/// Per byte of text searched and byte of regular expression, repetitions written out.
pub const REGEX_STEP: u64 = 8;

/// Per byte of memory taken by `memory.grow`: one unit for this many.
pub const GROWN_BYTES_PER_UNIT: u32 = 64;
