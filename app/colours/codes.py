"""The values that a colouring gives: codes, palette and legend; and what its makers share."""

import json
import struct
from dataclasses import asdict, dataclass

import numpy as np

from triptych.app import palette

WAITS = "after your vote"


@dataclass(frozen=True)
class Entry:
    """One class of the legend: codes first to last. Quiet classes are drawn first and smaller."""

    label: str
    first: int
    last: int
    count: int
    colour: str
    name: str = ""
    letter: str = ""
    rule: str = ""
    quiet: bool = False


@dataclass(frozen=True, eq=False)
class Colours:
    """codes : (n,) uint8, one per image; palette : colour of each code; kind : categories or continuous."""

    colour_by: str
    title: str
    kind: str
    palette: tuple
    entries: tuple
    codes: np.ndarray

    def header(self):
        """Everything but the codes, as plain values."""
        header = {name: value for name, value in vars(self).items() if name != "codes"}
        return header | {"entries": [asdict(entry) for entry in self.entries]}

    def tobytes(self):
        """uint32 length of a JSON header, the header (everything but the codes), the codes."""
        text = json.dumps(self.header()).encode()
        return struct.pack("<I", len(text)) + text + self.codes.tobytes()


def classes(colour_by, title, codes, names, nothing, *, order=None):
    """Colours of a few classes; code 0 is what is only background.

    codes : (n,) uint8, 0 to len(names); names : (label, colour, letter, rule) of codes 1, 2, ...
    nothing : label of code 0; order : codes in the order of the legend
    """
    counts = np.bincount(codes, minlength=len(names) + 1)
    entries = [
        Entry(label, code, code, int(counts[code]), colour, name=label, letter=letter, rule=rule)
        for code, (label, colour, letter, rule) in enumerate(names, start=1)
    ]
    entries = [entries[code - 1] for code in order] if order else entries
    colours = (palette.UNLABELLED, *(colour for _, colour, _, _ in names))
    return Colours(colour_by, title, "categories", colours, (*entries, *quiet(nothing, 0, counts)), codes)


def quiet(label, code, counts):
    """Entry of a class that is only background, as a tuple of one."""
    count = int(counts[code])
    return (Entry(label, code, code, count, palette.UNLABELLED, name=label, quiet=True),)


def ramp(stops, n):
    """n colours evenly along a ramp of '#rrggbb' stops."""
    numbers = np.array([[int(stop[k : k + 2], 16) for k in (1, 3, 5)] for stop in stops], float)
    places = np.linspace(0, len(stops) - 1, n)
    channels = [np.interp(places, np.arange(len(stops)), numbers[:, k]) for k in range(3)]
    return tuple("#{:02x}{:02x}{:02x}".format(*rgb) for rgb in np.rint(np.transpose(channels)).astype(int))
