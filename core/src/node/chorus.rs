//! What coordinators announce to those who do not apply the register (DECIDE, FINALIZE, RELEASE, INVALIDATE): it is heeded when more
//! than can lie have said it alike, for then one of them is honest.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::id::Digest;

/// Announcements of each seat that are remembered: whoever says more crowds out its own alone.
const REMEMBERED: usize = 4_096;

/// Who said what.
#[derive(Clone, Debug, Default)]
pub(super) struct Chorus {
    said: BTreeMap<Digest, BTreeSet<usize>>,
    by: BTreeMap<usize, VecDeque<Digest>>,
}

impl Chorus {
    /// Whether, now that the holder of `seat` says what has this name, more than `liars` have.
    pub fn heeds(&mut self, name: Digest, seat: usize, liars: usize) -> bool {
        if liars == 0 {
            return true;
        }
        let voices = self.said.entry(name).or_default();
        let new = voices.insert(seat);
        let enough = voices.len() > liars;
        if new {
            let own = self.by.entry(seat).or_default();
            own.push_back(name);
            if own.len() > REMEMBERED
                && let Some(old) = own.pop_front()
                && let Some(voices) = self.said.get_mut(&old)
            {
                voices.remove(&seat);
                if voices.is_empty() {
                    self.said.remove(&old);
                }
            }
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: u32) -> Digest {
        Digest::of_json("name", &n)
    }

    #[test]
    fn one_of_those_who_say_it_is_honest() {
        let mut chorus = Chorus::default();
        assert!(Chorus::default().heeds(name(1), 0, 0), "where nobody lies one is enough");
        assert!(!chorus.heeds(name(1), 4, 2) && !chorus.heeds(name(1), 4, 2), "one voice, however often");
        assert!(!chorus.heeds(name(2), 3, 2), "another thing");
        assert!(!chorus.heeds(name(1), 0, 2));
        assert!(chorus.heeds(name(1), 1, 2) && chorus.heeds(name(1), 2, 2));
    }

    #[test]
    fn whoever_says_too_much_crowds_out_its_own() {
        let mut chorus = Chorus::default();
        assert!(!chorus.heeds(name(0), 1, 1));
        (1..=REMEMBERED as u32 * 2).for_each(|n| assert!(!chorus.heeds(name(n), 0, 1)));
        assert_eq!(chorus.said.len(), REMEMBERED + 1);
        assert!(chorus.heeds(name(0), 2, 1), "the other seat's word is remembered");
    }
}
