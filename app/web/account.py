"""What a user does with their own account: a new password."""

import tornado.web

from triptych.app.web.answers import ApiHandler
from triptych.app.web.bodies import PasswordBody
from triptych.app.web.tries import Busy
from triptych.pipeline.errors import BadInput


class PasswordHandler(ApiHandler):
    """POST {old, new}: set one's own password. Answers {ended}: how many logins elsewhere have ended.

    A wrong old password counts as a failure of the account, as it does at the login form.
    """

    async def post(self):
        body = self.body(PasswordBody)
        if self.user.oauth:
            raise tornado.web.HTTPError(400, "your account has no password here; you log in through OAuth")
        old, new = body.old, body.new
        try:
            check = self.app.store.check_password
            right = await self.app.tries.run(check, self.user.name, old, address=self.actor.address)
        except Busy:
            raise tornado.web.HTTPError(503, "too many people change or type passwords now; try again") from None
        if right is None:
            raise tornado.web.HTTPError(400, "the old password is wrong; after five failures wait a minute")
        await self.answer(self.change, old, new)

    def change(self, old, new):
        if new == old:
            raise BadInput("the new password is the old one; choose another")
        ended = self.app.store.set_password(self.user.name, new, but=self.login.login_id, by=self.actor)
        self.app.accounts.forget()
        return {"ended": ended}


def routes(app):
    """Routes of this file for the server. app : app.context.AppContext"""
    return [(r"/account/password", PasswordHandler, {"app": app})]
