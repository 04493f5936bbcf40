//! What is asked of runs against how long they have taken: the next tick (S10) and the SLA (S07).
//!
//! Why: with `on_limit: skip` a tick that comes while a run is still going is lost, and with it a day's or
//! an hour's work; an SLA that every second run breaks tells nobody anything.
//!
//! ```yaml
//! triggers: {often: {type: schedule, cron: "*/5 * * * *", timezone: UTC}}
//! concurrency: {limit: 1, on_limit: skip}     # S10/tick-lost, if runs take 12 minutes
//! sla: {max_duration: 10m}                    # S07/sla-below-past
//! ```

use super::{Scene, found};
use crate::pipeline::History;
use crate::pipeline::spec::Trigger;
use crate::pipeline::spec::policy::OnLimit;
use crate::plan::spoken;
use crate::trigger::Schedule;
use trainyard_contract::{Millis, Path, Timestamp};

/// Ticks looked at, of all schedules together.
const TICKS: usize = 1_000;

pub(super) fn run(scene: &mut Scene<'_>, history: &History) {
    let Some(past) = history.runs.get(scene.draft.spec.name.as_str()) else {
        return;
    };
    let Some(median) = past.median() else { return };
    let runs = format!(
        "half of the last {} runs took {} or more",
        past.count(),
        spoken(median)
    );
    sla(scene, median, &runs);
    ticks(scene, history.now, median, &runs);
}

fn sla(scene: &mut Scene<'_>, median: Millis, runs: &str) {
    let draft = scene.draft;
    let Some(longest) = draft.spec.sla.as_ref().and_then(|sla| sla.max_duration) else {
        return;
    };
    if longest.0 >= median {
        return;
    }
    let span = draft.span(scene.sources, &Path::root().key("sla").key("max_duration"));
    scene.add(
        found(
            "S07/sla-below-past",
            span,
            format!("the SLA allows {}, and {runs}", spoken(longest.0)),
        )
        .label("most runs are late")
        .help("make the runs faster, or promise what they keep"),
    );
}

fn ticks(scene: &mut Scene<'_>, now: Timestamp, median: Millis, runs: &str) {
    let draft = scene.draft;
    let Some(concurrency) = draft.spec.concurrency.as_ref() else {
        return;
    };
    if concurrency.on_limit != OnLimit::Skip {
        return;
    }
    let schedules = draft
        .spec
        .triggers
        .iter()
        .filter_map(|(name, trigger)| match trigger {
            Trigger::Schedule(spec) => Some((name, Schedule::new(spec).ok()?)),
            _ => None,
        });
    let mut coming: Vec<(Timestamp, &String)> = Vec::new();
    for (name, schedule) in schedules {
        let ticks = schedule.ticks(now).take(TICKS);
        coming.extend(ticks.map(|tick| (tick.at, name)));
    }
    coming.sort();
    coming.truncate(TICKS);
    // As many runs as the limit allows may be going; the one beyond them is lost.
    let limit = usize::try_from(concurrency.limit).unwrap_or(usize::MAX);
    let windows = coming.windows(limit.saturating_add(1));
    let apart = windows.filter_map(|ticks| {
        let ((first, _), (last, trigger)) = (ticks.first()?, ticks.last()?);
        let apart = u64::try_from(last.0.checked_sub(first.0)?).ok()? / 1000;
        Some((Millis(apart), *trigger))
    });
    let apart: Vec<(Millis, &String)> = apart.collect();
    let lost = apart.iter().filter(|(apart, _)| *apart < median).count();
    let Some((shortest, trigger)) = apart.iter().min().filter(|_| lost > 0) else {
        return;
    };
    let when = match limit {
        1 => format!("a tick comes {} after the one before", spoken(*shortest)),
        limit => format!("{} ticks come within {}", limit + 1, spoken(*shortest)),
    };
    let at = Path::root().key("triggers").key(trigger.as_str());
    let span = draft.span(scene.sources, &at.key("cron"));
    let limit_span = draft.span(scene.sources, &Path::root().key("concurrency").key("on_limit"));
    scene.add(
        found(
            "S10/tick-lost",
            span,
            format!("{when}, and {runs}: with `on_limit: skip` it is lost"),
        )
        .label(format!("{lost} of the next {} ticks", apart.len()))
        .also(limit_span, "what comes too early is lost")
        .help("let it wait with `on_limit: queue`, or start less often"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::fixture::{checked_with, project, shown};
    use crate::pipeline::history::PastRuns;

    fn found(cron: &str, more: &str, minutes: &[u64]) -> Vec<String> {
        let text = format!(
            "\
version: 1
name: p
triggers: {{often: {{type: schedule, cron: \"{cron}\", timezone: UTC}}}}
{more}
steps: {{say: {{run: echo}}}}
"
        );
        let durations = minutes.iter().map(|minutes| Millis(minutes * 60_000)).collect();
        let history = History {
            now: Timestamp(1_700_000_000_000_000),
            runs: [("p".parse().unwrap(), PastRuns::new(durations))].into(),
            ..History::default()
        };
        let checked = checked_with(&project(&text), &["pipelines/p.yaml"], &history);
        let shown = shown(&checked);
        let lines = shown.into_iter().zip(&checked.diagnostics);
        let ours = lines.filter(|(line, _)| line.starts_with("S10") || line.starts_with("S07/sla"));
        ours.map(|(line, found)| format!("{line} | {}", found.message))
            .collect()
    }

    const SKIP: &str = "concurrency: {limit: 1, on_limit: skip}";

    #[test]
    fn a_tick_before_the_end_of_most_runs_is_lost() {
        assert_eq!(
            found("*/5 * * * *", SKIP, &[12, 11, 13]),
            [
                "S10/tick-lost 3:42 \"*/5 * * * *\" | a tick comes 5 m after the one before, and half of the last 3 runs \
              took 12 m or more: with `on_limit: skip` it is lost"
            ]
        );
        assert_eq!(found("*/15 * * * *", SKIP, &[12, 11, 13]), Vec::<String>::new());
        assert_eq!(
            found("*/5 * * * *", "concurrency: {limit: 1}", &[12, 11, 13]),
            Vec::<String>::new()
        );
        // Three at once: the fourth comes 15 minutes after the first.
        let three = "concurrency: {limit: 3, on_limit: skip}";
        assert_eq!(found("*/5 * * * *", three, &[12, 11, 13]), Vec::<String>::new());
        assert_eq!(found("*/5 * * * *", three, &[16, 17, 18]).len(), 1);
    }

    #[test]
    fn ticks_at_uneven_times_are_judged_by_the_nearest() {
        let found = found("0,5 * * * *", SKIP, &[12, 11, 13]);
        assert!(found[0].contains("a tick comes 5 m after"), "{found:?}");
    }

    #[test]
    fn an_sla_that_every_second_run_breaks_is_told() {
        let sla = "sla: {max_duration: 10m}";
        assert_eq!(
            found("0 2 * * *", sla, &[12, 11, 9]),
            [
                "S07/sla-below-past 4:21 10m | the SLA allows 10 m, and half of the last 3 runs took 11 m or more"
            ]
        );
        assert_eq!(found("0 2 * * *", sla, &[12, 9, 9]), Vec::<String>::new());
    }

    #[test]
    fn without_a_past_nothing_is_said() {
        let both = format!("{SKIP}\nsla: {{max_duration: 1s}}");
        assert_eq!(found("* * * * *", &both, &[]), Vec::<String>::new());
        assert_eq!(found("* * * * *", &both, &[12, 12]), Vec::<String>::new());
    }
}
