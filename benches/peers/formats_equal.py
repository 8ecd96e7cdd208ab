#!/usr/bin/env python3
"""Haplotypes and scores from BCF, PGEN and BGEN compared with those from the VCF.

cargo build --release && benches/peers/formats_equal.py --data FOLDER [--gf BINARY] [--work DIR]

Prints Markdown, writes docs/results/genotype-formats-equal.csv (--csv), and exits with 1 if
anything differs. FOLDER has the real data (default: shared/data next to the repository).

Compared are the SHA-256 of every sample, locus and haplotype, and the raw sums of a score of all
variants. bcftools writes BCF. plink2 writes PGEN, BGEN 1.2 (8 bits, zlib, REF first) and BGEN 1.3
(16 bits, zstd, REF last). A BGEN of several ALT alleles is written by this script, because plink2
writes only two alleles.
"""

import argparse
import csv
import hashlib
import random
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from measure import first_line, need

ROOT = Path(__file__).parents[2]
PLINK2 = ["plink2", "--allow-extra-chr", "--threads", "2", "--memory", "2000"]
COLUMNS = ["Data", "Samples", "Variants", "Loci", "Formats", "Compared with",
           "Haplotypes (equal of all)", "Scores (equal of all)"]
FORMATS = COLUMNS.index("Formats")
SAMPLE_COLUMN = 9


@dataclass
class Case:
    """A VCF with its reference and loci, and how it is read."""

    name: str
    vcf: Path
    fasta: Path
    loci: list[str]
    # Sexes for plink2, which stores males on X as haploid.
    psam: Path | None = None
    # Options of `sequences` under which calls without an order are the same in both files.
    pgen_policy: list[str] = field(default_factory=list)
    bgen_policy: list[str] = field(default_factory=list)
    # PGEN has no ploidy: plink2 stores a haploid call as two equal alleles. They are read as one on
    # MT, but not on X, where only the sex tells the ploidy.
    has_haploid_calls: bool = False
    # plink2 writes a heterozygote without order as two probabilities near one half into a BGEN
    # variant with some phase.
    has_rounded_sums: bool = False
    # A phase set is a part of the call that PGEN and BGEN cannot store.
    has_phase_sets: bool = False
    writes_own_bgen: bool = False
    # A plink2 name of the build, for the pseudo-autosomal regions.
    split_par: str = ""


@dataclass
class Comparison:
    """One format of a case."""

    format: str
    genotypes: Path
    vcf: Path
    policy: list[str]
    compared_with: str
    # Bits of a probability, if the sums are rounded.
    rounded_bits: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gf", default=str(ROOT / "target/release/gf-genomics"), help="our binary")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--work", type=Path, help="folder of the converted files, kept")
    parser.add_argument("--csv", type=Path,
                        default=ROOT / "docs/results/genotype-formats-equal.csv")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    need("plink2", "bcftools", "bgzip", options.gf)
    print(f"# Haplotypes and scores by genotype format\n\n{first_line(options.gf, '--version')}; "
          f"{first_line('plink2', '--version')}; {first_line('bcftools', '--version')}\n")
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        rows = []
        for case in [*real_cases(options.data, work), *synthetic_cases(work)]:
            if options.only in case.name:
                rows += merged(compare_formats(options.gf, work, case))
    if not options.only:
        write_csv(options.csv, rows)
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    different = [row for row in rows if not all(map(is_whole, row[-2:]))]
    sys.exit(f"{len(different)} rows differ" if different else 0)


def is_whole(counts: str) -> bool:
    equal, everything = counts.split(" of ")
    return equal == everything


def merged(rows: list[list[str]]) -> list[list[str]]:
    """Formats with the same counts in one row."""
    formats: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        key = (*row[:FORMATS], *row[FORMATS + 1:])
        formats.setdefault(key, []).append(row[FORMATS])
    return [[*key[:FORMATS], "; ".join(names), *key[FORMATS:]] for key, names in formats.items()]


def write_csv(path: Path, rows: list[list[str]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


# Cases


def real_cases(data: Path, work: Path) -> list[Case]:
    """The panels of the folder of real data that are there."""
    chr20, apoe = data / "chr20", data / "apoe"
    chr22_vcf = data / "vcf-various/1kg-phase3.chr22_16-16.5Mb.2504.grch37.vcf.gz"
    # PGEN and BGEN change the order of unphased alleles; a BGEN of a variant with some phase has
    # them as missing.
    iupac = ["--unphased", "iupac", "--missing", "N"]
    as_reference = ["--unphased", "ref", "--missing", "ref"]
    mega_base = chr20 / "chr20_1000001_2000000.grch37.fa"
    cases = [
        Case("win33k", chr20 / "win33k_A.300.grch37.vcf.gz", chr20 / "win33k_A.grch37.fa",
             ["20\t1497500\t1530500"]),
        Case("panel300", chr20 / "panel300.chr20_1-2Mb.grch37.vcf.gz", mega_base,
             random_loci("20", 1_000_000, 2_000_000, 50, 33_000)),
        Case("APOE, GRCh38", apoe / "apoe_gene.776.grch38.vcf.gz", apoe / "apoe_grch38.fa",
             ["chr19\t44905753\t44909681"]),
        Case("APOE, GRCh37", apoe / "apoe_gene.776.grch37.vcf.gz", apoe / "apoe_grch37.fa",
             ["19\t45409010\t45412938"]),
        Case("APOE exon 4", apoe / "haptools_apoe_exon4.2504.grch37.vcf.gz",
             apoe / "apoe_grch37.fa", ["19\t45409010\t45412938"]),
        Case("1000 Genomes chr22, REF alleles as the reference", chr22_vcf, work / "chr22.fa",
             random_loci("22", 16_050_000, 16_500_000, 10, 33_000)),
    ]
    for name, file in [("SHAPEIT4 scaffold (mixed phase, missing)", "shapeit4_scaffold"),
                       ("SHAPEIT4 input (mixed phase)", "shapeit4_unphased")]:
        source = chr20 / f"{file}.203.chr20_1-4Mb.grch37.vcf.gz"
        cases.append(Case(name, work / f"{file}.vcf.gz", mega_base,
                          random_loci("20", 1_000_000, 2_000_000, 10, 33_000),
                          pgen_policy=iupac, bgen_policy=as_reference, has_rounded_sums=True))
        if source.exists():
            # The reference has a part of the contig only.
            bcftools(["view", "-t", "20:1000001-1990000", "-Oz", "-o", str(cases[-1].vcf),
                      str(source)])
    if chr22_vcf.exists():
        write_reference_of(chr22_vcf, work / "chr22.fa")
    for case in cases:
        if not case.vcf.exists():
            print(f"skipped: {case.name}, no {case.vcf}\n")
    return [case for case in cases if case.vcf.exists()]


def random_loci(contig: str, start0: int, end0: int, count: int, length: int) -> list[str]:
    chosen = random.Random(7)
    starts = sorted(chosen.randrange(start0, end0 - length) for _ in range(count))
    return [f"{contig}\t{start}\t{start + length}" for start in starts]


def write_reference_of(vcf: Path, fasta: Path) -> None:
    """A reference with REF of every record, and `A` elsewhere."""
    text = subprocess.run(["bcftools", "query", "-f", "%CHROM\t%POS\t%REF\n", str(vcf)],
                          check=True, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in text.splitlines()]
    begin = int(rows[0][1]) // 1000 * 1000 + 1
    bases = bytearray(b"A" * 600_000)
    for _, position, ref in rows:
        start = int(position) - begin
        bases[start:start + len(ref)] = ref.encode()
    name = f"{rows[0][0]}:{begin}-{begin + len(bases) - 1}"
    fasta.write_text(f">{name}\n{bases.decode()}\n")


def synthetic_cases(work: Path) -> list[Case]:
    """Small VCF files of calls that the panels do not have."""
    iupac = ["--unphased", "iupac", "--missing", "N"]
    as_reference = ["--unphased", "ref", "--missing", "ref"]
    males = work / "males.psam"
    males.write_text("#IID\tSEX\n" + "".join(f"S{i}\t{i % 2 + 1}\n" for i in range(40)))
    half_missing = ["--missing", "N"]
    return [
        synthetic(work, "SNVs and indels", "20", 1_000_001, phased_call),
        synthetic(work, "multiallelic SNVs and indels", "20", 1_000_001, phased_call, n_alts=4,
                  writes_own_bgen=True),
        synthetic(work, "missing", "20", 1_000_001, phased_or_missing_call,
                  pgen_policy=half_missing, bgen_policy=half_missing),
        synthetic(work, "mixed phase", "20", 1_000_001, mixed_call, pgen_policy=iupac,
                  bgen_policy=as_reference, has_rounded_sums=True),
        synthetic(work, "multiallelic, mixed phase, missing", "20", 1_000_001, mixed_call,
                  n_alts=4, pgen_policy=iupac, bgen_policy=as_reference, has_rounded_sums=True),
        synthetic(work, "phase sets", "20", 1_000_001, phased_call, has_phase_sets=True),
        synthetic(work, "X, males haploid", "X", 5_000_001, x_call, psam=males,
                  has_haploid_calls=True, writes_own_bgen=True),
        synthetic(work, "X, multiallelic, males haploid", "X", 5_000_001, x_call, psam=males,
                  n_alts=3, has_haploid_calls=True, writes_own_bgen=True),
        synthetic(work, "X, PAR1", "X", 1_000_001, phased_call, psam=males, split_par="b37"),
        synthetic(work, "MT, haploid", "MT", 1, haploid_call, psam=males,
                  writes_own_bgen=True),
        synthetic(work, "MT, multiallelic, haploid", "MT", 1, haploid_call, psam=males, n_alts=3,
                  writes_own_bgen=True),
    ]


Call = Callable[[random.Random, int, int], str]


def phased_call(chosen: random.Random, n_alleles: int, _sample: int) -> str:
    return f"{chosen.randrange(n_alleles)}|{chosen.randrange(n_alleles)}"


def phased_or_missing_call(chosen: random.Random, n_alleles: int, sample: int) -> str:
    return ".|." if chosen.random() < 0.1 else phased_call(chosen, n_alleles, sample)


def mixed_call(chosen: random.Random, n_alleles: int, sample: int) -> str:
    call = phased_or_missing_call(chosen, n_alleles, sample)
    return call if chosen.random() < 0.5 else call.replace("|", "/")


def haploid_call(chosen: random.Random, n_alleles: int, _sample: int) -> str:
    return "." if chosen.random() < 0.05 else str(chosen.randrange(n_alleles))


def x_call(chosen: random.Random, n_alleles: int, sample: int) -> str:
    is_male = sample % 2 == 0
    call = haploid_call if is_male else phased_or_missing_call
    return call(chosen, n_alleles, sample)


def synthetic(work: Path, name: str, contig: str, begin: int, call: Call, n_alts: int = 1,
              **options) -> Case:
    """40 samples, 3,000 nt and a variant every 10 to 30 nt; deletions can overlap others."""
    chosen = random.Random(name)
    bases = "".join(chosen.choice("ACGT") for _ in range(3000))
    stem = work / name.replace(" ", "-").replace(",", "").replace(":", "")
    fasta, vcf = stem.with_suffix(".fa"), stem.with_suffix(".vcf")
    fasta.write_text(f">{contig}:{begin}-{begin + len(bases) - 1}\n{bases}\n")
    has_phase_sets = options.get("has_phase_sets", False)
    lines = ["##fileformat=VCFv4.2", f"##contig=<ID={contig}>",
             '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
             '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="Phase set">',
             "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"
             + "\t".join(f"S{sample}" for sample in range(40))]
    start = 20
    while start < len(bases) - 40:
        ref, alts = alleles_at(chosen, bases, start, n_alts)
        position = begin + start
        calls = [call(chosen, len(alts) + 1, sample) for sample in range(40)]
        phase_set = begin + 20 if start < 1500 else begin + 1500
        if has_phase_sets:
            calls = [f"{value}:{phase_set}" for value in calls]
        form = "GT:PS" if has_phase_sets else "GT"
        lines.append(f"{contig}\t{position}\tv{position}\t{ref}\t{','.join(alts)}\t.\tPASS\t.\t"
                     f"{form}\t" + "\t".join(calls))
        start += chosen.randrange(10, 30)
    vcf.write_text("\n".join(lines) + "\n")
    loci = [f"{contig}\t{begin - 1 + first}\t{begin - 1 + first + 1000}"
            for first in (0, 700, 1300, 2000)]
    return Case(f"synthetic: {name}", vcf, fasta, loci, **options)


def alleles_at(chosen: random.Random, bases: str, start: int,
               n_alts: int) -> tuple[str, list[str]]:
    """REF of 1 to 25 bases and ALT alleles: substitutions, insertions, deletions."""
    ref = bases[start:start + chosen.choice([1, 1, 1, 1, 2, 4, 25])]
    alts: list[str] = []
    wanted = chosen.randint(1, n_alts)
    while len(alts) < wanted:
        inserted = "".join(chosen.choice("ACGT") for _ in range(chosen.randint(1, 6)))
        other = chosen.choice("ACGT".replace(ref[0], ""))
        alt = chosen.choice([other + ref[1:], ref[0], ref[0] + inserted + ref[1:]])
        if alt != ref and alt not in alts:
            alts.append(alt)
    return ref, alts


# Conversion


def bcftools(arguments: list[str]) -> None:
    subprocess.run(["bcftools", *arguments], check=True, stderr=subprocess.DEVNULL)


def plink2(arguments: list[str]) -> None:
    done = subprocess.run([*PLINK2, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"plink2 {' '.join(arguments)}\n{done.stdout}{done.stderr}")


def compare_formats(gf: str, work: Path, case: Case) -> list[list[str]]:
    folder = work / hashlib.sha256(case.name.encode()).hexdigest()[:12]
    folder.mkdir(exist_ok=True)
    (folder / "loci.bed").write_text("".join(
        f"{locus}\tL{index}\n" for index, locus in enumerate(case.loci)))
    rows = []
    of_vcf = {}
    for comparison in comparisons(folder, case):
        print(f"{case.name}: {comparison.format}", file=sys.stderr)
        key = (comparison.vcf, *comparison.policy)
        score = folder / "score.txt"
        write_score(comparison.vcf, score)
        if key not in of_vcf:
            of_vcf[key] = results(gf, folder, case, comparison.vcf, comparison.policy, score)
        found = results(gf, folder, case, comparison.genotypes, comparison.policy, score)
        rows.append(row(case, comparison, of_vcf[key], found))
    return rows


def comparisons(folder: Path, case: Case) -> list[Comparison]:
    """The case in every format, each with the VCF that it has to equal."""
    bcf = folder / "x.bcf"
    bcftools(["view", "-Ob", "-o", str(bcf), str(case.vcf)])
    vcf, note = case.vcf, "the VCF"
    if case.has_phase_sets:
        vcf, note = folder / "without-ps.vcf", "the VCF without PS"
        bcftools(["annotate", "-x", "FORMAT/PS", "-o", str(vcf), str(case.vcf)])
    sexes = ["--psam", str(case.psam)] if case.psam else []
    par = ["--split-par", case.split_par] if case.split_par else []
    plink2(["--vcf", str(case.vcf), *sexes, *par, "--make-pgen", "--out", str(folder / "p")])
    pgen_vcf, pgen_note = vcf, note
    if case.has_haploid_calls:
        pgen_vcf, pgen_note = folder / "doubled.vcf", f"{note} with haploid calls doubled"
        double_haploid_calls(vcf, pgen_vcf)
    return [
        Comparison("BCF", bcf, case.vcf, case.pgen_policy, noted("the VCF", case.pgen_policy)),
        Comparison("PGEN", folder / "p.pgen", pgen_vcf, case.pgen_policy,
                   noted(pgen_note, case.pgen_policy)),
        round_trip(folder, case),
        *bgen_comparisons(folder, case, vcf, note),
    ]


def double_haploid_calls(vcf: Path, doubled: Path) -> None:
    header = subprocess.run(["bcftools", "view", "-h", str(vcf)], check=True,
                            capture_output=True, text=True).stdout
    lines = []
    for columns in records(vcf):
        calls = [call if "|" in call or "/" in call else f"{call}|{call}"
                 for call in columns[SAMPLE_COLUMN:]]
        lines.append("\t".join([*columns[:SAMPLE_COLUMN], *calls]) + "\n")
    doubled.write_text(header + "".join(lines))


def noted(what: str, policy: list[str]) -> str:
    return f"{what}, `{' '.join(policy)}`" if policy else what


def round_trip(folder: Path, case: Case) -> Comparison:
    """The VCF that plink2 exports from the PGEN, which has its order of unphased alleles."""
    plink2(["--pfile", str(folder / "p"), "--export", "vcf", "--out", str(folder / "trip")])
    exported, note = folder / "trip.vcf", "`plink2 --export vcf` of the PGEN"
    if case.has_haploid_calls:
        exported, note = folder / "trip-doubled.vcf", f"{note} with haploid calls doubled"
        double_haploid_calls(folder / "trip.vcf", exported)
    policy = case.pgen_policy
    if "--unphased" in policy:
        policy = ["--unphased", "gt-order", *dropped(policy, "--unphased")]
    return Comparison("PGEN", folder / "p.pgen", exported, policy, noted(note, policy))


def dropped(policy: list[str], option: str) -> list[str]:
    pairs = zip(policy[::2], policy[1::2])
    return [word for pair in pairs if pair[0] != option for word in pair]


def bgen_comparisons(folder: Path, case: Case, vcf: Path, note: str) -> list[Comparison]:
    biallelic, pfile = vcf, folder / "p"
    if has_multiallelic(vcf):
        biallelic, pfile = folder / "biallelic.vcf", folder / "biallelic"
        note = "the VCF without multiallelic records"
        bcftools(["view", "-M2", "-o", str(biallelic), str(vcf)])
        plink2(["--pfile", str(folder / "p"), "--max-alleles", "2", "--make-pgen",
                "--out", str(pfile)])
    found = []
    for name, export, bits in [
        ("BGEN 8 bits", ["bgen-1.2", "bits=8", "ref-first"], 8),
        ("BGEN 16 bits", ["bgen-1.3", "bits=16"], 16),
    ]:
        if variant_count(biallelic) == 0:
            continue
        plink2(["--pfile", str(pfile), "--export", *export, "--out", str(folder / f"b{bits}")])
        found.append(Comparison(name, folder / f"b{bits}.bgen", biallelic, case.bgen_policy,
                                noted(note, case.bgen_policy),
                                bits if case.has_rounded_sums else 0))
    if case.writes_own_bgen:
        own = folder / "own.bgen"
        own.write_bytes(bgen_of(vcf))
        found.append(Comparison("BGEN of the script", own, vcf, case.bgen_policy,
                                noted("the VCF", case.bgen_policy)))
    return found


def records(vcf: Path) -> list[list[str]]:
    text = subprocess.run(["bcftools", "view", "--no-version", "-H", str(vcf)],
                          check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in text.splitlines()]


def query(vcf: Path, form: str) -> list[str]:
    return subprocess.run(["bcftools", "query", "-f", form, str(vcf)], check=True,
                          capture_output=True, text=True).stdout.splitlines()


def has_multiallelic(vcf: Path) -> bool:
    return any("," in alts for alts in query(vcf, "%ALT\n"))


def variant_count(vcf: Path) -> int:
    return len(query(vcf, "%POS\n"))


def bgen_of(vcf: Path) -> bytes:
    """A phased BGEN 1.2 with 8 bits: any number of alleles, haploid and missing calls."""
    samples = subprocess.run(["bcftools", "query", "-l", str(vcf)], check=True,
                             capture_output=True, text=True).stdout.split()
    names = b"".join(text16(name) for name in samples)
    rows = records(vcf)
    header = struct.pack("<IIII", 28 + len(names), 20, len(rows), len(samples)) + b"bgen"
    block = struct.pack("<III", 1 | 2 << 2 | 1 << 31, 8 + len(names), len(samples)) + names
    return header + block + b"".join(bgen_record(row) for row in rows)


def text16(text: str) -> bytes:
    return struct.pack("<H", len(text)) + text.encode()


def bgen_record(columns: list[str]) -> bytes:
    contig, position, name, ref, alts = columns[:5]
    alleles = [ref, *alts.split(",")]
    ploidies, probabilities = bytearray(), bytearray()
    for call in columns[SAMPLE_COLUMN:]:
        haplotypes = call.split(":")[0].split("|")
        is_missing = "." in haplotypes
        ploidies.append(len(haplotypes) | (0x80 if is_missing else 0))
        for allele in haplotypes:
            stored = [0] * (len(alleles) - 1)
            if not is_missing and int(allele) < len(stored):
                stored[int(allele)] = 255
            probabilities += bytes(stored)
    sizes = [ploidy & 0x3F for ploidy in ploidies]
    data = struct.pack("<IHBB", len(sizes), len(alleles), min(sizes), max(sizes))
    data += bytes(ploidies) + bytes([1, 8]) + bytes(probabilities)
    packed = zlib.compress(data)
    site = text16(name) + text16(name) + text16(contig)
    site += struct.pack("<IH", int(position), len(alleles))
    site += b"".join(struct.pack("<I", len(allele)) + allele.encode() for allele in alleles)
    return site + struct.pack("<II", len(packed) + 4, len(data)) + packed


# Results


def write_score(vcf: Path, path: Path) -> None:
    """A weight for every ALT allele of bases."""
    lines = ["chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight"]
    for row in query(vcf, "%CHROM\t%POS\t%REF\t%ALT\n"):
        contig, position, ref, alts = row.split("\t")
        for alt in alts.split(","):
            if alt.isalpha():
                weight = 0.1 + 0.01 * (len(lines) % 17)
                lines.append(f"{contig}\t{position}\t{alt}\t{ref}\t{weight:.2f}")
    path.write_text("\n".join(lines) + "\n")


@dataclass
class Results:
    haplotypes: dict[str, str]
    sums: dict[str, str]
    # The sum of all weights.
    weights: float


def results(gf: str, folder: Path, case: Case, genotypes: Path, policy: list[str],
            score: Path) -> Results:
    inputs = ["--genotypes", str(genotypes), "--reference", str(case.fasta)]
    weights = sum(float(line.split("\t")[4]) for line in score.read_text().splitlines()[1:])
    return Results(haplotypes(gf, folder, inputs, policy), score_sums(gf, folder, inputs, score),
                   weights)


def haplotypes(gf: str, folder: Path, inputs: list[str], policy: list[str]) -> dict[str, str]:
    """The SHA-256 of each haplotype, by `sample locus haplotype`."""
    command = [gf, "sequences", *inputs, "--regions-file", str(folder / "loci.bed"), *policy,
               "-o", "-"]
    digests: dict[str, hashlib._Hash] = {}
    current = hashlib.sha256()
    log = folder / "sequences.log"
    with open(log, "w") as errors, subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors) as child:
        for line in child.stdout:
            if line.startswith(b">"):
                current = hashlib.sha256()
                digests[line[1:].decode().strip()] = current
            else:
                current.update(line.rstrip(b"\n"))
    if child.returncode != 0:
        sys.exit(f"failed: {' '.join(command)}\n{log.read_text()}")
    return {name: digest.hexdigest() for name, digest in digests.items()}


def score_sums(gf: str, folder: Path, inputs: list[str], score: Path) -> dict[str, str]:
    out = folder / "prs"
    command = [gf, "prs", *inputs, "--scoring-file", str(score), "--keep-ambiguous",
               "--max-missing", "1", "--mincs", "1", "--min-overlap", "1", "--force",
               "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(command)}\n{done.stderr}")
    with open(out / "raw_scores.csv", newline="", encoding="utf-8") as file:
        return {line["sample_id"]: line["sum"] for line in csv.DictReader(file)}


def row(case: Case, comparison: Comparison, expected: Results, found: Results) -> list[str]:
    names = expected.haplotypes.keys() | found.haplotypes.keys()
    equal = sum(expected.haplotypes.get(name) == found.haplotypes.get(name) for name in names)
    samples = expected.sums.keys() | found.sums.keys()
    allowed = rounding(expected, comparison.rounded_bits)
    equal_sums = sum(are_close(expected.sums.get(name), found.sums.get(name), allowed)
                     for name in samples)
    note = comparison.compared_with
    if allowed and samples == expected.sums.keys() == found.sums.keys():
        largest = max(abs(float(expected.sums[name]) - float(found.sums[name])) for name in samples)
        note += f"; sums differ by up to {largest:.2g}, rounding allows {allowed:.2g}"
    return [case.name, f"{len(samples):,}", f"{variant_count(comparison.vcf):,}",
            str(len(case.loci)), comparison.format, note,
            f"{equal:,} of {len(names):,}", f"{equal_sums:,} of {len(samples):,}"]


def rounding(expected: Results, bits: int) -> float:
    """A dosage that is stored as two probabilities near one half can be off by 1 / (2^B - 1)."""
    return expected.weights / (2**bits - 1) if bits else 0.0


def are_close(expected: str | None, found: str | None, allowed: float) -> bool:
    if expected is None or found is None:
        return False
    return expected == found or abs(float(expected) - float(found)) <= allowed


if __name__ == "__main__":
    main()
