//! Gauss and Legendre's way to integrate polynomials exactly.

/// Points of [0, 1], their distances to 1 and their weights: `points` of them integrate polynomials up
/// to degree `2 · points − 1` exactly.
pub(super) struct Quadrature {
    pub(super) at: Vec<f64>,
    pub(super) rest: Vec<f64>,
    pub(super) weights: Vec<f64>,
}

impl Quadrature {
    pub(super) fn new(points: usize) -> Self {
        let (mut at, mut rest, mut weights) = (vec![0.0; points], vec![0.0; points], vec![0.0; points]);
        let n = points as f64;
        for place in 0..points.div_ceil(2) {
            // Roots of Legendre's polynomial by Newton's method from Tricomi's approximation.
            let mut x = (std::f64::consts::PI * (place as f64 + 0.75) / (n + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let (value, derivative) = legendre(points, x);
                slope = derivative;
                let step = value / derivative;
                x -= step;
                if step.abs() < 1e-16 {
                    break;
                }
            }
            let weight = 1.0 / ((1.0 - x * x) * slope * slope);
            let mirrored = points - 1 - place;
            (at[place], rest[place], weights[place]) = ((1.0 - x) / 2.0, (1.0 + x) / 2.0, weight);
            (at[mirrored], rest[mirrored], weights[mirrored]) = ((1.0 + x) / 2.0, (1.0 - x) / 2.0, weight);
        }
        Self { at, rest, weights }
    }
}

/// Value and derivative of Legendre's polynomial of some degree.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    if degree == 0 {
        return (1.0, 0.0);
    }
    for k in 2..=degree {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
    }
    (value, degree as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_integrated_exactly() {
        for points in [1, 2, 3, 4, 8, 16, 40] {
            let rule = Quadrature::new(points);
            for power in 0..2 * points {
                let sum: f64 = (0..points)
                    .map(|q| rule.weights[q] * rule.at[q].powi(power as i32))
                    .sum();
                let exact = 1.0 / (power as f64 + 1.0);
                assert!(
                    (sum - exact).abs() < 1e-14,
                    "{points} points, power {power}: {sum}"
                );
            }
            assert!(
                rule.at
                    .iter()
                    .zip(&rule.rest)
                    .all(|(at, rest)| (at + rest - 1.0).abs() < 1e-15)
            );
        }
    }
}
