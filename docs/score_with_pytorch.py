#!/usr/bin/env python3
"""Scores the people of a token folder with a model bundle in PyTorch: logits that `predictions.csv` of the bundle has, to 1e-4.

    pip install torch safetensors pandas
    docs/score_with_pytorch.py MODEL TOKENS COHORT.csv > logits.csv

Of one dense Linformer with GELU and without an additive term (`train --additive none`): pre-norm layers, a projection E for keys and values together, a mean
over tokens.
"""
import json, sys
import pandas as pd, torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file

model, tokens, cohort = sys.argv[1:]
config, w = json.load(open(f"{model}/config.json")), load_file(f"{model}/model.safetensors")
if any("terms" in member for member in config["members"]):
    sys.exit(f"{model}: this model has an additive term, which this script does not read; train with --additive none")
stored = load_file(f"{tokens}/tokens.safetensors")
samples = json.loads(safe_open(f"{tokens}/tokens.safetensors", "pt").metadata()["gf-genomics"])["samples"]
shape = config["model"]["architecture"]
hidden, heads = shape["hidden"], shape["heads"]
norm = lambda x, name: F.layer_norm(x, (hidden,), w[name + ".gamma"], w[name + ".beta"])
split = lambda x: x.unflatten(-1, (heads, -1)).transpose(1, 2)

features, first = [], 0
for number, locus in enumerate(config["model"]["loci"]):
    ids, slots = stored[f"{number:05}/tokens"].long(), slice(first, first + locus["n_slots"])
    is_token = (ids != 0).unsqueeze(-1)
    x = w["embedding.tokens"][ids] + w["embedding.positions"][slots]
    for layer in (f"layers.{i}." for i in range(shape["layers"])):
        y = norm(x, layer + "attention_norm") * is_token
        summaries = w[layer + "attention.projection"][:, slots] @ y
        q, k, v = (split(a @ w[f"{layer}attention.{b}"]) for a, b in ((y, "query"), (summaries, "key"), (summaries, "value")))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + mixed @ w[layer + "attention.output"] + w[layer + "attention.output_bias"]
        wide = F.gelu(norm(x, layer + "feed_forward_norm") @ w[layer + "feed_forward.expand"] + w[layer + "feed_forward.expand_bias"])
        x = x + wide @ w[layer + "feed_forward.contract"] + w[layer + "feed_forward.contract_bias"]
    rows = (norm(x, "norm") * is_token).sum(1) / is_token.sum(1).clamp(min=1)
    a, b = (torch.cat([rows, torch.zeros(1, hidden)])[one.long().clamp(max=len(rows))] for one in stored[f"{number:05}/pairs"].unbind(1))
    features += [a + b, a * b]
    first += locus["n_slots"]
people = pd.read_csv(cohort, dtype={"sample_id": str}).set_index("sample_id").loc[samples]
for covariate in config["covariates"]:
    values = torch.tensor(people[covariate["name"]].to_numpy(), dtype=torch.float32)
    features.append(((values - covariate["mean"]) / covariate["sd"]).unsqueeze(1))
logits = F.gelu(torch.cat(features, 1) @ w["head.hidden"] + w["head.hidden_bias"]) @ w["head.output"].T + w["head.output_bias"]
pd.DataFrame({"sample_id": samples, "logit": logits.squeeze(1).detach()}).to_csv(sys.stdout, index=False)
