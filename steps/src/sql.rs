//! SQL over tables and SQL expressions over columns, as polars understands them.
//!
//! polars' SQL can also read files and drop tables; a step must do neither, so texts are parsed here
//! first with the same parser.

mod call;
mod class;
mod function;
mod misuse;
mod resolve;
mod scope;
mod typing;

use crate::fault::guarded;
pub(crate) use misuse::Misuse;
use polars::prelude::{Expr, LazyFrame, PolarsError, PolarsResult, StrptimeOptions, lit};
use polars::sql::{SQLContext, sql_expr};
use resolve::{Common, Resolver};
use schemars::JsonSchema;
use scope::{Known, Relation, Scope};
use serde::Deserialize;
use sqlparser::ast::{Query, Statement, TableFactor, Visit, Visitor};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use trainyard_contract::{DataType, Schema};

/// A SQL expression over the columns of one row, as a parameter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("x-kind" = "expression"))]
pub(crate) struct Expression(pub(crate) String);

/// The plan of a query over tables by name.
///
/// # Errors
/// A text that is no single SELECT, a table or column that is not there, types that do not go together.
pub(crate) fn query<'a>(
    text: &str,
    tables: impl IntoIterator<Item = (&'a str, LazyFrame)>,
) -> PolarsResult<LazyFrame> {
    let mut context = SQLContext::new();
    for (name, frame) in tables {
        context.register(name, frame);
    }
    guarded(|| context.execute(text))
}

/// The tables a query reads that are not defined in itself.
///
/// # Errors
/// What is wrong with the text: no SQL, not exactly one SELECT, reads a file.
pub(crate) fn tables_of(text: &str) -> Result<BTreeSet<String>, String> {
    let statements = parser(text)?.parse_statements().map_err(readable)?;
    let [Statement::Query(query)] = statements.as_slice() else {
        return Err("this must be one SELECT and nothing else".to_owned());
    };
    let mut found = Found::default();
    if let ControlFlow::Break(refusal) = query.visit(&mut found) {
        return Err(refusal);
    }
    Ok(found.tables.difference(&found.defined).cloned().collect())
}

/// What is wrong with the words of a query over these tables; nothing if it cannot even be parsed.
///
/// A table without a schema may have any columns.
pub(crate) fn check<'a>(
    text: &str,
    tables: impl IntoIterator<Item = (&'a str, Option<&'a Schema>)>,
) -> Vec<Misuse> {
    let statements = parser(text).and_then(|mut parser| parser.parse_statements().map_err(readable));
    let Ok(statements) = statements else {
        return Vec::new();
    };
    let tables: BTreeMap<String, Relation> = tables
        .into_iter()
        .map(|(name, schema)| {
            let columns = schema.map(|schema| &schema.columns).into_iter().flatten();
            let relation = relation(columns.map(|column| (column.name.as_str(), &column.data_type)));
            let open = schema.is_none();
            (name.to_owned(), Relation { open, ..relation })
        })
        .collect();
    let mut resolver = Resolver::new(text, &tables);
    if let [Statement::Query(query)] = statements.as_slice() {
        resolver.query(query, &Common::new(), None);
    }
    resolver.found
}

/// What is wrong with the words of an expression over these columns.
pub(crate) fn check_expression<'a>(
    text: &str,
    columns: impl IntoIterator<Item = (&'a str, &'a DataType)>,
) -> Vec<Misuse> {
    let Ok(parsed) = parser(text).and_then(|mut parser| parser.parse_expr().map_err(readable)) else {
        return Vec::new();
    };
    let scope = Scope {
        relations: vec![relation(columns)],
        ..Scope::default()
    };
    let nothing = BTreeMap::new();
    let mut resolver = Resolver::new(text, &nothing);
    resolver.alone = true;
    resolver.expression(&parsed, &scope, &Common::new());
    resolver.found
}

fn relation<'a>(columns: impl IntoIterator<Item = (&'a str, &'a DataType)>) -> Relation {
    let columns = columns.into_iter().map(|(name, data_type)| Known {
        name: name.to_owned(),
        class: class::Class::of(data_type),
        shown: data_type.to_string(),
    });
    Relation {
        columns: columns.collect(),
        ..Relation::default()
    }
}

/// An expression over the columns of one row.
///
/// # Errors
/// A text that is no expression, or one that selects from tables.
pub(crate) fn expression(text: &str) -> PolarsResult<Expr> {
    let refused = |message: String| PolarsError::SQLSyntax(message.into());
    let mut parser = parser(text).map_err(refused)?;
    let parsed = parser.parse_expr().map_err(|error| refused(readable(error)))?;
    if !matches!(parser.peek_token().token, sqlparser::tokenizer::Token::EOF) {
        return Err(refused(format!(
            "this is no expression: `{}` is left over",
            parser.peek_token().token
        )));
    }
    let mut found = Found::default();
    if let ControlFlow::Break(refusal) = parsed.visit(&mut found) {
        return Err(refused(refusal));
    }
    if found.queries > 0 {
        return Err(refused("an expression cannot select from tables".to_owned()));
    }
    guarded(|| sql_expr(text))
}

/// The expression with texts that are compared with dates or times read as such, as a query does it.
pub(crate) fn dated(expression: Expr, data_type: impl Fn(&str) -> Option<DataType>) -> Expr {
    let read = |column: &Expr, other: &Expr| -> Option<Expr> {
        let (Expr::Column(name), Expr::Literal(value)) = (column, other) else {
            return None;
        };
        let text = value.extract_str()?;
        let strict = StrptimeOptions {
            strict: true,
            ..StrptimeOptions::default()
        };
        Some(match data_type(name)? {
            DataType::Date => lit(text).str().to_date(strict),
            DataType::Time => lit(text).str().to_time(strict),
            DataType::Timestamp(unit, zone) => {
                let whole = match text.len() {
                    10 => format!("{text}T00:00:00"),
                    _ => text.replacen(' ', "T", 1),
                };
                let data_type = crate::data_type::to_polars(&DataType::Timestamp(unit, zone));
                let polars::prelude::DataType::Datetime(unit, zone) = data_type else {
                    return None;
                };
                lit(whole)
                    .str()
                    .to_datetime(Some(unit), zone, strict, lit("latest"))
            }
            _ => return None,
        })
    };
    expression.map_expr(|expression| match expression {
        Expr::BinaryExpr { left, op, right } if op.is_comparison() => {
            let (one, other) = (read(&right, &left), read(&left, &right));
            Expr::BinaryExpr {
                left: one.map_or(left, Arc::new),
                op,
                right: other.map_or(right, Arc::new),
            }
        }
        other => other,
    })
}

fn parser(text: &str) -> Result<Parser<'_>, String> {
    let options = ParserOptions {
        trailing_commas: true,
        ..ParserOptions::default()
    };
    Parser::new(&GenericDialect)
        .with_options(options)
        .try_with_sql(text)
        .map_err(readable)
}

fn readable(error: sqlparser::parser::ParserError) -> String {
    use sqlparser::parser::ParserError;
    match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            let mut letters = text.chars();
            let first = letters.next().map(|c| c.to_ascii_lowercase()).into_iter();
            format!("this is not SQL: {}", first.chain(letters).collect::<String>())
        }
        ParserError::RecursionLimitExceeded => "this is nested too deeply".to_owned(),
    }
}

#[derive(Default)]
struct Found {
    tables: BTreeSet<String>,
    defined: BTreeSet<String>,
    queries: usize,
}

impl Visitor for Found {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        self.queries += 1;
        for defined in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.defined.insert(defined.alias.name.value.clone());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<String> {
        match table {
            TableFactor::Table { name, args: None, .. } => {
                let name = name
                    .0
                    .last()
                    .and_then(|part| part.as_ident())
                    .map(|ident| ident.value.clone());
                self.tables.extend(name);
                ControlFlow::Continue(())
            }
            TableFactor::Table {
                name, args: Some(_), ..
            } => ControlFlow::Break(format!(
                "`{name}(…)` reads what is not an input; declare it under `datasets` and `inputs`"
            )),
            TableFactor::TableFunction { .. } | TableFactor::Function { .. } => {
                ControlFlow::Break("a table function reads what is not an input".to_owned())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod agreement_tests;
#[cfg(test)]
mod one_language_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_the_tables_it_reads_but_not_those_it_defines() {
        let found = tables_of("WITH t AS (SELECT * FROM a) SELECT * FROM t JOIN b USING (k)").unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn only_one_select_over_inputs_is_a_query() {
        for text in [
            "DROP TABLE a",
            "SELECT 1; SELECT 2",
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM a WHERE x IN (SELECT y FROM read_parquet('z'))",
            "CREATE TABLE b AS SELECT * FROM a",
            "SELECT * FROM",
            "",
        ] {
            assert!(tables_of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_expression_is_of_one_row_and_reads_nothing() {
        assert!(expression("sin(2.0 * pi() * hour / 24.0)").is_ok());
        for text in [
            "",
            "a b c",
            "(SELECT 1)",
            "a IN (SELECT * FROM read_csv('x'))",
            "a; DROP TABLE b",
            "INTERVAL '1 nonsense'",
            "a +",
        ] {
            assert!(expression(text).is_err(), "{text}");
        }
    }

    /// `orders(id int64, who string, amount float64, at timestamp)`, `people(who string, age int64, at timestamp)`.
    fn said(query: &str) -> Vec<String> {
        let at = DataType::Timestamp(trainyard_contract::TimeUnit::Microseconds, None);
        let schema = |columns: &[(&str, DataType)]| Schema {
            columns: columns
                .iter()
                .map(|(name, data_type)| trainyard_contract::Column::new(*name, data_type.clone(), true))
                .collect(),
            ..Schema::default()
        };
        let orders = schema(&[
            ("id", DataType::Int64),
            ("who", DataType::String),
            ("amount", DataType::Float64),
            ("at", at.clone()),
        ]);
        let people = schema(&[("who", DataType::String), ("age", DataType::Int64), ("at", at)]);
        check(query, [("orders", Some(&orders)), ("people", Some(&people))])
            .into_iter()
            .map(|misuse| {
                let range = misuse.range.clone();
                let finding = misuse.finding(query, trainyard_contract::Path::root());
                let help = finding.help.map(|help| format!(" ({help})")).unwrap_or_default();
                format!(
                    "{}..{} {}: {}{help}",
                    range.start, range.end, finding.code, finding.message
                )
            })
            .collect()
    }

    #[test]
    fn each_misuse_is_said_at_its_own_word() {
        let cases: &[(&str, &[&str])] = &[
            (
                "SELECT amuont FROM orders",
                &["7..13 D01: there is no column `amuont` here (did you mean `amount`?)"],
            ),
            (
                "SELECT amount, amount + amuont FROM orders",
                &["24..30 D01: there is no column `amuont` here (did you mean `amount`?)"],
            ),
            (
                "SELECT o.amuont FROM orders o",
                &["9..15 D01: there is no column `amuont` here (did you mean `amount`?)"],
            ),
            (
                "SELECT x.id FROM orders o",
                &["7..8 D01: there is no table `x` here (did you mean `o`?)"],
            ),
            (
                "SELECT people.age FROM orders",
                &["7..13 D01: there is no table `people` here (there are `orders`)"],
            ),
            (
                "SELECT * FROM oders",
                &["14..19 D01: there is no input `oders` (did you mean `orders`?)"],
            ),
            (
                "SELECT at FROM orders o JOIN people p USING (who)",
                &["7..9 D01/ambiguous-name: `at` could be `o.at` or `p.at` (did you mean `o.at`?)"],
            ),
            ("SELECT who FROM orders o JOIN people p USING (who)", &[]),
            (
                "SELECT o.id FROM orders o JOIN people p ON o.who = p.who WHERE at > '2020-01-01'",
                &["63..65 D01/ambiguous-name: `at` could be `o.at` or `p.at` (did you mean `o.at`?)"],
            ),
            (
                "SELECT o.id FROM orders o SEMI JOIN people p USING (who) WHERE at > '2020-01-01'",
                &[],
            ),
            (
                "SELECT o.*, p.* FROM orders o JOIN people p ON o.who = p.who",
                &[
                    "12..13 D03: `who`, `at` are in `o` as well; the second becomes `who:p` (leave them out: `p.* EXCLUDE (who, at)`, or name each with `AS`)",
                ],
            ),
            (
                "SELECT o.who FROM orders o JOIN people p USING (wo)",
                &[
                    "48..50 D01: there is no column `wo` in `o` (did you mean `who`?)",
                    "48..50 D01: there is no column `wo` in `p` (did you mean `who`?)",
                ],
            ),
            (
                "SELECT sin(who) FROM orders",
                &[
                    "11..14 D01/wrong-column-type: `who` is string, and `sin` takes a number (convert it: `CAST(… AS DOUBLE)`)",
                ],
            ),
            (
                "SELECT id FROM orders WHERE who > 15",
                &[
                    "34..36 D01/wrong-column-type: string is compared with a number (convert one of them: `CAST(… AS …)`, or write texts in quotes and numbers without)",
                ],
            ),
            (
                "SELECT id FROM orders WHERE id = 'a'",
                &[
                    "33..36 D01/wrong-column-type: int64 is compared with text (convert one of them: `CAST(… AS …)`, or write texts in quotes and numbers without)",
                ],
            ),
            (
                "SELECT id FROM orders WHERE at > 'yesterday'",
                &[
                    "33..44 D01/wrong-column-type: 'yesterday' does not read as timestamp[us] (write it as '2024-01-31 12:00:00')",
                ],
            ),
            (
                "SELECT id FROM orders WHERE amount",
                &[
                    "28..34 D01/wrong-column-type: WHERE needs a condition, this is float64 (compare it with something)",
                ],
            ),
            (
                "SELECT mean(amount) FROM orders",
                &["7..11 S03: there is no function `mean` (did you mean `avg`?)"],
            ),
            (
                "SELECT uper(who) FROM orders",
                &["7..11 S03: there is no function `uper` (did you mean `upper`?)"],
            ),
            (
                "SELECT replace(who, 'a') FROM orders",
                &["7..14 S03: `replace` takes 3 arguments, here are 2"],
            ),
            (
                "SELECT row_number() FROM orders",
                &["7..17 S03: `row_number` needs `OVER (…)` (say e.g. `row_number(…) OVER (ORDER BY …)`)"],
            ),
            (
                "SELECT id, SUM(amount) AS s FROM orders GROUP BY who",
                &[
                    "7..9 S03: `id` is neither grouped by nor aggregated (add it to GROUP BY, or take one of its values: `MAX(id)`)",
                ],
            ),
            (
                "SELECT SUM(who) AS s FROM orders",
                &[
                    "11..14 D01/wrong-column-type: `who` is string, and `SUM` takes numbers (convert it: `CAST(… AS DOUBLE)`)",
                ],
            ),
            (
                "WITH t AS (SELECT who AS w, SUM(amount) AS s FROM orders GROUP BY who) SELECT w, ss FROM t WHERE w > 1",
                &[
                    "101..102 D01/wrong-column-type: string is compared with a number (convert one of them: `CAST(… AS …)`, or write texts in quotes and numbers without)",
                    "81..83 D01: there is no column `ss` here (did you mean `s`?)",
                ],
            ),
            (
                "SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM people p WHERE p.who = o.woh)",
                &["77..80 D01: there is no column `woh` here (did you mean `who`?)"],
            ),
            (
                "SELECT id AS x, amount AS x FROM orders",
                &[
                    "26..27 D03: two columns of the result are called `x` (give one of them another name with `AS`)",
                ],
            ),
            (
                "SELECT EXTRACT(year FROM who) AS y FROM orders",
                &[
                    "25..28 D01/wrong-column-type: `who` is string, and `EXTRACT` takes a date or time (convert it: `strptime(…, '%Y-%m-%d')`)",
                ],
            ),
            (
                "SELECT\n  id,\n  \"whö\"\nFROM orders",
                &["16..20 D01: there is no column `whö` here (did you mean `who`?)"],
            ),
            (
                "SELECT id FROM orders ASOF JOIN people MATCH_CONDITION (orders.at >= people.at) ON orders.who = people.who",
                &[
                    "32..38 S03: this kind of join is not supported (use JOIN, LEFT, RIGHT, FULL, CROSS, SEMI or ANTI JOIN; joins as of a time are `as_of_join` of `features.build`)",
                ],
            ),
        ];
        for (query, expected) in cases {
            assert_eq!(said(query), *expected, "{query}");
        }
    }

    #[test]
    fn an_expression_by_itself_reads_texts_as_dates_where_a_query_does() {
        use polars::prelude::{IntoLazy, TimeUnit, TimeZone, col, df};
        let utc = TimeZone::opt_try_new(Some("UTC")).unwrap();
        let types = [
            (
                "at",
                polars::prelude::DataType::Datetime(TimeUnit::Microseconds, utc),
            ),
            (
                "clock",
                polars::prelude::DataType::Datetime(TimeUnit::Milliseconds, None),
            ),
            ("day", polars::prelude::DataType::Date),
        ];
        let two = [1_704_067_200_000_000i64, 1_704_067_200_000_001];
        let frame = df!("at" => two, "clock" => [1_704_067_200_000i64, 0], "day" => [19_723i32, 0]).unwrap();
        let casts = types.clone().map(|(name, data_type)| col(name).cast(data_type));
        let frame = frame.lazy().with_columns(casts).collect().unwrap();
        let known: Vec<(&str, DataType)> = types
            .iter()
            .map(|(name, data_type)| (*name, crate::data_type::from_polars(data_type)))
            .collect();
        let columns = || known.iter().map(|(name, data_type)| (*name, data_type));
        for (text, expected) in [
            ("at > '2024-01-01'", [false, true]),
            ("'2024-01-01 00:00:00' = at", [true, false]),
            ("at BETWEEN '2024-01-01' AND '2024-01-02'", [true, true]),
            ("clock = '2024-01-01T00:00:00'", [true, false]),
            ("NOT (day < '2024-01-01' OR day IS NULL)", [true, false]),
        ] {
            assert_eq!(check_expression(text, columns()), [], "{text}");
            let typed = |name: &str| {
                known
                    .iter()
                    .find(|(other, _)| *other == name)
                    .map(|(_, t)| t.clone())
            };
            let parsed = dated(expression(text).unwrap(), typed);
            let found = frame
                .clone()
                .lazy()
                .select([parsed.alias("x")])
                .collect()
                .unwrap();
            let found: Vec<bool> = found
                .column("x")
                .unwrap()
                .bool()
                .unwrap()
                .iter()
                .flatten()
                .collect();
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(check_expression("at IN ('2024-01-01')", columns()).len(), 1);
        assert_eq!(check_expression("day > 'soon'", columns()).len(), 1);
    }
}
