//! The real job: text that this machine has, cut, counted, sorted and merged by the swarm, equal to what an independent tool
//! makes of it.

use std::fs;

use crate::real_text::{by_pipeline, real_text};
use crate::{Place, names, sim};

#[test]
fn the_swarm_counts_words_as_the_independent_tool_does() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/wordcount.toml");
    let place = Place::with(&[]);
    let text = real_text();
    fs::write(place.path("text"), &text).unwrap();
    let did = sim(["run", shipped, "--input", &place.text("text"), "--out", &place.text("out")]);
    assert_eq!(did.code, 0, "{}{}", did.out, did.err);
    let need = &names(&place.path("out/out"))[0];
    let got = fs::read(place.path("out/out").join(need).join("words")).unwrap();
    let wanted = by_pipeline(&text);
    assert!(wanted.len() > 100_000 && got == wanted, "{} bytes instead of {}", got.len(), wanted.len());
}
