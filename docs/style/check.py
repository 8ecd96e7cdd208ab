#!/usr/bin/env python3
"""Look for phrases to avoid in Markdown pages, help texts and error messages.

    python3 docs/style/check.py                                      # all pages and pipeline files
    python3 docs/style/check.py --program target/release/gf-genomics # the help of all commands too
    python3 docs/style/check.py README.md docs/src/limits.md         # these files only

words.csv has one phrase per row: a regular expression without regard to case, the replacement, and
a note. A space of the expression also matches one line break. Code blocks, code in backticks,
targets of links and HTML comments are not read, except for the messages of errors.md.

The script prints each phrase with its place, and the mean number of words per sentence. The exit
code is 1 if there is a phrase of the list, and 2 if something is missing.
"""
import argparse, csv, re, subprocess, sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
COMMENT_OR_TARGET = re.compile(r"<!--.*?-->|\]\([^)]*\)", re.DOTALL)
CODE = re.compile(r"`[^`]*`")
# Lines that are no sentences: headings, rows of tables, and lines of figures or usage.
NO_SENTENCE = re.compile(r"^\s*(#.*|\|.*|Usage:.*|---+)$", re.MULTILINE)
# A new paragraph: an empty line, or a new item of a list.
PARAGRAPH = re.compile(r"\n\s*\n|\n\s*(?:[-*]|\d+\.)\s+")
SENTENCE_END = re.compile(r"[.!?:]['\")*]*\s+(?=[\"'(*]*[A-Z0-9`])")
# In a help text: an example command, a default or the possible values.
HELP_CODE = re.compile(r"^ *(?:gf-genomics|\$) .*?$|\[[^\]]*\]|<[^>]*>|--?[a-z][\w-]*", re.MULTILINE)


class Failure(Exception):
    """Something that the check needs is missing."""


def blank(text):
    """Spaces in place of text, with the same line breaks, so that places stay the same."""
    return re.sub(r"[^\n]", " ", text)


def one_word(text):
    """A word of the same length in place of code; its line breaks stay."""
    return re.sub(r"[^\n]", "x", text)


def markdown_prose(text, reads_messages=False):
    for pattern in (FENCE, COMMENT_OR_TARGET):
        text = pattern.sub(lambda match: blank(match.group()), text)
    if reads_messages:
        text = text.replace("``", "  ")
    return CODE.sub(lambda match: one_word(match.group()), text)


def file_prose(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        lines = (line.partition("#")[2] if "#" in line else "" for line in text.split("\n"))
        return CODE.sub(lambda match: one_word(match.group()), "\n".join(lines))
    return markdown_prose(text, path.name == "errors.md")


def read_phrases():
    """Each phrase as an expression, with its replacement."""
    phrases = []
    with open(HERE / "words.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            expression = row["word_or_phrase"].replace(" ", r"[ ]*(?:[ ]|\n)[ ]*")
            try:
                phrases.append((re.compile(expression, re.IGNORECASE), row["use_instead"]))
            except re.error as error:
                raise Failure(f"words.csv: {row['word_or_phrase']}: {error}") from error
    return phrases


def find_phrases(name, prose, phrases):
    """Each phrase of the list in a text, as `name:line: phrase: replacement`."""
    found = []
    for expression, replacement in phrases:
        for match in expression.finditer(prose):
            phrase = " ".join(match.group().split())
            line = prose.count("\n", 0, match.start()) + 1
            found.append((line, f"{name}:{line}: `{phrase}`: write {replacement}"))
    return [message for _, message in sorted(found)]


def sentences(prose):
    """The sentences of a text as lists of words."""
    for paragraph in PARAGRAPH.split(NO_SENTENCE.sub("", prose)):
        for sentence in SENTENCE_END.split(paragraph):
            words = [word for word in sentence.split() if re.search(r"\w", word)]
            if len(words) > 2:
                yield words


def mean_words(texts):
    lengths = [len(words) for text in texts for words in sentences(text)]
    return sum(lengths) / len(lengths) if lengths else 0.0


def pages():
    """All pages and pipeline files of the repository, by git's list where there is one."""
    git = ["git", "-C", str(ROOT), "ls-files", "*.md", "pipelines/*.toml"]
    listed = subprocess.run(git, capture_output=True, text=True)
    if listed.returncode:
        raise Failure(f"`git ls-files` failed in {ROOT}: name the files to check")
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def help_texts(program):
    """The help of the program and of all its commands, by name."""

    def text_of(*arguments):
        try:
            run = subprocess.run([program, *arguments, "--help"], capture_output=True, text=True)
        except OSError as error:
            raise Failure(f"{program}: {error.strerror}; is it built?") from error
        return HELP_CODE.sub(lambda match: one_word(match.group()), run.stdout), run.stdout

    masked, plain = text_of()
    texts = {"--help": masked}
    commands = re.search(r"^Commands:\n(.*?)\n\n", plain, re.DOTALL | re.MULTILINE)
    if not commands:
        raise Failure(f"{program} --help lists no commands")
    for name in re.findall(r"^  ([a-z-]+) ", commands.group(1), re.MULTILINE):
        texts[f"{name} --help"] = text_of(name)[0]
    return texts


def main():
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("files", nargs="*", type=Path, help="default: all pages")
    parser.add_argument("--program", metavar="PATH", help="also read the help of this program")
    options = parser.parse_args()
    phrases, found = read_phrases(), []
    groups = {"README": [], "book": [], "help": [], "other": []}
    texts = {str(path.resolve()): file_prose(path) for path in options.files or pages()}
    for name, prose in texts.items():
        name = name.removeprefix(f"{ROOT}/")
        group = "book" if name.startswith("docs/src/") else "other"
        groups["README" if name == "README.md" else group].append(prose)
        found += find_phrases(name, prose, phrases)
    for name, prose in (help_texts(options.program) if options.program else {}).items():
        groups["help"].append(prose)
        found += find_phrases(name, prose, phrases)
    print("".join(message + "\n" for message in found), end="")
    for group, prose in groups.items():
        if prose:
            print(f"mean words per sentence, {group}: {mean_words(prose):.1f}")
    sys.exit(f"{len(found)} phrases to avoid: see docs/style/words.csv" if found else 0)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"check.py: {failure}", file=sys.stderr)
        sys.exit(2)
