"""What a colouring returns: codes, palette and legend. Also functions that several colourings use."""

import json
import struct
from dataclasses import asdict, dataclass

import numpy as np

from triptych.app import palette

WAITS = "after your vote"


@dataclass(frozen=True)
class Entry:
    """One class of the legend, with codes from `first` to `last`. quiet : it is background, drawn first and smaller"""

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
    """Colours of images. codes : (n,) uint8, one per image; palette : colour of each code; entries : the legend
    kind : "categories" or "continuous"
    """

    colour_by: str
    title: str
    kind: str
    palette: tuple
    entries: tuple
    codes: np.ndarray

    def header(self):
        """Everything except the codes, as plain values."""
        header = {name: value for name, value in vars(self).items() if name != "codes"}
        return header | {"entries": [asdict(entry) for entry in self.entries]}

    def tobytes(self):
        """uint32 length of a JSON header, the header (see `header`), the codes."""
        text = json.dumps(self.header()).encode()
        return struct.pack("<I", len(text)) + text + self.codes.tobytes()


def classes(colour_by, title, codes, names, nothing, *, order=None):
    """Colours of a few classes. Code 0 is background.

    codes : (n,) uint8, 0 to len(names); names : (label, colour, letter, rule) of codes 1, 2, ...
    nothing : label of code 0; order : codes in the order of the legend, None = in rising order
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
    """A tuple with one Entry, for a class that is background. counts : number of images by code"""
    count = int(counts[code])
    return (Entry(label, code, code, count, palette.UNLABELLED, name=label, quiet=True),)


def ramp(stops, n):
    """n colours at even steps along a ramp. stops : colours '#rrggbb'"""
    numbers = np.array([[int(stop[k : k + 2], 16) for k in (1, 3, 5)] for stop in stops], float)
    places = np.linspace(0, len(stops) - 1, n)
    channels = [np.interp(places, np.arange(len(stops)), numbers[:, k]) for k in range(3)]
    return tuple("#{:02x}{:02x}{:02x}".format(*rgb) for rgb in np.rint(np.transpose(channels)).astype(int))
