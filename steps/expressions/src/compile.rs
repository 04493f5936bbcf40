//! From a text to a typed plan; every fault is found here, at its word.

use crate::cast;
use crate::fault::Fault;
use crate::kind::{Kind, Number, coarser};
use crate::literal;
use crate::number::Arithmetic;
use crate::place::Places;
use crate::plan::{Node, Op, Test};
use crate::text::{Pattern, Side, TextOp};
use crate::time::{Clock, Part, Unit};
use crate::value::Value;
use crate::{Expression, Known, MAX_TEXT};
use sqlparser::ast::{
    BinaryOperator as Operator, CastKind, DataType as SqlType, DateTimeField, ExactNumberInfo, Expr, Ident,
    Spanned, TimezoneInfo, TrimWhereField, UnaryOperator, Value as Literal,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError, ParserOptions};
use sqlparser::tokenizer::Token;
use std::ops::Range;
use trainyard_contract::{DataType, TimeUnit};

pub(crate) const WRONG_TYPE: &str = "D01/wrong-column-type";
pub(crate) const NOT_SQL: &str = "S03";
const NO_COLUMN: &str = "D01";

/// How deep operations may stand in each other.
const MAX_DEPTH: usize = 200;

pub(crate) fn compile(text: &str, columns: &[Known<'_>]) -> Result<Expression, Vec<Fault>> {
    let parsed = parse(text).map_err(|fault| vec![fault])?;
    let mut compiler = Compiler {
        places: Places::new(text),
        columns,
        faults: Vec::new(),
        depth: 0,
    };
    let typed = compiler.expression(&parsed);
    match typed {
        Some(typed) if compiler.faults.is_empty() => {
            let mut uses = Vec::new();
            inputs(&typed.node, &mut uses);
            uses.sort_unstable();
            uses.dedup();
            Ok(Expression {
                data_type: typed.node.kind.data_type(),
                root: typed.node,
                uses,
            })
        }
        _ => {
            if compiler.faults.is_empty() {
                let message = "this cannot be computed for one row";
                compiler.faults.push(Fault::new(NOT_SQL, 0..0, message));
            }
            Err(compiler.faults)
        }
    }
}

/// The expression with its values made into another type, which must lose nothing.
pub(crate) fn converted(expression: Expression, text: &str, wanted: &DataType) -> Result<Expression, Fault> {
    let is = expression.data_type.clone();
    if is == *wanted {
        return Ok(expression);
    }
    let kind = Kind::of(wanted);
    let root = &expression.root;
    let is_lossless = kind.as_ref().is_some_and(|kind| match (&root.kind, kind) {
        (Kind::Null, _) => true,
        (Kind::Number(one), Kind::Number(other)) => {
            let fits = other.is_float() || is.fits_in(wanted);
            // A number that stands in the text is known to fit or not.
            fits || root
                .as_constant()
                .is_some_and(|value| !one.is_float() && cast::cast(value, &root.kind, kind, true).is_ok())
        }
        (Kind::Timestamp(_, one), Kind::Timestamp(_, other)) => one == other,
        (Kind::Date, Kind::Timestamp(_, None)) => true,
        (Kind::Duration(_), Kind::Duration(_)) => true,
        _ => false,
    });
    let Some(kind) = kind.filter(|_| is_lossless) else {
        let fault = Fault::new(
            WRONG_TYPE,
            0..text.len(),
            format!("this gives {is}, and {wanted} is declared"),
        );
        return Err(fault.help(format!("declare `type: {is}`, or convert it with `CAST(… AS …)`")));
    };
    Ok(Expression {
        root: made(expression.root, &kind),
        data_type: wanted.clone(),
        uses: expression.uses,
    })
}

fn inputs(node: &Node, found: &mut Vec<usize>) {
    if let Op::Input(at) = node.op {
        found.push(at);
    }
    node.args.iter().for_each(|arg| inputs(arg, found));
}

fn parse(text: &str) -> Result<Expr, Fault> {
    if text.len() > MAX_TEXT {
        let message = format!("this is {} bytes long; {MAX_TEXT} are the most", text.len());
        return Err(Fault::new(NOT_SQL, 0..0, message));
    }
    let options = ParserOptions {
        trailing_commas: true,
        ..ParserOptions::default()
    };
    let refused = |error: ParserError| {
        let message = match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
                let mut letters = text.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                format!(
                    "this is not SQL: {}",
                    first.into_iter().chain(letters).collect::<String>()
                )
            }
            ParserError::RecursionLimitExceeded => "this is nested too deeply".to_owned(),
        };
        Fault::new(NOT_SQL, 0..0, message)
    };
    let mut parser = Parser::new(&GenericDialect)
        .with_options(options)
        .try_with_sql(text)
        .map_err(refused)?;
    let parsed = parser.parse_expr().map_err(refused)?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let message = format!("this is no expression: `{}` is left over", next.token);
        return Err(Fault::new(NOT_SQL, 0..0, message));
    }
    Ok(parsed)
}

/// How far the type of a number that stands in the text is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    Settled,
    Int(i64),
    Float,
}

/// A plan and how far its type is open.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) node: Node,
    pub(crate) open: Open,
}

impl Typed {
    pub(crate) fn settled(node: Node) -> Self {
        Self {
            node,
            open: Open::Settled,
        }
    }
}

pub(crate) struct Compiler<'a> {
    pub(crate) places: Places<'a>,
    columns: &'a [Known<'a>],
    pub(crate) faults: Vec<Fault>,
    depth: usize,
}

impl Compiler<'_> {
    /// The plan of an expression; none if there is a fault in it.
    pub(crate) fn expression(&mut self, expr: &Expr) -> Option<Typed> {
        if self.depth >= MAX_DEPTH {
            if !self
                .faults
                .iter()
                .any(|fault| fault.message == "this is nested too deeply")
            {
                self.faults
                    .push(Fault::new(NOT_SQL, 0..0, "this is nested too deeply"));
            }
            return None;
        }
        self.depth += 1;
        let typed = self.inner(expr);
        self.depth -= 1;
        typed
    }

    fn inner(&mut self, expr: &Expr) -> Option<Typed> {
        match expr {
            Expr::Identifier(name) => self.column(name),
            Expr::Nested(inner) => self.expression(inner),
            Expr::Value(value) => self.literal(&value.value, expr),
            Expr::TypedString(typed) => {
                let text = match &typed.value.value {
                    Literal::SingleQuotedString(text) => text.as_str(),
                    _ => "",
                };
                self.typed_literal(&typed.data_type, text, expr)
            }
            Expr::Interval(interval) => {
                let text = match &*interval.value {
                    Expr::Value(value) => match &value.value {
                        Literal::SingleQuotedString(text) => literal::interval(text),
                        _ => None,
                    },
                    _ => None,
                };
                match text.filter(|_| interval.leading_field.is_none()) {
                    Some(span) => Some(Typed::settled(Node::constant(
                        Value::Int(span),
                        Kind::Duration(TimeUnit::Microseconds),
                    ))),
                    None => {
                        let fault = self.at(expr, NOT_SQL, "this span is not understood");
                        self.fault(fault.help(
                            "write e.g. `INTERVAL '2 hours 30 minutes'`; months and years differ in length",
                        ))
                    }
                }
            }
            Expr::IsNull(inner) => self.of_any(inner, Op::IsNull),
            Expr::IsNotNull(inner) => self.of_any(inner, Op::IsNotNull),
            Expr::IsTrue(inner) => self.is(inner, true, false),
            Expr::IsNotTrue(inner) => self.is(inner, true, true),
            Expr::IsFalse(inner) => self.is(inner, false, false),
            Expr::IsNotFalse(inner) => self.is(inner, false, true),
            Expr::IsDistinctFrom(left, right) => {
                let (left, right) = self.pair(left, right)?;
                self.gives(Op::Distinct { negated: false }, vec![left, right], Kind::Boolean)
            }
            Expr::IsNotDistinctFrom(left, right) => {
                let (left, right) = self.pair(left, right)?;
                self.gives(Op::Distinct { negated: true }, vec![left, right], Kind::Boolean)
            }
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let tests = if *negated {
                    (Test::Less, Test::Greater)
                } else {
                    (Test::GreaterOrEqual, Test::LessOrEqual)
                };
                let low = self.compared(expr, tests.0, low)?;
                let high = self.compared(expr, tests.1, high)?;
                let both = if *negated { Op::Or } else { Op::And };
                self.gives(both, vec![low.node, high.node], Kind::Boolean)
            }
            Expr::InList { expr, list, negated } => self.among(expr, list, *negated),
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => self.like(expr, pattern, false, *negated),
            Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => self.like(expr, pattern, true, *negated),
            Expr::UnaryOp { op, expr: inner } => self.unary(*op, inner, expr),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, expr),
            Expr::Cast {
                kind,
                expr: inner,
                data_type,
                format: None,
                ..
            } => self.cast(kind, inner, data_type, expr),
            Expr::Extract {
                field, expr: inner, ..
            } => {
                let name = match field {
                    DateTimeField::Custom(name) => name.value.clone(),
                    field => field.to_string(),
                };
                self.part(&name, inner, expr)
            }
            Expr::Ceil { expr: inner, .. } => self.rounded(inner, crate::number::Rounding::Up, 0),
            Expr::Floor { expr: inner, .. } => self.rounded(inner, crate::number::Rounding::Down, 0),
            Expr::Position { expr: part, r#in } => {
                let text = self.text(r#in, "`POSITION`")?;
                let part = self.text(part, "`POSITION`")?;
                self.gives(
                    Op::Text(TextOp::Position),
                    vec![text, part],
                    Kind::Number(Number::U32),
                )
            }
            Expr::Substring {
                expr: inner,
                substring_from: Some(from),
                substring_for,
                ..
            } => self.substring(inner, from, substring_for.as_deref()),
            Expr::Trim {
                expr: inner,
                trim_where,
                trim_what,
                trim_characters: None,
            } => {
                let side = match trim_where {
                    None | Some(TrimWhereField::Both) => Side::Both,
                    Some(TrimWhereField::Leading) => Side::Start,
                    Some(TrimWhereField::Trailing) => Side::End,
                };
                let mut args = vec![self.text(inner, "`TRIM`")?];
                if let Some(what) = trim_what {
                    args.push(self.text(what, "`TRIM`")?);
                }
                self.gives(Op::Text(TextOp::Trim(side)), args, Kind::Text)
            }
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                let mut tests = Vec::new();
                let mut values = Vec::new();
                for when in conditions {
                    let test = match operand {
                        Some(operand) => self
                            .compared(operand, Test::Equal, &when.condition)
                            .map(|typed| typed.node),
                        None => self.truth(&when.condition, "`WHEN`"),
                    };
                    let value = self.expression(&when.result).map(|typed| (typed, &when.result));
                    tests.push(test);
                    values.push(value);
                }
                if let Some(otherwise) = else_result {
                    values.push(self.expression(otherwise).map(|typed| (typed, &**otherwise)));
                }
                let tests: Vec<Node> = tests.into_iter().collect::<Option<_>>()?;
                let values: Vec<(Typed, &Expr)> = values.into_iter().collect::<Option<_>>()?;
                self.chosen(tests, values)
            }
            Expr::Function(call) => self.call(call),
            Expr::Collate { expr, .. } => self.expression(expr),
            Expr::CompoundIdentifier(names) => {
                let range = names.first().map_or(0..0, |name| self.places.name(name));
                let message = format!(
                    "there is no table `{}` here",
                    names.first().map_or("", |name| &name.value)
                );
                self.fault(Fault::new(NO_COLUMN, range, message).help("name the column alone"))
            }
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                let fault = self.at(expr, NOT_SQL, "an expression cannot select from tables");
                self.fault(fault)
            }
            _ => {
                let fault = self.at(
                    expr,
                    NOT_SQL,
                    "this is not available in an expression over one row",
                );
                self.fault(fault)
            }
        }
    }

    pub(crate) fn fault<T>(&mut self, fault: Fault) -> Option<T> {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
        None
    }

    pub(crate) fn at(&self, expr: &Expr, code: &'static str, message: impl Into<String>) -> Fault {
        Fault::new(code, self.word(expr), message)
    }

    /// Where an expression stands.
    pub(crate) fn word(&self, expr: &Expr) -> Range<usize> {
        match expr {
            Expr::Identifier(name) => self.places.name(name),
            // A function's span is that of its name and arguments as far as the parser knows.
            expr => self.places.span_of(expr.span()),
        }
    }

    /// An operation over operands that fit it; computed at once if all of them stand in the text.
    pub(crate) fn gives(&mut self, op: Op, args: Vec<Node>, kind: Kind) -> Option<Typed> {
        let node = Node::new(op, args, kind);
        if !node.args.iter().all(|arg| arg.as_constant().is_some()) {
            return Some(Typed::settled(node));
        }
        match node.row(&[]).map(Value::into_owned) {
            Ok(value) => Some(Typed::settled(Node::constant(value, node.kind.clone()))),
            Err(error) => self.fault(Fault::new(WRONG_TYPE, 0..0, error.to_string())),
        }
    }

    fn column(&mut self, name: &Ident) -> Option<Typed> {
        let Some(at) = self.columns.iter().position(|(known, _)| *known == name.value) else {
            let message = format!("there is no column `{}` here", name.value);
            let fault = Fault::new(NO_COLUMN, self.places.name(name), message);
            let names: Vec<&str> = self.columns.iter().map(|(known, _)| *known).collect();
            return self.fault(fault.near(&name.value, names));
        };
        let data_type = self.columns.get(at).map(|(_, data_type)| *data_type)?;
        match Kind::of(data_type) {
            Some(kind) => Some(Typed::settled(Node::new(Op::Input(at), Vec::new(), kind))),
            None => {
                let message = format!("`{}` is {data_type}, which no expression takes", name.value);
                self.fault(Fault::new(WRONG_TYPE, self.places.name(name), message))
            }
        }
    }

    fn literal(&mut self, value: &Literal, expr: &Expr) -> Option<Typed> {
        Some(match value {
            Literal::Null => Typed::settled(Node::constant(Value::Null, Kind::Null)),
            Literal::Boolean(value) => Typed::settled(Node::constant(Value::Boolean(*value), Kind::Boolean)),
            Literal::SingleQuotedString(text) => {
                Typed::settled(Node::constant(Value::text(text.clone()), Kind::Text))
            }
            Literal::Number(text, _) if text.contains('.') => match text.parse::<f64>() {
                Ok(value) => open_float(value),
                Err(_) => return self.unread(expr),
            },
            Literal::Number(text, _) => match text.parse::<i64>() {
                Ok(value) => open_int(value),
                Err(_) => return self.unread(expr),
            },
            _ => return self.unread(expr),
        })
    }

    fn unread(&mut self, expr: &Expr) -> Option<Typed> {
        let fault = self.at(expr, NOT_SQL, format!("`{expr}` is not understood as a value"));
        self.fault(fault.help("write whole numbers as `12`, others as `12.5`, texts as `'text'`"))
    }

    fn typed_literal(&mut self, data_type: &SqlType, text: &str, expr: &Expr) -> Option<Typed> {
        let read = match data_type {
            SqlType::Date => literal::date(text).map(|days| (days, Kind::Date)),
            SqlType::Time(None, TimezoneInfo::None) => literal::time(text).map(|time| (time, Kind::Time)),
            SqlType::Timestamp(precision, TimezoneInfo::None) | SqlType::Datetime(precision) => {
                let unit = unit_of(*precision);
                literal::timestamp(text, unit, None).map(|at| (at, Kind::Timestamp(unit, None)))
            }
            _ => None,
        };
        match read {
            Some((value, kind)) => Some(Typed::settled(Node::constant(Value::Int(value), kind))),
            None => {
                let fault = self.at(
                    expr,
                    WRONG_TYPE,
                    format!("`{expr}` is not understood as a date or time"),
                );
                self.fault(fault.help("write e.g. `DATE '2024-01-31'` or `TIMESTAMP '2024-01-31 12:00:00'`"))
            }
        }
    }

    fn of_any(&mut self, inner: &Expr, op: Op) -> Option<Typed> {
        let inner = self.expression(inner)?;
        self.gives(op, vec![inner.node], Kind::Boolean)
    }

    fn is(&mut self, inner: &Expr, wanted: bool, negated: bool) -> Option<Typed> {
        let inner = self.truth(inner, "`IS TRUE`")?;
        let wanted = Node::constant(Value::Boolean(wanted), Kind::Boolean);
        let same = self.gives(
            Op::Compare(Test::Equal, false),
            vec![inner, wanted],
            Kind::Boolean,
        )?;
        if negated {
            self.gives(Op::Not, vec![same.node], Kind::Boolean)
        } else {
            Some(same)
        }
    }

    fn unary(&mut self, op: UnaryOperator, inner: &Expr, expr: &Expr) -> Option<Typed> {
        match op {
            UnaryOperator::Not => {
                let inner = self.truth(inner, "`NOT`")?;
                self.gives(Op::Not, vec![inner], Kind::Boolean)
            }
            UnaryOperator::Minus => {
                let typed = self.expression(inner)?;
                match (typed.open, typed.node.as_constant()) {
                    (Open::Int(_), Some(Value::Int(value))) => return Some(open_int(value.wrapping_neg())),
                    (Open::Float, Some(Value::Float(value))) => return Some(open_float(-value)),
                    _ => {}
                }
                let Kind::Number(number) = typed.node.kind else {
                    return self.not_taken(inner, &typed.node.kind, "`-`", "a number");
                };
                let (zero, number) = if number.is_float() {
                    // -0.0, so that 0.0 has its sign turned too.
                    (Value::Float(-0.0), number)
                } else {
                    (Value::Int(0), number.with_literal(0))
                };
                let kind = Kind::Number(number);
                let zero = Node::constant(zero, kind.clone());
                let op = Op::Arithmetic {
                    op: Arithmetic::Subtract,
                    number,
                    by_inverse: false,
                };
                let inner = made(typed.node, &kind);
                self.gives(op, vec![zero, inner], kind)
            }
            UnaryOperator::Plus => {
                let typed = self.expression(inner)?;
                if matches!(typed.node.kind, Kind::Number(_)) {
                    Some(typed)
                } else {
                    self.not_taken(inner, &typed.node.kind, "`+`", "a number")
                }
            }
            _ => {
                let fault = self.at(expr, NOT_SQL, format!("there is no operator `{op}`"));
                self.fault(fault)
            }
        }
    }

    fn binary(&mut self, left: &Expr, op: &Operator, right: &Expr, expr: &Expr) -> Option<Typed> {
        match op {
            Operator::And | Operator::Or => {
                let name = format!("`{op}`");
                let (left, right) = (self.truth(left, &name), self.truth(right, &name));
                let op = if *op == Operator::And { Op::And } else { Op::Or };
                self.gives(op, vec![left?, right?], Kind::Boolean)
            }
            Operator::Eq => self.compared(left, Test::Equal, right),
            Operator::NotEq => self.compared(left, Test::Unequal, right),
            Operator::Lt => self.compared(left, Test::Less, right),
            Operator::LtEq => self.compared(left, Test::LessOrEqual, right),
            Operator::Gt => self.compared(left, Test::Greater, right),
            Operator::GtEq => self.compared(left, Test::GreaterOrEqual, right),
            Operator::Spaceship => {
                let (left, right) = self.pair(left, right)?;
                self.gives(Op::Distinct { negated: true }, vec![left, right], Kind::Boolean)
            }
            Operator::Plus => self.arithmetic(left, Arithmetic::Add, right, "+"),
            Operator::Minus => self.arithmetic(left, Arithmetic::Subtract, right, "-"),
            Operator::Multiply => self.arithmetic(left, Arithmetic::Multiply, right, "*"),
            Operator::Divide => self.arithmetic(left, Arithmetic::Divide, right, "/"),
            Operator::Modulo => self.arithmetic(left, Arithmetic::Modulo, right, "%"),
            Operator::DuckIntegerDivide => self.arithmetic(left, Arithmetic::FloorDivide, right, "//"),
            Operator::StringConcat => {
                let (left, right) = (self.written(left, "`||`"), self.written(right, "`||`"));
                self.gives(Op::Text(TextOp::Join), vec![left?, right?], Kind::Text)
            }
            Operator::PGStartsWith => {
                let (left, right) = (self.text(left, "`^@`"), self.text(right, "`^@`"));
                self.gives(Op::Text(TextOp::Starts), vec![left?, right?], Kind::Boolean)
            }
            _ => {
                let fault = self.at(
                    expr,
                    NOT_SQL,
                    format!("the operator `{op}` is not available in an expression over one row"),
                );
                self.fault(fault)
            }
        }
    }

    fn arithmetic(&mut self, left: &Expr, op: Arithmetic, right: &Expr, sign: &str) -> Option<Typed> {
        let (one, other) = (self.expression(left), self.expression(right));
        let (one, other) = (one?, other?);
        if matches!(one.node.kind, Kind::Duration(_))
            && matches!(right, Expr::Interval(_))
            && op != Arithmetic::Divide
        {
            let fault = self.at(
                right,
                NOT_SQL,
                "a span that stands in the text is added to times only",
            );
            return self.fault(fault.help("add it to the time, or subtract two times"));
        }
        match self.calculated(one.clone(), op, other.clone()) {
            Some(typed) => Some(typed),
            None if !self.faults.is_empty() => None,
            None => {
                let (is, with) = (&one.node.kind, &other.node.kind);
                // The text is most often the one that was not meant to be one.
                let (blamed, kind) = if *with == Kind::Text && *is != Kind::Text {
                    (right, with)
                } else {
                    (left, is)
                };
                let message = format!(
                    "`{sign}` does not go with {} and {}",
                    is.described(),
                    with.described()
                );
                let help = if *kind == Kind::Text {
                    "convert it: `CAST(… AS DOUBLE)`"
                } else {
                    "convert one of them with `CAST(… AS …)`"
                };
                let fault = self.at(blamed, WRONG_TYPE, message);
                self.fault(fault.help(help))
            }
        }
    }

    /// An operation on what has types it goes with; none if it does not go.
    pub(crate) fn calculated(&mut self, one: Typed, op: Arithmetic, other: Typed) -> Option<Typed> {
        use Kind::{Boolean, Date, Duration, Null, Number as Num, Text, Time, Timestamp};
        let both_stand_there = one.node.as_constant().is_some() && other.node.as_constant().is_some();
        let (is, with) = (one.node.kind.clone(), other.node.kind.clone());
        match (&is, &with) {
            (Null, Num(_) | Null) | (Num(_), Null) => {
                let kind = if is == Null { with } else { is };
                let kind = match kind {
                    _ if op == Arithmetic::FloorDivide => Num(Number::I64),
                    Null => Kind::F64,
                    Num(number) if op == Arithmetic::Divide && !number.is_float() => Kind::F64,
                    kind => kind,
                };
                Some(Typed::settled(Node::constant(Value::Null, kind)))
            }
            (Num(_) | Boolean, Num(_) | Boolean) => {
                if op == Arithmetic::FloorDivide && (is == Boolean || with == Boolean) {
                    return None;
                }
                let (number, open) = match (&is, &with) {
                    (Boolean, Boolean) => (Number::U32, Open::Settled),
                    _ => match unified((&is, one.open), (&with, other.open))? {
                        (Num(number), open) => (number, open),
                        _ => return None,
                    },
                };
                if (&is, &with) == (&Boolean, &Boolean) && !matches!(op, Arithmetic::Add | Arithmetic::Divide)
                {
                    return None;
                }
                // What does not fit the type both share is missing before it is divided.
                let shared = Num(number);
                let (one, other) = (made(one.node, &shared), made(other.node, &shared));
                let (number, open) = match op {
                    Arithmetic::Divide if !number.is_float() => {
                        let open = if open == Open::Settled { open } else { Open::Float };
                        (Number::F64, open)
                    }
                    _ => (number, open),
                };
                let kind = Num(number);
                let by_inverse = other.as_constant().is_some() && !both_stand_there;
                let args = vec![made(one, &kind), made(other, &kind)];
                let op_of = Op::Arithmetic {
                    op,
                    number,
                    by_inverse,
                };
                let typed = self.gives(op_of, args, kind)?;
                if op == Arithmetic::FloorDivide {
                    return Some(Typed::settled(made(typed.node, &Num(Number::I64))));
                }
                Some(match (open, typed.node.as_constant()) {
                    (Open::Int(_), Some(Value::Int(value))) => open_int(*value),
                    (Open::Float, Some(Value::Float(value))) => open_float(*value),
                    _ => typed,
                })
            }
            (Text, Text) if op == Arithmetic::Add => {
                self.gives(Op::Text(TextOp::Join), vec![one.node, other.node], Text)
            }
            (Date, Date) if op == Arithmetic::Subtract => {
                self.difference(one.node, other.node, &Timestamp(TimeUnit::Microseconds, None))
            }
            (Date, Timestamp(unit, None)) | (Timestamp(unit, None), Date) if op == Arithmetic::Subtract => {
                self.difference(one.node, other.node, &Timestamp(*unit, None))
            }
            (Timestamp(a, zone), Timestamp(b, same)) if op == Arithmetic::Subtract && zone == same => {
                self.difference(one.node, other.node, &Timestamp(coarser(*a, *b), zone.clone()))
            }
            (Time, Time) if op == Arithmetic::Subtract => self.difference(one.node, other.node, &Time),
            (Timestamp(a, zone), Duration(b)) if matches!(op, Arithmetic::Add | Arithmetic::Subtract) => {
                let unit = coarser(*a, *b);
                self.moved(one.node, op, other.node, unit, Timestamp(unit, zone.clone()))
            }
            (Duration(a), Timestamp(b, zone)) if op == Arithmetic::Add => {
                let unit = coarser(*a, *b);
                self.moved(other.node, op, one.node, unit, Timestamp(unit, zone.clone()))
            }
            (Duration(a), Duration(b)) => {
                let unit = coarser(*a, *b);
                match op {
                    Arithmetic::Add | Arithmetic::Subtract => {
                        self.moved(one.node, op, other.node, unit, Duration(unit))
                    }
                    Arithmetic::Divide => {
                        let whole = |node: Node| {
                            made(made(made(node, &Duration(unit)), &Num(Number::I64)), &Kind::F64)
                        };
                        let by_inverse = other.node.as_constant().is_some() && !both_stand_there;
                        let op = Op::Arithmetic {
                            op,
                            number: Number::F64,
                            by_inverse,
                        };
                        self.gives(op, vec![whole(one.node), whole(other.node)], Kind::F64)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn difference(&mut self, one: Node, other: Node, both: &Kind) -> Option<Typed> {
        let unit = match both {
            Kind::Timestamp(unit, _) => *unit,
            _ => TimeUnit::Nanoseconds,
        };
        let op = Op::Arithmetic {
            op: Arithmetic::Subtract,
            number: Number::I64,
            by_inverse: false,
        };
        self.gives(op, vec![made(one, both), made(other, both)], Kind::Duration(unit))
    }

    fn moved(&mut self, at: Node, op: Arithmetic, by: Node, unit: TimeUnit, gives: Kind) -> Option<Typed> {
        let op = Op::Arithmetic {
            op,
            number: Number::I64,
            by_inverse: false,
        };
        let args = vec![made(at, &gives), made(by, &Kind::Duration(unit))];
        self.gives(op, args, gives)
    }

    /// A comparison; a text that is compared with a date or time is read as one.
    fn compared(&mut self, left: &Expr, test: Test, right: &Expr) -> Option<Typed> {
        let (one, other) = self.pair(left, right)?;
        let is_unsigned = one.kind == Kind::Number(Number::U64);
        self.gives(Op::Compare(test, is_unsigned), vec![one, other], Kind::Boolean)
    }

    /// Two operands made into the type they share.
    fn pair(&mut self, left: &Expr, right: &Expr) -> Option<(Node, Node)> {
        let (one, other) = (self.expression(left), self.expression(right));
        let (mut one, mut other) = (one?, other?);
        if let Some(written) = written_beside(&one, &other) {
            other = self.written_time(&one.node.kind, &written, right)?;
        } else if let Some(written) = written_beside(&other, &one) {
            one = self.written_time(&other.node.kind, &written, left)?;
        }
        match unified((&one.node.kind, one.open), (&other.node.kind, other.open)) {
            Some((kind, _)) => Some((made(one.node, &kind), made(other.node, &kind))),
            None => {
                let message = format!(
                    "{} is compared with {}",
                    one.node.kind.described(),
                    other.node.kind.described()
                );
                // What is written out is easier to change than a column.
                let is_literal = |expr: &Expr| matches!(expr, Expr::Value(_));
                let blamed = if is_literal(left) && !is_literal(right) {
                    left
                } else {
                    right
                };
                let fault = self.at(blamed, WRONG_TYPE, message);
                self.fault(fault.help(
                    "convert one of them: `CAST(… AS …)`, or write texts in quotes and numbers without",
                ))
            }
        }
    }

    fn written_time(&mut self, kind: &Kind, written: &str, expr: &Expr) -> Option<Typed> {
        let (read, form) = match kind {
            Kind::Date => (literal::date(written), "2024-01-31"),
            Kind::Time => (literal::time(written), "12:00:00"),
            Kind::Timestamp(unit, zone) => {
                let read = literal::timestamp(written, *unit, zone.as_deref());
                (read, "2024-01-31 12:00:00")
            }
            _ => (None, ""),
        };
        match read {
            Some(value) => Some(Typed::settled(Node::constant(Value::Int(value), kind.clone()))),
            None => {
                let message = format!("'{written}' does not read as {}", kind.described());
                let fault = self.at(expr, WRONG_TYPE, message);
                self.fault(fault.help(format!("write it as '{form}'")))
            }
        }
    }

    fn among(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Option<Typed> {
        let value = self.expression(expr);
        let items: Vec<Option<Typed>> = list.iter().map(|item| self.expression(item)).collect();
        let value = value?;
        let items: Vec<Typed> = items.into_iter().collect::<Option<_>>()?;
        for (item, written) in items.iter().zip(list) {
            if item.node.as_constant().is_none() {
                let fault = self.at(written, NOT_SQL, "a list holds values that stand in the text");
                return self.fault(fault.help("compare with each one: `x = a OR x = b`"));
            }
            if value.node.kind.is_temporal() && item.node.kind == Kind::Text {
                let message = "a list of texts is not read as dates in an expression by itself";
                let fault = self.at(written, WRONG_TYPE, message);
                return self.fault(fault.help("compare with each one: `at = '2024-01-31' OR …`"));
            }
        }
        let mut kind = value.node.kind.clone();
        for (item, written) in items.iter().zip(list) {
            // Numbers of a list have 64 bits.
            let wide = match &item.node.kind {
                Kind::Number(number) if number.is_float() => Kind::F64,
                Kind::Number(_) => Kind::Number(Number::I64),
                kind => kind.clone(),
            };
            let is_mixed = (kind == Kind::Boolean) != (wide == Kind::Boolean)
                && wide != Kind::Null
                && kind != Kind::Null;
            match unified((&kind, Open::Settled), (&wide, Open::Settled)).filter(|_| !is_mixed) {
                Some((both, _)) => kind = both,
                None => {
                    let message = format!("{} is compared with {}", kind.described(), wide.described());
                    let fault = self.at(written, WRONG_TYPE, message);
                    return self.fault(fault);
                }
            }
        }
        let mut args = vec![made(value.node, &kind)];
        args.extend(items.into_iter().map(|item| made(item.node, &kind)));
        let found = self.gives(Op::In, args, Kind::Boolean)?;
        if negated {
            self.gives(Op::Not, vec![found.node], Kind::Boolean)
        } else {
            Some(found)
        }
    }

    fn like(&mut self, expr: &Expr, pattern: &Expr, folds_case: bool, negated: bool) -> Option<Typed> {
        let text = self.text(expr, "a pattern")?;
        let with = self.text(pattern, "a pattern")?;
        match with.as_constant() {
            Some(Value::Text(with)) => {
                let pattern = Pattern::new(with, folds_case, negated);
                self.gives(Op::Like(pattern), vec![text], Kind::Boolean)
            }
            _ => {
                let fault = self.at(pattern, NOT_SQL, "a pattern is a text that stands here");
                self.fault(fault.help("compare texts with `starts_with`, `ends_with` or `strpos`"))
            }
        }
    }

    fn cast(&mut self, kind: &CastKind, inner: &Expr, to: &SqlType, expr: &Expr) -> Option<Typed> {
        let typed = self.expression(inner)?;
        let Some(wanted) = sql_kind(to) else {
            let fault = self.at(expr, NOT_SQL, format!("there is no type `{to}`"));
            return self.fault(fault.help(
                "the types are BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE, VARCHAR, DATE, TIME and TIMESTAMP",
            ));
        };
        let from = typed.node.kind.clone();
        if !cast::is_possible(&from, &wanted) {
            let message = format!("{} does not become {}", from.described(), wanted.described());
            let fault = self.at(inner, WRONG_TYPE, message);
            return self.fault(fault);
        }
        if from == wanted {
            return Some(Typed::settled(typed.node));
        }
        let strict = matches!(kind, CastKind::Cast | CastKind::DoubleColon);
        self.gives(Op::Cast { from, strict }, vec![typed.node], wanted)
    }

    /// A part of a date or time.
    pub(crate) fn part(&mut self, name: &str, inner: &Expr, expr: &Expr) -> Option<Typed> {
        let typed = self.expression(inner)?;
        let Some(part) = Part::named(name) else {
            let fault = self.at(
                expr,
                NOT_SQL,
                format!("a time has no part `{}`", name.to_lowercase()),
            );
            let names = Part::NAMES.iter().filter_map(|(names, _)| names.first()).copied();
            return self.fault(fault.near(name, names));
        };
        let kind = typed.node.kind.clone();
        let fits = match kind {
            Kind::Date => part.is_of_day(),
            Kind::Time => part.is_of_time(),
            Kind::Timestamp(..) => true,
            _ => return self.not_taken(inner, &kind, "`EXTRACT`", "a date or time"),
        };
        let Some(clock) = Clock::of(&kind).filter(|_| fits) else {
            let message = format!("{} has no {}", kind.described(), name.to_lowercase());
            let fault = self.at(inner, WRONG_TYPE, message);
            return self.fault(fault);
        };
        let number = match part {
            _ if part.is_float() => Number::F64,
            Part::Millennium | Part::Century | Part::Decade | Part::IsoYear | Part::Year => Number::I32,
            Part::DayOfYear => Number::I16,
            _ => Number::I8,
        };
        self.gives(Op::Part(part, clock), vec![typed.node], Kind::Number(number))
    }

    /// `date_trunc('hour', at)`.
    pub(crate) fn truncated(&mut self, unit: &Expr, inner: &Expr) -> Option<Typed> {
        let named = match unit {
            Expr::Value(value) => match &value.value {
                Literal::SingleQuotedString(text) => Unit::named(text),
                _ => None,
            },
            _ => None,
        };
        let typed = self.expression(inner)?;
        let Some(named) = named else {
            let names: Vec<&str> = Unit::NAMES.iter().map(|(name, _)| *name).collect();
            let fault = self.at(unit, NOT_SQL, "this is no span that a time can be cut to");
            return self.fault(fault.help(format!("the spans are '{}'", names.join("', '"))));
        };
        let kind = typed.node.kind.clone();
        match (&kind, Clock::of(&kind)) {
            (Kind::Date, Some(_)) if named.is_of_time() => {
                let fault = self.at(unit, WRONG_TYPE, "a date has no time of day");
                self.fault(fault)
            }
            (Kind::Date | Kind::Timestamp(..), Some(clock)) => {
                self.gives(Op::Truncate(named, clock), vec![typed.node], kind)
            }
            _ => self.not_taken(inner, &kind, "`date_trunc`", "a date or timestamp"),
        }
    }

    pub(crate) fn substring(&mut self, inner: &Expr, from: &Expr, length: Option<&Expr>) -> Option<Typed> {
        let text = self.text(inner, "`SUBSTRING`");
        let start = self.whole(from, "a place in a text");
        let length_of = length.map(|length| self.whole(length, "a length"));
        let (text, start) = (text?, start?);
        if length.is_none() && start.as_constant().is_none() {
            let fault = self.at(
                from,
                NOT_SQL,
                "without a length, the place must stand in the text",
            );
            return self.fault(fault.help("give a length as well: `substr(x, place, 1000)`"));
        }
        let mut args = vec![text, start];
        if let Some(length) = length_of {
            args.push(length?);
        }
        self.gives(Op::Text(TextOp::Substring), args, Kind::Text)
    }

    /// Conditions and the values that go with them, and one value more for none of them.
    pub(crate) fn chosen(&mut self, tests: Vec<Node>, values: Vec<(Typed, &Expr)>) -> Option<Typed> {
        let (kind, open) = self.shared(&values)?;
        let mut args = Vec::new();
        let mut values = values.into_iter().map(|(typed, _)| made(typed.node, &kind));
        for test in tests {
            args.push(test);
            args.extend(values.next());
        }
        args.push(values.next().unwrap_or(Node::constant(Value::Null, kind.clone())));
        let typed = self.gives(Op::Case, args, kind)?;
        Some(Typed {
            node: typed.node,
            open,
        })
    }

    /// The type that values share.
    pub(crate) fn shared(&mut self, values: &[(Typed, &Expr)]) -> Option<(Kind, Open)> {
        let mut both = (Kind::Null, Open::Settled);
        for (typed, expr) in values {
            match unified((&both.0, both.1), (&typed.node.kind, typed.open)) {
                Some(next) => both = next,
                None => {
                    let message = format!(
                        "this is {}, and what stands before it is {}",
                        typed.node.kind.described(),
                        both.0.described()
                    );
                    let fault = self.at(expr, WRONG_TYPE, message);
                    return self.fault(fault.help("let all of them be of one type: `CAST(… AS …)`"));
                }
            }
        }
        Some(both)
    }

    pub(crate) fn truth(&mut self, expr: &Expr, who: &str) -> Option<Node> {
        let typed = self.expression(expr)?;
        match typed.node.kind {
            Kind::Boolean => Some(typed.node),
            Kind::Null => Some(made(typed.node, &Kind::Boolean)),
            kind => {
                let fault = self.not_taken_fault(expr, &kind, who, "a truth value");
                self.fault(fault.help("compare it with something"))
            }
        }
    }

    pub(crate) fn text(&mut self, expr: &Expr, who: &str) -> Option<Node> {
        let typed = self.expression(expr)?;
        match typed.node.kind {
            Kind::Text => Some(typed.node),
            Kind::Null => Some(made(typed.node, &Kind::Text)),
            kind => {
                let fault = self.not_taken_fault(expr, &kind, who, "text");
                self.fault(fault.help("convert it: `CAST(… AS VARCHAR)`"))
            }
        }
    }

    /// A text, or what is written as one.
    pub(crate) fn written(&mut self, expr: &Expr, who: &str) -> Option<Node> {
        let typed = self.expression(expr)?;
        let kind = typed.node.kind.clone();
        if cast::is_possible(&kind, &Kind::Text) {
            Some(made(typed.node, &Kind::Text))
        } else {
            let fault = self.not_taken_fault(expr, &kind, who, "what can be written as text");
            self.fault(fault)
        }
    }

    pub(crate) fn whole(&mut self, expr: &Expr, who: &str) -> Option<Node> {
        let typed = self.expression(expr)?;
        match typed.node.kind {
            Kind::Number(number) if !number.is_float() => Some(made(typed.node, &Kind::Number(Number::I64))),
            Kind::Null => Some(made(typed.node, &Kind::Number(Number::I64))),
            kind => self.not_taken(expr, &kind, who, "a whole number"),
        }
    }

    pub(crate) fn number(&mut self, expr: &Expr, who: &str) -> Option<Typed> {
        let typed = self.expression(expr)?;
        match &typed.node.kind {
            Kind::Number(_) => Some(typed),
            Kind::Null => Some(Typed::settled(made(typed.node, &Kind::F64))),
            kind => {
                let fault = self.not_taken_fault(expr, &kind.clone(), who, "a number");
                let fault = match kind {
                    Kind::Text => fault.help("convert it: `CAST(… AS DOUBLE)`"),
                    Kind::Duration(_) => fault.help("divide it by a span: `x / INTERVAL '1 hour'`"),
                    _ => fault,
                };
                self.fault(fault)
            }
        }
    }

    pub(crate) fn not_taken_fault(&self, expr: &Expr, kind: &Kind, who: &str, wants: &str) -> Fault {
        let what = match expr {
            Expr::Identifier(name) => format!("`{}` is {}", name.value, kind.described()),
            _ => format!("this is {}", kind.described()),
        };
        self.at(expr, WRONG_TYPE, format!("{what}, and {who} takes {wants}"))
    }

    pub(crate) fn not_taken<T>(&mut self, expr: &Expr, kind: &Kind, who: &str, wants: &str) -> Option<T> {
        let fault = self.not_taken_fault(expr, kind, who, wants);
        self.fault(fault)
    }
}

pub(crate) fn open_int(value: i64) -> Typed {
    Typed {
        node: Node::constant(Value::Int(value), Kind::Number(Number::of_literal(value))),
        open: Open::Int(value),
    }
}

pub(crate) fn open_float(value: f64) -> Typed {
    Typed {
        node: Node::constant(Value::Float(value), Kind::F64),
        open: Open::Float,
    }
}

/// A plan with its values made into another type; what does not fit there is missing.
pub(crate) fn made(node: Node, to: &Kind) -> Node {
    if node.kind == *to {
        return node;
    }
    let from = node.kind.clone();
    if let Some(value) = node.as_constant() {
        let value = cast::cast(value, &from, to, false).unwrap_or(Value::Null);
        return Node::constant(value.into_owned(), to.clone());
    }
    Node::new(Op::Cast { from, strict: false }, vec![node], to.clone())
}

/// The type that values of two types become before they are held against each other.
pub(crate) fn unified(one: (&Kind, Open), other: (&Kind, Open)) -> Option<(Kind, Open)> {
    use Kind::{Boolean, Date, Duration, Null, Number as Num, Timestamp};
    let settled = |kind: Kind| Some((kind, Open::Settled));
    match (one.0, other.0) {
        (Null, kind) => Some((kind.clone(), other.1)),
        (kind, Null) => Some((kind.clone(), one.1)),
        (Num(a), Num(b)) => match (one.1, other.1) {
            (Open::Settled, Open::Settled) => settled(Num(a.common(*b))),
            (Open::Settled, Open::Int(value)) => settled(Num(a.with_literal(value))),
            (Open::Int(value), Open::Settled) => settled(Num(b.with_literal(value))),
            (Open::Settled, Open::Float) => settled(Num(if a.is_float() { *a } else { Number::F64 })),
            (Open::Float, Open::Settled) => settled(Num(if b.is_float() { *b } else { Number::F64 })),
            (Open::Int(a), Open::Int(b)) => {
                let widest = if Number::smallest(a).bits() >= Number::smallest(b).bits() {
                    a
                } else {
                    b
                };
                Some((Num(Number::of_literal(widest)), Open::Int(widest)))
            }
            _ => Some((Kind::F64, Open::Float)),
        },
        (Boolean, Num(number)) | (Num(number), Boolean) => settled(Num(*number)),
        (Timestamp(a, zone), Timestamp(b, same)) if zone == same => {
            settled(Timestamp(coarser(*a, *b), zone.clone()))
        }
        (Date, Timestamp(unit, None)) | (Timestamp(unit, None), Date) => settled(Timestamp(*unit, None)),
        (Duration(a), Duration(b)) => settled(Duration(coarser(*a, *b))),
        (a, b) if a == b => settled(a.clone()),
        _ => None,
    }
}

/// The text that stands beside a date or time, and is to be read as one.
fn written_beside(temporal: &Typed, text: &Typed) -> Option<String> {
    match (&temporal.node.kind, text.node.as_constant()) {
        (Kind::Date | Kind::Time | Kind::Timestamp(..), Some(Value::Text(written))) => {
            Some(written.to_string())
        }
        _ => None,
    }
}

fn unit_of(precision: Option<u64>) -> TimeUnit {
    match precision {
        Some(1..=3) => TimeUnit::Milliseconds,
        Some(7..) => TimeUnit::Nanoseconds,
        _ => TimeUnit::Microseconds,
    }
}

/// The type that SQL's word for it means.
fn sql_kind(data_type: &SqlType) -> Option<Kind> {
    use SqlType as T;
    Some(match data_type {
        T::Boolean | T::Bool => Kind::Boolean,
        T::TinyInt(_) => Kind::Number(Number::I8),
        T::Int16 | T::Int2(_) | T::SmallInt(_) => Kind::Number(Number::I16),
        T::Int32 | T::Int4(_) | T::MediumInt(_) | T::Integer(_) | T::Int(_) => Kind::Number(Number::I32),
        T::Int64 | T::Int8(_) | T::BigInt(_) => Kind::Number(Number::I64),
        T::UTinyInt | T::TinyIntUnsigned(_) => Kind::Number(Number::U8),
        T::Int2Unsigned(_) | T::SmallIntUnsigned(_) | T::USmallInt | T::UInt16 => Kind::Number(Number::U16),
        T::Int4Unsigned(_) | T::MediumIntUnsigned(_) | T::UInt32 | T::IntUnsigned(_) | T::UnsignedInteger => {
            Kind::Number(Number::U32)
        }
        T::Int8Unsigned(_) | T::BigIntUnsigned(_) | T::UBigInt | T::UInt64 | T::UInt8 => {
            Kind::Number(Number::U64)
        }
        T::Float4 | T::Real => Kind::Number(Number::F32),
        T::Double(_) | T::DoublePrecision | T::Float8 => Kind::F64,
        T::Float(ExactNumberInfo::Precision(1..=24)) => Kind::Number(Number::F32),
        T::Float(ExactNumberInfo::Precision(25..=53) | ExactNumberInfo::None) => Kind::F64,
        T::Date => Kind::Date,
        T::Time(_, TimezoneInfo::None) => Kind::Time,
        T::Datetime(precision) | T::Timestamp(precision, TimezoneInfo::None) => {
            Kind::Timestamp(unit_of(*precision), None)
        }
        T::Char(_)
        | T::CharVarying(_)
        | T::Character(_)
        | T::CharacterVarying(_)
        | T::Clob(_)
        | T::String(_)
        | T::Text
        | T::Uuid
        | T::Varchar(_) => Kind::Text,
        _ => return None,
    })
}
