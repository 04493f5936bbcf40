//! The functions that expressions may call.

mod call;
mod format;
mod result;

pub(super) use call::{ELEMENT, call, kind_of, print};
pub(super) use result::{quoted_names, result};

macro_rules! functions {
    ($($variant:ident, $name:literal, $least:literal .. $most:expr, $usage:literal, $doc:literal;)*) => {
        /// A function, known by its name since the text was parsed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Function {
            $(#[doc = $doc] $variant,)*
        }

        impl Function {
            /// All functions.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name as written in expressions.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How a call looks.
            pub fn usage(self) -> &'static str {
                match self { $(Self::$variant => $usage,)* }
            }

            /// What it gives, one sentence.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }

            /// Least and greatest number of arguments.
            pub fn arity(self) -> (usize, Option<usize>) {
                match self { $(Self::$variant => ($least, $most),)* }
            }
        }
    };
}

functions! {
    Len, "len", 1..Some(1), "len(x)", "Characters of a text, elements of a list, members of a map.";
    Min, "min", 1..None, "min(a, b)", "The least of some numbers or texts, or of a list of them.";
    Max, "max", 1..None, "max(a, b)", "The greatest of some numbers or texts, or of a list of them.";
    Sum, "sum", 1..Some(1), "sum(list)", "The sum of a list of numbers; 0 for an empty list.";
    Abs, "abs", 1..Some(1), "abs(x)", "A number without its sign.";
    Round, "round", 1..Some(2), "round(x, digits)", "The nearest integer, halves away from zero; with `digits` a float with that many places.";
    Floor, "floor", 1..Some(1), "floor(x)", "The greatest integer that is at most the number.";
    Ceil, "ceil", 1..Some(1), "ceil(x)", "The least integer that is at least the number.";
    Lower, "lower", 1..Some(1), "lower(text)", "A text in lower case.";
    Upper, "upper", 1..Some(1), "upper(text)", "A text in upper case.";
    Trim, "trim", 1..Some(1), "trim(text)", "A text without white space at its ends.";
    Contains, "contains", 2..Some(2), "contains(x, part)", "Whether a text has a part, a list an element or a map a key.";
    StartsWith, "starts_with", 2..Some(2), "starts_with(text, start)", "Whether a text starts with another.";
    EndsWith, "ends_with", 2..Some(2), "ends_with(text, end)", "Whether a text ends with another.";
    Replace, "replace", 3..Some(3), "replace(text, from, to)", "A text with all places of a part replaced.";
    Split, "split", 2..Some(2), "split(text, separator)", "The parts of a text between separators.";
    Join, "join", 2..Some(2), "join(list, separator)", "The elements of a list as one text.";
    Format, "format", 1..None, "format('{} of {1:.2}', a, b)", "A text with values in its places `{}`, `{0}` or, with decimals, `{:.2}`.";
    Default, "default", 2..Some(2), "default(x, y)", "The first value, or the second if the first is null or absent.";
    Has, "has", 1..Some(1), "has(x.y)", "Whether a member is there.";
    String, "string", 1..Some(1), "string(x)", "A number, boolean or text as text.";
    Integer, "integer", 1..Some(1), "integer(x)", "A text or a whole number as integer.";
    Float, "float", 1..Some(1), "float(x)", "A text or number as float.";
    Date, "date", 1..Some(1), "date(text)", "The calendar day of a text `2026-11-22` or of a timestamp as written.";
    DaysBetween, "days_between", 2..Some(2), "days_between(from, to)", "Days from one date to another, negative if the second is earlier.";
    AddDays, "add_days", 2..Some(2), "add_days(date, days)", "The date some days later.";
    Argmax, "argmax", 2..Some(2), "argmax(list, 'path')", "The element with the greatest number at a path; the first of equals; elements without that number are passed over.";
    Argmin, "argmin", 2..Some(2), "argmin(list, 'path')", "The element with the least number at a path; the first of equals; elements without that number are passed over.";
}

impl Function {
    /// The function of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.name() == name)
    }
}
