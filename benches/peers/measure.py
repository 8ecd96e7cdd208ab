"""Whole processes, timed: wall seconds, CPU seconds, peak memory. Only the standard library."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Measured:
    """The runs of one command."""

    what: str
    command: list[str]
    # What a run has to say of itself: its standard output, or what it wrote.
    answer: Callable[[], str] | None = None
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def peak(self) -> float:
        return max(self.peak_mb)

    def run_once(self) -> None:
        with tempfile.NamedTemporaryFile("r") as usage:
            # Not through our own child: a process that Python starts counts Python's memory as its own peak.
            timed = ["/usr/bin/time", "-f", "%U %S %M", "-o", usage.name, *self.command]
            started = time.perf_counter()
            done = subprocess.run(timed, capture_output=True, text=True)
            self.seconds.append(time.perf_counter() - started)
            if done.returncode != 0:
                sys.exit(f"{' '.join(self.command)}\n{done.stderr}")
            user, system, peak_kb = usage.read().split()
        self.cpu_seconds.append(float(user) + float(system))
        self.peak_mb.append(int(peak_kb) / 1024)
        self.said.append(self.answer() if self.answer else done.stdout)


def measure(rows: list[Measured], runs: int) -> None:
    """One run of each that does not count, then rounds of one run of each, so that what else the machine does falls on all of them."""
    for row in rows:
        row.run_once()
        for values in (row.seconds, row.cpu_seconds, row.peak_mb, row.said):
            values.clear()
    for number in range(runs):
        for row in rows:
            row.run_once()
        print(f"round {number + 1} of {runs}: " + ", ".join(f"{row.seconds[-1]:.2f}" for row in rows), file=sys.stderr)


def print_table(rows: list[Measured]) -> None:
    print("| whole process | median s | range s | CPU s | peak MB |\n|---|---|---|---|---|")
    for row in rows:
        low, high = min(row.seconds), max(row.seconds)
        print(f"| {row.what} | {row.median:.2f} | {low:.2f} to {high:.2f} | {statistics.median(row.cpu_seconds):.2f} | {row.peak:.0f} |")
    print()


def print_ratios(ratios: list[tuple[str, float, str]]) -> None:
    print("| ratio | found | wanted |\n|---|---|---|")
    for what, found, wanted in ratios:
        print(f"| {what} | {found:.2f} | {wanted} |")
    print()


def first_line(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def print_machine() -> None:
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    print(f"{len(os.sched_getaffinity(0))} cores of {model}; load {os.getloadavg()[0]:.1f} at the start; bcftools {first_line('bcftools', '--version').split()[1]}\n")


def need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        sys.exit(f"not found: {', '.join(missing)}; run benches/peers/install.sh")


def peers_python() -> str:
    """Python of the environment that install.sh made."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gf-genomics" / "peers"
    python = Path(os.environ.get("GF_PEERS", default)) / "bin" / "python"
    if not python.exists():
        sys.exit(f"{python} not found; run benches/peers/install.sh, or set GF_PEERS")
    return str(python)


class Cohort:
    """A cohort of `simulate` in a folder; made when it is not there yet."""

    def __init__(self, gf: str, folder: Path, people: int, variants: int) -> None:
        self.people, self.variants = people, variants
        self.folder = folder / f"{people}x{variants}"
        self.vcf, self.bcf = self.folder / "cohort.vcf.gz", self.folder / "cohort.bcf"
        self.reference, self.loci = self.folder / "reference.fa", self.folder / "loci.bed"
        if not self.bcf.with_suffix(".bcf.csi").exists():
            options = ["--people", str(people), "--variants", str(variants), "--risk", "null", "--out", str(self.folder)]
            subprocess.run([gf, "simulate", *options], check=True, stderr=subprocess.DEVNULL)
            subprocess.run(["bcftools", "view", "-Ob", "-o", self.bcf, self.vcf], check=True)
            subprocess.run(["bcftools", "index", "-f", self.bcf], check=True)
        self.vcf_mb = self.vcf.stat().st_size / 1e6
        self.bcf_mb = self.bcf.stat().st_size / 1e6

    def text_mb(self) -> float:
        """Size of the VCF as text."""
        with subprocess.Popen(["bgzip", "-dc", self.vcf], stdout=subprocess.PIPE) as child:
            return sum(len(block) for block in iter(lambda: child.stdout.read(1 << 20), b"")) / 1e6

    def genomes(self, variants: Path) -> list[str]:
        return ["--vcf", str(variants), "--reference", str(self.reference), "--regions-file", str(self.loci)]
