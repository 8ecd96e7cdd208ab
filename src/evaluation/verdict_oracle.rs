//! Numbers for src/evaluation: results of scikit-learn, scipy, statsmodels and numpy for three
//! tables of predictions. Made by `tests/oracles/verdict.py`; see there for the command.

#![allow(
    clippy::excessive_precision,
    clippy::unreadable_literal,
    reason = "numbers as the sources print them"
)]

/// Logits, of which the probabilities are the logistic function, and the results of these programs.
pub(super) struct Example {
    pub(super) logits: &'static [f64],
    pub(super) is_case: &'static [bool],
    pub(super) auprc: f64,
    pub(super) brier: f64,
    pub(super) or_per_sd: f64,
    pub(super) or_ci_low: f64,
    pub(super) or_ci_high: f64,
    pub(super) nagelkerke_r2: f64,
    pub(super) liability_r2: f64,
    pub(super) calibration_slope: f64,
    pub(super) calibration_intercept: f64,
    pub(super) permutation_p: f64,
    pub(super) platt: [f64; 5],
    pub(super) isotonic: [f64; 5],
    /// (decile, odds ratio, lower end, upper end) where defined.
    pub(super) deciles: &'static [(usize, f64, f64, f64)],
    /// Mean probability, proportion of cases, Wilson's interval.
    pub(super) bins: &'static [[f64; 4]],
}

pub(super) const PREVALENCE: f64 = 0.05;
/// Logits at which recalibrated probabilities are given.
pub(super) const GRID: [f64; 5] = [-3.0, -0.7, 0.05, 0.4, 2.5];
#[rustfmt::skip]
pub(super) const EXAMPLES: &[Example] = &[
    // no ties
    Example {
        logits: &[1.7797, 1.2103, 1.2498, 0.7965, 0.5412, 1.4363, 0.4711, 1.1354, 0.6522, -0.0568, 2.5844, -1.2738, 1.9173, -0.272, 0.2577, 0.1432, 1.5755, -0.5026, 1.4679, 0.9308, 0.7301, 1.4112, 3.7892, -0.3098, 0.0863, 1.3849, -0.0296, -0.2619, 1.49, -1.5019, 0.735, 0.5762, 0.879, -1.5644, -0.45, -0.9975, -0.2848, -1.9879, 0.5733, -0.7781, 0.5381, -1.6559, 1.9421, 0.5006, 1.4611, -1.3883, -0.01, -0.6442, 1.6379, -0.2413, 0.3744, -0.7745, -1.1517, -0.6118, 0.8587, -2.1861, 0.7025, -0.0586, -0.783, -0.6856, -0.7734, -0.5318, -1.54, -1.9399, -1.7673, -0.1113, -1.8011, 0.8959, -0.5862, 0.0728, -0.381, 0.0196, 0.586, -1.7858, 0.5802, -0.4921, -0.108, -1.2863, 0.8176, -2.2733],
        is_case: &[true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false],
        auprc: 0.6933888675205605,
        brier: 0.19719741904325563,
        or_per_sd: 3.568619366397269,
        or_ci_low: 1.8451355455375953,
        or_ci_high: 6.901955909431678,
        nagelkerke_r2: 0.30630676156454356,
        liability_r2: 0.2323096166048613,
        calibration_slope: 1.0659093511218654,
        calibration_intercept: -0.576030081165992,
        permutation_p: 1.7727420213088015e-05,
        platt: [0.022076061343298065, 0.20761753660762397, 0.36820746046397557, 0.4583849250288093, 0.888108409804269],
        isotonic: [0.0, 0.13333333333333333, 0.4, 0.47619047619047616, 0.9737194457418652],
        deciles: &[(2, 0.42857142857142855, 0.0653578410650126, 2.8102744275939604), (4, 0.7714285714285715, 0.135526570271187, 4.39103593948799), (7, 0.7714285714285715, 0.135526570271187, 4.39103593948799), (8, 1.2857142857142858, 0.23444162209774982, 7.05105693135222), (9, 9.0, 0.8876255783961742, 91.25469338812505), (10, 3.857142857142857, 0.5882205695851132, 25.292469848345625)],
        bins: &[[0.12899993147595884, 0.0, 0.0, 0.32440756488388034], [0.20950902358383822, 0.25, 0.071479212752109, 0.5907245696898311], [0.3310150010594328, 0.0, 0.0, 0.32440756488388034], [0.400816201389681, 0.375, 0.13684428582359737, 0.6942576053973728], [0.4726688981192456, 0.375, 0.13684428582359737, 0.6942576053973728], [0.5594036675040363, 0.5, 0.2152160622138775, 0.7847839377861225], [0.6441233527498496, 0.375, 0.13684428582359737, 0.6942576053973728], [0.6962535507252383, 0.5, 0.2152160622138775, 0.7847839377861225], [0.7925628961659889, 0.875, 0.5291118177871466, 0.9775825085499434], [0.873963782340611, 0.75, 0.40927543031016883, 0.9285207872478909]],
    },
    // many ties
    Example {
        logits: &[0.0, 0.0, 1.0, 2.0, 0.0, 2.0, 0.0, -1.0, 1.0, 1.0, 2.0, 0.0, 0.0, 2.0, 0.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 2.0, 2.0, -1.0, 0.0, 0.0, 1.0, -1.0, -1.0, 2.0, 2.0, -1.0, 0.0, 2.0, 0.0, 0.0, -1.0, 0.0, -1.0, 1.0, 0.0, -3.0, -2.0, -1.0, 0.0, 0.0, 0.0, -1.0, -1.0, 1.0, -2.0, 0.0, 1.0, -1.0, 0.0, -1.0, -1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, -1.0, 1.0, -2.0, 1.0, -2.0, 0.0, -2.0, 0.0, -3.0, 1.0, -1.0, 2.0, 3.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0, 1.0, -1.0, -1.0, 0.0, -1.0, 0.0, 0.0, -1.0, 0.0, -1.0, 1.0, -1.0, -2.0, 1.0, -1.0, -2.0, 0.0, -2.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0],
        is_case: &[true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false, false],
        auprc: 0.4462185962185962,
        brier: 0.24884742260609444,
        or_per_sd: 1.9423329700709555,
        or_ci_low: 1.240995040528742,
        or_ci_high: 3.0400261430676383,
        nagelkerke_r2: 0.10865139780016914,
        liability_r2: 0.08032406897104798,
        calibration_slope: 0.585639337228978,
        calibration_intercept: -1.0869451881830248,
        permutation_p: 0.005193888912937843,
        platt: [0.06292764884927127, 0.205249097536455, 0.28606458808098867, 0.3296869856387932, 0.6272042342418834],
        isotonic: [0.0, 0.2519494204425711, 0.3013698630136986, 0.3013698630136986, 0.7272727272727273],
        deciles: &[(2, 0.6642857142857143, 0.21906695300793838, 2.0143408403005054), (8, 0.8857142857142857, 0.3147296965301999, 2.4925826973658074), (10, 5.904761904761905, 1.3585439510176855, 25.664398362533028)],
        bins: &[[0.10484751225320739, 0.0, 0.0, 0.27753279986288926], [0.2689414213699951, 0.23076923076923078, 0.11033849405783289, 0.42051554078943687], [0.5, 0.3111111111111111, 0.19528699263653404, 0.4566480557736682], [0.731058578630005, 0.2857142857142857, 0.1525399605666909, 0.47059288433295726], [0.887322264236478, 0.7272727272727273, 0.4343546988238708, 0.9025394070997511]],
    },
    // few people
    Example {
        logits: &[1.318, 0.354, -1.041, -0.346, 0.321, -0.373, -0.847, -0.652, -0.928, -0.089],
        is_case: &[true, true, true, true, true, false, false, false, false, false],
        auprc: 0.8599999999999999,
        brier: 0.19628193617967482,
        or_per_sd: 4.3601875639660115,
        or_ci_low: 0.5444008905695248,
        or_ci_high: 34.92138959044551,
        nagelkerke_r2: 0.34233109648656157,
        liability_r2: 0.2514171021777596,
        calibration_slope: 2.016657062921287,
        calibration_intercept: 0.24864462724996952,
        permutation_p: 0.17452534056858338,
        platt: [0.004169540079754412, 0.3020699983756351, 0.6626291600674511, 0.7991295225515346, 0.9963734579749612],
        isotonic: [0.2, 0.2, 0.6695121951219513, 1.0, 1.0],
        deciles: &[],
        bins: &[[0.26095708933249373, 1.0, 0.2065493143772374, 1.0], [0.2833306472485044, 0.0, 0.0, 0.7934506856227627], [0.30006255440734625, 0.0, 0.0, 0.7934506856227627], [0.34253898353078355, 0.0, 0.0, 0.7934506856227627], [0.4078163151876729, 0.0, 0.0, 0.7934506856227627], [0.4143527455576214, 1.0, 0.2065493143772374, 1.0], [0.4777646752300266, 0.0, 0.0, 0.7934506856227627], [0.57956794046107, 1.0, 0.2065493143772374, 1.0], [0.5875872312488012, 1.0, 0.2065493143772374, 1.0], [0.7888487661915011, 1.0, 0.2065493143772374, 1.0]],
    },
];
pub(super) const DELTAS: [f64; 10] = [
    0.031, -0.012, 0.045, 0.008, 0.027, 0.019, -0.004, 0.038, 0.011, 0.022,
];
/// Mean, t and p at a ratio of 0.25.
pub(super) const CORRECTED: [f64; 3] = [0.0185, 1.7341421596286641, 0.11692222999666729];
/// (t, degrees of freedom, two-sided p).
pub(super) const STUDENT: &[(f64, f64, f64)] = &[
    (0.1, 1.0, 0.936548965138893),
    (1.0, 1.0, 0.5000000000000001),
    (12.7, 1.0, 0.050024327689344165),
    (0.5, 4.0, 0.6433299631818633),
    (2.0, 9.0, 0.07655282377070101),
    (5.0, 49.0, 7.736116446289065e-06),
    (30.0, 9.0, 2.4837047041582635e-10),
    (0.0, 3.0, 1.0),
];
