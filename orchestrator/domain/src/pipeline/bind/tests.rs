use super::*;
use crate::pipeline::fixture::pipeline;
use crate::run::definition::{BoundInput, CachePolicy, Condition, Hook, ParamOrigin, RunnerKind, Upstream};
use serde_json::json;

fn request<'a>(environment: Option<&'a str>, params: &'a BTreeMap<String, String>) -> BindRequest<'a> {
    BindRequest {
        environment,
        params,
        trigger: json!({"type": "manual", "logical_date": "2026-11-22"}),
        seed: 7,
    }
}

fn params(given: &[(&str, &str)]) -> BTreeMap<String, String> {
    given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

const PARAMS: &str = "\
version: 1
name: p
params:
  day: {type: date, default: \"${{ trigger.logical_date }}\"}
  late: {type: integer, default: 15, min: 1, max: 60}
  names: {type: \"list[string]\", default: [a, b]}
environments:
  dev: {vars: {root: data}, params: {names: [a]}}
  prod: {vars: {root: \"s3://bucket\"}}
datasets:
  flights: {path: \"file://./${{ vars.root }}/flights.csv\"}
steps:
  each:
    run: echo
    inputs: {flights: flights}
    matrix: {name: \"${{ params.names }}\", kind: [x, y], fail_fast: false}
    env: {NAME: \"${{ matrix.name }}\", LATE: \"${{ params.late }}\", DAY: \"${{ params.day }}\"}
    outputs: {out: {type: file}}
  all:
    run: echo
    inputs: {outs: \"each[*].out\"}
    env: {STATUS: \"${{ steps.each[0].status }}\"}
";

#[test]
fn a_param_comes_from_the_command_line_before_the_environment_before_its_default() {
    let pipeline = pipeline(PARAMS);
    let none = params(&[]);
    let bound = pipeline.bind(&request(None, &none)).unwrap();
    assert_eq!(bound.environment.as_deref(), Some("dev"), "dev is the default");
    let shown = |name: &str| (bound.params[name].value.clone(), bound.params[name].from);
    assert_eq!(shown("day"), (json!("2026-11-22"), ParamOrigin::Default));
    assert_eq!(shown("names"), (json!(["a"]), ParamOrigin::Environment));
    let given = params(&[("names", "c,d"), ("late", "20")]);
    let bound = pipeline.bind(&request(Some("prod"), &given)).unwrap();
    assert_eq!(bound.params["names"].value, json!(["c", "d"]));
    assert_eq!(bound.params["late"].from, ParamOrigin::CommandLine);
    assert_eq!(bound.params["late"].value, json!(20));
}

#[test]
fn what_the_command_line_says_has_to_fit() {
    let pipeline = pipeline(PARAMS);
    let messages = |environment, given: &[(&str, &str)]| {
        let given = params(given);
        let errors = pipeline.bind(&request(environment, &given)).unwrap_err();
        errors
            .into_iter()
            .map(|error| format!("{}: {}", error.message, error.help.unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        messages(None, &[("lat", "3")]),
        ["there is no param `lat`: did you mean `late`?"]
    );
    assert_eq!(
        messages(None, &[("late", "99")]),
        ["the param `late` is an integer: 99 is more than 60: "]
    );
    assert_eq!(
        messages(None, &[("late", "x")]),
        ["the param `late` is an integer: `x` is not an integer: "]
    );
    assert_eq!(
        messages(Some("prd"), &[]),
        ["there is no environment `prd`: did you mean `prod`?"]
    );
    assert_eq!(
        messages(None, &[("names", "[]")]),
        [
            "the matrix of `each` has no cell: one of its lists is empty: give the list a value, or skip the step by `if`"
        ]
    );
}

#[test]
fn a_matrix_becomes_one_instance_for_every_combination() {
    let pipeline = pipeline(PARAMS);
    let given = params(&[("names", "a,b")]);
    let bound = pipeline.bind(&request(None, &given)).unwrap();
    let names: Vec<&str> = bound
        .instances
        .iter()
        .map(|instance| instance.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "each[name=a,kind=x]",
            "each[name=a,kind=y]",
            "each[name=b,kind=x]",
            "each[name=b,kind=y]",
            "all"
        ]
    );
    let first = &bound.instances[0];
    assert_eq!(
        first.matrix,
        *json!({"name": "a", "kind": "x"}).as_object().unwrap()
    );
    let process = first.process.as_ref().unwrap();
    assert_eq!(process.env["NAME"], "a");
    assert_eq!(process.env["LATE"], "15");
    assert_eq!(process.env["DAY"], "2026-11-22");
    assert!(!first.matrix_limits.unwrap().fail_fast);
    let all = &bound.instances[4];
    let collected = BoundInput::Collected {
        instances: vec![0, 1, 2, 3],
        output: "out".into(),
    };
    assert_eq!(all.inputs["outs"], collected);
    assert_eq!(
        all.upstream[0],
        Upstream {
            instance: 0,
            data: true
        }
    );
    assert_eq!(
        all.process.as_ref().unwrap().env["STATUS"],
        "${{ steps.each[0].status }}",
        "it waits for results"
    );
    assert_eq!(bound.datasets["flights"].location, "data/flights.csv");
}

#[test]
fn an_expression_over_a_step_is_an_edge_of_order_and_not_of_data() {
    let pipeline = pipeline(
        "version: 1\nname: p\nsteps:\n  a: {run: echo, outputs: {ok: {type: boolean}}}\n  b: {run: echo, if: \"${{ steps.a.outputs.ok }}\"}\n  c: {run: echo, needs: [b], if: \"${{ 1 > 2 }}\"}\n",
    );
    let none = params(&[]);
    let bound = pipeline.bind(&request(None, &none)).unwrap();
    assert_eq!(
        bound.instances[1].upstream,
        [Upstream {
            instance: 0,
            data: false
        }]
    );
    assert_eq!(
        bound.instances[1].condition,
        Condition::When("steps.a.outputs.ok".into())
    );
    assert_eq!(bound.instances[2].condition, Condition::Never("1 > 2".into()));
    assert_eq!(
        bound.instances[2].upstream,
        [Upstream {
            instance: 1,
            data: false
        }]
    );
}

#[test]
fn effects_are_not_reused_and_approvals_wait_without_a_limit() {
    let pipeline = pipeline(
        "\
version: 1
name: p
datasets: {flights: {path: data/flights.csv}}
defaults: {timeout: 5m, cache: {key: [code, inputs], ttl: 30d}, retry: {max_attempts: 3, delay: 1s}}
steps:
  train: {uses: train.classifier@v1, inputs: {train: flights}, retry: {max_attempts: 2}}
  register: {uses: registry.register@v1, inputs: {model: train.model}, with: {name: late}}
  approve: {uses: gate.approval@v1, inputs: {version: register.version}, timeout: 2d, with: {roles: [lead], min_approvals: 2, not_author: true}}
finally:
  - {uses: cleanup.temp@v1}
on_failure:
  - notify.oncall
  - {run: echo failed}
notify:
  oncall: {type: slack, channel: \"#ml\", secret: token}
",
    );
    let none = params(&[]);
    let bound = pipeline.bind(&request(None, &none)).unwrap();
    let [train, register, approve, failed, finally] = bound.instances.as_slice() else {
        panic!("{:#?}", bound.instances)
    };
    let kept = CachePolicy::On {
        code: true,
        inputs: true,
        with: false,
        ttl: Some("30d".parse().unwrap()),
    };
    assert_eq!(train.cache, kept);
    assert_eq!(
        (train.retry.max_attempts, train.retry.delay),
        (2, "1s".parse().unwrap())
    );
    assert_eq!(register.cache, CachePolicy::Off);
    assert_eq!(register.effect.as_deref(), Some("registry"));
    let rule = approve.approval.as_ref().unwrap();
    assert_eq!(
        (rule.min_approvals, rule.not_author, rule.expires),
        (2, true, Some("2d".parse().unwrap()))
    );
    assert_eq!(
        (approve.runner, approve.limits.timeout),
        (RunnerKind::Orchestrator, None)
    );
    assert_eq!(
        (failed.name.as_str(), failed.hook),
        ("on_failure-run_shell", Some(Hook::RunFailed))
    );
    assert_eq!(finally.hook, Some(Hook::Finally));
    assert_eq!(bound.not_obeyed, [""; 0]);
    assert_eq!(bound.notices.on_failure, ["notify.oncall"]);
    assert_eq!(bound.notices.channels["oncall"].kind(), "slack");
}

#[test]
fn binding_twice_gives_the_same_definition() {
    let pipeline = pipeline(PARAMS);
    let none = params(&[]);
    assert_eq!(
        pipeline.bind(&request(None, &none)),
        pipeline.bind(&request(None, &none))
    );
}
