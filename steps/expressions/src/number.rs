//! Arithmetic and functions of numbers.
//!
//! Integers are kept in 64 bits and cut to their own width after each operation; 32-bit floats in 64 bits, rounded after
//! each. Dividing by what stands in the text multiplies by its inverse, as polars does it.

use crate::kind::Number;

/// An operator on two numbers of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
}

/// Cuts an integer to the width of its type.
#[inline]
pub(crate) fn wrap(value: i64, number: Number) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "cutting is what is wanted"
    )]
    match number {
        Number::I8 => i64::from(value as i8),
        Number::I16 => i64::from(value as i16),
        Number::I32 => i64::from(value as i32),
        Number::U8 => i64::from(value as u8),
        Number::U16 => i64::from(value as u16),
        Number::U32 => i64::from(value as u32),
        _ => value,
    }
}

/// Rounds to 32 bits where the type has no more.
#[inline]
pub(crate) fn narrow(value: f64, number: Number) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
    if number == Number::F32 {
        f64::from(value as f32)
    } else {
        value
    }
}

/// An integer operation; none for a division by zero.
#[inline]
pub(crate) fn integers(op: Arithmetic, number: Number, one: i64, other: i64) -> Option<i64> {
    let value = match op {
        Arithmetic::Add => one.wrapping_add(other),
        Arithmetic::Subtract => one.wrapping_sub(other),
        Arithmetic::Multiply => one.wrapping_mul(other),
        Arithmetic::Divide | Arithmetic::FloorDivide | Arithmetic::Modulo if other == 0 => return None,
        Arithmetic::Divide | Arithmetic::FloorDivide if number == Number::U64 => {
            (one.cast_unsigned() / other.cast_unsigned()).cast_signed()
        }
        Arithmetic::Modulo if number == Number::U64 => {
            (one.cast_unsigned() % other.cast_unsigned()).cast_signed()
        }
        Arithmetic::Divide | Arithmetic::FloorDivide => {
            let quotient = one.wrapping_div(other);
            let has_rest = one.wrapping_rem(other) != 0;
            if has_rest && (one < 0) != (other < 0) {
                quotient - 1
            } else {
                quotient
            }
        }
        Arithmetic::Modulo => {
            let rest = one.wrapping_rem(other);
            if rest != 0 && (rest < 0) != (other < 0) {
                rest + other
            } else {
                rest
            }
        }
    };
    Some(wrap(value, number))
}

/// An operation on floats; `by_inverse` if the second stands in the text.
#[inline]
pub(crate) fn floats(op: Arithmetic, number: Number, one: f64, other: f64, by_inverse: bool) -> f64 {
    let r = |value: f64| narrow(value, number);
    let quotient = || {
        if by_inverse {
            r(one * r(1.0 / other))
        } else {
            r(one / other)
        }
    };
    match op {
        Arithmetic::Add => r(one + other),
        Arithmetic::Subtract => r(one - other),
        Arithmetic::Multiply => r(one * other),
        Arithmetic::Divide => quotient(),
        Arithmetic::FloorDivide => quotient().floor(),
        Arithmetic::Modulo => r(one - r(other * quotient().floor())),
    }
}

/// A function of one number that gives a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Cbrt,
    Exp,
    Ln1p,
    Sqrt,
    Cos,
    Cot,
    Sin,
    Tan,
    Acos,
    Asin,
    Atan,
    Degrees,
    Radians,
}

impl Unary {
    #[inline]
    pub(crate) fn of(self, value: f64, number: Number) -> f64 {
        macro_rules! in_width {
            ($x:expr) => {{
                let x = $x;
                match self {
                    Self::Cbrt => x.cbrt(),
                    Self::Exp => x.exp(),
                    Self::Ln1p => x.ln_1p(),
                    Self::Sqrt => x.sqrt(),
                    Self::Cos => x.cos(),
                    Self::Cot => x.tan().powi(-1),
                    Self::Sin => x.sin(),
                    Self::Tan => x.tan(),
                    Self::Acos => x.acos(),
                    Self::Asin => x.asin(),
                    Self::Atan => x.atan(),
                    Self::Degrees => x.to_degrees(),
                    Self::Radians => x.to_radians(),
                }
            }};
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is a 32-bit float")]
        if number == Number::F32 {
            f64::from(in_width!(value as f32))
        } else {
            in_width!(value)
        }
    }
}

/// The logarithm to a base.
#[inline]
pub(crate) fn logarithm(value: f64, base: f64, number: Number) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "it is a 32-bit float")]
    if number == Number::F32 {
        f64::from((value as f32).log(base as f32))
    } else {
        value.log(base)
    }
}

/// The angle of a point.
#[inline]
pub(crate) fn angle(y: f64, x: f64, number: Number) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "it is a 32-bit float")]
    if number == Number::F32 {
        f64::from((y as f32).atan2(x as f32))
    } else {
        y.atan2(x)
    }
}

/// How a number with a fraction loses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// To the nearer; from the middle to the even one.
    Nearest,
    TowardsZero,
    Down,
    Up,
}

impl Rounding {
    fn whole(self, value: f64) -> f64 {
        match self {
            Self::Nearest => value.round_ties_even(),
            Self::TowardsZero => value.trunc(),
            Self::Down => value.floor(),
            Self::Up => value.ceil(),
        }
    }

    /// To so many decimals.
    pub(crate) fn of(self, value: f64, decimals: u32, number: Number) -> f64 {
        // Beyond these a float has no further digits.
        let finest = if number == Number::F32 { 47 } else { 300 };
        if decimals == 0 {
            return self.whole(value);
        }
        if decimals >= finest {
            return value;
        }
        let multiplier = 10f64.powi(decimals.cast_signed());
        let rounded = narrow(self.whole(value * multiplier) / multiplier, number);
        if rounded.is_finite() { rounded } else { value }
    }
}

/// A power of floats; an exponent that stands in the text multiplies where that is exact.
pub(crate) fn power(base: f64, exponent: f64, is_literal: bool, number: Number) -> f64 {
    if is_literal {
        #[expect(clippy::float_cmp, reason = "these very exponents have ways of their own")]
        if exponent == 1.0 {
            return base;
        } else if exponent == 0.5 {
            return Unary::Sqrt.of(base, number);
        } else if exponent.fract() == 0.0 && exponent > 1.0 && exponent < 10.0 {
            let mut product = base;
            let mut times = 1.0;
            while times < exponent {
                product = narrow(product * base, number);
                times += 1.0;
            }
            return product;
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is a 32-bit float")]
    if number == Number::F32 {
        f64::from((base as f32).powf(exponent as f32))
    } else {
        base.powf(exponent)
    }
}

/// A power of integers, cut to their width; none for an exponent that is negative or beyond 32 bits.
pub(crate) fn integer_power(base: i64, exponent: i64, number: Number) -> Option<i64> {
    let exponent = u32::try_from(exponent).ok()?;
    Some(wrap(base.wrapping_pow(exponent), number))
}

/// Order of floats: what is no number stands last and equals itself.
#[inline]
pub(crate) fn order(one: f64, other: f64) -> std::cmp::Ordering {
    one.partial_cmp(&other)
        .unwrap_or_else(|| one.is_nan().cmp(&other.is_nan()))
}
