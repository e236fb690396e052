//! What a register that was founded anew kept: where each of its threads ends (PROTOCOL 5: Restore).
//!
//! A register has thousands of threads, and the mandate that founds it anew stands in every one of them. So the mandate names
//! its base by one digest, the root of a tree, and the heads travel beside it in pieces. Each piece proves that it has its place
//! in the tree, so nobody can bring a false one, and they may come in any order, from anybody. Whoever has all of them
//! knows also which threads were not kept; whoever has fewer decides nothing that rests on it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, Seq, Thread};
use crate::register::Chain;
use crate::reject::Reject;
use crate::wire::canonical;

/// Threads in a piece: it travels in one MEMBER, beside the mandate with the newcomers' MANIFESTs.
pub const PIECE_MAX: usize = 64;

/// Pieces of a base: of 65,536 threads that are not over, a few mebibytes that everyone hears once.
pub const PIECES_MAX: u32 = 1_024;

/// Where a generation of the register that was founded anew begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The generation.
    pub generation: u32,
    /// How far each thread reaches that was kept; all others begin with the generation.
    pub heads: BTreeMap<Thread, Chain>,
}

/// Names a base: all its heads, and how many pieces they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// Digest over all pieces; zero if there is none.
    pub digest: Digest,
    /// How many pieces there are.
    pub pieces: u32,
}

/// A part of a base that proves itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Its place among the pieces, from 0.
    pub at: u32,
    /// Its heads, in the order of the threads. As a map of texts they would have to stand in the order of the texts, which is another.
    pub heads: Vec<(Thread, Chain)>,
    /// What stands beside it on the way to the root, from below; nothing where the last of a row stands alone.
    pub path: Vec<Digest>,
}

impl Base {
    /// How far `thread` was kept.
    pub fn of(&self, thread: Thread) -> Chain {
        self.heads.get(&thread).copied().unwrap_or_default()
    }

    /// What names it.
    pub fn root(&self) -> Root {
        let pieces = self.cut();
        let mut row: Vec<Digest> = pieces.iter().map(|heads| leaf(heads)).collect();
        while row.len() > 1 {
            row = above(&row);
        }
        Root { digest: row.first().copied().unwrap_or_default(), pieces: pieces.len() as u32 }
    }

    /// It in pieces, with their proofs.
    pub fn pieces(&self) -> Vec<Piece> {
        let heads = self.cut();
        let mut rows: Vec<Vec<Digest>> = Vec::from([heads.iter().map(|heads| leaf(heads)).collect()]);
        while let Some(row) = rows.last().filter(|row| row.len() > 1) {
            rows.push(above(row));
        }
        let path =
            |at: usize| rows.iter().enumerate().filter_map(|(up, row)| row.get((at >> up) ^ 1).copied()).collect();
        let piece = |(at, heads)| Piece { at: at as u32, heads, path: path(at) };
        heads.into_iter().enumerate().map(piece).collect()
    }

    /// The heads of each piece.
    fn cut(&self) -> Vec<Vec<(Thread, Chain)>> {
        let heads: Vec<(Thread, Chain)> = self.heads.iter().map(|(thread, chain)| (*thread, *chain)).collect();
        heads.chunks(PIECE_MAX).map(<[_]>::to_vec).collect()
    }
}

impl Piece {
    /// Whether it is a part of the base that `root` names.
    ///
    /// # Errors
    /// [`Reject::Oversize`] if it has more heads than a piece has, [`Reject::OutOfBounds`] if there is no such place,
    /// [`Reject::NoEvidence`] if its path does not lead to the root.
    pub fn check(&self, root: &Root) -> Result<(), Reject> {
        if self.heads.len() > PIECE_MAX || root.pieces > PIECES_MAX {
            return Err(Reject::Oversize);
        }
        if self.at >= root.pieces {
            return Err(Reject::OutOfBounds);
        }
        let (mut at, mut of, mut reached) = (self.at, root.pieces, leaf(&self.heads));
        let mut path = self.path.iter();
        while of > 1 {
            if at ^ 1 < of {
                let beside = path.next().ok_or(Reject::NoEvidence)?;
                reached = if at % 2 == 0 { node(&reached, beside) } else { node(beside, &reached) };
            }
            (at, of) = (at / 2, of.div_ceil(2));
        }
        if path.next().is_some() || reached != root.digest {
            return Err(Reject::NoEvidence);
        }
        Ok(())
    }
}

fn leaf(heads: &[(Thread, Chain)]) -> Digest {
    Digest::of("swarm/base-piece", &[&canonical::to_vec(heads)])
}

fn node(left: &Digest, right: &Digest) -> Digest {
    Digest::of("swarm/base-node", &[&left.0, &right.0])
}

/// The row above: two and two; the last of an odd row goes up as it is.
fn above(row: &[Digest]) -> Vec<Digest> {
    let pair = |pair: &[Digest]| match pair {
        [left, right] => node(left, right),
        alone => alone[0],
    };
    row.chunks(2).map(pair).collect()
}

/// The pieces of one base that have come.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    come: BTreeSet<u32>,
    heads: BTreeMap<Thread, Chain>,
}

impl Gathered {
    /// Takes a piece that was checked against the root. Once is enough.
    pub fn take(&mut self, piece: &Piece) {
        if self.come.insert(piece.at) {
            self.heads.extend(piece.heads.iter().copied());
        }
    }

    /// The base, once every piece has come. What was not cut as a base is cut is none: it could be read in more than one way.
    pub fn whole(&self, generation: u32, root: &Root) -> Option<Arc<Base>> {
        if self.come.len() < root.pieces as usize {
            return None;
        }
        let base = Base { generation, heads: self.heads.clone() };
        (base.root() == *root).then(|| Arc::new(base))
    }
}

/// How far `thread` was kept where `generation` begins. Where its base is not known, that is nothing: then none of those is heard
/// who served the lost generation.
pub(crate) fn kept(bases: &[Arc<Base>], generation: u32, thread: Thread) -> Seq {
    bases.iter().find(|base| base.generation == generation).map_or(Seq(0), |base| base.of(thread).seq)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AgentId, NeedId, Nonce};

    fn base(threads: u64) -> Base {
        let head = |n: u64| {
            let thread = Thread::Need(NeedId::of(&AgentId([7; 32]), Nonce(n)));
            (thread, Chain { head: Digest::sha256(&n.to_be_bytes()), seq: Seq(n + 1) })
        };
        Base { generation: 1, heads: (0..threads).map(head).collect() }
    }

    fn gathered<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> Gathered {
        let mut gathered = Gathered::default();
        pieces.into_iter().for_each(|piece| gathered.take(piece));
        gathered
    }

    #[test]
    fn a_base_of_any_size_is_whole_when_all_its_pieces_have_come() {
        for threads in [0, 1, 63, 64, 65, 129, 193, 257, 1_000] {
            let base = base(threads);
            let (root, pieces) = (base.root(), base.pieces());
            assert_eq!(root.pieces as usize, (threads as usize).div_ceil(PIECE_MAX));
            assert_eq!(pieces.len(), root.pieces as usize);
            assert!(pieces.iter().all(|piece| piece.check(&root) == Ok(())));
            // In any order, each as often as one likes.
            let whole = gathered(pieces.iter().rev().chain(&pieces)).whole(1, &root);
            assert_eq!(whole.as_deref(), Some(&base), "{threads} threads");
            for lacks in 0..pieces.len() {
                let some = pieces.iter().filter(|piece| piece.at as usize != lacks);
                assert_eq!(gathered(some.chain(&pieces[..lacks])).whole(1, &root), None, "{lacks} of {threads}");
            }
        }
    }

    #[test]
    fn a_piece_that_is_no_part_of_the_base_is_refused_by_name() {
        let (base, mut other) = (base(1_000), base(1_000));
        other.heads.values_mut().for_each(|chain| chain.seq = chain.seq.next());
        let (root, pieces) = (base.root(), base.pieces());
        let check = |change: &dyn Fn(&mut Piece)| {
            let mut piece = pieces[5].clone();
            change(&mut piece);
            piece.check(&root)
        };
        assert_eq!(check(&|_| {}), Ok(()));
        assert_eq!(check(&|piece| piece.at = 6), Err(Reject::NoEvidence), "another's place");
        assert_eq!(check(&|piece| piece.at = 16), Err(Reject::OutOfBounds));
        assert_eq!(check(&|piece| piece.path[1] = Digest::default()), Err(Reject::NoEvidence));
        assert_eq!(check(&|piece| piece.path.truncate(3)), Err(Reject::NoEvidence));
        assert_eq!(check(&|piece| piece.path.push(Digest::default())), Err(Reject::NoEvidence), "a longer way");
        assert_eq!(check(&|piece| piece.heads.truncate(63)), Err(Reject::NoEvidence), "one is left out");
        let lie = |piece: &mut Piece| piece.heads.iter_mut().for_each(|(_, chain)| chain.head = Digest::default());
        assert_eq!(check(&lie), Err(Reject::NoEvidence));
        assert_eq!(check(&|piece| piece.heads.extend(&pieces[6].heads)), Err(Reject::Oversize));
        assert_eq!(other.pieces()[5].check(&root), Err(Reject::NoEvidence), "of another mandate's base");
        // The two halves of an inner place are no piece.
        assert_eq!(check(&|piece| piece.path = piece.path.split_off(1)), Err(Reject::NoEvidence));
        assert_eq!(pieces[5].check(&Root { pieces: PIECES_MAX + 1, ..root }), Err(Reject::Oversize));
    }

    /// Whoever signs a mandate could cut a base so that two pieces speak of one thread: which one counts would hang on who
    /// comes first.
    #[test]
    fn what_is_not_cut_as_a_base_is_cut_is_never_whole() {
        let heads: Vec<(Thread, Chain)> = base(2).heads.into_iter().collect();
        let rows: Vec<Digest> = [leaf(&heads), leaf(&heads)].into();
        let root = Root { digest: above(&rows)[0], pieces: 2 };
        let piece = |at: u32| Piece { at, heads: heads.clone(), path: [rows[0]].into() };
        let both = [piece(0), piece(1)];
        assert!(both.iter().all(|piece| piece.check(&root) == Ok(())));
        assert_eq!(gathered(&both).whole(1, &root), None);
    }
}
