"""GenVarLoader over one cohort: write, open, first read of every haplotype. Prints seconds of each as JSON. For sequences.py, which runs this.

gvl.py VCF FASTA BED OUT [--keep-index] [--digest]

Its index of the VCF and its copy of the FASTA are removed first unless --keep-index; --digest adds what it read: bases, and their SHA-256
person by person and haplotype by haplotype.
"""

import json
import shutil
import sys
import time
from pathlib import Path

started = time.perf_counter()
import genvarloader as gvl  # noqa: E402
from genoray import VCF  # noqa: E402

imported = time.perf_counter()

vcf, fasta, bed, out = sys.argv[1:5]
options = sys.argv[5:]
shutil.rmtree(out, ignore_errors=True)
if "--keep-index" not in options:
    for path in [*Path(vcf).parent.glob(Path(vcf).name + ".gvi*"), *Path(fasta).parent.glob(Path(fasta).name + ".gvlfa*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()

begun = time.perf_counter()
gvl.write(out, bed, VCF(vcf), overwrite=True)
written = time.perf_counter()
dataset = gvl.Dataset.open(out, reference=fasta).with_seqs("haplotypes").with_len("ragged")
opened = time.perf_counter()
haplotypes = dataset[0, :]
read = time.perf_counter()

said = {"import": imported - started, "write": written - begun, "open": opened - written, "read": read - opened}
if "--digest" in options:
    import hashlib

    import numpy as np

    bases = np.ascontiguousarray(haplotypes.data)
    said["bases"] = int(haplotypes.lengths.sum())
    said["sha256"] = hashlib.sha256(bases.tobytes()).hexdigest()
print(json.dumps(said))
