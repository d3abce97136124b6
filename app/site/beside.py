"""The base of what is beside the runs."""

from triptych.app.web import auth
from triptych.app.web.fault_handler import FaultHandler, words_for


class BesideHandler(FaultHandler):
    """A handler of no run. site : app.site.site.Site"""

    as_page = False  # whether errors are shown to people

    def initialize(self, site):
        self.site = site

    @property
    def root(self):
        return self.site.apps[0].place.site_root

    def set_default_headers(self):
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code, **kwargs):
        status, said = str(status_code), words_for(self, status_code, kwargs)
        if not self.as_page:
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            return self.finish(f"{status} {said}\n")
        more = {"title": status, "error_type": status, "error_msg": said}
        return self.finish(auth.page("outside/error.html", root=self.root, of_run=False, **more))
