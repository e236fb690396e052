//! Whom a fault hits, in words: what a report shows of a fault that was drawn.

use crate::fault::{Fault, Links};
use crate::target::{Node, Nodes};
use std::collections::BTreeSet;

/// Names that are told of one group; of the others only how many they are.
const TOLD: usize = 8;

impl Fault {
    /// Whom it hits, each called as `name` calls it. Of a fault that looks for its prey when it strikes: among whom it looks.
    pub fn whom(&self, name: &dyn Fn(Node) -> String) -> String {
        let few = |nodes: &BTreeSet<Node>| {
            let mut told: Vec<String> = nodes.iter().take(TOLD).map(|node| name(*node)).collect();
            if nodes.len() > TOLD {
                told.push(format!("{} others", nodes.len() - TOLD));
            }
            told.join(", ")
        };
        let these = |nodes: &Nodes| match nodes {
            Nodes::All => "all".to_owned(),
            Nodes::These(nodes) => few(nodes),
        };
        let over = |links: &Links| match links {
            Links { from: Nodes::All, to: Nodes::All } => "all links".to_owned(),
            Links { from, to } => format!("{} to {}", these(from), these(to)),
        };
        match self {
            Self::Delay { links, .. }
            | Self::Loss { links, .. }
            | Self::Duplicate { links, .. }
            | Self::Reorder { links, .. }
            | Self::LateReplay { links, .. }
            | Self::Clog { links, .. }
            | Self::Filter { links, .. } => over(links),
            Self::Partition { side, .. } => format!("{} from the rest", few(side)),
            Self::Cuts { links, .. } => {
                let mut told: Vec<String> = links.iter().take(TOLD).map(over).collect();
                if links.len() > TOLD {
                    told.push(format!("{} other links", links.len() - TOLD));
                }
                told.join("; ")
            }
            Self::PartitionLeader { .. } | Self::PauseLeader => "whoever leads the register".to_owned(),
            Self::QuorumSwap { first, victim, second } => {
                format!("{}; then {} dies; then {}", few(first), name(*victim), few(second))
            }
            Self::PowerLoss { nodes, .. } => format!("{}, bus", these(nodes)),
            Self::Skew { nodes, .. }
            | Self::ClockFreeze { nodes }
            | Self::Pause { nodes }
            | Self::Crash { nodes, .. }
            | Self::SnapshotDamage { nodes, .. }
            | Self::WipeRejoin { nodes }
            | Self::MajorityLost { nodes }
            | Self::RegisterSplit { nodes }
            | Self::DiskFull { nodes }
            | Self::DiskSlow { nodes, .. }
            | Self::SlowVerifier { nodes, .. }
            | Self::FailedVerifier { nodes }
            | Self::SilentWorker { nodes }
            | Self::ZombieWorker { nodes }
            | Self::StaleWriter { nodes }
            | Self::BidderStorm { nodes, .. } => these(nodes),
            Self::RegisterLost => name(Node::Register),
            Self::BusRedeliver { .. }
            | Self::BusLate { .. }
            | Self::BusLeaderChange
            | Self::BusAckedThenLost { .. }
            | Self::BusBitFlip { .. } => name(Node::Bus),
            Self::StoreSlow { .. }
            | Self::StoreLose { .. }
            | Self::StoreCorrupt { .. }
            | Self::StoreTwoWinners { .. } => name(Node::Store),
            Self::Etcd(_) => "etcd".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    fn name(node: Node) -> String {
        match node {
            Node::Coordinator(no) => format!("c{no}"),
            Node::Agent(no) => format!("a{no}"),
            Node::Bus => "bus".into(),
            Node::Register => "register".into(),
            Node::Store => "store".into(),
        }
    }

    #[test]
    fn whom_it_hits_is_said_and_no_line_is_endless() {
        let these = |nodes: &[Node]| Nodes::These(nodes.iter().copied().collect());
        let two = these(&[Node::Coordinator(2), Node::Agent(0)]);
        let links = |from: &Nodes, to: &Nodes| Links { from: from.clone(), to: to.clone() };
        let said = |fault: Fault| fault.whom(&name);
        assert_eq!(said(Fault::Pause { nodes: two.clone() }), "c2, a0");
        assert_eq!(said(Fault::Pause { nodes: Nodes::All }), "all");
        assert_eq!(said(Fault::Loss { links: links(&Nodes::All, &Nodes::All), ppm: 1 }), "all links");
        assert_eq!(said(Fault::Loss { links: links(&two, &these(&[Node::Bus])), ppm: 1 }), "c2, a0 to bus");
        let side = BTreeSet::from([Node::Coordinator(1)]);
        assert_eq!(said(Fault::Partition { kind: Kind::PartitionIsolate, side }), "c1 from the rest");
        let first = BTreeSet::from([Node::Coordinator(0)]);
        let second = BTreeSet::from([Node::Coordinator(2)]);
        let swap = Fault::QuorumSwap { first, victim: Node::Coordinator(1), second };
        assert_eq!(said(swap), "c0; then c1 dies; then c2");
        let many = Nodes::These((0..1_000).map(Node::Agent).collect());
        assert_eq!(said(Fault::ClockFreeze { nodes: many.clone() }), "a0, a1, a2, a3, a4, a5, a6, a7, 992 others");
        let cuts = Fault::Cuts { kind: Kind::PartitionBridge, links: vec![links(&many, &many); 50] };
        assert!(said(cuts).ends_with("; 42 other links"));
    }
}
