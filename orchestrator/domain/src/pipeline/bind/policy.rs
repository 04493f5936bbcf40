//! Retry, limits and reuse: the step's own words, then the pipeline's defaults, then the project's.

use crate::pipeline::Pipeline;
use crate::pipeline::spec::{Cache, CachePart, Defaults, Duration, Resources, Retry};
use crate::run::definition::{CachePolicy, RetryPolicy};
use crate::run::{FinishBy, RunBounds};
use trainyard_contract::task::Limits;

impl Pipeline {
    /// Defaults, the nearest first.
    fn defaults(&self) -> impl Iterator<Item = &Defaults> {
        std::iter::once(&self.spec.defaults).chain(self.project.as_ref().map(|project| &project.defaults))
    }

    pub(super) fn retry(&self, own: Option<&Retry>) -> RetryPolicy {
        let mut policy = RetryPolicy::default();
        let mut all: Vec<&Retry> = self
            .defaults()
            .filter_map(|defaults| defaults.retry.as_ref())
            .collect();
        all.reverse();
        all.extend(own);
        for retry in all {
            policy.max_attempts = retry.max_attempts.unwrap_or(policy.max_attempts);
            policy.backoff = retry.backoff.unwrap_or(policy.backoff);
            policy.delay = retry.delay.map_or(policy.delay, |delay| delay.0);
            policy.factor = retry.factor.unwrap_or(policy.factor);
            policy.max_delay = retry.max_delay.map_or(policy.max_delay, |delay| delay.0);
            policy.jitter = retry.jitter.unwrap_or(policy.jitter);
            if let Some(when) = &retry.when {
                policy.when.clone_from(when);
            }
        }
        policy
    }

    /// The pool of a step that names `own`.
    pub(super) fn pool<'a>(&'a self, own: Option<&'a str>) -> Option<&'a str> {
        own.or_else(|| self.defaults().find_map(|defaults| defaults.pool.as_deref()))
    }

    pub(super) fn limits(&self, timeout: Option<Duration>, own: Option<&Resources>) -> Limits {
        let resources: Vec<&Resources> = own
            .into_iter()
            .chain(self.defaults().filter_map(|defaults| defaults.resources.as_ref()))
            .collect();
        Limits {
            timeout: timeout
                .or_else(|| self.defaults().find_map(|defaults| defaults.timeout))
                .map(|timeout| timeout.0),
            memory: resources.iter().find_map(|known| known.memory).map(|size| size.0),
            cpu: resources.iter().find_map(|known| known.cpu),
            log: resources.iter().find_map(|known| known.log).map(|size| size.0),
        }
    }

    pub(super) fn bounds(&self) -> RunBounds {
        let sla = self.spec.sla.as_ref();
        let finish_by = sla.and_then(|sla| {
            Some(FinishBy {
                time: sla.finish_by.clone()?,
                timezone: sla.timezone.clone().unwrap_or_else(|| "UTC".to_owned()),
            })
        });
        RunBounds {
            timeout: self.spec.timeout.map(|timeout| timeout.0),
            max_duration: sla.and_then(|sla| Some(sla.max_duration?.0)),
            finish_by,
            on_breach: sla.map(|sla| sla.on_breach.clone()).unwrap_or_default(),
            expected: None,
            over_budget: None,
        }
    }

    /// Steps with effects are reused only if they say so themselves.
    pub(super) fn cache(&self, own: Option<&Cache>, has_effect: bool) -> CachePolicy {
        let shared = if has_effect {
            None
        } else {
            self.defaults().find_map(|defaults| defaults.cache.as_ref())
        };
        match own.or(shared) {
            None if has_effect => CachePolicy::Off,
            None | Some(Cache::Switch(true)) => CachePolicy::On {
                code: true,
                inputs: true,
                with: true,
                ttl: None,
            },
            Some(Cache::Switch(false)) => CachePolicy::Off,
            Some(Cache::Rule(rule)) => {
                let has = |part: CachePart| rule.key.as_ref().is_none_or(|key| key.contains(&part));
                CachePolicy::On {
                    code: has(CachePart::Code),
                    inputs: has(CachePart::Inputs),
                    with: has(CachePart::With),
                    ttl: rule.ttl.map(|ttl| ttl.0),
                }
            }
        }
    }
}
