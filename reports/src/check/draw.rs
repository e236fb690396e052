//! The draw, written once more from PROTOCOL 6: who sits, given a seed and a recorded snapshot. Slow and plain; that it
//! gives the same people as the protocol's own is shown by every run that holds.
//!
//! One thing is not in the protocol's text and is part of it all the same: the dice are ChaCha8 under the seed, eight
//! bytes a throw, thrown again where the last incomplete round would favour somebody; and a draw that the caps paint into
//! a corner begins anew, up to sixteen times, with the same dice.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use swarm_core::id::{AgentId, Cid, Digest, Epoch, NeedId};

use crate::history::{PoolMember, PoolSnapshot, Rules};

/// Times a draw begins before it is given up.
const TRIES: u32 = 16;

/// Who was drawn, and K.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Equal votes that decide.
    pub k: u32,
    /// Rising.
    pub members: Vec<AgentId>,
}

/// The voters on the plans of `need` in `epoch`; nobody if none can be drawn.
pub fn voters(need: &NeedId, epoch: Epoch, pool: &PoolSnapshot, k_plan: u32, rules: &Rules) -> Option<Drawn> {
    let seed = Digest::of("swarm/voters", &[&need.0.0.0, &epoch.0.to_be_bytes(), &pool.snapshot.digest.0]);
    draw(&seed, pool, |_| false, k_plan, rules.voters_spare, rules)
}

/// The committee of a commit, before those leave it whose stake answers for other seats. `kin` says who is one of those
/// judged, or related to one.
pub fn committee(
    seed: &Digest,
    pool: &PoolSnapshot,
    kin: impl Fn(&PoolMember) -> bool,
    k_result: u32,
    rules: &Rules,
) -> Option<Drawn> {
    draw(seed, pool, kin, k_result, rules.seats_spare, rules)
}

/// The seed of a commit's committee.
pub fn committee_seed(commit: &Cid, reveals: &BTreeMap<AgentId, Digest>) -> Digest {
    let revealed = reveals.iter().flat_map(|(agent, value)| [&agent.0[..], &value.0[..]]);
    let parts: Vec<&[u8]> = std::iter::once(&commit.0.0[..]).chain(revealed).collect();
    Digest::of("swarm/committee", &parts)
}

/// K = max(1, min(target, floor(active x alpha), those who may sit)).
pub fn k(target: u32, active: u32, eligible: u32, rules: &Rules) -> u32 {
    let share = u64::from(active) * u64::from(rules.alpha_bp) / 10_000;
    u64::from(target.min(eligible)).min(share).max(1) as u32
}

/// What is capped, its name, and the share that one group of it may have of `size` seats: never less than one. Whoever's
/// attribute is unknown counts as one of the same.
pub(super) type Attribute = fn(&PoolMember) -> &str;

pub(super) fn caps(size: u32, rules: &Rules) -> [(&'static str, Attribute, u64); 3] {
    let most = |cap_bp: u32| (u64::from(size) * u64::from(cap_bp) / 10_000).max(1);
    [
        ("organisation", |m| &m.org, most(rules.org_cap_bp)),
        ("network", |m| &m.asn, most(rules.asn_cap_bp)),
        ("region", |m| &m.region, most(rules.region_cap_bp)),
    ]
}

fn draw(
    seed: &Digest,
    pool: &PoolSnapshot,
    kin: impl Fn(&PoolMember) -> bool,
    target: u32,
    spare: u32,
    rules: &Rules,
) -> Option<Drawn> {
    let (relations, strangers): (Vec<_>, Vec<_>) = pool.members.iter().partition(|m| kin(m));
    // In bootstrap those related may sit, where seats would stay empty without them.
    let eligible = if pool.bootstrap { pool.active } else { strangers.len() as u32 };
    if eligible == 0 {
        return None;
    }
    let k = k(target, pool.active, eligible, rules);
    let size = k.saturating_add(spare).min(eligible);
    let caps = (!pool.bootstrap).then(|| caps(size, rules));
    let mut dice = Dice(ChaCha8Rng::from_seed(seed.0));
    for _ in 0..TRIES {
        let mut seated = Vec::new();
        fill(&mut seated, strangers.clone(), size, caps.as_ref(), &mut dice)?;
        if pool.bootstrap {
            fill(&mut seated, relations.clone(), size, None, &mut dice)?;
        }
        if seated.len() == size as usize {
            let mut members: Vec<_> = seated.iter().map(|member| member.agent).collect();
            members.sort_unstable();
            return Some(Drawn { k, members });
        }
    }
    None
}

/// Draws from the hat until `size` sit or nobody may: each by its weight, without replacement; with a seat taken, groups
/// that have all they may have leave the hat. Nothing for weights that no pool can have.
fn fill<'a>(
    seated: &mut Vec<&'a PoolMember>,
    mut hat: Vec<&'a PoolMember>,
    size: u32,
    caps: Option<&[(&str, Attribute, u64); 3]>,
    dice: &mut Dice,
) -> Option<()> {
    hat.retain(|member| member.weight > 0);
    while seated.len() < size as usize && !hat.is_empty() {
        let total = hat.iter().try_fold(0_u64, |sum, member| sum.checked_add(member.weight))?;
        let mut ticket = dice.below(total);
        let at = hat.iter().position(|member| match ticket.checked_sub(member.weight) {
            Some(left) => {
                ticket = left;
                false
            }
            None => true,
        })?;
        let drawn = hat.remove(at);
        seated.push(drawn);
        for (_, of, cap) in caps.into_iter().flatten() {
            let taken = seated.iter().filter(|member| of(member) == of(drawn)).count();
            if taken as u64 >= *cap {
                hat.retain(|member| of(member) != of(drawn));
            }
        }
    }
    Some(())
}

struct Dice(ChaCha8Rng);

impl Dice {
    /// A throw below `bound`, which is not zero: every result equally likely.
    fn below(&mut self, bound: u64) -> u64 {
        let rounds = (1_u128 << 64) / u128::from(bound);
        loop {
            let throw = u128::from(self.0.next_u64());
            if throw < rounds * u128::from(bound) {
                return (throw % u128::from(bound)) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture::{agent, pool, rules};

    #[test]
    fn k_is_the_protocols() {
        for (target, active, eligible, expect) in
            [(3, 20, 20, 3), (5, 16, 16, 4), (5, 20, 2, 2), (3, 3, 3, 1), (3, 0, 0, 1), (0, 20, 20, 1)]
        {
            assert_eq!(k(target, active, eligible, &rules()), expect, "target {target} of {active} active");
        }
        assert_eq!(k(u32::MAX, u32::MAX, u32::MAX, &rules()), 1_288_490_188);
    }

    #[test]
    fn a_draw_keeps_to_size_caps_and_kin() {
        let mut pool = pool();
        pool.members.iter_mut().zip(0..).for_each(|(m, n)| m.org = format!("org{}", n % 6));
        let kin = |m: &PoolMember| m.agent == agent(12);
        for n in 0..50_u8 {
            let seed = Digest::sha256(&[n]);
            let drawn = committee(&seed, &pool, kin, 5, &rules()).unwrap();
            assert_eq!((drawn.k, drawn.members.len()), (5, 7));
            assert!(drawn.members.is_sorted_by(|a, b| a < b) && !drawn.members.contains(&agent(12)));
            for (what, of, cap) in caps(7, &rules()) {
                let group = |m: &PoolMember| drawn.members.contains(&m.agent).then(|| of(m).to_owned());
                let groups: Vec<String> = pool.members.iter().filter_map(group).collect();
                let most = groups.iter().map(|one| groups.iter().filter(|g| *g == one).count()).max();
                assert!(most.unwrap_or(0) as u64 <= cap, "{what}: {groups:?}");
            }
        }
    }

    #[test]
    fn a_young_pool_seats_relations_only_where_strangers_are_missing() {
        let mut young = pool();
        (young.bootstrap, young.active) = (true, 7);
        young.members.truncate(7);
        let kin = |m: &PoolMember| m.agent == agent(12);
        for n in 0..20_u8 {
            // K is 2 of 7, with two spare: three strangers would be too few, six are enough.
            let drawn = committee(&Digest::sha256(&[n]), &young, kin, 5, &rules()).unwrap();
            assert!(drawn.members.len() == 4 && !drawn.members.contains(&agent(12)));
        }
        (young.active, young.members) = (1, vec![young.members[2].clone()]);
        assert_eq!(committee(&Digest::default(), &young, kin, 5, &rules()).unwrap().members, [agent(12)]);
        young.bootstrap = false;
        assert_eq!(committee(&Digest::default(), &young, kin, 5, &rules()), None);
    }
}
