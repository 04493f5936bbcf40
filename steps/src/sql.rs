//! SQL over tables and SQL expressions over columns, as polars understands them.
//!
//! polars' SQL can also read files and drop tables; a step must do neither, so texts are parsed here
//! first with the same parser.

use crate::fault::guarded;
use polars::prelude::{Expr, LazyFrame, PolarsError, PolarsResult};
use polars::sql::{SQLContext, sql_expr};
use schemars::JsonSchema;
use serde::Deserialize;
use sqlparser::ast::{Query, Statement, TableFactor, Visit, Visitor};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

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
}
