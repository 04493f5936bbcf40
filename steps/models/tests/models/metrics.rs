//! Metrics as scikit-learn and SciPy compute them, to 1e-9.

use crate::golden::{Case, cases};
use trainyard_models::metrics::{
    Agreement, Average, Binary, CalibrationBins, ClassMetric, Clusters, ConfusionMatrix, CurvePoint,
    InformationAverage, KappaWeights, Multiclass, MulticlassAuc, Normalise, Regression, Undefined, Weights,
};

fn weights(of: Option<&Vec<f64>>) -> Weights<'_> {
    of.map_or(Weights::Equal, |weights| Weights::Each(weights))
}

#[test]
fn binary_scores() {
    for case in cases("metrics", "binary") {
        let (scores, labels, each) = (case.numbers("scores"), case.numbers("labels"), case.weights());
        let rows = Binary::weighted(&scores, &labels, weights(each.as_ref())).unwrap();
        let counts = rows.counts_at(0.5);
        for (key, metric) in [
            ("accuracy", ClassMetric::Accuracy),
            ("precision", ClassMetric::Precision),
            ("recall", ClassMetric::Recall),
            ("f1", ClassMetric::FBeta(1.0)),
            ("f2", ClassMetric::FBeta(2.0)),
            ("f0_5", ClassMetric::FBeta(0.5)),
            ("jaccard", ClassMetric::Jaccard),
            ("specificity", ClassMetric::Specificity),
            ("npv", ClassMetric::NegativePredictiveValue),
        ] {
            assert!(case.expect(key, counts.share(metric).unwrap_or(0.0)));
        }
        assert!(case.expect("log_loss", rows.log_loss()));
        assert!(case.expect("brier", rows.brier()));
        let both = labels.contains(&0.0) && labels.contains(&1.0);
        assert_eq!(rows.ranking().is_ok(), both, "{}", case.name());
        if let Ok(ranking) = rows.ranking() {
            let doubled: Vec<f64> = scores.iter().map(|score| 4.0 * score - 2.0).collect();
            let decision = Binary::weighted(&doubled, &labels, weights(each.as_ref())).unwrap();
            let mut seen = case.expect("roc_auc", ranking.roc_auc());
            seen &= case.expect("partial_auc_0_3", ranking.partial_roc_auc(0.3));
            seen &= case.expect("average_precision", ranking.average_precision());
            seen &= case.expect("hinge", decision.hinge());
            seen &= case.expect("ks", ranking.kolmogorov_smirnov().statistic);
            seen &= case.expect("roc", curve(&ranking.roc_curve()));
            seen &= case.expect("pr", curve(&ranking.precision_recall_curve()));
            seen &= case.expect("det", curve(&ranking.det_curve()));
            assert!(seen);
        }
        let tenths = CalibrationBins::Uniform(10);
        let errors = vec![
            rows.expected_calibration_error(tenths).unwrap(),
            rows.maximum_calibration_error(tenths).unwrap(),
        ];
        assert!(case.expect("calibration_error", errors));
        for count in [1, 5, 10] {
            for (key, bins) in [
                ("uniform", CalibrationBins::Uniform(count)),
                ("quantile", CalibrationBins::Quantile(count)),
            ] {
                let curve = rows.calibration_curve(bins).unwrap();
                let means = curve.iter().map(|bin| bin.mean_probability);
                let line: Vec<f64> = means.chain(curve.iter().map(|bin| bin.observed)).collect();
                let seen = case.expect(&format!("calibration_{key}_{count}"), line);
                assert_eq!(seen, each.is_none());
            }
        }
    }
}

/// All x, then all y, then all thresholds, as the fixtures have them.
fn curve(points: &[CurvePoint]) -> Vec<f64> {
    let x = points.iter().map(|point| point.x);
    let y = points.iter().map(|point| point.y);
    x.chain(y)
        .chain(points.iter().map(|point| point.threshold))
        .collect()
}

#[test]
fn decisions_of_many_classes() {
    for case in cases("metrics", "decisions") {
        let (labels, decided, each) = (case.codes("labels"), case.codes("decided"), case.weights());
        let classes = case.numbers("classes")[0] as usize;
        let matrix = ConfusionMatrix::new(&labels, &decided, classes, weights(each.as_ref())).unwrap();
        let cells = |of: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..classes)
                .flat_map(|actual| (0..classes).map(move |decided| (actual, decided)))
                .map(|(actual, decided)| of(actual, decided))
                .collect()
        };
        let mut seen = case.expect("matrix", cells(&|actual, decided| matrix.cell(actual, decided)));
        seen &= case.expect("matrix_true", matrix.normalised(Normalise::Actual));
        seen &= case.expect("matrix_pred", matrix.normalised(Normalise::Predicted));
        seen &= case.expect("matrix_all", matrix.normalised(Normalise::All));
        seen &= case.expect("accuracy", matrix.accuracy());
        seen &= case.expect("hamming", matrix.zero_one_loss());
        seen &= case.expect("zero_one", matrix.zero_one_loss());
        seen &= case.expect("balanced_accuracy", matrix.balanced_accuracy(false));
        seen &= case.expect("balanced_accuracy_adjusted", matrix.balanced_accuracy(true));
        seen &= case.expect("g_mean", matrix.g_mean());
        seen &= case.expect("matthews", matrix.matthews());
        seen &= case.expect("kappa_None", matrix.kappa(KappaWeights::Same));
        seen &= case.expect("kappa_linear", matrix.kappa(KappaWeights::Linear));
        seen &= case.expect("kappa_quadratic", matrix.kappa(KappaWeights::Quadratic));
        assert!(seen, "{}", case.name());
        averaged(
            &case,
            &matrix,
            "specificity",
            ClassMetric::Specificity,
            Undefined::Zero,
        );
        for (ending, undefined) in [
            ("0", Undefined::Zero),
            ("1", Undefined::One),
            ("nan", Undefined::LeftOut),
        ] {
            for (key, metric) in [
                ("precision", ClassMetric::Precision),
                ("recall", ClassMetric::Recall),
                ("f1", ClassMetric::FBeta(1.0)),
                ("f2", ClassMetric::FBeta(2.0)),
            ] {
                averaged(&case, &matrix, &format!("{key}_{ending}"), metric, undefined);
            }
            if undefined != Undefined::LeftOut {
                averaged(
                    &case,
                    &matrix,
                    &format!("jaccard_{ending}"),
                    ClassMetric::Jaccard,
                    undefined,
                );
            }
        }
    }
}

fn averaged(case: &Case, matrix: &ConfusionMatrix, key: &str, metric: ClassMetric, undefined: Undefined) {
    let expected =
        Case(serde_json::json!({"name": format!("{}: {key}", case.name()), "found": case.found(key)}));
    let mut seen = true;
    for (average, name) in [
        (Average::Micro, "micro"),
        (Average::Macro, "macro"),
        (Average::Weighted, "weighted"),
    ] {
        seen &= expected.expect(name, matrix.average(metric, average, undefined));
    }
    let per_class: Vec<f64> = (0..matrix.classes())
        .map(|class| {
            matrix
                .average(metric, Average::Class(class), undefined)
                .unwrap_or(f64::NAN)
        })
        .collect();
    seen &= expected.expect("per_class", per_class);
    assert!(seen, "{}: {key}", case.name());
}

#[test]
fn scores_of_many_classes() {
    for case in cases("metrics", "multiclass") {
        let (scores, labels, each) = (case.numbers("scores"), case.codes("labels"), case.weights());
        let of = weights(each.as_ref());
        let rows = Multiclass::new(&scores, &labels, 3, of).unwrap();
        let scaled: Vec<f64> = scores.iter().map(|score| score * 3.0).collect();
        let decided: Vec<f64> = rows.decided().into_iter().map(f64::from).collect();
        let mut seen = case.expect("decided", decided);
        seen &= case.expect("log_loss", rows.log_loss());
        seen &= case.expect("brier", rows.brier());
        seen &= case.expect("hinge", Multiclass::new(&scaled, &labels, 3, of).unwrap().hinge());
        seen &= case.expect("top_1", rows.top_k_accuracy(1));
        seen &= case.expect("top_2", rows.top_k_accuracy(2));
        assert!(seen, "{}", case.name());
        let mut seen = 0;
        for (average, name) in [
            (Average::Micro, "micro"),
            (Average::Macro, "macro"),
            (Average::Weighted, "weighted"),
        ] {
            seen += usize::from(case.expect(
                &format!("auc_ovr_{name}"),
                rows.roc_auc(MulticlassAuc::OneVsRest(average)),
            ));
            seen += usize::from(case.expect(&format!("ap_{name}"), rows.average_precision(average)));
        }
        seen += usize::from(case.expect("auc_ovo_macro", rows.roc_auc(MulticlassAuc::OneVsOne)));
        seen += usize::from(case.expect("auc_ovo_weighted", rows.roc_auc(MulticlassAuc::OneVsOneWeighted)));
        let all_classes = (0..3).all(|class| labels.contains(&class));
        assert_eq!(
            seen,
            if !all_classes {
                0
            } else if each.is_some() {
                6
            } else {
                8
            }
        );
    }
}

#[test]
fn predicted_numbers() {
    for case in cases("metrics", "regression") {
        let (predictions, target, each) = (
            case.numbers("predictions"),
            case.numbers("target"),
            case.weights(),
        );
        let rows = Regression::weighted(&predictions, &target, weights(each.as_ref())).unwrap();
        let mut seen = case.expect("mse", rows.mean_squared_error());
        seen &= case.expect("rmse", rows.root_mean_squared_error());
        seen &= case.expect("mae", rows.mean_absolute_error());
        seen &= case.expect("median_ae", rows.median_absolute_error());
        seen &= case.expect("mape", rows.mean_absolute_percentage_error());
        seen &= case.expect("smape", rows.symmetric_mean_absolute_percentage_error());
        seen &= case.expect("explained_variance", rows.explained_variance());
        seen &= case.expect("tweedie_0", rows.mean_tweedie_deviance(0.0));
        for alpha in [0.1, 0.5, 0.9] {
            seen &= case.expect(&format!("pinball_{alpha}"), rows.mean_pinball_loss(alpha));
        }
        assert!(seen, "{}", case.name());
        // scikit-learn's largest error knows no weights.
        let unweighted = Regression::new(&predictions, &target).unwrap();
        assert!(case.expect("max_error", unweighted.max_error()));
        if target.len() > 1 {
            let mut seen = case.expect("r2", rows.r2());
            seen &= case.expect("d2_absolute", rows.d2_absolute_error());
            seen &= case.expect("d2_pinball_0.1", rows.d2_pinball(0.1));
            seen &= case.expect("d2_pinball_0.9", rows.d2_pinball(0.9));
            assert!(seen, "{}", case.name());
        }
        if target.iter().chain(&predictions).all(|value| *value > 0.0) {
            let mut seen = case.expect("msle", rows.mean_squared_log_error());
            seen &= case.expect("rmsle", rows.root_mean_squared_log_error());
            for (key, power) in [
                ("-1.0", -1.0),
                ("1.0", 1.0),
                ("1.5", 1.5),
                ("2.0", 2.0),
                ("3.0", 3.0),
            ] {
                seen &= case.expect(&format!("tweedie_{key}"), rows.mean_tweedie_deviance(power));
                let varied = target.iter().any(|value| *value != target[0]);
                seen &= case.expect(&format!("d2_tweedie_{key}"), rows.d2_tweedie(power)) == varied;
            }
            assert!(seen, "{}", case.name());
        }
        if each.is_none() && target.len() > 1 {
            let residuals = rows.residuals();
            let mut seen = case.expect("residual_quantiles", residuals.quantiles.to_vec());
            seen &= case.expect("bias", residuals.bias);
            seen &= case.expect("deviation", residuals.deviation);
            if residuals.deviation > 0.0 {
                seen &= case.expect("skewness", residuals.skewness);
                seen &= case.expect("excess_kurtosis", residuals.excess_kurtosis);
            }
            assert!(seen, "{}", case.name());
        }
    }
}

#[test]
fn groups_of_points() {
    for case in cases("metrics", "clusters") {
        let (points, groups, classes) = (
            case.numbers("points"),
            case.codes("groups"),
            case.codes("classes"),
        );
        let agreement = Agreement::new(&classes, &groups).unwrap();
        let mut seen = case.expect("ari", agreement.adjusted_rand());
        seen &= case.expect("mi", agreement.mutual_information());
        seen &= case.expect("homogeneity", agreement.homogeneity());
        seen &= case.expect("completeness", agreement.completeness());
        seen &= case.expect("v", agreement.v_measure(1.0));
        seen &= case.expect("v_0_3", agreement.v_measure(0.3));
        for (name, average) in [
            ("min", InformationAverage::Min),
            ("geometric", InformationAverage::Geometric),
            ("arithmetic", InformationAverage::Arithmetic),
            ("max", InformationAverage::Max),
        ] {
            seen &= case.expect(
                &format!("nmi_{name}"),
                agreement.normalised_mutual_information(average),
            );
            let adjusted = agreement.adjusted_mutual_information(average);
            if case.name() == "a group for each" && name == "min" {
                assert_eq!(adjusted, 1.0);
            } else {
                seen &= case.expect(&format!("ami_{name}"), adjusted);
            }
        }
        assert!(seen, "{}", case.name());
        let judged = Clusters::new(&points, 2, &groups);
        assert_eq!(
            judged.is_ok(),
            case.found("silhouette").is_some(),
            "{}",
            case.name()
        );
        if let Ok(clusters) = judged {
            let mut seen = case.expect("silhouettes", clusters.silhouettes());
            seen &= case.expect("silhouette", clusters.silhouette());
            seen &= case.expect("calinski_harabasz", clusters.calinski_harabasz());
            seen &= case.expect("davies_bouldin", clusters.davies_bouldin());
            assert!(seen, "{}", case.name());
        }
    }
}
