//! What one replica sees of a thread's plan, from its patches and from the entries it believes (PROTOCOL 4).
//!
//! Every input is an element of a grow-only set (patches, entitled agents, decisions, states, invalidations), and every
//! output is a function of those sets. So facts may come before the entries that back them, in any order, and end in one
//! view (T22, T81); and nothing may ever be shown because of *when* it came.
//!
//! A PROPOSE is a branch of its own: its facts are shown once it is decided. The decided branch cannot be bent by later
//! patches; those of entitled agents stand beside it. Other proposals are tagged as orphaned by the epoch that decided,
//! and what was attested while an orphaned branch was the decided one can be salvaged.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::Serialize;

use super::links::{Class, Counted, Links, Rank};
use super::{Fact, TaskState, facts_of};
use crate::id::{AgentId, Cid, Digest, Epoch, Fence, Label, TaskName};
use crate::mutant::{Mutant, planted};
use crate::reject::Reject;
use crate::wire::{Body, Envelope, canonical};

/// Where a task stands, by the applied entry that put it there. The greatest is shown, so that a reopened task is Idle
/// again under its new fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Standing {
    /// Epoch of the entry.
    pub epoch: Epoch,
    /// Fence of the entry.
    pub fence: Fence,
    /// The state.
    pub state: TaskState,
}

/// Which proposal was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Decision {
    /// In this epoch.
    pub epoch: Epoch,
    /// Id of the PROPOSE envelope.
    pub proposal: Cid,
}

/// A proposal that another one was preferred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Orphan {
    /// The epoch that decided for the other.
    pub orphaned_by_epoch: Epoch,
    /// Id of the PROPOSE envelope.
    pub proposal: Cid,
}

/// A task as it is seen now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskView<'a> {
    /// Latest remark by key.
    pub annotations: BTreeMap<&'a Label, &'a str>,
    /// ATTEST envelopes that entitled agents referred to.
    pub attestations: &'a BTreeSet<Cid>,
    /// Tasks that wait for it.
    pub children: Vec<&'a TaskName>,
    /// CLAIM envelopes that entitled agents referred to.
    pub claims: &'a BTreeSet<Cid>,
    /// Whether it is part of the decided plan; otherwise an agent added it beside the plan.
    pub decided: bool,
    /// What kind of job it is.
    pub job: &'a Label,
    /// Tasks it waits for.
    pub parents: Vec<&'a TaskName>,
    /// Names of its outputs.
    pub produces: Vec<&'a Label>,
    /// Names of its inputs.
    pub requires: Vec<&'a Label>,
    /// Where it stands, once an entry says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
}

/// Everything seen now. Replicas with the same patches and believed entries have equal ones (P10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ThreadView<'a> {
    /// Proposals while nothing is decided.
    pub candidates: Vec<Cid>,
    /// The decision with the greatest epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Links that would close a cycle, as (parent, child).
    pub ignored_links: BTreeSet<(&'a TaskName, &'a TaskName)>,
    /// Proposals that were not decided on.
    pub orphans: Vec<Orphan>,
    /// The tasks.
    pub tasks: BTreeMap<&'a TaskName, TaskView<'a>>,
}

/// What a caller knows of an ATTEST that a plan fact refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// Epoch it was given in.
    pub epoch: Epoch,
    /// Outputs of the COMMIT that it passes.
    pub outputs: BTreeMap<Label, Cid>,
}

/// What was stated of one task by visible facts.
#[derive(Clone, Debug, Default)]
struct Stated {
    /// ADD_TASK facts; the first by rank is shown.
    added: BTreeMap<Rank, Added>,
    annotations: BTreeMap<Label, (Rank, String)>,
    attestations: BTreeSet<Cid>,
    claims: BTreeSet<Cid>,
    produces: BTreeSet<(Class, Label)>,
    requires: BTreeSet<(Class, Label)>,
}

#[derive(Clone, Debug)]
struct Added {
    job: Label,
    produces: Vec<Label>,
    requires: Vec<Label>,
}

/// The view of one thread.
#[derive(Clone, Debug, Default)]
pub struct View {
    decisions: BTreeMap<Epoch, Cid>,
    entitled: BTreeSet<AgentId>,
    held: BTreeMap<AgentId, BTreeSet<Cid>>,
    /// Links of every visible patch.
    links: Links,
    patches: BTreeMap<Cid, Arc<Envelope>>,
    /// Links of the decided plan only: what readiness goes by.
    plan: Links,
    restated: BTreeSet<(TaskName, Standing)>,
    standings: BTreeMap<TaskName, BTreeSet<Standing>>,
    stated: BTreeMap<TaskName, Stated>,
    void: BTreeSet<(TaskName, Epoch, Fence)>,
}

impl View {
    /// The view of a thread of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// A patch that is in the document; says whether it is new. An UPDATE_PLAN is held until its author is entitled, a
    /// PROPOSE until it is decided.
    ///
    /// # Errors
    /// Those of [`facts_of`]: what the document refuses too.
    pub fn add_patch(&mut self, envelope: &Arc<Envelope>) -> Result<bool, Reject> {
        facts_of(envelope)?;
        let id = envelope.id();
        if self.patches.insert(id, Arc::clone(envelope)).is_some() {
            return Ok(false);
        }
        if is_proposal(envelope) {
            if self.decision().is_some_and(|decision| decision.proposal == id) {
                self.show(&id, Class::Decided);
            }
        } else if self.entitled.contains(&envelope.sender) {
            self.show(&id, Class::Added);
        } else if !planted(Mutant::ViewByArrival) {
            self.held.entry(envelope.sender).or_default().insert(id);
        }
        Ok(true)
    }

    /// The document gave a patch up for an earlier one.
    pub fn drop_patch(&mut self, envelope: &Envelope) {
        let id = envelope.id();
        if self.patches.remove(&id).is_none() {
            return;
        }
        let held = self.held.get_mut(&envelope.sender).is_some_and(|held| held.remove(&id));
        if !held {
            self.rebuild();
        } else if self.held.get(&envelope.sender).is_some_and(BTreeSet::is_empty) {
            self.held.remove(&envelope.sender);
        }
    }

    /// A believed entry makes `agent` a party to the thread (its requester, the decided planner, a holder, a seat), or it
    /// is a coordinator: what it adds to the plan is shown. It stays so, also for a holder whose lease ended.
    pub fn entitle(&mut self, agent: AgentId) {
        if self.entitled.insert(agent) {
            for id in self.held.remove(&agent).unwrap_or_default() {
                self.show(&id, Class::Added);
            }
        }
    }

    /// A believed entry decided for `proposal`. There is one per need, except that a restored register decides again in a
    /// greater epoch; the greatest counts.
    pub fn decided(&mut self, proposal: Cid, epoch: Epoch) {
        let before = self.decision();
        let kept = self.decisions.entry(epoch).or_insert(proposal);
        *kept = proposal.min(*kept);
        let after = self.decision().expect("one was just entered").proposal;
        match before {
            None => self.show(&after, Class::Decided),
            Some(before) if before.proposal != after => self.rebuild(),
            Some(_) => {}
        }
    }

    /// A believed entry put `task` into `state`.
    pub fn restate(&mut self, task: TaskName, epoch: Epoch, fence: Fence, state: TaskState) {
        self.standings.entry(task).or_default().insert(Standing { epoch, fence, state });
    }

    /// A believed entry made the result under this epoch and fence void: nothing becomes ready by it any more, even
    /// before the entry that reopens the task is believed.
    pub fn invalidate(&mut self, task: TaskName, epoch: Epoch, fence: Fence) {
        self.void.insert((task, epoch, fence));
    }

    /// The decision that counts.
    pub fn decision(&self) -> Option<Decision> {
        self.decisions.last_key_value().map(|(epoch, proposal)| Decision { epoch: *epoch, proposal: *proposal })
    }

    /// The task, if a visible fact adds it.
    pub fn get_task(&self, task: &TaskName) -> Option<TaskView<'_>> {
        self.task_among(&self.links.counted(), task)
    }

    fn task_among<'a>(&'a self, links: &Counted<'a>, task: &TaskName) -> Option<TaskView<'a>> {
        let stated = self.stated.get(task)?;
        let (rank, added) = stated.added.first_key_value()?;
        Some(TaskView {
            annotations: stated.annotations.iter().map(|(key, (_, value))| (key, value.as_str())).collect(),
            attestations: &stated.attestations,
            children: links.children(task).collect(),
            claims: &stated.claims,
            decided: rank.class == Class::Decided,
            job: &added.job,
            parents: links.parents(task).collect(),
            produces: labels(&added.produces, &stated.produces, rank.class),
            requires: labels(&added.requires, &stated.requires, rank.class),
            standing: self.standing(task),
        })
    }

    /// Every task that a visible fact adds, by name.
    pub fn tasks(&self) -> impl Iterator<Item = (&TaskName, TaskView<'_>)> {
        let links = self.links.counted();
        self.stated.keys().filter_map(move |name| self.task_among(&links, name).map(|task| (name, task)))
    }

    /// Everything there is to see.
    pub fn get_thread(&self) -> ThreadView<'_> {
        let decision = self.decision();
        let proposals = self.patches.values().filter(|patch| is_proposal(patch)).map(|patch| patch.id());
        let (candidates, orphans) = match decision {
            None => (proposals.collect(), Vec::new()),
            Some(decision) => {
                let mut others: BTreeSet<Cid> = proposals.chain(self.decisions.values().copied()).collect();
                others.remove(&decision.proposal);
                let tag = |proposal| Orphan { orphaned_by_epoch: decision.epoch, proposal };
                (Vec::new(), others.into_iter().map(tag).collect())
            }
        };
        ThreadView {
            candidates,
            decision,
            ignored_links: self.links.counted().ignored(),
            orphans,
            tasks: self.tasks().collect(),
        }
    }

    /// Where `task` stands; nothing until a believed entry says so.
    pub fn standing(&self, task: &TaskName) -> Option<Standing> {
        self.standings.get(task)?.last().copied()
    }

    /// STATE facts that no believed entry backs: kept, never shown.
    pub fn unbacked(&self) -> impl Iterator<Item = (&TaskName, &Standing)> {
        let backed = |task: &TaskName, standing| self.standings.get(task).is_some_and(|all| all.contains(standing));
        self.restated
            .iter()
            .filter(move |(task, standing)| !backed(task, standing))
            .map(|(task, standing)| (task, standing))
    }

    /// How many patches wait for their author to be entitled.
    pub fn held(&self) -> usize {
        self.held.values().map(BTreeSet::len).sum()
    }

    /// Tasks of the decided plan that nobody holds and whose parents in that plan have a valid result, by name. Links that
    /// agents added beside the plan do not delay it.
    pub fn ready(&self) -> impl Iterator<Item = &TaskName> {
        let links = self.plan.counted();
        self.stated
            .iter()
            .filter(move |(task, stated)| {
                let planned = stated.added.first_key_value().is_some_and(|(rank, _)| rank.class == Class::Decided);
                let idle = self.standing(task).is_none_or(|standing| standing.state == TaskState::Idle);
                planned && idle && links.parents(task).all(|parent| self.has_result(parent))
            })
            .map(|(task, _)| task)
    }

    /// Whether `task` has a result that passed and was not made void since.
    fn has_result(&self, task: &TaskName) -> bool {
        self.standing(task).is_some_and(|standing| {
            standing.state.is_final() && !self.void.contains(&(task.clone(), standing.epoch, standing.fence))
        })
    }

    /// Artifacts that can stand in for output `label` of `task`: attested while a branch was decided that no longer is, for
    /// a task of the same name, job and inputs. `lookup` resolves an ATTEST that passes a result, and only such. The
    /// caller has them judged anew; nothing salvaged is final.
    pub fn salvage(&self, task: &TaskName, label: &Label, lookup: impl Fn(&Cid) -> Option<Attested>) -> BTreeSet<Cid> {
        let wanted = self.decision().and_then(|now| Some((now, self.branch_task(&now.proposal, task)?)));
        let Some((now, wanted)) = wanted else {
            return BTreeSet::new();
        };
        let attestations = self.stated.get(task).into_iter().flat_map(|stated| &stated.attestations);
        attestations
            .filter_map(lookup)
            .filter(|attested| attested.epoch != now.epoch)
            .filter(|attested| {
                let branch = self.decisions.get(&attested.epoch);
                branch.and_then(|branch| self.branch_task(branch, task)).as_ref() == Some(&wanted)
            })
            .filter_map(|attested| attested.outputs.get(label).copied())
            .collect()
    }

    /// Job and inputs of `task` in the branch of `proposal`.
    fn branch_task(&self, proposal: &Cid, name: &TaskName) -> Option<(&Label, BTreeSet<&Label>)> {
        let facts = facts_of(self.patches.get(proposal)?).ok()?;
        let mut found = None;
        let mut inputs = BTreeSet::new();
        for fact in facts {
            match fact {
                Fact::AddTask { job, requires, task, .. } if task == name => {
                    found = Some(job);
                    inputs.extend(requires);
                }
                Fact::Requires { label, task } if task == name => {
                    inputs.insert(label);
                }
                _ => {}
            }
        }
        found.map(|job| (job, inputs))
    }

    /// The view as canonical JSON.
    pub fn canonical(&self) -> Vec<u8> {
        canonical::to_vec(&self.get_thread())
    }

    /// Identity of what is seen.
    pub fn digest(&self) -> Digest {
        Digest::of("swarm/view", &[&self.canonical()])
    }

    /// Another proposal than the shown one counts now, after a restore of the register, or something shown is gone: shows
    /// everything anew.
    fn rebuild(&mut self) {
        self.links = Links::default();
        self.plan = Links::default();
        self.restated.clear();
        self.stated.clear();
        let decided = self.decision().map(|decision| (decision.proposal, Class::Decided));
        let visible = |patch: &&Arc<Envelope>| !is_proposal(patch) && self.entitled.contains(&patch.sender);
        let added = self.patches.values().filter(visible).map(|patch| (patch.id(), Class::Added));
        for (id, class) in decided.into_iter().chain(added).collect::<Vec<_>>() {
            self.show(&id, class);
        }
    }

    /// Shows the facts of a patch, if it is here.
    fn show(&mut self, id: &Cid, class: Class) {
        let Some(envelope) = self.patches.get(id).cloned() else {
            return;
        };
        let facts = facts_of(&envelope).expect("only patches of sound form are kept");
        let rank =
            |class, fact: &Fact| Rank { class, lamport: envelope.lamport, author: envelope.sender, fact: fact.id() };
        let mut links = Vec::new();
        for fact in facts {
            match fact {
                Fact::AddTask { job, produces, requires, task } => {
                    let added = Added { job: job.clone(), produces: produces.clone(), requires: requires.clone() };
                    self.stated(task).added.insert(rank(class, fact), added);
                }
                Fact::Requires { label, task } => {
                    self.stated(task).requires.insert((class, label.clone()));
                }
                Fact::Produces { label, task } => {
                    self.stated(task).produces.insert((class, label.clone()));
                }
                Fact::Link { child, parent } => links.push((rank(class, fact), (parent.clone(), child.clone()))),
                Fact::Annotate { key, task, value } => {
                    // The latest remark wins wherever it stands, so all have one class.
                    let remark = (rank(Class::Added, fact), value.clone());
                    let annotations = &mut self.stated(task).annotations;
                    if annotations.get(key).is_none_or(|(known, _)| *known < remark.0) {
                        annotations.insert(key.clone(), remark);
                    }
                }
                Fact::Claim { envelope, task } => {
                    self.stated(task).claims.insert(*envelope);
                }
                Fact::Attestation { envelope, task } => {
                    self.stated(task).attestations.insert(*envelope);
                }
                Fact::State { epoch, fence, state, task } => {
                    let standing = Standing { epoch: *epoch, fence: *fence, state: *state };
                    self.restated.insert((task.clone(), standing));
                }
                // The proposal itself is in the document, or will be; the reference shows nothing more.
                Fact::Proposal { .. } => {}
            }
        }
        if class == Class::Decided {
            links.extend(implied(facts).into_iter().map(|(parent, child)| {
                let fact = Fact::Link { child: child.clone(), parent: parent.clone() };
                (rank(Class::Implied, &fact), (parent, child))
            }));
            self.plan.extend(links.clone());
        }
        self.links.extend(links);
    }

    fn stated(&mut self, task: &TaskName) -> &mut Stated {
        if !self.stated.contains_key(task) {
            self.stated.insert(task.clone(), Stated::default());
        }
        self.stated.get_mut(task).expect("it was just put there")
    }
}

fn is_proposal(envelope: &Envelope) -> bool {
    matches!(envelope.body, Body::Propose(_))
}

/// A task's labels: those it was added with, then those of later facts of equal standing, each once.
fn labels<'a>(own: &'a [Label], more: &'a BTreeSet<(Class, Label)>, class: Class) -> Vec<&'a Label> {
    let mut all: Vec<&Label> = own.iter().collect();
    for (_, label) in more.iter().filter(|(said, _)| class == Class::Added || *said == class) {
        if !all.contains(&label) {
            all.push(label);
        }
    }
    all
}

/// Links that follow from the data flow of a proposal, as [`super::Plan`] has them: (parent, child).
fn implied(facts: &[Fact]) -> BTreeSet<(TaskName, TaskName)> {
    let mut producers = BTreeMap::new();
    let mut requirers = BTreeSet::new();
    for fact in facts {
        match fact {
            Fact::AddTask { produces, requires, task, .. } => {
                producers.extend(produces.iter().map(|label| (label, task)));
                requirers.extend(requires.iter().map(|label| (label, task)));
            }
            Fact::Produces { label, task } => {
                producers.insert(label, task);
            }
            Fact::Requires { label, task } => {
                requirers.insert((label, task));
            }
            _ => {}
        }
    }
    requirers.into_iter().filter_map(|(label, child)| Some(((*producers.get(label)?).clone(), child.clone()))).collect()
}
