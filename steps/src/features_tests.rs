use super::*;
use crate::testbed::{Bed, contract, example_contract, examples, rows};
use polars::prelude::{DataFrame, df};
use serde_json::{Value, json};
use trainyard_contract::{DataContract, DataType};

const TABLE: &[(&str, ArtifactKind)] = &[("table", ArtifactKind::Table)];

fn trips() -> DataContract {
    contract(json!({
        "version": 1, "name": "trips", "event_time": "at", "primary_key": ["id"], "moments": ["plan", "start", "end"],
        "columns": {
            "id": {"type": "int64", "nullable": false, "known_at": "plan"},
            "at": {"type": "timestamp[us, UTC]", "nullable": false, "known_at": "plan"},
            "city": {"type": "string", "nullable": false, "known_at": "plan"},
            "km": {"type": "float64", "nullable": false, "known_at": "plan", "unit": "km"},
            "driver": {"type": "string", "known_at": "start"},
            "wait": {"type": "float64", "known_at": "start"},
            "delay": {"type": "float64", "known_at": "end"},
        }
    }))
}

fn rain() -> DataContract {
    contract(json!({
        "version": 1, "name": "rain", "event_time": "seen", "moments": ["plan", "start", "end"],
        "columns": {
            "city": {"type": "string", "nullable": false, "known_at": "plan"},
            "seen": {"type": "timestamp[us, UTC]", "nullable": false, "known_at": "plan"},
            "mm": {"type": "float64", "known_at": "start"},
            "code": {"type": "int64", "known_at": "plan"},
        }
    }))
}

fn drivers() -> DataContract {
    contract(json!({
        "version": 1, "name": "drivers", "moments": ["plan", "start", "end"],
        "columns": {
            "name": {"type": "string", "nullable": false, "known_at": "plan"},
            "years": {"type": "int64", "nullable": false, "known_at": "plan"},
            "city": {"type": "string", "nullable": false, "known_at": "plan"},
        }
    }))
}

/// Two cities; the trips of city A are at 10:00 and 12:00, of city B at 11:00; out of order.
fn bed() -> Bed {
    Bed::new()
        .file(
            "trips.csv",
            "id,at,city,km,driver,wait,delay\n\
             3,2020-01-02T12:00:00Z,A,3,dan,1,30\n\
             1,2020-01-02T10:00:00Z,A,1,eve,2,10\n\
             2,2020-01-02T11:00:00Z,B,2,,3,\n",
        )
        .file(
            "rain.csv",
            "city,seen,mm,code\n\
             B,2020-01-02T10:30:00Z,9,1\n\
             A,2020-01-02T11:00:00Z,5,2\n\
             A,2020-01-02T09:00:00Z,3,3\n\
             A,2020-01-02T11:00:00Z,6,4\n\
             A,2020-01-02T13:00:00Z,7,5\n",
        )
        .file("drivers.csv", "name,years,city\ndan,4,A\neve,7,B\n")
        .contract(trips())
        .contract(rain())
        .contract(drivers())
        .dataset("trips", "trips.csv", Some("trips"))
        .dataset("rain", "rain.csv", Some("rain"))
        .dataset("drivers", "drivers.csv", Some("drivers"))
}

fn found(with: Value) -> Vec<String> {
    let answer = bed().infer(&FeaturesBuild, with, TABLE);
    answer
        .findings
        .iter()
        .map(|f| {
            let at = f
                .word
                .as_ref()
                .map(|word| format!(" `{word}`"))
                .unwrap_or_default();
            let help = f
                .help
                .as_ref()
                .filter(|help| help.starts_with("did you"))
                .map(|h| format!(" ({h})"))
                .unwrap_or_default();
            let level = if f.severity == Severity::Error {
                ""
            } else {
                " warning"
            };
            format!("{}{level} {}{at}: {}{help}", f.code, f.path, f.message)
        })
        .collect()
}

/// Output of a run, after holding it against what the check said.
fn built(bed: &Bed, with: Value) -> DataFrame {
    let answer = bed.infer(&FeaturesBuild, with.clone(), TABLE);
    let errors: Vec<_> = answer
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let ended = bed.run(&FeaturesBuild, with, TABLE).unwrap();
    assert_eq!(
        answer.outputs["table"],
        Shape::Table(ended.schema("table").clone())
    );
    assert_eq!(answer.lineage, ended.report.lineage);
    ended.frame("table")
}

fn base(more: Value) -> Value {
    let mut with = json!({"base": "trips", "entity": ["id"], "event_time": "at", "predict_at": "plan"});
    with.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    with
}

#[test]
fn an_as_of_join_takes_the_last_row_at_or_before_event_time_minus_lag() {
    let lagged = |lag: &str| {
        let with = base(json!({
            "as_of_join": [{"table": "rain", "by": ["city"], "lag": lag, "columns": ["mm"]}]
        }));
        rows(&built(&bed(), with).select(["id", "mm"]).unwrap())
    };
    // By hand. At lag 0 the 12:00 trip sees 11:00, of which the later of two rows counts.
    assert_eq!(lagged("0s"), ["3|6", "1|3", "2|9"]);
    assert_eq!(lagged("60m"), ["3|6", "1|3", "2|-"]);
    assert_eq!(lagged("61m"), ["3|3", "1|-", "2|-"]);
    assert_eq!(lagged("1d"), ["3|-", "1|-", "2|-"]);
}

#[test]
fn a_tolerance_says_how_old_a_row_may_be() {
    let with = base(json!({
        "as_of_join": [{"table": "rain", "by": ["city"], "tolerance": "59m", "columns": ["mm"], "prefix": "rain_"}]
    }));
    let frame = built(&bed(), with);
    assert_eq!(
        rows(&frame.select(["id", "rain_mm"]).unwrap()),
        ["3|-", "1|-", "2|9"]
    );
}

#[test]
fn an_as_of_join_agrees_with_a_search_by_hand_over_many_random_rows() {
    let mut state = 7u64;
    let mut draw = |bound: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let minute = 60_000_000i64;
    let left: Vec<(i64, String)> = (0..800)
        .map(|_| (draw(500) as i64, format!("c{}", draw(5))))
        .collect();
    let right: Vec<(i64, String)> = (0..600)
        .map(|_| (draw(500) as i64, format!("c{}", draw(6))))
        .collect();
    let stamps = |rows: &[(i64, String)]| -> Vec<i64> { rows.iter().map(|(t, _)| t * minute).collect() };
    let keys = |rows: &[(i64, String)]| -> Vec<String> { rows.iter().map(|(_, k)| k.clone()).collect() };
    let time = polars::prelude::DataType::Datetime(polars::prelude::TimeUnit::Microseconds, None);
    let timed = |mut frame: DataFrame| {
        let times = frame.column("at").unwrap().cast(&time).unwrap();
        frame.with_column(times).unwrap();
        frame
    };
    let ids: Vec<i64> = (0..800).collect();
    let trips = timed(df!("id" => ids, "at" => stamps(&left), "city" => keys(&left)).unwrap());
    let values: Vec<i64> = (0..600).collect();
    let rain = timed(df!("city" => keys(&right), "at" => stamps(&right), "v" => values).unwrap());
    let bed = Bed::new().table("trips", trips).table("rain", rain);
    let with = json!({
        "entity": ["id"], "event_time": "at",
        "as_of_join": [{"table": "rain", "by": ["city"], "lag": "30m", "columns": ["v"]}]
    });
    let frame = built(&bed, with);
    let found = frame.column("v").unwrap().i64().unwrap();
    for (row, (at, city)) in left.iter().enumerate() {
        let expected = right
            .iter()
            .enumerate()
            .filter(|(_, (seen, place))| place == city && *seen <= at - 30)
            .max_by_key(|(number, (seen, _))| (*seen, *number))
            .map(|(number, _)| number as i64);
        assert_eq!(found.get(row), expected, "row {row}");
    }
}

#[test]
fn an_as_of_join_looks_back_ahead_or_both_ways_with_or_without_the_moment_itself() {
    let looked = |more: Value| {
        let mut join = json!({"table": "rain", "by": ["city"], "columns": ["mm"]});
        join.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let with = json!({"base": "trips", "entity": ["id"], "event_time": "at", "as_of_join": [join]});
        rows(&built(&bed(), with).select(["id", "mm"]).unwrap())
    };
    // Rain in A at 9:00 (3), 11:00 (5, then 6) and 13:00 (7), in B at 10:30 (9). Trips in A at 12:00 and
    // 10:00, in B at 11:00.
    assert_eq!(looked(json!({"direction": "forward"})), ["3|7", "1|5", "2|-"]);
    assert_eq!(
        looked(json!({"direction": "nearest", "tolerance": "45m"})),
        ["3|-", "1|-", "2|9"]
    );
    assert_eq!(looked(json!({"lag": "1h"})), ["3|6", "1|3", "2|-"]);
    assert_eq!(
        looked(json!({"lag": "1h", "allow_equal": false})),
        ["3|3", "1|-", "2|-"]
    );
    assert_eq!(
        found(base(
            json!({"as_of_join": [{"table": "rain", "by": ["city"], "columns": ["mm"], "direction": "forward"}]})
        )),
        [
            "M01 warning with.as_of_join[0].direction: rows later than the event are found: nobody knows them when the prediction is made"
        ]
    );
}

#[test]
fn a_window_of_the_past_may_take_in_the_label_and_one_with_its_own_row_may_not() {
    let windowed = |closed: &str| {
        found(base(json!({
            "windows": [{"by": ["city"], "closed": closed, "columns": {"delays": {"aggregate": "mean", "of": "delay"}}}],
            "columns": {"more": "delays + 1"},
            "label": {"name": "late", "expr": "delay > 15"},
        })))
    };
    assert_eq!(windowed("left"), [""; 0]);
    let said = windowed("right");
    assert!(
        said.iter()
            .any(|finding| finding.starts_with("M01 with.windows[0].columns.delays")),
        "{said:?}"
    );
    assert!(
        said.iter()
            .any(|finding| finding.starts_with("M02 with.windows[0].columns.delays")),
        "{said:?}"
    );
    assert_eq!(
        found(base(json!({
            "windows": [{"by": ["driver"], "columns": {"trips": {"aggregate": "count"}}}],
        }))),
        [
            "M01 with.windows[0].columns.trips `trips`: `trips` is known at start, after the prediction is made at plan"
        ]
    );
}

#[test]
fn a_left_join_keeps_all_rows_and_their_order() {
    let with = base(json!({
        "predict_at": "start",
        "join": [{"table": "drivers", "by": [{"left": "driver", "right": "name"}], "columns": ["years"]}]
    }));
    assert_eq!(
        rows(&built(&bed(), with).select(["id", "years"]).unwrap()),
        ["3|4", "1|7", "2|-"]
    );
    let with = base(json!({
        "predict_at": "start",
        "join": [{"table": "drivers", "by": [{"left": "driver", "right": "name"}], "how": "inner", "prefix": "d_"}]
    }));
    let frame = built(&bed(), with);
    assert_eq!(
        rows(&frame.select(["id", "d_years", "d_city"]).unwrap()),
        ["3|4|A", "1|7|B"]
    );
}

#[test]
fn a_join_that_would_multiply_rows_is_refused_with_the_key() {
    let with =
        base(json!({"predict_at": "start", "join": [{"table": "rain", "by": ["city"], "columns": ["mm"]}]}));
    let error = bed().run(&FeaturesBuild, with, TABLE).unwrap_err();
    assert_eq!(
        error.failure.message,
        "`rain` has 1 keys more than once, the first is city = A: joining it would multiply rows"
    );
}

#[test]
fn expressions_may_use_earlier_ones_and_the_output_has_its_order() {
    let with = base(json!({
        "columns": {"double": "km * 2", "more": "double + 1", "where": "concat(city, '-', id)"},
        "keep": ["km", "city"],
        "filter": "more > 3",
        "label": {"name": "late", "expr": "delay > 15"},
    }));
    let bed = bed();
    let frame = built(&bed, with.clone());
    assert_eq!(rows(&frame), ["3|2020-01-02 12:00:00 UTC|3|A|6|7|A-3|true"]);
    let ended = bed.run(&FeaturesBuild, with, TABLE).unwrap();
    let schema = ended.schema("table");
    assert_eq!(
        schema.names().collect::<Vec<_>>(),
        ["id", "at", "km", "city", "double", "more", "where", "late"]
    );
    assert_eq!(schema.features, ["km", "city", "double", "more", "where"]);
    assert_eq!(
        (schema.label.as_deref(), schema.predict_at.as_deref()),
        (Some("late"), Some("plan"))
    );
    assert_eq!(
        schema.column("late").unwrap().known_at.as_ref().unwrap().moment,
        "end"
    );
    assert_eq!(schema.column("km").unwrap().unit.as_deref(), Some("km"));
    assert_eq!(schema.column("late").unwrap().data_type, DataType::Boolean);
}

#[test]
fn rows_without_a_label_are_dropped_and_counted() {
    let with = base(
        json!({"keep": ["km"], "label": {"name": "late", "expr": "delay > 15"}, "store": {"feature_view": "v", "ttl": "3d"}}),
    );
    let ended = bed().run(&FeaturesBuild, with, TABLE).unwrap();
    assert_eq!(
        rows(&ended.frame("table").select(["id", "late"]).unwrap()),
        ["3|true", "1|false"]
    );
    assert_eq!(ended.log[0], "dropped 1 rows without label `late`");
    let [trainyard_contract::task::EffectRequest::WriteFeatures(draft)] = ended.report.effects.as_slice()
    else {
        panic!("{:?}", ended.report.effects)
    };
    assert_eq!((draft.view.name.as_str(), draft.added), ("v", 2));
    assert_eq!(draft.view.ttl.map(|ttl| ttl.to_string()).as_deref(), Some("3d"));
}

#[test]
fn what_is_known_too_late_is_found_at_the_word() {
    assert_eq!(
        found(base(json!({
            "keep": ["km", "wait"],
            "columns": {"a": "km + 1", "b": "ln(wait) + km", "c": "b * 2"},
            "join": [{"table": "rain", "by": ["city"], "columns": ["code", "mm"], "prefix": "r_"}],
            "label": {"name": "late", "expr": "delay > 15"},
        }))),
        [
            "M01 with.keep[1] `wait`: `wait` is known at start, after the prediction is made at plan",
            "M01 with.join[0].columns[1] `mm`: `r_mm` is known at start, after the prediction is made at plan",
            "M01 with.columns.b `wait`: `wait` is known at start, after the prediction is made at plan",
        ]
    );
}

#[test]
fn a_lookup_by_a_key_known_late_is_late_itself() {
    assert_eq!(
        found(base(json!({
            "join": [{"table": "drivers", "by": [{"left": "driver", "right": "name"}], "columns": ["years"]}]
        }))),
        [
            "M01 with.join[0].columns[0] `years`: `years` is known at start, after the prediction is made at plan"
        ]
    );
}

#[test]
fn a_lagged_as_of_join_is_no_leak_and_neither_is_a_later_prediction() {
    let as_of = json!([{"table": "rain", "by": ["city"], "lag": "1h", "columns": ["mm"]}]);
    assert_eq!(found(base(json!({"as_of_join": as_of}))), [""; 0]);
    assert_eq!(
        found(base(json!({"predict_at": "start", "keep": ["wait"]}))),
        [""; 0]
    );
}

#[test]
fn the_label_and_what_it_is_made_from_are_no_features() {
    assert_eq!(
        found(base(json!({
            "predict_at": "end",
            "keep": ["delay", "late"],
            "columns": {"minutes": "delay / 60"},
            "label": {"name": "late", "expr": "delay > 15"},
        }))),
        [
            "M02 with.keep[0] `delay`: `delay` is what the label is made from",
            "M02 with.keep[1]: `late` is the label, not a feature",
            "M02 with.columns.minutes `delay`: `delay` is what the label is made from",
        ]
    );
}

#[test]
fn rows_chosen_by_what_is_known_late_are_a_warning() {
    assert_eq!(
        found(base(
            json!({"keep": ["km"], "filter": "delay IS NOT NULL AND km > 0"})
        )),
        [
            "M01 warning with.filter `delay`: rows are chosen by `delay`, known at end: when the prediction is made at plan, nobody can tell which rows these are"
        ]
    );
}

#[test]
fn a_misspelt_column_is_found_wherever_it_stands() {
    assert_eq!(
        found(json!({
            "base": "trips", "entity": ["idd"], "event_time": "att", "keep": ["km", "kmm"],
            "as_of_join": [],
            "join": [{"table": "rain", "by": ["citty"], "columns": ["mmm"]}],
            "columns": {"a": "km + kn", "b": "a + 1"},
            "filter": "cty = 'A'",
            "label": {"name": "late", "expr": "dellay > 1"},
        })),
        [
            "D01 with.entity[0] `idd`: there is no column `idd` here (did you mean `id`?)",
            "D01 with.event_time `att`: there is no column `att` here (did you mean `at`?)",
            "D01 with.keep[1] `kmm`: there is no column `kmm` here (did you mean `km`?)",
            "D01 with.join[0].by[0] `citty`: there is no column `citty` here (did you mean `city`?)",
            "D01 with.join[0].by[0] `citty`: there is no column `citty` here (did you mean `city`?)",
            "D01 with.join[0].columns[0] `mmm`: there is no column `mmm` here (did you mean `mm`?)",
            "D01 with.columns.a `kn`: there is no column `kn` here (did you mean `km`?)",
            "D01 with.filter `cty`: there is no column `cty` here (did you mean `city`?)",
            "D01 with.label.expr `dellay`: there is no column `dellay` here (did you mean `delay`?)",
        ]
    );
}

#[test]
fn a_misspelt_table_or_moment_is_found() {
    assert_eq!(
        found(base(json!({"as_of_join": [{"table": "rian", "by": ["city"]}]}))),
        ["D01 with.as_of_join[0].table `rian`: there is no input `rian` (did you mean `rain`?)"]
    );
    assert_eq!(
        found(base(json!({"predict_at": "plann", "keep": ["km"]}))),
        [
            "S02/unknown-moment with.predict_at: `plann` is no moment of the contract of `trips` (did you mean `plan`?)"
        ]
    );
}

#[test]
fn names_and_types_that_clash_are_found() {
    assert_eq!(
        found(base(json!({
            "join": [{"table": "drivers", "by": [{"left": "id", "right": "name"}]}],
            "as_of_join": [{"table": "rain", "by": ["city"], "columns": ["city"], "lag": "soon"}],
            "columns": {"km": "1", "t": "km + 'x'", "u": "ln("},
            "filter": "km + 1",
            "label": {"name": "wait", "expr": "delay"},
            "keep": ["km", "km"],
        }))),
        [
            "D03 with.keep[1]: `km` is kept twice",
            "D03 with.join[0].by[0] `id`: the key `id` is int64 in `trips` and string in `drivers`",
            "D03 with.join[0] `city`: `city` is already a column here",
            "S01 with.as_of_join[0].lag: `soon` is not a duration; write `500ms`, `30s`, `5m`, `2h` or `3d`",
            "D03 with.as_of_join[0].columns[0] `city`: `city` is already a column here",
            "D03 with.columns.km: `km` is already a column here",
            "D01/wrong-column-type with.columns.t `'x'`: `+` does not go with float64 and text",
            "S03 with.columns.u: this is not SQL: expected: an expression, found: EOF",
            "S03 with.filter: a filter must be true or false, this is float64",
            "D03 with.label.name: `wait` is already a column here",
        ]
    );
}

#[test]
fn statistics_over_all_rows_are_noted_for_the_split_to_see() {
    let with = base(json!({
        "keep": ["km", "city"],
        "columns": {"share": "km / SUM(km)", "before": "LAG(km) OVER (PARTITION BY city ORDER BY at)"},
        "label": {"name": "late", "expr": "delay > 15"},
        "encode": {"city": "target"}, "scale": {"km": "standard"},
    }));
    let bed = bed();
    let answer = bed.infer(&FeaturesBuild, with.clone(), TABLE);
    assert_eq!(answer.findings, []);
    let Shape::Table(schema) = &answer.outputs["table"] else {
        panic!()
    };
    let fitted = |name: &str| {
        schema
            .column(name)
            .unwrap()
            .fitted
            .as_ref()
            .map(|f| f.path.to_string())
    };
    assert_eq!(fitted("city").as_deref(), Some("with.encode.city"));
    assert_eq!(fitted("km").as_deref(), Some("with.scale.km"));
    assert_eq!(fitted("share").as_deref(), Some("with.columns.share"));
    assert_eq!(fitted("before"), None);
    // Rows 3 and 1 have labels true and false; km 3 and 1 have mean 2 and deviation √2.
    let frame = built(&bed, with);
    let shown = rows(&frame.select(["city", "km", "late"]).unwrap());
    assert_eq!(
        shown,
        ["0.5|0.7071067811865475|true", "0.5|-0.7071067811865475|false"]
    );
}

#[test]
fn nothing_is_said_of_tables_nobody_knows() {
    let bed = bed().dataset("rain", "rain.csv", None);
    let answer = bed.infer(&FeaturesBuild, base(json!({"keep": ["kmm"]})), TABLE);
    assert_eq!(answer.findings, []);
    assert_eq!(answer.outputs["table"], Shape::UnknownTable);
}

#[test]
fn the_flights_of_the_example_are_built() {
    let at = |name: &str| {
        examples()
            .join("data/flights")
            .join(name)
            .to_string_lossy()
            .into_owned()
    };
    let bed = Bed::new()
        .contract(example_contract("flights"))
        .contract(example_contract("weather"))
        .dataset("flights", &at("flights.parquet"), Some("flights"))
        .dataset("weather", &at("weather.parquet"), Some("weather"));
    let with = json!({
        "entity": ["carrier", "flight", "time_hour"], "event_time": "time_hour", "predict_at": "schedule",
        "as_of_join": [{"table": "weather", "by": ["origin"], "lag": "24h", "columns": ["temp", "wind_speed", "precip", "visib"]}],
        "columns": {
            "hour_sin": "sin(2.0 * pi() * hour / 24.0)", "route": "concat(origin, '-', dest)", "distance_log": "ln(distance)"
        },
        "keep": ["carrier", "month", "distance", "sched_dep_time"],
        "label": {"name": "is_late", "expr": "arr_delay > 15"},
    });
    let frame = built(&bed, with.clone());
    // 336,776 flights, 9,430 without an arrival delay.
    assert_eq!(frame.height(), 327_346);
    let mut late = with;
    late["keep"] = json!(["carrier", "month", "distance", "dep_delay"]);
    let answer = bed.infer(&FeaturesBuild, late, TABLE);
    assert_eq!(answer.findings.len(), 1);
    assert_eq!(answer.findings[0].path.to_string(), "with.keep[3]");
    assert_eq!(
        answer.findings[0].message,
        "`dep_delay` is known at departure, after the prediction is made at schedule"
    );
}
