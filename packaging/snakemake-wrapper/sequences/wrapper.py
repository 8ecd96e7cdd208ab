"""Both haplotypes of every sample over chosen loci, by `gf-genomics sequences`."""

__author__ = "gf-genomics developers"
__license__ = "MIT"

from shlex import quote

from snakemake.shell import shell

extra = snakemake.params.get("extra", "")
log = snakemake.log_fmt_shell(stdout=False, stderr=True)


def option(name, file):
    return f"{name} {quote(file)}" if file else ""


inputs = " ".join(
    option(name, snakemake.input.get(key))
    for name, key in (
        ("--regions-file", "loci"),
        ("--mask", "mask"),
        ("--callable", "callable"),
    )
)
outputs = " ".join(
    option(name, snakemake.output.get(key))
    for name, key in (
        ("--output", "fasta"),
        ("--out", "dictionary"),
        ("--skips", "skips"),
    )
)

shell(
    "gf-genomics sequences"
    " --vcf {snakemake.input.vcf:q}"
    " --reference {snakemake.input.reference:q}"
    " {inputs}"
    " --threads {snakemake.threads}"
    " {extra}"
    " {outputs}"
    " {log}"
)
