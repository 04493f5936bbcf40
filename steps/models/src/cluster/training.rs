//! From rows to clusters.

use super::bodies::Centers;
use super::{DbscanParams, KMeansParams, MixtureParams, dbscan, k_means, mixture};
use crate::error::ModelError;
use crate::fit::{Fit, Flow, Progress, Rows, above_0, at_least, at_least_1, search_limits};
use crate::model::Body;
use crate::preprocessing::Design;

type Observe<'o> = &'o mut dyn FnMut(Progress<'_>) -> Flow;

/// Clusters around means.
pub(crate) fn fit_k_means(
    params: &KMeansParams,
    design: &Design,
    rows: &Rows<'_>,
    seed: u64,
    observe: Observe<'_>,
) -> Result<Fit, ModelError> {
    at_least_1("n_init", params.n_init)?;
    search_limits(params.max_iterations, params.tolerance)?;
    let search = k_means::Search {
        clusters: params.n_clusters,
        starts: params.n_init,
        max_iterations: params.max_iterations,
        tolerance: params.tolerance,
        seed,
    };
    let found = k_means::fit(&design.dense_rows(), rows.weights, &search, observe)?;
    Ok(Fit {
        rounds: found.iterations,
        converged: found.converged,
        measures: vec![
            ("clusters", found.centers.rows() as f64),
            ("inertia", found.inertia),
        ],
        ..Fit::direct(Body::Centers(Centers::new(found.centers)))
    })
}

/// Clusters where rows lie densely.
pub(crate) fn fit_dbscan(params: &DbscanParams, design: &Design, rows: &Rows<'_>) -> Result<Fit, ModelError> {
    above_0("eps", params.eps)?;
    at_least("min_samples", params.min_samples)?;
    let points = design.dense_rows();
    let found = dbscan::fit(
        &points,
        rows.weights,
        params.eps,
        params.min_samples,
        params.metric,
    );
    let noise = found.labels.iter().filter(|label| label.is_none()).count();
    Ok(Fit {
        measures: vec![
            ("clusters", found.clusters as f64),
            ("core_rows", found.model.core.rows() as f64),
            ("noise_rows", noise as f64),
        ],
        ..Fit::direct(Body::Dbscan(found.model))
    })
}

/// Clusters as normal distributions.
pub(crate) fn fit_mixture(
    params: &MixtureParams,
    design: &Design,
    rows: &Rows<'_>,
    seed: u64,
    observe: Observe<'_>,
) -> Result<Fit, ModelError> {
    at_least_1("n_init", params.n_init)?;
    at_least_1("n_components", params.n_components)?;
    at_least("reg_covar", params.reg_covar)?;
    search_limits(params.max_iterations, params.tolerance)?;
    let search = mixture::Search {
        components: params.n_components,
        covariance: params.covariance_type,
        starts: params.n_init,
        max_iterations: params.max_iterations,
        tolerance: params.tolerance,
        least_variance: params.reg_covar,
        seed,
    };
    let found = mixture::fit(&design.dense_rows(), rows.weights, &search, observe)?;
    let (aic, bic) = found.criteria(rows.weights.iter().sum());
    Ok(Fit {
        rounds: found.iterations,
        converged: found.converged,
        measures: vec![
            ("clusters", params.n_components as f64),
            ("log_likelihood", found.log_likelihood),
            ("aic", aic),
            ("bic", bic),
        ],
        ..Fit::direct(Body::Mixture(found.mixture))
    })
}
