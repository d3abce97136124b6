"""An extension of Griffe: the docstrings of Triptych as Markdown.

A paragraph such as `vectors : (n, dim) float64. picked : (m,) rows of it. Returns the nearest.` becomes a list of names
and what they are, and the sentence that follows. What Markdown would take for markup outside code is kept as it is.
"""

import re
from typing import Any

import griffe

NAMES = r"`?\*{0,2}\w+`?(?:(?:,\s|\sand\s)`?\*{0,2}\w+`?)*"
# Names and a colon with space on both sides, where a sentence or a line begins, after a gap, or after a shape.
ENTRY = re.compile(rf"(?:^|(?<=[.;:?)] )|(?<=\), )|(?<=\n)|(?<=\s\s))({NAMES})\s:\s")
AFTER = re.compile(r"(?<=\.)\s(?=Returns?\s)")
LISTED = re.compile(r"\s*(- |\d+\. )")
GAP = re.compile(r"\S {3,}\S")
CODE = re.compile(r"(``.+?``|`[^`]+`)", re.DOTALL)
MARKUP = str.maketrans({"*": r"\*", "<": "&lt;", "[": r"\[", "]": r"\]"})


def escaped(text: str) -> str:
    """Text whose code is still code, and all else means what it says."""
    parts = CODE.split(text)
    return "".join(part if place % 2 else part.translate(MARKUP) for place, part in enumerate(parts))


def entries(paragraph: str) -> str:
    """A paragraph; if names and their meanings follow each other in it, as a list of definitions."""
    before, *found = ENTRY.split(paragraph)
    if not found:
        return escaped(paragraph)
    made = [escaped(before).strip()] if before.strip() else []
    for names, text in zip(found[::2], found[1::2], strict=True):
        meaning, *after = AFTER.split(text, maxsplit=1)
        shown = ", ".join(f"`{name.strip('`')}`" for name in re.split(r",\s|\sand\s", names))
        made.append(f"{shown}\n:   " + escaped(" ".join(meaning.split()).rstrip(",;")))
        made += [escaped(sentence) for sentence in after]
    return "\n\n".join(made)


def as_markdown(docstring: str) -> str:
    """A cleaned docstring as Markdown; what is indented, or set in columns, stays as it is set."""
    made = []
    for paragraph in re.split(r"\n{2,}", docstring):
        if paragraph.startswith("    "):
            made.append(paragraph)
        elif all(GAP.search(line) for line in paragraph.splitlines()):
            made.append(re.sub(r"(?m)^", "    ", paragraph))
        elif LISTED.match(paragraph):
            made.append(escaped(paragraph))
        else:
            made.append(entries(paragraph))
    return "\n\n".join(made)


class Docstrings(griffe.Extension):
    """Every docstring that is loaded, as Markdown.

    What has none is shown where its name and signature alone tell something: functions, classes, and the constants of
    a module, which docstrings name. The fields of a class are in its signature already.
    """

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
        elif obj.is_function or obj.is_class or (obj.is_attribute and obj.parent and obj.parent.is_module):
            obj.docstring = griffe.Docstring("", parent=obj)
