"""The doors of the studio: the names it answers to, the addresses it has, and what an event of its page may hold.

Gradio can do more than the page needs: lay out files of the machine, fetch addresses, look for either in any value that
it is sent. Nothing gets to it here but what the page itself sends.
"""

import ipaddress
import json
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retinasynth.errors import InputError

UPLOAD = "/gradio_api/upload"

_JOIN = "/gradio_api/queue/join"
_FILE = "/gradio_api/file="  # closed; uploads carry the address that they would have
_READ = {"/", "/favicon.ico", "/theme.css", "/gradio_api/app_id", "/gradio_api/queue/data"}
_READ_BELOW = ("/assets/", "/static/", "/downloads/", "/gradio_api/heartbeat/")
_SENT = {_JOIN, UPLOAD}

_OF_AN_EVENT = ("data", "event_data", "fn_index", "session_hash", "trigger_id")
_OF_AN_UPLOAD = {"path", "url", "orig_name", "size", "mime_type", "meta"}
_META = {"_type": "gradio.FileData"}
_HASH = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_NAME_AND_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?", re.IGNORECASE)

_FOREIGN_EVENT = "This event holds what the page never sends, such as a file or an address where none belongs."


@dataclass(frozen=True)
class Names:
    """The names and addresses that browsers may call the studio by.

    A page of somebody else can have its own name lead to this machine, and so reach the studio through the browser that
    shows it. It then calls the studio by that name. It cannot do so with addresses of numbers, which are what they are.

    Attributes:
        given: by the user: of proxies, for example, whose pages may also send events.
        own: of the machine.
        is_local: it is served to this machine alone, so that addresses of others are foreign.
    """

    given: frozenset[str]
    own: frozenset[str]
    is_local: bool

    @classmethod
    def of(cls, host: str, address: str, given: Iterable[str]) -> "Names":
        """The names of a studio.

        Args:
            host: what it serves at.
            address: what that is in numbers.
            given: further names.

        Raises:
            InputError: one of `given` is no name.
        """
        names = {name.strip("[]").lower() for name in given}
        for name in names:
            if not name or _name_in(f"[{name}]" if ":" in name else name) != name:
                raise InputError(
                    f"`name` is {name!r}",
                    expected="a name or an address, without http:// and without a port",
                    do="Give what stands between // and : or / in the browser's address bar",
                )
        is_local = ipaddress.ip_address(address).is_loopback
        machine = socket.gethostname().lower()
        first = machine.partition(".")[0]
        of_machine = {machine, first, f"{first}.local"} if machine and not is_local else set()
        return cls(frozenset(names), frozenset({"localhost", host.lower(), *of_machine} - {""}), is_local)

    def know(self, called: str) -> bool:
        """Whether the studio answers to a name or address, with or without a port."""
        name = _name_in(called)
        if name in self.given or name in self.own:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self.is_local


class Doors:
    """Lets nothing in but what the studio's own page sends.

    Args:
        app: what is behind the doors.
        uploads: the folder where gradio lays uploads, each below the hash of its content.
        names: that it answers to.
        takes: for each event, by its number, which of its values are uploads or none.
    """

    def __init__(self, app: ASGIApp, uploads: Path, names: Names, takes: Mapping[int, Sequence[bool]]) -> None:
        self._app, self._uploads, self._names, self._takes = app, uploads, names, takes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request.

        Raises:
            HTTPException: it is refused.
        """
        if scope["type"] == "websocket":  # the page needs none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        self._refuse_foreign(headers)
        method, path = scope["method"], scope["path"]
        is_read = method in ("GET", "HEAD") and (path in _READ or path.startswith(_READ_BELOW))
        if not is_read and not (method == "POST" and path in _SENT):
            raise HTTPException(404, "There is nothing here.")
        if path == _JOIN:
            content = self._looked_at(await _whole(receive), headers["host"])
            scope = {**scope, "headers": [*scope["headers"]]}
            MutableHeaders(scope=scope)["content-length"] = str(len(content))
            receive = _first(content, receive)
        await self._app(scope, receive, send)

    def _refuse_foreign(self, headers: Headers) -> None:
        called = ", ".join(headers.getlist("host"))
        if not self._names.know(called):
            raise HTTPException(
                421,
                f"This studio does not answer to the name {called[:100]!r}. Expected: the name or address that it was "
                "started with. If this is another name of it, start it with that name as --name.",
            )
        origin = headers.get("origin")
        if origin is None:
            return
        scheme, _, place = origin.partition("://")
        if scheme not in ("http", "https") or (
            place.lower() != called.lower() and _name_in(place) not in self._names.given
        ):
            raise HTTPException(403, "Pages of others may not use this studio.")

    def _looked_at(self, content: bytes, host: str) -> bytes:
        """An event in its own words: of what it says, only what is looked at is handed on."""
        try:
            event = json.loads(content)
            if self._is_ours(event, host):
                return json.dumps({name: event[name] for name in _OF_AN_EVENT if name in event}).encode()
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, "This is no event of the page.") from error
        raise HTTPException(403, _FOREIGN_EVENT)

    def _is_ours(self, event: object, host: str) -> bool:
        if not isinstance(event, dict):
            return False
        number, values, about = (event.get(name) for name in ("fn_index", "data", "event_data"))
        if not isinstance(number, int) or not isinstance(values, list) or number not in self._takes:
            return False
        takes = self._takes[number]
        return (
            len(values) == len(takes)
            and all(
                value is None or (self._is_upload(value, host) if is_upload else _is_plain(value))
                for value, is_upload in zip(values, takes, strict=True)
            )
            and all(map(_is_plain, about.values() if isinstance(about, dict) else [about]))
            and _is_plain(event.get("session_hash"))
            and _is_plain(event.get("trigger_id"))
        )

    def _is_upload(self, value: object, host: str) -> bool:
        """Whether this is what the page says of an upload, which may be gone by now: where it lies, and its address."""
        if not isinstance(value, dict) or not value.keys() <= _OF_AN_UPLOAD or value.get("meta") != _META:
            return False
        path, url, *rest = (value.get(name) for name in ("path", "url", "orig_name", "size", "mime_type"))
        if not isinstance(path, str) or "\0" in path or not all(map(_is_plain, rest)):
            return False
        place = Path(path)
        if place.name == ".." or place.parent.parent != self._uploads or not _HASH.fullmatch(place.parent.name):
            return False
        return url is None or self._is_address_of(path, str(url), host)

    def _is_address_of(self, path: str, url: str, host: str) -> bool:
        scheme, place, where, *rest = urlsplit(url)
        is_ours = place.lower() == host.lower() or _name_in(place) in self._names.given
        return scheme in ("http", "https") and is_ours and unquote(where) == _FILE + path and not any(rest)


def _name_in(called: str) -> str:
    """The name or address in what comes before the path of an address; empty where it is none."""
    match = _NAME_AND_PORT.fullmatch(called)
    return match[1].strip("[]").lower() if match else ""


def _is_plain(value: object) -> bool:
    """Whether a value holds neither an object, as files are, nor an address; what is JSON inside JSON counts."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, str):
        try:
            inside = json.loads(value)
        except ValueError:
            return not _ADDRESS.match(value)
        return _is_plain(inside)
    return not isinstance(value, dict)


async def _whole(receive: Receive) -> bytes:
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HTTPException(400, "This is no event of the page.")
        content += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(content)


def _first(content: bytes, after: Receive) -> Receive:
    """What gives a request's content at once, and afterwards what else comes."""
    waiting: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else await after()

    return receive
