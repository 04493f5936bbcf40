//! Column lineage of a polars plan: which input columns became each output column, and which
//! decided the rows. Read off the resolved plan, so wildcards, aliases and types are settled.
//!
//! The plan's types are no stable interface of polars: they are named here and nowhere else.

mod presence;

use crate::data_type;
use crate::facts::{Fact, Facts, Influence, Sources, join_sources, used_as};
use indexmap::IndexMap;
use polars::prelude::{JoinType, LazyFrame, PlSmallStr, PolarsError, PolarsResult};
use polars_plan::dsl::DslPlan;
use polars_plan::plans::expr_ir::ExprIR;
use polars_plan::plans::{AExpr, FunctionIR, IR, IRAggExpr};
use polars_plan::prelude::{Arena, Node, aexpr_to_leaf_names_iter};
use std::collections::BTreeMap;
use std::sync::Arc;
use trainyard_contract::task::Way;

/// How the names begin of functions that take in rows of a window; [`PAST`] if only earlier ones.
pub(crate) const WINDOW: &str = "window";
/// A window over rows before its own.
pub(crate) const PAST: &str = "window of the past";

/// An input of a plan: a frame without values, recognised in the plan by its address.
pub(crate) struct TracedInput<'a> {
    pub(crate) frame: LazyFrame,
    facts: &'a Facts,
    address: usize,
}

impl<'a> TracedInput<'a> {
    /// A frame without values that has the columns of `facts`.
    pub(crate) fn new(facts: &'a Facts) -> Self {
        let frame = polars::prelude::IntoLazy::lazy(facts.blank_frame());
        let address = match &frame.logical_plan {
            DslPlan::DataFrameScan { df, .. } => Arc::as_ptr(df) as usize,
            _ => 0,
        };
        Self {
            frame,
            facts,
            address,
        }
    }
}

/// What is known about the columns of `plan`, which was built over the frames of `inputs`.
///
/// # Errors
/// Whatever is wrong with the plan: a column that is not there, types that do not go together.
pub(crate) fn trace(plan: &LazyFrame, inputs: &[TracedInput<'_>]) -> PolarsResult<Facts> {
    let schema = plan.clone().collect_schema()?;
    let resolved = plan.clone().to_alp()?;
    let walker = Walker {
        plans: &resolved.lp_arena,
        expressions: &resolved.expr_arena,
        inputs: inputs.iter().map(|input| (input.address, input.facts)).collect(),
    };
    let mut facts = walker.plan(resolved.lp_top)?;
    // The walker follows names; order and types are the plan's own.
    let mut columns = IndexMap::with_capacity(schema.len());
    for (name, dtype) in schema.iter() {
        let mut fact = facts
            .columns
            .swap_remove(name.as_str())
            .ok_or_else(|| PolarsError::ComputeError(format!("no lineage for column `{name}`").into()))?;
        fact.column.data_type = data_type::from_polars(dtype);
        columns.insert(name.to_string(), fact);
    }
    facts.columns = columns;
    Ok(facts)
}

struct Walker<'a> {
    plans: &'a Arena<IR>,
    expressions: &'a Arena<AExpr>,
    inputs: BTreeMap<usize, &'a Facts>,
}

impl Walker<'_> {
    fn plan(&self, node: Node) -> PolarsResult<Facts> {
        match self.plans.get(node) {
            IR::DataFrameScan {
                df,
                schema,
                output_schema,
            } => {
                let known = self.inputs.get(&(Arc::as_ptr(df) as usize));
                let names = output_schema.as_ref().unwrap_or(schema).iter_names();
                let columns = names
                    .map(|name| {
                        let fact = known.and_then(|facts| facts.get(name)).cloned();
                        (
                            name.to_string(),
                            fact.unwrap_or_else(|| Fact::computed(name, true, [])),
                        )
                    })
                    .collect();
                let (deciding, ordering) = known
                    .map(|facts| (facts.deciding.clone(), facts.ordering.clone()))
                    .unwrap_or_default();
                Ok(Facts {
                    columns,
                    deciding,
                    ordering,
                })
            }
            IR::Select { input, expr, .. } => {
                let input = self.plan(*input)?;
                let columns = self.expressions(expr, &input);
                Ok(Facts { columns, ..input })
            }
            IR::HStack { input, exprs, .. } => {
                let mut input = self.plan(*input)?;
                let added = self.expressions(exprs, &input);
                input.columns.extend(added);
                Ok(input)
            }
            IR::SimpleProjection { input, columns } => {
                let mut input = self.plan(*input)?;
                input.columns.retain(|name, _| columns.contains(name));
                Ok(input)
            }
            IR::Filter { input, predicate } => {
                let mut input = self.plan(*input)?;
                let chosen = self.influence(predicate.node(), &input, Way::Filter);
                input.deciding.add(&chosen);
                Ok(input)
            }
            IR::Sort {
                input,
                by_column,
                slice,
                ..
            } => {
                let mut input = self.plan(*input)?;
                for by in by_column {
                    let order = self.influence(by.node(), &input, Way::Sort);
                    input.ordering.add(&order);
                }
                if slice.is_some() {
                    cut(&mut input);
                }
                Ok(input)
            }
            IR::Slice { input, .. } => {
                let mut input = self.plan(*input)?;
                cut(&mut input);
                Ok(input)
            }
            IR::GroupBy {
                input, keys, aggs, ..
            } => {
                let input = self.plan(*input)?;
                let mut columns = self.expressions(keys, &input);
                let mut deciding = input.deciding.clone();
                for key in keys {
                    deciding.add(&self.influence(key.node(), &input, Way::GroupBy));
                }
                for (name, mut fact) in self.expressions(aggs, &input) {
                    fact.known.extend(deciding.known.iter().cloned());
                    fact.known.extend(input.ordering.known.iter().cloned());
                    columns.insert(name, fact);
                }
                Ok(Facts {
                    columns,
                    deciding,
                    ordering: Influence::default(),
                })
            }
            IR::Join { .. } => self.join(node),
            IR::Distinct { input, options } => {
                let mut input = self.plan(*input)?;
                let mut chosen = Influence::default();
                for (name, fact) in &input.columns {
                    if options
                        .subset
                        .as_ref()
                        .is_none_or(|subset| subset.iter().any(|s| s.as_str() == name))
                    {
                        chosen.add_fact(fact, Way::GroupBy);
                    }
                }
                input.deciding.add(&chosen);
                cut(&mut input);
                Ok(input)
            }
            IR::Union { inputs, .. } => {
                let mut tables = inputs.iter().map(|input| self.plan(*input));
                let Some(first) = tables.next() else {
                    return Ok(Facts::default());
                };
                let mut union = first?;
                for table in tables {
                    let table = table?;
                    for (at, (name, fact)) in union.columns.iter_mut().enumerate() {
                        // Parts of a union may name a column differently; then its place counts.
                        let other = table
                            .get(name)
                            .or_else(|| table.columns.get_index(at).map(|(_, f)| f));
                        let Some(other) = other else { continue };
                        let nullable = fact.column.nullable || other.column.nullable;
                        let unit = fact
                            .column
                            .unit
                            .clone()
                            .filter(|unit| other.column.unit.as_ref() == Some(unit));
                        let mut sources = fact.sources.clone();
                        join_sources(&mut sources, &other.sources);
                        *fact = Fact::computed(name, nullable, [&fact.clone(), other]);
                        fact.sources = sources;
                        fact.column.unit = unit;
                    }
                    union.deciding.add(&table.deciding);
                    union.ordering.add(&table.ordering);
                }
                Ok(union)
            }
            IR::HConcat { inputs, .. } => {
                let mut beside = Facts::default();
                for input in inputs {
                    let table = self.plan(*input)?;
                    beside.columns.extend(table.columns);
                    beside.deciding.add(&table.deciding);
                    beside.ordering.add(&table.ordering);
                }
                Ok(beside)
            }
            IR::ExtContext { input, contexts, .. } => {
                let mut input = self.plan(*input)?;
                for context in contexts {
                    for (name, fact) in self.plan(*context)?.columns {
                        input.columns.entry(name).or_insert(fact);
                    }
                }
                Ok(input)
            }
            IR::Gather { input, idxs, .. } => {
                let mut input = self.plan(*input)?;
                for fact in self.plan(*idxs)?.columns.values() {
                    input.deciding.add_fact(fact, Way::Filter);
                }
                Ok(input)
            }
            IR::MapFunction { input, function } => {
                let input = self.plan(*input)?;
                self.function(node, input, function)
            }
            IR::Cache { input, .. } | IR::Sink { input, .. } => self.plan(*input),
            // Whatever else polars may come up with: each column depends on all there is.
            other => {
                let mut below = Facts::default();
                for input in other.inputs() {
                    let table = self.plan(input)?;
                    below.columns.extend(table.columns);
                    below.deciding.add(&table.deciding);
                }
                self.opaque(node, below)
            }
        }
    }

    fn function(&self, node: Node, mut input: Facts, function: &FunctionIR) -> PolarsResult<Facts> {
        match function {
            FunctionIR::RowIndex { name, .. } => {
                let mut columns = IndexMap::from([(name.to_string(), Fact::computed(name, false, []))]);
                columns.extend(input.columns);
                Ok(Facts { columns, ..input })
            }
            FunctionIR::Rechunk | FunctionIR::Hint(_) => Ok(input),
            FunctionIR::Explode { columns, .. } => {
                for name in columns.iter() {
                    if let Some(fact) = input.columns.get_mut(name.as_str()) {
                        fact.column.nullable = true;
                    }
                }
                Ok(input)
            }
            FunctionIR::Unnest { columns, .. } => {
                let fields: Vec<Fact> = columns
                    .iter()
                    .filter_map(|name| input.columns.get(name.as_str()).cloned())
                    .collect();
                let schema = self.plans.get(node).schema(self.plans).into_owned();
                let unnested = schema
                    .iter_names()
                    .map(|name| {
                        let kept = input.columns.get(name.as_str()).cloned();
                        (
                            name.to_string(),
                            kept.unwrap_or_else(|| Fact::computed(name, true, &fields)),
                        )
                    })
                    .collect();
                Ok(Facts {
                    columns: unnested,
                    ..input
                })
            }
            _ => self.opaque(node, input),
        }
    }

    /// All columns of the node depend on all columns below it.
    fn opaque(&self, node: Node, below: Facts) -> PolarsResult<Facts> {
        let schema = self.plans.get(node).schema(self.plans).into_owned();
        let columns = schema
            .iter_names()
            .map(|name| {
                (
                    name.to_string(),
                    Fact::computed(name, true, below.columns.values()),
                )
            })
            .collect();
        Ok(Facts { columns, ..below })
    }

    fn join(&self, node: Node) -> PolarsResult<Facts> {
        let IR::Join {
            input_left,
            input_right,
            schema,
            left_on,
            right_on,
            options,
        } = self.plans.get(node)
        else {
            return self.opaque(node, Facts::default());
        };
        let left = self.plan(*input_left)?;
        let right = self.plan(*input_right)?;
        let how = &options.args.how;

        let mut left_keys = Influence::default();
        let mut right_keys = Influence::default();
        for key in left_on {
            left_keys.add(&self.influence(key.node(), &left, Way::Join));
        }
        for key in right_on {
            right_keys.add(&self.influence(key.node(), &right, Way::Join));
        }
        if let JoinType::AsOf(as_of) = how {
            let by = |names: &Option<Vec<PlSmallStr>>, facts: &Facts, keys: &mut Influence| {
                for name in names.iter().flatten() {
                    if let Some(fact) = facts.get(name) {
                        keys.add_fact(fact, Way::Join);
                    }
                }
            };
            by(&as_of.left_by, &left, &mut left_keys);
            by(&as_of.right_by, &right, &mut right_keys);
        }
        let mut both_keys = left_keys.clone();
        both_keys.add(&right_keys);

        let mut deciding = left.deciding.clone();
        deciding.add(&right.deciding);
        join_sources(&mut deciding.sources, &both_keys.sources);
        if !matches!(how, JoinType::Left | JoinType::AsOf(_)) {
            deciding.known.extend(both_keys.known.iter().cloned());
        }
        if matches!(how, JoinType::Semi | JoinType::Anti) {
            return Ok(Facts {
                columns: left.columns,
                deciding,
                ordering: left.ordering,
            });
        }

        // A value taken from the other side could be looked up only once the key was known. What an
        // as-of join finds lies in the past, so only the key counts.
        let from_right = |fact: &Fact, name: &str| {
            let mut fact = fact.clone().named(name);
            match how {
                JoinType::AsOf(_) => {
                    fact.known = left_keys.known.clone();
                    fact.current.clear();
                }
                _ => fact.known.extend(left_keys.known.iter().cloned()),
            }
            fact.column.nullable |= matches!(how, JoinType::Left | JoinType::Full | JoinType::AsOf(_));
            fact
        };
        let from_left = |fact: &Fact, name: &str| {
            let mut fact = fact.clone().named(name);
            if matches!(how, JoinType::Right | JoinType::Full) {
                fact.known.extend(right_keys.known.iter().cloned());
                fact.column.nullable = true;
            }
            fact
        };

        let suffix = options.args.suffix();
        let mut columns: IndexMap<String, Fact> = IndexMap::with_capacity(schema.len());
        let mut left_columns = left.columns.iter().peekable();
        let mut right_columns = right.columns.iter();
        for name in schema.iter_names() {
            // The left's columns come first in their order, some left out; then the right's.
            let in_left = left_columns
                .clone()
                .find(|(column, _)| column.as_str() == name.as_str());
            let fact = if let Some((column, fact)) = in_left {
                while left_columns.next().is_some_and(|(passed, _)| passed != column) {}
                from_left(fact, name)
            } else {
                while left_columns.next().is_some() {}
                let found = right_columns.find(|(column, _)| {
                    column.as_str() == name.as_str()
                        || name
                            .strip_suffix(suffix.as_str())
                            .is_some_and(|stem| stem == column.as_str())
                });
                match found {
                    Some((_, fact)) => from_right(fact, name),
                    None => Fact::computed(name, true, left.columns.values().chain(right.columns.values())),
                }
            };
            columns.insert(name.to_string(), fact);
        }
        // A full join that keeps one key column takes its value from either side.
        if matches!(how, JoinType::Full) && options.args.should_coalesce() {
            for (left_key, right_key) in left_on.iter().zip(right_on) {
                let other = right.get(right_key.output_name()).cloned();
                if let (Some(fact), Some(other)) = (columns.get_mut(left_key.output_name().as_str()), other) {
                    let nullable = fact.column.nullable && other.column.nullable;
                    let mut sources = fact.sources.clone();
                    join_sources(&mut sources, &other.sources);
                    *fact = Fact::computed(left_key.output_name(), nullable, [&fact.clone(), &other]);
                    fact.sources = sources;
                }
            }
        }
        Ok(Facts {
            columns,
            deciding,
            ordering: left.ordering,
        })
    }

    fn expressions(&self, expressions: &[ExprIR], input: &Facts) -> IndexMap<String, Fact> {
        expressions
            .iter()
            .map(|expression| {
                let name = expression.output_name().to_string();
                (name.clone(), self.expression(&name, expression.node(), input))
            })
            .collect()
    }

    fn expression(&self, name: &str, node: Node, input: &Facts) -> Fact {
        if let AExpr::Column(column) = self.expressions.get(node)
            && let Some(fact) = input.get(column)
        {
            return fact.clone().named(name);
        }
        let parts = aexpr_to_leaf_names_iter(node, self.expressions).filter_map(|leaf| input.get(leaf));
        let mut fact = Fact::computed(name, self.nullable(node, input), parts);
        fact.sources = self.sources(node, input, Way::Identity);
        if let AExpr::AnonymousFunction {
            input: arguments,
            fmt_str,
            ..
        } = self.expressions.get(node)
            && fmt_str.as_str() == PAST
        {
            return self.past(fact, arguments, input);
        }
        fact.takes_in_rows = self.takes_in(node, false);
        if self.takes_in(node, true) {
            fact.known.extend(input.deciding.known.iter().cloned());
            fact.known.extend(input.ordering.known.iter().cloned());
        }
        fact
    }

    /// What a window over earlier rows found lies in the past, so only what says which rows counts.
    fn past(&self, mut fact: Fact, arguments: &[ExprIR], input: &Facts) -> Fact {
        fact.known.clear();
        fact.current.clear();
        let leaves = arguments
            .iter()
            .skip(1)
            .flat_map(|argument| aexpr_to_leaf_names_iter(argument.node(), self.expressions));
        for key in leaves.filter_map(|leaf| input.get(leaf)) {
            fact.known.extend(key.known.iter().cloned());
            fact.current.extend(key.current.iter().cloned());
        }
        fact
    }

    fn influence(&self, node: Node, input: &Facts, way: Way) -> Influence {
        let mut influence = Influence {
            sources: self.sources(node, input, way),
            ..Influence::default()
        };
        for leaf in aexpr_to_leaf_names_iter(node, self.expressions) {
            if let Some(fact) = input.get(leaf) {
                influence.known.extend(fact.known.iter().cloned());
            }
        }
        influence
    }

    /// Where the values of an expression come from if the expression itself is used in `way`.
    fn sources(&self, node: Node, input: &Facts, way: Way) -> Sources {
        let mut found = Sources::new();
        let mut stack = vec![(node, way)];
        while let Some((node, way)) = stack.pop() {
            // What decides on something that decides is no more than that.
            let aside = |other: Way| if way.is_direct() { other } else { way };
            let value = way.max(Way::Transformation);
            let expression = self.expressions.get(node);
            match expression {
                AExpr::Column(name) => {
                    if let Some(fact) = input.get(name) {
                        join_sources(&mut found, &used_as(&fact.sources, way));
                    }
                }
                AExpr::Ternary {
                    predicate,
                    truthy,
                    falsy,
                } => {
                    if !self.is_guard(*predicate, *truthy, *falsy) {
                        stack.push((*predicate, aside(Way::Conditional)));
                    }
                    stack.extend([(*truthy, value), (*falsy, value)]);
                }
                AExpr::Filter { input, by } => {
                    stack.push((*input, value));
                    stack.push((*by, aside(Way::Filter)));
                }
                AExpr::SortBy { expr, by, .. } => {
                    stack.push((*expr, value));
                    stack.extend(by.iter().map(|by| (*by, aside(Way::Sort))));
                }
                AExpr::Over {
                    function,
                    partition_by,
                    order_by,
                    ..
                } => {
                    stack.push((*function, value));
                    let order = order_by.iter().map(|(order, _)| order);
                    let keys = partition_by.iter().chain(order);
                    stack.extend(keys.map(|key| (*key, aside(Way::Window))));
                }
                AExpr::AnonymousFunction {
                    input: arguments,
                    fmt_str,
                    ..
                } if fmt_str.starts_with(WINDOW) => {
                    // Its value comes first, then what says which rows it takes in.
                    let mut arguments = arguments.iter();
                    let first = arguments
                        .next()
                        .map(|argument| (argument.node(), way.max(Way::Aggregation)));
                    stack.extend(first);
                    stack.extend(arguments.map(|key| (key.node(), aside(Way::Window))));
                }
                _ => {
                    let of_rows = match expression {
                        AExpr::Agg(_) | AExpr::AnonymousAgg { .. } => true,
                        AExpr::Function { options, .. } => options.flags.returns_scalar(),
                        _ => false,
                    };
                    let value = if of_rows { way.max(Way::Aggregation) } else { value };
                    let mut below = Vec::new();
                    expression.children_rev(&mut below);
                    stack.extend(below.into_iter().map(|child| (child, value)));
                }
            }
        }
        found
    }

    /// Whether a condition only asks if there is anything to aggregate, as polars does by itself for a
    /// sum: where the values are that the other branch aggregates, and nothing more.
    fn is_guard(&self, predicate: Node, value: Node, otherwise: Node) -> bool {
        let otherwise = match self.expressions.get(otherwise) {
            AExpr::Cast { expr, .. } => *expr,
            _ => otherwise,
        };
        let is_missing = matches!(self.expressions.get(otherwise), AExpr::Literal(value) if value.is_null());
        let mut stack = vec![predicate];
        while let Some(node) = stack.pop() {
            let expression = self.expressions.get(node);
            let asks = match expression {
                AExpr::Column(_) | AExpr::Ternary { .. } => return false,
                AExpr::Agg(IRAggExpr::Count { .. }) | AExpr::Len | AExpr::Literal(_) => true,
                AExpr::Function { function, .. } => {
                    matches!(
                        function.to_string().as_str(),
                        "null_count" | "is_null" | "is_not_null" | "len"
                    )
                }
                _ => false,
            };
            if !asks {
                expression.children_rev(&mut stack);
            }
        }
        let in_value =
            |leaf: &PlSmallStr| aexpr_to_leaf_names_iter(value, self.expressions).any(|name| name == leaf);
        is_missing && aexpr_to_leaf_names_iter(predicate, self.expressions).all(in_value)
    }

    /// Whether a value takes in more rows than its own; rows before it in a window with an order
    /// count only if `ordered` says so.
    fn takes_in(&self, node: Node, ordered: bool) -> bool {
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            let expression = self.expressions.get(node);
            match expression {
                AExpr::Over {
                    order_by: Some(_), ..
                } if !ordered => continue,
                AExpr::Agg(_) | AExpr::Len | AExpr::Over { .. } | AExpr::AnonymousAgg { .. } => return true,
                AExpr::Function { options, .. } if !options.is_elementwise() => return true,
                _ => {}
            }
            expression.children_rev(&mut stack);
        }
        false
    }
}

/// Rows are cut off, so from here on the order has decided which are there.
fn cut(table: &mut Facts) {
    let ordering = table.ordering.clone();
    table.deciding.add(&ordering);
}

#[cfg(test)]
mod table_tests;
#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
