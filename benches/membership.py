#!/usr/bin/env python3
"""Whether a model's loss on a person tells that the person was trained on: the simplest membership attack.

    benches/membership.py predictions.csv [...]

Prints the area under the curve of minus the loss, training people against test people, with the interval of Hanley and McNeil (1982): 0.5 tells nothing.
"""

import csv
import math
import sys


def auroc(members, others):
    ranked = sorted([(value, 1) for value in members] + [(value, 0) for value in others])
    rank_sum, start = 0.0, 0
    while start < len(ranked):
        end = start
        while end < len(ranked) and ranked[end][0] == ranked[start][0]:
            end += 1
        rank_sum += (start + 1 + end) / 2 * sum(is_member for _, is_member in ranked[start:end])
        start = end
    m, n = len(members), len(others)
    area = (rank_sum - m * (m + 1) / 2) / (m * n)
    variance = area * (1 - area) + (m - 1) * (area / (2 - area) - area**2) + (n - 1) * (2 * area**2 / (1 + area) - area**2)
    return area, 1.96 * math.sqrt(variance / (m * n))


def main():
    for path in sys.argv[1:]:
        loss = {"train": [], "test": [], "validation": []}
        with open(path, newline="") as table:
            for row in csv.DictReader(table):
                if row["phenotype"]:
                    sign = 1 if row["phenotype"] == "case" else -1
                    loss[row["split"]].append(-math.log1p(math.exp(-sign * float(row["logit"]))))
        area, half_width = auroc(loss["train"], loss["test"])
        print(f"{path}: {area:.3f} +- {half_width:.3f} ({len(loss['train'])} training and {len(loss['test'])} test people)")


if __name__ == "__main__":
    main()
