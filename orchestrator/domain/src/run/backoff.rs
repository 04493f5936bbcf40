//! When a failed attempt is tried again.

use super::definition::{Backoff, InstanceIx, RetryPolicy};
use trainyard_contract::{FailureClass, Millis};

/// Times in a row that a worker may die under one instance, whatever its policy says: a worker that
/// is killed is not the step's fault, a step that kills its workers is.
pub(super) const WORKERS_LOST_AT_MOST: u32 = 3;
/// Times in a row that an instance may be lost with its engine before it counts as the cause.
pub(super) const LOSSES_AT_MOST: u32 = 5;

/// Whether to try again after a failure of this class. `counted`: failures that count since the step
/// last began afresh, this one included; `workers_lost`: how many of the last ones in a row were
/// lost workers, this one included.
pub(super) fn tries_again(
    policy: &RetryPolicy,
    class: FailureClass,
    counted: u32,
    workers_lost: u32,
) -> bool {
    let by_policy = policy.when.contains(&class) && counted < policy.max_attempts;
    by_policy || (class == FailureClass::WorkerLost && workers_lost < WORKERS_LOST_AT_MOST)
}

/// The delay before the next attempt, never above `max_delay`.
///
/// With `n` failures so far: `delay`, `delay · n` or `delay · factorⁿ⁻¹`, varied by up to `jitter`
/// of itself up and down. The variation is a hash of seed, instance and attempt: the same run
/// replayed waits as long, and a thousand cells that failed together do not come back together.
pub(super) fn delay(policy: &RetryPolicy, failures: u32, seed: u64, ix: InstanceIx, attempt: u32) -> Millis {
    let base = policy.delay.0 as f64;
    let n = failures.max(1);
    let grown = match policy.backoff {
        Backoff::Constant => base,
        Backoff::Linear => base * f64::from(n),
        Backoff::Exponential => base * policy.factor.max(0.0).powf(f64::from(n - 1)),
    };
    let share = policy.jitter.clamp(0.0, 1.0) * (2.0 * unit(seed, ix, attempt) - 1.0);
    let varied = grown.min(policy.max_delay.0 as f64) * (1.0 + share);
    // A cast from float saturates, and makes 0 of what is no number.
    Millis((varied as u64).min(policy.max_delay.0))
}

/// A number in `0..1` that looks random: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn unit(seed: u64, ix: InstanceIx, attempt: u32) -> f64 {
    let mut bits = seed ^ (u64::from(ix) << 32 | u64::from(attempt)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(backoff: Backoff, jitter: f64) -> RetryPolicy {
        RetryPolicy {
            max_attempts: 9,
            backoff,
            delay: Millis(100),
            factor: 2.0,
            max_delay: Millis(1000),
            jitter,
            when: vec![FailureClass::IoError],
        }
    }

    fn delays(policy: &RetryPolicy) -> Vec<u64> {
        (1..=6).map(|n| delay(policy, n, 7, 0, n).0).collect()
    }

    #[test]
    fn the_delay_grows_as_the_policy_says_up_to_its_limit() {
        assert_eq!(delays(&policy(Backoff::Constant, 0.0)), [100; 6]);
        assert_eq!(
            delays(&policy(Backoff::Linear, 0.0)),
            [100, 200, 300, 400, 500, 600]
        );
        assert_eq!(
            delays(&policy(Backoff::Exponential, 0.0)),
            [100, 200, 400, 800, 1000, 1000]
        );
        assert_eq!(
            delay(&policy(Backoff::Exponential, 0.0), u32::MAX, 7, 0, 1),
            Millis(1000)
        );
    }

    #[test]
    fn jitter_varies_the_delay_both_ways_and_repeats_itself() {
        let policy = policy(Backoff::Constant, 0.5);
        let varied: Vec<u64> = (0..1000).map(|ix| delay(&policy, 1, 7, ix, 1).0).collect();
        assert!(varied.iter().all(|ms| (50..=150).contains(ms)));
        assert!(varied.iter().any(|ms| *ms < 60) && varied.iter().any(|ms| *ms > 140));
        let mean = varied.iter().sum::<u64>() / 1000;
        assert!((95..=105).contains(&mean), "{mean}");
        assert_eq!(
            varied,
            (0..1000)
                .map(|ix| delay(&policy, 1, 7, ix, 1).0)
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn senseless_policies_give_a_delay_within_bounds() {
        for factor in [f64::NAN, f64::INFINITY, -3.0, 0.0] {
            let policy = RetryPolicy {
                factor,
                jitter: f64::NAN,
                ..policy(Backoff::Exponential, 0.0)
            };
            for n in [0, 1, 2, u32::MAX] {
                assert!(delay(&policy, n, 1, 1, 1) <= Millis(1000));
            }
        }
    }

    #[test]
    fn only_listed_classes_are_tried_again_but_a_lost_worker_always_is_a_few_times() {
        let policy = policy(Backoff::Constant, 0.0);
        assert!(tries_again(&policy, FailureClass::IoError, 8, 0));
        assert!(!tries_again(&policy, FailureClass::IoError, 9, 0));
        assert!(!tries_again(&policy, FailureClass::Rejected, 1, 0));
        assert!(tries_again(&policy, FailureClass::WorkerLost, 1, 2));
        assert!(!tries_again(&policy, FailureClass::WorkerLost, 1, 3));
    }
}
