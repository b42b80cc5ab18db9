"""A content security policy for the pages of nbgrader's formgrader that show a student's work.

Jupyter's own setting for headers is one text for all pages, JupyterLab's included, and the
formgrader's pages begin with scripts of their own: a policy that allows them by ``'unsafe-inline'``
allows a student's too. Here each page has a number of its own (a nonce), which stands in the header
and on the scripts and styles that come before the student's work, and on no others.

Put this into ``jupyter_server_config.py``, as `coursework.course.make_course` does::

    from coursework.formgrader import TORNADO_SETTINGS

    c.ServerApp.tornado_settings = TORNADO_SETTINGS
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

SUBMISSION = re.compile(r"/formgrader/submissions/[^/]+/?")
"""A student's notebook; what lies deeper are files that may be the student's."""

STUDENTS_WORK = b'id="notebook"'
"""Where the page's own parts end."""

LOADED = re.compile(rb"<(script|style|link)\b", re.IGNORECASE)
MATHJAX = re.compile(rb'<script src="[^"]*mathjax[^"]*">\s*</script>', re.IGNORECASE)
NO_MATHJAX = (
    b"<script>window.MathJax = { Hub: { Startup: { signal: {"
    b" Interest: (tell) => setTimeout(tell, 0, 'End') } } } };</script>"
)
"""The formgrader waits for MathJax, from another host, before it takes keys. Here formulas stay the
text that they are, as in the feedback, and no other host is asked."""

HANDLERS = ("toggle_name(true);", "toggle_name(false);")
"""What two buttons of the page do when they are clicked."""

FILE_POLICY = "sandbox; default-src 'none'; frame-ancestors 'self'"


def page_policy(nonce: str) -> str:
    """Return the policy of a page whose own scripts and styles bear the nonce."""
    hashes = " ".join(f"'sha256-{_digest(handler)}'" for handler in HANDLERS)
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'unsafe-hashes' {hashes}; "
        f"style-src-elem 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; "
        "connect-src 'self'; font-src 'self' data:; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class ClosedSubmissions(OutputTransform):
    """Tornado's step after a handler: a policy for a student's page, and for a student's file."""

    def __init__(self, request: HTTPServerRequest):
        found = SUBMISSION.search(request.path)
        self.applies = found is not None and "/submissions/components/" not in request.path
        self.is_page = self.applies and found.end() == len(request.path)

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Set the header, and the nonce on the page's own scripts and styles."""
        if self.applies:
            nonce = secrets.token_urlsafe(16)
            headers["Content-Security-Policy"] = page_policy(nonce) if self.is_page else FILE_POLICY
        if self.is_page:
            own, mark, work = chunk.partition(STUDENTS_WORK)
            if mark and finishing:
                own = MATHJAX.sub(NO_MATHJAX, own)
                own = LOADED.sub(rb'<\1 nonce="%b"' % nonce.encode(), own)
                chunk = own + mark + work
                headers["Content-Length"] = str(len(chunk))
            # A browser that kept the page would find another nonce in the answer "not modified".
            headers["Cache-Control"] = "no-store"
            headers.pop("Etag", None)
        return status_code, headers, chunk


TORNADO_SETTINGS = {"transforms": [ClosedSubmissions]}
