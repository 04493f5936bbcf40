//! Rules about what happens when a pipeline runs: resources, secrets, effects, time and money.

use super::Rule;
use trainyard_contract::Severity;

const fn warning(
    code: &'static str,
    title: &'static str,
    why: &'static str,
    bad: &'static str,
    good: &'static str,
) -> Rule {
    Rule {
        code,
        title,
        severity: Severity::Warning,
        why,
        bad,
        good,
    }
}

pub(super) static RULES: &[Rule] = &[
    Rule {
        code: "S11/channel",
        title: "a channel can never carry a notice",
        severity: Severity::Error,
        why: "Where its notices go cannot be reached, must not be, or is not said: a URL without a host, one with a password in it, one of this machine or a private network that the channel does not allow itself, a file outside the project, a mail without a server.",
        bad: "notify: {hub: {type: webhook, url: \"http://169.254.169.254/hook\"}}",
        good: "notify: {hub: {type: webhook, url: \"https://hub.example.com/hook\", secret: hub_key}}",
    },
    warning(
        "C01/over-budget",
        "a run would cost more than its budget",
        "Cores and memory of each step that would run, for as long as such steps took before, at the prices of `trainyard.yaml`. Where the median is above `per_run`, or this month (UTC) has less than that left of `per_month`, the run is stopped, waits for approval, or goes on with a warning, as `on_exceed` says; `plan` shows the sums.",
        "budget: {per_run: 0.50, currency: USD}   # the forecast is 1.38",
        "budget: {per_run: 2.00, currency: USD, on_exceed: require_approval}",
    ),
    warning(
        "S07/too-large",
        "a step asks for more than the machine has",
        "Attempts start when the cores and memory that they declare are free. One that declares more than there is gets all there is, which is less than it says it needs. What there is stands in `trainyard.yaml` as `machine: {cpu: 8, memory: 32Gi}`; without it nothing is said.",
        "resources: {cpu: 64}   # machine: {cpu: 8, memory: 32Gi}",
        "resources: {cpu: 8}",
    ),
    warning(
        "S07/timeout-over-sla",
        "a step may take longer than the whole run should",
        "The step would be ended for being late only when the run is late already.",
        "sla: {max_duration: 1h}\nsteps:\n  train: {timeout: 2h, …}",
        "sla: {max_duration: 1h}\nsteps:\n  train: {timeout: 40m, …}",
    ),
    warning(
        "S08/secret-in-log",
        "a script writes a secret to the log",
        "Logs are kept and shown to everybody who may see the run. The mask over them knows a secret only as it is: cut, joined or encoded it passes. `echo` and `printf` of a variable from `secrets:`, the whole environment, and the shell's trace (`set -x`) are found.",
        "secrets: {TOKEN: warehouse_token}\nrun: |\n  echo \"using $TOKEN\"",
        "secrets: {TOKEN: warehouse_token}\nrun: |\n  echo \"token is ${TOKEN:+set}\"",
    ),
    warning(
        "S08/secret-in-output",
        "a script writes a secret into an output or the metrics",
        "Artifacts and metrics are kept under their content's hash, shared by every run that reuses them, and shown.",
        "secrets: {TOKEN: warehouse_token}\nrun: echo \"{\\\"token\\\": \\\"$TOKEN\\\"}\" > \"$OUT_config\"",
        "secrets: {TOKEN: warehouse_token}\nrun: fetch --token-from-env TOKEN > \"$OUT_rows\"",
    ),
    warning(
        "S08/secret-in-file",
        "a secret stands in the file",
        "Whoever may read the repository has it, now and in every copy of its history; the run keeps its definition, too. Keys and tokens are known by their form, passwords by the name of their key or their place in a URL.",
        "env: {DB_PASSWORD: hunter2}",
        "secrets: {DB_PASSWORD: warehouse_password}",
    ),
    warning(
        "S08/secret-in-parameter",
        "an expression hands a secret on as a value",
        "Params and parameters are kept with the run and shown by plan, log, lineage and dashboard; matrix values and paths become names. Secrets reach a process by `secrets:` alone.",
        "triggers: {api: {type: webhook, path: /hooks/x, params: {key: \"${{ event.headers.authorization }}\"}}}",
        "triggers: {api: {type: webhook, path: /hooks/x, auth: {type: bearer, secret: hook_key}}}",
    ),
    warning(
        "S09/effect-retried",
        "a step that changes something outside is tried again without a key",
        "An attempt that timed out may have done its work; the next one does it again: two messages, two payments, two rows. A key that is the same in every attempt lets the receiver tell. Commands that come to the same state however often they run are no fault.",
        "run: curl -X POST https://example.com/tickets\nretry: {max_attempts: 3}",
        "run: curl -X POST -H \"Idempotency-Key: $TRAINYARD_RUN-$TRAINYARD_STEP\" https://example.com/tickets\nretry: {max_attempts: 3}",
    ),
    warning(
        "S09/effect-reused",
        "a step that changes something outside may be reused",
        "A reused step does not run, so what it should change stays as it was. `cache: false` makes it run every time.",
        "run: curl -X POST https://example.com/hook",
        "run: curl -X POST https://example.com/hook\ncache: false",
    ),
    warning(
        "S07/sla-below-past",
        "an SLA is shorter than most runs were",
        "A promise that every second run breaks tells nobody anything. Earlier runs that succeeded say how long they take; without at least three nothing is said.",
        "sla: {max_duration: 10m} # runs take 12 minutes",
        "sla: {max_duration: 30m}",
    ),
    warning(
        "S10/tick-lost",
        "the next tick comes before most runs have ended, and is skipped",
        "With `on_limit: skip` a tick that finds the limit reached starts nothing, ever. Coming ticks of all schedules are held against how long earlier runs took that succeeded; without at least three nothing is said.",
        "concurrency: {limit: 1, on_limit: skip} # every 5 minutes, and runs take 12",
        "concurrency: {limit: 1, on_limit: queue}",
    ),
];
