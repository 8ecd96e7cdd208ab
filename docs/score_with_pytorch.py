#!/usr/bin/env python3
"""Scores the samples of a token folder with a model bundle in PyTorch: logits that `predictions.csv` of the bundle has, to 1e-4.

    pip install torch safetensors pandas
    docs/score_with_pytorch.py MODEL TOKENS COHORT.csv > logits.csv

For a bundle of one member whose networks are dense Linformers with GELU: pre-norm layers, one projection E for keys and values, a mean
over tokens. With an additive term (the default of `train`) the logit is the additive term plus the weighted deep terms.
"""
import json, sys
import pandas as pd, torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file

UNKNOWN = 1  # the token [UNK]

model, tokens, cohort = sys.argv[1:]
config, w = json.load(open(f"{model}/config.json")), load_file(f"{model}/model.safetensors")
if len(config["members"]) != 1:
    sys.exit(f"{model}: this script reads bundles of one member, and this one has {len(config['members'])}: train without --folds and --ensemble")
stored = load_file(f"{tokens}/tokens.safetensors")
samples = json.loads(safe_open(f"{tokens}/tokens.safetensors", "pt").metadata()["gf-genomics"])["samples"]
shape = config["model"]["architecture"]
read = {"attention": "linformer", "sharing": "key-value", "projection": "learned", "rank": None, "convolution": False, "activation": "gelu"}
for key, value in read.items():
    if shape.get(key) != value:
        sys.exit(f"{model}: this script reads models whose {key} is {value}, and this one has {shape.get(key)}")
hidden, heads = shape["hidden"], shape["heads"]
all_loci = config["model"]["loci"]
split = lambda x: x.unflatten(-1, (heads, -1)).transpose(1, 2)


def rows_of(locus):
    return stored[f"{locus:05}/tokens"].long()


def both(values, locus):
    """The values of the two haplotypes of each sample; zero where one is absent."""
    absent = torch.zeros(1, *values.shape[1:], dtype=values.dtype)
    with_absent = torch.cat([values, absent])
    return [with_absent[one.long().clamp(max=len(values))] for one in stored[f"{locus:05}/pairs"].unbind(1)]


def network(prefix, loci, number_of, covariates):
    """Logits of one network over some loci; `number_of` has its own number of each token of the tokenizer."""
    p = lambda name: w[prefix + name]
    norm = lambda x, name: F.layer_norm(x, (hidden,), p(name + ".gamma"), p(name + ".beta"))
    features, first = [], 0
    for locus in loci:
        ids, slots = rows_of(locus), slice(first, first + all_loci[locus]["n_slots"])
        is_token = (ids != 0).unsqueeze(-1)
        x = p("embedding.tokens")[number_of[ids]] + p("embedding.positions")[slots]
        for layer in (f"layers.{i}." for i in range(shape["layers"])):
            y = norm(x, layer + "attention_norm") * is_token
            summaries = p(layer + "attention.projection")[:, slots] @ y
            q, k, v = (split(a @ p(f"{layer}attention.{b}")) for a, b in ((y, "query"), (summaries, "key"), (summaries, "value")))
            mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            x = x + mixed @ p(layer + "attention.output") + p(layer + "attention.output_bias")
            wide = F.gelu(norm(x, layer + "feed_forward_norm") @ p(layer + "feed_forward.expand") + p(layer + "feed_forward.expand_bias"))
            x = x + wide @ p(layer + "feed_forward.contract") + p(layer + "feed_forward.contract_bias")
        encoded = (norm(x, "norm") * is_token).sum(1) / is_token.sum(1).clamp(min=1)
        a, b = both(encoded, locus)
        features += [a + b, a * b]
        first += all_loci[locus]["n_slots"]
    features = torch.cat(features + covariates, 1)
    return (F.gelu(features @ p("head.hidden") + p("head.hidden_bias")) @ p("head.output").T + p("head.output_bias")).squeeze(1)


def additive(covariates):
    """Logits of the additive term: an intercept, covariates, and a weight for each copy of a version of a slot."""
    versions, weights = w["additive.versions"].long(), w["additive.weights"].double()
    logits = w["additive.intercept"].double().expand(len(samples))
    if covariates:
        logits = logits + torch.cat(covariates, 1).double() @ w["additive.covariates"].double()
    for locus in range(len(all_loci)):
        of_locus = versions[:, 0] == locus
        has_version = rows_of(locus)[:, versions[of_locus, 1]] == versions[of_locus, 2]
        a, b = both(has_version.double() @ weights[of_locus], locus)
        logits = logits + a + b
    return logits


people = pd.read_csv(cohort, dtype={"sample_id": str}).set_index("sample_id").loc[samples]
covariates = []
for covariate in config["covariates"]:
    values = torch.tensor(people[covariate["name"]].to_numpy(), dtype=torch.float32)
    covariates.append(((values - covariate["mean"]) / covariate["sd"]).unsqueeze(1))
terms = config["members"][0].get("terms")
if terms is None:
    logits = network("", range(len(all_loci)), torch.arange(config["model"]["vocab_size"]), covariates)
else:
    logits = additive(covariates)
    for number, term in enumerate(terms):
        number_of = torch.full((config["model"]["vocab_size"],), UNKNOWN)
        number_of[torch.tensor(term["tokens"])] = torch.arange(len(term["tokens"]))
        networks = [network(f"terms.{number}.{i}.", term["loci"], number_of, []) for i in range(term.get("networks", 1))]
        logits = logits + term["weight"] * torch.stack(networks).double().mean(0)
pd.DataFrame({"sample_id": samples, "logit": logits.detach()}).to_csv(sys.stdout, index=False)
