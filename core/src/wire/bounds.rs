//! How much fits into a body: the length of every list and text, the range of every number.
//!
//! The size of an envelope bounds the bytes; these bound the work that a few bytes can ask for. Every list and every text of
//! every body is named here, so that nothing is unbounded by omission. A list that its body documents as rising must rise.

use alloc::collections::BTreeMap;

use crate::config::WINDOW_BOUNDS_MS;
use crate::form::Form;
use crate::id::{Credits, Label};
use crate::plan::Fact;
use crate::reject::Reject;
use crate::wire::{Body, Challenge, ENVELOPE_BYTES_MAX, Evidence, Manifest, Need, Propose};

/// Artifacts an envelope may refer to: all inputs of a NEED, or all outputs of a COMMIT. Were it fewer, a COMMIT could be
/// accepted whose FINALIZE nobody could say.
pub const REFS_MAX: usize = 128;
/// The largest quorum a NEED may ask for, before it is clamped by the pool.
pub const K_MAX: u32 = 50;
/// The largest quorum that it may ask for on its plan: a DECIDE holds the plan and all approvals.
pub const K_PLAN_MAX: u32 = 32;
/// Approvals inside a DECIDE; no quorum of plan voters is larger.
pub const APPROVALS_MAX: usize = K_PLAN_MAX as usize;
/// The longest ATTEST_PLAN, in bytes: it cites nothing and is meant for nobody in particular.
pub const ATTEST_PLAN_BYTES_MAX: usize = 1_280;
/// What a DECIDE says beside the envelopes inside it, in bytes.
const DECIDE_BYTES: usize = 2_048;
/// Inputs of a NEED.
pub const INPUTS_MAX: usize = REFS_MAX;
/// Outputs of a NEED, of a task, of a COMMIT.
pub const OUTPUTS_MAX: usize = REFS_MAX;
/// Tasks of a plan: as many as counting the words of 64 parts takes. Each costs the register some dozen entries.
pub const TASKS_MAX: usize = 130;
/// Facts in one envelope.
pub const FACTS_MAX: usize = 512;
/// Labels in one fact.
pub const FACT_LABELS_MAX: usize = 256;
/// Bytes of a remark on a task.
pub const REMARK_BYTES_MAX: usize = 1_024;
/// Bytes of a reason for people.
pub const REASON_BYTES_MAX: usize = 256;
/// Short codes that give reasons.
pub const REASONS_MAX: usize = 16;
/// State digests of a COMMIT.
pub const STATES_MAX: usize = 64;
/// Counted verdicts in a FINALIZE record, and engine hashes among them.
pub const ATTESTATIONS_MAX: usize = 128;
/// Amounts due for one task.
pub const PAYOUTS_MAX: usize = 256;
/// Links of one ENTRY.
pub const LINKS_MAX: usize = 512;
/// Capabilities of a manifest.
pub const CAPABILITIES_MAX: usize = 32;
/// Tags of a capability.
pub const TAGS_MAX: usize = 16;
/// Constraints, and zones, of a manifest.
pub const CONDITIONS_MAX: usize = 32;
/// Roles of a manifest.
pub const ROLES_MAX: usize = 16;
/// Bytes of a schema's text or address.
pub const SCHEMA_BYTES_MAX: usize = 1_024;
/// Bytes of the name of an organisation, network or region.
pub const PLACE_BYTES_MAX: usize = 64;
/// The longest time a bid or plan may name, in milliseconds: 30 days.
pub const ETA_MS_MAX: u32 = 30 * 24 * 3_600_000;
/// Signatures of a mandate: as many as recovery keys can be.
pub const MANDATE_SIGS_MAX: usize = 32;
/// All of something, in basis points.
const WHOLE_BP: u32 = 10_000;

/// The longest PROPOSE for a need that asks for `k_plan` approvals, in bytes: its DECIDE holds it with all of them.
pub const fn propose_bytes_max(k_plan: u32) -> usize {
    ENVELOPE_BYTES_MAX.saturating_sub(DECIDE_BYTES + k_plan as usize * (ATTEST_PLAN_BYTES_MAX + 1))
}

type Checked = Result<(), Reject>;

fn at_most(len: usize, max: usize) -> Checked {
    if len > max { Err(Reject::Oversize) } else { Ok(()) }
}

fn within<T: PartialOrd>(value: T, min: T, max: T) -> Checked {
    if value < min || value > max { Err(Reject::OutOfBounds) } else { Ok(()) }
}

/// Printable ASCII: what a person reads is what was signed, also on a terminal.
fn text(text: &str, max: usize) -> Checked {
    at_most(text.len(), max)?;
    match text.bytes().find(|byte| !matches!(byte, b' '..=b'~')) {
        Some(byte) if byte.is_ascii() => Err(Reject::OutOfBounds),
        Some(_) => Err(Reject::NonCanonical),
        None => Ok(()),
    }
}

/// A list in its one order; `strictly`: each value once.
fn rising<T: PartialOrd>(list: &[T], strictly: bool) -> Checked {
    if list.windows(2).all(|pair| pair[0] < pair[1] || (!strictly && pair[0] == pair[1])) {
        Ok(())
    } else {
        Err(Reject::NonCanonical)
    }
}

fn positive(amount: Credits) -> Checked {
    within(amount, Credits(1), Credits(u64::MAX))
}

fn outputs<T>(outputs: &BTreeMap<Label, T>) -> Checked {
    at_most(outputs.len(), OUTPUTS_MAX)
}

impl Body {
    /// Holds every list, text and number against its bounds.
    ///
    /// # Errors
    /// [`Reject::Oversize`], [`Reject::OutOfBounds`], or [`Reject::NonCanonical`] for a list out of order.
    pub fn check_bounds(&self) -> Result<(), Reject> {
        match self {
            Self::Need(need) => check_need(need),
            Self::Propose(propose) => check_propose(propose),
            // Fixed in length, and judged against the slot.
            Self::AttestPlan(_) | Self::Release(_) | Self::Verdict(_) | Self::Mask(_) => Ok(()),
            Self::Challenge(challenge) => check_challenge(challenge),
            Self::Unmask(body) => {
                at_most(body.denied.len(), ATTESTATIONS_MAX)?;
                rising(&body.denied, true)
            }
            Self::Invalidate(body) => {
                at_most(body.offenders.len(), ATTESTATIONS_MAX)?;
                within(body.k_result, 1, K_MAX)?;
                rising(&body.offenders, true)
            }
            Self::Decide(decide) => {
                at_most(decide.approvals.len(), APPROVALS_MAX)?;
                within(decide.k_plan, 1, K_PLAN_MAX)?;
                if decide.approvals.windows(2).all(|pair| pair[0].id() < pair[1].id()) {
                    Ok(())
                } else {
                    Err(Reject::NonCanonical)
                }
            }
            Self::Claim(claim) => {
                positive(claim.cost)?;
                within(claim.eta_ms, 1, ETA_MS_MAX)
            }
            Self::Heartbeat(heartbeat) => within(heartbeat.progress_bp, 0, WHOLE_BP),
            Self::Yield(body) => text(&body.reason, REASON_BYTES_MAX),
            Self::Refuse(body) | Self::Cancel(body) => text(&body.reason, REASON_BYTES_MAX),
            Self::UpdatePlan(update) => facts(&update.facts),
            Self::Commit(commit) => {
                outputs(&commit.outputs)?;
                at_most(commit.states.len(), STATES_MAX)
            }
            Self::Attest(attest) => at_most(attest.reasons.len(), REASONS_MAX),
            Self::Finalize(record) => {
                at_most(record.attestations.len(), ATTESTATIONS_MAX)?;
                at_most(record.engines.len(), ATTESTATIONS_MAX)?;
                at_most(record.payouts.len(), PAYOUTS_MAX)?;
                outputs(&record.outputs)?;
                rising(&record.attestations, true)?;
                rising(&record.engines, true)?;
                rising(&record.payouts, false)
            }
            Self::Settle(settle) => {
                at_most(settle.payouts.len(), PAYOUTS_MAX)?;
                rising(&settle.payouts, false)
            }
            Self::Entry(batch) => {
                at_most(batch.links.len(), LINKS_MAX)?;
                // Positions count from 1, and the last one must exist.
                within(batch.links.len(), 1, LINKS_MAX)?;
                within(batch.first.0, 1, u64::MAX - LINKS_MAX as u64)
            }
            Self::Manifest(manifest) => check_manifest(manifest),
            Self::Stake(body) | Self::Unstake(body) | Self::Withdraw(body) => positive(body.amount),
            Self::Delegate(body) | Self::Transfer(body) | Self::Mint(body) => positive(body.amount),
            Self::Snapshot(snapshot) => within(snapshot.number, 1, u32::MAX),
            Self::Member(new) => {
                at_most(new.mandate.sigs.len(), MANDATE_SIGS_MAX)?;
                match (&new.piece, new.mandate.base()) {
                    (Some(piece), Some(root)) => piece.check(root),
                    (Some(_), None) => Err(Reject::WrongFields),
                    (None, _) => Ok(()),
                }
            }
            Self::Capsule(new) => {
                at_most(new.sigs.len(), MANDATE_SIGS_MAX)?;
                within(new.number, 1, u32::MAX)
            }
            // A label and an address: bounded by their types.
            Self::Deny(_) => Ok(()),
        }
    }
}

fn check_need(need: &Need) -> Checked {
    at_most(need.produces.len(), OUTPUTS_MAX)?;
    at_most(need.requires.len(), INPUTS_MAX)?;
    if need.forms.keys().any(|label| !need.produces.contains(label)) {
        return Err(Reject::WrongFields);
    }
    need.forms.values().try_for_each(Form::check)?;
    positive(need.budget)?;
    within(need.fee, Credits(0), need.class.fee_max())?;
    within(need.deadline_ms, 1, ETA_MS_MAX)?;
    within(need.k_plan, 1, K_PLAN_MAX)?;
    within(need.k_result, 1, K_MAX)?;
    let waits = &need.windows;
    let (min, max) = WINDOW_BOUNDS_MS;
    [waits.bids_ms, waits.challenge_ms, waits.decision_ms, waits.lease_ms, waits.proposals_ms, waits.verify_ms]
        .into_iter()
        .try_for_each(|wait| within(wait, min, max))
}

/// One contradiction has one name.
fn check_challenge(challenge: &Challenge) -> Checked {
    match &challenge.evidence {
        Evidence::SemanticContradiction { first, second, .. } => rising(&[first, second], true),
        _ => Ok(()),
    }
}

fn check_propose(propose: &Propose) -> Checked {
    at_most(propose.cost_caps.len(), TASKS_MAX)?;
    propose.cost_caps.values().try_for_each(|cap| positive(*cap))?;
    within(propose.eta_ms, 1, ETA_MS_MAX)?;
    facts(&propose.patch)
}

fn facts(facts: &[Fact]) -> Checked {
    at_most(facts.len(), FACTS_MAX)?;
    facts.iter().try_for_each(|fact| match fact {
        Fact::AddTask { produces, requires, .. } => {
            at_most(produces.len(), FACT_LABELS_MAX)?;
            at_most(requires.len(), FACT_LABELS_MAX)
        }
        Fact::Annotate { value, .. } => text(value, REMARK_BYTES_MAX),
        _ => Ok(()),
    })
}

fn check_manifest(manifest: &Manifest) -> Checked {
    at_most(manifest.capabilities.len(), CAPABILITIES_MAX)?;
    at_most(manifest.constraints.len(), CONDITIONS_MAX)?;
    at_most(manifest.zones.len(), CONDITIONS_MAX)?;
    at_most(manifest.roles.len(), ROLES_MAX)?;
    for place in [&manifest.asn, &manifest.org, &manifest.region] {
        text(place, PLACE_BYTES_MAX)?;
    }
    manifest.capabilities.iter().try_for_each(|capability| {
        at_most(capability.tags.len(), TAGS_MAX)?;
        text(&capability.input, SCHEMA_BYTES_MAX)?;
        text(&capability.output, SCHEMA_BYTES_MAX)
    })
}
