//! Rules about models and what they learn from.

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
        code: "M01/known-too-late",
        title: "a feature is known only after the prediction is made",
        severity: Severity::Error,
        why: "A model that sees the future looks excellent in evaluation and is useless in production. `known_at` of the contract says when a fact exists, `predict_at` when the prediction is made.",
        bad: "predict_at: schedule\nkeep: [dep_delay] # known at departure",
        good: "predict_at: schedule\nkeep: [distance]",
    },
    Rule {
        code: "M02/label-among-features",
        title: "the label, or what it is made of, is among the features",
        severity: Severity::Error,
        why: "The model would learn to copy the answer.",
        bad: "keep: [arr_delay]\nlabel: {name: is_late, expr: \"arr_delay > 15\"}",
        good: "keep: [distance]\nlabel: {name: is_late, expr: \"arr_delay > 15\"}",
    },
    Rule {
        code: "M03/fitted-before-split",
        title: "something was fitted on rows that are later used for testing",
        severity: Severity::Warning,
        why: "Means, encodings and scales that have seen the test rows make the test too easy. Fit after the split, or let the model's own preprocessing do it.",
        bad: "features: {with: {encode: {dest: target}}} # before split",
        good: "train: {with: {preprocess: {dest: target}}}",
    },
    warning(
        "M04/test-rows-in-training",
        "a model learns from, or is chosen by, rows kept for testing",
        "A figure taken on rows that the model has seen says how well it remembers, not how well it predicts. Rows are followed from the `test` side of a split along every table made of them. A last model that learns from all rows after the verdict is no fault.",
        "train: {inputs: {train: split.train, valid: split.test}}\nevaluate: {inputs: {model: train.model, test: split.test}}",
        "train: {inputs: {train: split.train, valid: split.valid}}\nevaluate: {inputs: {model: train.model, test: split.test}}",
    ),
    warning(
        "M04/judged-on-training-rows",
        "a model is judged on rows that it has learned from",
        "The figure is too good, and the gate that looks at it lets everything pass.",
        "evaluate: {inputs: {model: train.model, test: split.train}}",
        "evaluate: {inputs: {model: train.model, test: split.test}}",
    ),
    warning(
        "M04/test-rows-decide-twice",
        "the same test rows take part in more than one decision",
        "Each decision by the same rows is another draw: the best of many looks good by chance. Put all gates into one step; choose among models by `valid` and let `test` have the last word, once. Models that answer different questions do not disturb each other.",
        "judge_a: {inputs: {model: a.model, test: split.test}, with: {gates: [{metric: roc_auc, must_be_at_least: 0.7}]}}\njudge_b: {inputs: {model: b.model, test: split.test}, with: {gates: [{metric: roc_auc, must_be_at_least: 0.7}]}}",
        "judge: {inputs: {model: best.model, baselines: \"train[*].model\", test: split.test}, with: {gates: [{metric: roc_auc, must_be_at_least: 0.7}]}}",
    ),
    Rule {
        code: "M05/random-split",
        title: "rows with a time are split at random",
        severity: Severity::Warning,
        why: "Test rows would lie between training rows, and neighbours in time tell of each other. Split by time.",
        bad: "uses: split.random@v1",
        good: "uses: split.time@v1",
    },
    warning(
        "M06/lag-below-delay",
        "an as-of join looks closer to the event than its data arrive",
        "In training every row is there, in production the newest is as late as the contract's `freshness` allows. A lag of at least that delay makes both see the same, so what was measured is what will be.",
        "# freshness of weather: {max_age: 30h}\nas_of_join: [{table: weather, by: [origin], lag: 24h}]",
        "as_of_join: [{table: weather, by: [origin], lag: 30h}]",
    ),
    Rule {
        code: "M07/not-delivered",
        title: "a feature is there in training, and nothing brings it when the model is asked",
        severity: Severity::Error,
        why: "The model would see gaps, or other values than it has learnt from: training and serving differ. A feature is delivered by the stream's record, by what it is made of, or by a feature view with `online: true` whose keys the record brings.",
        bad: "store: {feature_view: flight_features} # and the stream has no weather",
        good: "store: {feature_view: flight_features, online: true}",
    },
    Rule {
        code: "M08/gate-without-champion",
        title: "a gate compares with a champion that the step does not have",
        severity: Severity::Error,
        why: "The gate could not be decided, and the step would fail. A `?` behind the alias says that there may be none yet, and then the gate passes.",
        bad: "inputs: {model: tune.model, test: split.test}\nwith: {gates: [{metric: roc_auc, compare_to: champion, must_be_at_least: 0}]}",
        good: "inputs: {model: tune.model, test: split.test, champion: \"registry:flight_delay@production?\"}",
    },
    warning(
        "M08/unknown-metric",
        "a gate or an alert goes by a metric that nothing produces",
        "It never has a value, so it never says no. Metrics are those that the evaluation of the model can give and was asked for.",
        "target: {monitor: monitor.monitor, metric: roc_acu}",
        "target: {monitor: monitor.monitor, metric: roc_auc}",
    ),
    warning(
        "M08/no-approval",
        "a model goes to production without anybody's approval",
        "A step that deploys, or that registers a model under `production` or `champion`, runs in `prod`, and nothing above it waits for people. Let it wait for a `gate.approval@v1` step, or give the environment `required_approvals`.",
        "register: {uses: registry.register@v1, with: {name: flight_delay, alias: production}}",
        "approve: {uses: gate.approval@v1, with: {roles: [model_risk]}}\nregister: {needs: [approve], uses: registry.register@v1, with: {name: flight_delay, alias: production}}",
    ),
    warning(
        "M08/no-monitor",
        "a model is deployed in production and nothing watches it",
        "Data drift and models decay; without a monitor nobody hears of it before the damage is done.",
        "deploy: {uses: deploy.endpoint@v1, inputs: {version: register.version}}",
        "deploy: {uses: deploy.endpoint@v1, inputs: {version: register.version}}\nmonitor: {uses: monitor.attach@v1, inputs: {endpoint: deploy.endpoint}}",
    ),
    warning(
        "M08/alert-without-owner",
        "an alert that nobody owns",
        "Everybody's alert is nobody's. The pipeline's or the project's `owner` counts where the alert names none.",
        "alerts: {decay: {actions: [notify.oncall]}}",
        "alerts: {decay: {owner: team-risk, actions: [notify.oncall]}}",
    ),
    warning(
        "M08/alert-without-action",
        "an alert that does nothing",
        "A breach would be kept and nobody would hear of it.",
        "alerts: {decay: {owner: team-risk}}",
        "alerts: {decay: {owner: team-risk, actions: [notify.oncall]}}",
    ),
    warning(
        "M08/production-not-strict",
        "production asks for laxer checks",
        "Production is always checked at level `strict`; another word there is not obeyed. Accept single findings with a reason instead: `# check: ignore=CODE reason`.",
        "environments: {prod: {check: baseline}}",
        "environments: {prod: {check: strict}}",
    ),
    warning(
        "M09/no-fairness-gate",
        "a model uses a protected attribute, and no gate asks for fairness",
        "Columns that a contract classifies `protected` say who somebody is; so do columns derived from them. A model may treat groups differently and look good on average. A gate with `fairness: COLUMN`, or with `slice: COLUMN` and `spread_at_most`, holds the difference of groups against a limit.",
        "keep: [sex, amount]   # sex is protected\ngates: [{metric: roc_auc, must_be_at_least: 0.7}]",
        "keep: [sex, amount]\ngates: [{metric: selection_rate, fairness: sex, ratio_at_least: 0.8}]",
    ),
    warning(
        "M09/missing-seed",
        "a step draws numbers by chance and names no seed",
        "Whoever repeats the run wants the same model, and a change of the default would change it unseen. In scripts nothing is fixed at all: two runs give two results, and reuse hides it.",
        "with: {algorithm: random_forest, label: is_late}",
        "with: {algorithm: random_forest, label: is_late, seed: 42}",
    ),
];
