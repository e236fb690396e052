//! K and the count of votes, written down as PROTOCOL 6 says them.

use std::collections::BTreeSet;

use swarm_core::config::Params;
use swarm_core::id::AgentId;

/// K: the target, no more than a share of the active pool, no more than may sit, at least one.
pub fn k(target: u32, active: usize, eligible: usize, params: &Params) -> usize {
    let share = active * params.alpha_bp as usize / 10_000;
    (target as usize).min(share).min(eligible).max(1)
}

/// What votes come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Count<V> {
    /// This choice has K votes.
    Reached(V),
    /// No choice can get K any more; every choice with its votes, the most first, then the lower choice.
    Hung(Vec<(usize, V)>),
    /// It is open.
    Open,
    /// A stranger voted, somebody twice, or somebody after the quorum.
    Void,
}

/// Counts `votes` in their order.
pub fn count<V: Copy + Ord>(k: usize, seats: &[AgentId], votes: &[(AgentId, V)]) -> Count<V> {
    let mut voted = BTreeSet::new();
    let votes_for = |choice: V, among: &[(AgentId, V)]| among.iter().filter(|(_, v)| *v == choice).count();
    for (nth, (voter, _)) in votes.iter().enumerate() {
        let full = votes[..nth].iter().any(|(_, choice)| votes_for(*choice, &votes[..nth]) >= k);
        if full || !seats.contains(voter) || !voted.insert(*voter) {
            return Count::Void;
        }
    }
    let choices: BTreeSet<V> = votes.iter().map(|(_, choice)| *choice).collect();
    let mut standing: Vec<(usize, V)> = choices.into_iter().map(|choice| (votes_for(choice, votes), choice)).collect();
    standing.sort_by(|(a, x), (b, y)| b.cmp(a).then(x.cmp(y)));
    let most = standing.first().map_or(0, |(most, _)| *most);
    let silent = seats.iter().collect::<BTreeSet<_>>().len() - voted.len();
    match standing.first() {
        Some((_, choice)) if most >= k => Count::Reached(*choice),
        _ if most + silent < k => Count::Hung(standing),
        _ => Count::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(of: &[(u8, char)]) -> Vec<(AgentId, char)> {
        of.iter().map(|(n, v)| (AgentId([*n; 32]), *v)).collect()
    }

    #[test]
    fn votes_are_counted() {
        let seats: Vec<_> = (0..3).map(|n| AgentId([n; 32])).collect();
        let check = |of: &[(u8, char)], expect| assert_eq!(count(2, &seats, &votes(of)), expect, "{of:?}");
        check(&[], Count::Open);
        check(&[(0, 'p'), (2, 'p')], Count::Reached('p'));
        check(&[(0, 'p'), (2, 'f')], Count::Open);
        check(&[(0, 'q'), (1, 'p'), (2, 'f')], Count::Hung(vec![(1, 'f'), (1, 'p'), (1, 'q')]));
        check(&[(0, 'p'), (0, 'p')], Count::Void);
        check(&[(3, 'p')], Count::Void);
        check(&[(0, 'p'), (1, 'p'), (2, 'p')], Count::Void);
    }

    #[test]
    fn k_follows_the_pool() {
        let params = Params::default();
        for (target, active, eligible, expect) in
            [(5, 100, 100, 5), (5, 10, 10, 3), (5, 9, 9, 2), (5, 0, 0, 1), (5, 100, 4, 4)]
        {
            assert_eq!(k(target, active, eligible, &params), expect);
        }
    }
}
