//! SHAP values and what is made of them.

/// SHAP values of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub(super) features: Vec<String>,
    pub(super) base: Vec<f64>,
    pub(super) rows: usize,
    /// Row after row, in it feature after feature, in it output after output.
    pub(super) values: Vec<f64>,
}

impl Explanation {
    /// Names of the features, in the model's order.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The mean prediction for each output: what is explained without any feature. Outputs are classes
    /// where there are three or more, else there is one.
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// All values: row after row, in it feature after feature, in it output after output.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// What a feature adds to an output of a row; none beyond the rows, features or outputs.
    pub fn value(&self, row: usize, feature: usize, output: usize) -> Option<f64> {
        let (features, outputs) = (self.features.len(), self.base.len());
        if feature >= features || output >= outputs {
            return None;
        }
        self.values
            .get((row * features + feature) * outputs + output)
            .copied()
    }

    /// The prediction that an output of a row adds up to, in the unit explained.
    pub fn prediction(&self, row: usize, output: usize) -> Option<f64> {
        let sum = (0..self.features.len()).try_fold(*self.base.get(output)?, |sum, feature| {
            Some(sum + self.value(row, feature, output)?)
        })?;
        (row < self.rows).then_some(sum)
    }

    /// Features with the mean absolute value of their shares of an output, the largest first.
    pub fn mean_absolute(&self, output: usize) -> Vec<(String, f64)> {
        let rows = self.rows.max(1) as f64;
        let mut found: Vec<(String, f64)> = self
            .features
            .iter()
            .enumerate()
            .map(|(feature, name)| {
                let sum: f64 = (0..self.rows)
                    .filter_map(|row| self.value(row, feature, output))
                    .map(f64::abs)
                    .sum();
                (name.clone(), sum / rows)
            })
            .collect();
        found.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        found
    }
}

/// SHAP interaction values of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Interactions {
    pub(super) features: Vec<String>,
    pub(super) base: Vec<f64>,
    pub(super) rows: usize,
    /// Row after row, in it a matrix of features, in each cell output after output.
    pub(super) values: Vec<f64>,
}

impl Interactions {
    /// Names of the features, in the model's order.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The mean prediction for each output.
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Half of what two features add together to an output of a row, or what one adds alone if they are
    /// the same. A line of the matrix adds up to the feature's SHAP value.
    pub fn value(&self, row: usize, first: usize, second: usize, output: usize) -> Option<f64> {
        let (features, outputs) = (self.features.len(), self.base.len());
        if first >= features || second >= features || output >= outputs {
            return None;
        }
        self.values
            .get(((row * features + first) * features + second) * outputs + output)
            .copied()
    }
}
