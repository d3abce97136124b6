"""Routes for help and settings: the rule and examples of a reason, and the user's own keys and tour.

GET  /api/reason/NAME    rule and examples: see app.judging.reason_examples
GET  /api/settings       {user, keys, tour, reasons}
POST /api/settings       {keys} or {tour}: kept for this account
"""

from triptych.app.judging import reason_examples
from triptych.app.judging.handlers import ViewerApi
from triptych.app.judging.viewer import Viewer
from triptych.app.palette import REASON_COLOURS
from triptych.app.web.bodies import OwnSettingsBody
from triptych.pipeline.errors import BadInput
from triptych.pipeline.reasons import REASONS

LONGEST_KEY = 12
MOST_KEYS = 200
TOURS = ("", "seen")


class ReasonHandler(ViewerApi):
    """GET: the rule of a reason, with examples."""

    async def get(self, name):
        assisted = self.assisted
        await self.answer(lambda: reason_examples.help_on(self.viewer, name, assisted=assisted))


class SettingsHandler(ViewerApi):
    """GET: the user's own settings. POST: change them."""

    async def get(self):
        await self.answer(settings_of, self.viewer)

    async def post(self):
        await self.answer(keep_own_settings, self.viewer, self.body(OwnSettingsBody).given())


def settings_of(viewer: Viewer):
    """{user, keys: {room: {standard key: own key, '' = off}}, tour, reasons: [{name, label, key, colour}]}"""
    return {
        "user": viewer.name,
        "keys": viewer.store.setting("keys", {}, owner=viewer.name),
        "tour": viewer.store.setting("tour", "", owner=viewer.name),
        "reasons": [
            {"name": reason.name, "label": reason.label, "key": reason.key, "colour": REASON_COLOURS[reason.name]}
            for reason in REASONS.values()
        ],
    }


def keep_own_settings(viewer: Viewer, values):
    """Keep some settings of a user, and return all of them. Raises BadInput for values that cannot be kept."""
    if "keys" in values:
        viewer.store.keep_setting("keys", checked_keys(values["keys"]), owner=viewer.name)
    if "tour" in values:
        if values["tour"] not in TOURS:
            raise BadInput("the tour is seen or not: send 'seen' or ''")
        viewer.store.keep_setting("tour", values["tour"], owner=viewer.name)
    return settings_of(viewer)


def checked_keys(keys):
    """The same keys. Raises BadInput unless they are short texts by room and different within each room."""
    if not isinstance(keys, dict) or not all(isinstance(own, dict) for own in keys.values()):
        raise BadInput("keys are given by room: {room: {key: own key}}")
    texts = [*keys, *(text for own in keys.values() for pair in own.items() for text in pair)]
    if len(texts) > MOST_KEYS or not all(isinstance(text, str) and len(text) <= LONGEST_KEY for text in texts):
        raise BadInput(f"a key is a text of at most {LONGEST_KEY} characters, and there are {MOST_KEYS} at most")
    for room, own in keys.items():
        used = [key for key in own.values() if key]
        twice = sorted({key for key in used if used.count(key) > 1})
        if twice:
            raise BadInput(f"in {room} the key {twice[0]} would do two things; choose another")
    return keys


def routes(app) -> list:
    """Routes of this file for the server. app : app.context.AppContext"""
    arguments = {"app": app}
    return [(r"/api/reason/(\w+)", ReasonHandler, arguments), (r"/api/settings", SettingsHandler, arguments)]
