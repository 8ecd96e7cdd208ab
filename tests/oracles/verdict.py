"""Numbers for the unit tests of src/evaluation: what scikit-learn, scipy, statsmodels and numpy say of three tables of predictions.

    python3 -m venv /tmp/venv-verdict && /tmp/venv-verdict/bin/pip install scikit-learn scipy statsmodels
    /tmp/venv-verdict/bin/python tests/oracles/verdict.py > src/evaluation/verdict_oracle.rs && rustfmt --edition 2024 src/evaluation/verdict_oracle.rs

Average precision, Brier score: scikit-learn. Odds ratio, Wald interval, Nagelkerke's R2, calibration: statsmodels (`Logit`, `GLM` with an
offset, converged to 1e-14). Liability R2: Lee et al. 2012, equation 15, on numpy's squared correlation, with scipy's normal distribution.
Permuted labels: scipy's `mannwhitneyu`. Deciles: statsmodels' `Table2x2`. Calibration bins: statsmodels' `proportion_confint(method="wilson")`.
Recalibration: statsmodels' `Logit`, scikit-learn's `IsotonicRegression`. Corrected t: Nadeau and Bengio 2003, equation 9, with scipy's t.
"""

import numpy as np
import statsmodels.api as sm
from scipy import stats
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, brier_score_loss
from statsmodels.stats.proportion import proportion_confint

PREVALENCE = 0.05
GRID = [-3.0, -0.7, 0.05, 0.4, 2.5]


def logit_fit(x, y):
    return sm.Logit(y, sm.add_constant(x)).fit(method="newton", tol=1e-14, maxiter=100, disp=0)


def liability(r2, share, k):
    t = stats.norm.isf(k)
    z = stats.norm.pdf(t)
    m = z / k
    theta = m * (share - k) / (1 - k) * (m * (share - k) / (1 - k) - t)
    c = k * (1 - k) / z**2 * k * (1 - k) / (share * (1 - share))
    return r2 * c / (1 + r2 * theta * c)


def tenths(x):
    middle = stats.rankdata(x) - 0.5
    return np.floor(10 * middle / len(x)).astype(int)


def example(title, logits, cases):
    y = cases.astype(float)
    p = 1 / (1 + np.exp(-logits))
    sd = logits.std(ddof=1)
    fit = logit_fit((logits - logits.mean()) / sd, y)
    low, high = fit.conf_int()[1]
    null = sm.Logit(y, np.ones_like(y)).fit(disp=0, tol=1e-14).llf
    nagelkerke = (1 - np.exp(2 / len(y) * (null - fit.llf))) / (1 - np.exp(2 / len(y) * null))
    large = sm.GLM(y, np.ones_like(y), family=sm.families.Binomial(), offset=logits).fit(tol=1e-14)
    r2 = np.corrcoef(y, logits)[0, 1] ** 2
    test = stats.mannwhitneyu(logits[cases], logits[~cases], use_continuity=False, method="asymptotic")
    numbers = dict(
        auprc=average_precision_score(y, logits), brier=brier_score_loss(y, p), or_per_sd=np.exp(fit.params[1]), or_ci_low=np.exp(low),
        or_ci_high=np.exp(high), nagelkerke_r2=nagelkerke, liability_r2=liability(r2, y.mean(), PREVALENCE), calibration_slope=fit.params[1] / sd,
        calibration_intercept=large.params[0], permutation_p=test.pvalue,
    )
    platt = logit_fit(logits, y).params
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(logits, y).predict(GRID)
    decile = tenths(logits)
    middle = np.isin(decile, [4, 5])
    deciles = []
    for tenth in range(10):
        here = decile == tenth
        table = np.array([[(cases & here).sum(), (~cases & here).sum()], [(cases & middle).sum(), (~cases & middle).sum()]])
        if tenth not in (4, 5) and (table > 0).all():
            ratio = sm.stats.Table2x2(table, shift_zeros=False)
            deciles.append((tenth + 1, ratio.oddsratio, *ratio.oddsratio_confint()))
    bins = [(p[decile == t].mean(), y[decile == t].mean(), *proportion_confint(y[decile == t].sum(), (decile == t).sum(), method="wilson"))
            for t in range(10) if (decile == t).any()]
    show = lambda values: ", ".join(repr(float(value)) for value in values)
    print(f"    // {title}\n    Example {{")
    print(f"        logits: &[{show(logits)}],\n        is_case: &[{', '.join(str(bool(case)).lower() for case in cases)}],")
    for name, value in numbers.items():
        print(f"        {name}: {float(value)!r},")
    print(f"        platt: [{show(1 / (1 + np.exp(-(platt[0] + platt[1] * np.array(GRID)))))}],\n        isotonic: [{show(isotonic)}],")
    print("        deciles: &[" + ", ".join(f"({d[0]}, {show(d[1:])})" for d in deciles) + "],")
    print("        bins: &[" + ", ".join(f"[{show(b)}]" for b in bins) + "],\n    },")


def corrected():
    deltas = np.array([0.031, -0.012, 0.045, 0.008, 0.027, 0.019, -0.004, 0.038, 0.011, 0.022])
    ratio = 0.25
    t = deltas.mean() / np.sqrt((1 / len(deltas) + ratio) * deltas.var(ddof=1))
    print(f"pub(super) const DELTAS: [f64; 10] = [{', '.join(repr(float(d)) for d in deltas)}];")
    print(f"/// Mean, t and p at a ratio of 0.25.\npub(super) const CORRECTED: [f64; 3] = [{float(deltas.mean())!r}, {float(t)!r}, {float(2 * stats.t.sf(abs(t), 9))!r}];")
    print("/// (t, degrees of freedom, two-sided p).\npub(super) const STUDENT: &[(f64, f64, f64)] = &[")
    for t, df in [(0.1, 1), (1.0, 1), (12.7, 1), (0.5, 4), (2.0, 9), (5.0, 49), (30.0, 9), (0.0, 3)]:
        print(f"    ({t!r}, {float(df)!r}, {float(2 * stats.t.sf(t, df))!r}),")
    print("];")


print('''//! Numbers for src/evaluation: results of scikit-learn, scipy, statsmodels and numpy for three tables of predictions.
//! Made by `tests/oracles/verdict.py`; see there for the command.

#![allow(clippy::excessive_precision, clippy::unreadable_literal, reason = "numbers as the sources print them")]

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
''')
print(f"pub(super) const PREVALENCE: f64 = {PREVALENCE};\n/// Logits at which recalibrated probabilities are given.\npub(super) const GRID: [f64; 5] = {GRID};")
print("#[rustfmt::skip]\npub(super) const EXAMPLES: &[Example] = &[")
generator = np.random.default_rng(2005)
for title, n, share, shift, decimals in [("no ties", 80, 0.4, 0.9, 4), ("many ties", 120, 0.3, 0.8, 0), ("few people", 10, 0.5, 0.4, 3)]:
    cases = np.arange(n) < round(share * n)
    logits = np.round(generator.normal(size=n) - 0.3 + shift * cases, decimals) + 0.0
    example(title, logits, cases)
print("];")
corrected()
