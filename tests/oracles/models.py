"""Logits and gradients of every model of the family in PyTorch, for tests/it/models/contract.rs.

    python3 -m venv V; V/bin/pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0
    V/bin/python tests/oracles/models.py tests/fixtures/models

Written from the definitions, in plain float64 operations: softmax attention (Vaswani et al. 2017, arXiv 1706.03762), Linformer (Wang et al.
2020, arXiv 2006.04768, equation 7) with every sharing and projection, EcoFormer's attention by codes (Liu et al. 2022, arXiv 2209.09004) as a
sum over all pairs, low-rank layers (Winata et al. 2020, arXiv 1910.13923), Primer's convolution and squared ReLU (So et al. 2021, arXiv
2109.08668); pre-norm layers (Xiong et al. 2020, arXiv 2002.04745), exact GELU, a mean over real tokens. tests/fixtures/README.md says what
the files hold.
"""

import json
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

HIDDEN, HEADS, K, LAYERS, FEED_FORWARD, BITS, VOCAB, COVARIATES = 12, 3, 5, 2, 20, 4, 20, 2
WIDTH = HIDDEN // HEADS
ANCHORS = 25
SLOTS = [13, 8]
WINDOW = math.ceil(max(SLOTS) / K)
PAD = 0

# What each case has set, and what it is. A preset stands for what PRESETS says.
PRESETS = {
    "linformer": {},
    "transformer": {"attention": "softmax"},
    "low-rank-transformer": {"attention": "softmax", "rank": 0.5},
    "ecoformer": {"attention": "ecoformer"},
    "primer": {"attention": "softmax", "activation": "squared-relu", "convolution": True},
}
AXES = {
    "linformer-relu": {"activation": "relu"},
    "linformer-squared-relu": {"activation": "squared-relu"},
    "linformer-low-rank": {"rank": 6},  # too large for the square layers, which stay dense
    "linformer-convolution": {"convolution": True},
    "linformer-sharing-none": {"sharing": "none"},
    "linformer-sharing-headwise": {"sharing": "headwise"},
    "linformer-sharing-layerwise": {"sharing": "layerwise"},
    "linformer-mean": {"projection": "mean"},
    "linformer-max": {"projection": "max"},
    "linformer-conv": {"projection": "conv"},
    "linformer-conv-headwise": {"projection": "conv", "sharing": "headwise"},
    "linformer-conv-layerwise": {"projection": "conv", "sharing": "layerwise"},
    "linformer-mean-convolution": {"projection": "mean", "convolution": True},
    "ecoformer-released": {"attention": "ecoformer", "released_numerator": True},
    "ecoformer-everything": {"attention": "ecoformer", "rank": 4, "activation": "squared-relu", "convolution": True},
}
CASES = {name: {"preset": name} for name in PRESETS} | AXES
DEFAULTS = {"attention": "linformer", "rank": None, "activation": "gelu", "convolution": False, "sharing": "key-value",
            "projection": "learned", "released_numerator": False}

# Rows of the token tables; `.` is padding, in the middle (a segment with fewer tokens than its place has slots) and at the end.
LOCI = [
    ["2 5 6 7 8 9 10 11 12 13 14 15 3", "2 5 6 . 8 9 . . 12 13 14 15 3", "2 16 . . 8 9 10 11 12 . 14 . 3",
     "2 5 6 7 17 9 10 . . . . . 3", "2 . . . . . . . . . . . 3", "2 19 18 7 8 5 5 5 12 13 6 15 ."],
    ["2 5 9 13 . 6 7 3", "2 5 9 . . 6 . 3", "2 18 19 10 11 12 . .", "2 . 4 1 8 14 16 3"],
]
# Haplotypes of five people; the row past the last is an absent one.
PAIRS = [[[0, 1], [1, 1], [2, 3], [4, 0], [5, 2]], [[0, 1], [2, 0], [1, 3], [3, 4], [2, 2]]]
COVARIATE_ROWS = [[0.5, -1.0], [-1.5, 1.0], [0.0, 1.0], [1.25, -1.0], [-0.25, 1.0]]
TARGETS = [1.0, 0.0, 1.0, 0.0, 0.0]

# EcoFormer's codes jump at 0 and their gradient at 1: inputs nearer than this could fall on the other side in f32.
JUMP = 1e-3


class Case:
    def __init__(self, axes, seed):
        self.axes = DEFAULTS | PRESETS.get(axes.get("preset"), {}) | axes
        self.w = {}  # trained
        self.buffers = {}  # not trained
        self.hashed = []  # inputs of the sign at real tokens
        torch.manual_seed(seed)
        self.make_parameters()

    # Parameters

    def add(self, name, shape, spread, centre=0.0):
        """Random values, gains and biases too, so that none is hidden behind a 0 or a 1; rounded to f32, which the other side has."""
        if name not in self.w:
            self.w[name] = (centre + spread * torch.randn(shape)).float().double().requires_grad_()

    def add_norm(self, name):
        self.add(f"{name}.gamma", (HIDDEN,), 0.3, 1.0)
        self.add(f"{name}.beta", (HIDDEN,), 0.3)

    def add_linear(self, name, n_in, n_out):
        rank = self.axes["rank"]
        if rank is not None:
            limit = n_in * n_out // (n_in + n_out)
            rank = int(rank) if rank >= 1 else int(rank * limit)
            if 0 < rank < limit:
                self.add(f"{name}.reduce", (n_in, rank), n_in**-0.5)
                self.add(f"{name}.expand", (rank, n_out), rank**-0.5)
                return
        self.add(name, (n_in, n_out), n_in**-0.5)

    def add_attention(self, prefix):
        kind, sharing, projection = (self.axes[axis] for axis in ["attention", "sharing", "projection"])
        parts = ["query", "value"] if kind == "ecoformer" else ["query", "key", "value"]
        for part in [*parts, "output"]:
            self.add_linear(f"{prefix}.{part}", HIDDEN, HIDDEN)
        if self.axes["convolution"]:
            for part in parts:
                self.add(f"{prefix}.{part}_convolution", (3, HIDDEN), 0.5)
        if kind == "linformer" and projection in ["learned", "conv"]:
            for which in ["key", "value"]:
                if projection == "learned":
                    self.add(self.projection_name(prefix, which), (K * (HEADS if sharing == "none" else 1), sum(SLOTS)), 0.5)
                else:
                    self.add(self.projection_name(prefix, which), (WINDOW, HIDDEN), 0.5, 1.0)
        if kind == "ecoformer":
            self.add(f"{prefix}.hash", (HEADS, BITS, ANCHORS), 1.0)
            self.buffers[f"{prefix}.anchors"] = (torch.randn(HEADS, ANCHORS, WIDTH) * WIDTH**-0.5).float().double()
            self.buffers[f"{prefix}.sigma"] = (0.5 + torch.rand(HEADS)).float().double()
            self.buffers[f"{prefix}.mean"] = (0.3 + 0.1 * torch.randn(HEADS, ANCHORS)).float().double()

    def projection_name(self, prefix, which):
        sharing = self.axes["sharing"]
        names = {"key-value": f"{prefix}.projection", "layerwise": "projection"}
        return names.get(sharing, f"{prefix}.{which}_projection")

    def make_parameters(self):
        self.add("embedding.tokens", (VOCAB, HIDDEN), 1.0)
        self.add("embedding.positions", (sum(SLOTS), HIDDEN), 1.0)
        for layer in range(LAYERS):
            prefix = f"layers.{layer}"
            self.add_norm(f"{prefix}.attention_norm")
            self.add_attention(f"{prefix}.attention")
            self.add(f"{prefix}.attention.output_bias", (HIDDEN,), 0.3)
            self.add_norm(f"{prefix}.feed_forward_norm")
            self.add_linear(f"{prefix}.feed_forward.expand", HIDDEN, FEED_FORWARD)
            self.add(f"{prefix}.feed_forward.expand_bias", (FEED_FORWARD,), 0.3)
            self.add_linear(f"{prefix}.feed_forward.contract", FEED_FORWARD, HIDDEN)
            self.add(f"{prefix}.feed_forward.contract_bias", (HIDDEN,), 0.3)
        self.add_norm("norm")
        n_features = 2 * HIDDEN * len(SLOTS) + COVARIATES
        self.add("head.hidden", (n_features, HIDDEN), n_features**-0.5)
        self.add("head.hidden_bias", (HIDDEN,), 0.3)
        self.add("head.output", (1, HIDDEN), HIDDEN**-0.5)
        self.add("head.output_bias", (1,), 0.3)

    # Layers

    def norm(self, name, x):
        return F.layer_norm(x, (HIDDEN,), self.w[f"{name}.gamma"], self.w[f"{name}.beta"], eps=1e-5)

    def linear(self, name, x):
        if name in self.w:
            return x @ self.w[name]
        return x @ self.w[f"{name}.reduce"] @ self.w[f"{name}.expand"]

    def activation(self, x):
        return {"gelu": F.gelu, "relu": F.relu, "squared-relu": lambda x: F.relu(x) ** 2}[self.axes["activation"]](x)

    def channels(self, prefix, part, x, is_token):
        """Queries, keys or values: zero at padding, before the convolution and after it."""
        rows = self.linear(f"{prefix}.{part}", x).masked_fill(~is_token[..., None], 0.0)
        if not self.axes["convolution"]:
            return rows
        weight = self.w[f"{prefix}.{part}_convolution"]
        # conv1d slides a filter (channel, 1, 3) along the last dimension; its first weight is for the place before.
        moved = F.conv1d(rows.transpose(1, 2), weight.T[:, None, :], padding=1, groups=HIDDEN).transpose(1, 2)
        return moved.masked_fill(~is_token[..., None], 0.0)

    def summaries(self, prefix, which, rows, is_token, slots):
        """(haplotypes, summaries, hidden), and which summaries have a token."""
        batch, n, _ = rows.shape
        projection, sharing = self.axes["projection"], self.axes["sharing"]
        if projection == "learned":
            e = self.w[self.projection_name(prefix, which)][:, slots]
            heads = []
            for head in range(HEADS):
                of_head = e[head * K:(head + 1) * K] if sharing == "none" else e
                heads.append(torch.einsum("kn,bnd->bkd", of_head, rows[..., head * WIDTH:(head + 1) * WIDTH]))
            return torch.cat(heads, dim=-1), torch.ones(batch, K, dtype=torch.bool)
        out, has_token = [], []
        for first in range(0, n, WINDOW):
            of_window, real = rows[:, first:first + WINDOW], is_token[:, first:first + WINDOW]
            if projection == "max":
                found = [row[mask].amax(dim=0) if mask.any() else torch.zeros(HIDDEN).double() for row, mask in zip(of_window, real)]
            else:
                weight = self.w[self.projection_name(prefix, which)] if projection == "conv" else torch.ones(WINDOW, HIDDEN).double()
                weighted = of_window * weight[:of_window.shape[1]]
                found = [row[mask].mean(dim=0) if mask.any() else torch.zeros(HIDDEN).double() for row, mask in zip(weighted, real)]
            out.append(torch.stack(found))
            has_token.append(real.any(dim=1))
        return torch.stack(out, dim=1), torch.stack(has_token, dim=1)

    def by_codes(self, prefix, head, x, values, is_token):
        """One head of EcoFormer, from the weights of all pairs of tokens."""
        anchors, sigma = self.buffers[f"{prefix}.anchors"][head], self.buffers[f"{prefix}.sigma"][head]
        unit = F.normalize(x, dim=-1)
        distances = ((unit[:, :, None, :] - anchors) ** 2).sum(dim=-1)
        features = torch.exp(-distances / (2 * sigma)) - self.buffers[f"{prefix}.mean"][head]
        h = features @ self.w[f"{prefix}.hash"][head].T
        self.hashed.append(h[is_token].detach())
        through = torch.clamp(h, -1.0, 1.0)
        codes = through + (torch.where(h >= 0, 1.0, -1.0).double() - through).detach()
        c = BITS + 1
        both = (is_token[:, :, None] & is_token[:, None, :]).double()
        products = torch.einsum("bik,bjk->bij", codes, codes) * both
        weights = products + c * both
        total = weights.sum(dim=-1, keepdim=True)
        if self.axes["released_numerator"]:
            above = products @ values + c * values
        else:
            above = weights @ values
        return torch.where(total > 0, above / total.clamp(min=1.0), torch.zeros(()).double())

    def attention(self, prefix, x, is_token, slots):
        kind = self.axes["attention"]
        queries, values = self.channels(prefix, "query", x, is_token), self.channels(prefix, "value", x, is_token)
        seen = is_token
        if kind != "ecoformer":
            keys = self.channels(prefix, "key", x, is_token)
        if kind == "linformer":
            keys, seen = self.summaries(prefix, "key", keys, is_token, slots)
            values, _ = self.summaries(prefix, "value", values, is_token, slots)
        heads = []
        for head in range(HEADS):
            columns = slice(head * WIDTH, (head + 1) * WIDTH)
            if kind == "ecoformer":
                heads.append(self.by_codes(prefix, head, queries[..., columns], values[..., columns], is_token))
            else:
                scores = torch.einsum("bnd,bmd->bnm", queries[..., columns], keys[..., columns]) / math.sqrt(WIDTH)
                scores = scores.masked_fill(~seen[:, None, :], -math.inf)
                heads.append(torch.softmax(scores, dim=-1) @ values[..., columns])
        return self.linear(f"{prefix}.output", torch.cat(heads, dim=-1)) + self.w[f"{prefix}.output_bias"]

    def encode(self, locus, tokens, is_token):
        """(haplotypes, hidden): the mean over the tokens of each haplotype."""
        first = sum(SLOTS[:locus])
        slots = slice(first, first + SLOTS[locus])
        x = self.w["embedding.tokens"][tokens] + self.w["embedding.positions"][slots]
        for layer in range(LAYERS):
            prefix = f"layers.{layer}"
            normed = self.norm(f"{prefix}.attention_norm", x)
            x = x + self.attention(f"{prefix}.attention", normed, is_token, slots)
            inner = self.linear(f"{prefix}.feed_forward.expand", self.norm(f"{prefix}.feed_forward_norm", x))
            inner = self.activation(inner + self.w[f"{prefix}.feed_forward.expand_bias"])
            x = x + self.linear(f"{prefix}.feed_forward.contract", inner) + self.w[f"{prefix}.feed_forward.contract_bias"]
        x = self.norm("norm", x)
        return torch.stack([row[real].mean(dim=0) for row, real in zip(x, is_token)])

    def classify(self, encoded, pairs, covariates):
        """Logits (people): of each locus the sum and the product of a person's two vectors, an absent one being zero."""
        people = []
        for person in range(len(covariates)):
            features = []
            for vectors, of_people in zip(encoded, pairs):
                a, b = (vectors[row] if row < len(vectors) else torch.zeros(HIDDEN, dtype=torch.float64) for row in of_people[person])
                features += [a + b, a * b]
            people.append(torch.cat([*features, covariates[person]]))
        inner = F.gelu(torch.stack(people) @ self.w["head.hidden"] + self.w["head.hidden_bias"])
        return (inner @ self.w["head.output"].T + self.w["head.output_bias"])[:, 0]


def is_far_from_jumps(case):
    h = torch.cat([values.flatten() for values in case.hashed]).abs() if case.hashed else torch.tensor([0.5])
    return bool((h > JUMP).all() and ((h - 1.0).abs() > JUMP).all())


def write(name, axes, folder):
    rows = [[[None if id == "." else int(id) for id in row.split()] for row in locus] for locus in LOCI]
    tokens = [torch.tensor([[PAD if id is None else id for id in row] for row in locus]) for locus in rows]
    is_token = [torch.tensor([[id is not None for id in row] for row in locus]) for locus in rows]
    covariates, targets = torch.tensor(COVARIATE_ROWS).double(), torch.tensor(TARGETS).double()

    for seed in range(20200608, 20210608):
        case = Case(axes, seed)
        encoded = [case.encode(locus, tokens[locus], is_token[locus]) for locus in range(len(SLOTS))]
        if is_far_from_jumps(case):
            break
    else:
        sys.exit(f"{name}: every seed puts an input of the sign within {JUMP} of a jump")
    logits = case.classify(encoded, PAIRS, covariates)
    loss = F.binary_cross_entropy_with_logits(logits, targets)
    loss.backward()

    single = lambda tensor: np.ascontiguousarray(tensor.detach().numpy(), dtype=np.float32)
    arrays = {"covariates": single(covariates), "targets": single(targets), "logits": single(logits), "loss": single(loss.reshape(1))}
    for locus in range(len(SLOTS)):
        arrays[f"tokens/{locus}"] = tokens[locus].numpy().astype(np.uint32)
        arrays[f"mask/{locus}"] = is_token[locus].numpy().astype(np.uint8)
        arrays[f"pairs/{locus}"] = np.array(PAIRS[locus], dtype=np.uint32)
        arrays[f"encoded/{locus}"] = single(encoded[locus])
    for parameter, values in case.w.items():
        arrays[f"weights/{parameter}"] = single(values)
        arrays[f"gradients/{parameter}"] = single(values.grad)
    for buffer, values in case.buffers.items():
        arrays[f"weights/{buffer}"] = single(values)
    config = {
        "architecture": {**axes, "hidden": HIDDEN, "layers": LAYERS, "heads": HEADS, "projected_length": K, "feed_forward": FEED_FORWARD,
                         "hash_bits": BITS},
        "vocab_size": VOCAB,
        "loci": [{"name": f"locus {locus}", "n_slots": n} for locus, n in enumerate(SLOTS)],
        "n_covariates": COVARIATES,
    }
    path = os.path.join(folder, f"{name}.safetensors")
    save_file(arrays, path, metadata={"config": json.dumps(config)})  # one entry: several are written in any order
    print(path, os.path.getsize(path), "bytes, seed", seed, "loss", loss.item())


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, axes in CASES.items():
        write(name, axes, sys.argv[1])
