//! The normal distribution.

/// Share of a standard normal distribution below `z`, to about 1e-14.
pub fn normal_cdf(z: f64) -> f64 {
    if z.is_nan() {
        return f64::NAN;
    }
    let x = z.abs() / std::f64::consts::SQRT_2;
    let tail = 0.5 * upper_error_function(x);
    if z < 0.0 { tail } else { 1.0 - tail }
}

/// `erfc` for x ≥ 0: Taylor series of `erf` near 0, beyond that the continued fraction
/// (Abramowitz and Stegun 7.1.5 and 7.1.14).
fn upper_error_function(x: f64) -> f64 {
    let factor = (-x * x).exp() / std::f64::consts::PI.sqrt();
    if x < 2.5 {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term.abs() > 1e-17 * sum.abs() && n < 200.0 {
            n += 1.0;
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        1.0 - 2.0 / std::f64::consts::PI.sqrt() * sum
    } else if factor == 0.0 {
        0.0
    } else {
        let mut fraction = x;
        for k in (1..=120).rev() {
            fraction = x + f64::from(k) / 2.0 / fraction;
        }
        factor / fraction
    }
}

/// The z below which lies the share `p`; infinite at 0 and 1. Bisection on [`normal_cdf`], to
/// about 1e-12.
pub fn normal_quantile(p: f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        };
    }
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if normal_cdf(middle) < p {
            low = middle
        } else {
            high = middle
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_scipy() {
        // scipy.stats.norm.cdf.
        for (z, expected) in [
            (-6.0, 9.865_876_450_376_946e-10),
            (-1.959_963_984_540_054, 0.025),
            (-0.3, 0.382_088_577_811_047_4),
            (0.0, 0.5),
            (1.2, 0.884_930_329_778_291_8),
            (4.5, 0.999_996_602_326_875_3),
        ] {
            let found = normal_cdf(z);
            assert!(
                (found - expected).abs() <= 1e-12 * f64::max(expected, 1e-3),
                "{z}: {found}"
            );
        }
        assert!((normal_quantile(0.975) - super::super::Z_95).abs() < 1e-10);
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
    }
}
