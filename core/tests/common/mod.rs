//! Contents of every verb out of a string of bytes, so that a shrunk failure is a short string.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use swarm_core::base::Base;
use swarm_core::genesis::Member;
use swarm_core::id::{AgentId, Cid, Credits, Digest, Epoch, Fence, Label, Lamport, NeedId, Nonce, Seq, Thread, label};
use swarm_core::lamport::LAMPORT_MAX;
use swarm_core::members::{Act, Mandate, Succession};
use swarm_core::plan::{Fact, TaskState};
use swarm_core::register::Chain;
use swarm_core::time::WallTime;
use swarm_core::wire::*;

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn need_thread() -> Thread {
    Thread::Need(NeedId(Cid::of(b"a need")))
}

/// Choices read off a string; when it is used up, every choice is the first.
pub struct Bytes(VecDeque<u8>);

impl Bytes {
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().copied().collect())
    }

    fn u8(&mut self) -> u8 {
        self.0.pop_front().unwrap_or(0)
    }

    fn u32(&mut self) -> u32 {
        // Mostly small, at times at the end of the range.
        match self.u8() {
            255 => u32::MAX,
            small => u32::from(small) * 256 + u32::from(self.u8()),
        }
    }

    fn u64(&mut self) -> u64 {
        match self.u8() {
            255 => u64::MAX,
            254 => 1 << 53,
            small => u64::from(small) << (self.u8() % 56),
        }
    }

    fn some<T>(&mut self, make: impl Fn(&mut Self) -> T) -> Option<T> {
        (self.u8() % 2 == 1).then(|| make(self))
    }

    fn list<T>(&mut self, max: u8, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.u8() % (max + 1)).map(|_| make(self)).collect()
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::from(self.u8()) % list.len()]
    }

    fn digest(&mut self) -> Digest {
        Digest::sha256(&[self.u8()])
    }

    fn cid(&mut self) -> Cid {
        Cid(self.digest())
    }

    fn agent(&mut self) -> AgentId {
        AgentId(self.digest().0)
    }

    fn label(&mut self) -> Label {
        let first = self.u8() % 26 + b'a';
        let rest = self.list(9, |bytes| bytes.pick(b"abcxyz019._/-"));
        label(&String::from_utf8([vec![first], rest].concat()).unwrap())
    }

    /// Printable ASCII, with what JSON must escape and what it need not.
    fn text(&mut self) -> String {
        self.list(40, |bytes| char::from(b' ' + bytes.u8() % 95)).into_iter().chain(['"', '\\', '/', '<']).collect()
    }

    fn map<T>(&mut self, make: impl Fn(&mut Self) -> T) -> BTreeMap<Label, T> {
        self.list(4, |bytes| (bytes.label(), make(bytes))).into_iter().collect()
    }

    fn amount(&mut self) -> Credits {
        Credits(self.u64().max(1))
    }

    fn payouts(&mut self) -> Vec<Payout> {
        let mut payouts = self.list(4, |bytes| Payout {
            amount: Credits(bytes.u64()),
            due: bytes.pick(&[Due::Price, Due::PlanFee, Due::Fee]),
            to: bytes.agent(),
        });
        payouts.sort();
        payouts
    }

    fn snapshot(&mut self) -> SnapshotRef {
        SnapshotRef { digest: self.digest(), number: self.u32().max(1) }
    }

    fn fact(&mut self) -> Fact {
        let task = self.label();
        match self.u8() % 9 {
            0 => Fact::AddTask {
                job: self.label(),
                produces: self.list(3, Self::label),
                requires: self.list(3, Self::label),
                task,
            },
            1 => Fact::Requires { label: self.label(), task },
            2 => Fact::Produces { label: self.label(), task },
            3 => Fact::Link { child: task, parent: self.label() },
            4 => Fact::Annotate { key: self.label(), task, value: self.text() },
            5 => Fact::Proposal { envelope: self.cid() },
            6 => Fact::Claim { envelope: self.cid(), task },
            7 => Fact::Attestation { envelope: self.cid(), task },
            _ => Fact::State {
                epoch: Epoch(self.u64()),
                fence: Fence(self.u64()),
                state: self.pick(&[TaskState::Idle, TaskState::Leased, TaskState::Cancelled]),
                task,
            },
        }
    }

    fn need(&mut self) -> Need {
        Need {
            budget: self.amount(),
            class: self.pick(&[Class::Simple, Class::Complex, Class::Critical]),
            deadline_ms: 1 + self.u32() % 1_000_000,
            fee: Credits(u64::from(self.u8() % 11)),
            fees: Credits(self.u64()),
            forms: [].into(),
            k_plan: 1 + u32::from(self.u8() % 9),
            k_result: 1 + u32::from(self.u8() % 9),
            produces: self.list(3, Self::label),
            recipe: self.label(),
            requires: self.map(Self::cid),
            supersedes: self.some(|bytes| NeedId(bytes.cid())),
            windows: Windows {
                bids_ms: 10 + self.u32() % 1_000,
                challenge_ms: 10 + self.u32() % 1_000,
                decision_ms: 10 + self.u32() % 1_000,
                lease_ms: 10 + self.u32() % 1_000,
                proposals_ms: 10 + self.u32() % 1_000,
                verify_ms: 10 + self.u32() % 1_000,
            },
        }
    }

    fn manifest(&mut self, agent: AgentId) -> Manifest {
        Manifest {
            agent,
            asn: self.text(),
            capabilities: self.list(3, |bytes| Capability {
                input: bytes.text(),
                name: bytes.label(),
                output: bytes.text(),
                tags: bytes.list(3, Self::label),
                version: bytes.u32(),
            }),
            constraints: self.list(3, Self::label),
            org: self.text(),
            price_floor: Credits(self.u64()),
            region: self.text(),
            sealing: self.digest(),
            roles: self.list(3, |bytes| {
                bytes.pick(&[
                    Role::Requester,
                    Role::Planner,
                    Role::Worker,
                    Role::Verifier,
                    Role::Coordinator,
                    Role::Mint,
                ])
            }),
            stake_account: self.agent(),
            tier: self.u32(),
            zones: self.list(3, Self::label),
        }
    }

    fn decide(&mut self, thread: Thread, epoch: Option<Epoch>) -> Decide {
        let mut inner = |verb, seed| {
            let key = key(seed);
            let mut inner = content(verb, self, &key);
            inner.thread = thread;
            inner.trace = trace_of(thread, None);
            inner.epoch = inner.epoch.and(epoch);
            Arc::new(Draft::new(inner).sign(&key))
        };
        let proposal = inner(Verb::Propose, 100);
        let mut approvals = vec![inner(Verb::AttestPlan, 101), inner(Verb::AttestPlan, 102)];
        approvals.sort_by_key(|vote| vote.id());
        Decide { approvals, k_plan: 1 + u32::from(self.u8() % 9), proposal, snapshot: self.snapshot() }
    }

    fn new_member(&mut self) -> NewMember {
        let key = key(103);
        let mut inner = content(Verb::Manifest, self, &key);
        inner.capability.manifest = Cid::default();
        let manifest = Arc::new(Draft::new(inner).sign(&key));
        let new = Member { agent: manifest.sender, anchor: self.digest() };
        let sigs = self.list(3, |bytes| (bytes.agent(), manifest.sig())).into_iter().collect();
        let one = Succession { manifest, new, old: self.agent() };
        let (act, piece) = match self.some(Self::base) {
            Some(base) => {
                let pieces = base.pieces();
                let piece = self.some(|bytes| pieces.get(usize::from(bytes.u8()) % pieces.len().max(1)).cloned());
                (Act::Refound { base: base.root(), generation: base.generation, seats: vec![one] }, piece.flatten())
            }
            None => (Act::Replace(one), None),
        };
        NewMember { mandate: Arc::new(Mandate { act, after: Digest::default(), sigs }), piece }
    }

    fn base(&mut self) -> Base {
        let head = |bytes: &mut Self| {
            let chain = Chain { head: bytes.digest(), seq: Seq(bytes.u64()) };
            (Thread::Need(NeedId(bytes.cid())), chain)
        };
        Base { generation: self.u32(), heads: self.list(200, head).into_iter().collect() }
    }

    /// A body of `verb`. The match is over all verbs: a new one does not compile until it is here (T09).
    fn body(&mut self, verb: Verb, head: &Head) -> Body {
        match verb {
            Verb::Need => Body::Need(self.need()),
            Verb::Propose => Body::Propose(Propose {
                ballot: self.u32(),
                cost_caps: self.map(Self::amount),
                eta_ms: 1 + self.u32() % 1_000_000,
                patch: self.list(4, Self::fact),
            }),
            Verb::AttestPlan => Body::AttestPlan(AttestPlan { policy: self.digest(), proposal: self.some(Self::cid) }),
            Verb::Decide => Body::Decide(self.decide(head.thread, head.epoch)),
            Verb::Claim => {
                Body::Claim(Claim { cost: self.amount(), eta_ms: 1 + self.u32() % 1_000, task: self.label() })
            }
            Verb::Heartbeat => Body::Heartbeat(Heartbeat { progress_bp: self.u32() % 10_001, task: self.label() }),
            Verb::Yield => Body::Yield(Yield { reason: self.text(), task: self.label() }),
            Verb::Refuse => Body::Refuse(Refuse { reason: self.text(), task: self.some(Self::label) }),
            Verb::Cancel => Body::Cancel(Cancel { reason: self.text(), task: self.some(Self::label) }),
            Verb::Release => Body::Release(Release {
                reason: self.pick(&[ReleaseReason::Expired, ReleaseReason::Unbid]),
                task: self.label(),
            }),
            Verb::UpdatePlan => Body::UpdatePlan(UpdatePlan { facts: self.list(4, Self::fact) }),
            Verb::Commit => Body::Commit(Commit {
                outputs: self.map(Self::cid),
                states: self.list(4, Self::digest),
                task: self.label(),
                telemetry: Telemetry { bytes: Count(self.u64()), steps: Count(self.u64()) },
            }),
            Verb::Attest => Body::Attest(Attest {
                commit: self.cid(),
                policy: self.digest(),
                proof: self.digest(),
                reasons: self.list(3, Self::label),
                task: self.label(),
                verdict: self.pick(&[Verdict::Pass, Verdict::Fail]),
            }),
            Verb::Finalize => {
                let Thread::Need(need) = head.thread else { unreachable!("a FINALIZE is about a need") };
                let mut attestations = self.list(4, Self::cid);
                let mut engines = self.list(2, Self::digest);
                engines.sort();
                engines.dedup();
                attestations.sort();
                attestations.dedup();
                Body::Finalize(FinalizeRecord {
                    attestations,
                    commit: self.cid(),
                    engines,
                    epoch: head.epoch.unwrap_or(Epoch(self.u64())),
                    fence: head.fence.unwrap_or(Fence(self.u64())),
                    need,
                    outputs: self.map(Self::cid),
                    payouts: self.payouts(),
                    plan: self.digest(),
                    snapshot: self.snapshot(),
                    task: self.label(),
                })
            }
            Verb::Challenge => Body::Challenge(Challenge {
                commit: self.cid(),
                evidence: Evidence::OutputMismatch { label: self.label() },
                task: self.label(),
            }),
            Verb::Verdict => Body::Verdict(Ruling {
                challenge: self.cid(),
                gas: Count(self.u64()),
                seen: self.digest(),
                task: self.label(),
                upheld: self.pick(&[true, false]),
            }),
            Verb::Invalidate => {
                let mut offenders = self.list(3, Self::agent);
                offenders.sort();
                offenders.dedup();
                Body::Invalidate(Invalidate {
                    challenge: self.cid(),
                    commit: self.cid(),
                    k_result: 1 + self.u32() % 50,
                    offenders,
                    task: self.label(),
                })
            }
            Verb::Mask => Body::Mask(Mask { mask: self.digest() }),
            Verb::Unmask => {
                let mut denied = self.list(3, Self::agent);
                denied.sort();
                denied.dedup();
                let (mask, salt) = (self.digest(), self.digest());
                Body::Unmask(Unmask { commit: self.cid(), denied, mask, salt, task: self.label() })
            }
            Verb::Settle => Body::Settle(Settle { payouts: self.payouts(), task: self.label() }),
            Verb::Entry => {
                let links = [vec![self.digest()], self.list(4, Self::digest)].concat();
                let first = Seq(1 + self.u64() / 2);
                let mut batch = EntryBatch { first, head: Digest::default(), links, prev: self.digest() };
                batch.head = batch.chain().expect("it begins after 0").head;
                Body::Entry(batch)
            }
            Verb::Manifest => Body::Manifest(self.manifest(head.sender)),
            Verb::Stake => Body::Stake(Amount { amount: self.amount() }),
            Verb::Unstake => Body::Unstake(Amount { amount: self.amount() }),
            Verb::Withdraw => Body::Withdraw(Amount { amount: self.amount() }),
            Verb::Delegate => Body::Delegate(AmountTo { amount: self.amount(), to: self.agent() }),
            Verb::Transfer => Body::Transfer(AmountTo { amount: self.amount(), to: self.agent() }),
            Verb::Mint => Body::Mint(AmountTo { amount: self.amount(), to: self.agent() }),
            Verb::Snapshot => Body::Snapshot(self.snapshot()),
            Verb::Member => Body::Member(self.new_member()),
            Verb::Capsule => Body::Capsule(NewPolicy {
                capsule: self.cid(),
                engine: self.digest(),
                number: self.u32().max(1),
                sigs: BTreeMap::from([(self.agent(), Signature([7; 64]))]),
            }),
            Verb::Deny => Body::Deny(Deny { envelope: self.cid(), reason: self.label() }),
        }
    }
}

struct Head {
    thread: Thread,
    epoch: Option<Epoch>,
    fence: Option<Fence>,
    sender: AgentId,
}

/// A content of `verb` that passes [`Content::check`].
pub fn content(verb: Verb, bytes: &mut Bytes, key: &SigningKey) -> Content {
    let sender = AgentId(key.verifying_key().to_bytes());
    let nonce = Nonce(bytes.u64());
    let (kind, epoch, fence) = verb.fields();
    let thread = match kind {
        ThreadKind::System => Thread::System,
        ThreadKind::Need if verb == Verb::Need => Thread::Need(NeedId::of(&sender, nonce)),
        ThreadKind::Need => need_thread(),
        ThreadKind::Any => bytes.pick(&[Thread::System, need_thread()]),
    };
    let there = |field: Field, bytes: &mut Bytes| match field {
        Field::Needed => true,
        Field::Free => bytes.u8() % 2 == 1,
        Field::Barred => false,
    };
    let epoch = there(epoch, bytes).then(|| Epoch(bytes.u64()));
    let fence = there(fence, bytes).then(|| Fence(bytes.u64()));
    let body = bytes.body(verb, &Head { thread, epoch, fence, sender });
    let cause = bytes.some(Bytes::cid);
    // A vote cites nothing and is meant for nobody in particular.
    let votes = verb == Verb::AttestPlan;
    Content {
        body,
        capability: CapabilityRef { manifest: bytes.cid(), name: bytes.label() },
        epoch,
        expires: bytes
            .some(|bytes| match bytes.u8() % 2 {
                0 => Expires::Lamport(Lamport(bytes.u64())),
                _ => Expires::Register(Seq(bytes.u64())),
            })
            .filter(|_| !matches!(verb, Verb::AttestPlan | Verb::Attest | Verb::Verdict)),
        fence,
        lamport: Lamport(bytes.u64() % (LAMPORT_MAX.0 + 1)),
        nonce,
        policy: PolicyRef { capsule: bytes.cid(), digest: bytes.digest(), engine: bytes.digest() },
        refs: bytes.list(if votes { 0 } else { 3 }, Bytes::cid),
        sender,
        target: bytes.some(Bytes::agent).filter(|_| !votes),
        thread,
        time: WallTime(bytes.u64()),
        trace: trace_of(thread, cause.as_ref()),
    }
}
