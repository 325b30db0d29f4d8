"""The site of the documentation: `make docs` builds it into site/, strict, with a Markdown page beside each page and llms.txt.

The folder `site` opens from disk, without a server and without a network.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parent.parent
LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("link", "href")}
"""Attributes that a browser follows by itself."""
FROM_ELSEWHERE = "https://unpkg.com/iframe-worker/shim"
"""What Zensical's pages would fetch in order to search from disk; a file of ours stands in for it."""


def pages_in_order(settings: dict) -> list[tuple[str, str, str]]:
    """Section, title and file of every page, as the navigation has them."""
    return [*_pages(settings["project"]["nav"], "")]


def _pages(entries: list, section: str) -> Iterator[tuple[str, str, str]]:
    for entry in entries:
        for title, inner in entry.items():
            if isinstance(inner, list):
                yield from _pages(inner, title)
            else:
                yield section, title, inner


def llms(settings: dict, docs: Path) -> str:
    """llms.txt: every page with its first sentence, for language models (llmstxt.org)."""
    project = settings["project"]
    lines = [f"# {project['site_name']}", "", f"> {project['site_description']}", ""]
    last = ""
    for section, title, name in pages_in_order(settings):
        if section != last:
            lines += ["", f"## {section}", ""]
            last = section
        lines.append(f"- [{title}]({name}): {first_paragraph((docs / name).read_text(encoding='utf-8'))}")
    return "\n".join(lines) + "\n"


def first_paragraph(page: str) -> str:
    """The first sentences of a page that are neither a heading, code nor a table, up to 200 characters."""
    for paragraph in page.split("\n\n"):
        if paragraph.strip() and not paragraph.startswith(("#", "    ", "```", "|", "!")):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(paragraph.split()))
            return words if len(words) <= 200 else f"{words[:200].rpartition(' ')[0]} …"
    return ""


def labelled(page: str) -> str:
    """A page whose table cells carry the title of their column, which a phone shows beside the cell in the place of columns (docs/site.css)."""
    return re.sub(r"<table>.*?</table>", _labelled, page, flags=re.DOTALL)


def _labelled(table: re.Match) -> str:
    titles = [re.sub(r"<[^>]*>", "", title) for title in re.findall(r"<th[^>]*>(.*?)</th>", table.group(), flags=re.DOTALL)]
    return "".join(_labelled_row(row, titles) for row in re.split(r"(?=<tr)", table.group()))


def _labelled_row(row: str, titles: list[str]) -> str:
    first, *cells = row.split("<td")
    titles = [*titles, *[""] * len(cells)]
    return first + "".join(f'<td data-title="{title}"{cell}' for title, cell in zip(titles, cells, strict=False))


class _Page(HTMLParser):
    """The links, the anchors and the files of other machines of one built page."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if value and ((tag, name) in LOADED or (tag == "a" and name == "href")):
                self.links.append(value)
                if (tag, name) in LOADED and urlsplit(value).scheme in ("http", "https"):
                    self.loaded.append(value)


def complaints(site: Path) -> list[str]:
    """Every link of a built page that leads to no file or no anchor, and everything that a page would fetch from another machine."""
    read = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    faults = []
    for path, page in read.items():
        where = path.relative_to(site)
        faults += [f"{where} loads {url}" for url in page.loaded]
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or where.name == "404.html":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not (target.is_file() and target.is_relative_to(site.resolve())):
                faults.append(f"{where} links to {link}, which is not there")
            elif parts.fragment and target in read and unquote(parts.fragment) not in read[target].anchors | {"__skip", "__toc"}:
                faults.append(f"{where} links to {link}, and there is no such anchor")
    return faults


def refusals(output: str) -> list[str]:
    """What Zensical complains of, a line each: the file, the line and what is wrong; or all that it printed where it says so in another way."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    warnings = re.findall(r"Warning: (.+)\n\s*╭─\[ (\S+) \]", plain)
    return [f"docs/{where}: {what}" for what, where in warnings] or [plain.strip()]


def main(root: Path = ROOT) -> list[str]:
    """Build the site; the complaints about it, none where it is whole."""
    settings = tomllib.loads((root / "zensical.toml").read_text(encoding="utf-8"))
    docs, site = root / "docs", root / "site"
    names = {name for _, _, name in pages_in_order(settings)}
    pages = {str(path.relative_to(docs)) for path in docs.rglob("*.md")} - {
        str(path.relative_to(docs)) for path in (docs / "design").glob("*.md")
    }
    mismatches = [f"zensical.toml names {name}, which is not there" for name in sorted(names - pages)]
    mismatches += [f"docs/{name} is missing in the nav of zensical.toml" for name in sorted(pages - names)]
    if mismatches:
        return mismatches
    shutil.rmtree(site, ignore_errors=True)
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"], cwd=root, capture_output=True, text=True
    )
    if built.returncode:
        return refusals(built.stdout + built.stderr)
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        here = "../" * (len(path.relative_to(site).parts) - 1)
        path.write_text(labelled(text.replace(FROM_ELSEWHERE, f"{here}search-from-disk.js")), encoding="utf-8")
    for path in docs.rglob("*.md"):
        shutil.copyfile(path, site / path.relative_to(docs))
    (site / "llms.txt").write_text(llms(settings, docs), encoding="utf-8")
    return complaints(site)


if __name__ == "__main__":
    faults = main()
    print("\n".join(faults) or "site/index.html", file=sys.stderr if faults else sys.stdout)
    sys.exit(1 if faults else 0)
