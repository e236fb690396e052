//! The rules at hand in a process, by engine hash.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;
use spin::Mutex;
use swarm_core::id::{Cid, Digest};
use swarm_core::policy::{BaseRules, Engines, Evaluator};

use crate::capsule::CapsuleError;
use crate::{Counts, Rego};

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

    /// How much all loaded capsules were asked so far.
    pub fn counts(&self) -> Counts {
        let mut all = Counts::default();
        for Counts { asked, evaluated } in self.loaded.lock().values().flatten().map(|rules| rules.counts()) {
            all = Counts { asked: all.asked + asked, evaluated: all.evaluated + evaluated };
        }
        all
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
    use swarm_core::policy::Gate;

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
    fn an_answer_that_is_remembered_is_not_worked_out_again() {
        let library = Library::default();
        library.load(crate::BASE).unwrap();
        assert_eq!(library.counts(), Counts::default());
        let base = library.loaded.lock()[&Cid::of(crate::BASE)].clone().unwrap();
        for (question, asked, evaluated) in [("{}", 1, 1), ("{}", 2, 1), ("{\"bytes\":1}", 3, 2), ("{}", 4, 2)] {
            base.decide(Gate::Ingress, question.into());
            assert_eq!(library.counts(), Counts { asked, evaluated });
        }
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
