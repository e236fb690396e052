//! The three gates: who asks the policy, when, and what becomes of the answer (PROTOCOL 10).
//!
//! Every envelope passes them, whoever said it and however it came (T47): there is no way from a content to a draft with a
//! policy digest, or from bytes to an accepted envelope, around them.

use alloc::boxed::Box;

use crate::id::Digest;
use crate::mutant::{Mutant, planted};
use crate::policy::{Evaluation, Evaluator, Gate, PolicyInput};
use crate::reject::Reject;
use crate::wire::{Content, Draft, Envelope, PolicyRef, Role, Telemetry};

/// Stopped at a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The refusal's name.
    pub reject: Reject,
    /// What the policy said, if it was asked: an audit event.
    pub evaluation: Option<Box<Evaluation>>,
}

impl From<Reject> for Denial {
    fn from(reject: Reject) -> Self {
        Self { reject, evaluation: None }
    }
}

fn pass(evaluation: Evaluation) -> Result<Evaluation, Denial> {
    match evaluation.allow {
        true => Ok(evaluation),
        false => Err(Denial { reject: Reject::PolicyDenied, evaluation: Some(Box::new(evaluation)) }),
    }
}

/// Before signing: holds `content` against every rule a receiver has without context, asks the policy, and enters capsule,
/// engine and digest. Whatever `content` had there is overwritten.
///
/// # Errors
/// The refusal that a receiver would have had.
pub fn preflight(
    evaluator: &dyn Evaluator,
    mut content: Content,
    roles: &[Role],
) -> Result<(Draft, Evaluation), Denial> {
    content.check()?;
    // The digest is part of what the id covers, hence the policy is asked about the content without it.
    content.policy = PolicyRef { capsule: evaluator.capsule(), digest: Digest::default(), engine: evaluator.engine() };
    let blank = Draft::new(content);
    let evaluation = evaluator.evaluate(Gate::Preflight, &PolicyInput::drafted(&blank, roles));
    let evaluation = if planted(Mutant::PreflightSkipped) { evaluation } else { pass(evaluation)? };
    Ok((blank.judged(evaluation.digest), evaluation))
}

/// At every receiver: the engine must be ours, and our own evaluation must let it pass. The answer may be remembered per
/// engine and input digest.
///
/// # Errors
/// [`Reject::EngineMismatch`], [`Reject::PolicyDenied`].
pub fn ingress(evaluator: &dyn Evaluator, envelope: &Envelope, roles: &[Role]) -> Result<Evaluation, Denial> {
    same_engine(evaluator, envelope)?;
    pass(evaluator.evaluate(Gate::Ingress, &PolicyInput::received(envelope, roles)))
}

/// As [`ingress`], for a receiver that needs no evidence of the answer.
///
/// # Errors
/// As [`ingress`], by name only.
pub fn admits(evaluator: &dyn Evaluator, envelope: &Envelope, roles: &[Role]) -> Result<(), Reject> {
    same_engine(evaluator, envelope)?;
    match evaluator.allows(Gate::Ingress, &PolicyInput::received(envelope, roles)) {
        true => Ok(()),
        false if planted(Mutant::IngressSkipped) => Ok(()),
        false => Err(Reject::PolicyDenied),
    }
}

/// At a verifier of a COMMIT, who did the work again and measured it. Without a measurement it is a denial.
///
/// # Errors
/// [`Reject::EngineMismatch`], [`Reject::PolicyDenied`].
pub fn commit(
    evaluator: &dyn Evaluator,
    envelope: &Envelope,
    roles: &[Role],
    measured: Option<Telemetry>,
) -> Result<Evaluation, Denial> {
    same_engine(evaluator, envelope)?;
    let evaluation =
        evaluator.evaluate(Gate::Commit, &PolicyInput { measured, ..PolicyInput::received(envelope, roles) });
    if planted(Mutant::CommitGateSkipped) { Ok(evaluation) } else { pass(evaluation) }
}

/// Whether two engines are one. Everybody who compares engines does it here.
pub fn is_same(one: &Digest, other: &Digest) -> bool {
    one == other || planted(Mutant::EngineUnchecked)
}

fn same_engine(evaluator: &dyn Evaluator, envelope: &Envelope) -> Result<(), Reject> {
    let (engine, capsule) = (evaluator.engine(), evaluator.capsule());
    // Of one engine there is one capsule, or there are several ways to write its signatures down.
    if !is_same(&envelope.policy.engine, &engine)
        || (envelope.policy.engine == engine && envelope.policy.capsule != capsule)
    {
        return Err(Reject::EngineMismatch);
    }
    Ok(())
}
