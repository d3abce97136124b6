"""Which OAuth provider says who somebody is: read from a file, because a command line can be read by everybody.

    provider = "gitlab"            # a name of PROVIDERS
    key = "..."                    # what the provider calls client id or application id
    secret = "..."
    label = "the observatory"      # in the button: "Log in with the observatory"
    ask = "Cecilia, room 12"       # whom to ask for an account
    user = "username"              # which of the provider's words about somebody is the name of their account
    scope = ["openid", "profile"]
    redirect = "https://bad.example.org/triptych/login/oauth"

    [params]                       # of the provider: url of a GitLab, tenant of an Azure, addresses of a generic one
    url = "gitlab.example.org"

`provider` and `key` are needed; the rest has defaults. The addresses, scopes and words of each provider are those of
Panel's login handlers.
"""

import os
import stat
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from triptych.app.web.bodies import first_problem
from triptych.pipeline.errors import BadInput, choose

# provider -> the params without which its addresses are not its own
PROVIDERS = {
    "auth0": ("subdomain",),
    "azure": ("tenant",),
    "azurev2": ("tenant",),
    "bitbucket": (),
    "generic": ("AUTHORIZE_URL", "TOKEN_URL"),
    "github": (),
    "gitlab": (),
    "google": (),
    "okta": ("url",),
}
NOT_NEEDED = "offline_access"  # a scope for tokens that outlive the login; nothing is asked of the provider afterwards
LOCAL = ("localhost", "127.0.0.1", "::1")


class Provider(BaseModel):
    """One OAuth provider, as the file describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str
    key: str = Field(min_length=1)
    secret: str = Field(default="", repr=False)
    label: str = ""
    ask: str = "a lead of this survey"
    user: str = ""
    scope: tuple[str, ...] = ()
    redirect: str = ""
    params: dict[str, str] = {}

    @property
    def name(self) -> str:
        """What people call it."""
        return self.label or self.provider.capitalize()

    def of_panel(self) -> Any:
        """Panel's login handler, only as something to ask for addresses: it serves nothing."""
        from panel.auth import AUTH_PROVIDERS  # here: a Session knows its Provider without Panel

        kind = AUTH_PROVIDERS[self.provider]
        return kind.__new__(kind)

    @property
    def authorize_url(self) -> str:
        return self.of_panel()._OAUTH_AUTHORIZE_URL

    @property
    def token_url(self) -> str:
        return self.of_panel()._OAUTH_ACCESS_TOKEN_URL

    @property
    def user_url(self) -> str:
        """Where to ask who somebody is, '' = the token says it. The token goes into a header: addresses are logged."""
        return (getattr(self.of_panel(), "_OAUTH_USER_URL", "") or "").removesuffix("?access_token=")

    @property
    def user_key(self) -> str:
        return self.user or self.of_panel()._USER_KEY

    @property
    def scopes(self) -> list[str]:
        return list(self.scope) or [one for one in self.of_panel()._SCOPE or () if one != NOT_NEEDED]

    def bearer(self, token: str) -> str:
        """The header Authorization that goes with a token."""
        return (self.of_panel()._access_token_header or "Bearer {}").format(token)


def read_provider(path: str | Path) -> Provider:
    """The provider that a file describes, which Panel knows from now on. BadInput says what is wrong with the file."""
    from panel.config import config

    path = Path(path)
    try:
        mode = path.stat().st_mode
        if os.name == "posix" and mode & (stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH):
            raise BadInput(f"others may read {path}, which holds a secret; `chmod 600 {path}` keeps it")
        values = tomllib.loads(path.read_text())
        found = Provider.model_validate(values)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"the OAuth provider cannot be read from {path}: {error}") from None
    except ValidationError as error:
        raise BadInput(f"the OAuth provider in {path} cannot be used: {first_problem(error)}") from None
    choose(found.provider, PROVIDERS, "provider of OAuth")
    for name in PROVIDERS[found.provider]:
        if not found.params.get(name):
            raise BadInput(f"{path} must name `{name}` under [params] for the provider {found.provider}")
    # Panel's handlers read their addresses from here. It declares it read-only, and lets us set it.
    config.oauth_extra_params = found.params  # pyright: ignore[reportAttributeAccessIssue]
    for url in (found.authorize_url, found.token_url, found.user_url):
        if url and urlsplit(url).scheme != "https" and urlsplit(url).hostname not in LOCAL:
            raise BadInput(f"{url} in {path} does not begin with https://, so everybody on the way could read it")
    if found.redirect and not found.redirect.endswith("/login/oauth"):
        raise BadInput(f"`redirect` in {path} must end with /login/oauth")
    return found
