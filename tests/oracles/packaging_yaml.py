"""Prints the YAML files given as one JSON object, by path; a conda recipe after its Jinja, as conda-build renders it.

    python3 -m venv /tmp/venv-yaml && /tmp/venv-yaml/bin/pip install pyyaml jinja2
    /tmp/venv-yaml/bin/python tests/oracles/packaging_yaml.py CITATION.cff packaging/bioconda/meta.yaml
"""

import json
import sys

import jinja2
import yaml

CONDA = {
    "compiler": lambda language: f"{language}_linux-64",
    "stdlib": lambda language: f"{language}_stdlib_linux-64",
    "pin_subpackage": lambda name, **_: f"{name} >=0",
}


def load(path):
    text = open(path).read()
    if path.endswith("bioconda/meta.yaml"):
        text = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text).render(CONDA)
    return yaml.safe_load(text)


print(json.dumps({path: load(path) for path in sys.argv[1:]}))
