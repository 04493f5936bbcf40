//! Parameters of nearest neighbours, naive Bayes and clusterings.

use crate::train::parameter::{Bound, Parameter, Tuned};

const METRIC: Parameter = Parameter::words(
    "metric",
    &[
        ("euclidean", "Root of the sum of squared differences."),
        ("manhattan", "Sum of absolute differences."),
    ],
    "Distance of two rows, in preprocessed columns.",
)
.source("scikit-learn `metric`");

pub(super) const NEIGHBORS: &[Parameter] = &[
    Parameter::integer(
        "n_neighbors",
        1,
        i64::MAX,
        "Nearest training rows that are asked; all, if there are fewer.",
    )
    .unit("rows")
    .source("scikit-learn `n_neighbors`; Cover and Hart 1967")
    .aliases(&["k", "n_neighbours"])
    .tuned(Tuned::LogInt(1, 100)),
    Parameter::words(
        "weights",
        &[
            ("uniform", "All the same."),
            (
                "distance",
                "Inversely to the distance; rows at distance 0, if there are any, count alone.",
            ),
        ],
        "How much each neighbour counts.",
    )
    .source("scikit-learn `weights`")
    .tuned(Tuned::Words(&["uniform", "distance"])),
    METRIC,
];

pub(super) const NAIVE_BAYES: &[Parameter] = &[
    Parameter::words(
        "numbers",
        &[
            ("gaussian", "A normal distribution for each column."),
            (
                "multinomial",
                "Counts of one multinomial distribution over all columns of numbers.",
            ),
            ("bernoulli", "Above `binarize` or not."),
        ],
        "How numbers are distributed within a class; categories always have a share each.",
    )
    .source("scikit-learn `GaussianNB`, `MultinomialNB`, `BernoulliNB`, `CategoricalNB`"),
    Parameter::at_least_0("alpha", "Rows added to every category, count or sign.")
        .unit("rows")
        .source("scikit-learn `alpha` (Laplace)")
        .tuned(Tuned::Log(1e-3, 10.0)),
    Parameter::at_least_0(
        "var_smoothing",
        "Share of the largest variance of any column that is added to all variances.",
    )
    .source("scikit-learn `var_smoothing`")
    .tuned(Tuned::Log(1e-12, 1e-1)),
    Parameter::number(
        "binarize",
        Bound::Open,
        Bound::Open,
        "For `bernoulli`: numbers above are 1, others 0.",
    )
    .source("scikit-learn `binarize`"),
];

const fn starts(doc: &'static str) -> Parameter {
    Parameter::integer("n_init", 1, i64::MAX, doc)
        .unit("starts")
        .source("scikit-learn `n_init`")
}

const fn iterations() -> Parameter {
    Parameter::integer(
        "max_iterations",
        1,
        10_000_000,
        "Iterations of each start, at most.",
    )
    .unit("iterations")
    .source("scikit-learn `max_iter`")
    .aliases(&["max_iter"])
}

pub(super) const K_MEANS: &[Parameter] = &[
    Parameter::integer("n_clusters", 1, i64::MAX, "Clusters; no more than rows.")
        .unit("clusters")
        .source("scikit-learn `n_clusters`; Lloyd 1982")
        .aliases(&["k"]),
    starts("Starts from other centers (k-means++); the one that ends with the least inertia is kept."),
    iterations(),
    Parameter::above_0(
        "tolerance",
        "A start ends when the squared moves of all centers sum to at most this share of the columns' mean variance.",
    )
    .source("scikit-learn `tol`")
    .aliases(&["tol"]),
];

pub(super) const DBSCAN: &[Parameter] = &[
    Parameter::above_0(
        "eps",
        "Rows at most this far apart, in preprocessed columns, are neighbours.",
    )
    .source("scikit-learn `eps`; Ester et al. 1996"),
    Parameter::at_least_0(
        "min_samples",
        "Weight of the neighbours, the row itself included, from which on a row is core.",
    )
    .unit("rows")
    .source("scikit-learn `min_samples`"),
    METRIC,
];

pub(super) const MIXTURE: &[Parameter] = &[
    Parameter::integer(
        "n_components",
        1,
        i64::MAX,
        "Normal distributions; no more than rows.",
    )
    .source("scikit-learn `n_components`"),
    Parameter::words(
        "covariance_type",
        &[
            ("full", "Each component has its own covariance matrix."),
            ("tied", "All share one."),
            ("diag", "Each has its own variances, columns being independent."),
            ("spherical", "Each has one variance for all columns."),
        ],
        "What components' shapes may be.",
    )
    .source("scikit-learn `covariance_type`"),
    Parameter::at_least_0("reg_covar", "Added to variances.").source("scikit-learn `reg_covar`"),
    starts("Starts, each from other clusters of k-means; the likeliest end is kept."),
    iterations(),
    Parameter::above_0(
        "tolerance",
        "A start ends when the mean log likelihood of a row rises by less.",
    )
    .source("scikit-learn `tol`; Dempster, Laird and Rubin 1977")
    .aliases(&["tol"]),
];
