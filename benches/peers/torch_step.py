"""One step of training, or one forward pass, of a Linformer or a Transformer in PyTorch: the peer of `benches/step.rs`.

Prints one line of JSON. The model is ours, in PyTorch's own modules and functions: pre-norm layers, exact GELU, one E for keys and values (E X is
computed once for both, as ours does), masked mean, AdamW with clipping. `--attention plain` writes the softmax out, `sdpa` uses PyTorch's fused one.
"""

import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.o = o
        self.query, self.key, self.value = (nn.Linear(o.hidden, o.hidden, bias=False) for _ in range(3))
        self.output = nn.Linear(o.hidden, o.hidden)
        if o.preset == "linformer":
            self.projection = nn.Parameter(torch.randn(o.k, o.tokens) / o.tokens**0.5)

    def heads(self, x):
        return x.view(x.shape[0], x.shape[1], self.o.heads, -1).transpose(1, 2)

    def forward(self, x):
        summaries = self.projection @ x if self.o.preset == "linformer" else x
        q, k, v = self.heads(self.query(x)), self.heads(self.key(summaries)), self.heads(self.value(summaries))
        if self.o.attention == "sdpa":
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, dim=-1) @ v
        return self.output(mixed.transpose(1, 2).reshape(x.shape))


class Layer(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(o.hidden), nn.LayerNorm(o.hidden)
        self.attention = Attention(o)
        self.feed_forward = nn.Sequential(nn.Linear(o.hidden, o.feed_forward), nn.GELU(), nn.Linear(o.feed_forward, o.hidden))

    def forward(self, x, mask):
        x = x + self.attention(self.attention_norm(x) * mask)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Classifier(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.tokens = nn.Embedding(o.vocabulary, o.hidden)
        self.positions = nn.Parameter(torch.randn(o.tokens, o.hidden))
        self.layers = nn.ModuleList(Layer(o) for _ in range(o.layers))
        self.norm = nn.LayerNorm(o.hidden)
        self.head = nn.Sequential(nn.Linear(2 * o.hidden, o.hidden), nn.GELU(), nn.Linear(o.hidden, 1))

    def encode(self, ids, mask):
        x = self.tokens(ids) + self.positions
        for layer in self.layers:
            x = layer(x, mask)
        return (self.norm(x) * mask).sum(1) / mask.sum(1)

    def forward(self, ids, mask):
        encoded = self.encode(ids, mask)
        other = encoded.roll(-1, 0)
        return self.head(torch.cat([encoded + other, encoded * other], -1)).squeeze(-1)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="linformer", choices=["linformer", "transformer"])
    parser.add_argument("--attention", default="plain", choices=["plain", "sdpa"])
    parser.add_argument("--mode", default="train", choices=["train", "infer"])
    parser.add_argument("--compile", action="store_true")
    for name, default in {"batch": 4, "tokens": 1024, "hidden": 256, "heads": 8, "layers": 4, "k": 128, "feed-forward": 0, "vocabulary": 1000, "steps": 5, "threads": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    o = parser.parse_args()
    o.feed_forward = o.feed_forward or 4 * o.hidden
    return o


def matmul_gflops(o):
    rows = o.batch * o.tokens
    x, w, dy = torch.rand(rows, o.hidden), torch.rand(o.hidden, 4 * o.hidden), torch.rand(rows, 4 * o.hidden)
    repeats = max(1, 200_000_000 // (rows * o.hidden**2))
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(repeats):
            x @ w, dy @ w.T, x.T @ dy
        best = min(best, time.perf_counter() - started)
    return 3 * repeats * 2 * rows * o.hidden * 4 * o.hidden / best / 1e9


def main():
    o = arguments()
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)
    model = Classifier(o)
    run = torch.compile(model) if o.compile else model
    ids = torch.arange(o.batch * o.tokens).mul(7919).remainder(o.vocabulary).view(o.batch, o.tokens)
    mask = torch.ones(o.batch, o.tokens, 1)
    targets = torch.arange(o.batch).remainder(2).float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05)

    def step():
        if o.mode == "infer":
            with torch.inference_mode():
                run(ids, mask)
            return
        optimizer.zero_grad(set_to_none=True)
        F.binary_cross_entropy_with_logits(run(ids, mask), targets).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    # torch.compile compiles in the first ones.
    for _ in range(3 if o.compile else 1):
        step()
    milliseconds = []
    for _ in range(o.steps):
        started = time.perf_counter()
        step()
        milliseconds.append((time.perf_counter() - started) * 1e3)
    print(json.dumps({
        "milliseconds_least": min(milliseconds),
        "milliseconds_median": statistics.median(milliseconds),
        "matmul_gflops": matmul_gflops(o),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))


if __name__ == "__main__":
    main()
