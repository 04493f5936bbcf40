//! The hand-written table of queries: their lineage, and the types they have when they are run.

use super::*;
use crate::facts::{Source, Sources};
use crate::flow::Flow;
use crate::sql;
use crate::testbed::rows;
use polars::prelude::{Column as Values, DataFrame, IntoLazy, IntoSeries, NamedFrom, Series};
use std::collections::BTreeSet;
use trainyard_contract::{Column, DataType, Schema, Severity};

const TABLE: &str = include_str!("../../fixtures/lineage.txt");

struct Query {
    text: String,
    /// Name, type with `?`, sources.
    columns: Vec<(String, String, Sources)>,
    rows: Sources,
}

fn sources(text: &str) -> Sources {
    let parse = |part: &str| {
        let (source, letters) = part.split_once(':').unwrap();
        let (input, column) = source.split_once('.').unwrap();
        let ways = letters.chars().map(|letter| match letter {
            'I' => Way::Identity,
            'T' => Way::Transformation,
            'A' => Way::Aggregation,
            'J' => Way::Join,
            'G' => Way::GroupBy,
            'F' => Way::Filter,
            'S' => Way::Sort,
            'W' => Way::Window,
            'C' => Way::Conditional,
            other => panic!("{other}"),
        });
        let source = Source {
            input: input.to_owned(),
            column: column.to_owned(),
        };
        (source, ways.collect::<BTreeSet<_>>())
    };
    text.split_whitespace().map(parse).collect()
}

fn table() -> Vec<Query> {
    let mut queries: Vec<Query> = Vec::new();
    for line in TABLE
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
    {
        let Some(line) = line.strip_prefix("  ") else {
            queries.push(Query {
                text: line.to_owned(),
                columns: Vec::new(),
                rows: Sources::new(),
            });
            continue;
        };
        let query = queries.last_mut().unwrap();
        let (left, right) = line.split_once("<-").unwrap();
        match left.trim().split_once(' ') {
            Some((name, data_type)) => {
                query
                    .columns
                    .push((name.to_owned(), data_type.to_owned(), sources(right)));
            }
            None => query.rows = sources(right),
        }
    }
    queries
}

/// The inputs named at the head of the table.
fn inputs() -> Vec<(String, Schema)> {
    let declared = TABLE
        .lines()
        .filter_map(|line| line.strip_prefix("# ")?.strip_suffix(')')?.split_once('('));
    declared
        .filter(|(name, _)| name.len() == 1)
        .map(|(name, columns)| {
            let columns = columns.split(", ").map(|column| {
                let (name, data_type) = column.split_once(' ').unwrap();
                let nullable = data_type.ends_with('?');
                Column::new(
                    name,
                    data_type.trim_end_matches('?').parse::<DataType>().unwrap(),
                    nullable,
                )
            });
            let schema = Schema {
                columns: columns.collect(),
                ..Schema::default()
            };
            (name.to_owned(), schema)
        })
        .collect()
}

fn inferred(text: &str) -> PolarsResult<Flow> {
    let inputs = inputs();
    let flows: Vec<Flow> = inputs
        .iter()
        .map(|(name, schema)| Flow::unread(name, schema))
        .collect();
    let tables: Vec<&Flow> = flows.iter().collect();
    Flow::of_many(&tables, |frames| {
        sql::query(text, inputs.iter().map(|(name, _)| name.as_str()).zip(frames))
    })
}

fn shown(sources: &Sources) -> String {
    let letter = |way: &Way| match way {
        Way::Identity => 'I',
        Way::Transformation => 'T',
        Way::Aggregation => 'A',
        Way::Join => 'J',
        Way::GroupBy => 'G',
        Way::Filter => 'F',
        Way::Sort => 'S',
        Way::Window => 'W',
        Way::Conditional => 'C',
    };
    let parts = sources.iter().map(|(source, ways)| {
        format!(
            "{}.{}:{}",
            source.input,
            source.column,
            ways.iter().map(letter).collect::<String>()
        )
    });
    parts.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_hundred_queries_have_the_lineage_and_types_worked_out_by_hand() {
    let queries = table();
    assert!(queries.len() >= 100, "{}", queries.len());
    let mut wrong = Vec::new();
    for query in &queries {
        let flow = match inferred(&query.text) {
            Ok(flow) => flow,
            Err(error) => {
                wrong.push(format!("{}\n  {error}", query.text));
                continue;
            }
        };
        let line = |name: &str, data_type: &str, sources: &Sources| {
            format!("  {name} {data_type} <- {}", shown(sources))
        };
        let found = flow.facts.columns.iter().map(|(name, fact)| {
            let nullable = if fact.column.nullable { "?" } else { "" };
            line(
                name,
                &format!("{}{nullable}", fact.column.data_type),
                &fact.sources,
            )
        });
        let found: Vec<String> = found
            .chain([format!("  rows <- {}", shown(&flow.facts.rows()))])
            .collect();
        let wanted = query
            .columns
            .iter()
            .map(|(name, data_type, sources)| line(name, data_type, sources));
        let wanted: Vec<String> = wanted
            .chain([format!("  rows <- {}", shown(&query.rows))])
            .collect();
        for (found, wanted) in found
            .iter()
            .zip(&wanted)
            .filter(|(found, wanted)| found != wanted)
        {
            wrong.push(format!("{}\n found {found}\n table {wanted}", query.text));
        }
        if found.len() != wanted.len() {
            wrong.push(format!("{}\n found {found:?}\n table {wanted:?}", query.text));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn nothing_is_wrong_with_the_words_of_queries_that_run() {
    let inputs = inputs();
    for query in table() {
        let tables = inputs.iter().map(|(name, schema)| (name.as_str(), Some(schema)));
        let said: Vec<String> = sql::check(&query.text, tables)
            .into_iter()
            .map(|misuse| misuse.finding(&query.text, trainyard_contract::Path::root()))
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.message)
            .collect();
        assert_eq!(said, [""; 0], "{}", query.text);
    }
}

/// Random rows of a schema, of few distinct values so that joins meet and groups have several.
fn random(schema: &Schema, rows: usize, draw: &mut impl FnMut(u64) -> i64) -> DataFrame {
    let columns = schema.columns.iter().map(|column| {
        let numbers: Vec<Option<i64>> = (0..rows)
            .map(|_| {
                if column.nullable && draw(3) == 0 {
                    None
                } else {
                    Some(draw(4))
                }
            })
            .collect();
        let name = column.name.as_str();
        let text = |number: &Option<i64>| number.map(|number| format!("a{number}"));
        let to = data_type::to_polars(&column.data_type);
        let series = match column.data_type {
            DataType::String => Series::new(name.into(), numbers.iter().map(text).collect::<Vec<_>>()),
            DataType::Boolean => Series::new(
                name.into(),
                numbers.iter().map(|n| n.map(|n| n > 1)).collect::<Vec<_>>(),
            ),
            DataType::List(_) => {
                let lists: Vec<Series> = numbers
                    .iter()
                    .map(|n| {
                        Series::new(
                            "".into(),
                            (0..n.unwrap_or(0)).map(|i| format!("a{i}")).collect::<Vec<_>>(),
                        )
                    })
                    .collect();
                Series::new(name.into(), lists).cast(&to).unwrap()
            }
            _ => Series::new(name.into(), numbers).cast(&to).unwrap(),
        };
        Values::from(series.into_series())
    });
    DataFrame::new(rows, columns.collect()).unwrap()
}

#[test]
fn what_is_said_of_a_query_holds_when_it_runs_over_random_rows() {
    let inputs = inputs();
    let mut state = 5u64;
    let mut draw = |bound: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((state >> 33) % bound).unwrap()
    };
    let mut values = 0;
    for query in table() {
        let said = inferred(&query.text).unwrap().facts.schema();
        for size in [0, 1, 7, 40] {
            let frames: Vec<(String, DataFrame)> = inputs
                .iter()
                .map(|(name, schema)| (name.clone(), random(schema, size, &mut draw)))
                .collect();
            let tables = frames
                .iter()
                .map(|(name, frame)| (name.as_str(), frame.clone().lazy()));
            let result = sql::query(&query.text, tables).and_then(LazyFrame::collect);
            let result = result.unwrap_or_else(|error| panic!("{}: {error}", query.text));
            let names: Vec<&str> = result
                .get_column_names()
                .iter()
                .map(|name| name.as_str())
                .collect();
            assert_eq!(names, said.names().collect::<Vec<_>>(), "{}", query.text);
            for (column, said) in result.columns().iter().zip(&said.columns) {
                let data_type = data_type::from_polars(column.dtype());
                assert_eq!(data_type, said.data_type, "{} {}", query.text, said.name);
                assert!(
                    said.nullable || column.null_count() == 0,
                    "{}: {} is missing in {:?}",
                    query.text,
                    said.name,
                    rows(&result)
                );
            }
            values += result.height() * result.width();
        }
    }
    assert!(values > 5_000, "{values}");
}
