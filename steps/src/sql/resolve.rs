//! Names of a query, resolved through common tables, subqueries, joins and set operations, each
//! against what stands around it.
//!
//! The rules are those of polars' SQL; polars itself types the whole query afterwards. What is said
//! here is said at the word.

use super::call::has_rows_function;
use super::class::Class;
use super::misuse::Misuse;
use super::scope::{Known, Relation, Scope};
use super::typing::Typed;
use sqlparser::ast::{
    Cte, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, NamedWindowExpr, ObjectName,
    OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias,
    TableFactor, TableWithJoins, WildcardAdditionalOptions,
};
use std::collections::{BTreeMap, BTreeSet};
use trainyard_expressions::Places;

/// Walks a query and gathers what is wrong with it.
pub(super) struct Resolver<'a> {
    pub(super) places: Places<'a>,
    /// Inputs by name.
    pub(super) tables: &'a BTreeMap<String, Relation>,
    /// Whether this is an expression without a query, in which lists of texts are not read as dates.
    pub(super) alone: bool,
    pub(super) found: Vec<Misuse>,
}

/// Common tables that a query can name.
pub(super) type Common = BTreeMap<String, Relation>;

impl<'a> Resolver<'a> {
    pub(super) fn new(text: &'a str, tables: &'a BTreeMap<String, Relation>) -> Self {
        Self {
            places: Places::new(text),
            tables,
            alone: false,
            found: Vec::new(),
        }
    }

    /// The columns a query gives.
    pub(super) fn query(&mut self, query: &Query, common: &Common, around: Option<&Scope<'_>>) -> Relation {
        let mut common = common.clone();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let relation = self.common_table(cte, &common, around);
            common.insert(cte.alias.name.value.clone(), relation);
        }
        match &*query.body {
            SetExpr::Select(select) => self.select(select, Some(query), &common, around),
            body => {
                let relation = self.set(body, &common, around);
                let scope = Scope {
                    relations: vec![relation.clone()],
                    around,
                    ..Scope::default()
                };
                self.order(query, &scope, &common);
                relation
            }
        }
    }

    fn common_table(&mut self, cte: &Cte, common: &Common, around: Option<&Scope<'_>>) -> Relation {
        let relation = self.query(&cte.query, common, around);
        renamed(relation, &cte.alias)
    }

    fn set(&mut self, body: &SetExpr, common: &Common, around: Option<&Scope<'_>>) -> Relation {
        match body {
            SetExpr::Select(select) => self.select(select, None, common, around),
            SetExpr::Query(query) => self.query(query, common, around),
            SetExpr::SetOperation { left, right, .. } => {
                let left = self.set(left, common, around);
                let right = self.set(right, common, around);
                let mut columns = left.columns;
                for (column, other) in columns.iter_mut().zip(&right.columns) {
                    column.class = column.class.or(other.class);
                    if column.shown != other.shown {
                        column.shown.clear();
                    }
                }
                Relation {
                    columns,
                    open: left.open || right.open,
                    ..Relation::default()
                }
            }
            SetExpr::Values(_) | SetExpr::Table(_) => open(),
            _ => open(),
        }
    }

    fn select(
        &mut self,
        select: &Select,
        query: Option<&Query>,
        common: &Common,
        around: Option<&Scope<'_>>,
    ) -> Relation {
        let mut scope = Scope {
            around,
            ..Scope::default()
        };
        for from in &select.from {
            self.from(from, &mut scope, common);
        }
        if let Some(condition) = &select.selection {
            self.condition(condition, &scope, common, "WHERE");
        }
        let mut given = Relation::default();
        for item in &select.projection {
            self.item(item, &scope, common, &mut given);
        }
        self.doubled(select, &scope);

        let mut later = scope.clone();
        later.given = given
            .columns
            .iter()
            .filter(|known| {
                scope
                    .relations
                    .iter()
                    .all(|relation| relation.column(&known.name).is_none())
            })
            .cloned()
            .collect();
        later
            .merged
            .extend(given.columns.iter().map(|known| known.name.clone()));
        if let GroupByExpr::Expressions(keys, _) = &select.group_by {
            for key in keys.iter().filter(|key| !is_number(key)) {
                self.expression(key, &later, common);
            }
            if !keys.is_empty() {
                self.ungrouped(select, keys, &scope);
            }
        }
        if let Some(condition) = &select.having {
            self.condition(condition, &later, common, "HAVING");
        }
        if let Some(condition) = &select.qualify {
            self.condition(condition, &later, common, "QUALIFY");
        }
        for window in &select.named_window {
            if let NamedWindowExpr::WindowSpec(spec) = &window.1 {
                self.window(spec, &scope, common);
            }
        }
        if let Some(query) = query {
            // A table's own columns may be sorted by under their names of before.
            later.given.clone_from(&given.columns);
            self.order(query, &later, common);
        }
        given
    }

    fn order(&mut self, query: &Query, scope: &Scope<'_>, common: &Common) {
        if let Some(order) = &query.order_by
            && let OrderByKind::Expressions(keys) = &order.kind
        {
            for key in keys.iter().filter(|key| !is_number(&key.expr)) {
                self.expression(&key.expr, scope, common);
            }
        }
    }

    fn from(&mut self, from: &TableWithJoins, scope: &mut Scope<'_>, common: &Common) {
        if let Some(relation) = self.table(&from.relation, scope, common) {
            scope.relations.push(relation);
        }
        for join in &from.joins {
            self.join(join, scope, common);
        }
    }

    fn join(&mut self, join: &Join, scope: &mut Scope<'_>, common: &Common) {
        let Some(relation) = self.table(&join.relation, scope, common) else {
            return;
        };
        let mut both = scope.clone();
        both.relations.push(relation.clone());
        use JoinOperator as J;
        let (constraint, keeps_right, keeps_left) = match &join.join_operator {
            J::Join(c)
            | J::Inner(c)
            | J::Left(c)
            | J::LeftOuter(c)
            | J::Right(c)
            | J::RightOuter(c)
            | J::FullOuter(c)
            | J::CrossJoin(c)
            | J::StraightJoin(c) => (c, true, true),
            J::Semi(c) | J::LeftSemi(c) | J::Anti(c) | J::LeftAnti(c) => (c, false, true),
            J::RightSemi(c) | J::RightAnti(c) => (c, true, false),
            _ => {
                let range = self.places.of(&join.relation);
                let message = "this kind of join is not supported";
                let help = "use JOIN, LEFT, RIGHT, FULL, CROSS, SEMI or ANTI JOIN; joins as of a time are `as_of_join` of `features.build`";
                self.found.push(Misuse::new("S03", range, message).help(help));
                return;
            }
        };
        match constraint {
            JoinConstraint::On(condition) => {
                self.condition(condition, &both, common, "ON");
            }
            JoinConstraint::Using(names) => {
                for name in names.iter().filter_map(last) {
                    for relation in [scope.relations.iter().collect::<Vec<_>>(), vec![&relation]] {
                        if relation.iter().any(|r| r.open || r.column(&name.value).is_some()) {
                            continue;
                        }
                        let side = relation
                            .iter()
                            .filter_map(|r| r.names.first())
                            .map(String::as_str)
                            .collect::<Vec<_>>();
                        let message = format!(
                            "there is no column `{}` in {}",
                            name.value,
                            crate::fault::list(&side)
                        );
                        let columns = relation.iter().flat_map(|r| &r.columns).map(|c| c.name.as_str());
                        let misuse =
                            Misuse::new("D01", self.places.name(name), message).near(&name.value, columns);
                        self.found.push(misuse);
                    }
                    both.merged.insert(name.value.clone());
                }
            }
            JoinConstraint::Natural => {
                let common: BTreeSet<String> = relation
                    .columns
                    .iter()
                    .filter(|column| {
                        scope
                            .relations
                            .iter()
                            .any(|left| left.column(&column.name).is_some())
                    })
                    .map(|column| column.name.clone())
                    .collect();
                both.merged.extend(common);
            }
            JoinConstraint::None => {}
        }
        if !keeps_right {
            both.relations.pop();
        } else if !keeps_left {
            both.relations = vec![relation];
        }
        *scope = both;
    }

    fn table(&mut self, factor: &TableFactor, scope: &Scope<'_>, common: &Common) -> Option<Relation> {
        match factor {
            TableFactor::Table { name, alias, .. } => {
                let ident = last(name)?;
                let known = common.get(&ident.value).or_else(|| self.tables.get(&ident.value));
                let Some(known) = known.cloned() else {
                    let message = format!("there is no input `{}`", ident.value);
                    let names = self.tables.keys().chain(common.keys()).map(String::as_str);
                    let misuse =
                        Misuse::new("D01", self.places.name(ident), message).near(&ident.value, names);
                    self.found.push(misuse);
                    return Some(Relation {
                        names: names_of(alias.as_ref(), Some(&ident.value)),
                        ..open()
                    });
                };
                let known = match alias {
                    Some(alias) => renamed(known, alias),
                    None => known,
                };
                Some(Relation {
                    names: names_of(alias.as_ref(), Some(&ident.value)),
                    ..known
                })
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let relation = self.query(subquery, common, None);
                let relation = match alias {
                    Some(alias) => renamed(relation, alias),
                    None => relation,
                };
                Some(Relation {
                    names: names_of(alias.as_ref(), None),
                    ..relation
                })
            }
            TableFactor::UNNEST {
                alias, array_exprs, ..
            } => {
                for expression in array_exprs {
                    self.expression(expression, scope, common);
                }
                Some(Relation {
                    names: names_of(alias.as_ref(), None),
                    ..open()
                })
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                let mut inner = Scope::default();
                self.from(table_with_joins, &mut inner, common);
                let columns = inner.relations.iter().flat_map(|r| r.columns.clone()).collect();
                Some(Relation {
                    names: names_of(alias.as_ref(), None),
                    columns,
                    open: true,
                })
            }
            _ => Some(open()),
        }
    }

    fn item(&mut self, item: &SelectItem, scope: &Scope<'_>, common: &Common, given: &mut Relation) {
        let named = |name: &Ident, typed: Typed| Known {
            name: name.value.clone(),
            class: typed.class,
            shown: typed.shown,
        };
        match item {
            SelectItem::ExprWithAlias { expr, alias } => {
                let typed = self.expression(expr, scope, common);
                let known = named(alias, typed);
                self.once(given, known, self.places.name(alias));
            }
            SelectItem::UnnamedExpr(expr) => {
                let typed = self.expression(expr, scope, common);
                let name = match expr {
                    Expr::Identifier(name) => Some(name),
                    Expr::CompoundIdentifier(names) if names.len() == 2 => names.last(),
                    _ => None,
                };
                match name {
                    Some(name) => {
                        let known = named(name, typed);
                        self.once(given, known, self.places.name(name));
                    }
                    // polars names it after its first column.
                    None => given.open = true,
                }
            }
            SelectItem::ExprWithAliases { expr, .. } => {
                self.expression(expr, scope, common);
                given.open = true;
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let Some(ident) = last(name) else { return };
                match scope.relation(&ident.value) {
                    Some(relation) => {
                        let columns = relation.columns.clone();
                        given.open |= relation.open;
                        self.wildcard(columns, options, given);
                    }
                    None => self.no_table(ident, scope),
                }
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => given.open = true,
            SelectItem::Wildcard(options) => {
                let mut columns: Vec<Known> = Vec::new();
                for (at, relation) in scope.relations.iter().enumerate() {
                    for known in &relation.columns {
                        let taken = columns.iter().any(|column| column.name == known.name);
                        // polars names the second of two equal columns after its table.
                        let name = match relation.names.first().filter(|_| at > 0 && taken) {
                            Some(table) => format!("{}:{table}", known.name),
                            None => known.name.clone(),
                        };
                        columns.push(Known {
                            name,
                            ..known.clone()
                        });
                    }
                    given.open |= relation.open || at > 0;
                }
                self.wildcard(columns, options, given);
            }
        }
    }

    fn once(&mut self, given: &mut Relation, known: Known, range: std::ops::Range<usize>) {
        if given.column(&known.name).is_some() && !given.open {
            let message = format!("two columns of the result are called `{}`", known.name);
            let misuse = Misuse::new("D03", range, message).help("give one of them another name with `AS`");
            self.found.push(misuse);
        }
        given.columns.push(known);
    }

    fn wildcard(&mut self, columns: Vec<Known>, options: &WildcardAdditionalOptions, given: &mut Relation) {
        let plain = options.opt_ilike.is_none()
            && options.opt_exclude.is_none()
            && options.opt_except.is_none()
            && options.opt_replace.is_none()
            && options.opt_rename.is_none();
        if !plain {
            given.open = true;
            return;
        }
        for known in columns {
            if given.column(&known.name).is_none() {
                given.columns.push(known);
            }
        }
    }

    /// Columns that two wildcards bring under one name: polars renames the second.
    fn doubled(&mut self, select: &Select, scope: &Scope<'_>) {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for item in &select.projection {
            let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) =
                item
            else {
                continue;
            };
            let (Some(ident), None) = (last(name), &options.opt_exclude) else {
                continue;
            };
            let Some(relation) = scope.relation(&ident.value) else {
                continue;
            };
            let mut doubled = Vec::new();
            for column in &relation.columns {
                match seen.get(&column.name) {
                    Some(table) => doubled.push((column.name.clone(), table.clone())),
                    None => {
                        seen.insert(column.name.clone(), ident.value.clone());
                    }
                }
            }
            let Some((first, table)) = doubled.first() else {
                continue;
            };
            let names: Vec<&str> = doubled.iter().map(|(name, _)| name.as_str()).collect();
            let message = format!(
                "{} {} in `{table}` as well; the second becomes `{first}:{}`",
                crate::fault::list(&names),
                if names.len() == 1 { "is" } else { "are" },
                ident.value
            );
            let help = format!(
                "leave them out: `{}.* EXCLUDE ({})`, or name each with `AS`",
                ident.value,
                names.join(", ")
            );
            let misuse = Misuse::new("D03", self.places.name(ident), message)
                .help(help)
                .warning();
            self.found.push(misuse);
        }
    }

    /// Selected columns that are neither grouped by nor aggregated.
    fn ungrouped(&mut self, select: &Select, keys: &[Expr], scope: &Scope<'_>) {
        let mut grouped: BTreeSet<String> = keys.iter().map(bare).collect();
        for (at, item) in select.projection.iter().enumerate() {
            let place = (at + 1).to_string();
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
                && grouped.contains(&place)
            {
                grouped.insert(bare(expr));
            }
            if let SelectItem::ExprWithAlias { expr, alias } = item
                && grouped.contains(&alias.value)
            {
                grouped.insert(bare(expr));
            }
        }
        for item in &select.projection {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
                continue;
            };
            let name = match expr {
                Expr::Identifier(name) => name,
                Expr::CompoundIdentifier(names) => match names.last() {
                    Some(name) => name,
                    None => continue,
                },
                _ => continue,
            };
            let known = scope
                .relations
                .iter()
                .any(|relation| relation.column(&name.value).is_some());
            if known && !grouped.contains(&bare(expr)) && !has_rows_function(expr) {
                let message = format!("`{}` is neither grouped by nor aggregated", name.value);
                let help = format!("add it to GROUP BY, or take one of its values: `MAX({expr})`");
                self.found
                    .push(Misuse::new("S03", self.places.name(name), message).help(help));
            }
        }
    }

    pub(super) fn no_table(&mut self, ident: &Ident, scope: &Scope<'_>) {
        let message = format!("there is no table `{}` here", ident.value);
        let misuse = Misuse::new("D01", self.places.name(ident), message).near(&ident.value, scope.tables());
        self.found.push(misuse);
    }

    /// An expression that must be true or false.
    pub(super) fn condition(&mut self, condition: &Expr, scope: &Scope<'_>, common: &Common, clause: &str) {
        let typed = self.expression(condition, scope, common);
        if !matches!(typed.class, Class::Boolean | Class::Any) {
            let message = format!("{clause} needs a condition, this is {}", typed.described());
            let range = self.places.of(condition);
            self.found
                .push(Misuse::new("D01/wrong-column-type", range, message).help("compare it with something"));
        }
    }
}

/// A table of which nothing is known.
fn open() -> Relation {
    Relation {
        open: true,
        ..Relation::default()
    }
}

fn names_of(alias: Option<&TableAlias>, table: Option<&str>) -> Vec<String> {
    let alias = alias.map(|alias| alias.name.value.clone());
    alias.into_iter().chain(table.map(str::to_owned)).collect()
}

/// The relation with the columns its alias lists.
fn renamed(mut relation: Relation, alias: &TableAlias) -> Relation {
    for (column, name) in relation.columns.iter_mut().zip(&alias.columns) {
        column.name.clone_from(&name.name.value);
    }
    relation
}

pub(super) fn last(name: &ObjectName) -> Option<&Ident> {
    name.0.last().and_then(|part| part.as_ident())
}

fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, sqlparser::ast::Value::Number(..)))
}

/// An expression as text, a column without its table.
fn bare(expr: &Expr) -> String {
    match expr {
        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()).unwrap_or_default(),
        Expr::Identifier(name) => name.value.clone(),
        other => other.to_string(),
    }
}
