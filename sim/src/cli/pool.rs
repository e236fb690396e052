//! Many independent pieces of work on all cores, their results taken in order, whoever was done first.
//!
//! Results are handed over by rising number and without gaps, so nothing that is made of them depends on how many worked.
//! Memory is bounded: nobody runs further ahead of the slowest than [`AHEAD_MAX`].

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::cli::CliError;

/// How many results may wait for a slower one before them.
const AHEAD_MAX: u64 = 1_024;
/// How often `tick` is called at least.
const TICK: Duration = Duration::from_millis(100);

/// Does `work` for 0 to `total` on `jobs` threads and hands each result to `take` until it has enough; `tick` is told
/// every now and then how many were taken. Nothing new is begun once `stop` is set.
pub fn in_order<T: Send>(
    jobs: usize,
    total: u64,
    stop: &AtomicBool,
    work: impl Fn(u64) -> T + Sync,
    mut take: impl FnMut(u64, T) -> ControlFlow<()>,
    mut tick: impl FnMut(u64),
) -> Result<(), CliError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build()?;
    let (next, taken, enough) = (&AtomicU64::new(0), &AtomicU64::new(0), &AtomicBool::new(false));
    let over = || enough.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed);
    let worker = &|out: Sender<(u64, T)>| {
        while !over() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= total {
                return;
            }
            while number >= taken.load(Ordering::Relaxed) + AHEAD_MAX && !over() {
                std::thread::sleep(Duration::from_millis(1));
            }
            if out.send((number, work(number))).is_err() {
                return;
            }
        }
    };
    let (out, results) = channel();
    pool.in_place_scope(move |scope| {
        for _ in 0..jobs {
            let out = out.clone();
            scope.spawn(move |_| worker(out));
        }
        drop(out);
        let mut early = BTreeMap::new();
        let mut at = 0;
        loop {
            match results.recv_timeout(TICK) {
                Ok((number, result)) => {
                    early.insert(number, result);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Some(result) = early.remove(&at) {
                let flow = take(at, result);
                at += 1;
                taken.store(at, Ordering::Relaxed);
                if flow.is_break() {
                    enough.store(true, Ordering::Relaxed);
                    return;
                }
            }
            tick(at);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    static GO: AtomicBool = AtomicBool::new(false);

    #[test]
    fn results_come_in_order_whoever_was_first() {
        for jobs in [1, 2, 7] {
            let mut got = Vec::new();
            let work = |n: u64| {
                std::thread::sleep(Duration::from_micros((n * 7919) % 300));
                n * n
            };
            let take = |n, square| {
                got.push((n, square));
                ControlFlow::Continue(())
            };
            in_order(jobs, 300, &GO, work, take, |_| ()).unwrap();
            assert_eq!(got, (0..300).map(|n| (n, n * n)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn it_ends_when_there_is_enough() {
        let mut got = 0;
        let take = |n, ()| {
            got += 1;
            if n == 9 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        in_order(3, u64::MAX, &GO, |_| (), take, |_| ()).unwrap();
        assert_eq!(got, 10);
    }

    #[test]
    fn asked_to_stop_it_gives_what_is_whole() {
        let stop = AtomicBool::new(false);
        let mut got = Vec::new();
        let work = |n: u64| {
            if n == 50 {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let take = |n, ()| {
            got.push(n);
            ControlFlow::Continue(())
        };
        in_order(2, u64::MAX, &stop, work, take, |_| ()).unwrap();
        assert_eq!(got, (0..got.len() as u64).collect::<Vec<_>>());
        assert!((50..60).contains(&got.len()), "{}", got.len());
    }
}
