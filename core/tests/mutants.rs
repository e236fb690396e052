//! Planted bugs (T54): each has one name and one place in the protocol, says what must fall and where, and in a build that ships
//! nothing can be planted at all.

use std::{collections::BTreeSet, fs, path::Path};

use swarm_core::mutant::{Mutant, planted};

/// Evaluated by the compiler: what it cannot know to be false does not build here.
#[cfg(not(swarm_mutants))]
const _: () = {
    let mut at = 0;
    while at < Mutant::ALL.len() {
        assert!(!planted(Mutant::ALL[at]));
        at += 1;
    }
};

#[test]
fn nothing_is_planted_unasked() {
    assert!(Mutant::ALL.len() >= 20);
    assert!(Mutant::ALL.iter().all(|mutant| !planted(*mutant)));
}

#[test]
fn t54_every_property_is_felled_by_a_bug_with_a_name_of_its_own_in_a_shipped_scenario() {
    let names: BTreeSet<_> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();
    assert_eq!(names.len(), Mutant::ALL.len(), "two share a name");
    let known = ["P1", "P2", "P3", "P4", "P5", "P6", "P9", "P10", "liveness", "policy", "model", "decoys"];
    let felled: BTreeSet<_> = Mutant::ALL.iter().map(|mutant| mutant.falls()).collect();
    assert_eq!(felled, known.into(), "every property judged has a bug that fells it");
    for mutant in Mutant::ALL {
        assert!(mutant.name().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{mutant:?}");
        assert!(mutant.breaks().len() > 20 && mutant.breaks().ends_with('.'), "{mutant:?}: {}", mutant.breaks());
        if mutant.scenario() == "core" {
            continue;
        }
        let file = core_dir().join("../scenarios").join(mutant.scenario()).with_extension("toml");
        assert!(file.is_file(), "{mutant:?} is to be caught in {}, which is not shipped", file.display());
    }
}

#[test]
fn each_is_planted_in_one_place() {
    let mut source = String::new();
    gather(&core_dir().join("src"), &mut source);
    for mutant in Mutant::ALL {
        let call = format!("planted(Mutant::{mutant:?})");
        let places = source.matches(&call).count();
        assert_eq!(places, 1, "{call} stands in {places} places");
    }
    assert_eq!(source.matches("planted(Mutant::").count(), Mutant::ALL.len(), "one is planted that is not listed");
}

fn core_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn gather(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("the source is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            into.push_str(&fs::read_to_string(&path).expect("a source file is text"));
        }
    }
}
