#!/usr/bin/env python3
"""Find phrases to avoid in Markdown pages, pipeline files, help texts and error messages.

    python3 docs/style/check.py                                       # all pages, pipeline files
    python3 docs/style/check.py --program target/release/gf-genomics  # and the help of all commands
    python3 docs/style/check.py README.md docs/src/limits.md          # only these files

words.csv has one phrase per row: a regular expression (case does not matter), the replacement, and
a note. A space in the expression also matches a line break. Code, link targets and HTML comments
are ignored, except for the messages in errors.md.

The script prints each phrase with its location, and the mean number of words per sentence. The
exit code is 1 if a phrase of the list occurs, and 2 if the check cannot run.
"""
import argparse, csv, re, subprocess, sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BLOCK = re.compile(r"^```.*?^```|<!--.*?-->|\]\([^)]*\)", re.DOTALL | re.MULTILINE)
INLINE_CODE = re.compile(r"`[^`]*`")
# Entries of a help text: its headings, and the names of commands, options and arguments.
HELP_ENTRY = re.compile(
    r"^(?:[A-Z]\w*:$| {2,6}(?:-{1,2}\w|\[?<)\S*.*?(?=  |$)|  [a-z-]+(?=  ))", re.MULTILINE
)
# Examples, and default and possible values.
HELP_ASIDE = re.compile(r"^ *(?:gf-genomics|snakemake|srun) .*?$|\[[^\]]*\]", re.MULTILINE)
HELP_CODE = re.compile(r"<[^>]*>|--?[a-z][\w-]*")
# Lines that are not sentences: headings, table rows and the usage of a command.
NOT_SENTENCE = re.compile(r"^\s*(?:#.*|\|.*|Usage:.*)$", re.MULTILINE)
# A form feed is in place of the name of an option.
PARAGRAPH_END = re.compile(r"\n\s*\n|\f+|\n\s*(?:[-*]|\d+\.)\s+")
SENTENCE_END = re.compile(r"[.!?][\"')*]*\s+(?=[\"'(*\[]*[A-Z0-9])")


class Failure(Exception):
    """The check cannot run."""


def masked(pattern, letter, text):
    """The text with each match replaced by a letter. Offsets and line breaks stay the same."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", letter, match.group()), text)


def prose_of(path):
    """The prose of a file: a Markdown page, or the comments of a pipeline file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        text = "\n".join(line.partition("#")[2] for line in text.split("\n"))
    if path.name == "errors.md":
        text = text.replace("``", "  ")
    return masked(INLINE_CODE, "X", masked(BLOCK, " ", text))


def read_phrases():
    """Pairs of a compiled expression and its replacement."""
    phrases = []
    with open(HERE / "words.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            expression = row["word_or_phrase"].replace(" ", r"[ ]*(?:[ ]|\n)[ ]*")
            try:
                compiled = re.compile(expression, re.IGNORECASE | re.MULTILINE)
            except re.error as error:
                raise Failure(f"words.csv: {row['word_or_phrase']}: {error}") from error
            phrases.append((compiled, row["use_instead"]))
    return phrases


def find_phrases(name, prose, phrases):
    """Messages `name:line: phrase, write replacement`, in order of lines."""
    found = []
    for expression, replacement in phrases:
        for match in expression.finditer(prose):
            phrase = " ".join(match.group().split())
            line = prose.count("\n", 0, match.start()) + 1
            found.append((line, f'{name}:{line}: "{phrase}", write: {replacement}'))
    return [message for _, message in sorted(found)]


def mean_words(texts):
    """Mean number of words per sentence. A sentence has three words or more."""
    paragraphs = [PARAGRAPH_END.split(NOT_SENTENCE.sub("", text)) for text in texts]
    sentences = [
        sentence for parts in paragraphs for part in parts for sentence in SENTENCE_END.split(part)
    ]
    lengths = [len(re.findall(r"\S*\w\S*", sentence)) for sentence in sentences]
    lengths = [length for length in lengths if length > 2]
    return sum(lengths) / len(lengths) if lengths else 0.0


def all_files():
    """The Markdown pages and pipeline files that git tracks."""
    command = ["git", "-C", str(ROOT), "ls-files", "*.md", "pipelines/*.toml"]
    listed = subprocess.run(command, capture_output=True, text=True)
    if listed.returncode:
        raise Failure(f"`git ls-files` failed in {ROOT}; give the files to check")
    return [ROOT / line for line in listed.stdout.splitlines()]


def help_texts(program):
    """The help of the program and of each command, by name."""

    def help_of(*command):
        arguments = [program, *command, "--help"]
        try:
            return subprocess.run(arguments, capture_output=True, text=True).stdout
        except OSError as error:
            raise Failure(f"{program}: {error.strerror}; build it with cargo build") from error

    overview = help_of()
    commands = re.search(r"^Commands:\n(.*?)\n\n", overview, re.DOTALL | re.MULTILINE)
    if not commands:
        raise Failure(f"{program} --help lists no commands")
    texts = {"--help": overview}
    for name in re.findall(r"^  ([a-z-]+) ", commands.group(1), re.MULTILINE):
        texts[f"{name} --help"] = help_of(name)
    return {name: prose_of_help(text) for name, text in texts.items()}


def prose_of_help(text):
    """The sentences of a help text. Each option or command begins a new paragraph."""
    return masked(HELP_CODE, "X", masked(HELP_ASIDE, " ", masked(HELP_ENTRY, "\f", text)))


def main():
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("files", nargs="*", type=Path, help="default: all pages and pipeline files")
    parser.add_argument("--program", metavar="PATH", help="also check the help of this program")
    options = parser.parse_args()
    groups = {"README": {}, "book": {}, "other": {}, "help": {}}
    for path in options.files or all_files():
        name = str(path.resolve()).removeprefix(f"{ROOT}/")
        group = "README" if name == "README.md" else "other"
        group = "book" if name.startswith("docs/src/") else group
        groups[group][name] = prose_of(path)
    if options.program:
        groups["help"] = help_texts(options.program)
    phrases, found = read_phrases(), []
    for group, texts in groups.items():
        for name, prose in texts.items():
            found += find_phrases(name, prose, phrases)
        if texts:
            print(f"mean words per sentence, {group}: {mean_words(texts.values()):.1f}")
    if found:
        print("\n".join(found))
        sys.exit(f"{len(found)} phrases to avoid; docs/style/words.csv has the list")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"check.py: {failure}", file=sys.stderr)
        sys.exit(2)
