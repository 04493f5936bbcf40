//! Jobs side by side, in an order that does not depend on how long each takes.
//!
//! Jobs are taken in order; a job is chosen by the results of a fixed number of first jobs, and waits
//! until those have ended. So the number of threads decides on time only.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

struct Desk<R, E> {
    next: usize,
    results: Vec<Option<R>>,
    /// How many, from the first, have ended.
    whole: usize,
    failure: Option<E>,
    /// What a worker threw: it goes on in the caller.
    panic: Option<Box<dyn Any + Send>>,
}

/// Carries out `jobs` jobs with `workers` threads: `choose` says what job `place` is, given the results
/// of the first `needs(place)` jobs, `work` does it, and `ended` hears of each result as it comes.
///
/// # Errors
/// The first failure; jobs that have begun are ended, others are not begun.
pub(super) fn run<J, R, E>(
    workers: usize,
    jobs: usize,
    needs: impl Fn(usize) -> usize + Sync,
    choose: impl Fn(usize, &[&R]) -> J + Sync,
    work: impl Fn(usize, J) -> Result<R, E> + Sync,
    ended: impl FnMut(usize, &R) + Send,
) -> Result<Vec<R>, E>
where
    R: Send,
    E: Send,
{
    let desk = Mutex::new(Desk {
        next: 0,
        results: (0..jobs).map(|_| None).collect(),
        whole: 0,
        failure: None,
        panic: None,
    });
    let changed = Condvar::new();
    let ended = Mutex::new(ended);
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, jobs.max(1)) {
            scope.spawn(|| {
                while let Some((place, job)) = take(&desk, &changed, jobs, &needs, &choose) {
                    let result = catch_unwind(AssertUnwindSafe(|| {
                        let result = work(place, job)?;
                        let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                        (*ended)(place, &result);
                        Ok(result)
                    }));
                    let mut desk = open(&desk);
                    match result {
                        Ok(Ok(result)) => {
                            desk.results[place] = Some(result);
                            while desk.results.get(desk.whole).is_some_and(Option::is_some) {
                                desk.whole += 1;
                            }
                        }
                        Ok(Err(error)) => {
                            desk.failure.get_or_insert(error);
                            desk.next = jobs;
                        }
                        // The others must not wait for its result.
                        Err(panic) => {
                            desk.panic.get_or_insert(panic);
                            desk.next = jobs;
                        }
                    }
                    changed.notify_all();
                }
            });
        }
    });
    let desk = desk.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(panic) = desk.panic {
        resume_unwind(panic);
    }
    match desk.failure {
        Some(failure) => Err(failure),
        None => Ok(desk.results.into_iter().flatten().collect()),
    }
}

fn open<R, E>(desk: &Mutex<Desk<R, E>>) -> MutexGuard<'_, Desk<R, E>> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next job, once it can be chosen; none if there are no more.
fn take<J, R, E>(
    desk: &Mutex<Desk<R, E>>,
    changed: &Condvar,
    jobs: usize,
    needs: &impl Fn(usize) -> usize,
    choose: &impl Fn(usize, &[&R]) -> J,
) -> Option<(usize, J)> {
    let mut desk = open(desk);
    loop {
        if desk.next >= jobs {
            return None;
        }
        let place = desk.next;
        let needed = needs(place);
        if desk.whole >= needed {
            desk.next += 1;
            let seen: Vec<&R> = desk.results[..needed].iter().flatten().collect();
            return Some((place, choose(place, &seen)));
        }
        desk = changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each job is the sum of what it was allowed to see, and one.
    fn sums(workers: usize) -> Vec<u64> {
        run(
            workers,
            40,
            |place| (place + 1).saturating_sub(4),
            |_, seen: &[&u64]| {
                seen.iter()
                    .copied()
                    .fold(1u64, |sum, one| sum.wrapping_mul(31).wrapping_add(*one))
            },
            |place, sum| {
                // Some take longer than others.
                let most = (place as u64 * 7_919 % 13) * 20_000;
                (0..most).for_each(|spin| {
                    std::hint::black_box(spin);
                });
                Ok::<u64, ()>(sum)
            },
            |_, _| {},
        )
        .unwrap()
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let one = sums(1);
        assert!(one == sums(2) && one == sums(4));
    }

    #[test]
    fn the_first_failure_ends_it() {
        let begun = std::sync::atomic::AtomicUsize::new(0);
        let found = run(
            2,
            1_000,
            |place| place.saturating_sub(1),
            |place, _: &[&usize]| place,
            |_, place| {
                begun.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if place == 3 { Err("three") } else { Ok(place) }
            },
            |_, _| {},
        );
        assert_eq!(found, Err("three"));
        assert!(begun.into_inner() <= 6);
    }
}
