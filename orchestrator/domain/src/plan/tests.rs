//! Plans of small pipelines, held against what a run then does.

mod verdicts;

use super::*;
use crate::run::fixture::{Draft, Play, definition, rule, run_id, step};
use crate::run::reuse::{InputPart, KeyParts, reuse_key};
use crate::run::{BoundInput, BoundParam, CachePolicy, Input, Instance, RunStatus, StepState};
use std::collections::BTreeMap;
use trainyard_contract::task::{DatasetRef, TaskInput};
use trainyard_contract::{FailureClass, OutputValue, Timestamp};

/// A world in which every step succeeds, and makes the same of the same.
#[derive(Default)]
struct World {
    results: BTreeMap<ContentHash, (RunId, IndexMap<String, OutputValue>)>,
    /// Datasets and files: content in the previous run, and now.
    contents: BTreeMap<String, (u8, u8)>,
    durations: BTreeMap<String, Vec<u64>>,
    runs: u64,
}

impl World {
    fn key(&self, run: &Run, ix: InstanceIx) -> ContentHash {
        let instance = &run.definition().instances[ix as usize];
        let output = |ix: InstanceIx, name: &str| match run.step(ix) {
            StepState::Succeeded { outputs, .. } => outputs[name].clone(),
            other => panic!("{} has no outputs: {other:?}", instance.name),
        };
        let inputs: Vec<InputPart> = instance
            .inputs
            .iter()
            .map(|(name, bound)| {
                let input = match bound {
                    BoundInput::Output {
                        instance,
                        output: named,
                    } => TaskInput::Output(output(*instance, named)),
                    BoundInput::Collected {
                        instances,
                        output: named,
                    } => {
                        let over = |ix: &&InstanceIx| matches!(run.step(**ix), StepState::Succeeded { .. });
                        let cells = instances.iter().filter(over);
                        TaskInput::Collected(
                            cells.map(|ix| (Default::default(), output(*ix, named))).collect(),
                        )
                    }
                    BoundInput::Dataset(dataset) => TaskInput::Dataset(DatasetRef {
                        content: Some(ContentHash::of(&[self.contents.get(dataset).map_or(0, |c| c.1)])),
                        ..run.definition().datasets[dataset].clone()
                    }),
                    BoundInput::Registry { .. } | BoundInput::Features(_) => TaskInput::Absent,
                };
                InputPart::of(name, &input).unwrap()
            })
            .collect();
        let rendered = run.render_instance(ix).unwrap();
        reuse_key(&KeyParts {
            instance,
            with: &rendered.with,
            process: rendered.process.as_ref(),
            inputs: &inputs,
            code: &[],
            contracts: &run.definition().contracts,
        })
    }

    /// Runs it as an engine does, and says which instances it started.
    fn run(&mut self, definition: &Arc<RunDefinition>) -> (Run, Vec<String>) {
        self.runs += 1;
        let mut run = Run::new(run_id(self.runs), definition.clone()).unwrap();
        let now = Timestamp(0);
        run.decide(
            now,
            Input::Start {
                by: "ada".to_owned(),
                select: None,
            },
        );
        let mut started = Vec::new();
        loop {
            let Some(step) = run.ready().next() else { break };
            let preparation = match run.takes_new_results(step) {
                true => Preparation::Run {
                    key: None,
                    missed: None,
                },
                false => self.prepare(&run, step),
            };
            if let Preparation::Reuse {
                key,
                from,
                outputs,
                metrics,
                headline,
            } = preparation
            {
                run.decide(
                    now,
                    Input::Reuse {
                        step,
                        key,
                        from,
                        outputs,
                        metrics,
                        headline,
                    },
                );
                continue;
            }
            let key = self.key(&run, step);
            let value = serde_json::json!(key);
            let outputs = IndexMap::from([("out".to_owned(), OutputValue::Value(value))]);
            run.decide(now, Input::Launch { step, key: Some(key) });
            started.push(definition.instances[step as usize].name.clone());
            self.results.insert(key, (run.id().clone(), outputs.clone()));
            let (metrics, resources) = Default::default();
            run.decide(
                now,
                Input::Succeeded {
                    step,
                    attempt: 1,
                    outputs,
                    metrics,
                    headline: None,
                    resources,
                },
            );
        }
        for content in self.contents.values_mut() {
            content.0 = content.1;
        }
        started.sort();
        (run, started)
    }

    fn plan(&mut self, definition: &Arc<RunDefinition>, previous: Option<&Run>) -> Plan {
        plan(definition.clone(), previous, None, self).unwrap()
    }
}

impl PlanFacts for World {
    fn prepare(&mut self, run: &Run, ix: InstanceIx) -> Preparation {
        let instance = &run.definition().instances[ix as usize];
        if instance.cache == CachePolicy::Off {
            return Preparation::Run {
                key: None,
                missed: None,
            };
        }
        let key = self.key(run, ix);
        match self.results.get(&key) {
            Some((from, outputs)) => Preparation::Reuse {
                key,
                from: from.clone(),
                outputs: outputs.clone(),
                metrics: IndexMap::new(),
                headline: None,
            },
            None => Preparation::Run {
                key: Some(key),
                missed: None,
            },
        }
    }

    fn content_now(&mut self, source: Source<'_>) -> Option<ContentHash> {
        let (Source::Dataset(name) | Source::File(name)) = source;
        self.contents
            .get(name)
            .map(|content| ContentHash::of(&[content.1]))
    }

    fn content_before(&mut self, source: Source<'_>) -> Option<ContentHash> {
        let (Source::Dataset(name) | Source::File(name)) = source;
        self.contents
            .get(name)
            .map(|content| ContentHash::of(&[content.0]))
    }

    fn data_note(&mut self, _dataset: &str) -> Option<String> {
        None
    }

    fn durations(&mut self, instance: &Instance) -> Vec<Millis> {
        let known = self
            .durations
            .get(instance.step.as_str())
            .cloned()
            .unwrap_or_default();
        known.into_iter().map(Millis).collect()
    }
}

fn cached(draft: Draft) -> Draft {
    draft.with(|i| {
        i.cache = CachePolicy::On {
            code: true,
            inputs: true,
            with: true,
            ttl: None,
        }
    })
}

fn effect(draft: Draft, text: &str) -> Draft {
    draft.with(|i| i.effect = Some(text.to_owned()))
}

fn reads(draft: Draft, dataset: &str) -> Draft {
    draft.with(|i| {
        i.inputs
            .insert("data".to_owned(), BoundInput::Dataset(dataset.to_owned()));
    })
}

/// The shape of the flights pipeline.
fn flights(environment: &str, lag: &str, trials: u32) -> Arc<RunDefinition> {
    let c = cached;
    let cell = |name: &str| c(step(name)).takes(&["split"]).cells(Some(3), false);
    let mut approve = step("approve").takes(&["register"]).gate(rule(1));
    if environment != "prod" {
        approve = approve.never();
    }
    let trains = ["train[linear]", "train[forest]", "train[boost]"];
    let mut definition = definition([
        reads(c(step("explore")), "flights_raw").may_fail(),
        reads(c(step("ingest")), "flights_raw"),
        c(step("validate")).takes(&["ingest"]),
        c(step("features")).needs(&["validate"]).takes(&["ingest"]).with(|i| {
            i.with = serde_json::json!({"as_of_join": [{"table": "weather", "lag": lag}], "keep": ["carrier"]});
        }),
        c(step("split")).takes(&["features"]),
        cell("train[linear]"),
        cell("train[forest]"),
        cell("train[boost]"),
        c(step("tune")).takes(&["split"]).collects(&trains).with(|i| {
            i.with = serde_json::json!({"max_trials": trials});
        }),
        c(step("evaluate")).takes(&["tune"]),
        effect(step("register"), "registry flight_delay")
            .takes(&["tune"])
            .needs(&["evaluate"])
            .when("steps.evaluate.outputs.passed"),
        approve,
        effect(step("deploy"), "endpoint flight-delay").needs(&["approve"]).takes(&["register"]),
        step("rollback").on_failure_of("deploy"),
        step("tell").when_run_failed(),
        step("cleanup").finally(),
    ]);
    definition.environment = Some(environment.to_owned());
    let dataset = DatasetRef {
        name: "flights_raw".to_owned(),
        location: "data/flights.parquet".to_owned(),
        folder: None,
        format: None,
        options: Value::Null,
        contract: None,
        content: None,
    };
    definition.datasets.insert("flights_raw".to_owned(), dataset);
    definition.params.insert(
        "seed".to_owned(),
        BoundParam {
            value: 42.into(),
            from: ParamOrigin::Default,
        },
    );
    for (name, with) in [
        (
            "features",
            serde_json::json!({"as_of_join": [{"table": "weather", "lag": lag}], "keep": ["carrier"]}),
        ),
        ("tune", serde_json::json!({"max_trials": trials})),
    ] {
        let written = serde_json::json!({"with": with, "timeout": if trials > 40 { "1h" } else { "30m" }});
        definition.as_written.insert(name.to_owned(), written);
    }
    Arc::new(definition)
}

fn world() -> World {
    let mut world = World::default();
    world.contents.insert("flights_raw".to_owned(), (1, 1));
    for (name, times) in [
        ("explore", vec![4_000, 4_100, 3_900]),
        ("ingest", vec![9_000]),
        ("validate", vec![2_000, 2_000]),
        ("features", vec![21_000, 21_500]),
        ("split", vec![350]),
        ("train", vec![16_000, 48_000, 20_000]),
        ("tune", vec![370_000, 540_000, 365_000]),
        ("evaluate", vec![5_000]),
    ] {
        world.durations.insert(name.to_owned(), times);
    }
    world
}

/// A finished run in which everything up to `evaluate` has been made. Its conditions cannot be
/// evaluated on the made-up outputs, which is of no matter here.
fn made(world: &mut World, definition: &Arc<RunDefinition>) -> Run {
    world.run(definition).0
}

#[test]
fn a_changed_number_runs_what_depends_on_it_and_says_why() {
    let mut world = world();
    let before = made(&mut world, &flights("prod", "24h", 40));
    world.contents.insert("flights_raw".to_owned(), (1, 1));
    let mut plan = world.plan(&flights("prod", "48h", 60), Some(&before));
    plan.checks = Some(ChecksSummary {
        errors: 0,
        warnings: 1,
        notes: vec!["D06 ingest reads 19 columns, 9 are used".to_owned()],
    });
    insta::assert_snapshot!(render::human(&plan, render::Style::default()), @r#"
    Plan     pipelines/example.yaml  (prod)
    Spec     4 changes since run 00000000:
      ~ steps.features.with.as_of_join[0].lag  24h -> 48h   breaking      part of what `features` is made of
      ~ steps.features.timeout                 30m -> 1h    no re-run     says only how long it may take
      ~ steps.tune.with.max_trials             40 -> 60     breaking      part of what `tune` is made of
      ~ steps.tune.timeout                     30m -> 1h    no re-run     says only how long it may take
    Data     flights_raw unchanged
    Params   seed=42

      explore    reused   unchanged
      ingest     reused   unchanged
      validate   reused   unchanged
      features   run      config changed: as_of_join[0].lag 24h -> 48h    ~ 21 s
      split      run      upstream                                        ~ 0.4 s
      train[3]   run      upstream (3 of 3)                               ~ 20 s  (p90 48 s)
      tune       run      upstream; config changed: max_trials 40 -> 60   ~ 6 m 10 s  (p90 9 m)
      evaluate   run      upstream                                        ~ 5 s
      register   maybe    if steps.evaluate.outputs.passed; upstream; previous attempt failed; side effect: registry flight_delay
      approve    maybe    depends on register; waits for role model_risk (not the author), expires after 1 h
      deploy     maybe    depends on approve, register; never ran; side effect: endpoint flight-delay
      cleanup    run      at the end; cache off

    Hook     rollback, on failure of deploy
    Hook     tell, on failure of the run
    Effect   register: registry flight_delay  (maybe)
    Effect   deploy: endpoint flight-delay  (maybe)
    Time     ~ 6 m 56 s (p90 10 m 15 s) with room for all; 7 m 36 s of work; some steps have no past to go by
    Checks   0 errors, 1 warning
             D06 ingest reads 19 columns, 9 are used
    12 steps: 6 run, 3 maybe, 3 reused.   plan id c07f5767c384
    "#);
}

#[test]
fn the_same_plan_for_a_pull_request() {
    let mut world = world();
    let before = made(&mut world, &flights("dev", "24h", 40));
    let plan = world.plan(&flights("dev", "24h", 60), Some(&before));
    insta::assert_snapshot!(render::markdown(&plan), @r#"
    ### Plan of `example` in `dev`

    12 steps: 3 run, 2 maybe, 6 reused, 1 skipped.

    Spec: 3 changes since run 00000000:

    | change | before | now | class | why |
    | --- | --- | --- | --- | --- |
    | `steps.features.timeout` | `30m` | `1h` | no re-run | says only how long it may take |
    | `steps.tune.with.max_trials` | `40` | `60` | **breaking** | part of what \`tune\` is made of |
    | `steps.tune.timeout` | `30m` | `1h` | no re-run | says only how long it may take |

    Data: flights\_raw unchanged

    | step | verdict | why | forecast |
    | --- | --- | --- | --- |
    | `explore` | reused | unchanged |  |
    | `ingest` | reused | unchanged |  |
    | `validate` | reused | unchanged |  |
    | `features` | reused | unchanged |  |
    | `split` | reused | unchanged |  |
    | `train[3]` | reused | unchanged (3 of 3) |  |
    | `tune` | **run** | config changed: max\_trials 40 -> 60 | ~ 6 m 10 s  (p90 9 m) |
    | `evaluate` | **run** | upstream | ~ 5 s |
    | `register` | maybe | if steps.evaluate.outputs.passed; upstream; previous attempt failed; side effect: registry flight\_delay |  |
    | `approve` | skipped | if environment.name == 'prod': is false |  |
    | `deploy` | maybe | depends on register; never ran; side effect: endpoint flight-delay |  |
    | `cleanup` | **run** | at the end; cache off |  |

    - Hook: rollback, on failure of deploy
    - Hook: tell, on failure of the run
    - Effect: register: registry flight\_delay (maybe)
    - Effect: deploy: endpoint flight-delay (maybe)
    - Time: ~ 6 m 15 s (p90 9 m 5 s) with room for all; 6 m 15 s of work; some steps have no past to go by

    Plan id `c21ebfadf731`
    "#);
}

#[test]
fn a_first_plan_runs_everything() {
    let mut world = world();
    let plan = world.plan(&flights("dev", "24h", 40), None);
    insta::assert_snapshot!(render::human(&plan, render::Style::default()), @r#"
    Plan     pipelines/example.yaml  (dev)
    Spec     first run of this pipeline here
    Data     flights_raw
    Params   seed=42

      explore    run      never ran                                 ~ 4 s
      ingest     run      never ran                                 ~ 9 s
      validate   run      never ran                                 ~ 2 s
      features   run      never ran                                 ~ 21 s
      split      run      never ran                                 ~ 0.4 s
      train[3]   run      never ran (3 of 3)                        ~ 20 s  (p90 48 s)
      tune       run      never ran                                 ~ 6 m 10 s  (p90 9 m)
      evaluate   run      never ran                                 ~ 5 s
      register   maybe    if steps.evaluate.outputs.passed; never ran; side effect: registry flight_delay
      approve    skipped  if environment.name == 'prod': is false
      deploy     maybe    depends on register; never ran; side effect: endpoint flight-delay
      cleanup    run      at the end; never ran

    Hook     rollback, on failure of deploy
    Hook     tell, on failure of the run
    Effect   register: registry flight_delay  (maybe)
    Effect   deploy: endpoint flight-delay  (maybe)
    Time     ~ 7 m 7 s (p90 10 m 26 s) with room for all; 7 m 51 s of work; some steps have no past to go by
    12 steps: 9 run, 2 maybe, 1 skipped.   plan id 7a66f018e619
    "#);
}

#[test]
fn a_plan_as_a_document() {
    let mut world = World::default();
    let drafts = || [cached(step("a")), cached(step("b")).takes(&["a"])];
    let before = world.run(&Arc::new(definition(drafts()))).0;
    let changed = drafts().map(|draft| draft.with(|i| i.revision = if i.name == "b" { 2 } else { 1 }));
    let plan = world.plan(&Arc::new(definition(changed)), Some(&before));
    let mut document = render::json(&plan);
    for volatile in ["id", "previous"] {
        document[volatile] = "…".into();
    }
    for step in 0..2 {
        document["steps"][step]["cells"][0]["key"] = "…".into();
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap(), @r#"
    {
      "id": "…",
      "pipeline": "example",
      "file": "pipelines/example.yaml",
      "environment": "dev",
      "previous": "…",
      "params": {},
      "changes": [],
      "data": [],
      "steps": [
        {
          "step": "a",
          "verdict": "reused",
          "forecast": null,
          "cells": [
            {
              "instance": "a",
              "verdict": "reused",
              "reasons": [
                {
                  "reason": "same_key"
                }
              ],
              "key": "…",
              "from": "run_00000000010000000000000000",
              "why": "unchanged"
            }
          ],
          "why": "unchanged"
        },
        {
          "step": "b",
          "verdict": "run",
          "forecast": null,
          "cells": [
            {
              "instance": "b",
              "verdict": "run",
              "reasons": [
                {
                  "reason": "revision_changed"
                }
              ],
              "key": "…",
              "from": null,
              "why": "step changed in this version of trainyard"
            }
          ],
          "why": "step changed in this version of trainyard"
        }
      ],
      "on_failure": [],
      "on_run_failure": [],
      "effects": [],
      "forecast": null,
      "usage": null,
      "cost": null,
      "not_obeyed": [],
      "checks": null,
      "summary": {
        "run": 1,
        "maybe": 0,
        "reused": 1,
        "skipped": 0,
        "fails": 0
      }
    }
    "#);
}

mod ids {
    use super::*;

    #[test]
    fn the_same_grounds_give_the_same_id_and_others_another() {
        let mut world = world();
        let before = made(&mut world, &flights("dev", "24h", 40));
        let id = |world: &mut World, definition| world.plan(&definition, Some(&before)).id;
        let first = id(&mut world, flights("dev", "24h", 40));
        assert_eq!(first, id(&mut world, flights("dev", "24h", 40)));
        assert_ne!(first, id(&mut world, flights("dev", "24h", 41)));
        world.contents.insert("flights_raw".to_owned(), (1, 2));
        assert_ne!(first, id(&mut world, flights("dev", "24h", 40)));
    }
}

/// What a plan says will run is what runs: over changes of every step of a pipeline in turn.
#[test]
fn a_run_starts_exactly_what_its_plan_named() {
    let drafts = || -> Vec<Draft> {
        vec![
            cached(step("a")),
            cached(step("b")).takes(&["a"]),
            cached(step("c")).needs(&["a"]),
            step("d").takes(&["b"]),
            cached(step("m[x]")).takes(&["b"]).cells(Some(1), true),
            cached(step("m[y]")).takes(&["c"]).cells(Some(1), true),
            cached(step("n")).collects(&["m[x]", "m[y]"]),
            cached(step("o"))
                .needs(&["n", "b"])
                .with(|i| i.with = serde_json::json!({"at": "${{ steps.b.outputs.out }}"})),
            cached(step("p")).needs(&["o"]).takes(&["c"]),
            step("q").never(),
            cached(step("r")).takes(&["q"]),
            cached(step("s")).needs(&["q"]).takes(&["p"]),
            step("last").finally(),
        ]
    };
    let mut ran = 0;
    for changed in 0..drafts().len() {
        let mut world = World::default();
        let before = world.run(&Arc::new(definition(drafts()))).0;
        let mut now = drafts();
        now[changed] = now[changed].clone().with(|i| i.revision = 2);
        let now = Arc::new(definition(now));
        let plan = world.plan(&now, Some(&before));
        let mut planned: Vec<String> = plan.will_run().map(str::to_owned).collect();
        planned.sort();
        let (run, started) = world.run(&now);
        assert!(matches!(run.status(), RunStatus::Ended(_)));
        assert_eq!(planned, started, "after a change of step {changed}");
        ran += started.len();
    }
    assert!(ran > 40, "{ran}");
}

#[test]
fn values_are_told_as_people_say_them() {
    let spans = [0, 40, 400, 1_000, 48_000, 60_000, 370_000, 3_600_000, 7_500_000];
    let said: Vec<String> = spans.into_iter().map(|ms| spoken(Millis(ms))).collect();
    assert_eq!(
        said,
        [
            "0 s", "0.1 s", "0.4 s", "1 s", "48 s", "1 m", "6 m 10 s", "1 h", "2 h 5 m"
        ]
    );
}
