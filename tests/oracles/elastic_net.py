"""Coefficients of scikit-learn's elastic-net LogisticRegression on a generated matrix, for src/baselines/elastic_net.rs.

python3 -m venv V; V/bin/pip install scikit-learn==1.9.1; V/bin/python tests/oracles/elastic_net.py
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

state = 12345


def next_number():
    global state
    state = (1103515245 * state + 12345) % (1 << 31)
    return state / (1 << 31)


n, features = 120, 6
rows = [[4 * next_number() - 2 for _ in range(features)] for _ in range(n)]
is_case = [row[0] - 0.5 * row[1] + 4 * next_number() - 2.5 > 0 for row in rows]
print(sum(is_case), "cases")
for penalty, l1_ratio in [(0.1, 0.5), (0.02, 0.9), (0.005, 1.0), (0.05, 0.1)]:
    model = LogisticRegression(
        C=1 / (n * penalty), l1_ratio=l1_ratio, solver="saga", tol=1e-12, max_iter=1_000_000
    ).fit(np.array(rows), is_case)
    print(penalty, l1_ratio, [round(float(x), 8) for x in [*model.coef_[0], model.intercept_[0]]])
