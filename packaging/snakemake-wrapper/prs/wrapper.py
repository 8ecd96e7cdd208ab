"""Polygenic scores of people, and with a cohort table fitted baselines, by `gf-genomics prs`."""

__author__ = "gf-genomics developers"
__license__ = "MIT"

from shlex import quote

from snakemake.shell import shell

extra = snakemake.params.get("extra", "")
log = snakemake.log_fmt_shell(stdout=True, stderr=True)


def option(name, file):
    return f"{name} {quote(file)}" if file else ""


scoring_files = snakemake.input.get("scoring_files", [])
if isinstance(scoring_files, str):
    scoring_files = [scoring_files]
inputs = " ".join(
    [option("--scoring-file", file) for file in scoring_files]
    + [
        option(name, snakemake.input.get(key))
        for name, key in (
            ("--cohort", "cohort"),
            ("--regions-file", "regions"),
            ("--callable", "callable"),
            ("--reference", "reference"),
            ("--kinship", "kinship"),
        )
    ]
)

shell(
    "gf-genomics prs"
    " --vcf {snakemake.input.vcf:q}"
    " {inputs}"
    " --threads {snakemake.threads}"
    " {extra}"
    " --out {snakemake.output[0]:q}"
    " {log}"
)
