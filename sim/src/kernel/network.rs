//! The network. Decides whether a message arrives, when, and how often.
//!
//! Every condition is a [`Wire`] or a [`Fault`] imposed on a [`Scope`]; each link resolves them once and remembers. It must never happen that a fault
//! which is off costs a random draw, that one kind of fault consumes another's draws, or that a bite goes uncounted.
//!
//! Links are first-in first-out unless their wire says otherwise, because what they stand for (TCP, a broker's connection) is; then reordering is a
//! fault one asks for and can count, not noise. A message to oneself takes the wire's time and no faults.

use super::fault::{Bites, Class, Fault, FaultId, Scope, Wire};
use super::rng::{Fork, Span, Stream};
use super::trace::Fingerprint;
use super::{NodeId, SimTime};
use std::collections::{BTreeMap, BTreeSet};

struct Imposed {
    scope: Scope,
    fault: Fault,
    bites: u64,
}

/// All that is true of one link now. Faults carry the handle to blame.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Rule {
    wire: Wire,
    faulty: bool,
    cut: Option<(FaultId, bool)>,
    filter: Option<(FaultId, u32)>,
    clog: Option<(FaultId, SimTime)>,
    lose: Option<(FaultId, u32)>,
    duplicate: Option<(FaultId, u32, Span)>,
    replay: Option<(FaultId, u32, Span)>,
    delay: Option<(FaultId, u32, Span)>,
    reorder: Option<(FaultId, u32, Span)>,
}

impl Rule {
    fn healthy(wire: Wire) -> Self {
        Self {
            wire,
            faulty: false,
            cut: None,
            filter: None,
            clog: None,
            lose: None,
            duplicate: None,
            replay: None,
            delay: None,
            reorder: None,
        }
    }

    /// The filter that holds this message back.
    fn filtered(&self, msg: &impl Fingerprint) -> Option<FaultId> {
        let (id, sorts) = self.filter?;
        (sorts >> msg.sort() & 1 == 1).then_some(id)
    }
}

#[derive(Clone, Copy)]
struct Link {
    rule: u32,
    /// Who held back the message of `held_ns`.
    held_by: FaultId,
    /// When the last message in order arrives.
    last: SimTime,
    /// When the last message held back arrives; 0 once it was overtaken.
    held: SimTime,
}

/// A link whose rule must be looked up again.
const STALE: u32 = u32::MAX;
const UNUSED: Link = Link { rule: STALE, held_by: FaultId(0), last: SimTime::from_ns(0), held: SimTime::from_ns(0) };

/// One sender's randomness: one stream per kind, so that no kind moves another's draws and no node another node's.
struct Dice {
    wire: Stream,
    lose: Stream,
    duplicate: Stream,
    replay: Stream,
    delay: Stream,
    reorder: Stream,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Arrives(SimTime),
    Twice(SimTime, SimTime),
    Lost,
    Cut,
}

/// All links between the nodes of one kernel, and the faults on them.
pub struct Network {
    fork: Fork,
    classes: Vec<Class>,
    dice: Vec<Dice>,
    wires: BTreeMap<Scope, Wire>,
    faults: Vec<Imposed>,
    active: BTreeSet<FaultId>,
    /// How many faults catch what is on its way.
    catching: u32,
    rules: Vec<Rule>,
    /// By sender, then receiver; a row grows to the farthest receiver its sender ever used.
    links: Vec<Vec<Link>>,
}

impl Network {
    pub(super) fn new(fork: Fork) -> Self {
        Self {
            fork,
            classes: Vec::new(),
            dice: Vec::new(),
            wires: BTreeMap::from([(Scope::All, Wire::default())]),
            faults: Vec::new(),
            active: BTreeSet::new(),
            catching: 0,
            rules: Vec::new(),
            links: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, class: Class) {
        let fork = self.fork.fork(&self.classes.len().to_string());
        self.classes.push(class);
        self.links.push(Vec::new());
        self.dice.push(Dice {
            wire: fork.stream("wire"),
            lose: fork.stream("lose"),
            duplicate: fork.stream("duplicate"),
            replay: fork.stream("replay"),
            delay: fork.stream("delay"),
            reorder: fork.stream("reorder"),
        });
    }

    /// Says what the links of a scope are like when healthy; replaces what was said for the same scope. Of two scopes of one kind that match the
    /// same link, such as the classes of its two ends, the one with the greater number wins.
    pub fn set_wire(&mut self, scope: Scope, wire: Wire) {
        self.wires.insert(scope, wire);
        self.forget_rules();
    }

    /// Starts a fault; it lasts until lifted. Of several faults of one kind on a link only the winner by [`Scope`] acts.
    pub fn impose(&mut self, scope: Scope, fault: Fault) -> FaultId {
        let id = FaultId(u32::try_from(self.faults.len()).expect("fewer faults than 2^32"));
        self.catching += u32::from(catching(&fault));
        self.faults.push(Imposed { scope, fault, bites: 0 });
        self.active.insert(id);
        self.forget_rules();
        id
    }

    /// Ends a fault and says how often it bit so far. Lifting twice changes nothing.
    pub fn lift(&mut self, id: FaultId) -> u64 {
        let imposed = &self.faults[id.0 as usize];
        if self.active.remove(&id) {
            self.catching -= u32::from(catching(&imposed.fault));
            self.forget_rules();
        }
        self.faults[id.0 as usize].bites
    }

    /// Cuts both links between two nodes.
    pub fn cut(&mut self, a: NodeId, b: NodeId) -> FaultId {
        self.impose(Scope::Pair(a, b), Fault::Cut { in_flight: false })
    }

    /// Cuts the link from one node to another and leaves the way back.
    pub fn cut_one_way(&mut self, from: NodeId, to: NodeId) -> FaultId {
        self.impose(Scope::Link(from, to), Fault::Cut { in_flight: false })
    }

    /// Cuts all links of one node.
    pub fn isolate(&mut self, node: NodeId) -> FaultId {
        self.impose(Scope::Node(node), Fault::Cut { in_flight: false })
    }

    /// Cuts all links between these nodes and the others, those added later included.
    pub fn halves(&mut self, side: impl IntoIterator<Item = NodeId>) -> FaultId {
        self.impose(Scope::Across(side.into_iter().collect()), Fault::Cut { in_flight: false })
    }

    /// Lifts every cut; other faults go on.
    pub fn heal_all(&mut self) {
        self.lift_all(|fault| matches!(fault, Fault::Cut { .. }));
    }

    /// Lifts every fault that `which` picks.
    pub fn lift_all(&mut self, which: impl Fn(&Fault) -> bool) {
        for id in self.active.clone() {
            if which(&self.faults[id.0 as usize].fault) {
                self.lift(id);
            }
        }
    }

    /// How often this fault bit, lifted or not.
    pub fn bites_of(&self, id: FaultId) -> u64 {
        self.faults[id.0 as usize].bites
    }

    /// How often faults bit, by kind, over the whole run.
    pub fn bites(&self) -> Bites {
        let mut sum = Bites::default();
        for imposed in &self.faults {
            *match imposed.fault {
                Fault::Cut { .. } => &mut sum.cut,
                Fault::Filter { .. } => &mut sum.filtered,
                Fault::Lose { .. } => &mut sum.lost,
                Fault::Duplicate { .. } => &mut sum.duplicated,
                Fault::Replay { .. } => &mut sum.replayed,
                Fault::Clog { .. } => &mut sum.clogged,
                Fault::Delay { .. } => &mut sum.delayed,
                Fault::Reorder { .. } => &mut sum.reordered,
            } += imposed.bites;
        }
        sum
    }

    /// The class a node was added with.
    pub fn class(&self, node: NodeId) -> Class {
        self.classes[node.index()]
    }

    /// Decides the fate of one message. All dice of the link's rule are thrown whatever the others show: a cut that ends does not shift the losses after it.
    #[inline]
    pub(super) fn route(&mut self, now: SimTime, from: NodeId, to: NodeId, msg: &impl Fingerprint) -> Route {
        let rule = self.rule(from, to);
        let Rule { wire, faulty, .. } = self.rules[rule];
        let mut at = now.plus(self.dice[from.index()].wire.within(wire.delay));
        if faulty {
            return self.route_faulty(at, from, to, rule, msg);
        }
        let link = &mut self.links[from.index()][to.index()];
        if wire.fifo {
            at = at.max(link.last);
            link.last = at;
        }
        self.note_overtaking(at, from, to);
        Route::Arrives(at)
    }

    fn route_faulty(
        &mut self,
        mut at: SimTime,
        from: NodeId,
        to: NodeId,
        rule: usize,
        msg: &impl Fingerprint,
    ) -> Route {
        let rule = self.rules[rule];
        let dice = &mut self.dice[from.index()];
        let lost = rule.lose.filter(|&(_, ppm)| dice.lose.chance(ppm));
        let copied = throw(&mut dice.duplicate, rule.duplicate);
        let echoed = throw(&mut dice.replay, rule.replay);
        let delayed = throw(&mut dice.delay, rule.delay);
        let held = throw(&mut dice.reorder, rule.reorder);
        if let Some((id, _)) = rule.cut {
            self.bite(id);
            return Route::Cut;
        }
        if let Some(id) = rule.filtered(msg) {
            self.bite(id);
            return Route::Cut;
        }
        if let Some((id, _)) = lost {
            self.bite(id);
            return Route::Lost;
        }
        if let Some((id, until)) = rule.clog.filter(|&(_, until)| at < until) {
            self.bite(id);
            at = until;
        }
        if let Some((id, extra)) = delayed {
            self.bite(id);
            at = at.plus(extra);
        }
        let link = &mut self.links[from.index()][to.index()];
        if rule.wire.fifo {
            at = at.max(link.last);
        }
        if let Some((id, extra)) = held {
            at = at.plus(extra);
            if at > link.held {
                (link.held, link.held_by) = (at, id);
            }
        } else {
            link.last = at.max(link.last);
            self.note_overtaking(at, from, to);
        }
        if let Some((id, after)) = copied.or(echoed) {
            self.bite(id);
            return Route::Twice(at, at.plus(after));
        }
        Route::Arrives(at)
    }

    /// A message in order that arrives before one held back has overtaken it; several held back at once count as one.
    #[inline]
    fn note_overtaking(&mut self, at: SimTime, from: NodeId, to: NodeId) {
        let link = &mut self.links[from.index()][to.index()];
        if at < link.held {
            link.held = SimTime::default();
            let id = link.held_by;
            self.bite(id);
        }
    }

    /// Whether a cut or a filter catches a message that arrives now.
    #[inline]
    pub(super) fn catches(&mut self, from: NodeId, to: NodeId, msg: &impl Fingerprint) -> bool {
        if self.catching == 0 {
            return false;
        }
        let rule = self.rule(from, to);
        let rule = &self.rules[rule];
        let cut = rule.cut.filter(|(_, in_flight)| *in_flight).map(|(id, _)| id);
        let Some(id) = cut.or_else(|| rule.filtered(msg)) else { return false };
        self.bite(id);
        true
    }

    /// The index of the link's rule, looked up if need be.
    #[inline]
    fn rule(&mut self, from: NodeId, to: NodeId) -> usize {
        match self.links[from.index()].get(to.index()) {
            Some(link) if link.rule != STALE => link.rule as usize,
            _ => self.resolve(from, to),
        }
    }

    #[cold]
    fn resolve(&mut self, from: NodeId, to: NodeId) -> usize {
        assert!(to.index() < self.classes.len(), "{from} sends to {to}, which was never added");
        let rule = self.rule_of(from, to);
        let index = self.rules.iter().position(|known| *known == rule).unwrap_or_else(|| {
            self.rules.push(rule);
            self.rules.len() - 1
        });
        let row = &mut self.links[from.index()];
        if row.len() <= to.index() {
            row.resize(to.index() + 1, UNUSED);
        }
        row[to.index()].rule = u32::try_from(index).expect("fewer rules than 2^32");
        index
    }

    fn rule_of(&self, from: NodeId, to: NodeId) -> Rule {
        let ends = ((from, self.class(from)), (to, self.class(to)));
        let covers = |scope: &Scope| scope.covers(ends.0, ends.1);
        // The map is in the order of `Scope`, so the last that matches wins.
        let wire = self.wires.iter().rfind(|(scope, _)| covers(scope)).map_or_else(Wire::default, |(_, wire)| *wire);
        let mut rule = Rule::healthy(wire);
        if from == to {
            return rule;
        }
        let active = self.active.iter().map(|id| (*id, &self.faults[id.0 as usize]));
        let mut matching: Vec<(FaultId, &Imposed)> = active.filter(|(_, imposed)| covers(&imposed.scope)).collect();
        matching.sort_by_key(|(id, imposed)| (imposed.scope.rank(), *id));
        for (id, imposed) in matching {
            rule.faulty = true;
            match imposed.fault {
                // A cut that also catches what is on its way is the stronger: none hides it.
                Fault::Cut { in_flight } => {
                    rule.cut = rule.cut.filter(|&(_, catches)| catches && !in_flight).or(Some((id, in_flight)))
                }
                Fault::Filter { sorts } => rule.filter = Some((id, sorts)),
                Fault::Clog { until } => rule.clog = Some((id, until)),
                Fault::Lose { ppm } => rule.lose = Some((id, ppm)),
                Fault::Duplicate { ppm, after } => rule.duplicate = Some((id, ppm, after)),
                Fault::Replay { ppm, after } => rule.replay = Some((id, ppm, after)),
                Fault::Delay { ppm, extra } => rule.delay = Some((id, ppm, extra)),
                Fault::Reorder { ppm, extra } => rule.reorder = Some((id, ppm, extra)),
            }
        }
        rule
    }

    fn bite(&mut self, id: FaultId) {
        self.faults[id.0 as usize].bites += 1;
    }

    fn forget_rules(&mut self) {
        self.rules.clear();
        for link in self.links.iter_mut().flatten() {
            link.rule = STALE;
        }
    }
}

/// Whether a fault also hits what is already on its way.
fn catching(fault: &Fault) -> bool {
    matches!(fault, Fault::Cut { in_flight: true } | Fault::Filter { .. })
}

/// Throws a fault's dice; if it hits, says whom to blame and how long it takes.
#[inline]
fn throw(dice: &mut Stream, fault: Option<(FaultId, u32, Span)>) -> Option<(FaultId, u64)> {
    let (id, ppm, span) = fault?;
    dice.chance(ppm).then(|| (id, dice.within(span)))
}
