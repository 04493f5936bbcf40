//! Functions: what each takes and gives.

use crate::compile::{Compiler, NOT_SQL, Open, Typed, made, open_float};
use crate::fault::Fault;
use crate::kind::{Kind, Number};
use crate::number::{Arithmetic, Rounding, Unary};
use crate::plan::{Node, Op, Test};
use crate::text::{Side, TextOp};
use crate::value::Value;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Value as Literal,
};

/// Names of all functions, with how many arguments each takes at least and at most.
const FUNCTIONS: &[(&[&str], usize, usize)] = &[
    (
        &["abs", "cbrt", "exp", "ln", "log10", "log1p", "log2", "sqrt"],
        1,
        1,
    ),
    (
        &[
            "cos", "cot", "sin", "tan", "acos", "asin", "atan", "degrees", "radians",
        ],
        1,
        1,
    ),
    (&["cosd", "cotd", "sind", "tand", "acosd", "asind", "atand"], 1, 1),
    (&["ceil", "ceiling", "floor", "sign"], 1, 1),
    (&["round", "trunc", "truncate"], 1, 2),
    (&["log", "div", "mod", "pow", "power", "atan2", "atan2d"], 2, 2),
    (&["pi"], 0, 0),
    (&["coalesce", "greatest", "least"], 1, usize::MAX),
    (&["ifnull", "nullif"], 2, 2),
    (&["if"], 3, 3),
    (&["date_part", "date_trunc"], 2, 2),
    (
        &[
            "length",
            "char_length",
            "character_length",
            "octet_length",
            "bit_length",
        ],
        1,
        1,
    ),
    (&["lower", "upper", "reverse"], 1, 1),
    (&["ltrim", "rtrim"], 1, 2),
    (&["left", "right"], 2, 2),
    (&["lpad", "rpad"], 2, 3),
    (&["replace", "split_part"], 3, 3),
    (&["substr"], 2, 3),
    (&["strpos", "starts_with", "ends_with"], 2, 2),
    (&["concat"], 1, usize::MAX),
    (&["concat_ws"], 2, usize::MAX),
];

/// What other databases call them.
const ELSEWHERE: &[(&str, &str)] = &[
    ("nvl", "coalesce"),
    ("isnull", "ifnull"),
    ("len", "length"),
    ("ucase", "upper"),
    ("lcase", "lower"),
    ("mid", "substr"),
    ("instr", "strpos"),
    ("iif", "if"),
    ("year", "date_part"),
    ("month", "date_part"),
    ("day", "date_part"),
    ("hour", "date_part"),
    ("weekday", "date_part"),
    ("dayofweek", "date_part"),
    ("max", "greatest"),
    ("min", "least"),
];

fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().flat_map(|(names, ..)| *names).copied()
}

impl Compiler<'_> {
    pub(crate) fn call(&mut self, call: &Function) -> Option<Typed> {
        let [part] = call.name.0.as_slice() else {
            return self.fault(Fault::new(
                NOT_SQL,
                0..0,
                format!("there is no function `{}`", call.name),
            ));
        };
        let name = part.as_ident()?;
        let lower = name.value.to_lowercase();
        let Some((_, least, most)) = FUNCTIONS
            .iter()
            .find(|(names, ..)| names.contains(&lower.as_str()))
        else {
            let fault = self.of_name(
                name,
                format!("there is no function `{}` over one row", name.value),
            );
            let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == lower);
            return self.fault(match elsewhere {
                Some((_, ours)) => fault.help(format!("did you mean `{ours}`?")),
                None => fault.near(&lower, names()),
            });
        };
        let args = self.arguments(call, name)?;
        if args.len() < *least || args.len() > *most {
            let wanted = match (*least, *most) {
                (least, usize::MAX) => format!("at least {least}"),
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            let plural = if wanted == "1" { "" } else { "s" };
            let message = format!(
                "`{}` takes {wanted} argument{plural}, here are {}",
                name.value,
                args.len()
            );
            let fault = self.of_name(name, message);
            return self.fault(fault);
        }
        let who = format!("`{}`", name.value);
        match (lower.as_str(), args.as_slice()) {
            ("pi", []) => Some(open_float(std::f64::consts::PI)),
            ("abs", [x]) => {
                let typed = self.number(x, &who)?;
                let Kind::Number(number) = typed.node.kind else {
                    return None;
                };
                self.gives(Op::Absolute(number), vec![typed.node], Kind::Number(number))
            }
            ("sign", [x]) => {
                let typed = self.number(x, &who)?;
                let kind = typed.node.kind.clone();
                self.gives(Op::Sign, vec![typed.node], kind)
            }
            ("ceil" | "ceiling", [x]) => self.rounded(x, Rounding::Up, 0),
            ("floor", [x]) => self.rounded(x, Rounding::Down, 0),
            ("round" | "trunc" | "truncate", [x, rest @ ..]) => {
                let how = if lower == "round" {
                    Rounding::Nearest
                } else {
                    Rounding::TowardsZero
                };
                let decimals = match rest {
                    [] => 0,
                    [decimals, ..] => self.decimals(decimals)?,
                };
                self.rounded(x, how, decimals)
            }
            ("ln", [x]) => self.logarithm(x, std::f64::consts::E, &who),
            ("log10", [x]) => self.logarithm(x, 10.0, &who),
            ("log2", [x]) => self.logarithm(x, 2.0, &who),
            ("log", [x, base]) => {
                let (x, base) = (self.number(x, &who), self.number(base, &who));
                let (x, base) = (x?, base?);
                let number = match (&x.node.kind, &base.node.kind, base.open) {
                    (Kind::Number(Number::F32), ..) => Number::F32,
                    (Kind::Number(x), Kind::Number(Number::F32), Open::Settled) if !x.is_float() => {
                        Number::F32
                    }
                    _ => Number::F64,
                };
                let kind = Kind::Number(number);
                let args = vec![made(x.node, &kind), made(base.node, &kind)];
                self.gives(Op::Logarithm(number), args, kind)
            }
            ("cosd", [x]) => self.in_degrees(x, Unary::Cos, &who),
            ("cotd", [x]) => self.in_degrees(x, Unary::Cot, &who),
            ("sind", [x]) => self.in_degrees(x, Unary::Sin, &who),
            ("tand", [x]) => self.in_degrees(x, Unary::Tan, &who),
            ("acosd", [x]) => self.degrees_of(x, Unary::Acos, &who),
            ("asind", [x]) => self.degrees_of(x, Unary::Asin, &who),
            ("atand", [x]) => self.degrees_of(x, Unary::Atan, &who),
            ("atan2" | "atan2d", [y, x]) => {
                let (y, x) = (self.number(y, &who), self.number(x, &who));
                let (y, x) = (y?, x?);
                let both = [&y, &x].map(|typed| typed.node.kind == Kind::Number(Number::F32));
                let number = if both == [true, true] {
                    Number::F32
                } else {
                    Number::F64
                };
                let kind = Kind::Number(number);
                let args = vec![made(y.node, &kind), made(x.node, &kind)];
                let angle = self.gives(Op::Angle(number), args, kind.clone())?;
                if lower == "atan2d" {
                    self.gives(Op::Unary(Unary::Degrees, number), vec![angle.node], kind)
                } else {
                    Some(angle)
                }
            }
            ("pow" | "power", [base, exponent]) => self.power(base, exponent, &who),
            ("div" | "mod", [x, y]) => {
                let op = if lower == "div" {
                    Arithmetic::FloorDivide
                } else {
                    Arithmetic::Modulo
                };
                let (x, y) = (self.number(x, &who), self.number(y, &who));
                self.calculated(x?, op, y?)
            }
            ("coalesce" | "ifnull", args) => {
                let (values, kind, open) = self.alike(args)?;
                let typed = self.gives(Op::Coalesce, values, kind)?;
                Some(Typed {
                    node: typed.node,
                    open,
                })
            }
            ("greatest" | "least", args) => {
                let (values, kind, open) = self.alike(args)?;
                let is_unsigned = kind == Kind::Number(Number::U64);
                let op = if lower == "greatest" {
                    Op::Greatest(is_unsigned)
                } else {
                    Op::Least(is_unsigned)
                };
                let typed = self.gives(op, values, kind)?;
                Some(Typed {
                    node: typed.node,
                    open,
                })
            }
            ("nullif", [x, other]) => {
                let (one, with) = (self.expression(x), self.expression(other));
                let (one, with) = (one?, with?);
                let values = [(one.clone(), *x), (with.clone(), *other)];
                let (kind, _) = self.shared(&values)?;
                let same = vec![made(one.node.clone(), &kind), made(with.node, &kind)];
                let is_unsigned = kind == Kind::Number(Number::U64);
                let same = self.gives(Op::Compare(Test::Equal, is_unsigned), same, Kind::Boolean)?;
                let of = one.node.kind.clone();
                let missing = Node::constant(Value::Null, of.clone());
                self.gives(Op::Case, vec![same.node, missing, one.node], of)
            }
            ("if", [condition, x, y]) => {
                let condition = self.truth(condition, &who);
                let (one, other) = (self.expression(x), self.expression(y));
                self.chosen(vec![condition?], vec![(one?, x), (other?, y)])
            }
            ("date_part", [part, x]) => match word(part) {
                Some(part) => self.part(part, x, x),
                None => {
                    let fault = self.at(part, NOT_SQL, "the part is a text that stands here");
                    self.fault(fault.help("write e.g. `date_part('hour', at)`"))
                }
            },
            ("date_trunc", [unit, x]) => self.truncated(unit, x),
            ("length" | "char_length" | "character_length", [x]) => self.counted(x, TextOp::Length, &who),
            ("octet_length", [x]) => self.counted(x, TextOp::Bytes, &who),
            ("bit_length", [x]) => self.counted(x, TextOp::Bits, &who),
            ("lower", [x]) => self.texts(&[x], TextOp::Lower, Kind::Text, &who),
            ("upper", [x]) => self.texts(&[x], TextOp::Upper, Kind::Text, &who),
            ("reverse", [x]) => self.texts(&[x], TextOp::Reverse, Kind::Text, &who),
            ("ltrim", args) => self.texts(args, TextOp::Trim(Side::Start), Kind::Text, &who),
            ("rtrim", args) => self.texts(args, TextOp::Trim(Side::End), Kind::Text, &who),
            ("replace", args) => self.texts(args, TextOp::Replace, Kind::Text, &who),
            ("starts_with", args) => self.texts(args, TextOp::Starts, Kind::Boolean, &who),
            ("ends_with", args) => self.texts(args, TextOp::Ends, Kind::Boolean, &who),
            ("strpos", args) => self.texts(args, TextOp::Position, Kind::Number(Number::U32), &who),
            ("left" | "right", [x, count]) => {
                let op = if lower == "left" {
                    TextOp::Left
                } else {
                    TextOp::Right
                };
                let (text, count) = (self.text(x, &who), self.whole(count, &who));
                self.gives(Op::Text(op), vec![text?, count?], Kind::Text)
            }
            ("lpad" | "rpad", [x, count, rest @ ..]) => {
                let side = if lower == "lpad" { Side::Start } else { Side::End };
                let (text, count) = (self.text(x, &who), self.whole(count, &who));
                let with = match rest {
                    [] => ' ',
                    [with, ..] => match word(with).map(|with| (with.chars().next(), with.chars().count())) {
                        Some((Some(with), 1)) => with,
                        _ => {
                            let fault = self.at(
                                with,
                                NOT_SQL,
                                "what is padded with is one character that stands here",
                            );
                            return self.fault(fault);
                        }
                    },
                };
                self.gives(Op::Text(TextOp::Pad(side, with)), vec![text?, count?], Kind::Text)
            }
            ("split_part", [x, at, nth]) => {
                let (text, at, place) = (self.text(x, &who), self.text(at, &who), self.whole(nth, &who));
                self.gives(Op::Text(TextOp::Split), vec![text?, at?, place?], Kind::Text)
            }
            ("substr", [x, from]) => self.substring(x, from, None),
            ("substr", [x, from, length]) => self.substring(x, from, Some(length)),
            ("concat", args) => {
                let texts: Vec<Option<Node>> = args.iter().map(|x| self.written(x, &who)).collect();
                let texts = texts.into_iter().collect::<Option<_>>()?;
                self.gives(Op::Text(TextOp::Concat), texts, Kind::Text)
            }
            ("concat_ws", [between, args @ ..]) => {
                let Some(between) = word(between) else {
                    let fault = self.at(between, NOT_SQL, "what stands between is a text that stands here");
                    return self.fault(fault);
                };
                let texts: Vec<Option<Node>> = args.iter().map(|x| self.written(x, &who)).collect();
                let texts = texts.into_iter().collect::<Option<_>>()?;
                self.gives(Op::Text(TextOp::Between(between.to_owned())), texts, Kind::Text)
            }
            (_, [x]) => {
                let function = match lower.as_str() {
                    "cbrt" => Unary::Cbrt,
                    "exp" => Unary::Exp,
                    "log1p" => Unary::Ln1p,
                    "sqrt" => Unary::Sqrt,
                    "cos" => Unary::Cos,
                    "cot" => Unary::Cot,
                    "sin" => Unary::Sin,
                    "tan" => Unary::Tan,
                    "acos" => Unary::Acos,
                    "asin" => Unary::Asin,
                    "atan" => Unary::Atan,
                    "degrees" => Unary::Degrees,
                    "radians" => Unary::Radians,
                    _ => return None,
                };
                self.function(x, function, &who)
            }
            _ => None,
        }
    }

    fn of_name(&self, name: &Ident, message: String) -> Fault {
        Fault::new(NOT_SQL, self.places.name(name), message)
    }

    fn arguments<'e>(&mut self, call: &'e Function, name: &Ident) -> Option<Vec<&'e Expr>> {
        let refused = |compiler: &mut Self, what: &str| {
            let fault = compiler.of_name(name, format!("`{}` {what}", name.value));
            compiler.fault(fault)
        };
        if call.over.is_some() || call.filter.is_some() || !call.within_group.is_empty() {
            return refused(self, "works on one row, and takes no OVER or FILTER");
        }
        match &call.args {
            FunctionArguments::None => Some(Vec::new()),
            FunctionArguments::Subquery(_) => refused(self, "cannot select from tables"),
            FunctionArguments::List(list) => {
                if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
                    return refused(self, "works on one row, and takes no DISTINCT or ORDER BY");
                }
                let mut args = Vec::new();
                for arg in &list.args {
                    match arg {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => args.push(expr),
                        _ => return refused(self, "takes values one after the other"),
                    }
                }
                Some(args)
            }
        }
    }

    /// A number as a float of its own width, or 64 bits.
    fn float(&mut self, expr: &Expr, who: &str) -> Option<(Node, Number)> {
        let typed = self.number(expr, who)?;
        let number = match typed.node.kind {
            Kind::Number(Number::F32) => Number::F32,
            _ => Number::F64,
        };
        Some((made(typed.node, &Kind::Number(number)), number))
    }

    fn function(&mut self, expr: &Expr, function: Unary, who: &str) -> Option<Typed> {
        let (node, number) = self.float(expr, who)?;
        self.gives(Op::Unary(function, number), vec![node], Kind::Number(number))
    }

    fn in_degrees(&mut self, expr: &Expr, function: Unary, who: &str) -> Option<Typed> {
        let angle = self.function(expr, Unary::Radians, who)?;
        self.after(angle, function)
    }

    fn degrees_of(&mut self, expr: &Expr, function: Unary, who: &str) -> Option<Typed> {
        let angle = self.function(expr, function, who)?;
        self.after(angle, Unary::Degrees)
    }

    fn after(&mut self, typed: Typed, function: Unary) -> Option<Typed> {
        let kind = typed.node.kind.clone();
        let Kind::Number(number) = kind else { return None };
        self.gives(Op::Unary(function, number), vec![typed.node], kind)
    }

    fn logarithm(&mut self, expr: &Expr, base: f64, who: &str) -> Option<Typed> {
        let (node, number) = self.float(expr, who)?;
        let kind = Kind::Number(number);
        let base = made(Node::constant(Value::Float(base), Kind::F64), &kind);
        self.gives(Op::Logarithm(number), vec![node, base], kind)
    }

    pub(crate) fn rounded(&mut self, expr: &Expr, how: Rounding, decimals: u32) -> Option<Typed> {
        let typed = self.number(expr, "rounding")?;
        match typed.node.kind {
            Kind::Number(number) if number.is_float() => {
                let kind = Kind::Number(number);
                self.gives(Op::Round(how, decimals, number), vec![typed.node], kind)
            }
            _ => Some(typed),
        }
    }

    fn decimals(&mut self, expr: &Expr) -> Option<u32> {
        let found = self.expression(expr)?;
        let decimals = match (found.open, found.node.as_constant()) {
            (Open::Int(decimals), Some(_)) => u32::try_from(decimals).ok(),
            _ => None,
        };
        if decimals.is_none() {
            let fault = self.at(
                expr,
                NOT_SQL,
                "the number of decimals is a whole number that stands here, 0 or more",
            );
            return self.fault(fault);
        }
        decimals
    }

    fn power(&mut self, base: &Expr, exponent: &Expr, who: &str) -> Option<Typed> {
        let (base, exponent) = (self.number(base, who), self.number(exponent, who));
        let (base, exponent) = (base?, exponent?);
        let (Kind::Number(of), Kind::Number(by)) = (base.node.kind.clone(), exponent.node.kind.clone())
        else {
            return None;
        };
        let is_literal = exponent.node.as_constant().is_some();
        if !of.is_float() && !by.is_float() {
            let kind = Kind::Number(of);
            let exponent = made(exponent.node, &Kind::Number(Number::I64));
            return self.gives(Op::IntegerPower(of), vec![base.node, exponent], kind);
        }
        let number = if of.is_float() { of } else { by };
        let kind = Kind::Number(number);
        let args = vec![made(base.node, &kind), made(exponent.node, &kind)];
        self.gives(Op::Power { number, is_literal }, args, kind)
    }

    fn alike(&mut self, args: &[&Expr]) -> Option<(Vec<Node>, Kind, Open)> {
        let values: Vec<Option<Typed>> = args.iter().map(|arg| self.expression(arg)).collect();
        let values: Vec<Typed> = values.into_iter().collect::<Option<_>>()?;
        let values: Vec<(Typed, &Expr)> = values.into_iter().zip(args.iter().copied()).collect();
        let (kind, open) = self.shared(&values)?;
        let values = values.into_iter().map(|(typed, _)| made(typed.node, &kind));
        Some((values.collect(), kind, open))
    }

    fn counted(&mut self, expr: &Expr, op: TextOp, who: &str) -> Option<Typed> {
        self.texts(&[expr], op, Kind::Number(Number::U32), who)
    }

    fn texts(&mut self, args: &[&Expr], op: TextOp, gives: Kind, who: &str) -> Option<Typed> {
        let texts: Vec<Option<Node>> = args.iter().map(|arg| self.text(arg, who)).collect();
        let texts = texts.into_iter().collect::<Option<_>>()?;
        self.gives(Op::Text(op), texts, gives)
    }
}

/// A text that stands there.
fn word(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}
