"""Runs the code of docs/python.md and looks at what pandas, polars, Hugging Face datasets, safetensors and tokenizers made of the files.

    python3 -m venv /tmp/venv-tables && /tmp/venv-tables/bin/pip install pandas polars datasets safetensors tokenizers
    /tmp/venv-tables/bin/python tests/oracles/python_tables.py docs/python.md haplotypes.fa

In a folder that has what the document reads.

haplotypes.fa: what `gf-genomics sequences` writes for the same people and loci. Prints counts as JSON; ends with an error where a column has
another type than its JSON Schema says, or readers disagree.
"""

import json
import re
import sys
from pathlib import Path

document, fasta = map(Path, sys.argv[1:])
code = "\n".join(re.findall(r"^```python\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL))
it = {}
exec(compile(code, document, "exec"), it)

ARROW = {"string": ("string", "large_string"), "integer": ("int64",), "number": ("float64", "double"), "boolean": ("bool",)}
for table, frame, polars_frame, dataset in (
    ("predictions", it["predictions"], it["predictions_polars"], it["predictions_dataset"]),
    ("auc", it["auc"], it["auc_polars"], it["auc_dataset"]),
):
    types = it["types"](table)
    assert set(types) == set(frame.columns) == set(polars_frame.columns) == set(dataset.column_names), table
    assert len(frame) == len(polars_frame) == len(dataset) > 0, table
    for name, kind in types.items():
        where = f"{table}, {name}: {kind}"
        assert str(frame[name].dtype) == it["PANDAS"][kind], f"{where}, {frame[name].dtype} in pandas"
        assert polars_frame.schema[name] == it["POLARS"][kind], f"{where}, {polars_frame.schema[name]} in polars"
        assert dataset.features[name].dtype in ARROW[kind], f"{where}, {dataset.features[name].dtype} in datasets"
        values = [None if value != value else value for value in frame[name].astype(object).where(frame[name].notna(), None)]
        assert values == polars_frame[name].to_list() == list(dataset[name]), f"{where}: the values differ"

records, definition = {}, None
for line in fasta.read_text().splitlines():
    if line.startswith(">"):
        definition = tuple(line[1:].rsplit(maxsplit=2))
        records[definition] = ""
    else:
        records[definition] += line
split = dict(zip(it["predictions"].sample_id, it["predictions"].split))
same = {name: [0, 0] for name in ("train", "validation", "test")}
for (sample, locus, haplotype), expected in records.items():
    counts = same[split[sample]]
    counts[0] += it["bases"](sample, locus, int(haplotype)) == expected
    counts[1] += 1

pairs = it["pairs"]
assert [str(dtype) for dtype in pairs.dtypes] == ["string", "string", "Int64", "Int64"], pairs.dtypes
for number, locus in enumerate(it["loci"]):
    of_locus = pairs[pairs.locus == locus].set_index("sample_id").loc[it["samples"], ["haplotype_a", "haplotype_b"]]
    assert (of_locus.to_numpy() == it["stored"][f"{number:05}/pairs"]).all(), f"{locus}: pairs.csv and tokens.safetensors differ"
assert len(it["haplotypes"]) == 2 * len(it["samples"])

print(
    json.dumps(
        {
            "people": len(it["samples"]),
            "predictions": len(it["predictions"]),
            "distinct_haplotypes": sum(len(it["stored"][f"{number:05}/tokens"]) for number in range(len(it["loci"]))),
            "same_bases": same,
        }
    )
)
