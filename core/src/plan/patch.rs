//! What counts as a patch: an envelope whose facts may enter a plan document.
//!
//! Judged on form alone, from the envelope and nothing else; its bounds are those of [`crate::wire::bounds`], checked
//! before there is an envelope. A rule that looked at the receiver's entries, clock or counters would let two replicas keep
//! different documents for ever; whether a fact is *shown* is for [`super::View`].

use super::Fact;
use crate::reject::Reject;
use crate::wire::{Body, Envelope};

/// The facts of a PROPOSE or UPDATE_PLAN of sound form.
///
/// # Errors
/// [`Reject::WrongFields`] for another verb or no fact at all, [`Reject::BadPlan`] for a proposal that says who did what.
pub fn facts_of(envelope: &Envelope) -> Result<&[Fact], Reject> {
    let facts = match &envelope.body {
        Body::Propose(propose) if propose.patch.iter().all(Fact::is_plan) => &propose.patch,
        Body::Propose(_) => return Err(Reject::BadPlan),
        Body::UpdatePlan(update) => &update.facts,
        _ => return Err(Reject::WrongFields),
    };
    if facts.is_empty() { Err(Reject::WrongFields) } else { Ok(facts) }
}
