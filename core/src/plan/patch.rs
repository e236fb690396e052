//! What counts as a patch: an envelope whose facts may enter a plan document.
//!
//! Judged on form alone, from the envelope and nothing else. A rule that looked at the receiver's entries, clock or
//! counters would let two replicas keep different documents for ever; whether a fact is *shown* is for [`super::View`].

use super::{ANNOTATION_BYTES_MAX, Fact};
use crate::reject::Reject;
use crate::wire::{Body, Envelope};

/// The most facts in one patch.
pub const FACTS_MAX: usize = 512;

/// The facts of a PROPOSE or UPDATE_PLAN of sound form.
///
/// # Errors
/// [`Reject::WrongFields`] for another verb, [`Reject::Oversize`] for none or over [`FACTS_MAX`] facts,
/// [`Reject::OutOfBounds`] for a remark that is too long, [`Reject::BadPlan`] for a proposal that says who did what.
pub fn facts_of(envelope: &Envelope) -> Result<&[Fact], Reject> {
    let (facts, proposal) = match &envelope.body {
        Body::Propose(propose) => (&propose.patch, true),
        Body::UpdatePlan(update) => (&update.facts, false),
        _ => return Err(Reject::WrongFields),
    };
    if facts.is_empty() || facts.len() > FACTS_MAX {
        return Err(Reject::Oversize);
    }
    for fact in facts {
        if matches!(fact, Fact::Annotate { value, .. } if value.len() > ANNOTATION_BYTES_MAX) {
            return Err(Reject::OutOfBounds);
        }
        if proposal && !fact.is_plan() {
            return Err(Reject::BadPlan);
        }
    }
    Ok(facts)
}
