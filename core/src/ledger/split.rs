//! Dividing an amount by weights. Not a credit may be lost or made in a division.

use alloc::vec::Vec;

use crate::id::Credits;

/// `total` in parts proportional to `weights`. The parts sum to the total (T37): each is rounded down, and what is left
/// goes one credit each to the first parts that have any weight. If nobody has any weight all parts are zero, and the
/// caller's sink takes the whole (T40).
pub fn split(total: Credits, weights: &[u64]) -> Vec<Credits> {
    let sum: u128 = weights.iter().copied().map(u128::from).sum();
    if sum == 0 {
        return alloc::vec![Credits(0); weights.len()];
    }
    let part = |w: u64| u64::try_from(u128::from(total.0) * u128::from(w) / sum).expect("a part is at most the total");
    let mut parts: Vec<Credits> = weights.iter().map(|w| Credits(part(*w))).collect();
    let mut left = total.0 - parts.iter().map(|p| p.0).sum::<u64>();
    for (part, _) in parts.iter_mut().zip(weights).filter(|(_, w)| **w > 0) {
        if left == 0 {
            break;
        }
        part.0 += 1;
        left -= 1;
    }
    assert!(left == 0, "rounding down loses less than one credit per part");
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(total: u64, weights: &[u64], expect: &[u64]) {
        assert_eq!(split(Credits(total), weights).iter().map(|c| c.0).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn t37_the_remainder_goes_to_the_first_that_weigh_anything() {
        check(10, &[1, 1, 1], &[4, 3, 3]);
        check(11, &[1, 1, 1], &[4, 4, 3]);
        check(11, &[0, 1, 1], &[0, 6, 5]);
        check(1, &[1, 1_000_000], &[1, 0]);
        check(0, &[5], &[0]);
        check(7, &[0, 0], &[0, 0]);
        check(7, &[], &[]);
        check(u64::MAX, &[u64::MAX, u64::MAX], &[u64::MAX / 2 + 1, u64::MAX / 2]);
    }

    proptest! {
        #[test]
        fn t37_parts_sum_to_the_total(total: u64, weights in prop::collection::vec(prop_oneof![0u64..5, any::<u64>()], 1..20)) {
            let parts = split(Credits(total), &weights);
            let sum: u128 = parts.iter().map(|p| u128::from(p.0)).sum();
            let whole: u128 = weights.iter().copied().map(u128::from).sum();
            prop_assert_eq!(sum, if whole == 0 { 0 } else { u128::from(total) });
            for (part, weight) in parts.iter().zip(&weights) {
                // Nobody is a whole credit away from the exact share.
                let exact = u128::from(total) * u128::from(*weight) / whole.max(1);
                prop_assert!(u128::from(part.0) - exact <= 1);
            }
        }
    }
}
