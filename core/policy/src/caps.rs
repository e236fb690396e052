//! How much one evaluation may take.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Bytes in a page of WebAssembly memory.
pub(crate) const PAGE: usize = 65_536;

/// The bounds of one evaluation. Part of the engine hash. Fields in alphabetical order: hashed as canonical JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// Most gas, in units of [`crate::schedule`].
    pub gas: u32,
    /// Most memory, in pages of 64 KiB.
    pub memory_pages: u32,
}

impl Caps {
    /// Bounds of [`Caps::gas`].
    pub const GAS_BOUNDS: (u32, u32) = (100_000, 100_000_000);

    /// Bounds of [`Caps::memory_pages`]: below the first no module of OPA starts.
    pub const MEMORY_BOUNDS: (u32, u32) = (4, 256);

    /// Longest module, in bytes. OPA's own runtime takes about 140 kB, with regular expressions 330 kB.
    pub const MODULE_BYTES_MAX: usize = 1 << 20;

    /// Checks every number against its bounds.
    ///
    /// # Errors
    /// The first one that is out of bounds.
    pub fn check(&self) -> Result<(), BadCaps> {
        let within = |name, value, (min, max)| match min <= value && value <= max {
            true => Ok(()),
            false => Err(BadCaps { name, value, min, max }),
        };
        within("gas", self.gas, Self::GAS_BOUNDS)?;
        within("memory_pages", self.memory_pages, Self::MEMORY_BOUNDS)
    }
}

impl Default for Caps {
    fn default() -> Self {
        Self { gas: 5_000_000, memory_pages: 32 }
    }
}

/// A cap out of its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCaps {
    /// Which.
    pub name: &'static str,
    /// What it was.
    pub value: u32,
    /// Least allowed.
    pub min: u32,
    /// Most allowed.
    pub max: u32,
}

impl fmt::Display for BadCaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, min, max } = self;
        write!(f, "cap {name} is {value}; it must be from {min} to {max}")
    }
}

impl core::error::Error for BadCaps {}
