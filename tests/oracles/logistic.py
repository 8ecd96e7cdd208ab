"""Coefficients of scikit-learn's LogisticRegression on a generated matrix, for src/baselines/logistic.rs.

python3 -m venv V; V/bin/pip install scikit-learn==1.9.1; V/bin/python tests/oracles/logistic.py
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

state = 12345


def next_number():
    global state
    state = (1103515245 * state + 12345) % (1 << 31)
    return state / (1 << 31)


rows = [[4 * next_number() - 2 for _ in range(4)] for _ in range(80)]
is_case = [row[0] - 0.5 * row[1] + 4 * next_number() - 2.5 > 0 for row in rows]
print(sum(is_case), "cases")
for alpha in [0.01, 1.0, 100.0]:
    model = LogisticRegression(C=1 / alpha, tol=1e-10, max_iter=10000).fit(np.array(rows), is_case)
    print(alpha, [round(float(x), 7) for x in [*model.coef_[0], model.intercept_[0]]])
