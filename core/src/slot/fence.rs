//! Where fences come from: nothing outside the slot machine can make a fresh one, and nothing but a grant asks for it.

use crate::id::Fence;

impl Fence {
    /// The fence of the next grant of a task whose last one was this.
    pub(in crate::slot) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_fence_is_greater_than_none_and_than_its_last() {
        assert_eq!(Fence::NONE, Fence::default());
        assert!(Fence::NONE.next() > Fence::NONE);
        assert!(Fence(7).next() > Fence(7));
    }
}
