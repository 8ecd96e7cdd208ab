use super::*;
use ndarray::Axis;

struct Generated {
    features: Array2<f64>,
    is_case: Array1<bool>,
}

/// The matrix of tests/oracles/logistic.py, from a linear congruential generator, so that both
/// programs make the same numbers.
fn generated(n_samples: usize, n_features: usize) -> Generated {
    let mut state = 12_345_u64;
    let mut next = || {
        state = (1_103_515_245 * state + 12_345) % (1 << 31);
        state as f64 / f64::from(1_u32 << 31)
    };
    let rows: Vec<Vec<f64>> = (0..n_samples)
        .map(|_| (0..n_features).map(|_| 4.0 * next() - 2.0).collect())
        .collect();
    let is_case = rows
        .iter()
        .map(|row| row[0] - 0.5 * row[1] + 4.0 * next() - 2.5 > 0.0)
        .collect();
    Generated {
        features: Array2::from_shape_fn((n_samples, n_features), |(person, feature)| {
            rows[person][feature]
        }),
        is_case,
    }
}

fn solve(features: &Array2<f64>, is_case: &Array1<bool>, lambda: f64, l1_ratio: f64) -> Solution {
    let problem = Problem {
        features,
        is_case,
        n_penalised: features.ncols(),
        sample_weights: None,
    };
    solved(&problem, lambda, l1_ratio)
}

fn solved(problem: &Problem<'_>, lambda: f64, l1_ratio: f64) -> Solution {
    let mut path = problem.path().unwrap();
    path.fit(Penalty::new(lambda, l1_ratio)).unwrap()
}

/// (lambda, L1 ratio, coefficients and intercept)
const SKLEARN: [(f64, f64, [f64; 7]); 4] = [
    (
        0.1,
        0.5,
        [
            0.785_925_28,
            -0.258_274_45,
            0.130_651_78,
            0.0,
            0.0,
            0.0,
            -0.575_039,
        ],
    ),
    (
        0.02,
        0.9,
        [
            1.332_715_06,
            -0.531_982_6,
            0.438_661_41,
            0.0,
            0.0,
            0.0,
            -0.728_709_73,
        ],
    ),
    (
        0.005,
        1.0,
        [
            1.577_101_72,
            -0.668_813_67,
            0.602_184_65,
            -0.004_390_91,
            0.053_818_91,
            -0.012_226_16,
            -0.818_041_19,
        ],
    ),
    (
        0.05,
        0.1,
        [
            1.073_764_03,
            -0.442_452_31,
            0.350_543_88,
            -0.022_122_57,
            0.027_395_45,
            0.0,
            -0.652_466_82,
        ],
    ),
];

// python3 -m venv V; V/bin/pip install scikit-learn==1.9.1; V/bin/python
// tests/oracles/elastic_net.py
#[test]
fn fits_agree_with_scikit_learn() {
    let Generated { features, is_case } = generated(120, 6);
    for (lambda, l1_ratio, expected) in SKLEARN {
        let fit = solve(&features, &is_case, lambda, l1_ratio);
        for (found, expected) in fit
            .coefficients
            .iter()
            .chain([&fit.intercept])
            .zip(expected)
        {
            assert!(
                (found - expected).abs() < 2e-5,
                "lambda {lambda}, l1_ratio {l1_ratio}: {found} {expected}"
            );
        }
    }
}

/// The conditions of a minimum (Karush, Kuhn and Tucker), from a cold and from a warm start,
/// with features that repeat one another and some that are free.
#[test]
fn at_the_end_no_coefficient_wants_to_move() {
    let Generated {
        mut features,
        is_case,
    } = generated(150, 8);
    let copy = features.column(0).to_owned();
    features.column_mut(1).assign(&copy);
    let problem = Problem {
        features: &features,
        is_case: &is_case,
        n_penalised: 6,
        sample_weights: None,
    };
    let mut path = problem.path().unwrap();
    let mut solution = path.solution();
    for lambda in [0.1, 0.03, 0.01, 0.001] {
        solution = path.fit(Penalty::new(lambda, 0.5)).unwrap();
        let residuals = Array1::from(path.point.residuals.clone());
        assert!(residuals.sum().abs() < 1e-3);
        for (feature, &b) in solution.coefficients.iter().enumerate() {
            let gradient = features.column(feature).dot(&residuals) / 150.0;
            let excess = match (feature < 6, b == 0.0) {
                (false, _) => gradient.abs(),
                (true, true) => gradient.abs() - 0.5 * lambda,
                (true, false) => (gradient - 0.5 * lambda * (b.signum() + b)).abs(),
            };
            assert!(
                excess < 1e-5,
                "lambda {lambda}, feature {feature}: {excess}"
            );
        }
    }
    assert!(
        solution.coefficients[..2].iter().all(|&b| b > 0.0),
        "twins share: {:?}",
        solution.coefficients
    );
}

#[test]
fn samples_of_weight_0_are_predicted_and_change_nothing() {
    let Generated { features, is_case } = generated(150, 6);
    let some = Array2::from_shape_fn((100, 6), |place| features[place]);
    let of_some: Array1<bool> = is_case.iter().take(100).copied().collect();
    let weights = Array1::from_iter((0..150).map(|person| if person < 100 { 1.0 } else { 0.0 }));
    let alone = solve(&some, &of_some, 0.03, 0.5);
    let problem = Problem {
        features: &features,
        is_case: &is_case,
        n_penalised: 6,
        sample_weights: Some(&weights),
    };
    let among = solved(&problem, 0.03, 0.5);
    for (one, other) in alone.coefficients.iter().zip(&among.coefficients) {
        assert!((one - other).abs() < 1e-5, "{one} {other}");
    }
    let predicted = features.dot(&Array1::from(among.coefficients.clone())) + among.intercept;
    assert!(
        predicted
            .iter()
            .zip(&among.logits)
            .all(|(a, b)| (a - b).abs() < 1e-9)
    );
}

/// The conditions of a minimum with more features than samples, where naive updates take over.
#[test]
fn more_features_in_use_than_samples_have_the_same_minimum() {
    let Generated { features, is_case } = generated(60, 150);
    let problem = Problem {
        features: &features,
        is_case: &is_case,
        n_penalised: 150,
        sample_weights: None,
    };
    let mut path = problem.path().unwrap();
    for lambda in [0.3, 0.1, 0.05] {
        let penalty = Penalty::new(lambda, 0.001);
        let solution = path.fit(penalty).unwrap();
        assert!(path.in_use.len() > 60, "naive updates");
        let residuals = Array1::from(path.point.residuals.clone());
        for (feature, &b) in solution.coefficients.iter().enumerate() {
            let gradient = features.column(feature).dot(&residuals) / 60.0;
            let excess = if b == 0.0 {
                gradient.abs() - penalty.l1
            } else {
                (gradient - penalty.l1 * b.signum() - penalty.l2 * b).abs()
            };
            assert!(
                excess < 1e-6,
                "lambda {lambda}, feature {feature}: {excess}"
            );
        }
    }
}

/// A second fit of the same penalty continues where the first one stopped, so ten of them are much
/// more precise than one.
#[test]
fn more_precision_changes_neither_coefficients_nor_auroc() {
    let Generated { features, is_case } = generated(1_200, 40);
    let (training, validation) = features.view().split_at(Axis(0), 800);
    let training = training.to_owned();
    let of_training: Array1<bool> = is_case.iter().take(800).copied().collect();
    let auroc_of = |solution: &Solution| {
        let scores = validation.dot(&Array1::from(solution.coefficients.clone()));
        let of_class = |wanted: bool| -> Vec<f64> {
            let labelled = scores.iter().zip(is_case.iter().skip(800));
            labelled
                .filter(|(_, case)| **case == wanted)
                .map(|(score, _)| *score)
                .collect()
        };
        crate::roc::auroc(&of_class(true), &of_class(false)).unwrap()
    };
    let problem = Problem {
        features: &training,
        is_case: &of_training,
        n_penalised: 38,
        sample_weights: None,
    };
    for l1_ratio in [0.1, 0.5, 0.9] {
        let mut path = problem.path().unwrap();
        let mut precise_path = problem.path().unwrap();
        let largest = path.largest_lambda(l1_ratio);
        for step in 1..=10 {
            let penalty = Penalty::new(largest * 0.6_f64.powi(step), l1_ratio);
            let solution = path.fit(penalty).unwrap();
            let mut precise = precise_path.fit(penalty).unwrap();
            for _ in 0..10 {
                precise = precise_path.fit(penalty).unwrap();
            }
            for (b, precise) in solution.coefficients.iter().zip(&precise.coefficients) {
                assert!((b - precise).abs() < 1e-6, "{b} {precise}");
            }
            assert!((auroc_of(&solution) - auroc_of(&precise)).abs() < 1e-12);
        }
    }
}

#[test]
fn a_sample_of_weight_2_counts_twice() {
    let Generated { features, is_case } = generated(100, 6);
    let twice = |row: usize| if row < 100 { row } else { row - 100 };
    let repeated = Array2::from_shape_fn((130, 6), |(row, column)| features[(twice(row), column)]);
    let of_repeated = Array1::from_iter((0..130).map(|row| is_case[twice(row)]));
    let weights = Array1::from_iter((0..100).map(|row| if row < 30 { 2.0 } else { 1.0 }));
    let expected = solve(&repeated, &of_repeated, 0.03, 0.5);
    let problem = Problem {
        features: &features,
        is_case: &is_case,
        n_penalised: 6,
        sample_weights: Some(&weights),
    };
    let found = solved(&problem, 0.03, 0.5);
    for (found, expected) in found.coefficients.iter().zip(&expected.coefficients) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn a_constant_feature_without_penalty_changes_nothing() {
    let Generated { features, is_case } = generated(120, 7);
    let mut with_constant = features.clone();
    with_constant.column_mut(6).fill(3.0);
    let alone = Array2::from_shape_fn((120, 6), |place| features[place]);
    let expected = solve(&alone, &is_case, 0.03, 0.5);
    let problem = Problem {
        features: &with_constant,
        is_case: &is_case,
        n_penalised: 6,
        sample_weights: None,
    };
    let found = solved(&problem, 0.03, 0.5);
    for (found, expected) in found.coefficients.iter().zip(&expected.coefficients) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn exponentials_agree_with_the_standard_library() {
    for step in -7_500..=7_500 {
        let x = f64::from(step) * 0.1;
        let expected = (-x.abs()).max(-700.0).exp();
        let found = vectors::exp_minus_abs(x);
        assert!(
            (found / expected - 1.0).abs() < 1e-15,
            "{x}: {found} {expected}"
        );
    }
    assert!(vectors::exp_minus_abs(f64::NAN).is_nan());
}
