//! What reading a result says against it: who judges holds it against the form that its need gives it, and has a mind of its own.

use std::collections::BTreeMap;

use swarm_core::form::Form;
use swarm_core::id::Label;
use swarm_core::wire::Evidence;

use super::brief;

/// What speaks against outputs of which the need says a form; `documents` are their bytes as committed, read by address, and `given` the
/// names of the inputs. Of what is a
/// matter of opinion only what the reader `minds` in that output. A `question` that is asked stands among the answers if it is so.
pub fn against(
    forms: &BTreeMap<Label, Form>,
    documents: &BTreeMap<Label, impl AsRef<[u8]>>,
    given: &[Label],
    question: Option<&Evidence>,
    minds: impl Fn(&Label) -> bool,
) -> Vec<Evidence> {
    let mut found = Vec::new();
    let all = || forms.iter().filter_map(|(label, form)| Some((label, form, documents.get(label)?.as_ref())));
    for (label, form, document) in all() {
        found.extend(form.faults(label, document, given, question));
    }
    for (label, form, document) in all().filter(|(label, ..)| minds(label)) {
        let Some(claims) = &form.claims else { continue };
        let pairs = brief::contradictions(document, claims).into_iter();
        found.extend(pairs.map(|(first, second)| Evidence::SemanticContradiction {
            first,
            label: label.clone(),
            second,
        }));
    }
    if let Some(Evidence::SemanticContradiction { first, label, second }) = question
        && let Some(document) = documents.get(label).filter(|_| minds(label))
        && brief::is_contradiction(document.as_ref(), first, second)
    {
        found.extend(question.cloned());
    }
    found.dedup();
    found
}
