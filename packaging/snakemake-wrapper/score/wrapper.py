"""Risk of new people by a saved model, by `gf-genomics score`."""

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
    for name, key in (("--reference", "reference"), ("--cohort", "cohort"))
)

shell(
    "gf-genomics score"
    " --vcf {snakemake.input.vcf:q}"
    " --model {snakemake.input.model:q}"
    " {inputs}"
    " --threads {snakemake.threads}"
    " {extra}"
    " --output {snakemake.output[0]:q}"
    " {log}"
)
