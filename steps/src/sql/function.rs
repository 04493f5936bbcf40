//! SQL functions that polars knows: what they take and give.

use super::class::Class;

/// What an argument may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Number,
    Text,
    Boolean,
    /// A date, time, timestamp or duration.
    Temporal,
    List,
    /// A number, date or span of time: what can be averaged.
    Measure,
    /// What can be summed: numbers, truth values, durations.
    Sum,
    /// What spreads: numbers and truth values.
    Spread,
    /// What has an order: all but lists.
    Ordered,
    /// What can be written as text.
    Writable,
    Any,
}

impl Takes {
    pub(super) fn fits(self, class: Class) -> bool {
        class == Class::Any
            || match self {
                Self::Number => class == Class::Number,
                Self::Text => class == Class::Text,
                Self::Boolean => class == Class::Boolean,
                Self::Temporal => class.is_temporal(),
                Self::List => class == Class::List,
                Self::Measure => !matches!(class, Class::Text | Class::Binary | Class::List),
                Self::Sum => matches!(class, Class::Number | Class::Boolean | Class::Duration),
                Self::Spread => matches!(class, Class::Number | Class::Boolean),
                Self::Ordered => class != Class::List,
                Self::Writable => !matches!(class, Class::List | Class::Duration | Class::Binary),
                Self::Any => true,
            }
    }

    pub(super) fn described(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "text",
            Self::Boolean => "a truth value",
            Self::Temporal => "a date or time",
            Self::List => "a list",
            Self::Measure | Self::Sum | Self::Spread => "numbers",
            Self::Ordered => "what has an order",
            Self::Writable => "what can be written as text",
            Self::Any => "anything",
        }
    }
}

/// What a function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    Is(Class),
    /// Values of the class of its first argument.
    First,
    /// Values of the class all its arguments share.
    Common,
}

/// Over which rows it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Row,
    Rows,
    /// Only with `OVER`.
    Window,
}

/// A function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) names: &'static [&'static str],
    pub(super) reach: Reach,
    /// Least number of arguments.
    pub(super) least: usize,
    /// What arguments must be; the last stands for all further ones if `more`.
    pub(super) takes: &'static [Takes],
    pub(super) more: bool,
    pub(super) gives: Gives,
}

const NUMBER: Gives = Gives::Is(Class::Number);
const TEXT: Gives = Gives::Is(Class::Text);
const BOOLEAN: Gives = Gives::Is(Class::Boolean);

const fn row(
    names: &'static [&'static str],
    least: usize,
    takes: &'static [Takes],
    gives: Gives,
) -> Function {
    Function {
        names,
        reach: Reach::Row,
        least,
        takes,
        more: false,
        gives,
    }
}

const fn rows(
    names: &'static [&'static str],
    least: usize,
    takes: &'static [Takes],
    gives: Gives,
) -> Function {
    Function {
        names,
        reach: Reach::Rows,
        least,
        takes,
        more: false,
        gives,
    }
}

const fn window(
    names: &'static [&'static str],
    least: usize,
    takes: &'static [Takes],
    gives: Gives,
) -> Function {
    Function {
        names,
        reach: Reach::Window,
        least,
        takes,
        more: false,
        gives,
    }
}

const fn variadic(function: Function) -> Function {
    Function {
        more: true,
        ..function
    }
}

use Takes::{Any, Boolean, List, Measure, Number, Ordered, Spread, Sum, Temporal, Text, Writable};

/// All functions of polars 0.55's SQL in the build's feature set.
pub(super) const FUNCTIONS: &[Function] = &[
    row(&["abs"], 1, &[Number], NUMBER),
    row(
        &[
            "cbrt", "exp", "ln", "log10", "log1p", "log2", "sqrt", "cos", "cot", "sin", "tan", "cosd",
            "cotd", "sind", "tand", "acos", "asin", "atan", "acosd", "asind", "atand", "degrees", "radians",
        ],
        1,
        &[Number],
        NUMBER,
    ),
    row(&["ceil", "ceiling", "floor", "sign"], 1, &[Number], NUMBER),
    row(&["round", "trunc", "truncate"], 1, &[Number, Number], NUMBER),
    row(
        &["log", "div", "mod", "pow", "power", "atan2", "atan2d"],
        2,
        &[Number, Number],
        NUMBER,
    ),
    row(&["pi"], 0, &[], NUMBER),
    row(&["bit_not", "bitnot"], 1, &[Any], Gives::First),
    row(
        &["bit_and", "bitand", "bit_or", "bitor", "bit_xor", "bitxor", "xor"],
        2,
        &[Number, Number],
        Gives::Common,
    ),
    variadic(row(&["coalesce", "greatest", "least"], 1, &[Any], Gives::Common)),
    row(&["ifnull"], 2, &[Any, Any], Gives::Common),
    row(&["nullif"], 2, &[Any, Any], Gives::First),
    row(&["if"], 3, &[Boolean, Any, Any], Gives::Is(Class::Any)),
    row(&["date"], 1, &[Text, Text], Gives::Is(Class::Date)),
    row(&["time"], 1, &[Text, Text], Gives::Is(Class::Time)),
    row(
        &["timestamp", "datetime"],
        1,
        &[Text, Text],
        Gives::Is(Class::Timestamp),
    ),
    row(&["strptime"], 2, &[Text, Text], Gives::Is(Class::Timestamp)),
    row(&["strftime"], 2, &[Temporal, Text], TEXT),
    row(&["date_part"], 2, &[Text, Temporal], NUMBER),
    row(
        &[
            "bit_length",
            "length",
            "char_length",
            "character_length",
            "octet_length",
        ],
        1,
        &[Text],
        NUMBER,
    ),
    row(&["lower", "upper", "reverse"], 1, &[Text], TEXT),
    row(&["ltrim", "rtrim"], 1, &[Text, Text], TEXT),
    row(&["left", "right"], 2, &[Text, Number], TEXT),
    row(&["lpad", "rpad"], 2, &[Text, Number, Text], TEXT),
    row(&["replace"], 3, &[Text, Text, Text], TEXT),
    row(&["split_part"], 3, &[Text, Text, Number], TEXT),
    row(&["string_to_array"], 2, &[Text, Text], Gives::Is(Class::List)),
    row(&["substr"], 2, &[Text, Number, Number], TEXT),
    row(&["strpos"], 2, &[Text, Text], NUMBER),
    row(&["regexp_like"], 2, &[Text, Text, Text], BOOLEAN),
    row(&["starts_with", "ends_with"], 2, &[Text, Text], BOOLEAN),
    variadic(row(&["concat"], 1, &[Writable], TEXT)),
    variadic(row(&["concat_ws"], 2, &[Text, Writable], TEXT)),
    rows(&["avg"], 1, &[Measure], Gives::Is(Class::Any)),
    rows(&["median"], 1, &[Measure], Gives::Is(Class::Any)),
    rows(
        &[
            "stdev",
            "stddev",
            "stdev_samp",
            "stddev_samp",
            "var",
            "variance",
            "var_samp",
        ],
        1,
        &[Spread],
        NUMBER,
    ),
    rows(&["sum", "total"], 1, &[Sum], Gives::Is(Class::Any)),
    rows(
        &["quantile_cont", "quantile_disc"],
        2,
        &[Measure, Number],
        Gives::Is(Class::Any),
    ),
    rows(
        &["corr", "covar", "covar_pop", "covar_samp"],
        2,
        &[Number, Number],
        NUMBER,
    ),
    variadic(rows(&["count"], 0, &[Any], NUMBER)),
    rows(&["first", "last"], 1, &[Any], Gives::First),
    rows(&["max", "min"], 1, &[Ordered], Gives::First),
    rows(
        &["string_agg", "listagg", "group_concat"],
        1,
        &[Writable, Text],
        TEXT,
    ),
    rows(&["array_agg"], 1, &[Any], Gives::Is(Class::List)),
    row(&["array_contains"], 2, &[List, Any], BOOLEAN),
    row(&["array_get"], 2, &[List, Number], Gives::Is(Class::Any)),
    row(&["array_length"], 1, &[List], NUMBER),
    row(
        &["array_lower", "array_upper", "array_sum", "array_mean"],
        1,
        &[List],
        Gives::Is(Class::Any),
    ),
    row(&["array_reverse", "array_unique"], 1, &[List], Gives::First),
    row(&["array_to_string"], 2, &[List, Text, Text], TEXT),
    row(&["unnest"], 1, &[List], Gives::Is(Class::Any)),
    window(&["first_value", "last_value"], 1, &[Any], Gives::First),
    window(&["lag", "lead"], 1, &[Any, Number, Any], Gives::First),
    window(&["row_number", "rank", "dense_rank"], 0, &[], NUMBER),
];

/// The function of that name, whatever its letter case.
pub(super) fn function(name: &str) -> Option<&'static Function> {
    let name = name.to_lowercase();
    FUNCTIONS
        .iter()
        .find(|function| function.names.contains(&name.as_str()))
}

/// Names of all functions, for proposals.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().flat_map(|function| function.names).copied()
}
