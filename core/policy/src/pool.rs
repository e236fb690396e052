//! Instances for whoever asks at the same time.

use alloc::vec::Vec;
use spin::Mutex;

use crate::failure::Run;
use crate::instance::Instance;
use crate::program::{Entry, Program};

/// Idle instances of one program. Which one answers makes no difference, because an answer never depends on earlier ones.
pub struct Pool {
    program: Program,
    idle: Mutex<Vec<Instance>>,
}

impl Pool {
    /// Most instances kept while idle.
    pub const IDLE_MAX: usize = 4;

    /// A pool with one instance.
    pub fn new(program: Program) -> Self {
        let idle = Mutex::new([program.instance()].into());
        Self { program, idle }
    }

    /// What it runs.
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// As [`Instance::evaluate`].
    pub fn evaluate(&self, entry: Entry, input: &[u8]) -> Run {
        let idle = self.idle.lock().pop();
        let mut instance = idle.unwrap_or_else(|| self.program.instance());
        let run = instance.evaluate(entry, input);
        let mut idle = self.idle.lock();
        if idle.len() < Self::IDLE_MAX {
            idle.push(instance);
        }
        run
    }
}
