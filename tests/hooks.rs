//! Steps outside the graph: who is called when a run fails, and who at its end.

use crate::yard::Yard;

/// Every hook writes its name behind the others'; `ok.txt` decides whether the step succeeds.
const HOOKED: &str = r##"
version: 1
name: hooked
check: baseline
steps:
  first: {run: test -e ok.txt, cache: false}
  second: {run: "true", needs: [first], cache: false}
on_failure:
  - notify.oncall
  - {name: tell, run: 'echo "tell: first $FIRST" >> ledger.txt; exit 3', env: {FIRST: "${{ steps.first.status }}"}}
finally:
  - {name: cleanup, run: echo cleanup >> ledger.txt}
notify:
  oncall: {type: slack, channel: "#ml-oncall", secret: slack_token}
"##;

#[test]
fn a_failed_run_calls_its_hooks_ahead_of_the_last_ones_and_stays_failed() {
    let yard = Yard::with(HOOKED);
    let run = yard.trainyard(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(yard.read("ledger.txt"), "tell: first failed\ncleanup\n");
    assert!(run.err.contains("error: hook `tell` failed"), "{run}");
    assert!(!run.err.contains("Not obeyed"), "{run}");
    assert!(
        run.err
            .contains("1 of 1 could not be delivered yet; see `trainyard notices list`"),
        "the channel's secret is not set: {run}"
    );
}

#[test]
fn a_retry_that_succeeds_does_not_call_the_hooks_of_a_failed_run_again() {
    let yard = Yard::with(HOOKED);
    let failed = yard.trainyard(&["run", "pipeline.yaml"]);
    assert_eq!(failed.code, Some(1), "{failed}");
    yard.write("ok.txt", "");
    let runs = yard.json(&["runs", "list"]);
    let id = runs[0]["run"].as_str().unwrap();
    let retried = yard.trainyard(&["runs", "retry", id]);
    assert_eq!(retried.code, Some(0), "{retried}");
    assert_eq!(yard.read("ledger.txt"), "tell: first failed\ncleanup\ncleanup\n");
    let shown = yard.trainyard(&["runs", "show", id]);
    assert!(shown.out.contains("no step failed the run"), "{shown}");
}

#[test]
fn a_plan_names_the_hooks_of_a_failed_run() {
    let yard = Yard::with(HOOKED);
    let plan = yard.trainyard(&["plan", "pipeline.yaml"]);
    assert!(
        plan.out.contains("Hook     tell, on failure of the run\n"),
        "{plan}"
    );
    assert_eq!(
        yard.json(&["plan", "pipeline.yaml"])["on_run_failure"],
        serde_json::json!(["tell"])
    );
}
