use super::Open;
use super::retention::{ALL, sweep};
use crate::material::{append, create_owned, draft, ended_run, run_id, started_run};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use trainyard_contract::{ContentHash, Timestamp};
use trainyard_domain::run::RunOutcome;
use trainyard_domain::tracking::{
    Comparator, Comparison, Condition, Dialect, Filter, MetricValue, Order, Refusal, RefusalCode, RunState,
    Subject, TextTest,
};
use trainyard_store::Store;
use trainyard_store::tracking::{
    DatasetInput, MetricPoint, ModelState, NewLoggedModel, NewMetric, NewTrackedRun, NewVersion, RunModel,
    Search, Stage, TrackedStep, Tracking, TrackingError, View, tracked_step_id,
};

const NOW: Timestamp = Timestamp(5_000_000);

fn write<T>(
    store: &mut Store,
    job: impl Fn(&Tracking<'_>) -> Result<T, TrackingError>,
) -> Result<T, Refusal> {
    store.write_tracking(&[&job]).unwrap().pop().unwrap()
}

fn read<T>(store: &Store, work: impl Fn(&Tracking<'_>) -> Result<T, TrackingError>) -> Result<T, Refusal> {
    match store.read_tracking(work) {
        Ok(value) => Ok(value),
        Err(TrackingError::Refused(refused)) => Err(refused),
        Err(TrackingError::Store(error)) => panic!("{error}"),
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn point(at: i64, step: i64, value: f64) -> MetricPoint {
    MetricPoint {
        at,
        step,
        value: MetricValue::new(value),
    }
}

/// A run that began at `at` with these metrics, parameters and tags.
fn run(
    store: &mut Store,
    id: &str,
    at: i64,
    metrics: &[(&str, f64)],
    params: &[(&str, &str)],
    tags: &[(&str, &str)],
) {
    let metrics: Vec<NewMetric<'_>> = metrics
        .iter()
        .map(|(key, value)| NewMetric::plain(key, point(at, 0, *value)))
        .collect();
    write(store, |tracking| {
        let new = NewTrackedRun {
            id,
            experiment: "0",
            name: id,
            user: "ada",
            started_at: Some(at),
            tags: &[],
        };
        tracking.create_run(&new, NOW)?;
        tracking.log_batch(id, &metrics, &pairs(params), &pairs(tags))
    })
    .unwrap();
}

fn search(filter: &str, order: &[&str]) -> Search {
    Search {
        experiments: vec![0],
        filter: Filter::parse(Dialect::Runs, filter).unwrap(),
        datasets: Vec::new(),
        order: Order::parse_all(Dialect::Runs, order.iter().copied()).unwrap(),
        view: View::Active,
        limit: 100,
        offset: 0,
    }
}

fn found(store: &Store, filter: &str, order: &[&str]) -> Vec<String> {
    let search = search(filter, order);
    let runs = read(store, |tracking| tracking.search_runs(&search)).unwrap();
    runs.into_iter().map(|run| run.id).collect()
}

pub(crate) fn experiments_are_made_found_renamed_deleted_and_brought_back(open: Open<'_>) {
    let mut store = open();
    let default = read(&store, |tracking| tracking.experiment("0")).unwrap();
    assert_eq!(
        (default.name.as_str(), default.location.as_str()),
        ("Default", "mlflow-artifacts:/0")
    );
    let make = |store: &mut Store| {
        write(store, |tracking| {
            tracking.create_experiment("e", None, &pairs(&[("k", "v")]), NOW)
        })
    };
    assert_eq!(make(&mut store), Ok(1));
    assert_eq!(
        make(&mut store).unwrap_err().code,
        RefusalCode::ResourceAlreadyExists
    );
    let made = read(&open(), |tracking| tracking.experiment("1")).unwrap();
    assert_eq!(
        (made.location.as_str(), made.tags.clone(), made.created_at),
        ("mlflow-artifacts:/1", pairs(&[("k", "v")]), 5_000)
    );
    write(&mut store, |tracking| tracking.rename_experiment("1", "f", NOW)).unwrap();
    write(&mut store, |tracking| tracking.delete_experiment("1", true, NOW)).unwrap();
    let new = |store: &mut Store| {
        write(store, |tracking| {
            let new = NewTrackedRun {
                id: "r",
                experiment: "1",
                name: "",
                user: "ada",
                started_at: None,
                tags: &[],
            };
            tracking.create_run(&new, NOW).map(|_| ())
        })
    };
    assert_eq!(
        new(&mut store).unwrap_err().message,
        "The experiment 1 must be in the 'active' state. Current state is deleted."
    );
    write(&mut store, |tracking| tracking.delete_experiment("1", false, NOW)).unwrap();
    new(&mut store).unwrap();
    assert_eq!(
        read(&store, |tracking| tracking.experiment("7"))
            .unwrap_err()
            .message,
        "No Experiment with id=7 exists"
    );
}

pub(crate) fn parameters_stay_and_a_refused_batch_changes_nothing(open: Open<'_>) {
    let mut store = open();
    run(&mut store, "r", 1, &[], &[("a", "1")], &[]);
    let same = pairs(&[("a", "1"), ("b", "2")]);
    write(&mut store, |tracking| tracking.log_params("r", &same)).unwrap();
    let refused = write(&mut store, |tracking| {
        let metrics = [NewMetric::plain("m", point(1, 0, 1.0))];
        tracking.log_batch("r", &metrics, &pairs(&[("a", "2")]), &pairs(&[("t", "x")]))
    });
    assert_eq!(
        refused.unwrap_err().message,
        "Changing param values is not allowed. Param with key='a' was already logged with value='1' for run ID='r'. \
         Attempted logging new value '2'."
    );
    let data = read(&store, |tracking| tracking.data_of(&[tracking.run("r")?])).unwrap();
    assert_eq!(data[0].params, pairs(&[("a", "1"), ("b", "2")]));
    assert_eq!(
        (data[0].metrics.len(), &data[0].tags),
        (0, &pairs(&[("mlflow.runName", "r")]))
    );
}

pub(crate) fn the_latest_point_is_that_of_the_largest_step_then_time_then_value(open: Open<'_>) {
    let mut store = open();
    run(&mut store, "r", 1, &[], &[], &[]);
    for points in [
        vec![point(5, 1, 1.0), point(9, 0, 9.0)],
        vec![point(5, 1, 0.5)],
        vec![point(5, 1, 2.0), point(4, 1, 3.0)],
        vec![point(5, 1, 2.0)],
        vec![point(1, -7, f64::NAN)],
    ] {
        let metrics: Vec<_> = points.iter().map(|point| NewMetric::plain("m", *point)).collect();
        write(&mut store, |tracking| tracking.log_batch("r", &metrics, &[], &[])).unwrap();
    }
    let data = read(&store, |tracking| tracking.data_of(&[tracking.run("r")?])).unwrap();
    assert_eq!(data[0].metrics, [("m".to_owned(), point(5, 1, 2.0))]);
    let history = read(&store, |tracking| tracking.history("r", "m", None, 0)).unwrap();
    let times: Vec<_> = history
        .iter()
        .map(|point| (point.at, point.step, point.value.is_nan()))
        .collect();
    assert_eq!(
        times,
        [
            (1, -7, true),
            (4, 1, false),
            (5, 1, false),
            (5, 1, false),
            (5, 1, false),
            (9, 0, false)
        ]
    );
    assert_eq!(
        read(&store, |tracking| tracking.history("r", "m", Some(2), 1))
            .unwrap()
            .len(),
        2
    );
}

pub(crate) fn writes_of_many_share_a_transaction_and_a_refused_one_spoils_nothing(open: Open<'_>) {
    let mut store = open();
    run(&mut store, "r", 1, &[], &[], &[]);
    let log = |id: &'static str, key: &'static str| {
        move |tracking: &Tracking<'_>| tracking.log_params(id, &pairs(&[(key, "1")]))
    };
    let (one, none, two) = (log("r", "a"), log("nobody", "b"), log("r", "c"));
    let done = store.write_tracking(&[&one, &none, &two]).unwrap();
    let refused: Vec<bool> = done.iter().map(Result::is_err).collect();
    assert_eq!(refused, [false, true, false]);
    let data = read(&open(), |tracking| tracking.data_of(&[tracking.run("r")?])).unwrap();
    assert_eq!(data[0].params, pairs(&[("a", "1"), ("c", "1")]));
}

pub(crate) fn every_comparator_finds_what_it_says(open: Open<'_>) {
    let mut store = open();
    run(
        &mut store,
        "a",
        1,
        &[("acc", 0.1)],
        &[("m", "Forest")],
        &[("t", "x")],
    );
    run(
        &mut store,
        "b",
        2,
        &[("acc", 0.5)],
        &[("m", "forest_2")],
        &[("t", "50%")],
    );
    run(&mut store, "c", 3, &[("acc", f64::NAN)], &[("m", "tree")], &[]);
    run(&mut store, "d", 4, &[], &[], &[("u", "it's")]);
    let input = DatasetInput {
        name: "flights".to_owned(),
        digest: "d1".to_owned(),
        source_type: "local".to_owned(),
        source: "{}".to_owned(),
        tags: pairs(&[("mlflow.data.context", "train")]),
        ..DatasetInput::default()
    };
    write(&mut store, |tracking| {
        tracking.log_datasets("b", std::slice::from_ref(&input))
    })
    .unwrap();
    write(&mut store, |tracking| {
        tracking.update_run("c", Some(RunState::Failed), Some(77), None)
    })
    .unwrap();
    for (filter, wanted) in [
        ("", "d c b a"),
        ("metrics.acc > 0.1", "b"),
        ("metrics.acc >= 0.1", "b a"),
        ("metrics.acc < 0.5", "a"),
        ("metrics.acc <= 0.5", "b a"),
        ("metrics.acc = 0.5", "b"),
        ("metrics.acc != 0.1", "c b"),
        ("params.m = 'Forest'", "a"),
        ("params.m != 'Forest'", "c b"),
        ("params.m LIKE '%orest%'", "b a"),
        ("params.m LIKE 'F%'", "a"),
        ("params.m LIKE 'forest_2'", "b"),
        ("params.m LIKE 'forest[_]2'", ""),
        ("params.m ILIKE 'F%'", "b a"),
        ("params.m IS NULL", "d"),
        ("params.m IS NOT NULL", "c b a"),
        ("tags.t LIKE '50%'", "b"),
        ("tags.u = 'it''s'", "d"),
        ("tags.t IS NULL", "d c"),
        ("run_id IN ('a', 'd', 'z')", "d a"),
        ("run_id NOT IN ('a', 'd')", "c b"),
        ("status = 'FAILED'", "c"),
        ("attributes.run_name LIKE '_' AND start_time > 2", "d c"),
        ("end_time = 77", "c"),
        ("end_time > 76.5", "c"),
        ("user_id = 'ada' AND run_name != 'a'", "d c b"),
        ("datasets.name = 'flights'", "b"),
        ("datasets.digest IN ('d1', 'd2')", "b"),
        ("dataset.context ILIKE 'TRAIN'", "b"),
        ("metrics.acc > 0.4 OR tags.u LIKE 'it%'", "d b"),
        ("(metrics.acc > 0.4 OR params.m = 'tree') AND run_id != 'c'", "b"),
    ] {
        assert_eq!(found(&store, filter, &[]).join(" "), wanted, "{filter}");
    }
    for (order, wanted) in [
        ("metrics.acc", "a b c d"),
        ("metrics.acc DESC", "b a c d"),
        ("params.m", "a b c d"),
        ("params.m DESC", "c b a d"),
        ("end_time", "c d b a"),
        ("run_id", "a b c d"),
    ] {
        assert_eq!(found(&store, "", &[order]).join(" "), wanted, "{order}");
    }
    let page = Search {
        limit: 2,
        offset: 1,
        ..search("", &["run_id"])
    };
    let runs = read(&store, |tracking| tracking.search_runs(&page)).unwrap();
    assert_eq!(runs.iter().map(|run| run.id.as_str()).collect::<String>(), "bc");
}

/// The class of CVE-2019-7164 and all its kin: what a filter says is data, never a part of a statement.
pub(crate) fn sql_in_filters_is_data(open: Open<'_>) {
    let mut store = open();
    run(&mut store, "a", 1, &[("m", 1.0)], &[("p", "v")], &[("t", "x")]);
    for odd in [
        "') OR 1=1 --",
        "'; DROP TABLE tracked_runs; --",
        "x' UNION SELECT 1,2,3,4,5,6,7,8,9,10 --",
        "?1",
        "$1",
        "\\",
        "%' ESCAPE '%",
    ] {
        let quoted = odd.replace('\'', "''");
        for filter in [
            format!("params.p = '{quoted}'"),
            format!("tags.`{odd}` = 'x'"),
            format!("params.p LIKE '{quoted}'"),
            format!("tags.t ILIKE '{quoted}'"),
            format!("run_id IN ('{quoted}')"),
            format!("metrics.`{odd}` > 0"),
        ] {
            let Ok(parsed) = Filter::parse(Dialect::Runs, &filter) else {
                continue;
            };
            let search = Search {
                filter: parsed,
                order: vec![Order {
                    by: Subject::Metric(odd.to_owned()),
                    descending: false,
                    dataset: (None, None),
                }],
                ..search("", &[])
            };
            let runs = read(&store, |tracking| tracking.search_runs(&search)).unwrap();
            assert_eq!(runs.len(), 0, "{filter}");
        }
    }
    assert_eq!(found(&store, "params.p = 'v'", &[]), ["a"]);
}

/// A run as the property test knows it.
#[derive(Clone, Debug)]
struct Known {
    metric: Option<f64>,
    param: Option<String>,
    tag: Option<String>,
}

fn known() -> impl Strategy<Value = Known> {
    let text = || proptest::option::of("[abAB%_*?]{0,3}");
    let number = proptest::option::of(prop_oneof![
        Just(f64::NAN),
        Just(0.0),
        (-2_i32..3).prop_map(f64::from)
    ]);
    (number, text(), text()).prop_map(|(metric, param, tag)| Known { metric, param, tag })
}

fn filter() -> impl Strategy<Value = Filter> {
    let comparator = prop_oneof![
        Just(Comparator::Less),
        Just(Comparator::LessOrEqual),
        Just(Comparator::Equal),
        Just(Comparator::NotEqual),
        Just(Comparator::GreaterOrEqual),
        Just(Comparator::Greater),
    ];
    let number = (comparator, -2_i32..3).prop_map(|(comparator, number)| Comparison {
        subject: Subject::Metric("m".to_owned()),
        condition: Condition::Number(comparator, f64::from(number)),
    });
    let test = prop_oneof![
        Just(TextTest::Equal),
        Just(TextTest::NotEqual),
        Just(TextTest::Like),
        Just(TextTest::Ilike)
    ];
    let condition = prop_oneof![
        4 => (test, "[abAB%_*?]{0,3}").prop_map(|(test, text)| Condition::Text(test, text)),
        1 => Just(Condition::Absent),
        1 => Just(Condition::Present),
    ];
    let text = (any::<bool>(), condition).prop_map(|(is_tag, condition)| Comparison {
        subject: if is_tag {
            Subject::Tag("k".to_owned())
        } else {
            Subject::Param("k".to_owned())
        },
        condition,
    });
    prop_oneof![number, text]
        .prop_map(Filter::Is)
        .prop_recursive(3, 8, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..3).prop_map(Filter::And),
                proptest::collection::vec(inner, 1..3).prop_map(Filter::Or),
            ]
        })
}

/// What a filter means, said a second time and without a database.
fn matches(filter: &Filter, run: &Known) -> bool {
    let comparison = match filter {
        Filter::And(all) => return all.iter().all(|one| matches(one, run)),
        Filter::Or(all) => return all.iter().any(|one| matches(one, run)),
        Filter::Is(comparison) => comparison,
    };
    let text = match &comparison.subject {
        Subject::Tag(_) => &run.tag,
        _ => &run.param,
    };
    match (&comparison.condition, text) {
        (Condition::Number(comparator, wanted), _) => match (run.metric, comparator) {
            (None, _) => false,
            (Some(value), Comparator::NotEqual) => value.is_nan() || value != *wanted,
            (Some(value), Comparator::Less) => value < *wanted,
            (Some(value), Comparator::LessOrEqual) => value <= *wanted,
            (Some(value), Comparator::Equal) => value == *wanted,
            (Some(value), Comparator::GreaterOrEqual) => value >= *wanted,
            (Some(value), Comparator::Greater) => value > *wanted,
        },
        (Condition::Absent, text) => text.is_none(),
        (Condition::Present, text) => text.is_some(),
        (_, None) => false,
        (Condition::Text(TextTest::Equal, wanted), Some(text)) => text == wanted,
        (Condition::Text(TextTest::NotEqual, wanted), Some(text)) => text != wanted,
        (Condition::Text(TextTest::Like, wanted), Some(text)) => like(wanted.as_bytes(), text.as_bytes()),
        (Condition::Text(TextTest::Ilike, wanted), Some(text)) => {
            like(wanted.to_lowercase().as_bytes(), text.to_lowercase().as_bytes())
        }
        (other, _) => panic!("{other:?}"),
    }
}

fn like(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'%', rest)) => (0..=text.len()).any(|at| like(rest, &text[at..])),
        Some((b'_', rest)) => !text.is_empty() && like(rest, &text[1..]),
        Some((letter, rest)) => text.first() == Some(letter) && like(rest, &text[1..]),
    }
}

pub(crate) fn a_search_finds_what_its_filter_means(open: Open<'_>) {
    let mut store = open();
    let mut runner = TestRunner::new(Config {
        cases: 4,
        failure_persistence: None,
        ..Config::default()
    });
    let mut round = 0;
    let material = (
        proptest::collection::vec(known(), 1..12),
        proptest::collection::vec(filter(), 40),
    );
    let store = std::cell::RefCell::new(&mut store);
    let round = std::cell::RefCell::new(&mut round);
    runner
        .run(&material, |(runs, filters)| {
            let mut store = store.borrow_mut();
            let mut round = round.borrow_mut();
            **round += 1;
            let experiment = write(&mut store, |tracking| {
                tracking.create_experiment(&format!("e{}", **round), None, &[], NOW)
            })
            .unwrap();
            for (at, known) in runs.iter().enumerate() {
                let id = format!("r{}-{at:02}", **round);
                let metrics: Vec<_> = known
                    .metric
                    .iter()
                    .map(|value| NewMetric::plain("m", point(1, 0, *value)))
                    .collect();
                let text = |text: &Option<String>| {
                    text.iter()
                        .map(|text| ("k".to_owned(), text.clone()))
                        .collect::<Vec<_>>()
                };
                write(&mut store, |tracking| {
                    let new = NewTrackedRun {
                        id: &id,
                        experiment: &experiment.to_string(),
                        name: &id,
                        user: "ada",
                        started_at: Some(1),
                        tags: &[],
                    };
                    tracking.create_run(&new, NOW)?;
                    tracking.log_batch(&id, &metrics, &text(&known.param), &text(&known.tag))
                })
                .unwrap();
            }
            for filter in filters {
                let search = Search {
                    experiments: vec![experiment],
                    filter: filter.clone(),
                    ..search("", &[])
                };
                let found = read(&store, |tracking| tracking.search_runs(&search)).unwrap();
                let found: Vec<usize> = found
                    .iter()
                    .map(|run| run.id.split_once('-').unwrap().1.parse().unwrap())
                    .collect();
                let wanted: Vec<usize> = runs
                    .iter()
                    .enumerate()
                    .filter(|(_, run)| matches(&filter, run))
                    .map(|(at, _)| at)
                    .collect();
                prop_assert_eq!(found, wanted, "{:?} over {:?}", filter, runs);
            }
            Ok(())
        })
        .unwrap();
}

pub(crate) fn a_logged_model_goes_from_pending_to_ready_and_is_found(open: Open<'_>) {
    let mut store = open();
    run(&mut store, "r", 1, &[], &[], &[]);
    for (id, value) in [("m-1", 0.5), ("m-2", 0.9)] {
        write(&mut store, |tracking| {
            let new = NewLoggedModel {
                id,
                experiment: "0",
                name: "tree",
                kind: Some("sklearn"),
                source_run: Some("r"),
                params: &pairs(&[("depth", "3")]),
                tags: &[],
            };
            tracking.create_logged_model(&new, NOW)?;
            let metric = NewMetric {
                model: Some(id),
                dataset: (Some("d"), Some("1")),
                ..NewMetric::plain("acc", point(1, 0, value))
            };
            tracking.log_batch("r", &[metric], &[], &[])?;
            let out = RunModel {
                model: id.to_owned(),
                step: 0,
            };
            tracking.link_models("r", &[out], true)
        })
        .unwrap();
    }
    let model = write(&mut store, |tracking| {
        tracking.finish_logged_model("m-1", ModelState::Ready, NOW)
    })
    .unwrap();
    assert_eq!(
        (model.status, model.location.as_str(), model.metrics.len()),
        (ModelState::Ready, "mlflow-artifacts:/0/models/m-1/artifacts", 1)
    );
    let data = read(&store, |tracking| tracking.data_of(&[tracking.run("r")?])).unwrap();
    assert_eq!(
        (data[0].models_out.len(), data[0].metrics[0].1),
        (2, point(1, 0, 0.9))
    );
    let find = |filter: &str, descending: bool| {
        let search = Search {
            experiments: vec![0],
            filter: Filter::parse(Dialect::LoggedModels, filter).unwrap(),
            datasets: vec![("d".to_owned(), None), ("other".to_owned(), Some("2".to_owned()))],
            order: vec![Order {
                by: Subject::Metric("acc".to_owned()),
                descending,
                dataset: (Some("d".to_owned()), None),
            }],
            view: View::Active,
            limit: 10,
            offset: 0,
        };
        let found = read(&store, |tracking| tracking.search_logged_models(&search)).unwrap();
        found.into_iter().map(|model| model.id).collect::<Vec<_>>()
    };
    assert_eq!(find("params.depth = '3'", true), ["m-2", "m-1"]);
    assert_eq!(find("metrics.acc < 0.6 AND status = 'READY'", false), ["m-1"]);
    write(&mut store, |tracking| tracking.delete_logged_model("m-1", NOW)).unwrap();
    assert_eq!(
        read(&store, |tracking| tracking.logged_model("m-1"))
            .unwrap_err()
            .message,
        "Logged model with ID 'm-1' not found."
    );
}

pub(crate) fn versions_of_steps_and_of_clients_are_of_one_registry(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    let mut turn = store.begin().unwrap();
    turn.register_model(&run, "register", &draft("delay", "w1", Some("champion")), NOW)
        .unwrap();
    turn.append(&run, 1, 0, &[started_run(1)]).unwrap();
    turn.commit().unwrap();
    let seen = read(&store, |tracking| tracking.version_of_alias("delay", "champion")).unwrap();
    assert_eq!(
        (seen.version, seen.run_id),
        (1, Some(tracked_step_id(&run, "register")))
    );
    let files = read(&store, |tracking| {
        tracking.files_in(seen.source.strip_prefix("mlflow-artifacts:/").unwrap())
    })
    .unwrap();
    assert_eq!(files.len(), 1);
    let new = NewVersion {
        name: "delay",
        source: "s3://bucket/model",
        run_id: None,
        run_link: None,
        logged_model: None,
        description: Some("better"),
        user: "ada",
        tags: &pairs(&[("k", "v")]),
    };
    let made = write(&mut store, |tracking| tracking.create_version(&new, NOW)).unwrap();
    assert_eq!(made.version, 2);
    assert_eq!(store.models().unwrap()[0].latest, 2);
    write(&mut store, |tracking| {
        tracking.point_alias("delay", "champion", "2", NOW)?;
        tracking.move_version("delay", "2", Stage::Production, true, NOW)
    })
    .unwrap();
    assert_eq!(store.models().unwrap()[0].aliases, [("champion".to_owned(), 2)]);
    write(&mut store, |tracking| tracking.delete_version("delay", "2", NOW)).unwrap();
    let next = write(&mut store, |tracking| tracking.create_version(&new, NOW)).unwrap();
    assert_eq!(
        (next.version, next.aliases.len()),
        (3, 0),
        "no number is given twice"
    );
    write(&mut store, |tracking| tracking.delete_model("delay", NOW)).unwrap();
    assert_eq!(store.models().unwrap(), []);
    let again = write(&mut store, |tracking| {
        tracking.create_model("delay", None, &[], NOW)?;
        tracking.create_version(&new, NOW)
    })
    .unwrap();
    assert_eq!(again.version, 4);
    let models = Search {
        experiments: Vec::new(),
        filter: Filter::parse(
            Dialect::Models,
            "name LIKE 'd%' AND tag.`mlflow.prompt.is_prompt` != 'true'",
        )
        .unwrap(),
        ..search("", &[])
    };
    let found = read(&store, |tracking| tracking.search_models(&models)).unwrap();
    assert_eq!((found.len(), found[0].newest.len()), (1, 1));
}

pub(crate) fn files_are_listed_by_folder(open: Open<'_>) {
    let mut store = open();
    let content = ContentHash::of(b"x");
    write(&mut store, |tracking| {
        for path in ["0/r/a/x", "0/r/a-b", "0/r/a/y/z", "0/r/b", "0/r2/c"] {
            tracking.put_file(path, &content, 1, NOW)?;
        }
        Ok(())
    })
    .unwrap();
    let list = |folder: &str| {
        let files = read(&store, |tracking| tracking.files_in(folder)).unwrap();
        files
            .into_iter()
            .map(|file| format!("{}{}", file.path, if file.size.is_none() { "/" } else { "" }))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(list("0/r"), "0/r/a/ 0/r/a-b 0/r/b");
    assert_eq!(list("0/r/a"), "0/r/a/x 0/r/a/y/");
    assert_eq!(list(""), "0/");
    assert_eq!(list("0/r/b"), "");
    assert_eq!(write(&mut open(), |tracking| tracking.drop_files("0/r/a")), Ok(2));
    assert_eq!(list("0/r"), "0/r/a-b 0/r/b");
}

pub(crate) fn a_run_of_a_pipeline_tracks_itself_and_goes_with_what_it_tracked(open: Open<'_>) {
    let mut store = open();
    for number in [1, 2] {
        let run = create_owned(&mut store, number, "flights");
        let whole = TrackedStep {
            id: run.to_string(),
            name: "flights".to_owned(),
            user: "ada".to_owned(),
            status: RunState::Running,
            started_at: Timestamp(1_000),
            ended_at: None,
            params: pairs(&[("seed", "1")]),
            tags: Vec::new(),
            metrics: Vec::new(),
            curves: Vec::new(),
            datasets: Vec::new(),
            files: Vec::new(),
        };
        let step = TrackedStep {
            id: tracked_step_id(&run, "train"),
            name: "train".to_owned(),
            status: RunState::Finished,
            ended_at: Some(Timestamp(9_000)),
            tags: pairs(&[("mlflow.parentRunId", run.as_str())]),
            metrics: vec![("auc".to_owned(), 0.9)],
            datasets: vec![("flights".to_owned(), "abc".to_owned(), "data/*.csv".to_owned())],
            files: vec![("model".to_owned(), ContentHash::of(b"m"), 1)],
            params: Vec::new(),
            ..whole.clone()
        };
        let mut turn = store.begin().unwrap();
        turn.track(&run, "flights", &[whole.clone(), step]).unwrap();
        turn.append(&run, 1, 0, &[started_run(1)]).unwrap();
        turn.commit().unwrap();
        let mut turn = store.begin().unwrap();
        let over = TrackedStep {
            status: RunState::Finished,
            ended_at: Some(Timestamp(12_000)),
            ..whole
        };
        turn.track(&run, "flights", &[over]).unwrap();
        turn.append(&run, 1, 1, &[ended_run(2 + number as i64, RunOutcome::Succeeded)])
            .unwrap();
        turn.commit().unwrap();
    }
    let of = |store: &Store, filter: &str| {
        let search = Search {
            experiments: vec![1],
            ..search(filter, &[])
        };
        read(store, |tracking| {
            let runs = tracking.search_runs(&search)?;
            let data = tracking.data_of(&runs)?;
            Ok(runs.into_iter().zip(data).collect::<Vec<_>>())
        })
        .unwrap()
    };
    let children = of(
        &store,
        &format!("tags.mlflow.parentRunId = '{}' AND metrics.auc > 0.5", run_id(1)),
    );
    assert_eq!(children.len(), 1);
    let (step, data) = &children[0];
    assert_eq!(
        (step.name.as_str(), step.status, data.datasets.len()),
        ("train", RunState::Finished, 1)
    );
    let place = step.location.strip_prefix("mlflow-artifacts:/").unwrap();
    assert_eq!(
        read(&store, |tracking| tracking.files_in(place)).unwrap().len(),
        1
    );
    assert_eq!(of(&store, "params.seed = '1' AND status = 'FINISHED'").len(), 2);
    assert_eq!(sweep(&mut store, ALL), 1);
    assert_eq!(of(&store, "").len(), 2, "what the other run has tracked stays");
    assert_eq!(
        read(&store, |tracking| tracking.files_in(place)).unwrap().len(),
        0
    );
    append(&mut store, &run_id(2), 2, &[]);
}
