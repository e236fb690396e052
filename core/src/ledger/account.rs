//! Where credits can lie, and what a move between two such places looks like to an outside checker.
//!
//! Every credit is in exactly one [`Account`] at any time; an operation only ever moves credits from one to another.

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, Cid, Credits, Digest, Fence, NeedId, Seq, TaskName, Thread};

/// Names an operation. The same key a second time is a no-op, so that a repeated discharge changes nothing.
pub type OpKey = Digest;

/// The key of the `part`-th operation that the entry at `seq` of `thread` obliges (PROTOCOL 5: exactly once by key).
pub fn op_key(thread: &Thread, seq: Seq, part: u32) -> OpKey {
    let need = match thread {
        Thread::System => &[][..],
        Thread::Need(need) => &need.0.0.0,
    };
    Digest::of("swarm/op", &[need, &seq.0.to_be_bytes(), &part.to_be_bytes()])
}

/// Credits set aside for one purpose. A pot is opened once and ends once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pot {
    /// What a need may spend: budget and fees.
    Escrow(NeedId),
    /// What the holder of one lease forfeits if it lets go.
    Bond(NeedId, TaskName, Fence),
    /// What a challenger forfeits if it is wrong, by its CHALLENGE; and what offenders lose, until that is divided.
    Challenge(NeedId, Cid),
    /// What catching a decoy is worth, and what those lose who passed it, until that is divided.
    Decoy(NeedId),
}

/// A place where credits lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Account {
    /// Where minted credits come from; what it has given is what was ever minted.
    Mint,
    /// Where burned credits end.
    Burnt,
    /// Free to be spent by an agent. The commons fund is that of [`crate::config::COMMONS`].
    Available(AgentId),
    /// An agent's own stake.
    Stake(AgentId),
    /// Stake that one agent lends to another's weight.
    Delegated {
        /// Whose credits they are.
        by: AgentId,
        /// Whose weight they raise.
        to: AgentId,
    },
    /// Unstaked and not yet withdrawn.
    Unbonding(AgentId),
    /// Set aside.
    Pot(Pot),
}

/// One move of credits. Refolding all of them gives the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posting {
    /// How much; zero only where a pot opens or ends empty.
    pub amount: Credits,
    /// Where it goes.
    pub credit: Account,
    /// Where it comes from.
    pub debit: Account,
    /// The pot it comes from ends with this move.
    pub ends: bool,
    /// The operation it is part of.
    pub op: OpKey,
}

/// One thing that an operation did to the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Booking {
    /// Credits moved.
    Moved(Posting),
    /// Part of a stake answers for a seat from here on.
    Bound {
        /// How much.
        amount: Credits,
        /// Which seat's.
        lien: LienId,
        /// The operation it is part of.
        op: OpKey,
    },
    /// It is free again.
    Freed {
        /// Which seat's.
        lien: LienId,
        /// The operation it is part of.
        op: OpKey,
    },
}

impl Booking {
    /// The operation it is part of.
    pub fn op(&self) -> OpKey {
        match self {
            Self::Moved(Posting { op, .. }) | Self::Bound { op, .. } | Self::Freed { op, .. } => *op,
        }
    }
}

/// Names a lien: the stake that backs one seat on the committee of one commit (PROTOCOL 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LienId {
    /// The need whose slot asked for it.
    pub need: NeedId,
    /// The commit judged.
    pub commit: Cid,
    /// Whose stake.
    pub verifier: AgentId,
}

/// Unstaked credits on their way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tranche {
    /// How much of it is left.
    pub amount: Credits,
    /// The key of the operation that unstaked it.
    pub id: OpKey,
    /// The unbonding time is over.
    pub matured: bool,
}

/// What one agent has, place by place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// Free to be spent.
    pub available: Credits,
    /// Lent to others' weight.
    pub delegated: Credits,
    /// Encumbered by liens; part of `staked` and `unbonding`, not beside them.
    pub liens: Credits,
    /// Own stake.
    pub staked: Credits,
    /// Unstaked and not yet withdrawn.
    pub unbonding: Credits,
}
