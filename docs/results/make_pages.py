#!/usr/bin/env python3
"""Write the tables of the results pages from CSV files, or check pages and README.md.

    python3 docs/results/make_pages.py                   # write the tables into the pages
    python3 docs/results/make_pages.py --check           # exit code 1 if a page needs a change
    python3 docs/results/make_pages.py --check README.md # the same for the files given

A page has the table of docs/results/NAME.csv between `<!-- table NAME -->` and `<!-- end -->`.
docs/results/index.csv has the title, command, date, CPU and commit of each table. To change a
figure, change its CSV file and run this script.

--check also looks for figures without a source. In a results page, every number with three or
more digits outside tables and code must be in a table of that page. In another file, every number
with three decimals must be in a CSV file. allowed_numbers.txt lists exceptions with reasons.
"""
import argparse, csv, re, sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGES = ROOT / "docs/src/results"
WEB = "https://github.com/greenformers/gf-genomics/blob/main/docs/results"
TABLE = re.compile(r"(<!-- table ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
# A number with an optional sign: 0.685, +0.053, 3,202, 0.43.1. A hyphen after a digit is no sign.
NUMBER = re.compile(
    r"(?<![\w.])(?:(?<!\w)[+-])?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)*)(?!\w)"
)
# Parts of a page that are not prose: code, comments and targets of links.
NOT_PROSE = re.compile(r"```.*?```|`[^`\n]*`|<!--.*?-->|\]\([^)]*\)", re.DOTALL)


class Failure(Exception):
    """A file is missing or has the wrong form."""


def read_csv(name):
    path = HERE / f"{name}.csv"
    if not path.exists():
        raise Failure(f"docs/results/{name}.csv is missing")
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    for line, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            cells = f"{len(row)} cells, expected {len(rows[0])}"
            raise Failure(f"docs/results/{name}.csv, row {line}: {cells}")
    return rows


def read_index():
    """The row of index.csv for each table, by the table's name."""
    header, *rows = read_csv("index")
    index = {row[0].removesuffix(".csv"): dict(zip(header, row)) for row in rows}
    files = {path.stem for path in HERE.glob("*.csv")} - {"index"}
    for name in sorted(files ^ set(index)):
        raise Failure(f"{name}.csv is only in one of docs/results/ and docs/results/index.csv")
    return index


def markdown_row(cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def markdown_table(name, about):
    """The title, the table, and a line that says where the figures come from."""
    header, *rows = read_csv(name)
    table = markdown_row(header) + "|" + "---|" * len(header) + "\n"
    table += "".join(markdown_row(row) for row in rows)
    source = [f"Command: `{about['command']}`."] if about["command"] else []
    source += [f"Date: {about['date']}.", f"CPU: {about['cpu']}.", f"Commit: {about['commit']}."]
    source += [about["note"]] if about["note"] else []
    source += [f"[CSV]({WEB}/{name}.csv)"]
    return f"\n**{about['title']}**\n\n{table}\n{' '.join(source)}\n\n"


def with_tables(text, index):
    """The text of a page with its tables written from the CSV files."""

    def fill(match):
        begin, name, end = match.groups()
        if name not in index:
            raise Failure(f"there is no table {name} in docs/results/index.csv")
        return begin + markdown_table(name, index[name]) + end

    return TABLE.sub(fill, text)


def plain(number):
    return number.replace(",", "")


def known_numbers(names):
    """The numbers of these CSV files and of allowed_numbers.txt, with and without a sign."""
    cells = [cell for name in names for row in read_csv(name) for cell in row]
    found = {plain(number) for cell in cells for number in NUMBER.findall(cell)}
    for line in (HERE / "allowed_numbers.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            number, _, reason = line.partition(" ")
            if not reason.strip():
                raise Failure(f"docs/results/allowed_numbers.txt: {line!r} has no reason")
            found.add(plain(number))
    return found | {number.lstrip("+-") for number in found}


def unknown_numbers(path, text, index):
    """The figures of a file that are in none of its CSV files, each with its line."""
    is_page = path.resolve().parent == PAGES
    known = known_numbers([name for _, name, _ in TABLE.findall(text)] if is_page else index)
    same_lines = lambda match: "\n" * match.group().count("\n")
    text = TABLE.sub(same_lines, text)
    if is_page:
        text = NOT_PROSE.sub(same_lines, text)
    unknown = []
    for match in NUMBER.finditer(text):
        number = plain(match.group())
        digits = sum(letter.isdigit() for letter in number)
        is_figure = digits >= 3 if is_page else re.fullmatch(r"[+-]?\d+\.\d{3}", number)
        if is_figure and number not in known:
            unknown.append((text.count("\n", 0, match.start()) + 1, match.group()))
    return unknown


def main():
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("files", nargs="*", type=Path, help="default: README.md and all pages")
    parser.add_argument("--check", action="store_true", help="change no file, only report")
    options = parser.parse_args()
    paths = options.files or [ROOT / "README.md", *sorted(PAGES.glob("*.md"))]
    index, problems, shown = read_index(), [], set()
    for path in paths:
        text = path.read_text(encoding="utf-8")
        shown.update(name for _, name, _ in TABLE.findall(text))
        filled = with_tables(text, index)
        if options.check and filled != text:
            problems.append(f"{path}: a table is out of date. Run docs/results/make_pages.py")
        elif filled != text:
            path.write_text(filled, encoding="utf-8")
        for line, number in unknown_numbers(path, text, index):
            problems.append(f"{path}:{line}: {number} is in no table or allowed_numbers.txt")
    unused = [] if options.files else sorted(set(index) - shown)
    problems += [f"docs/results/{name}.csv is on no page" for name in unused]
    if options.check and problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"make_pages.py: {failure}")
