//! Clocks. Decides what time a node believes it is, and when the world must wake it.
//!
//! A monotonic clock must never go back while its node runs, and a wake must never come before the node's own clock shows the instant asked for.
//! Both hold exactly, because only integers are used: `local = floor(elapsed * rate / 1e6)`.

/// A clock's rate without drift: local nanoseconds per million nanoseconds of the simulated world.
const RATE: u64 = 1_000_000;
/// The slowest clock: a tenth of true speed.
pub const DRIFT_PPM_MIN: i32 = -900_000;
/// The fastest clock: ten times true speed.
pub const DRIFT_PPM_MAX: i32 = 9_000_000;
/// What a true wall clock shows when the simulation starts: 2026-01-01T00:00:00Z.
pub const WALL_START_NS: u64 = 1_767_225_600_000_000_000;

macro_rules! nanoseconds {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// From a count of nanoseconds.
            pub const fn from_ns(ns: u64) -> Self {
                Self(ns)
            }

            /// The count of nanoseconds.
            pub const fn ns(self) -> u64 {
                self.0
            }

            /// This much later; stops at the end of time instead of wrapping.
            pub const fn plus(self, ns: u64) -> Self {
                Self(self.0.saturating_add(ns))
            }

            /// Nanoseconds since `earlier`; 0 if it is not earlier.
            pub const fn since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }
        }
    };
}

nanoseconds! {
    /// True time of the simulated world, from 0. Nodes cannot see it.
    SimTime
}
nanoseconds! {
    /// One node's own monotonic clock. Never goes back within a boot, restarts at boot, means nothing to another node.
    LocalTime
}
nanoseconds! {
    /// One node's wall clock, in Unix nanoseconds. Advisory: it may be wrong, and may jump either way.
    WallTime
}

/// How a node's clocks start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockSpec {
    /// What the monotonic clock shows when the node is added.
    pub offset_ns: u64,
    /// How far the wall clock is from the true one, either way.
    pub wall_offset_ns: i64,
    /// How much too fast both run, between [`DRIFT_PPM_MIN`] and [`DRIFT_PPM_MAX`].
    pub drift_ppm: i32,
}

/// A change of a running clock. None of them takes the monotonic clock back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// Runs this much too fast from now on (bounds as in [`ClockSpec`]).
    Drift {
        /// Parts per million.
        ppm: i32,
    },
    /// Both clocks stand still until their rate is set again, as those of a suspended machine do.
    Freeze,
    /// The monotonic clock (and the wall clock with it) leaps forward.
    Leap {
        /// Nanoseconds.
        ns: u64,
    },
    /// The wall clock alone jumps, either way.
    Wall {
        /// Nanoseconds.
        ns: i64,
    },
}

/// Both clocks of one node: a line through an anchor, in exact integers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    anchor: SimTime,
    local_ns: u64,
    wall_ns: u64,
    rate: u64,
}

impl Clock {
    pub(super) fn new(at: SimTime, spec: ClockSpec) -> Self {
        let wall_ns = WALL_START_NS.saturating_add(at.0).saturating_add_signed(spec.wall_offset_ns);
        Self { anchor: at, local_ns: spec.offset_ns, wall_ns, rate: rate(spec.drift_ppm) }
    }

    #[inline]
    pub(super) fn local(&self, at: SimTime) -> LocalTime {
        LocalTime(self.local_ns.saturating_add(self.run_ns(at)))
    }

    #[inline]
    pub(super) fn wall(&self, at: SimTime) -> WallTime {
        WallTime(self.wall_ns.saturating_add(self.run_ns(at)))
    }

    /// The first moment at which the monotonic clock shows `local` or more; nothing if it lies beyond the end of time.
    #[inline]
    pub(super) fn when(&self, local: LocalTime) -> Option<SimTime> {
        let wanted = local.0.saturating_sub(self.local_ns);
        if self.rate == 0 {
            return (wanted == 0).then_some(self.anchor);
        }
        // e * rate / 1e6 >= wanted, rounded down on the left, exactly when e >= wanted * 1e6 / rate, rounded up; by parts, so that no product overflows.
        let whole = (wanted / self.rate).checked_mul(RATE)?;
        let part = (wanted % self.rate * RATE).div_ceil(self.rate);
        Some(SimTime(self.anchor.0.checked_add(whole)?.checked_add(part)?))
    }

    pub(super) fn change(&mut self, at: SimTime, change: ClockChange) {
        // A new anchor at the present reading: the line may bend here, it cannot step back.
        (self.local_ns, self.wall_ns, self.anchor) = (self.local(at).0, self.wall(at).0, at);
        match change {
            ClockChange::Drift { ppm } => self.rate = rate(ppm),
            ClockChange::Freeze => self.rate = 0,
            ClockChange::Leap { ns } => {
                self.local_ns = self.local_ns.saturating_add(ns);
                self.wall_ns = self.wall_ns.saturating_add(ns);
            }
            ClockChange::Wall { ns } => self.wall_ns = self.wall_ns.saturating_add_signed(ns),
        }
    }

    /// A reboot: the monotonic clock starts again from 0, the wall clock goes on.
    pub(super) fn reboot(&mut self, at: SimTime) {
        (self.wall_ns, self.anchor, self.local_ns) = (self.wall(at).0, at, 0);
    }

    #[inline]
    fn run_ns(&self, at: SimTime) -> u64 {
        let elapsed = at.0.saturating_sub(self.anchor.0);
        (elapsed / RATE).saturating_mul(self.rate).saturating_add(elapsed % RATE * self.rate / RATE)
    }
}

fn rate(drift_ppm: i32) -> u64 {
    assert!(
        (DRIFT_PPM_MIN..=DRIFT_PPM_MAX).contains(&drift_ppm),
        "drift of {drift_ppm} ppm is outside {DRIFT_PPM_MIN}..={DRIFT_PPM_MAX}"
    );
    RATE.strict_add_signed(i64::from(drift_ppm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clock(drift_ppm: i32) -> Clock {
        Clock::new(SimTime(1_000), ClockSpec { offset_ns: 77, wall_offset_ns: -5, drift_ppm })
    }

    #[test]
    fn a_true_clock_keeps_time() {
        let clock = clock(0);
        assert_eq!(clock.local(SimTime(1_500)).ns(), 577);
        assert_eq!(clock.wall(SimTime(1_500)).ns(), WALL_START_NS + 1_495);
        assert_eq!(clock.when(LocalTime(577)), Some(SimTime(1_500)));
        assert_eq!(clock.when(LocalTime(0)), Some(SimTime(1_000)), "what is past is due at once");
    }

    #[test]
    fn drift_is_parts_per_million() {
        assert_eq!(clock(200).local(SimTime(1_000 + 1_000_000_000)).ns(), 77 + 1_000_200_000);
        assert_eq!(clock(-200).local(SimTime(1_000 + 1_000_000_000)).ns(), 77 + 999_800_000);
    }

    #[test]
    fn a_reboot_restarts_the_stopwatch_and_not_the_wall() {
        let mut clock = clock(0);
        clock.reboot(SimTime(9_000));
        assert_eq!(clock.local(SimTime(9_001)).ns(), 1);
        assert_eq!(clock.wall(SimTime(9_001)).ns(), WALL_START_NS + 8_996);
    }

    #[test]
    fn a_frozen_clock_wakes_nobody_and_goes_on_from_where_it_stood() {
        let mut clock = clock(0);
        clock.change(SimTime(2_000), ClockChange::Freeze);
        assert_eq!((clock.local(SimTime(9_000)).ns(), clock.when(LocalTime(1_078))), (1_077, None));
        assert_eq!(clock.when(LocalTime(1_077)), Some(SimTime(2_000)), "what is past is due");
        clock.change(SimTime(9_000), ClockChange::Drift { ppm: 0 });
        assert_eq!(clock.when(LocalTime(1_078)), Some(SimTime(9_001)));
    }

    #[test]
    #[should_panic(expected = "drift of 9000001 ppm")]
    fn an_absurd_drift_is_refused() {
        clock(DRIFT_PPM_MAX + 1);
    }

    #[test]
    fn the_end_of_time_is_not_a_wrap() {
        assert_eq!(clock(DRIFT_PPM_MIN).when(LocalTime(u64::MAX)), None);
        assert_eq!(clock(DRIFT_PPM_MAX).local(SimTime(u64::MAX)).ns(), u64::MAX);
    }

    proptest! {
        #[test]
        fn a_wake_is_never_early_and_never_late(drift in DRIFT_PPM_MIN..=DRIFT_PPM_MAX, wanted in 78_u64..1 << 60) {
            let clock = clock(drift);
            let at = clock.when(LocalTime(wanted)).unwrap();
            prop_assert!(clock.local(at).ns() >= wanted);
            prop_assert!(clock.local(SimTime(at.ns() - 1)).ns() < wanted);
        }

        #[test]
        fn parts_equal_the_whole(drift in DRIFT_PPM_MIN..=DRIFT_PPM_MAX, elapsed in 0_u64..1 << 60) {
            let exact = u128::from(elapsed) * u128::try_from(i64::from(drift) + 1_000_000).unwrap() / 1_000_000;
            prop_assert_eq!(u128::from(clock(drift).run_ns(SimTime(1_000 + elapsed))), exact.min(u128::from(u64::MAX)));
        }

        #[test]
        fn no_change_takes_a_clock_back(steps in proptest::collection::vec((0_u64..1 << 40, DRIFT_PPM_MIN..=DRIFT_PPM_MAX, 0_u64..1 << 40, any::<i64>()), 1..20)) {
            let (mut clock, mut at, mut last) = (clock(0), SimTime(1_000), LocalTime(0));
            for (pause, ppm, ns, wall) in steps {
                at = at.plus(pause);
                for change in [ClockChange::Drift { ppm }, ClockChange::Leap { ns }, ClockChange::Wall { ns: wall }] {
                    prop_assert!(clock.local(at) >= last);
                    last = clock.local(at);
                    clock.change(at, change);
                    prop_assert!(clock.local(at) >= last);
                    last = clock.local(at);
                }
            }
        }
    }
}
