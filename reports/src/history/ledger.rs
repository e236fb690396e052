//! How a ledger's moves are told: double entries between named accounts, pots and liens by name.
//!
//! Every node that follows the system thread tells the same list; the checker compares the lists and folds one of them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use swarm_core::id::{AgentId, Credits, NeedId};

/// Where credits lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Account {
    /// Nowhere: what is minted comes from here, what is burned goes here. It has no balance.
    Outside,
    /// An agent's credits at its disposal.
    Free(AgentId),
    /// An agent's stake; liens rest on it.
    Stake(AgentId),
    /// An agent's unbonding stake.
    Unbonding(AgentId),
    /// What others delegated to an agent.
    Delegated(AgentId),
    /// A pot, by the name it was opened under.
    Pot(Arc<str>),
    /// The commons fund.
    Commons,
}

/// The kind of an operation (PROTOCOL 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names of PROTOCOL 9")]
pub enum Move {
    Mint,
    Transfer,
    Reserve,
    Unreserve,
    /// From a need's escrow into a task's price and fee pots.
    Carve,
    Bond,
    /// A bond, or what is left of one, goes back.
    Unbond,
    Pay,
    /// A bond is lost.
    Forfeit,
    Stake,
    Delegate,
    Unstake,
    Withdraw,
    Slash,
    Burn,
}

impl Move {
    /// Whether it may create credits.
    pub fn may_create(self) -> bool {
        self == Self::Mint
    }

    /// Whether it may destroy credits.
    pub fn may_destroy(self) -> bool {
        matches!(self, Self::Burn | Self::Slash)
    }
}

/// One entry: so much from here to there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    /// How much.
    pub amount: Credits,
    /// The account debited.
    pub from: Account,
    /// The account credited.
    pub to: Account,
}

/// What was told of the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "each variant says what it tells")]
pub enum LedgerEvent {
    /// A pot exists from here on, before any leg touches it, and ends with its need at the latest.
    PotOpened { need: NeedId, pot: Arc<str> },
    /// One operation, whole; `key` names it and is used once.
    Posted { key: Arc<str>, legs: Arc<[Leg]>, op: Move },
    /// A pot is over, after the leg that emptied it.
    PotEnded { pot: Arc<str> },
    /// Part of an agent's stake is encumbered, until its need ends at the latest.
    LienBooked { agent: AgentId, amount: Credits, lien: Arc<str>, need: NeedId },
    /// It is free again.
    LienEnded { lien: Arc<str> },
    /// A node's own books, to be held against the fold of what it told up to here. Accounts that hold nothing may be left
    /// out. Told at least at the end of a run.
    Books { balances: Arc<[(Account, Credits)]>, burned: Credits, minted: Credits },
}
