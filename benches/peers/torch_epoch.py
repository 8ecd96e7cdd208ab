"""A plain PyTorch training of our default Linformer on our tokens: both haplotypes of every person in a batch, as they come.

    torch_epoch.py --tokens DIR --cohort cohort.csv [--epochs 24] [--batch-size 64] [--seed 1] [--threads 2] [--k 64] [--one-at-a-time]

`--one-at-a-time` encodes the haplotypes of a batch one after the other in a loop, as a first script does, instead of as one tensor.

Same tokens, model, schedule (AdamW 2e-3 with warm-up and cosine, weight decay 0.05, clipping at 1) and choice of the epoch (validation AUC); seeds
differ, as the random numbers do. Prints one line of JSON: seconds of each epoch, with the validation AUC and of the steps alone; validation and test AUC.
"""

import argparse
import csv
import json
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from sklearn.metrics import roc_auc_score
from torch import nn

from torch_step import Layer


class Model(nn.Module):
    def __init__(self, o, vocab_size, n_covariates):
        super().__init__()
        self.one_at_a_time = o.one_at_a_time
        self.tokens = nn.Embedding(vocab_size, o.hidden)
        self.positions = nn.Parameter(torch.randn(o.tokens, o.hidden))
        self.layers = nn.ModuleList(Layer(o) for _ in range(o.layers))
        for layer in self.layers:
            for linear in [layer.attention.query, layer.attention.key, layer.attention.value, layer.attention.output, layer.feed_forward[0], layer.feed_forward[2]]:
                nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
                if linear.bias is not None:
                    nn.init.zeros_(linear.bias)
        self.norm = nn.LayerNorm(o.hidden)
        self.head = nn.Sequential(nn.Linear(2 * o.hidden + n_covariates, o.hidden), nn.GELU(), nn.Linear(o.hidden, 1))

    def encode(self, ids):
        mask = (ids != 0).unsqueeze(-1).float()
        x = self.tokens(ids) + self.positions
        for layer in self.layers:
            x = layer(x, mask)
        return (self.norm(x) * mask).sum(1) / mask.sum(1)

    def forward(self, ids, covariates):
        encoded = torch.cat([self.encode(row) for row in ids.split(1)]) if self.one_at_a_time else self.encode(ids)
        a, b = encoded.view(-1, 2, encoded.shape[-1]).unbind(1)
        return self.head(torch.cat([a + b, a * b, covariates], -1)).squeeze(-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--cohort", required=True)
    for name, default in {"epochs": 24, "batch-size": 64, "seed": 1, "threads": 2, "k": 64}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--one-at-a-time", action="store_true")
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    with safe_open(f"{o.tokens}/tokens.safetensors", "np") as file:
        index = json.loads(file.metadata()["gf-genomics"])
        tokens = torch.from_numpy(file.get_tensor("00000/tokens").astype(np.int64))
        pairs = torch.from_numpy(file.get_tensor("00000/pairs").astype(np.int64))
    row_of = {sample: row for row, sample in enumerate(index["samples"])}
    with open(o.cohort, newline="") as table:
        people = list(csv.DictReader(table))
    names = [name for name in people[0] if name not in ("sample_id", "phenotype", "split", "family_id")]
    pairs = pairs[[row_of[person["sample_id"]] for person in people]]
    labels = torch.tensor([float(person["phenotype"] in ("case", "1")) for person in people])
    splits = np.array([person["split"] for person in people])
    covariates = torch.tensor([[float(person[name]) for name in names] for person in people]).reshape(len(people), len(names))
    training = torch.from_numpy(np.flatnonzero(splits == "train"))
    covariates = (covariates - covariates[training].mean(0)) / covariates[training].std(0, unbiased=False).clamp(min=1e-9)

    o.preset, o.attention, o.hidden, o.heads, o.layers, o.feed_forward, o.tokens = "linformer", "sdpa", 32, 4, 2, 128, tokens.shape[1]
    model = Model(o, int(tokens.max()) + 1, len(names))
    matrices = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    others = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], lr=2e-3)
    n_steps = math.ceil(len(training) / o.batch_size) * o.epochs
    warmup = 0.2 * n_steps

    def rate(step):
        done = step + 1.0
        return done / warmup if done < warmup else 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warmup) / max(1.0, n_steps - warmup))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)

    def auc(split):
        rows = torch.from_numpy(np.flatnonzero(splits == split))
        with torch.inference_mode():
            logits = torch.cat([model(tokens[pairs[part].flatten()], covariates[part]) for part in rows.split(o.batch_size)])
        return roc_auc_score(labels[rows].numpy(), logits.numpy())

    seconds, seconds_of_steps, best = [], [], (0.0, 0.0)
    for _ in range(o.epochs):
        started = time.perf_counter()
        for part in training[torch.randperm(len(training))].split(o.batch_size):
            optimizer.zero_grad(set_to_none=True)
            F.binary_cross_entropy_with_logits(model(tokens[pairs[part].flatten()], covariates[part]), labels[part]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        seconds_of_steps.append(time.perf_counter() - started)
        validation = auc("validation")
        seconds.append(time.perf_counter() - started)
        best = max(best, (validation, auc("test")))
    print(json.dumps({"seconds": seconds, "seconds_of_steps": seconds_of_steps, "validation_auroc": best[0], "test_auroc": best[1]}))


if __name__ == "__main__":
    main()
