"""Logits and gradients of a Linformer classifier in PyTorch, for tests/model_contract.rs.

    python3 -m venv V; V/bin/pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0
    V/bin/python tests/oracles/linformer.py tests/fixtures/linformer_parity.safetensors

Written from the definitions, in plain float64 operations: the attention of Wang et al. (2020, arXiv 2006.04768, equation 7) with one E for
keys and values, pre-norm layers (Xiong et al. 2020, arXiv 2002.04745), exact GELU, a mean over real tokens. tests/fixtures/README.md says
what the file holds.
"""

import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

HIDDEN, HEADS, K, LAYERS, FEED_FORWARD, VOCAB, COVARIATES = 16, 4, 5, 2, 24, 20, 2
SLOTS = [13, 8]
CLS, SEP, PAD = 2, 3, 0

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


def parameters():
    """Random values for every parameter, gains and biases too, so that none is hidden behind a 0 or a 1."""
    torch.manual_seed(20200608)
    made = {}

    def add(name, shape, spread, centre=0.0):
        # Rounded to f32, which the other side has.
        made[name] = (centre + spread * torch.randn(shape)).float().double().requires_grad_()

    def norm(name):
        add(f"{name}.gamma", (HIDDEN,), 0.3, 1.0)
        add(f"{name}.beta", (HIDDEN,), 0.3)

    add("embedding.tokens", (VOCAB, HIDDEN), 1.0)
    add("embedding.positions", (sum(SLOTS), HIDDEN), 1.0)
    for layer in range(LAYERS):
        prefix = f"layers.{layer}"
        norm(f"{prefix}.attention_norm")
        for part in ["query", "key", "value", "output"]:
            add(f"{prefix}.attention.{part}", (HIDDEN, HIDDEN), HIDDEN**-0.5)
        add(f"{prefix}.attention.projection", (K, sum(SLOTS)), 0.5)
        add(f"{prefix}.attention.output_bias", (HIDDEN,), 0.3)
        norm(f"{prefix}.feed_forward_norm")
        add(f"{prefix}.feed_forward.expand", (HIDDEN, FEED_FORWARD), HIDDEN**-0.5)
        add(f"{prefix}.feed_forward.expand_bias", (FEED_FORWARD,), 0.3)
        add(f"{prefix}.feed_forward.contract", (FEED_FORWARD, HIDDEN), FEED_FORWARD**-0.5)
        add(f"{prefix}.feed_forward.contract_bias", (HIDDEN,), 0.3)
    norm("norm")
    n_features = 2 * HIDDEN * len(SLOTS) + COVARIATES
    add("head.hidden", (n_features, HIDDEN), n_features**-0.5)
    add("head.hidden_bias", (HIDDEN,), 0.3)
    add("head.output", (1, HIDDEN), HIDDEN**-0.5)
    add("head.output_bias", (1,), 0.3)
    return made


def norm(w, name, x):
    return F.layer_norm(x, (HIDDEN,), w[f"{name}.gamma"], w[f"{name}.beta"], eps=1e-5)


def linformer_attention(w, prefix, x, is_token, slots):
    """head_h = softmax(Q_h (E K_h)^T / sqrt(d)) (E V_h); rows of K and V at padding are zero."""
    keys = (x @ w[f"{prefix}.key"]).masked_fill(~is_token[..., None], 0.0)
    values = (x @ w[f"{prefix}.value"]).masked_fill(~is_token[..., None], 0.0)
    queries = x @ w[f"{prefix}.query"]
    e = w[f"{prefix}.projection"][:, slots]
    d = HIDDEN // HEADS
    heads = []
    for head in range(HEADS):
        columns = slice(head * d, (head + 1) * d)
        summary_keys = torch.einsum("kn,bnd->bkd", e, keys[..., columns])
        summary_values = torch.einsum("kn,bnd->bkd", e, values[..., columns])
        scores = torch.einsum("bnd,bkd->bnk", queries[..., columns], summary_keys) / math.sqrt(d)
        heads.append(torch.softmax(scores, dim=-1) @ summary_values)
    return torch.cat(heads, dim=-1) @ w[f"{prefix}.output"] + w[f"{prefix}.output_bias"]


def encode(w, locus, tokens, is_token):
    """(haplotypes, hidden): the mean over the tokens of each haplotype."""
    first = sum(SLOTS[:locus])
    slots = slice(first, first + SLOTS[locus])
    x = w["embedding.tokens"][tokens] + w["embedding.positions"][slots]
    for layer in range(LAYERS):
        prefix = f"layers.{layer}"
        x = x + linformer_attention(w, f"{prefix}.attention", norm(w, f"{prefix}.attention_norm", x), is_token, slots)
        inner = norm(w, f"{prefix}.feed_forward_norm", x) @ w[f"{prefix}.feed_forward.expand"] + w[f"{prefix}.feed_forward.expand_bias"]
        x = x + F.gelu(inner) @ w[f"{prefix}.feed_forward.contract"] + w[f"{prefix}.feed_forward.contract_bias"]
    x = norm(w, "norm", x)
    return torch.stack([row[real].mean(dim=0) for row, real in zip(x, is_token)])


def classify(w, encoded, pairs, covariates):
    """Logits (people): of each locus the sum and the product of a person's two vectors, an absent one being zero."""
    people = []
    for person in range(len(covariates)):
        features = []
        for vectors, of_people in zip(encoded, pairs):
            a, b = (vectors[row] if row < len(vectors) else torch.zeros(HIDDEN, dtype=torch.float64) for row in of_people[person])
            features += [a + b, a * b]
        people.append(torch.cat([*features, covariates[person]]))
    inner = F.gelu(torch.stack(people) @ w["head.hidden"] + w["head.hidden_bias"])
    return (inner @ w["head.output"].T + w["head.output_bias"])[:, 0]


def main(path):
    w = parameters()
    rows = [[[None if id == "." else int(id) for id in row.split()] for row in locus] for locus in LOCI]
    tokens = [torch.tensor([[PAD if id is None else id for id in row] for row in locus]) for locus in rows]
    is_token = [torch.tensor([[id is not None for id in row] for row in locus]) for locus in rows]
    covariates, targets = torch.tensor(COVARIATE_ROWS).double(), torch.tensor(TARGETS).double()

    encoded = [encode(w, locus, tokens[locus], is_token[locus]) for locus in range(len(SLOTS))]
    logits = classify(w, encoded, PAIRS, covariates)
    loss = F.binary_cross_entropy_with_logits(logits, targets)
    loss.backward()

    single = lambda tensor: np.ascontiguousarray(tensor.detach().numpy(), dtype=np.float32)
    arrays = {"covariates": single(covariates), "targets": single(targets), "logits": single(logits), "loss": single(loss.reshape(1))}
    for locus in range(len(SLOTS)):
        arrays[f"tokens/{locus}"] = tokens[locus].numpy().astype(np.uint32)
        arrays[f"mask/{locus}"] = is_token[locus].numpy().astype(np.uint8)
        arrays[f"pairs/{locus}"] = np.array(PAIRS[locus], dtype=np.uint32)
        arrays[f"encoded/{locus}"] = single(encoded[locus])
    for name, values in w.items():
        arrays[f"weights/{name}"] = single(values)
        arrays[f"gradients/{name}"] = single(values.grad)
    config = {
        "architecture": {"preset": "linformer", "hidden": HIDDEN, "layers": LAYERS, "heads": HEADS, "projected_length": K,
                         "feed_forward": FEED_FORWARD},
        "vocab_size": VOCAB,
        "loci": [{"name": f"locus {locus}", "n_slots": n} for locus, n in enumerate(SLOTS)],
        "n_covariates": COVARIATES,
    }
    save_file(arrays, path, metadata={"config": json.dumps(config), "made_by": f"tests/oracles/linformer.py, torch {torch.__version__}"})
    print(path, "loss", loss.item(), "logits", logits.tolist())


if __name__ == "__main__":
    main(sys.argv[1])
