//! Upper tails of the distributions that test statistics follow.

/// Share of a chi-squared distribution with `freedom` degrees of freedom above `x`: the
/// regularised upper incomplete gamma function Q(freedom / 2, x / 2).
pub fn chi_squared_tail(x: f64, freedom: f64) -> f64 {
    if x.is_nan() || freedom.is_nan() || freedom <= 0.0 {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 1.0;
    }
    upper_gamma(freedom / 2.0, x / 2.0)
}

/// Q(a, x) by the series of P below a + 1 and Lentz's continued fraction above (Press et al.,
/// Numerical Recipes 6.2).
fn upper_gamma(a: f64, x: f64) -> f64 {
    let front = (a * x.ln() - x - log_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut at) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-17 {
            at += 1.0;
            term *= x / at;
            sum += term;
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for step in 1..10_000 {
        let step = f64::from(step);
        let numerator = -step * (step - a);
        b += 2.0;
        let near = |value: f64| if value.abs() < TINY { TINY } else { value };
        d = 1.0 / near(numerator * d + b);
        c = near(b + numerator / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

/// Logarithm of the gamma function for a > 0 (Lanczos 1964, g = 7, nine terms).
fn log_gamma(a: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = a - 1.0;
    let mut sum = 0.999_999_999_999_809_9;
    let mut at = x;
    for term in TERMS {
        at += 1.0;
        sum += term / at;
    }
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// Share of Kolmogorov's limiting distribution above `x`: 2 Σ (−1)ᵏ⁻¹ exp(−2 k² x²), and near 0 the
/// form by Jacobi's theta function, which converges there.
pub fn kolmogorov_tail(x: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 1.0;
    }
    if x < 1.0 {
        let front = (2.0 * std::f64::consts::PI).sqrt() / x;
        let inner = std::f64::consts::PI * std::f64::consts::PI / (8.0 * x * x);
        let sum: f64 = (0..20)
            .map(|k| f64::from(2 * k + 1))
            .map(|odd| (-odd * odd * inner).exp())
            .sum();
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    let mut sum = 0.0;
    for k in 1..=20 {
        let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
        let k = f64::from(k);
        sum += sign * (-2.0 * k * k * x * x).exp();
    }
    (2.0 * sum).clamp(0.0, 1.0)
}
