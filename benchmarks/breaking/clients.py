"""People who vote over HTTP as the browser's outbox does, and remember what they sent and what they were sent."""

import contextlib
import http.client
import json
import random
import re
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import quote

NAME = "person-{:02}"
NAMES = re.compile(rb"person-[0-9]{2,}")
CCDS = ("N4", "S4", "N10")
REASONS = ("PSF", "Clouds_transparency", "Ghost_Scatter")
ANSWER_SECONDS = 20.0  # as in static/frame/outbox.js
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # the outbox waits 1 to 15 s; here the server comes back sooner, too
PASSING = (401, 403, 408, 409, 425, 429)  # as in the outbox
GIVE_UP_SECONDS = 600.0
AGAIN, LOOK, UNDO = 0.25, 0.2, 0.08  # shares of the votes on something judged before, followed by a look, taken back


@dataclass
class Act:
    """One vote or one undo. turn : its place among all that this client did

    name : client_vote_id of the vote, or of the vote that is undone. back : what stood before it, None = nothing
    """

    kind: str
    name: str
    expnum: int
    turn: int
    judgement: str = ""
    ccdnames: tuple[str, ...] = ()
    back: "Act | None" = None
    acknowledged: bool = False
    tries: int = 0
    seconds: float = 0.0


@dataclass
class Ledger:
    """What one client did and heard.

    stands : expnum -> the Act whose judgement is their last word, None = taken back
    heard : expnum -> turn at which bytes with somebody else's answer arrived first
    """

    acts: list[Act] = field(default_factory=list)
    stands: dict[int, Act | None] = field(default_factory=dict)
    heard: dict[int, int] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class Client(threading.Thread):
    """One person. cookie : header that logs them in    votes : how many to give    on_acknowledged : called for each"""

    def __init__(self, name, cookie, port, expnums, votes, draw: random.Random, on_acknowledged):
        super().__init__(daemon=True)
        self.inspector, self.cookie, self.port, self.expnums = name, cookie, port, expnums
        self.votes, self.draw, self.on_acknowledged = votes, draw, on_acknowledged
        self.ledger = Ledger()
        self.error: BaseException | None = None
        self.over = threading.Event()  # set from outside: what they wait for does not come back
        self._line: http.client.HTTPConnection | None = None
        self._turn = 0

    def run(self):
        try:
            for _ in range(self.votes):
                self.vote()
                if self.draw.random() < LOOK:
                    self.look(self.draw.choice(self.expnums))
                if self.draw.random() < UNDO:
                    self.undo()
        except BaseException as error:
            self.error = error
        finally:
            if self._line is not None:
                self._line.close()

    # ---- what they do

    def vote(self) -> None:
        known = list(self.ledger.stands)
        new = [one for one in self.expnums if one not in self.ledger.stands]
        again = not new or (known and self.draw.random() < AGAIN)
        expnum = self.draw.choice(known if again else new)
        if again:
            self.look(expnum)
        judgement = self.draw.choice(("good", "bad", "unsure"))
        ccdnames = tuple(self.draw.sample(CCDS, self.draw.randint(0, 2))) if judgement == "bad" else ()
        turn, before = self.next_turn(), self.ledger.stands.get(expnum)
        name = f"{self.inspector}.{turn}.{self.draw.getrandbits(48):012x}"
        act = Act("vote", name, expnum, turn, judgement, ccdnames, back=before)
        body = {"expnum": expnum, "judgement": judgement, "client_vote_id": name, "screen": {"seconds": 1.0}}
        if judgement == "bad":
            body |= {"reasons": [self.draw.choice(REASONS)], "ccdnames": list(ccdnames)}
        self.ledger.stands[expnum] = act
        self.send_until_taken(act, "/api/vote", body)

    def undo(self) -> None:
        """Take back their last vote, if it still is the last word on its exposure."""
        last = next((one for one in reversed(self.ledger.acts) if one.kind == "vote"), None)
        if last is None or self.ledger.stands[last.expnum] is not last:
            return
        act = Act("undo", last.name, last.expnum, self.next_turn())
        self.ledger.stands[last.expnum] = last.back
        self.send_until_taken(act, "/api/undo", {"expnum": last.expnum, "undoes": last.name})

    def look(self, expnum: int) -> None:
        """Ask for the evidence on an exposure once, as a page does, and note whose names came, also in part of it."""
        turn = self.next_turn()
        _status, data = self.ask("GET", f"/api/exposure/{expnum}?assisted=0")
        if {one.decode() for one in NAMES.findall(data)} - {self.inspector}:
            self.ledger.heard.setdefault(expnum, turn)
            if self.ledger.stands.get(expnum) is None:
                self.ledger.leaks.append(f"{self.inspector} was told of {expnum} without a judgement of their own")

    # ---- the outbox

    def send_until_taken(self, act: Act, path: str, body: dict) -> None:
        """Send the same request until it is answered with 200, or refused for good."""
        self.ledger.acts.append(act)
        started, pause = time.monotonic(), FIRST_PAUSE
        while True:
            act.tries += 1
            status, data = self.ask("POST", path, json.dumps(body).encode())
            act.seconds = time.monotonic() - started
            if status == 200 and self._is_whole(data):
                act.acknowledged = True
                return self.on_acknowledged(act)
            if 400 <= status < 500 and status not in PASSING:
                return self.ledger.refused.append(f"{status} {data.decode(errors='replace')}")
            if act.seconds > GIVE_UP_SECONDS or self.over.is_set():
                raise TimeoutError(f"{act.name} was not taken for {act.seconds:.0f} s; last answer {status} {data!r}")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    @staticmethod
    def _is_whole(data: bytes) -> bool:
        try:
            return isinstance(json.loads(data), dict)
        except ValueError:
            return False

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """(status, all bytes that came). Status 0 if the answer did not come whole."""
        data = b""
        try:
            if self._line is None:
                self._line = http.client.HTTPConnection("localhost", self.port, timeout=ANSWER_SECONDS)
            headers = {"Cookie": self.cookie, "X-Triptych-User": quote(self.inspector)}
            if body is not None:
                headers |= {"Origin": f"http://localhost:{self.port}", "Content-Type": "application/json"}
            self._line.request(method, path, body, headers)
            answer = self._line.getresponse()
            while block := answer.read1(1 << 16):
                data += block
            if answer.length:  # the connection ended before the answer
                raise http.client.IncompleteRead(b"", answer.length)
            answer.close()
            return answer.status, data
        except (OSError, http.client.HTTPException) as error:
            data += getattr(error, "partial", b"")
            with contextlib.suppress(OSError):
                if self._line is not None:
                    self._line.close()
            self._line = None
            return 0, data

    def next_turn(self) -> int:
        self._turn += 1
        return self._turn
