//! What a run will cost: cores and memory of each step, for as long as it took before, at the project's
//! prices, held against the budget.

use super::Plan;
use super::forecast::{Expected, Span};
use crate::pipeline::Pipeline;
use crate::pipeline::spec::policy::OnExceed;
use crate::run::RunDefinition;
use serde::Serialize;

/// Core-milliseconds and GiB-milliseconds; a step that names no cores counts as one, one that names no
/// memory takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    pub cpu: Span,
    pub memory: Span,
    /// Whether every part of it has a past to go by.
    pub is_complete: bool,
}

/// Money for one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Three letters.
    pub currency: String,
    pub p50: f64,
    pub p90: f64,
    /// The budget's limit for one run.
    pub per_run: Option<f64>,
    /// What becomes of a run whose median is above it.
    #[serde(skip)]
    pub on_exceed: OnExceed,
    pub is_complete: bool,
}

impl Cost {
    /// Whether the median is above the budget.
    pub fn exceeds(&self) -> bool {
        self.per_run.is_some_and(|limit| self.p50 > limit)
    }

    /// Why the budget does not let it run, if so.
    pub fn refusal(&self) -> Option<String> {
        let stops = self.exceeds() && self.on_exceed == OnExceed::Stop;
        stops.then(|| format!("the run would cost more than its budget: {}", self.line()))
    }

    /// In a line: `~ 1.38 USD (p90 1.97) of 5.00 per run`.
    pub fn line(&self) -> String {
        let of = self
            .per_run
            .map_or_else(String::new, |limit| format!(" of {} per run", money(limit)));
        let partly = if self.is_complete {
            ""
        } else {
            "; some steps have no past to go by"
        };
        format!(
            "~ {} {} (p90 {}){of}{partly}",
            money(self.p50),
            self.currency,
            money(self.p90)
        )
    }
}

/// Two places, and more where two would show nothing.
fn money(amount: f64) -> String {
    if amount == 0.0 || amount >= 0.01 {
        format!("{amount:.2}")
    } else {
        format!("{amount:.6}").trim_end_matches('0').to_owned()
    }
}

/// What the instances that run or may run will take.
pub(super) fn usage(definition: &RunDefinition, expected: &[Expected]) -> Option<Usage> {
    const GIB: u64 = 1 << 30;
    let mut usage = Usage {
        is_complete: !expected.contains(&Expected::Unknown),
        ..Usage::default()
    };
    let mut known = false;
    for (instance, expected) in definition.instances.iter().zip(expected) {
        let Expected::Time(span) = expected else { continue };
        known = true;
        let cores = u64::from(instance.limits.cpu.unwrap_or(1));
        let bytes = instance.limits.memory.map_or(0, |size| size.0);
        let more = |sum: &mut Span, of: &dyn Fn(u64) -> u64| {
            sum.p50.0 = sum.p50.0.saturating_add(of(span.p50.0));
            sum.p90.0 = sum.p90.0.saturating_add(of(span.p90.0));
        };
        more(&mut usage.cpu, &|time| time.saturating_mul(cores));
        more(&mut usage.memory, &|time| {
            u64::try_from(u128::from(time) * u128::from(bytes) / u128::from(GIB)).unwrap_or(u64::MAX)
        });
    }
    known.then_some(usage)
}

/// Money for a plan of a pipeline, where the project has prices.
pub fn cost_of(plan: &Plan, pipeline: &Pipeline) -> Option<Cost> {
    let prices = pipeline.prices()?;
    let usage = plan.usage?;
    let budget = pipeline
        .spec()
        .budget
        .as_ref()
        .filter(|budget| budget.currency == prices.currency);
    // Of milliseconds to hours; a run that takes longer than f64 can tell apart does not exist.
    let hours = |millis: u64| millis as f64 / 3_600_000.0;
    let sum = |cpu: u64, memory: u64| hours(cpu) * prices.cpu_hour + hours(memory) * prices.gib_hour;
    Some(Cost {
        currency: prices.currency.clone(),
        p50: sum(usage.cpu.p50.0, usage.memory.p50.0),
        p90: sum(usage.cpu.p90.0, usage.memory.p90.0),
        per_run: budget.and_then(|budget| budget.per_run),
        on_exceed: budget.map(|budget| budget.on_exceed).unwrap_or_default(),
        is_complete: usage.is_complete,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::{definition, step};
    use trainyard_contract::{ByteSize, Millis};

    #[test]
    fn cores_and_memory_are_counted_for_as_long_as_they_are_held() {
        let mut run = definition([step("a"), step("b"), step("c")]);
        run.instances[0].limits.cpu = Some(4);
        run.instances[0].limits.memory = Some(ByteSize(2 << 30));
        let span = |p50, p90| {
            Expected::Time(Span {
                p50: Millis(p50),
                p90: Millis(p90),
            })
        };
        let used = usage(&run, &[span(100, 200), span(10, 10), Expected::Nothing]).unwrap();
        assert_eq!((used.cpu.p50, used.cpu.p90), (Millis(410), Millis(810)));
        assert_eq!((used.memory.p50, used.memory.p90), (Millis(200), Millis(400)));
        assert!(used.is_complete);
        assert_eq!(
            usage(&run, &[Expected::Unknown, Expected::Nothing, Expected::Nothing]),
            None
        );
    }

    #[test]
    fn small_sums_are_not_shown_as_nothing() {
        assert_eq!(
            (money(1.375), money(0.0), money(0.00042)),
            ("1.38".into(), "0.00".into(), "0.00042".into())
        );
    }
}
