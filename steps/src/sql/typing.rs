//! The class of each expression of a query, and whether its operators and functions can take their
//! operands.

use super::class::Class;
use super::function::Takes;
use super::misuse::Misuse;
use super::resolve::{Common, Resolver};
use super::scope::{Known, Meaning, Scope};
use sqlparser::ast::{BinaryOperator as Op, Expr, Ident, UnaryOperator, Value};

/// What is known of an expression's values.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) class: Class,
    /// The type as messages show it; empty if only the class is known.
    pub(super) shown: String,
    /// A text that stands there as it is.
    literal: Option<String>,
}

impl Typed {
    pub(super) fn of(class: Class) -> Self {
        Self {
            class,
            shown: String::new(),
            literal: None,
        }
    }

    pub(super) fn any() -> Self {
        Self::of(Class::Any)
    }

    fn known(known: &Known) -> Self {
        Self {
            shown: known.shown.clone(),
            ..Self::of(known.class)
        }
    }

    pub(super) fn described(&self) -> &str {
        if self.shown.is_empty() {
            self.class.described()
        } else {
            &self.shown
        }
    }
}

const WRONG_TYPE: &str = "D01/wrong-column-type";

impl Resolver<'_> {
    /// Resolves all names of an expression; the class of its values.
    pub(super) fn expression(&mut self, expr: &Expr, scope: &Scope<'_>, common: &Common) -> Typed {
        match expr {
            Expr::Identifier(name) => self.column(name, scope),
            Expr::CompoundIdentifier(names) => self.qualified(names, scope),
            Expr::Nested(inner) => self.expression(inner, scope, common),
            Expr::Value(value) => literal(&value.value),
            Expr::TypedString(typed) => Typed::of(Class::of_sql(&typed.data_type)),
            Expr::Interval(_) => Typed::of(Class::Duration),
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                self.expression(inner, scope, common);
                Typed::of(Class::Boolean)
            }
            Expr::IsTrue(inner) | Expr::IsNotTrue(inner) | Expr::IsFalse(inner) | Expr::IsNotFalse(inner) => {
                let typed = self.expression(inner, scope, common);
                self.must(inner, &typed, Takes::Boolean, "`IS TRUE`");
                Typed::of(Class::Boolean)
            }
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.compared(left, right, scope, common);
                Typed::of(Class::Boolean)
            }
            Expr::Between { expr, low, high, .. } => {
                self.compared(expr, low, scope, common);
                self.compared_again(expr, high, scope, common);
                Typed::of(Class::Boolean)
            }
            Expr::InList { expr, list, .. } => {
                let typed = self.expression(expr, scope, common);
                for item in list {
                    let other = self.expression(item, scope, common);
                    let is_time = matches!(typed.class, Class::Date | Class::Time | Class::Timestamp);
                    if self.alone && is_time && other.literal.is_some() {
                        let message = "a list of texts is not read as dates in an expression by itself";
                        let misuse = Misuse::new(WRONG_TYPE, self.places.of(item), message);
                        self.found
                            .push(misuse.help("compare with each one: `at = '2024-01-31' OR …`"));
                        continue;
                    }
                    self.comparable(expr, &typed, item, &other);
                }
                Typed::of(Class::Boolean)
            }
            Expr::InSubquery { expr, subquery, .. } => {
                self.expression(expr, scope, common);
                self.query(subquery, common, Some(scope));
                Typed::of(Class::Boolean)
            }
            Expr::Exists { subquery, .. } => {
                self.query(subquery, common, Some(scope));
                Typed::of(Class::Boolean)
            }
            Expr::Subquery(query) => {
                self.query(query, common, Some(scope));
                let message = "a query that stands for one value is not supported here";
                let misuse = Misuse::new("S03", self.places.of(expr), message);
                self.found
                    .push(misuse.help("give it a name with `WITH`, and join it"));
                Typed::any()
            }
            Expr::Like { expr, pattern, .. }
            | Expr::ILike { expr, pattern, .. }
            | Expr::RLike { expr, pattern, .. }
            | Expr::SimilarTo { expr, pattern, .. } => {
                for part in [expr, pattern] {
                    let typed = self.expression(part, scope, common);
                    self.must(part, &typed, Takes::Text, "a pattern");
                }
                Typed::of(Class::Boolean)
            }
            Expr::UnaryOp { op, expr } => self.unary(*op, expr, scope, common),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, scope, common),
            Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => {
                self.expression(left, scope, common);
                self.expression(right, scope, common);
                Typed::of(Class::Boolean)
            }
            Expr::Cast { expr, data_type, .. } => {
                let typed = self.expression(expr, scope, common);
                let class = Class::of_sql(data_type);
                if class == Class::Text {
                    self.must(expr, &typed, Takes::Writable, "this cast");
                }
                Typed::of(class)
            }
            Expr::Extract { expr, .. } => {
                let typed = self.expression(expr, scope, common);
                self.must(expr, &typed, Takes::Temporal, "`EXTRACT`");
                Typed::of(Class::Number)
            }
            Expr::Ceil { expr, .. } | Expr::Floor { expr, .. } => {
                let typed = self.expression(expr, scope, common);
                self.must(expr, &typed, Takes::Number, "rounding");
                Typed::of(Class::Number)
            }
            Expr::Position { expr, r#in } => {
                for part in [expr, r#in] {
                    let typed = self.expression(part, scope, common);
                    self.must(part, &typed, Takes::Text, "`POSITION`");
                }
                Typed::of(Class::Number)
            }
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                let typed = self.expression(expr, scope, common);
                self.must(expr, &typed, Takes::Text, "`SUBSTRING`");
                for number in [substring_from, substring_for].into_iter().flatten() {
                    let typed = self.expression(number, scope, common);
                    self.must(number, &typed, Takes::Number, "a place in a text");
                }
                Typed::of(Class::Text)
            }
            Expr::Trim { expr, trim_what, .. } => {
                for part in std::iter::once(expr).chain(trim_what) {
                    let typed = self.expression(part, scope, common);
                    self.must(part, &typed, Takes::Text, "`TRIM`");
                }
                Typed::of(Class::Text)
            }
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                let mut class: Option<Class> = None;
                for when in conditions {
                    match operand {
                        Some(operand) => self.compared(operand, &when.condition, scope, common),
                        None => self.condition(&when.condition, scope, common, "WHEN"),
                    }
                    let typed = self.expression(&when.result, scope, common);
                    class = Some(class.map_or(typed.class, |class| class.or(typed.class)));
                }
                if let Some(otherwise) = else_result {
                    let typed = self.expression(otherwise, scope, common);
                    class = class.map(|class| class.or(typed.class));
                }
                Typed::of(class.unwrap_or(Class::Any))
            }
            Expr::AtTimeZone { timestamp, .. } => self.expression(timestamp, scope, common),
            Expr::Collate { expr, .. } => self.expression(expr, scope, common),
            Expr::Tuple(items) => {
                for item in items {
                    self.expression(item, scope, common);
                }
                Typed::any()
            }
            Expr::Array(array) => {
                for item in &array.elem {
                    self.expression(item, scope, common);
                }
                Typed::of(Class::List)
            }
            Expr::CompoundFieldAccess { root, .. } => {
                self.expression(root, scope, common);
                Typed::any()
            }
            Expr::Function(call) => self.call(call, scope, common),
            _ => Typed::any(),
        }
    }

    fn column(&mut self, name: &Ident, scope: &Scope<'_>) -> Typed {
        match scope.bare(&name.value) {
            Meaning::Column(known) => return Typed::known(known),
            Meaning::Unsure => {}
            Meaning::Ambiguous(tables) => {
                let forms: Vec<String> = tables
                    .iter()
                    .map(|table| format!("`{table}.{}`", name.value))
                    .collect();
                let message = format!("`{}` could be {}", name.value, forms.join(" or "));
                let misuse = Misuse::new("D01/ambiguous-name", self.places.name(name), message);
                let first = tables.first().copied().unwrap_or_default();
                self.found
                    .push(misuse.help(format!("did you mean `{first}.{}`?", name.value)));
            }
            Meaning::Nothing => self.no_column(name, scope.columns()),
        }
        Typed::any()
    }

    fn no_column(&mut self, name: &Ident, columns: Vec<&str>) {
        let message = format!("there is no column `{}` here", name.value);
        let misuse = Misuse::new("D01", self.places.name(name), message).near(&name.value, columns);
        self.found.push(misuse);
    }

    fn qualified(&mut self, names: &[Ident], scope: &Scope<'_>) -> Typed {
        let [table, column, ..] = names else {
            return Typed::any();
        };
        let Some(relation) = scope.relation(&table.value) else {
            // A field of a struct column reads the same.
            match scope.bare(&table.value) {
                Meaning::Nothing => self.no_table(table, scope),
                Meaning::Column(known) if known.class != Class::Any => {
                    let message = format!("`{}` is {}, which has no fields", table.value, known.shown);
                    self.found
                        .push(Misuse::new(WRONG_TYPE, self.places.name(table), message));
                }
                _ => {}
            }
            return Typed::any();
        };
        match relation.column(&column.value) {
            Some(known) if names.len() == 2 => Typed::known(known),
            Some(_) => Typed::any(),
            None if relation.open => Typed::any(),
            None => {
                let columns: Vec<&str> = relation.columns.iter().map(|known| known.name.as_str()).collect();
                self.no_column(column, columns);
                Typed::any()
            }
        }
    }

    fn unary(&mut self, op: UnaryOperator, expr: &Expr, scope: &Scope<'_>, common: &Common) -> Typed {
        let typed = self.expression(expr, scope, common);
        match op {
            UnaryOperator::Not => {
                self.must(expr, &typed, Takes::Boolean, "`NOT`");
                Typed::of(Class::Boolean)
            }
            UnaryOperator::Minus => {
                self.must(expr, &typed, Takes::Number, "`-`");
                Typed::of(typed.class)
            }
            _ => Typed::of(typed.class),
        }
    }

    fn binary(&mut self, left: &Expr, op: &Op, right: &Expr, scope: &Scope<'_>, common: &Common) -> Typed {
        match op {
            // polars makes a join of an equality with a query.
            Op::Eq | Op::NotEq if matches!(left, Expr::Subquery(_)) || matches!(right, Expr::Subquery(_)) => {
                for part in [left, right] {
                    match part {
                        Expr::Subquery(query) => {
                            self.query(query, common, Some(scope));
                        }
                        part => {
                            self.expression(part, scope, common);
                        }
                    }
                }
                Typed::of(Class::Boolean)
            }
            Op::Gt | Op::GtEq | Op::Lt | Op::LtEq | Op::Eq | Op::NotEq | Op::Spaceship => {
                self.compared(left, right, scope, common);
                Typed::of(Class::Boolean)
            }
            Op::And | Op::Or | Op::Xor => {
                for part in [left, right] {
                    let typed = self.expression(part, scope, common);
                    self.must(part, &typed, Takes::Boolean, &format!("`{op}`"));
                }
                Typed::of(Class::Boolean)
            }
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo | Op::DuckIntegerDivide => {
                let (one, other) = (
                    self.expression(left, scope, common),
                    self.expression(right, scope, common),
                );
                self.arithmetic(left, &one, op, right, &other)
            }
            Op::StringConcat => {
                for part in [left, right] {
                    let typed = self.expression(part, scope, common);
                    self.must(part, &typed, Takes::Writable, "`||`");
                }
                Typed::of(Class::Text)
            }
            Op::PGRegexMatch
            | Op::PGRegexIMatch
            | Op::PGRegexNotMatch
            | Op::PGRegexNotIMatch
            | Op::PGStartsWith => {
                for part in [left, right] {
                    let typed = self.expression(part, scope, common);
                    self.must(part, &typed, Takes::Text, "a pattern");
                }
                Typed::of(Class::Boolean)
            }
            _ => {
                self.expression(left, scope, common);
                self.expression(right, scope, common);
                Typed::any()
            }
        }
    }

    fn arithmetic(&mut self, left: &Expr, one: &Typed, op: &Op, right: &Expr, other: &Typed) -> Typed {
        use Class::{Any, Boolean, Date, Duration, Number, Text, Time, Timestamp};
        let fits = match (one.class, other.class) {
            (Any, _) | (_, Any) => true,
            (Boolean, Boolean) => matches!(op, Op::Plus | Op::Divide),
            (Number | Boolean, Number | Boolean) => true,
            (Text, Text) => *op == Op::Plus,
            (Date | Timestamp, Duration) => matches!(op, Op::Plus | Op::Minus),
            (Duration, Date | Timestamp) => *op == Op::Plus,
            (Date | Timestamp, Date | Timestamp) | (Time, Time) => *op == Op::Minus,
            (Duration, Duration) => !matches!(op, Op::Multiply | Op::Modulo),
            (Duration, Number) => matches!(op, Op::Multiply | Op::Divide),
            (Number, Duration) => *op == Op::Multiply,
            _ => false,
        };
        if !fits {
            // The text is most often the one that was not meant to be one.
            let (blamed, typed) = if other.class == Text && one.class != Text {
                (right, other)
            } else {
                (left, one)
            };
            let message = format!(
                "`{op}` does not go with {} and {}",
                one.described(),
                other.described()
            );
            let help = match typed.class {
                Text => "convert it: `CAST(… AS DOUBLE)`",
                _ => "convert one of them with `CAST(… AS …)`",
            };
            let range = self.places.of(blamed);
            self.found
                .push(Misuse::new(WRONG_TYPE, range, message).help(help));
            return Typed::any();
        }
        Typed::of(match (one.class, other.class) {
            (Number | Boolean, Number | Boolean) => Number,
            (Text, Text) => Text,
            _ => Any,
        })
    }

    fn compared(&mut self, left: &Expr, right: &Expr, scope: &Scope<'_>, common: &Common) {
        let one = self.expression(left, scope, common);
        let other = self.expression(right, scope, common);
        self.comparable(left, &one, right, &other);
    }

    /// Compares once more, without saying again what is wrong with the left side.
    fn compared_again(&mut self, left: &Expr, right: &Expr, scope: &Scope<'_>, common: &Common) {
        let before = self.found.len();
        let one = self.expression(left, scope, common);
        self.found.truncate(before);
        let other = self.expression(right, scope, common);
        self.comparable(left, &one, right, &other);
    }

    fn comparable(&mut self, left: &Expr, one: &Typed, right: &Expr, other: &Typed) {
        for (temporal, text, at) in [(one, other, right), (other, one, left)] {
            if let Some(written) = &text.literal
                && matches!(temporal.class, Class::Date | Class::Time | Class::Timestamp)
            {
                self.written_time(temporal, written, at);
                return;
            }
        }
        let kind = |class: Class| match class {
            Class::Number | Class::Boolean => 0,
            Class::Date | Class::Timestamp => 1,
            Class::Text => 2,
            Class::Time => 3,
            Class::Duration => 4,
            Class::Binary => 5,
            Class::List => 6,
            Class::Any => 7,
        };
        if one.class == Class::Any || other.class == Class::Any || kind(one.class) == kind(other.class) {
            return;
        }
        let message = format!("{} is compared with {}", one.described(), other.described());
        // What is written out is easier to change than a column.
        let is_literal = |expr: &Expr| matches!(expr, Expr::Value(_));
        let range = self.word(if is_literal(left) && !is_literal(right) {
            left
        } else {
            right
        });
        let help = "convert one of them: `CAST(… AS …)`, or write texts in quotes and numbers without";
        self.found
            .push(Misuse::new(WRONG_TYPE, range, message).help(help));
    }

    /// A text that is compared with a date or time must read as one.
    fn written_time(&mut self, temporal: &Typed, written: &str, at: &Expr) {
        let range = self.places.of(at);
        let (reads, form) = match temporal.class {
            Class::Date => (looks_like_a_date(written), "2024-01-31"),
            Class::Timestamp => (looks_like_a_date(written), "2024-01-31 12:00:00"),
            _ => (looks_like_a_time(written), "12:00:00"),
        };
        if !reads {
            let message = format!("'{written}' does not read as {}", temporal.described());
            let misuse = Misuse::new(WRONG_TYPE, range, message);
            self.found.push(misuse.help(format!("write it as '{form}'")));
        }
    }

    /// Where an expression stands; of a column with its table, the column.
    fn word(&self, expr: &Expr) -> std::ops::Range<usize> {
        match expr {
            Expr::CompoundIdentifier(names) => match names.last() {
                Some(name) => self.places.name(name),
                None => self.places.of(expr),
            },
            _ => self.places.of(expr),
        }
    }

    pub(super) fn must(&mut self, expr: &Expr, typed: &Typed, takes: Takes, who: &str) {
        if takes.fits(typed.class) {
            return;
        }
        let what = match expr {
            Expr::Identifier(name) => format!("`{}` is {}", name.value, typed.described()),
            Expr::CompoundIdentifier(_) => format!("`{expr}` is {}", typed.described()),
            _ => format!("this is {}", typed.described()),
        };
        let message = format!("{what}, and {who} takes {}", takes.described());
        let range = self.word(expr);
        let misuse = Misuse::new(WRONG_TYPE, range, message);
        let misuse = match (takes, typed.class) {
            (Takes::Number | Takes::Sum | Takes::Measure, Class::Text) => {
                misuse.help("convert it: `CAST(… AS DOUBLE)`")
            }
            (Takes::Text, _) => misuse.help("convert it: `CAST(… AS VARCHAR)`"),
            (Takes::Temporal, Class::Text) => misuse.help("convert it: `strptime(…, '%Y-%m-%d')`"),
            (Takes::Boolean, _) => misuse.help("compare it with something"),
            _ => misuse,
        };
        self.found.push(misuse);
    }
}

fn literal(value: &Value) -> Typed {
    match value {
        Value::Number(..) => Typed::of(Class::Number),
        Value::Boolean(_) => Typed::of(Class::Boolean),
        Value::SingleQuotedString(text)
        | Value::DoubleQuotedString(text)
        | Value::EscapedStringLiteral(text) => Typed {
            literal: Some(text.clone()),
            ..Typed::of(Class::Text)
        },
        _ => Typed::any(),
    }
}

/// `2024-01-31`, with a time of day or without.
fn looks_like_a_date(text: &str) -> bool {
    let shape: Vec<char> = text
        .chars()
        .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
        .collect();
    let shape: String = shape.into_iter().collect();
    let Some(rest) = shape.strip_prefix("0000-00-00") else {
        return false;
    };
    match rest.strip_prefix(['T', ' ']) {
        Some(time) => looks_like_a_time(time),
        None => rest.is_empty(),
    }
}

/// `12:00`, with seconds and parts of seconds or without.
fn looks_like_a_time(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
        .collect();
    let Some(rest) = shape.strip_prefix("00:00") else {
        return false;
    };
    let rest = rest.strip_prefix(":00").unwrap_or(rest);
    rest.is_empty()
        || rest
            .strip_prefix('.')
            .is_some_and(|parts| parts.chars().all(|digit| digit == '0'))
}
