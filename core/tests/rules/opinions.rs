//! What people differ about: who is asked first, who is asked when they are of two minds, who at last, and what it costs whom.

use std::collections::BTreeSet;

use crate::kit::*;
use swarm_core::form::{Form, Pointer, Schema};
use swarm_core::id::{AgentId, label};
use swarm_core::plan::TaskState;
use swarm_core::register::{Bench, Command};
use swarm_core::reject::Reject;
use swarm_core::slot::Waiting;
use swarm_core::wire::{Body, Challenge, Evidence, Need};

const ARBITERS: [&str; 3] = ["v1", "v2", "v3"];

fn claims(need: &mut Need) {
    need.forms = [(label("total"), Form { claims: "/claims".parse().ok(), ..Form::default() })].into();
}

/// A need of one task whose result is final, and whoever is to have the last word.
fn under(arbiters: &[&str], alpha_bp: u32) -> Stage {
    let edit = |params: &mut swarm_core::config::Params| {
        (params.bond_bp, params.alpha_bp, params.bootstrap_active_min, params.bootstrap_needs) =
            (5_000, alpha_bp, 1, 0);
        (params.org_cap_bp, params.asn_cap_bp, params.region_cap_bp) = (10_000, 10_000, 10_000);
    };
    let mut stage = Stage::under(arbiters, 3, edit, claims);
    stage.decide(vec![task("only", "text", "total")]);
    stage.finish("w1", "only");
    assert_eq!(stage.state("only"), TaskState::Final);
    stage
}

fn pointer(text: &str) -> Pointer {
    text.parse().unwrap()
}

fn contradiction(first: &str, second: &str) -> Evidence {
    Evidence::SemanticContradiction { first: pointer(first), label: label("total"), second: pointer(second) }
}

fn say(stage: &mut Stage, who: &str, evidence: Evidence) -> Result<String, Reject> {
    let Body::Challenge(mut said) = stage.parse("challenge only") else { panic!("a challenge") };
    said.evidence = evidence;
    let challenge = stage.say(who, Body::Challenge(said));
    stage.submit(Command::Act(challenge))
}

/// Verifiers that have had nothing to do with it, nor will.
fn bystanders(stage: &Stage) -> Vec<String> {
    let task = &stage.record.tasks[&label("only")];
    let has_part = |agent: &AgentId| task.seats.contains(agent) || stage.genesis.arbiters.contains(agent);
    let all = stage.people.iter().filter(|(name, keys)| name.starts_with('v') && !has_part(&keys.agent()));
    all.map(|(name, _)| name.clone()).collect()
}

/// Who rules now, how many they are, and how many of them have to be of one mind.
fn bench(stage: &Stage) -> (Bench, usize, u32) {
    let dispute = stage.record.tasks[&label("only")].dispute.as_ref().expect("disputed");
    (dispute.bench, dispute.seats.len(), dispute.k_ruling)
}

fn sit(stage: &mut Stage) -> (Bench, usize, u32) {
    stage.relay();
    stage.reveal();
    stage.relay();
    bench(stage)
}

/// They are of two minds: as many of them say yes as no, or nearly.
fn split(stage: &mut Stage) -> Result<String, Reject> {
    let dispute = stage.record.tasks[&label("only")].dispute.clone().unwrap();
    let bodies = [stage.parse("uphold only"), stage.parse("dismiss only")];
    let names: Vec<String> = dispute.seats.iter().map(|seat| stage.who(seat)).collect();
    let all = names.iter().zip(bodies.iter().cycle()).map(|(name, body)| stage.say(name, body.clone()));
    let votes = sorted(all.collect());
    stage.submit(Command::Count(votes))
}

#[test]
fn t34_an_opinion_costs_pay_and_reputation_and_nobody_s_stake() {
    let mut stage = under(&[], 3_000);
    let who = bystanders(&stage)[0].clone();
    let passed = stage.record.tasks[&label("only")].passed_by();
    let staked = |stage: &Stage, agent: &AgentId| stage.system.ledger().balance(agent).unwrap().staked.0;
    let (before, worker) = (stage.available(&who), stage.available("w1"));
    let stakes: Vec<u64> = passed.iter().map(|agent| staked(&stage, agent)).collect();
    assert_eq!(say(&mut stage, &who, contradiction("/claims/0", "/claims/4")).unwrap(), "Challenged Asked");
    stage.relay();
    assert_eq!(stage.available(&who), before - 75, "the bond of its class");
    let (bench, seats, k) = sit(&mut stage);
    assert_eq!((bench, k as usize), (Bench::Judges, seats - seats / 3), "two thirds have to be of one mind");
    assert_eq!(stage.rule("uphold only").unwrap(), "WaitClosed Asked Ruled Invalidated Bidding WaitOpened");
    stage.relay();
    for (agent, stake) in passed.iter().zip(stakes) {
        assert_eq!(staked(&stage, agent), stake, "whoever was of another mind keeps its stake");
    }
    assert_eq!(stage.system.ledger().all_liens().count(), 0);
    // The worker's bond of ten does not come back: a quarter of it goes to whoever said so.
    assert_eq!((stage.available("w1"), stage.available(&who)), (worker, before + 10 / 4));
    assert!(stage.log.iter().any(
        |event| matches!(event, swarm_core::register::Event::Invalidated { offenders, .. } if offenders.is_empty())
    ));
    stage.submit_system(Command::Snapshot { number: 2 }).unwrap();
    let standing = |agent: &AgentId| {
        swarm_core::slot::Registry::standing(&stage.system, 2, agent).expect("it is in the pool").reputation_bp
    };
    assert!(passed.iter().all(|agent| standing(agent) == 2_500), "what it was worth to have passed it");
    assert_eq!(stage.act("w1", "claim only 10"), Err(Reject::NotEntitled));
}

#[test]
fn those_of_two_minds_are_followed_by_more_and_these_by_the_arbiters() {
    let mut stage = under(&ARBITERS, 5_000);
    let who = bystanders(&stage)[0].clone();
    say(&mut stage, &who, contradiction("/claims/0", "/claims/1")).unwrap();
    let (first, few, _) = sit(&mut stage);
    assert_eq!(first, Bench::Judges);
    assert_eq!(split(&mut stage).unwrap(), "WaitClosed Unruled Asked");
    let (second, more, k) = sit(&mut stage);
    assert_eq!((second, k as usize), (Bench::Larger, more - more / 3));
    assert!(more > few, "{few} were of two minds, and {more} are asked");
    let arbiters: BTreeSet<AgentId> = ARBITERS.iter().map(|name| id_of(name)).collect();
    let sits = |stage: &Stage| stage.record.tasks[&label("only")].dispute.clone().unwrap().seats;
    assert!(sits(&stage).iter().all(|seat| !arbiters.contains(seat)), "they are kept for the end");
    // Silence is no mind at all.
    assert_eq!(stage.elapse("ruling only").unwrap(), "Reported WaitClosed Unruled Asked");
    // Nobody draws them.
    assert_eq!(stage.relay(), "Answered Empanelled WaitOpened");
    let passed: BTreeSet<AgentId> = stage.record.tasks[&label("only")].passed_by().into_iter().collect();
    let fit: Vec<AgentId> = arbiters.difference(&passed).copied().collect();
    assert_eq!((sits(&stage), bench(&stage)), (fit.clone(), (Bench::Arbiters, fit.len(), fit.len() as u32 / 2 + 1)));
    assert_eq!(stage.rule("dismiss only").unwrap(), "WaitClosed Asked Ruled WaitOpened");
    stage.relay();
    assert!(stage.record.waits.contains_key(&Waiting::Challenge(label("only"))), "its window runs on");
    // They had the last word.
    let other = bystanders(&stage).into_iter().find(|name| *name != who).unwrap();
    assert_eq!(say(&mut stage, &other, contradiction("/claims/0", "/claims/1")), Err(Reject::Duplicate));
    assert!(say(&mut stage, &other, contradiction("/claims/0", "/claims/2")).is_ok(), "but not on everything");
}

#[test]
fn whoever_says_again_what_was_dismissed_appeals() {
    let mut stage = under(&ARBITERS, 3_000);
    let mut who = bystanders(&stage).into_iter();
    for (at, bench) in [Bench::Judges, Bench::Larger, Bench::Arbiters].into_iter().enumerate() {
        let name = who.next().unwrap();
        let before = stage.available(&name);
        say(&mut stage, &name, contradiction("/claims/0", "/claims/1")).unwrap();
        assert_eq!(sit(&mut stage).0, bench, "{at}");
        assert_eq!(stage.available(&name), before - 75);
        stage.rule("dismiss only").unwrap();
        stage.relay();
    }
    assert_eq!(say(&mut stage, "r1", contradiction("/claims/0", "/claims/1")), Err(Reject::Duplicate));
    for wait in ["challenge only", "late only"] {
        stage.elapse(wait).unwrap();
        stage.relay();
    }
    assert_eq!((stage.open_pots(), stage.record.is_over()), (0, true));
}

#[test]
fn where_nobody_has_the_last_word_the_result_stands() {
    let mut stage = under(&[], 3_000);
    let who = bystanders(&stage)[0].clone();
    let before = stage.available(&who);
    say(&mut stage, &who, contradiction("/claims/0", "/claims/1")).unwrap();
    sit(&mut stage);
    stage.elapse("ruling only").unwrap();
    assert_eq!(sit(&mut stage).0, Bench::Larger);
    assert_eq!(stage.elapse("ruling only").unwrap(), "Reported WaitClosed Asked Ruled WaitOpened");
    stage.relay();
    assert_eq!(stage.available(&who), before - 7, "a fee");
    assert_eq!(stage.state("only"), TaskState::Final);
}

/// Whoever passed it, whoever disputes it, and whoever is related to one of them.
#[test]
fn no_arbiter_rules_on_its_own() {
    let mut stage = under(&["v1"], 10_000);
    let other = bystanders(&stage);
    say(&mut stage, "v1", contradiction("/claims/0", "/claims/1")).unwrap();
    sit(&mut stage);
    stage.elapse("ruling only").unwrap();
    sit(&mut stage);
    assert_eq!(stage.elapse("ruling only").unwrap(), "Reported WaitClosed Unruled Asked");
    assert_eq!(stage.relay(), "Answered Asked Ruled WaitOpened", "nobody is left to ask");
    assert_eq!(stage.open_pots(), 2, "escrow and bond; the challenge is over");
    assert!(say(&mut stage, &other[0], contradiction("/claims/0", "/claims/1")).is_ok(), "nobody has ruled on it");
}

#[test]
fn what_nobody_can_have_an_opinion_on() {
    let mut stage = under(&[], 3_000);
    let who = bystanders(&stage)[0].clone();
    let elsewhere =
        [("/claims/0", "/claims"), ("/claims/0", "/claims/x"), ("/a/0", "/claims/0"), ("/claims/0", "/claims/1/2")];
    for (first, second) in elsewhere {
        assert_eq!(say(&mut stage, &who, contradiction(first, second)), Err(Reject::NoEvidence), "{first} {second}");
    }
    let Evidence::SemanticContradiction { first, second, .. } = contradiction("/claims/0", "/claims/1") else {
        panic!()
    };
    let other = Evidence::SemanticContradiction { first, label: label("none"), second };
    assert_eq!(say(&mut stage, &who, other), Err(Reject::NoEvidence));
    // One contradiction has one name.
    for (first, second) in [("/claims/1", "/claims/0"), ("/claims/1", "/claims/1")] {
        let Body::Challenge(said) = stage.parse("challenge only") else { panic!("a challenge") };
        let body = Body::Challenge(Challenge { evidence: contradiction(first, second), ..said });
        assert_eq!(body.check_bounds(), Err(Reject::NonCanonical));
    }
    // What has no form makes no claims.
    let mut plain = Stage::new();
    plain.decide(vec![task("only", "text", "total")]);
    plain.finish("w1", "only");
    assert_eq!(say(&mut plain, "r1", contradiction("/claims/0", "/claims/1")), Err(Reject::NoEvidence));
    // What is settled is paid.
    stage.elapse("challenge only").unwrap();
    assert_eq!(stage.state("only"), TaskState::Settled);
    assert_eq!(say(&mut stage, &who, contradiction("/claims/0", "/claims/1")), Err(Reject::WrongPhase));
}

#[test]
fn a_form_is_of_an_output_that_is_wanted() {
    let mut stage = Stage::with(3, |_| {}, claims);
    assert_eq!(Body::Need(stage.body.clone()).check_bounds(), Ok(()));
    stage.body.produces = vec![label("another")];
    assert_eq!(Body::Need(stage.body.clone()).check_bounds(), Err(Reject::WrongFields));
}

#[test]
fn who_may_be_an_arbiter() {
    let refused = |edit: fn(&mut swarm_core::genesis::Genesis)| {
        let (mut genesis, _) = genesis(3, |_| {});
        genesis.arbiters = [id_of("v1"), id_of("v2")].into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        edit(&mut genesis);
        genesis.check().map_err(|why| why.0)
    };
    assert_eq!(refused(|_| {}), Ok(()));
    assert!(refused(|genesis| genesis.arbiters.reverse()).unwrap_err().contains("rising"));
    assert!(refused(|genesis| genesis.arbiters = vec![id_of("w1")]).unwrap_err().contains("verifier"));
    assert!(refused(|genesis| genesis.arbiters = vec![id_of("nobody")]).unwrap_err().contains("verifier"));
    assert!(
        refused(|genesis| {
            let at = genesis.manifests.iter().position(|manifest| manifest.sender == id_of("v2")).unwrap();
            let Body::Manifest(one) = &genesis.manifests[at].body else { panic!() };
            let org = one.org.clone();
            let mut twin = manifest_of("v1", vec![swarm_core::wire::Role::Verifier]);
            twin.org = org;
            let at = genesis.manifests.iter().position(|manifest| manifest.sender == id_of("v1")).unwrap();
            genesis.manifests[at] = swarm_core::genesis::sign(&keys("v1"), twin);
        })
        .unwrap_err()
        .contains("related")
    );
}

/// What is said costs the bond of its class, and whoever passed what it is said of loses stake once it is upheld.
fn takes_stake(stage: &mut Stage, who: &str, evidence: Evidence, bond: u64) {
    let before = stage.available(who);
    say(stage, who, evidence).unwrap();
    assert_eq!(sit(stage).0, Bench::Looks);
    assert_eq!(stage.available(who), before - bond, "the bond of its class");
    let passed = stage.record.tasks[&label("only")].passed_by();
    let staked = |stage: &Stage| stage.system.ledger().balance(&passed[0]).unwrap().staked.0;
    let stake = staked(stage);
    stage.rule("uphold only").unwrap();
    stage.relay();
    assert_eq!(staked(stage), stake - 50);
}

/// That an output is not what its schema says is no opinion.
#[test]
fn what_anybody_can_see_of_a_form_takes_stake_late_as_well() {
    let schema: Schema = serde_json::from_str(r#"{"type":"object"}"#).unwrap();
    let form = Form { schema: Some(schema.clone()), ..Form::default() };
    let mut stage = Stage::with(3, |_| {}, |need| need.forms = [(label("total"), form)].into());
    stage.decide(vec![task("only", "text", "total")]);
    stage.finish("w1", "only");
    stage.elapse("challenge only").unwrap();
    assert_eq!(stage.state("only"), TaskState::Settled);
    let said = |name: &str, schema| Evidence::SchemaViolation { label: label(name), pointer: pointer(""), schema };
    let who = bystanders(&stage)[0].clone();
    let another = Schema::default().digest();
    assert_eq!(say(&mut stage, &who, said("total", another)), Err(Reject::NoEvidence), "another schema");
    assert_eq!(say(&mut stage, &who, said("none", schema.digest())), Err(Reject::NoEvidence), "another output");
    assert_eq!(say(&mut stage, &who, contradiction("/claims/0", "/claims/1")), Err(Reject::NoEvidence), "no claims");
    takes_stake(&mut stage, &who, said("total", schema.digest()), 25);
}

/// That a claim rests on nothing that was given is no opinion either, where the need asks for that.
#[test]
fn what_a_claim_cites_is_no_opinion() {
    for cited in [true, false] {
        let form = Form { cited, claims: "/claims".parse().ok(), schema: Some(Schema::default()) };
        let mut stage = Stage::with(3, |_| {}, |need| need.forms = [(label("total"), form)].into());
        stage.decide(vec![task("only", "text", "total")]);
        stage.finish("w1", "only");
        let said = |name: &str, at: &str| Evidence::MissingCitation { label: label(name), pointer: pointer(at) };
        let who = bystanders(&stage)[0].clone();
        assert_eq!(say(&mut stage, &who, said("total", "/claims")), Err(Reject::NoEvidence), "no claim");
        assert_eq!(say(&mut stage, &who, said("none", "/claims/0")), Err(Reject::NoEvidence), "another output");
        let claim = said("total", "/claims/0");
        if cited {
            takes_stake(&mut stage, &who, claim, 50);
        } else {
            assert_eq!(say(&mut stage, &who, claim), Err(Reject::NoEvidence), "nobody asked for that");
        }
    }
}

#[test]
fn a_form_that_is_none_is_refused_by_name() {
    let mut stage = Stage::with(3, |_| {}, claims);
    let mut refused = |form: Form| {
        stage.body.forms = [(label("total"), form)].into();
        Body::Need(stage.body.clone()).check_bounds()
    };
    assert_eq!(refused(Form::default()), Err(Reject::WrongFields));
    let schema = |text: &str| Form { schema: serde_json::from_str(text).ok(), ..Form::default() };
    assert_eq!(refused(schema(r#"{"required":["a","b"]}"#)), Ok(()));
    assert_eq!(refused(schema(r#"{"required":["b","a"]}"#)), Err(Reject::NonCanonical));
    assert_eq!(refused(schema(r#"{"enum":["a name that is longer than any may be"]}"#)), Err(Reject::Oversize));
}
