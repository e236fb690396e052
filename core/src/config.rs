//! Every knob: unit, bounds, and why the default is what it is.
//!
//! [`Params`] are part of the deployment's genesis: every node must hold the same, or replicas would differ. [`Local`] is a
//! node's own affair and can be anything within its bounds without anyone else noticing more than its pace.

use alloc::format;
use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::id::{AgentId, Credits};
use crate::mutant::{Mutant, planted};
use crate::time::Span;
use crate::wire::Windows;

/// A knob outside its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfBounds(pub String);

macro_rules! knobs {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty = $default:expr, $min:expr, $max:expr;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name { $($(#[$fdoc])* pub $field: $ty,)* }

        impl Default for $name {
            fn default() -> Self { Self { $($field: $default,)* } }
        }

        impl $name {
            /// Holds every knob against its bounds.
            ///
            /// # Errors
            /// The first knob out of bounds, with the bounds.
            pub fn check(&self) -> Result<(), OutOfBounds> {
                $(if !($min..=$max).contains(&self.$field) {
                    return Err(OutOfBounds(format!(
                        "{} = {:?} is not within {:?} and {:?}", stringify!($field), self.$field, $min, $max)));
                })*
                Ok(())
            }
        }
    };
}

knobs! {
    /// What every replica of a deployment must agree on. Fields in alphabetical order: it is hashed as canonical JSON.
    Params {
        /// Share of the active pool that may be asked for, in basis points (PROTOCOL 6: alpha 0.30).
        alpha_bp: u32 = 3_000, 1, 10_000;
        /// Most a committee may have from one network, in basis points of its seats.
        asn_cap_bp: u32 = 4_000, 1, 10_000;
        /// Attempts at a task before it fails.
        attempts_max: u32 = 5, 1, 100;
        /// Bids in the last part of a window, this long, extend it by as much; milliseconds.
        bid_extension_ms: u32 = 5_000, 0, 600_000;
        /// Extensions per window.
        bid_extensions_max: u32 = 3, 0, 10;
        /// Improvement a later bid must bring over the kept one, in basis points of its cost.
        bid_improvement_bp: u32 = 200, 0, 10_000;
        /// Bids one worker may place per window.
        bid_rounds_max: u32 = 3, 1, 10;
        /// Bid windows without a grant before a task fails.
        bid_windows_max: u32 = 3, 1, 20;
        /// A worker's bond for a lease, in basis points of the most that the task may cost.
        bond_bp: u32 = 1_000, 0, 10_000;
        /// Below this many active members the pool is in bootstrap.
        bootstrap_active_min: u32 = 10, 1, 10_000;
        /// Finalized needs after which bootstrap may end.
        bootstrap_needs: u32 = 100, 0, 1_000_000;
        /// As `challenge_bond`, for having the policy asked again.
        breach_bond: Credits = Credits(100), Credits(1), Credits(1_000_000_000);
        /// Register buckets.
        buckets: u32 = 256, 1, 4_096;
        /// A challenger's bond, for looking at an output that takes up to `gas_step` steps to make; for each such step more, as much
        /// again.
        challenge_bond: Credits = Credits(10), Credits(1), Credits(1_000_000_000);
        /// The shortest challenge window a need may ask for: who would object must hear of the result first; milliseconds.
        challenge_min_ms: u32 = 60_000, WINDOW_BOUNDS_MS.0, WINDOW_BOUNDS_MS.1;
        /// As `challenge_bond`, for having what a claim cites looked at.
        citation_bond: Credits = Credits(50), Credits(1), Credits(1_000_000_000);
        /// As `challenge_bond`, for having it judged whether a result contradicts itself.
        contradiction_bond: Credits = Credits(75), Credits(1), Credits(1_000_000_000);
        /// The shortest wait for a decision a need may ask for: its voters have a round trip to make; milliseconds.
        decision_min_ms: u32 = 10_000, WINDOW_BOUNDS_MS.0, WINDOW_BOUNDS_MS.1;
        /// Delegated stake that counts, as a multiple of own stake.
        delegated_times_max: u32 = 4, 0, 100;
        /// Delegators one member may have.
        delegators_max: u32 = 10, 0, 1_000;
        /// Challenges of one agent that may be open at once; of one that was seldom right, a single one.
        disputes_max: u32 = 10, 1, 1_000;
        /// Draws that may fail before a task fails.
        draws_max: u32 = 3, 1, 20;
        /// Most weight one entity may have, in basis points of the total.
        entity_cap_bp: u32 = 1_000, 1, 10_000;
        /// Epochs without a Decide before a need fails.
        epochs_max: u32 = 5, 1, 100;
        /// Steps of a job for which a challenge of its result costs one bond more, nine more at most.
        gas_step: u32 = 10_000_000, 1, u32::MAX;
        /// The shortest lease a need may ask for: nobody should bid for what cannot be done in time; milliseconds.
        lease_min_ms: u32 = 60_000, WINDOW_BOUNDS_MS.0, WINDOW_BOUNDS_MS.1;
        /// A lease is prolonged to at most this share of the bid's eta, in basis points.
        lease_stretch_bp: u32 = 15_000, 10_000, 100_000;
        /// Coordinators that may lie: it takes floor((n + f) / 2) + 1 signatures to believe an entry, and as many stopwatches to
        /// end a wait.
        liars_max: u32 = 0, 0, 100;
        /// Stake that one seat encumbers, at least: [`Params::lien_for`].
        lien: Credits = Credits(100), Credits(1), Credits(1_000_000_000);
        /// Most a committee may have from one organisation, in basis points of its seats.
        org_cap_bp: u32 = 3_000, 1, 10_000;
        /// Proposals a need keeps.
        proposals_max: u32 = 16, 1, 256;
        /// Most a committee may have from one region, in basis points of its seats.
        region_cap_bp: u32 = 5_000, 1, 10_000;
        /// Reveals of a draw that are waited for; milliseconds.
        reveal_ms: u32 = 5_000, 1, 3_600_000;
        /// Values in each hash chain of a coordinator.
        reveals: u32 = 4_096, 4, crate::reveal::LENGTH;
        /// What a challenger that is right gets of what the offenders lose, in basis points; as much is for those who judged well.
        reward_bp: u32 = 2_500, 0, 2_500;
        /// How long a verdict on a challenge is waited for, by each of the committees drawn for it; milliseconds.
        ruling_ms: u32 = 3_600_000, WINDOW_BOUNDS_MS.0, WINDOW_BOUNDS_MS.1;
        /// Committees that may be drawn for one challenge.
        rulings_max: u32 = 3, 1, 20;
        /// As `challenge_bond`, for having an output held against its schema.
        schema_bond: Credits = Credits(25), Credits(1), Credits(1_000_000_000);
        /// Spare seats of a committee.
        seats_spare: u32 = 2, 0, 50;
        /// What a verifier loses that passed what is void, in basis points of the stake behind its seat.
        slash_bp: u32 = 5_000, 0, 10_000;
        /// Least time between two pool snapshots; milliseconds.
        snapshot_ms: u32 = 10_000, 0, 3_600_000;
        /// Own stake a member must have.
        stake_min: Credits = Credits(1_000), Credits(1), Credits(1_000_000_000_000);
        /// Most credits there may ever be.
        supply_max: Credits = Credits(1_000_000_000_000), Credits(1), Credits(u64::MAX / 4);
        /// How long unstaked credits stay slashable; seconds.
        unbonding_s: u32 = 7 * 24 * 3_600, 0, 365 * 24 * 3_600;
        /// The shortest wait for verdicts a need may ask for: in less than it takes to judge no committee can pass anything, and
        /// the requester would have the work for nothing; milliseconds.
        verify_min_ms: u32 = 30_000, WINDOW_BOUNDS_MS.0, WINDOW_BOUNDS_MS.1;
        /// Plan voters drawn beyond K_plan.
        voters_spare: u32 = 5, 0, 50;
        /// A yielding holder's fee, in basis points of its bond.
        yield_fee_bp: u32 = 1_000, 0, 10_000;
    }
}

knobs! {
    /// A node's own pace. Never part of anything that is agreed upon. In alphabetical order: it opens the audit log.
    Local {
        /// An answer that does not come in this time is taken as unknown; milliseconds.
        answer_ms: u32 = 5_000, 1, 3_600_000;
        /// Longest back-off of a retry; milliseconds.
        backoff_max_ms: u32 = 60_000, 1, 3_600_000;
        /// First back-off of a retry; milliseconds.
        backoff_ms: u32 = 1_000, 1, 60_000;
        /// Longest random pause before a bid, so that idle workers do not call at once; milliseconds.
        bid_jitter_ms: u32 = 2_000, 0, 60_000;
        /// How long a coordinator collects applied entries before it signs them as one batch; milliseconds.
        entry_batch_ms: u32 = 50, 0, 60_000;
        /// Time between heartbeats; milliseconds.
        heartbeat_ms: u32 = 30_000, 10, 3_600_000;
        /// Envelopes of one sender that may wait here for what they rest on.
        parked_max: u32 = 64, 0, 4_096;
        /// Ticks without a word from a leader before a member of a register group stands for election; each waits up to as
        /// many more, so that they rarely stand at once.
        raft_election_ticks: u32 = 10, 4, 1_000;
        /// Applied entries after which a register group folds its log into its history. A follower that lacks folded entries
        /// fetches history, which costs no more; the log is what a restart replays.
        raft_fold_entries: u32 = 1_024, 1, 1_000_000;
        /// Ticks between two heartbeats of a register group's leader: a third of an election, so that one may be lost.
        raft_heartbeat_ticks: u32 = 3, 1, 3;
        /// Ticks in which nothing happens before a register group goes to sleep.
        raft_sleep_ticks: u32 = 2, 1, 1_000;
        /// Length of a register group's tick; milliseconds. A round trip and a sync must fit in well. Most of what an unreachable
        /// member costs are the heartbeats of groups that cannot sleep before it is back, and an election may take seconds.
        raft_tick_ms: u32 = 250, 1, 60_000;
        /// How long each further coordinator waits for an earlier one to do what any of them may do; milliseconds.
        stagger_ms: u32 = 500, 1, 60_000;
        /// Share of the final results it hears of, without a part in them, that a verifier does again to see whether they are right;
        /// basis points.
        watch_bp: u32 = 0, 0, 10_000;
    }
}

/// Default lengths of a need's waits (PROTOCOL 5, 7, 8).
pub const WINDOWS: Windows = Windows {
    bids_ms: 30_000,
    challenge_ms: 24 * 3_600_000,
    decision_ms: 120_000,
    lease_ms: 300_000,
    proposals_ms: 30_000,
    verify_ms: 600_000,
};

/// Bounds of each wait, milliseconds: from and to.
pub const WINDOW_BOUNDS_MS: (u32, u32) = (10, 30 * 24 * 3_600_000);

impl Params {
    /// Signatures it takes to believe an entry, of `n` coordinators (PROTOCOL 5: ENTRY feed).
    pub fn believe_at(&self, n: usize) -> usize {
        (n + self.liars_max as usize) / 2 + 1
    }

    /// Stake that a seat encumbers whose verdict earns `fee`: the part of it that a false proof costs is no less than that, or a
    /// verdict that was copied would pay (T27).
    pub fn lien_for(&self, fee: Credits) -> Credits {
        let covers = |part: u64| Credits(fee.0.saturating_mul(10_000).div_ceil(part));
        if self.slash_bp == 0 { self.lien } else { self.lien.max(covers(self.slash_bp.into())) }
    }

    /// Stopwatches it takes to end a wait, of `n` coordinators: as many as it takes to believe an entry, so that those among
    /// them that do not lie are a majority of all that do not.
    pub fn end_at(&self, n: usize) -> usize {
        match () {
            () if planted(Mutant::OneClockEnough) => 1,
            () if planted(Mutant::LiarsClocksCount) => majority(n),
            () => self.believe_at(n),
        }
    }
}

/// A majority of `n`.
pub const fn majority(n: usize) -> usize {
    n / 2 + 1
}

/// `ms` as a span.
pub fn ms(ms: u32) -> Span {
    Span::from_ms(u64::from(ms))
}

/// Where the commons fund's credits lie: an address nobody has the key of.
pub const COMMONS: AgentId = AgentId([0; 32]);
