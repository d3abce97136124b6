"""What the routes take: bodies of requests, and single values of addresses. Each is checked before anything is done.

A value of the wrong type, out of range, not finite or too long is refused with one line (BadInput, so status 400), and
nothing is stored. Keys that a model does not name are dropped. `null` means that a value is not given, unless the model
says otherwise.
"""

import json
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from triptych.pipeline.errors import BadInput
from triptych.pipeline.store.passwords import MAX_LENGTH

MOST_BYTES = 64 * 1024  # of one body
MOST_BATCH_BYTES = 512 * 1024  # of a bulk vote
MOST_IN_A_BATCH = 2000  # exposures
LARGEST_EXPNUM = 10**15 - 1  # so that image_ids fit 64 bits
LARGEST_NUMBER = 2**53 - 1  # of what JavaScript counts exactly
LONGEST_LOOK = 1e7  # seconds; a page may stay open over the holidays

Expnum = Annotated[int, Field(strict=True, ge=0, le=LARGEST_EXPNUM)]
Number = Annotated[int, Field(strict=True, ge=0, le=LARGEST_NUMBER)]
Seconds = Annotated[float, Field(strict=True, ge=0, le=LONGEST_LOOK, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Finite = Annotated[float, Field(strict=True, ge=-1e9, le=1e9, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Word = Annotated[str, StringConstraints(strict=True, max_length=64)]
Name = Annotated[str, StringConstraints(strict=True, max_length=200)]
Text = Annotated[str, StringConstraints(strict=True, max_length=2000)]
Password = Annotated[str, StringConstraints(strict=True, max_length=MAX_LENGTH)]
Reasons = Annotated[list[Word], Field(max_length=40)]
CcdNames = Annotated[list[Word], Field(max_length=200)]


class Body(BaseModel):
    """Base of all bodies. It drops keys that are not named."""

    WHAT: ClassVar[str] = "this request"  # in messages

    model_config = ConfigDict(extra="ignore", frozen=True)

    def given(self, *names: str) -> dict:
        """The values that were sent and are not null, as plain values. names : only these, () = all"""
        values = self.model_dump(exclude_unset=True, exclude_none=True)
        for name in values:
            if isinstance(part := getattr(self, name), Body):
                values[name] = part.given()
        return {name: value for name, value in values.items() if not names or name in names}


class PasswordBody(Body):
    """The old and the new password of the user who sends them."""

    WHAT: ClassVar[str] = "a new password"

    old: Password
    new: Password


class Screen(Body):
    """What was on screen when somebody voted. A null says something where the record says that it does."""

    NULL_SAYS: ClassVar[tuple[str, ...]] = ("limits", "score")  # those of the stretch; no probability

    def given(self, *names: str) -> dict:
        values = super().given(*names)
        nulls = {name: None for name in self.NULL_SAYS if name in self.model_fields_set and name not in values}
        return values | {name: value for name, value in nulls.items() if not names or name in names}

    # the picture
    expnum: Expnum | None = None
    stretch: Word | None = None
    scale_mode: Word | None = None
    invert: Flag | None = None
    limits: Annotated[list[Finite], Field(max_length=2)] | None = None
    zoom: Annotated[float, Field(strict=True, ge=0, le=1e6, allow_inf_nan=False)] | None = None
    ccd: Word | None = None
    ccds_opened: CcdNames | None = None
    masks: Annotated[list[Word], Field(max_length=20)] | None = None
    blinked_with: Annotated[list[Expnum], Field(max_length=2000)] | None = None
    pictures: Flag | None = None
    names: Flag | None = None
    # the model's opinion
    assisted: Flag | None = None
    model_shown: Flag | None = None
    score: Share | None = None
    stage: Word | None = None
    # the time, and the sheet of a bulk vote
    seconds: Seconds | None = None
    looks: Annotated[dict[str, Seconds], Field(max_length=MOST_IN_A_BATCH)] | None = None
    sheet: Word | None = None
    selection: Text | None = None
    cluster: Annotated[int, Field(strict=True, ge=-1, le=LARGEST_NUMBER)] | None = None
    cluster_stage: Word | None = None
    n_offered: Number | None = None
    n_seen: Number | None = None

    @field_validator("looks")
    @classmethod
    def _of_exposures(cls, looks):
        if looks is not None and not all(name.isascii() and name.isdigit() and len(name) <= 15 for name in looks):
            raise ValueError("must be seconds by expnum")
        return looks


class VoteBody(Body):
    """One judgement."""

    WHAT = "the vote"

    expnum: Expnum
    judgement: Word
    reasons: Reasons | None = None
    comment: Text | None = None
    ccdnames: CcdNames | None = None
    client_vote_id: Name | None = None
    screen: Screen | None = None


class BatchBody(Body):
    """One judgement of several exposures."""

    WHAT = "the bulk vote"

    expnums: Annotated[list[Expnum], Field(min_length=1)]
    judgement: Word
    batch_id: Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=100)]
    how: Word
    reasons: Reasons | None = None
    comment: Text | None = None
    screen: Screen | None = None


class UndoBody(Body):
    """What to take back; see app.rooms.review.routes.UndoHandler."""

    expnum: Expnum | None = None
    batch_id: Name | None = None
    undoes: Name | None = None


class DecisionBody(Body):
    """One decision of a lead."""

    WHAT = "the decision"

    expnum: Expnum
    judgement: Word
    comment: Annotated[str, StringConstraints(strict=True, strip_whitespace=True, max_length=2000)] = ""
    reasons: Reasons | None = None
    votes_seen: Annotated[list[Number], Field(max_length=2000)] | None = None
    client_vote_id: Name | None = None


class RetractBody(Body):
    adjudication_id: Number


class AnnulBody(Body):
    """A judgement that does not count, and why."""

    vote_id: Number
    why: Annotated[str, StringConstraints(strict=True, strip_whitespace=True, max_length=2000)] = ""


class ChoicesBody(Body):
    """What a user chooses for their queue. '' = as for everybody"""

    order: Word | None = None
    packet: Text | None = None


class LookBody(Body):
    expnum: Expnum | None = None


class OwnSettingsBody(Body):
    """A user's own settings. keys : room -> {standard key: own key}"""

    keys: (
        Annotated[
            dict[Word, Annotated[dict[Word, Word], Field(max_length=200)]],
            Field(max_length=20),
        ]
        | None
    ) = None
    tour: Word | None = None


class QueueSettingsBody(Body):
    """Settings of everybody's queue: see pipeline.votes.vote_rule.QueueSettings, which checks them further."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: Word | None = None
    packet: Text | None = None
    repeats: Finite | None = None
    repeat_age: Number | None = None
    known: Finite | None = None
    rule: Word | None = None
    control: Finite | None = None
    strong: Finite | None = None
    ask_again: Flag | None = None
    seed: Number | None = None


class DrawBody(Body):
    """kind : known or control; source : of known answers; n : how many"""

    kind: Word
    source: Word | None = None
    n: Annotated[int, Field(strict=True, ge=1, le=100_000)]
    seed: Number = 0


class AccountBody(Body):
    """An account. password : '' = make one up, None = no change"""

    name: Name
    role: Word | None = None
    active: Flag | None = None
    password: Password | None = None


class AssignBody(Body):
    """packet : None = take it back"""

    name: Name
    packet: Text | None = None


class JobBody(Body):
    """ask : retrain; cancel : the number of a job"""

    ask: Literal["retrain"] | None = None
    cancel: Number | None = None


class ModelBody(Body):
    model: Name


Some = TypeVar("Some", bound=Body)


def parsed(data: bytes, kind: type[Some]) -> Some:
    """A body of JSON as `kind`. BadInput, with the first value that is wrong, if it cannot be used."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise BadInput("send one JSON object")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise BadInput(f"{kind.WHAT} cannot be taken: {first_problem(error)}") from None


def first_problem(error: ValidationError) -> str:
    """The first problem of a body, as text. It repeats nothing of what was sent."""
    one = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part)[:40] for part in one["loc"])
    return f"{where}: {one['msg'][:200]}"


def whole_number(text: str, default: int, *, most: int = 10**9) -> int:
    """A number of an address from 0 to `most`; `default` if the text is no such number."""
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        return default
    return min(int(text), most)
