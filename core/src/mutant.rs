//! Planted bugs: what the checkers must catch, or a green sweep means nothing (ARCHITECTURE: The simulator).
//!
//! They exist only under `--cfg swarm_mutants`. In every other build [`planted`] is a constant `false`, the compiler drops
//! the line, and nothing here can be switched on. Each is one line of the protocol, marked with its name, that does the
//! wrong thing while it is planted; one at a time is, for the whole process.

macro_rules! mutants {
    ($($(#[doc = $breaks:literal])+ $variant:ident: $name:literal, $falls:literal, $scenario:literal;)+) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Mutant { $($(#[doc = $breaks])+ $variant,)+ }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in reports, kebab-case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it breaks, in a sentence.
            pub const fn breaks(self) -> &'static str {
                match self { $(Self::$variant => concat!($($breaks),+).trim_ascii(),)+ }
            }

            /// The property that must fall.
            pub const fn falls(self) -> &'static str {
                match self { $(Self::$variant => $falls,)+ }
            }

            /// The shipped scenario in which it must be caught; `core` for one that the core's own tests must catch, because no
            /// scenario makes what it takes.
            pub const fn scenario(self) -> &'static str {
                match self { $(Self::$variant => $scenario,)+ }
            }

            /// Those that a scenario brings about.
            pub fn hunted() -> impl Iterator<Item = Self> {
                Self::ALL.iter().copied().filter(|bug| bug.scenario() != "core")
            }
        }
    };
}

mutants! {
    /// The stopwatch of the vote runs on after the decision, and its end opens another epoch.
    VoteGoesOn: "vote-goes-on", "P1", "quiet";
    /// A need that is decided takes votes, and decides once more.
    DecidesAgain: "decides-again", "P1", "lossy";
    /// FINALIZE is said with the pool as the sayer sees it now, not with the one that was recorded.
    FinalizeFromTheDay: "finalize-from-the-day", "P2", "market";
    /// FINALIZE holds the time at which it is said.
    FinalizeTimed: "finalize-timed", "P2", "quiet";
    /// A result that was ruled wrong stands, as one does that was disputed without ground.
    WrongStands: "wrong-stands", "P3", "liars";
    /// Whoever passed what is void loses nothing.
    SlashForgotten: "slash-forgotten", "P3", "liars";
    /// Whatever a committee rules, the challenger is right.
    AccuserBelieved: "accuser-believed", "P3", "false-alarms";
    /// Who finds a result wrong after others have passed it says nothing more.
    LateFailShrugged: "late-fail-shrugged", "P3", "liars";
    /// Who was not heard while another's dispute was open does not say again what is wrong.
    ObjectionForgotten: "objection-forgotten", "P3", "sham-disputes";
    /// Of a worker that says its work took less than it took nobody makes anything.
    BreachShrugged: "breach-shrugged", "P3", "false-claims";
    /// Who rules on a challenge never finds that a stretch of the work leads elsewhere.
    StretchShrugged: "stretch-shrugged", "P3", "wrong-turns";
    /// Who rules on a challenge never finds a proof of work false.
    ProofShrugged: "proof-shrugged", "P3", "lazy-attester";
    /// Who rules on a challenge never finds that an output is not what its schema says.
    SchemaUnchecked: "schema-unchecked", "P3", "wrong-forms";
    /// Who rules on a challenge never finds that a claim cites nothing that it was given.
    CitationUnchecked: "citation-unchecked", "P3", "wrong-citations";
    /// Whoever passed what is void loses stake, also where that is a matter of opinion.
    OpinionSlashes: "opinion-slashes", "P3", "contradictions";
    /// An arbiter rules on what it has a part in.
    ArbiterIsParty: "arbiter-is-party", "model", "contradictions";
    /// Who rules on a challenge is drawn by the challenge alone: its author can say another until friends are drawn.
    PanelForeseen: "panel-foreseen", "model", "liars";
    /// A coordinator may reveal what it likes, and so pick who is drawn.
    RevealUnchecked: "reveal-unchecked", "model", "lying-coordinators";
    /// Whoever passed a decoy loses nothing.
    DecoyPassesFree: "decoy-passes-free", "decoys", "forced-errors";
    /// Those whom an opener is related to share in the jackpot of its decoy.
    JackpotToRelations: "jackpot-to-relations", "decoys", "forced-errors";
    /// A need that turned out to be a decoy goes on as if it were none.
    DecoyGoesOn: "decoy-goes-on", "decoys", "forced-errors";
    /// A lease that expired is told as ended, and its holder keeps the task.
    ExpiredStands: "expired-stands", "P4", "zombie";
    /// A verdict on an earlier attempt counts for the present one.
    OldVerdictCounts: "old-verdict-counts", "P4", "slow-verifiers";
    /// A vote cast in an epoch that has passed counts in the present one.
    OldEpochVoteCounts: "old-epoch-vote-counts", "P4", "late-votes";
    /// Which nonces were used is forgotten by a restart, and what was heard before it is news once more.
    NoncesForgotten: "nonces-forgotten", "P4", "core";
    /// A task that is granted again is granted under the fence it had.
    FenceReused: "fence-reused", "P4", "market";
    /// A stopwatch's report counts for whatever is waited for, whichever segment it names.
    SegmentUnchecked: "segment-unchecked", "P4", "quiet";
    /// A coordinator reports the end of a wait when its own clock has shown half of it.
    ReportsEarly: "reports-early", "P4", "quiet";
    /// Whoever would dispute a result has half of the time that the need says.
    WindowHalved: "window-halved", "P4", "quiet";
    /// Whoever held a task once may still act on it: neither fence nor holder is compared.
    FenceUnchecked: "fence-unchecked", "P5", "zombie";
    /// One coordinator's stopwatch ends a wait, not a majority's.
    OneClockEnough: "one-clock-enough", "P5", "skewed-clocks";
    /// A bare majority of stopwatches ends a wait, whoever may be among it.
    LiarsClocksCount: "liars-clocks-count", "P4", "lying-coordinators";
    /// A task that lost its holder takes no bids again.
    NeverReopened: "never-reopened", "P5", "market";
    /// Who was drawn stays in the draw, and may sit twice.
    DrawnTwice: "drawn-twice", "P6", "quiet";
    /// One vote is a quorum.
    QuorumOfOne: "quorum-of-one", "P6", "quiet";
    /// One verifier of a quorum is counted twice.
    CountsOneTwice: "counts-one-twice", "P6", "quiet";
    /// Those whose work is judged, and their relations, sit in judgement.
    KinSeated: "kin-seated", "P6", "grown-pool";
    /// One organisation may fill a committee.
    CapsIgnored: "caps-ignored", "P6", "grown-pool";
    /// Nobody asks the policy before it speaks.
    PreflightSkipped: "preflight-skipped", "liveness", "trials";
    /// Whatever comes is let in, whatever the policy says of it.
    IngressSkipped: "ingress-skipped", "policy", "trials";
    /// What a worker says its work took is compared with nothing.
    CommitGateSkipped: "commit-gate-skipped", "P3", "false-claims";
    /// By which engine an envelope was judged is not looked at.
    EngineUnchecked: "engine-unchecked", "policy", "other-engine";
    /// Needs are opened under a policy that another has taken over from.
    OldPolicyCounts: "old-policy-counts", "policy", "new-policy";
    /// What is left of a pot when it ends is not given back.
    RestForgotten: "rest-forgotten", "P9", "quiet";
    /// A worker's bond is never ended.
    BondKept: "bond-kept", "P9", "quiet";
    /// What a need asks is carried out as often as it is relayed.
    AskedTwice: "asked-twice", "P9", "quiet";
    /// The end of a pot is booked twice.
    PotEndsTwice: "pot-ends-twice", "P9", "quiet";
    /// Liens are not ended with the attempt they were booked for.
    LienKept: "lien-kept", "P9", "quiet";
    /// Unstaked credits leave at once, whatever they answer for.
    StakeFlees: "stake-flees", "P9", "market";
    /// A plan fact that comes before the entry that entitles its author is dropped instead of held.
    ViewByArrival: "view-by-arrival", "P10", "lossy";
    /// Of links that close a cycle the one that arrives last is ignored.
    CycleByArrival: "cycle-by-arrival", "P10", "core";
    /// One coordinator's word on an entry is enough to believe it.
    BeliefOfOne: "belief-of-one", "P10", "lying-coordinators";
    /// Whoever believes an entry without its own word keeps that back, although liars may have told it what they told nobody else.
    SilentAmongLiars: "silent-among-liars", "liveness", "lying-coordinators";
    /// An entry of the register that is handed over again after a restart is applied again.
    StaleEntryTaken: "stale-entry-taken", "P10", "core";
    /// A member of a register group says whom it votes for before its disk holds it.
    VoteNotPersisted: "vote-not-persisted", "P1", "core";
    /// Who takes the seat of a member that lost its disk votes under that member's number.
    WipedKeepsId: "wiped-keeps-id", "P1", "wipe-rejoin";
    /// The register is restored under the epochs it had.
    RestoreReusesEpoch: "restore-reuses-epoch", "model", "register-restore";
    /// What members of a lost generation say behind the base of the next one is believed.
    LostGenerationHeard: "lost-generation-heard", "P1", "core";
    /// A coordinator and the one whose seat it took over are two voices.
    SeatCountsTwice: "seat-counts-twice", "P1", "core";
    /// Of two bids the worse is kept.
    WorseBidWins: "worse-bid-wins", "model", "quiet";
    /// Whoever yields gets the whole bond back.
    YieldsFree: "yields-free", "model", "everything";
    /// A need is refused for want of voters who are there.
    VotersDenied: "voters-denied", "model", "quiet";
    /// Nobody weighs too much in a draw.
    WhaleUncapped: "whale-uncapped", "model", "grown-pool";
    /// Whoever judges nothing weighs as much as who does.
    IdleForgotten: "idle-forgotten", "model", "quiet";
    /// What a requester was asked to have done is never said.
    NeedForgotten: "need-forgotten", "liveness", "quiet";
    /// That a challenge window is over is forgotten, and what it guarded is never settled.
    WindowForgotten: "window-forgotten", "liveness", "quiet";
    /// What one coordinator announces is enough, though it may lie, or say it to some alone.
    OneAnnounces: "one-announces", "liveness", "core";
    /// No signature is checked.
    SignatureUnchecked: "signature-unchecked", "P4", "forgers";
    /// The key of a proof of work does not name the verifier: all give the same.
    ProofOfAnyone: "proof-of-anyone", "P6", "quiet";
    /// What came too early to take effect is forgotten, and not offered again when its time has come.
    EarlyForgotten: "early-forgotten", "liveness", "lossy";
    /// Voters approve of the best proposal whatever tasks it has.
    PlanUnread: "plan-unread", "liveness", "core";
    /// What an account cannot bear is ordered again and again.
    RefusedInsisted: "refused-insisted", "liveness", "pass-and-run";
    /// Whoever is asked to rule on a dispute keeps the ruling.
    RulingWithheld: "ruling-withheld", "liveness", "liars";
}

/// Whether `mutant` is planted: never, in this build.
#[cfg(not(swarm_mutants))]
#[must_use]
#[inline(always)]
pub const fn planted(_mutant: Mutant) -> bool {
    false
}

#[cfg(swarm_mutants)]
pub use planting::{plant, planted};

#[cfg(swarm_mutants)]
mod planting {
    use super::Mutant;
    use core::sync::atomic::{AtomicU8, Ordering};

    const NONE: u8 = u8::MAX;
    static PLANTED: AtomicU8 = AtomicU8::new(NONE);

    /// Plants one bug in every node of this process, or none. Only while no node runs.
    pub fn plant(mutant: Option<Mutant>) {
        PLANTED.store(mutant.map_or(NONE, |m| m as u8), Ordering::SeqCst);
    }

    /// Whether `mutant` is planted.
    #[must_use]
    pub fn planted(mutant: Mutant) -> bool {
        PLANTED.load(Ordering::Relaxed) == mutant as u8
    }
}
