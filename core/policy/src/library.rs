//! The rules at hand in a process, by engine hash.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;
use spin::Mutex;
use swarm_core::id::{Cid, Digest};
use swarm_core::policy::{BaseRules, Engines, Evaluator};

use crate::Rego;
use crate::capsule::CapsuleError;

/// The native rules, and every capsule that was loaded. All nodes of a process may share one: each capsule proves itself once,
/// and an answer that is remembered helps them all.
#[derive(Default)]
pub struct Library {
    native: Arc<BaseRules>,
    /// By address: what was refused once is refused again.
    loaded: Mutex<BTreeMap<Cid, Result<Arc<Rego>, CapsuleError>>>,
}

impl Library {
    /// The native rules, which have no capsule: their artifact is their text.
    pub fn native(&self) -> &Arc<BaseRules> {
        &self.native
    }

    /// The rules that an artifact holds: a capsule, once it has proved itself, or the text of the native ones.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(&self, artifact: &[u8]) -> Result<Arc<dyn Evaluator>, CapsuleError> {
        let cid = Cid::of(artifact);
        if cid == self.native.capsule() {
            return Ok(self.native.clone());
        }
        let known = self.loaded.lock().get(&cid).cloned();
        // Proving takes a while, and others need not wait for it.
        let rules = known.unwrap_or_else(|| Rego::new(artifact).map(Arc::new));
        let rules = self.loaded.lock().entry(cid).or_insert(rules).clone();
        rules.map(|rules| rules as Arc<dyn Evaluator>)
    }
}

impl Engines for Library {
    fn find(&self, engine: &Digest) -> Option<Arc<dyn Evaluator>> {
        if self.native.engine() == *engine {
            return Some(self.native.clone());
        }
        let loaded = self.loaded.lock();
        let found = loaded.values().flatten().find(|rules| rules.engine() == *engine).cloned();
        found.map(|rules| rules as Arc<dyn Evaluator>)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn rules_are_found_by_what_they_are_once_they_are_loaded() {
        let library = Library::default();
        let native = library.native().text();
        assert!(library.find(&library.native().engine()).is_some(), "the native rules are always there");
        assert_eq!(library.load(native.as_bytes()).map(|rules| rules.engine()), Ok(library.native().engine()));
        let base = Rego::base();
        assert!(library.find(&base.engine()).is_none(), "nothing is found that was not loaded");
        assert_eq!(library.load(crate::BASE).map(|rules| rules.capsule()), Ok(Cid::of(crate::BASE)));
        let found = library.find(&base.engine()).expect("it was loaded");
        assert_eq!((found.engine(), found.capsule()), (base.engine(), base.capsule()));
    }

    #[test]
    fn what_is_no_policy_is_refused_each_time() {
        let (library, text) = (Library::default(), String::from("swarm"));
        let refused = library.load(text.as_bytes()).err();
        assert!(refused.is_some());
        assert_eq!(library.load(text.as_bytes()).err(), refused);
        assert_eq!(Rego::new(text.as_bytes()).err(), refused);
    }
}
