//! What can be said: the verbs, who may say them, and the body of each (PROTOCOL 3).
//!
//! A body's fields stand in alphabetical order, because a derived serializer writes them in that order and the canonical
//! form (RFC 8785) demands it. Fields wider than 32 bits are decimal strings.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::base::{Piece, Root};
use crate::form::{Form, Pointer};
use crate::genesis::Member;
use crate::id::{AgentId, Cid, Credits, Digest, Epoch, Fence, Label, NeedId, Seq, TaskName};
use crate::members::{Act, Mandate, Succession};
use crate::plan::Fact;
use crate::register::Chain;
use crate::reject::Reject;
use crate::wire::{Envelope, Nested, Signature, bounds};

/// What a manifest entitles an agent to do. One process may hold several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Opens needs.
    Requester,
    /// Proposes plans.
    Planner,
    /// Claims and does tasks.
    Worker,
    /// Judges plans and results.
    Verifier,
    /// Member of the register.
    Coordinator,
    /// May create credits, within the cap of the genesis.
    Mint,
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident $text:literal $body:ty => [$($role:ident)*]),* $(,)?) => {
        /// A verb. The list is the single source for dispatch, role checks and fuzzing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Verb { $($(#[$doc])* $name,)* }

        /// A verb's payload.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "bodies live behind an Arc'd envelope")]
        pub enum Body { $($(#[$doc])* $name($body),)* }

        impl Verb {
            /// Every verb there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The verb as it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The verb written as `text`.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }

            /// Roles that may say it; empty means anyone.
            pub const fn roles(self) -> &'static [Role] {
                match self { $(Self::$name => &[$(Role::$role,)*],)* }
            }
        }

        impl Body {
            /// The verb this is the body of.
            pub const fn verb(&self) -> Verb {
                match self { $(Self::$name(_) => Verb::$name,)* }
            }

            /// Reads the body of `verb` from JSON text; `nested` answers for the envelopes inside.
            pub(crate) fn parse(verb: Verb, json: &str, nested: Nested<'_>) -> Result<Self, Reject> {
                match verb {
                    Verb::Decide => return Decide::parse(json, nested).map(Self::Decide),
                    Verb::Member => return NewMember::parse(json, nested).map(Self::Member),
                    _ => debug_assert!(!verb.nests(), "what nests is read with `nested`"),
                }
                let body = match verb { $(Verb::$name => serde_json::from_str(json).map(Self::$name),)* };
                body.map_err(|_| Reject::Malformed)
            }
        }

        impl Serialize for Body {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                match self { $(Self::$name(body) => body.serialize(s),)* }
            }
        }
    };
}

verbs! {
    /// A requester wants something done.
    Need "NEED" Need => [Requester],
    /// A planner offers a plan.
    Propose "PROPOSE" Propose => [Planner],
    /// A drawn voter approves one proposal, or none.
    AttestPlan "ATTEST_PLAN" AttestPlan => [Verifier],
    /// One proposal was picked.
    Decide "DECIDE" Decide => [Coordinator],
    /// A worker bids for a task.
    Claim "CLAIM" Claim => [Worker],
    /// A holder lives.
    Heartbeat "HEARTBEAT" Heartbeat => [Worker],
    /// A holder gives its lease back early.
    Yield "YIELD" Yield => [Worker],
    /// A worker or planner declines a need, or a task of it.
    Refuse "REFUSE" Refuse => [Worker Planner],
    /// The requester ends what is still idle.
    Cancel "CANCEL" Cancel => [Requester],
    /// A lease ended; the task is open again.
    Release "RELEASE" Release => [Coordinator],
    /// More facts for a thread's plan.
    UpdatePlan "UPDATE_PLAN" UpdatePlan => [Planner Worker Coordinator],
    /// A worker commits to a result.
    Commit "COMMIT" Commit => [Worker],
    /// A seated verifier passes or fails a result.
    Attest "ATTEST" Attest => [Verifier],
    /// A result is final.
    Finalize "FINALIZE" FinalizeRecord => [Coordinator],
    /// Anyone disputes a final result, with a bond.
    Challenge "CHALLENGE" Challenge => [],
    /// A verifier drawn for it rules on a challenge.
    Verdict "VERDICT" Ruling => [Verifier],
    /// A final result is void.
    Invalidate "INVALIDATE" Invalidate => [Coordinator],
    /// What a final result pays, fixed.
    Settle "SETTLE" Settle => [Coordinator],
    /// Some need to come is a decoy; which, nobody can tell.
    Mask "MASK" Mask => [],
    /// A requester opens what was masked: its need is a decoy.
    Unmask "UNMASK" Unmask => [Requester],
    /// A coordinator vouches for applied entries.
    Entry "ENTRY" EntryBatch => [Coordinator],
    /// Who an agent is.
    Manifest "MANIFEST" Manifest => [],
    /// Credits become stake.
    Stake "STAKE" Amount => [],
    /// Stake begins to unbond.
    Unstake "UNSTAKE" Amount => [],
    /// Credits back another's stake.
    Delegate "DELEGATE" AmountTo => [],
    /// Credits move.
    Transfer "TRANSFER" AmountTo => [],
    /// Credits are made.
    Mint "MINT" AmountTo => [Mint],
    /// Unbonded credits come back.
    Withdraw "WITHDRAW" Amount => [],
    /// The pool changed.
    Snapshot "SNAPSHOT" SnapshotRef => [Coordinator],
    /// A seat of the register changed hands.
    Member "MEMBER" NewMember => [Coordinator],
    /// The deployment goes by another policy.
    Capsule "CAPSULE" NewPolicy => [],
    /// An authenticated envelope was refused.
    Deny "DENY" Deny => [],
}

impl Verb {
    /// Whether someone with `roles` may say it.
    pub fn allowed(self, roles: &[Role]) -> bool {
        self.roles().is_empty() || self.roles().iter().any(|role| roles.contains(role))
    }

    /// Whether its body holds other envelopes.
    pub(super) const fn nests(self) -> bool {
        matches!(self, Self::Decide | Self::Member)
    }
}

impl Serialize for Verb {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

/// How much a need's verdicts may cost, and how much trust it asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Fee per seat at most 10.
    #[default]
    Simple,
    /// Fee per seat at most 100.
    Complex,
    /// Fee per seat at most 1,000.
    Critical,
}

impl Class {
    /// The highest fee per seat (PROTOCOL 9).
    pub const fn fee_max(self) -> Credits {
        Credits(match self {
            Self::Simple => 10,
            Self::Complex => 100,
            Self::Critical => 1_000,
        })
    }
}

/// Lengths of a need's waits, in milliseconds of agreed elapsed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// Bids for a task.
    pub bids_ms: u32,
    /// Each of the two segments after FINALIZE.
    pub challenge_ms: u32,
    /// Votes on proposals, per epoch.
    pub decision_ms: u32,
    /// A lease without renewal.
    pub lease_ms: u32,
    /// Proposals.
    pub proposals_ms: u32,
    /// Verdicts of a seated committee.
    pub verify_ms: u32,
}

/// Body of NEED.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// The most that all tasks together may cost.
    pub budget: Credits,
    /// How much its verdicts may cost.
    pub class: Class,
    /// The longest eta a bid may name, in milliseconds.
    pub deadline_ms: u32,
    /// What each counted verdict earns.
    pub fee: Credits,
    /// The most that all verdicts together may cost.
    pub fees: Credits,
    /// What is asked of outputs besides their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub forms: BTreeMap<Label, Form>,
    /// Approvals wanted for a plan, before the clamp of PROTOCOL 6.
    pub k_plan: u32,
    /// Passes wanted for a result, before the clamp of PROTOCOL 6.
    pub k_result: u32,
    /// Names of the outputs wanted.
    pub produces: Vec<Label>,
    /// What is asked for, as a recipe name that planners know (for example `wordcount/4`).
    pub recipe: Label,
    /// Given inputs, by name.
    pub requires: BTreeMap<Label, Cid>,
    /// The need this one takes over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<NeedId>,
    /// Lengths of its waits.
    pub windows: Windows,
}

/// Body of PROPOSE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Propose {
    /// Unique per proposer and need.
    pub ballot: u32,
    /// The most each task may cost.
    pub cost_caps: BTreeMap<TaskName, Credits>,
    /// How long the whole plan is expected to take, in milliseconds.
    pub eta_ms: u32,
    /// The plan: facts of types ADD_TASK, REQUIRES, PRODUCES, LINK, ANNOTATE.
    pub patch: Vec<Fact>,
}

/// Body of ATTEST_PLAN. The epoch voted in is the envelope's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestPlan {
    /// Digest of the policy evaluation behind the vote.
    pub policy: Digest,
    /// The one proposal approved (its envelope id); absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Cid>,
}

/// Names a pool snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotRef {
    /// Digest of its canonical JSON.
    pub digest: Digest,
    /// Its number, from 1.
    pub number: u32,
}

/// Body of DECIDE: whoever holds the snapshot can recheck it from here (T11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// The counted ATTEST_PLAN envelopes, by rising id.
    pub approvals: Vec<Arc<Envelope>>,
    /// How many were needed.
    pub k_plan: u32,
    /// The decided PROPOSE envelope, whole, so that workers see the tasks.
    pub proposal: Arc<Envelope>,
    /// The pool the voters were drawn from.
    pub snapshot: SnapshotRef,
}

impl Decide {
    /// Reads the body, asking `nested` for the envelopes inside once their number is known to be within bounds.
    fn parse(json: &str, nested: Nested<'_>) -> Result<Self, Reject> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Read<'a> {
            #[serde(borrow)]
            approvals: Vec<&'a RawValue>,
            k_plan: u32,
            #[serde(borrow)]
            proposal: &'a RawValue,
            snapshot: SnapshotRef,
        }
        let read: Read<'_> = serde_json::from_str(json).map_err(|_| Reject::Malformed)?;
        if read.approvals.len() > bounds::APPROVALS_MAX {
            return Err(Reject::Oversize);
        }
        let mut inside = |verb: Verb, raw: &RawValue| match nested(verb, raw.get().as_bytes()) {
            Ok(envelope) if envelope.verb() != verb => Err(Reject::NoEvidence),
            answer => answer,
        };
        Ok(Self {
            proposal: inside(Verb::Propose, read.proposal)?,
            approvals: read.approvals.into_iter().map(|raw| inside(Verb::AttestPlan, raw)).collect::<Result<_, _>>()?,
            k_plan: read.k_plan,
            snapshot: read.snapshot,
        })
    }
}

/// Body of CLAIM: a bid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Price asked.
    pub cost: Credits,
    /// Time needed, in milliseconds.
    pub eta_ms: u32,
    /// The task.
    pub task: TaskName,
}

/// Body of HEARTBEAT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Basis points done.
    pub progress_bp: u32,
    /// The task.
    pub task: TaskName,
}

/// Body of YIELD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Yield {
    /// Why, for people; at most 256 bytes.
    pub reason: String,
    /// The task.
    pub task: TaskName,
}

/// Body of REFUSE and CANCEL: without a task, the whole need is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refuse {
    /// Why, for people; at most 256 bytes.
    pub reason: String,
    /// The task, or everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
}

/// Body of CANCEL.
pub type Cancel = Refuse;

/// Why a task is open again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseReason {
    /// Its lease ran out.
    Expired,
    /// Its holder yielded.
    Yielded,
    /// Its result failed, or the committee split or fell silent.
    Failed,
    /// No committee could be seated.
    Unseated,
    /// The worker's bond could not be booked.
    Unbonded,
    /// Nobody bid.
    Unbid,
    /// It rests on a result that is void.
    Voided,
    /// Its result was challenged, and nobody ruled on it in time.
    Unruled,
}

/// Body of RELEASE. Epoch and the ended fence are the envelope's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Why.
    pub reason: ReleaseReason,
    /// The task.
    pub task: TaskName,
}

/// Body of UPDATE_PLAN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdatePlan {
    /// The facts, each of this sender.
    pub facts: Vec<Fact>,
}

/// What a run of a job cost, as measured by the deterministic meter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Bytes read and written.
    pub bytes: Count,
    /// Steps taken.
    pub steps: Count,
}

/// A plain 64-bit count in its JSON form, a decimal string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(pub u64);
crate::id::decimal!(Count);

/// Body of COMMIT. Epoch and fence are the envelope's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Address of each output, by the name the task produces.
    pub outputs: BTreeMap<Label, Cid>,
    /// What the run had come to along the way, by the digests that are the addresses of it; at most 64. A dispute is narrowed to the
    /// stretch between two of them.
    pub states: Vec<Digest>,
    /// The task.
    pub task: TaskName,
    /// What the run cost.
    pub telemetry: Telemetry,
}

/// A verdict on a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The work was redone with the same outputs.
    Pass,
    /// It was not, or could not be.
    Fail,
}

/// Body of ATTEST. Epoch and fence are the envelope's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attest {
    /// The COMMIT judged (its envelope id).
    pub commit: Cid,
    /// Digest of the policy evaluation at the commit gate.
    pub policy: Digest,
    /// Proof of having done the work: keyed with the verifier and the slot's salt over states the COMMIT does not
    /// publish (PROTOCOL 8).
    pub proof: Digest,
    /// Why, as short codes.
    pub reasons: Vec<Label>,
    /// The task.
    pub task: TaskName,
    /// Pass or fail.
    pub verdict: Verdict,
}

/// What a challenge says is wrong with a result: something that can be seen again from the result itself, by its address
/// (PROTOCOL 8: proof classes). Nothing that the challenger says is taken for true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Evidence {
    /// The job, done again on the same inputs, does not give this output.
    OutputMismatch {
        /// The output.
        label: Label,
    },
    /// A stretch of the run leads from what the COMMIT says it began with to something else than the COMMIT says: to another state, or
    /// to other outputs if it is the last. It alone is done again, and nothing but what was committed is looked at (T33).
    StretchMismatch {
        /// Which, from 0: it begins with the state before that number, the first with the inputs.
        stretch: u32,
    },
    /// The policy that the COMMIT was said under denies it at the commit gate, once it is known what the job takes.
    PolicyBreach {
        /// The policy, as the COMMIT names it.
        capsule: Cid,
        /// The reason of the denial.
        rule: Label,
    },
    /// The proof in a pass that made the result final is not what doing the work under its verifier's key gives. The result stands.
    FalseProof {
        /// Whose.
        verifier: AgentId,
    },
    /// What stands at a place of an output is not what the need's schema says of that place.
    SchemaViolation {
        /// The output.
        label: Label,
        /// The place.
        pointer: Pointer,
        /// The schema, as the NEED has it.
        schema: Digest,
    },
    /// A claim of an output names nothing that it rests on, or something that its task was not given, where the need asks for that.
    MissingCitation {
        /// The output.
        label: Label,
        /// The claim.
        pointer: Pointer,
    },
    /// Two claims of an output contradict each other. No rule can see that: it is judged, so it may cost pay and reputation, and
    /// never stake.
    SemanticContradiction {
        /// The one that stands first.
        first: Pointer,
        /// The output.
        label: Label,
        /// The other.
        second: Pointer,
    },
}

impl Evidence {
    /// Whether it names something that `commit` says, as `need` asked for it.
    pub fn is_about(&self, commit: &Envelope, need: &Need) -> bool {
        let Body::Commit(body) = &commit.body else { return false };
        let form = |label: &Label| need.forms.get(label).filter(|_| body.outputs.contains_key(label));
        match self {
            Self::OutputMismatch { label } => body.outputs.contains_key(label),
            Self::StretchMismatch { stretch } => *stretch as usize <= body.states.len(),
            Self::PolicyBreach { capsule, .. } => commit.policy.capsule == *capsule,
            Self::FalseProof { .. } => true,
            Self::SchemaViolation { label, schema, .. } => {
                form(label).and_then(|form| form.schema.as_ref()).is_some_and(|own| own.digest() == *schema)
            }
            Self::MissingCitation { label, pointer } => {
                let claims = form(label).filter(|form| form.cited).and_then(|form| form.claims.as_ref());
                claims.is_some_and(|claims| pointer.is_item_of(claims))
            }
            Self::SemanticContradiction { first, label, second } => {
                let claims = form(label).and_then(|form| form.claims.as_ref());
                claims.is_some_and(|claims| first.is_item_of(claims) && second.is_item_of(claims))
            }
        }
    }

    /// Whether people can be of two minds about it: then it is judged, and only what can be shown takes stake (T34).
    pub fn is_opinion(&self) -> bool {
        matches!(self, Self::SemanticContradiction { .. })
    }

    /// The verifier that is at fault if it is so, and nobody else; nothing if the COMMIT is.
    pub fn accused(&self) -> Option<AgentId> {
        match self {
            Self::FalseProof { verifier } => Some(*verifier),
            Self::OutputMismatch { .. }
            | Self::StretchMismatch { .. }
            | Self::PolicyBreach { .. }
            | Self::SchemaViolation { .. }
            | Self::MissingCitation { .. }
            | Self::SemanticContradiction { .. } => None,
        }
    }
}

/// Body of CHALLENGE. Epoch and fence are the envelope's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// The COMMIT disputed (its envelope id).
    pub commit: Cid,
    /// What is wrong with it.
    pub evidence: Evidence,
    /// The task.
    pub task: TaskName,
}

/// Body of VERDICT. Epoch and fence are the envelope's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// The CHALLENGE ruled on (its envelope id).
    pub challenge: Cid,
    /// What looking took: steps of the job done again.
    pub gas: Count,
    /// Digest of what was seen: the outputs of the job done again.
    pub seen: Digest,
    /// The task.
    pub task: TaskName,
    /// Whether the challenge is right, and the result void.
    pub upheld: bool,
}

/// Body of INVALIDATE. Epoch and fence are the envelope's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invalidate {
    /// The CHALLENGE that was upheld (its envelope id).
    pub challenge: Cid,
    /// The COMMIT that is void (its envelope id).
    pub commit: Cid,
    /// Passes that the task asks for from here on, before the clamp of PROTOCOL 6.
    pub k_result: u32,
    /// Whose passes made it final, rising: each is slashed.
    pub offenders: Vec<AgentId>,
    /// The task.
    pub task: TaskName,
}

/// Body of MASK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// The digest under which a decoy is announced ([`crate::slot::mask`]).
    pub mask: Digest,
}

/// Body of UNMASK. Epoch and fence are the envelope's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unmask {
    /// The COMMIT that is wrong on purpose (its envelope id).
    pub commit: Cid,
    /// Verifiers that failed it without doing the work, as their proofs show to whoever did it; rising. They have no part in the
    /// jackpot, and nobody has it instead.
    pub denied: Vec<AgentId>,
    /// What it was masked by.
    pub mask: Digest,
    /// What makes the mask of it.
    pub salt: Digest,
    /// The task.
    pub task: TaskName,
}

/// Why an amount is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Due {
    /// The winning bid's price.
    Price,
    /// A counted verdict on a plan.
    PlanFee,
    /// A counted verdict on a result.
    Fee,
}

/// An amount due to someone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payout {
    /// How much.
    pub amount: Credits,
    /// For what.
    pub due: Due,
    /// To whom.
    pub to: AgentId,
}

/// Body of FINALIZE (PROTOCOL 8). Everything in it is fixed by applied entries: no time, no Lamport value, no name of who
/// noticed. Byte-identical on every node and in every replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinalizeRecord {
    /// Ids of the counted ATTEST envelopes, rising.
    pub attestations: Vec<Cid>,
    /// The COMMIT made final.
    pub commit: Cid,
    /// Engine hashes of the counted attestations, rising, each once.
    pub engines: Vec<Digest>,
    /// Epoch of the grant.
    pub epoch: Epoch,
    /// Fence of the grant.
    pub fence: Fence,
    /// The need.
    pub need: NeedId,
    /// Address of each output.
    pub outputs: BTreeMap<Label, Cid>,
    /// What is due, rising.
    pub payouts: Vec<Payout>,
    /// Digest of the decided plan.
    pub plan: Digest,
    /// The pool the committee was drawn from.
    pub snapshot: SnapshotRef,
    /// The task.
    pub task: TaskName,
}

/// Body of SETTLE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// What will be paid, rising.
    pub payouts: Vec<Payout>,
    /// The task.
    pub task: TaskName,
}

/// Body of ENTRY: the sender applied these entries to the envelope's thread. The entries themselves travel beside the
/// envelope, each checked against its link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryBatch {
    /// Position of the first.
    pub first: Seq,
    /// Chain head after the last.
    pub head: Digest,
    /// One link per entry.
    pub links: Vec<Digest>,
    /// Chain head before the first.
    pub prev: Digest,
}

impl EntryBatch {
    /// The chain as it is after the links, if the batch begins and ends anywhere; it must end in `head`.
    pub fn chain(&self) -> Option<Chain> {
        let mut chain = Chain { head: self.prev, seq: Seq(self.first.0.checked_sub(1)?) };
        // Nobody has come to the end of the numbers yet.
        chain.seq.0.checked_add(self.links.len() as u64)?;
        self.links.iter().for_each(|link| chain.push(link));
        Some(chain)
    }
}

/// One thing an agent can do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// Schema of what it takes.
    pub input: String,
    /// Its name; envelopes cite it.
    pub name: Label,
    /// Schema of what it gives.
    pub output: String,
    /// Words to find it by.
    pub tags: Vec<Label>,
    /// Its version.
    pub version: u32,
}

/// Body of MANIFEST (PROTOCOL 1). Everything an agent states of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The agent described; must be the sender.
    pub agent: AgentId,
    /// Autonomous system it runs in; empty is unknown.
    pub asn: String,
    /// What it can do.
    pub capabilities: Vec<Capability>,
    /// Conditions it sets, as short codes.
    pub constraints: Vec<Label>,
    /// Organisation behind it; empty is unknown.
    pub org: String,
    /// The least it works for.
    pub price_floor: Credits,
    /// Where it runs; empty is unknown.
    pub region: String,
    /// What it is entitled to.
    pub roles: Vec<Role>,
    /// Public key for sealed boxes (X25519), 32 bytes as hex.
    pub sealing: Digest,
    /// The account its stake is drawn from.
    pub stake_account: AgentId,
    /// Its tier.
    pub tier: u32,
    /// Zones it may work in.
    pub zones: Vec<Label>,
}

/// Body of STAKE, UNSTAKE, WITHDRAW.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// How much.
    pub amount: Credits,
}

/// Body of TRANSFER, DELEGATE, MINT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmountTo {
    /// How much.
    pub amount: Credits,
    /// Whom it goes to or backs.
    pub to: AgentId,
}

/// Body of MEMBER. The mandate speaks for itself: who says it only carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewMember {
    /// What made the newcomer a member.
    pub mandate: Arc<Mandate>,
    /// A part of the base that the mandate names, if it founds the register anew: as many MEMBERs as there are parts bring all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub piece: Option<Piece>,
}

impl NewMember {
    /// Reads the body, asking `nested` for the MANIFEST inside.
    fn parse(json: &str, nested: Nested<'_>) -> Result<Self, Reject> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Read<'a> {
            #[serde(borrow)]
            mandate: ReadMandate<'a>,
            piece: Option<Piece>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ReadMandate<'a> {
            #[serde(borrow)]
            act: ReadAct<'a>,
            after: Digest,
            sigs: BTreeMap<AgentId, Signature>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        enum ReadAct<'a> {
            #[serde(borrow)]
            Replace(ReadSuccession<'a>),
            Refound {
                base: Root,
                generation: u32,
                #[serde(borrow)]
                seats: Vec<ReadSuccession<'a>>,
            },
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ReadSuccession<'a> {
            #[serde(borrow)]
            manifest: &'a RawValue,
            new: Member,
            old: AgentId,
        }
        let Read { mandate: ReadMandate { act, after, sigs }, piece } =
            serde_json::from_str(json).map_err(|_| Reject::Malformed)?;
        let mut succession = |ReadSuccession { manifest, new, old }: ReadSuccession<'_>| {
            let manifest = nested(Verb::Manifest, manifest.get().as_bytes())?;
            if manifest.verb() != Verb::Manifest {
                return Err(Reject::NoEvidence);
            }
            Ok(Succession { manifest, new, old })
        };
        let act = match act {
            ReadAct::Replace(one) => Act::Replace(succession(one)?),
            ReadAct::Refound { base, generation, seats } => {
                let seats = seats.into_iter().map(succession).collect::<Result<_, _>>()?;
                Act::Refound { base, generation, seats }
            }
        };
        Ok(Self { mandate: Arc::new(Mandate { act, after, sigs }), piece })
    }
}

/// Body of CAPSULE. The policy keys speak: who says it only carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    /// Address of the capsule, which is an artifact.
    pub capsule: Cid,
    /// Its engine hash.
    pub engine: Digest,
    /// Its number, from 1: one more than that of the policy it takes over from. The policy of the genesis is number 0.
    pub number: u32,
    /// Signatures of policy keys over the deployment and all the rest.
    pub sigs: BTreeMap<AgentId, Signature>,
}

/// Body of DENY.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    /// The refused envelope.
    pub envelope: Cid,
    /// The name of the refusal.
    pub reason: Label,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_at_the_end_of_all_numbers_is_no_chain() {
        let batch = |first, links| EntryBatch {
            first: Seq(first),
            head: Digest::default(),
            links: alloc::vec![Digest::default(); links],
            prev: Digest::default(),
        };
        assert!(batch(u64::MAX, 1).chain().is_some());
        for (first, links) in [(0, 1), (u64::MAX, 2), (u64::MAX - 1, 3)] {
            assert_eq!(batch(first, links).chain(), None);
        }
    }
}
