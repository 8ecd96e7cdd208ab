"""Numbers for the unit tests of src/evaluation: area, DeLong variance, interval and paired test, from three outside sources.

    python3 -m venv /tmp/venv-auc && /tmp/venv-auc/bin/pip install scikit-learn numpy
    apt-get install r-cran-proc                       # R with pROC 1.18.0
    /tmp/venv-auc/bin/python tests/oracles/auc_delong.py > src/evaluation/oracle.rs && rustfmt --edition 2024 src/evaluation/oracle.rs

The area is scikit-learn's `roc_auc_score`; variance, interval and p-value are written down from the definition in DeLong et al. (1988),
comparing every case with every control. All of it must equal R's pROC (`ci.auc`, `roc.test(paired=TRUE, method="delong")`) to 1e-10.
"""

import json
import math
import subprocess

import numpy as np
from sklearn.metrics import roc_auc_score

Z_975 = 1.959963984540054
R_SCRIPT = """
suppressMessages(library(pROC)); options(digits = 17)
d <- read.csv(file("stdin")); r <- function(s) roc(d$case, s, levels = c(0, 1), direction = "<", quiet = TRUE)
a <- r(d$a); b <- r(d$b); ci <- ci.auc(a, method = "delong"); t <- roc.test(a, b, paired = TRUE, method = "delong")
numbers <- c(auc(a), auc(b), var(a, method = "delong"), ci[1], ci[3], t$conf.int[1], t$conf.int[2], t$p.value)
cat("[", paste(sprintf("%.17g", numbers), collapse = ","), "]")
"""


def direct(cases, controls):
    """V10 and V01 of DeLong et al.: share of controls below each case, share of cases above each control."""
    psi = (cases[:, None] > controls[None, :]) + 0.5 * (cases[:, None] == controls[None, :])
    return psi.mean(axis=1), psi.mean(axis=0)


def variance(v10, v01):
    return v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01)


def oracle(cases, controls):
    """cases, controls: (people, 2) scores of models a and b."""
    truth = np.r_[np.ones(len(cases)), np.zeros(len(controls))]
    area = [roc_auc_score(truth, np.r_[cases[:, k], controls[:, k]]) for k in (0, 1)]
    (a10, a01), (b10, b01) = (direct(cases[:, k], controls[:, k]) for k in (0, 1))
    half = Z_975 * math.sqrt(variance(a10, a01))
    deviation = math.sqrt(variance(a10 - b10, a01 - b01))
    delta = area[0] - area[1]
    numbers = [area[0], area[1], variance(a10, a01), max(area[0] - half, 0.0), min(area[0] + half, 1.0)]
    numbers += [delta - Z_975 * deviation, delta + Z_975 * deviation, math.erfc(abs(delta) / deviation / math.sqrt(2.0))]
    rows = "".join(f"{case:.0f},{a!r},{b!r}\n" for case, (a, b) in zip(truth, np.r_[cases, controls].tolist()))
    printed = subprocess.run(["Rscript", "-e", R_SCRIPT], input="case,a,b\n" + rows, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(json.loads(printed.stdout), numbers, rtol=1e-10, atol=1e-12)
    return [float(number) for number in numbers]


def correlated(generator, people, shift_a, shift_b, decimals):
    """Two scores that share half of their noise, rounded so that many are tied."""
    shared, a, b = generator.normal(size=(3, people))
    return np.round(np.c_[shared + a + shift_a, shared + b + shift_b], decimals)


def examples():
    generator = np.random.default_rng(20140)
    yield "few people, ties within and across the classes", np.array([[3, 1], [2, 2], [2, 0.5]]), np.array([[2, 1], [1, 2], [0, 0], [-1, 0]])
    yield "as few people, other ties", np.array([[5, 2], [4, 6], [1.5, 3]]), np.array([[1, 2], [2, 3], [0, 2.5]])
    yield "unbalanced, without ties", correlated(generator, 5, 1.0, 0.2, 6), correlated(generator, 30, 0, 0, 6)
    yield "two correlated scores with many ties", correlated(generator, 25, 1.2, 0.6, 0), correlated(generator, 25, 0, 0, 0)
    yield "a small p-value", correlated(generator, 24, 3.0, 0.0, 2), correlated(generator, 24, 0, 0, 2)


def rust():
    print(f"//! {__doc__.splitlines()[0]}\n//! Made by `tests/oracles/auc_delong.py` (scikit-learn, numpy and R's pROC, agreeing to 1e-10); see there for the command.\n")
    print("""/// Scores of two models on the same samples, and the results of three independent programs.
pub(super) struct Example {
    cases: &'static [(f64, f64)],
    controls: &'static [(f64, f64)],
    pub(super) auroc_a: f64,
    pub(super) auroc_b: f64,
    pub(super) variance_a: f64,
    pub(super) ci_a: (f64, f64),
    pub(super) delta_ci: (f64, f64),
    pub(super) p_value: f64,
}

impl Example {
    /// Cases' and controls' scores by the first model.
    pub(super) fn a(&self) -> (Vec<f64>, Vec<f64>) {
        (self.cases.iter().map(|person| person.0).collect(), self.controls.iter().map(|person| person.0).collect())
    }

    /// Cases' and controls' scores by the second model.
    pub(super) fn b(&self) -> (Vec<f64>, Vec<f64>) {
        (self.cases.iter().map(|person| person.1).collect(), self.controls.iter().map(|person| person.1).collect())
    }
}

#[rustfmt::skip]
#[allow(clippy::excessive_precision, clippy::unreadable_literal, reason = "numbers as the sources print them")]
pub(super) const EXAMPLES: &[Example] = &[""")
    for title, cases, controls in examples():
        pairs = lambda scores: ", ".join(f"({float(a)!r}, {float(b)!r})" for a, b in scores + 0.0)
        n = oracle(cases.astype(float), controls.astype(float))
        print(f"    // {title}\n    Example {{\n        cases: &[{pairs(cases)}],\n        controls: &[{pairs(controls)}],")
        print(f"        auroc_a: {n[0]!r},\n        auroc_b: {n[1]!r},\n        variance_a: {n[2]!r},")
        print(f"        ci_a: ({n[3]!r}, {n[4]!r}),\n        delta_ci: ({n[5]!r}, {n[6]!r}),\n        p_value: {n[7]!r},\n    }},")
    print("];")


rust()
