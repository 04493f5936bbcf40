use super::*;
use crate::plan::render::Style;
use crate::run::BoundParam;
use crate::run::ParamOrigin;
use crate::run::fixture::{definition, run_id, step};

fn of(environment: &str, lag: &str, endpoint: &str) -> RunDefinition {
    let mut of = definition([step("features"), step("train")]);
    of.environment = Some(environment.to_owned());
    of.pipeline_hash = ContentHash::of(lag.as_bytes());
    of.vars.insert("endpoint".to_owned(), endpoint.into());
    let late = BoundParam {
        value: 15.into(),
        from: ParamOrigin::Default,
    };
    of.params.insert("late".to_owned(), late);
    let written = serde_json::json!({"with": {"lag": lag}});
    of.as_written.insert("features".to_owned(), written);
    of
}

fn difference(this: Option<&RunDefinition>, other: Option<&RunDefinition>) -> EnvironmentDifference {
    let standing = |number, definition| Standing {
        run: run_id(number),
        definition,
    };
    let model = |version, alias: &str| ModelStanding {
        version,
        aliases: vec![alias.to_owned()],
    };
    let models = vec![
        ModelDifference {
            model: "flight_delay".to_owned(),
            this: Some(model(7, "candidate")),
            other: other.is_some().then(|| model(5, "production")),
        },
        ModelDifference {
            model: "same".to_owned(),
            this: Some(model(1, "production")),
            other: Some(model(1, "production")),
        },
    ];
    let this = this.map(|definition| standing(1, definition));
    let other = other.map(|definition| standing(2, definition));
    EnvironmentDifference {
        this: "uat".to_owned(),
        other: "prod".to_owned(),
        pipelines: vec![PipelineDifference::between(
            "flight_delay".parse().unwrap(),
            this.as_ref(),
            other.as_ref(),
            models,
        )],
    }
}

#[test]
fn what_one_environment_has_and_the_other_has_not_is_said_in_full() {
    let (uat, prod) = (of("uat", "48h", "uat-scores"), of("prod", "24h", "flight-delay"));
    let found = difference(Some(&uat), Some(&prod));
    assert!(found.differs());
    insta::assert_snapshot!(render::human(&found, Style::default()), @r#"
    Diff     what uat has and prod has not

    flight_delay
      uat run 00000000 of version 71a99026a114; prod run 00000000 of version 8cf936cfbc0f
      steps that differ: features
      model flight_delay: uat version 7 @candidate; prod version 5 @production
      ~ vars.endpoint  flight-delay -> uat-scores
      ~ steps.features.with.lag  24h -> 48h   breaking      part of what `features` is made of

    1 pipeline: 1 differs, 0 alike.
    "#);
    insta::assert_snapshot!(render::markdown(&found), @r#"
    ### What `uat` has and `prod` has not

    1 pipeline: 1 differs, 0 alike.

    #### `flight_delay`

    - uat run 00000000 of version 71a99026a114; prod run 00000000 of version 8cf936cfbc0f
    - steps that differ: features
    - model flight\_delay: uat version 7 @candidate; prod version 5 @production

    | value | prod | uat |
    | --- | --- | --- |
    | `vars.endpoint` | `flight-delay` | `uat-scores` |

    | change | before | now | class | why |
    | --- | --- | --- | --- | --- |
    | `steps.features.with.lag` | `24h` | `48h` | **breaking** | part of what \`features\` is made of |
    "#);
    let document = render::json(&found);
    assert_eq!(document["differs"], true);
    assert_eq!(document["pipelines"][0]["steps"], serde_json::json!(["features"]));
    assert_eq!(document["pipelines"][0]["changes"][0]["class"], "breaking");
    assert_eq!(document["pipelines"][0]["values"][0]["before"], "flight-delay");
}

#[test]
fn where_nothing_has_succeeded_everything_is_missing() {
    let uat = of("uat", "48h", "uat-scores");
    let found = difference(Some(&uat), None);
    assert!(found.differs());
    let shown = render::human(&found, Style::default());
    assert!(shown.contains("nothing has succeeded in prod"), "{shown}");
    assert!(shown.contains("prod none"), "{shown}");
}

#[test]
fn environments_that_have_the_same_do_not_differ() {
    let (uat, prod) = (of("uat", "24h", "scores"), of("prod", "24h", "scores"));
    let pipeline = |models| {
        let this = Standing {
            run: run_id(1),
            definition: &uat,
        };
        let other = Standing {
            run: run_id(2),
            definition: &prod,
        };
        PipelineDifference::between("p".parse().unwrap(), Some(&this), Some(&other), models)
    };
    assert!(!pipeline(Vec::new()).differs());
    assert!(!PipelineDifference::between("p".parse().unwrap(), None, None, Vec::new()).differs());
}
