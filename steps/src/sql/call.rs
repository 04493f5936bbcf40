//! Calls of functions: whether there is one, how many arguments it takes, and of which types.

use super::class::Class;
use super::function::{Function, Gives, Reach, function, names};
use super::misuse::Misuse;
use super::resolve::{Common, Resolver, last};
use super::scope::Scope;
use super::typing::Typed;
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function as Call, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Ident, Visit, Visitor, WindowSpec, WindowType,
};
use std::ops::ControlFlow;

impl Resolver<'_> {
    pub(super) fn call(&mut self, call: &Call, scope: &Scope<'_>, common: &Common) -> Typed {
        let Some(name) = last(&call.name) else {
            return Typed::any();
        };
        let known = function(&name.value);
        if known.is_none() && !name.value.eq_ignore_ascii_case("columns") {
            let message = format!("there is no function `{}`", name.value);
            let misuse = Misuse::new("S03", self.places.name(name), message);
            self.found.push(match nearest_function(&name.value) {
                Some(near) => misuse.help(format!("did you mean `{near}`?")),
                None => misuse,
            });
        }
        let mut typed: Vec<(&Expr, Typed)> = Vec::new();
        let mut wild = 0;
        if let FunctionArguments::List(list) = &call.args {
            for argument in &list.args {
                let (FunctionArg::Unnamed(argument)
                | FunctionArg::Named { arg: argument, .. }
                | FunctionArg::ExprNamed { arg: argument, .. }) = argument;
                match argument {
                    FunctionArgExpr::Expr(expr) => {
                        // A unit or form is a word of its own: `NORMALIZE(x, NFC)`.
                        let read = self.expression(expr, scope, common);
                        typed.push((expr, read));
                    }
                    _ => wild += 1,
                }
            }
            for clause in &list.clauses {
                if let FunctionArgumentClause::OrderBy(keys) = clause {
                    for key in keys {
                        self.expression(&key.expr, scope, common);
                    }
                }
            }
            if list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
                && known.is_some_and(|f| f.reach == Reach::Row)
            {
                let message = format!("`{}` works on one row and takes no DISTINCT", name.value);
                self.found
                    .push(Misuse::new("S03", self.places.name(name), message));
            }
        }
        if let Some(filter) = &call.filter {
            self.condition(filter, scope, common, "FILTER");
        }
        match &call.over {
            Some(WindowType::WindowSpec(spec)) => self.window(spec, scope, common),
            Some(WindowType::NamedWindow(_)) => {}
            None if known.is_some_and(|f| f.reach == Reach::Window) => {
                let message = format!("`{}` needs `OVER (…)`", name.value);
                let misuse = Misuse::new("S03", self.places.name(name), message);
                self.found
                    .push(misuse.help(format!("say e.g. `{}(…) OVER (ORDER BY …)`", name.value)));
            }
            None => {}
        }
        match known {
            Some(known) => self.arguments(known, name, &typed, wild),
            None => Typed::any(),
        }
    }

    fn arguments(&mut self, known: &Function, name: &Ident, typed: &[(&Expr, Typed)], wild: usize) -> Typed {
        let count = typed.len() + wild;
        if count < known.least || (count > known.takes.len() && !known.more) {
            let wanted = match (known.least, known.takes.len()) {
                (least, _) if known.more => format!("at least {least}"),
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            let plural = if wanted == "1" { "" } else { "s" };
            let message = format!(
                "`{}` takes {wanted} argument{plural}, here are {count}",
                name.value
            );
            self.found
                .push(Misuse::new("S03", self.places.name(name), message));
        } else if wild == 0 {
            for (at, (expr, typed)) in typed.iter().enumerate() {
                if let Some(takes) = known.takes.get(at).or(known.takes.last()) {
                    self.must(expr, typed, *takes, &format!("`{}`", name.value));
                }
            }
        }
        match known.gives {
            Gives::Is(class) => Typed::of(class),
            Gives::First => typed
                .first()
                .map_or(Typed::any(), |(_, first)| Typed::of(first.class)),
            Gives::Common => {
                let classes = typed.iter().map(|(_, typed)| typed.class);
                Typed::of(classes.reduce(Class::or).unwrap_or(Class::Any))
            }
        }
    }

    pub(super) fn window(&mut self, spec: &WindowSpec, scope: &Scope<'_>, common: &Common) {
        for key in &spec.partition_by {
            self.expression(key, scope, common);
        }
        for key in &spec.order_by {
            self.expression(&key.expr, scope, common);
        }
    }
}

/// The function that was meant: as it is called elsewhere, or nearest in spelling.
fn nearest_function(name: &str) -> Option<&'static str> {
    /// What other databases call it.
    const ELSEWHERE: &[(&str, &str)] = &[
        ("mean", "avg"),
        ("average", "avg"),
        ("std", "stddev"),
        ("stddev_pop", "stddev"),
        ("nvl", "coalesce"),
        ("isnull", "ifnull"),
        ("len", "length"),
        ("ucase", "upper"),
        ("lcase", "lower"),
        ("to_date", "date"),
        ("to_timestamp", "timestamp"),
        ("date_format", "strftime"),
        ("percentile_cont", "quantile_cont"),
        ("percentile_disc", "quantile_disc"),
        ("quantile", "quantile_cont"),
        ("approx_count_distinct", "count"),
        ("any_value", "first"),
        ("mid", "substr"),
        ("instr", "strpos"),
        ("iif", "if"),
        ("year", "date_part"),
        ("month", "date_part"),
        ("day", "date_part"),
        ("hour", "date_part"),
        ("weekday", "date_part"),
        ("dayofweek", "date_part"),
        ("regexp_matches", "regexp_like"),
        ("rlike", "regexp_like"),
        ("array_min", "array_lower"),
        ("array_max", "array_upper"),
        ("log2", "log2"),
    ];
    let lower = name.to_lowercase();
    let elsewhere = ELSEWHERE
        .iter()
        .find(|(other, _)| *other == lower)
        .map(|(_, ours)| *ours);
    elsewhere.or_else(|| trainyard_contract::finding::nearest(&lower, names()))
}

/// Whether an aggregate or window function stands anywhere in an expression.
pub(super) fn has_rows_function(expr: &Expr) -> bool {
    struct Look;
    impl Visitor for Look {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(call)
                    if call.over.is_some()
                        || last(&call.name)
                            .and_then(|name| function(&name.value))
                            .is_some_and(|known| known.reach != Reach::Row) =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Look).is_break()
}
