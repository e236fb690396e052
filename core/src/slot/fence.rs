//! Where fences come from: nothing outside the slot machine can make a fresh one, and nothing but a grant asks for it.

use crate::id::Fence;

impl Fence {
    /// The fence of the next grant of a task whose last one was this, in a register that was last founded anew in
    /// `generation`. What is lost may have given the next ones away: a generation begins above all of them.
    pub(in crate::slot) fn next(self, generation: u32) -> Self {
        let first = if generation == 0 { 0 } else { u64::from(generation) << 32 | 1 };
        Self((self.0 + 1).max(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_fence_is_greater_than_none_and_than_its_last() {
        assert_eq!(Fence::NONE, Fence::default());
        assert!(Fence::NONE.next(0) > Fence::NONE);
        assert!(Fence(7).next(0) > Fence(7));
    }

    #[test]
    fn t78_a_generation_that_was_founded_anew_uses_no_fence_of_the_lost_one() {
        assert_eq!((Fence(7).next(1), Fence(7).next(1).next(1)), (Fence(1 << 32 | 1), Fence(1 << 32 | 2)));
        assert!(Fence(1 << 32 | 9).next(2) > Fence(1 << 32 | 0xffff));
    }
}
