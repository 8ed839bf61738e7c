"""Keeps foreign web pages out: a browser sends requests wherever a page tells it to, also to this computer.

The service knows its user by nothing but that he reaches it. So a request is refused

- whose `Host` is a name that the service does not have: a page of `evil.example` may have that name point
  to 127.0.0.1 (DNS rebinding). Addresses are no names, and are taken;
- whose `Origin` is another page's, or that changes something and was sent by another site's page;
- that changes something and lacks the header `X-Cleanplate`. A foreign page could send it only after asking
  for leave (CORS), which is never given.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OWN_HEADER = "X-Cleanplate"
"""Any value will do."""

_READING = frozenset({"GET", "HEAD"})
_OWN_SITES = frozenset({"same-origin", "none"})
"""Values of `Sec-Fetch-Site`: the page itself, or the user's own typing."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Gate:
    """An ASGI application before another one.

    Args:
        app: answers what is let through.
        names: of the service's computer, as they may stand in addresses of the page.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names = frozenset(name.casefold() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        complaint = self._complaint(scope["method"], Headers(scope=scope))
        answer = JSONResponse({"error": complaint}, 403) if complaint else self._app
        await answer(scope, receive, send_with_headers)

    def _complaint(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if not self._is_own(host):
            return f"This service does not go by the name '{host}'. If it shall: start it with --name."
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != host:
            return "Another web page sent this. Open the service's own page."
        if method in _READING:
            return None
        if headers.get("sec-fetch-site", "none") not in _OWN_SITES:
            return "Another web page sent this. Open the service's own page."
        if OWN_HEADER not in headers:
            return f"The header {OWN_HEADER} is missing. Programs other than the page add '{OWN_HEADER}: 1'."
        return None

    def _is_own(self, host: str) -> bool:
        if "@" in host:
            return False
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
