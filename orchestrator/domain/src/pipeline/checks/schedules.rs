//! Schedules: their form, and whether any date fits.
//!
//! Why: a schedule that never fires looks like one that simply has not yet.
//!
//! ```yaml
//! nightly: {type: schedule, cron: "0 25 * * *"}    # S01/wrong-format: hours end at 23
//! monthly: {type: schedule, cron: "0 2 30 2 *"}    # S05/cron-never-fires
//! ```

use super::{Finding, Scene, found};
use crate::diagnostic::Fix;
use crate::pipeline::spec::Trigger;
use crate::trigger::{Schedule, ScheduleFault};
use trainyard_contract::Path;

pub(super) fn run(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    for (name, trigger) in &draft.spec.triggers {
        let Trigger::Schedule(spec) = trigger else {
            continue;
        };
        let at = Path::root().key("triggers").key(name);
        match Schedule::new(spec) {
            // The schema says so already.
            Err(fault) if matches!(fault.at.as_slice(), [] | ["timezone"]) => {}
            Err(fault) => {
                let finding = faulty(scene, &at, fault);
                scene.add(finding);
            }
            Ok(schedule) if schedule.fires() => {}
            Ok(_) => {
                let (key, what) = match &spec.cron {
                    Some(cron) => ("cron", format!("`{cron}` names no date that exists")),
                    None => ("calendar", "no month has that many days of work".to_owned()),
                };
                let span = draft.span(scene.sources, &at.key(key));
                let finding = found("S05/cron-never-fires", span, what).label("never fires");
                scene.add(match &spec.cron {
                    Some(_) => finding.help("these months do not have these days"),
                    None => finding.help("count from the end: -1 is the last"),
                });
            }
        }
    }
}

fn faulty(scene: &Scene<'_>, trigger: &Path, fault: ScheduleFault) -> Finding {
    let mut at = trigger.clone();
    for key in &fault.at {
        at = at.key(*key);
    }
    if let Some(index) = fault.index {
        at = at.index(index);
    }
    let is_key = fault.at == ["dst"];
    let span = if is_key {
        scene.draft.key_span(scene.sources, &at)
    } else {
        scene.draft.span(scene.sources, &at)
    };
    let (code, label) = match fault.at.as_slice() {
        ["cron"] => ("S01/wrong-format", "not a cron expression"),
        ["anchor"] if fault.message.contains("not a date") => ("S01/wrong-format", "not a date and time"),
        ["calendar", "holidays"] => ("S01/wrong-format", "not a date"),
        ["dst" | "anchor"] => ("S01/exclusive-keys", "has no effect"),
        _ => ("S01/wrong-value", "makes no sense"),
    };
    let mut finding = found(code, span, fault.message).label(label);
    if let Some(help) = fault.help {
        finding = finding.help(help);
    }
    if let Some(fix) = fault.fix {
        // Stars and commas mean something to YAML.
        let replacement = format!("\"{fix}\"");
        finding.0.fix = Some(Fix { span, replacement });
    }
    finding
}
