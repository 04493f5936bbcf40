//! Whether the values of an expression may be missing.

use super::Walker;
use crate::facts::Facts;
use polars::chunked_array::cast::CastOptions;
use polars_plan::plans::{AExpr, IRAggExpr};
use polars_plan::prelude::{Node, Operator};

impl Walker<'_> {
    /// Whether it is plain to see that an expression is a number.
    fn is_number(&self, node: Node, input: &Facts) -> bool {
        match self.expressions.get(node) {
            AExpr::Column(name) => input
                .get(name)
                .is_some_and(|fact| fact.column.data_type.is_numeric()),
            AExpr::Literal(value) => value.get_datatype().is_numeric(),
            AExpr::Cast { dtype, .. } => dtype.is_numeric(),
            AExpr::BinaryExpr { left, op, right } => {
                op.is_arithmetic() && self.is_number(*left, input) && self.is_number(*right, input)
            }
            _ => false,
        }
    }

    /// Whether the value may be missing, given which columns may be; `true` where in doubt.
    pub(super) fn nullable(&self, node: Node, input: &Facts) -> bool {
        let of = |node: Node| self.nullable(node, input);
        match self.expressions.get(node) {
            AExpr::Column(name) => input.get(name).is_none_or(|fact| fact.column.nullable),
            AExpr::Literal(value) => value.is_null(),
            AExpr::BinaryExpr { left, op, right } => {
                // Whole-number division by zero is null in polars.
                matches!(op, Operator::FloorDivide | Operator::Modulus) || of(*left) || of(*right)
            }
            AExpr::Cast { expr, dtype, options } => {
                let is_truth =
                    matches!(self.expressions.get(*expr), AExpr::BinaryExpr { op, .. } if op.is_comparison());
                let is_safe = matches!(options, CastOptions::Strict)
                    || (dtype.is_float() && self.is_number(*expr, input))
                    || (dtype.is_numeric() && is_truth);
                !is_safe || of(*expr)
            }
            AExpr::Ternary { truthy, falsy, .. } => of(*truthy) || of(*falsy),
            AExpr::Len => false,
            AExpr::Agg(IRAggExpr::Count { .. } | IRAggExpr::NUnique(_) | IRAggExpr::Sum(_)) => false,
            AExpr::Over { function, .. } => of(*function),
            AExpr::Function {
                input: arguments,
                function,
                options,
            } => {
                let mut arguments = arguments.iter().map(|argument| of(argument.node()));
                match function.to_string().as_str() {
                    "is_null" | "is_not_null" | "null_count" | "len" => false,
                    "coalesce" => arguments.all(|nullable| nullable),
                    "fill_null" => arguments.next_back().unwrap_or(true),
                    // Their further arguments only say what to take off.
                    name if name.starts_with("str.strip_chars") => arguments.next().unwrap_or(true),
                    name if name.starts_with("str.") && !KEEPS_PRESENCE.contains(&name) => true,
                    name if name.starts_with("list.") && !KEEPS_PRESENCE.contains(&name) => true,
                    _ => !options.is_elementwise() || arguments.any(|nullable| nullable),
                }
            }
            _ => true,
        }
    }
}

/// Functions of texts and lists that give a value for every value.
const KEEPS_PRESENCE: [&str; 15] = [
    "str.to_lowercase",
    "str.to_uppercase",
    "str.len_bytes",
    "str.len_chars",
    "str.concat_horizontal",
    "str.reverse",
    "str.split",
    "list.length",
    "list.contains",
    "str.slice",
    "str.starts_with",
    "str.ends_with",
    "str.contains",
    "str.replace",
    "str.replace_all",
];
