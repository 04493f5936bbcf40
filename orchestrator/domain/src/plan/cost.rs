//! What a run will cost: cores and memory of each step, for as long as it took before, at the project's
//! prices, held against the budget for one run and for the month.

use super::forecast::{Expected, Span};
use super::{Month, MonthUsage, Plan};
use crate::pipeline::Pipeline;
use crate::pipeline::spec::policy::OnExceed;
use crate::run::RunDefinition;
use serde::Serialize;
use trainyard_contract::Timestamp;

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
    /// The budget for this month and what of it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<MonthCost>,
    /// What becomes of a run beyond its budget.
    #[serde(skip)]
    pub on_exceed: OnExceed,
    pub is_complete: bool,
}

/// Money for a month, at today's prices.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MonthCost {
    pub month: Month,
    /// By attempts that have ended in it, of runs that are over.
    pub spent: f64,
    /// Runs of the pipeline that are not over, each of which counts as much as this one.
    pub under_way: u32,
    pub limit: f64,
}

impl Cost {
    /// Whether the median is above the budget for a run, or above what is left of the month. A run that takes
    /// all its results from earlier ones costs nothing and is beyond no budget.
    pub fn exceeds(&self) -> bool {
        let may_cost = self.p50 > 0.0 || !self.is_complete;
        let beyond =
            |month: &MonthCost| month.spent + self.p50 * f64::from(month.under_way + 1) > month.limit;
        self.per_run.is_some_and(|limit| self.p50 > limit)
            || may_cost && self.month.as_ref().is_some_and(beyond)
    }

    /// What is to be told of a run that is beyond its budget and goes on all the same.
    pub fn warning(&self) -> Option<String> {
        let goes_on = self.exceeds() && self.on_exceed == OnExceed::Notify;
        goes_on.then(|| format!("the run is beyond its budget: {}", self.line()))
    }

    /// Why the budget does not let it run, if so.
    pub fn refusal(&self) -> Option<String> {
        let stops = self.exceeds() && self.on_exceed == OnExceed::Stop;
        stops.then(|| format!("the run would be beyond its budget: {}", self.line()))
    }

    /// In a line: `~ 1.38 USD (p90 1.97) of 5.00 per run; month 61.20 of 120.00`.
    pub fn line(&self) -> String {
        let of = self
            .per_run
            .map_or_else(String::new, |limit| format!(" of {} per run", money(limit)));
        let month = self.month.map_or_else(String::new, |month| {
            let others = match month.under_way {
                0 => String::new(),
                1 => format!(" and 1 run under way at ~ {}", money(self.p50)),
                n => format!(" and {n} runs under way at ~ {} each", money(self.p50)),
            };
            format!("; month {}{others} of {}", money(month.spent), money(month.limit))
        });
        let partly = if self.is_complete {
            ""
        } else {
            "; some steps have no past to go by"
        };
        format!(
            "~ {} {} (p90 {}){of}{month}{partly}",
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

/// Money for a plan of a pipeline, where the project has prices and there is a past to go by, or a budget
/// for the month `now`, of which `used` is gone.
pub fn cost_of(plan: &Plan, pipeline: &Pipeline, now: Timestamp, used: MonthUsage) -> Option<Cost> {
    let prices = pipeline.prices()?;
    let budget = pipeline
        .spec()
        .budget
        .as_ref()
        .filter(|budget| budget.currency == prices.currency);
    let per_month = budget.and_then(|budget| budget.per_month);
    let usage = plan.usage.or(per_month.map(|_| Usage {
        is_complete: plan.forecast.is_none() && !plan.has_work(),
        ..Usage::default()
    }))?;
    // Of milliseconds to hours; a run that takes longer than f64 can tell apart does not exist.
    let hours = |millis: u64| millis as f64 / 3_600_000.0;
    let sum = |cpu: u64, memory: u64| hours(cpu) * prices.cpu_hour + hours(memory) * prices.gib_hour;
    let spent = hours(used.core_ms) * prices.cpu_hour + hours(used.mib_ms) / 1024.0 * prices.gib_hour;
    Some(Cost {
        currency: prices.currency.clone(),
        p50: sum(usage.cpu.p50.0, usage.memory.p50.0),
        p90: sum(usage.cpu.p90.0, usage.memory.p90.0),
        per_run: budget.and_then(|budget| budget.per_run),
        month: per_month.map(|limit| MonthCost {
            month: Month::of(now),
            spent,
            under_way: used.under_way,
            limit,
        }),
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

    fn cost(p50: f64, month: Option<(f64, u32)>) -> Cost {
        Cost {
            currency: "USD".to_owned(),
            p50,
            p90: p50,
            per_run: Some(5.0),
            month: month.map(|(spent, under_way)| MonthCost {
                month: Month::default(),
                spent,
                under_way,
                limit: 120.0,
            }),
            on_exceed: OnExceed::Notify,
            is_complete: true,
        }
    }

    #[test]
    fn a_run_is_held_against_what_is_left_of_the_month() {
        assert_eq!(
            cost(1.38, Some((61.2, 0))).line(),
            "~ 1.38 USD (p90 1.38) of 5.00 per run; month 61.20 of 120.00"
        );
        assert!(!cost(1.0, Some((119.0, 0))).exceeds());
        assert!(cost(1.0, Some((119.5, 0))).exceeds());
        // What is under way will cost about as much.
        assert!(cost(1.0, Some((118.0, 2))).exceeds());
        assert!(
            cost(1.0, Some((118.0, 2)))
                .line()
                .contains("118.00 and 2 runs under way at ~ 1.00 each of 120.00")
        );
        assert!(cost(6.0, Some((0.0, 0))).exceeds());
        // Nothing is left, but nothing is taken.
        assert!(!cost(0.0, Some((130.0, 0))).exceeds());
    }

    #[test]
    fn what_nobody_can_foretell_runs_until_the_month_is_spent() {
        let unknown = |spent| Cost {
            is_complete: false,
            ..cost(0.0, Some((spent, 0)))
        };
        assert!(!unknown(119.0).exceeds());
        assert!(unknown(120.5).exceeds());
    }

    #[test]
    fn a_run_that_goes_on_beyond_its_budget_says_so_and_one_that_stops_does_not_run() {
        let over = cost(6.0, None);
        assert!(over.warning().is_some() && over.refusal().is_none());
        let stopped = Cost {
            on_exceed: OnExceed::Stop,
            ..over
        };
        assert!(stopped.warning().is_none() && stopped.refusal().is_some());
    }

    #[test]
    fn small_sums_are_not_shown_as_nothing() {
        assert_eq!(
            (money(1.375), money(0.0), money(0.00042)),
            ("1.38".into(), "0.00".into(), "0.00042".into())
        );
    }
}
