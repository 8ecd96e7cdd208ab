#!/usr/bin/env python3
"""Steps of training and forward passes beside PyTorch; Linformer beside softmax; low-rank beside dense; an epoch beside plain PyTorch.

    benches/peers/engine.py [--parts steps,length,rank] [--rounds 3] [--step BINARY]
    benches/peers/engine.py --parts epoch --tokens DIR --cohort cohort.csv --program gf-genomics [--epochs 24] [--torch-epochs 24] [--loop-epochs 2]

BINARY is what `cargo bench --bench step --no-run` builds (its path is printed). PyTorch comes from `install.sh`. Processes run in turn,
round after round; a figure is the least of all its steps, as other work on the machine only adds, and the median of all rounds stands beside it.
"""

import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
DEFAULT = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "gf-genomics" / "peers"
PYTHON = pathlib.Path(os.environ.get("GF_PEERS", DEFAULT)) / "bin" / "python"
# Operations of a step of training at the sizes of the `steps` part: 2 for each multiplication and addition, backwards twice the forward pass.
PER_TOKEN = lambda hidden, layers, k: layers * (2 * 2 * hidden**2 + 2 * 2 * hidden * 4 * hidden + 2 * k * hidden + 2 * 2 * k * hidden)
PER_SEQUENCE = lambda hidden, layers, k: layers * 2 * 2 * k * hidden**2


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def rounds(commands, n):
    """Runs each command once a round; the least milliseconds, the median of the rounds' medians, and the last answer of each."""
    answers = {name: [] for name in commands}
    for number in range(n):
        for name, command in commands.items():
            answers[name].append(run(command))
        print(f"round {number + 1}: " + ", ".join(f"{name} {answer[-1]['milliseconds_least']:.1f}" for name, answer in answers.items()), file=sys.stderr)
    result = {}
    for name, of in answers.items():
        least = min(answer["milliseconds_least"] for answer in of)
        median = statistics.median(answer["milliseconds_median"] for answer in of)
        result[name] = (least, median, max(answer["peak_mb"] for answer in of), max(answer["matmul_gflops"] for answer in of))
    return result


def steps(o):
    torch = [PYTHON, HERE / "torch_step.py"]
    print("| batch 4, 1,024 tokens, 8 heads, 4 layers, k 128, f32, 2 threads | ours, ms | PyTorch eager | eager, SDPA | `torch.compile` | best of PyTorch / ours | peak MB, ours / eager |")
    print("|---|---|---|---|---|---|---|")
    for hidden in [int(hidden) for hidden in o.widths.split(",")]:
        for mode in ["train", "infer"]:
            sizes = ["--hidden", hidden, "--mode", mode, "--steps", 7 if hidden == 256 else 21]
            commands = {
                "ours": [o.step, *sizes],
                "eager": [*torch, *sizes],
                "sdpa": [*torch, *sizes, "--attention", "sdpa"],
                "compile": [*torch, *sizes, "--compile"],
            }
            if o.no_compile:
                del commands["compile"]
            of = rounds(commands, o.rounds)
            cells = {name: f"{of[name][0]:.1f} ({of[name][1]:.1f})" if name in of else "" for name in ["ours", "eager", "sdpa", "compile"]}
            best = min(least for name, (least, *_) in of.items() if name != "ours")
            ours = of["ours"]
            print(f"| hidden {hidden}, {mode} | {cells['ours']} | {cells['eager']} | {cells['sdpa']} | {cells['compile']} | {best / ours[0]:.2f} | {ours[2]:.0f} / {of['eager'][2]:.0f} |", flush=True)
            if mode == "train":
                gflop = 3 * (4 * 1024 * PER_TOKEN(hidden, 4, 128) + 4 * PER_SEQUENCE(hidden, 4, 128)) / 1e9
                rate = gflop / ours[0] * 1e3
                print(f"hidden {hidden}: {gflop:.1f} GFLOP a step, {rate:.0f} GFLOP/s; matrix products alone {ours[3]:.0f} here ({rate / ours[3]:.0%}), {of['eager'][3]:.0f} in PyTorch", file=sys.stderr)


def length(o):
    """A forward pass over about 32,768 tokens, softmax beside Linformer: time and peak memory (without what the process has anyway)."""
    print("| n | softmax, ms | k=128, ms | ratio | k=256, ms | ratio | us a token, k=128 | MB: softmax, k=128, k=256 |\n|---|---|---|---|---|---|---|---|")
    for n in [int(n) for n in o.lengths.split(",")]:
        sizes = ["--mode", "infer", "--tokens", n, "--batch", max(1, o.tokens_at_a_time // n), "--hidden", o.hidden, "--heads", o.heads, "--layers", 2, "--matmul", 0, "--steps", 3 if n >= 8192 else 5]
        commands = {"softmax": [o.step, "--preset", "transformer", *sizes]}
        for k in [128, 256]:
            commands[k] = [o.step, "--preset", "linformer", "--sharing", "layerwise", "--k", k, *sizes]
        of = rounds(commands, o.rounds)
        tokens = n * max(1, o.tokens_at_a_time // n)
        ratio = {k: of["softmax"][0] / of[k][0] for k in [128, 256]}
        print(f"| {n:,} | {of['softmax'][0]:.1f} | {of[128][0]:.1f} | {ratio[128]:.1f} | {of[256][0]:.1f} | {ratio[256]:.1f} | {of[128][0] / tokens * 1e3:.2f} | {of['softmax'][2]:.0f}, {of[128][2]:.0f}, {of[256][2]:.0f} |", flush=True)


def rank(o):
    """Dense beside low-rank and Linformer, a forward pass of 4,096 tokens and a step of training: where each pays."""
    print("| hidden 256, n | Transformer: infer, train, ms | low-rank 0.25 | ratio | Linformer k=128 | ratio |\n|---|---|---|---|---|---|")
    for n in [64, 128, 256, 512, 1024, 2048]:
        sizes = ["--tokens", n, "--batch", 4096 // n, "--hidden", 256, "--layers", 4, "--matmul", 0, "--steps", 5]
        cells = {}
        for mode in ["infer", "train"]:
            models = {"dense": ["--preset", "transformer"], "rank": ["--preset", "low-rank-transformer", "--rank", 0.25], "linformer": ["--preset", "linformer", "--k", 128]}
            cells[mode] = rounds({name: [o.step, *axes, *sizes, "--mode", mode] for name, axes in models.items()}, o.rounds)
        pair = lambda name: ", ".join(f"{cells[mode][name][0]:.1f}" for mode in cells)
        ratio = lambda name: ", ".join(f"{cells[mode]['dense'][0] / cells[mode][name][0]:.2f}" for mode in cells)
        print(f"| {n:,} | {pair('dense')} | {pair('rank')} | {ratio('rank')} | {pair('linformer')} | {ratio('linformer')} |", flush=True)


def epoch(o):
    with tempfile.TemporaryDirectory() as folder:
        command = [o.program, "train", "--additive", "none", "--tokens", o.tokens, "--cohort", o.cohort, "--out", f"{folder}/model", "--epochs", o.epochs, "--patience", o.epochs, *o.options.split()]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        subprocess.run([o.program, "evaluate", "--predictions", f"{folder}/model/predictions.csv", "--out", f"{folder}/report"], check=True, capture_output=True)
        with open(f"{folder}/model/training_log.csv", newline="") as table:
            ours = [float(row["seconds"]) for row in csv.DictReader(table)]
        with open(f"{folder}/report/auc.csv", newline="") as table:
            auc = {row["split"]: float(row["auroc"]) for row in csv.DictReader(table)}
    plain = [PYTHON, HERE / "torch_epoch.py", "--tokens", o.tokens, "--cohort", o.cohort]
    torch = run([*plain, "--epochs", o.torch_epochs])
    loop = run([*plain, "--epochs", o.loop_epochs, "--one-at-a-time"])
    print("| | seconds an epoch (least, median) | of it steps | validation AUC | test AUC |\n|---|---|---|---|---|")
    spread = lambda seconds: f"{min(seconds):.2f}, {statistics.median(seconds):.2f}"
    print(f"| ours, {o.epochs} epochs | {spread(ours)} | | {auc['validation']:.3f} | {auc['test']:.3f} |")
    for name, of, n in [("every haplotype of a batch at once", torch, o.torch_epochs), ("one haplotype after the other", loop, o.loop_epochs)]:
        print(f"| PyTorch, {name}, {n} epochs | {spread(of['seconds'])} | {spread(of['seconds_of_steps'])} | {of['validation_auroc']:.3f} | {of['test_auroc']:.3f} |")
    for part in ["seconds", "seconds_of_steps"]:
        print(f"\nratios of the least {part} to ours: {min(torch[part]) / min(ours):.1f}, {min(loop[part]) / min(ours):.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="steps,length,rank")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--step", default="target/release/deps/step")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out (it needs a C++ compiler)")
    parser.add_argument("--tokens-at-a-time", type=int, default=32_768)
    parser.add_argument("--widths", default="256,64,32")
    parser.add_argument("--lengths", default="512,1024,2048,4096,8192,16384,32768")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--tokens")
    parser.add_argument("--cohort")
    parser.add_argument("--program", default="gf-genomics")
    parser.add_argument("--options", default="")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--torch-epochs", type=int, default=24)
    parser.add_argument("--loop-epochs", type=int, default=2)
    o = parser.parse_args()
    for part in o.parts.split(","):
        {"steps": steps, "length": length, "rank": rank, "epoch": epoch}[part](o)
        print()


if __name__ == "__main__":
    main()
