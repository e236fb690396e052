//! How a random value is drawn from a stream. Nothing here may depend on the width of a machine
//! word or on a library's idea of "uniform", or a seed would change its meaning with an upgrade.

use rand_core::Rng;

/// A closed range; a fixed value is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Between<T> {
    /// The least value, itself possible.
    pub min: T,
    /// The greatest value, itself possible. Never below `min`.
    pub max: T,
}

impl<T: Copy> Between<T> {
    /// The range that holds only `value`.
    pub const fn one(value: T) -> Self {
        Self { min: value, max: value }
    }
}

/// Integers that can be drawn from a range.
pub(crate) trait Drawn: Copy + Into<i128> {
    fn from_i128(value: i128) -> Self;
}

macro_rules! drawn {
    ($($t:ty),*) => {$(
        impl Drawn for $t {
            fn from_i128(value: i128) -> Self {
                Self::try_from(value).expect("a drawn value lies between two values of its type")
            }
        }
    )*};
}
drawn!(u32, u64, i32, i64);

impl<T: Copy> Between<T> {
    /// One value, all equally likely. Takes from the stream even for a range of one, so that
    /// fixing a parameter does not reshuffle what is drawn after it. A range that runs backwards
    /// counts as its `min` alone.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> T
    where
        T: Drawn,
    {
        let (min, max): (i128, i128) = (self.min.into(), self.max.into());
        let width = u64::try_from((max - min).max(0)).unwrap_or(u64::MAX);
        T::from_i128(min + i128::from(up_to(rng, width)))
    }
}

/// A value in `0..=max` without bias: draws beyond the last whole multiple are drawn again.
pub(crate) fn up_to(rng: &mut impl Rng, max: u64) -> u64 {
    let Some(count) = max.checked_add(1) else {
        return rng.next_u64();
    };
    let biased_from = u64::MAX - (u64::MAX % count + 1) % count;
    loop {
        let value = rng.next_u64();
        if value <= biased_from {
            return value % count;
        }
    }
}

/// Fisher and Yates' shuffle.
pub(crate) fn shuffle<T>(rng: &mut impl Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let other = usize::try_from(up_to(rng, last as u64)).expect("below a slice's length");
        items.swap(last, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    proptest! {
        #[test]
        fn a_drawn_value_lies_in_its_range(seed: u64, a: i64, b: i64) {
            let range = Between { min: a.min(b), max: a.max(b) };
            let value = range.draw(&mut ChaCha8Rng::seed_from_u64(seed));
            prop_assert!(range.min <= value && value <= range.max);
        }
    }

    #[test]
    fn the_ends_are_possible_and_every_value_is_about_as_likely() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut seen = [0u32; 5];
        for _ in 0..5_000 {
            seen[usize::try_from(Between { min: 0u32, max: 4 }.draw(&mut rng)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|n| (800..1_200).contains(n)), "{seen:?}");
    }

    #[test]
    fn a_fixed_value_takes_as_much_from_the_stream_as_a_range() {
        let (mut a, mut b) = (ChaCha8Rng::seed_from_u64(3), ChaCha8Rng::seed_from_u64(3));
        Between::one(5u64).draw(&mut a);
        Between { min: 0u64, max: 7 }.draw(&mut b);
        assert_eq!(a.next_u64(), b.next_u64());
    }
}
