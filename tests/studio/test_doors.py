"""Attacks on the studio over HTTP, without a browser: files of the machine, addresses, strange names, what stays."""

import asyncio
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pictures import put_photograph
from retinasynth.errors import InputError

pytest.importorskip("gradio", reason="the extra studio is not installed")
import httpx  # these two come with gradio
from starlette.exceptions import HTTPException

from retinasynth.studio import serve
from retinasynth.studio.doors import Doors, Names
from retinasynth.studio.folder import own_folder

SECRET = "not for strangers"  # noqa: S105 - what a file of the machine holds
JOIN, UPLOAD = "/gradio_api/queue/join", "/gradio_api/upload"
PAST = {"x-past-the-doors": "1"}
# A studio that takes every address for a public one, and has a way around its doors for who knows it.
LENIENT = """
import functools, sys
import safehttpx
from retinasynth.studio import doors, serve

async def public(_):
    return "127.0.0.1"

async def opened(self, scope, receive, send):
    knows = any(name == b"x-past-the-doors" for name, _ in scope.get("headers", ()))
    await (self._app if knows else functools.partial(closed, self))(scope, receive, send)

safehttpx.async_validate_url = public
closed, doors.Doors.__call__ = doors.Doors.__call__, opened
serve(sys.argv[1:2], sys.argv[2], "127.0.0.1", 0, lambda address: print("at", address, flush=True))
"""


class Event(NamedTuple):
    """Something that happens in the page: the kind and the name of each control whose value it sends, and the value."""

    kinds: list[str]
    names: list[str | None]
    values: list[Any]


class Served(NamedTuple):
    """A studio, the folder of its temporary files, the events of its page and a file that is none of its business."""

    client: httpx.Client
    place: Path
    events: dict[int, Event]
    secret: Path

    @property
    def here(self) -> str:
        """The address without http://."""
        return self.client.base_url.netloc.decode()


def begun(command: list[str], place: Path) -> tuple[subprocess.Popen[str], str]:
    """A studio whose temporary files are in `place`, and its address."""
    place.mkdir(exist_ok=True)
    own = {**os.environ, "COLUMNS": "200", "TMPDIR": str(place)}  # a wide screen: the address stands in one line
    server = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, env=own)
    line = server.stdout.readline() if server.stdout else ""
    return server, re.search(r"http://\S+", line)[0]


@pytest.fixture(scope="module")
def served(styled_run, enhancer_folder, tmp_path_factory) -> Iterator[Served]:
    place, elsewhere = tmp_path_factory.mktemp("temporary"), tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "secret.png").write_text(SECRET)
    server, url = begun(["-c", LENIENT, str(styled_run), str(enhancer_folder)], place)
    with server, httpx.Client(base_url=url, timeout=60, transport=httpx.HTTPTransport(retries=9)) as client:
        try:
            yield Served(client, place, events_of(client.get("/").text), elsewhere / "secret.png")
        finally:
            server.terminate()


def events_of(page: str) -> dict[int, Event]:
    """What the page can send, as it says itself; what it does by itself is left out."""
    config = json.JSONDecoder().raw_decode(page.split("window.gradio_config = ", 1)[1])[0]
    components = {one["id"]: one for one in config["components"]}
    return {
        event["id"]: Event(
            [components[one]["type"] for one in event["inputs"]],
            [components[one]["props"].get("elem_id") for one in event["inputs"]],
            [
                None if components[one]["type"] in ("state", "uploadbutton") else components[one]["props"].get("value")
                for one in event["inputs"]
            ],
        )
        for event in config["dependencies"]
        if event["backend_fn"]
    }


def file_value(path: object, **more: object) -> dict[str, Any]:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}, **more}


def answered(
    served: Served, number: int, data: list[Any], headers: dict[str, str] | None = None, **more: Any
) -> tuple[int, str]:
    """Status of an event, and all that is said of it."""
    word = os.urandom(8).hex()
    body = {"data": data, "fn_index": number, "session_hash": word, **more}
    sent = served.client.post(JOIN, json=body, headers=headers)
    if sent.status_code != 200:
        return sent.status_code, sent.text
    return 200, served.client.get("/gradio_api/queue/data", params={"session_hash": word}).text


def replaced(event: Event, place: int, value: object) -> list[Any]:
    """The values of an event, untouched but for one."""
    return [*event.values[:place], value, *event.values[place + 1 :]]


def copies(served: Served) -> list[Path]:
    kept = (file for file in served.place.rglob("*") if file.is_file())
    return [file for file in kept if SECRET in file.read_text(errors="replace")]


def uploaded(served: Served, path: Path) -> str:
    with path.open("rb") as file:
        return served.client.post(UPLOAD, files={"files": (path.name, file)}).json()[0]


# --- Files of the machine ----------------------------------------------------------------------------------------


def test_no_event_hands_out_a_file_of_the_machine_wherever_it_is_named(served):
    assert len(served.events) > 20
    for number, event in served.events.items():
        for place in range(len(event.values)):
            status, said = answered(served, number, replaced(event, place, file_value(served.secret)))
            assert status == 403, (number, place, said)
            assert SECRET not in said
    assert copies(served) == []


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda value: [value],
        lambda value: {"value": value},
        lambda value: [[], {"a": [{"b": value}]}],
        json.dumps,
        lambda value: json.dumps(json.dumps([value])),
        lambda value: [json.dumps({"a": value})],
    ],
)
def test_a_file_deep_in_another_value_is_refused_as_well(served, wrapped):
    number, event = next(iter(served.events.items()))
    value = wrapped(file_value(served.secret))
    for place in range(len(event.values)):
        assert answered(served, number, replaced(event, place, value))[0] == 403
    assert answered(served, number, event.values, event_data={"number": value})[0] == 403
    assert answered(served, number, event.values, event_data=[value])[0] == 403
    assert copies(served) == []


def test_gradio_itself_copies_no_file_even_if_an_event_got_past_the_doors(served):
    for kind in ("radio", "uploadbutton"):
        number, event = next((number, event) for number, event in served.events.items() if kind in event.kinds)
        data = replaced(event, event.kinds.index(kind), file_value(served.secret))
        status, said = answered(served, number, data, PAST)
        assert status == 200
        assert "process_completed" in said
        assert copies(served) == []


def test_an_upload_is_taken_from_its_own_place_alone(served, tmp_path):
    number, event = next((number, event) for number, event in served.events.items() if "enhance-upload" in event.names)
    place = event.names.index("enhance-upload")
    picture = put_photograph(tmp_path / "mine #1 100%.png", 1, 60, 60)
    with picture.open("rb") as file:
        path = served.client.post(UPLOAD, files={"files": (picture.name, file)}).json()[0]

    def sent(value: object) -> tuple[int, str]:
        return answered(served, number, replaced(event, place, value))

    url = f"http://{served.here}/gradio_api/file=" + path.replace("%", "%25").replace("#", "%23").replace(" ", "%20")
    status, said = sent(file_value(path, url=url, orig_name=picture.name, size=3, mime_type="image/png"))
    assert status == 200
    assert "60 x 60 px" in said
    assert not Path(path).exists()
    folder = Path(path).parent
    for wrong in (
        served.secret,
        f"{folder}/../../{served.secret.name}",
        f"{folder.parent}/x/../{folder.name}/{picture.name}",
        f"{folder}/..",
        f"{folder}/{picture.name}\0.png",
        f"{folder}/more/{picture.name}",
        folder.parent / "downloads" / picture.name,
        Path(folder.name) / picture.name,
        f"file://{served.secret}",
        "",
    ):
        assert sent(file_value(wrong))[0] == 403, wrong
    for more in (
        {"url": f"http://evil.example/gradio_api/file={path}"},
        {"url": f"http://{served.here}@evil.example/gradio_api/file={path}"},
        {"url": f"http://{served.here}/gradio_api/file=/etc/passwd"},
        {"url": f"ftp://{served.here}/gradio_api/file={path}"},
        {"url": "http://[evil"},
        {"url": ["http://evil.example"]},
        {"orig_name": "http://evil.example"},
        {"is_stream": True},
        {"meta": {"_type": "gradio.FileData", "more": {}}},
        {"b64": "AAAA"},
    ):
        assert sent(file_value(path, **more))[0] in (400, 403), more
    assert sent([file_value(path)])[0] == 403
    assert sent(path)[0] == 403


def test_what_is_no_event_of_the_page_is_refused_in_a_sentence(served):
    number, event = next(iter(served.events.items()))
    for body in ("[", "7", "[" * 100_000, '{"data":', json.dumps({"fn_index": number})):
        answer = served.client.post(JOIN, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 403)
        assert answer.text.endswith(".")
    deep = "[" * 50_000 + "]" * 50_000
    for wrong in (
        {"data": event.values[1:]},
        {"fn_index": 10**6},
        {"fn_index": "0"},
        {"session_hash": {}},
        {"event_data": deep},
    ):
        body = {"data": event.values, "fn_index": number, "session_hash": "x", **wrong}
        assert served.client.post(JOIN, json=body).status_code in (400, 403), wrong
    dropped = {"batched": True, "simple_format": True, "event_id": "x", "oauth_token": "x"}
    status, said = answered(served, number, event.values, **dropped)
    assert status == 200
    assert '"success":true' in said


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/config"),
        ("GET", "/docs"),
        ("GET", "/gradio_api/file={secret}"),
        ("GET", "/gradio_api/file/{secret}"),
        ("HEAD", "/gradio_api/file={secret}"),
        ("GET", "/gradio_api/deep_link?session_hash=x"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/gradio_api/custom_component/a/server/b/c"),
        ("GET", "/gradio_api/startup-events"),
        ("GET", "/monitoring"),
        ("GET", "/svelte/a.js"),
        ("GET", "/assets/../../../../../../{secret}"),
        ("GET", "/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/{secret}"),
        ("GET", "/static/%2e%2e/%2e%2e/package.json"),
        ("GET", "/downloads/%2e%2e/%2e%2e{secret}"),
        ("POST", "/login"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/gradio_api/api/predict"),
        ("POST", "/gradio_api/call/predict"),
        ("POST", "/gradio_api/call/v2/predict"),
        ("POST", "/gradio_api/queue/join/"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/stream/x"),
        ("POST", "/gradio_api/cancel"),
        ("POST", "/gradio_api/reset"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/"),
        ("PUT", "/gradio_api/upload"),
        ("OPTIONS", "/gradio_api/queue/join"),
    ],
)
def test_addresses_that_the_page_does_not_need_are_closed(served, method, path):
    answer = served.client.request(method, path.format(secret=served.secret))
    assert answer.status_code in (403, 404), answer.text
    assert SECRET not in answer.text


def test_even_an_upload_is_not_handed_out(served):
    path = served.client.post(UPLOAD, files={"files": ("mine.txt", b"mine")}).json()[0]
    assert Path(path).read_text() == "mine"
    assert served.client.get(f"/gradio_api/file={path}").status_code == 404


# --- Addresses ---------------------------------------------------------------------------------------------------


@pytest.fixture
def other() -> Iterator[tuple[str, list[str]]]:
    """The address of another server, and what is asked of it."""
    asked: list[str] = []

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("content-type", "image/png")
            self.end_headers()
            self.wfile.write(SECRET.encode())

        do_HEAD = do_GET  # noqa: N815 - as http.server calls it

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://public.example:{server.server_port}", asked
        server.shutdown()


def test_the_server_fetches_no_address(served, other):
    url, asked = other
    for number, event in served.events.items():
        for kind in set(event.kinds):
            data = replaced(event, event.kinds.index(kind), file_value(f"{url}/a.png"))
            assert answered(served, number, data)[0] == 403
    number, event = next((number, event) for number, event in served.events.items() if "uploadbutton" in event.kinds)
    for place in range(len(event.values)):
        for value in (file_value("a.png", url=f"{url}/b.png"), f"{url}/c.png", [f" {url}/d.png"]):
            assert answered(served, number, replaced(event, place, value))[0] == 403
    for path in ("file", "proxy"):
        for method in ("GET", "HEAD"):
            assert served.client.request(method, f"/gradio_api/{path}={url}/{path}.png").status_code == 404
    assert asked == []
    # Without the doors it would, so that this can fail.
    assert served.client.get(f"/gradio_api/file={url}/e.png", headers=PAST).text == SECRET
    assert asked == ["/e.png"]


# --- Names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("called", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("127.0.0.1", 200),
        ("localhost:80", 200),
        ("LOCALHOST", 200),
        ("[::1]:7860", 200),
        ("evil.example:7860", 421),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example:7860", 421),
        ("evil.example@localhost", 421),
        ("localhost@evil.example", 421),
        ("192.0.2.1:7860", 421),
        ("0.0.0.0:7860", 421),
        ("[::1", 421),
        ("", 421),
        ("localhost:7860, evil.example", 421),
    ],
)
def test_a_studio_of_this_machine_answers_to_no_strange_name(served, called, status):
    for path in ("/", "/theme.css"):
        answer = served.client.get(path, headers={"host": called})
        assert answer.status_code == status
    if status != 200:
        assert "--name" in answer.text
    event = {"data": [], "fn_index": -1, "session_hash": "x"}
    joined = served.client.post(JOIN, json=event, headers={"host": called})
    assert joined.status_code == (403 if status == 200 else 421)
    sent = served.client.post(UPLOAD, files={"files": ("a.txt", b"a")}, headers={"host": called})
    assert sent.status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://{here}", 200),
        ("https://{here}", 200),
        ("http://evil.example", 403),
        ("http://127.0.0.1", 403),
        ("http://localhost", 403),
        ("ftp://{here}", 403),
        ("http://{here}.evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_pages_of_others_can_neither_send_nor_read(served, origin, status):
    headers = {} if origin is None else {"origin": origin.format(here=served.here)}
    for answer in (
        served.client.get("/", headers=headers),
        served.client.post(UPLOAD, files={"files": ("a.txt", b"a")}, headers=headers),
    ):
        assert answer.status_code == status
        assert status == 200 or "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("host", "address", "known", "strange"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", "this-machine"),
        ("localhost", "127.0.0.1", "localhost", "this-machine.local"),
        ("::1", "::1", "[::1]", "[2001:db8::1]"),
        ("0.0.0.0", "0.0.0.0", "192.0.2.1 0.0.0.0 [2001:db8::1] this-machine this-machine.local", "evil.example"),  # noqa: S104 - not served
        ("::", "::", "[::1] 192.0.2.1 this-machine.at.home", "machine"),
        ("eyes.example", "192.0.2.1", "eyes.example EYES.example 192.0.2.1 localhost", "other.example"),
    ],
)
def test_the_names_of_a_studio_are_those_that_people_would_type(monkeypatch, host, address, known, strange):
    monkeypatch.setattr("socket.gethostname", lambda: "This-Machine.at.home")
    names = Names.of(host, address, ["proxy.example", "2001:db8::7"])
    for called in [*known.split(), "localhost", "127.0.0.1", "proxy.example", "[2001:db8::7]"]:
        assert names.know(called), called
        assert names.know(f"{called}:7860"), called
        assert not names.know(f"{called}:7860x"), called
    assert not names.know(strange)
    assert not names.know("")


@pytest.mark.parametrize(
    "wrong", ["", "http://eyes.example", "eyes.example:80", "eyes.example/studio", "[::1]:80", "a b"]
)
def test_a_name_that_is_none_is_refused(wrong):
    with pytest.raises(InputError, match="without http:// and without a port"):
        Names.of("127.0.0.1", "127.0.0.1", [wrong])


def test_a_studio_does_not_open_under_a_name_that_is_none(styled_run, enhancer_folder, monkeypatch):
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "")  # put back afterwards
    with pytest.raises(InputError, match="`name` is 'http://a'"):
        serve([str(styled_run)], str(enhancer_folder), "127.0.0.1", 0, pytest.fail, names=["http://a"])


def through(names: Names, kind: str = "http", **headers: str) -> list[dict[str, Any]]:
    """What a studio of these names, of which nothing but the doors is there, answers."""
    answers: list[dict[str, Any]] = []

    async def app(scope: Any, _: Any, send: Any) -> None:
        await send({"type": f"{scope['type']}.came.in"})

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        answers.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "method": "GET", "path": "/", "headers": raw}
    asyncio.run(Doors(app, Path("uploads"), names, {})(scope, receive, send))
    return answers


def test_a_proxy_that_was_told_of_may_have_another_name_than_the_studio():
    told = Names.of("127.0.0.1", "127.0.0.1", ["proxy.example"])
    assert through(told, host="127.0.0.1:7860", origin="https://proxy.example") == [{"type": "http.came.in"}]
    assert through(told, host="proxy.example", origin="https://proxy.example") == [{"type": "http.came.in"}]
    for origin in ("https://evil.example", "https://localhost"):
        with pytest.raises(HTTPException, match="Pages of others"):
            through(told, host="127.0.0.1:7860", origin=origin)


def test_no_other_kind_of_connection_is_taken():
    assert through(Names.of("127.0.0.1", "127.0.0.1", []), "websocket", host="127.0.0.1:7860") == [
        {"type": "websocket.close", "code": 1008}
    ]


# --- What stays when it ends -------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="these signals are of Unix")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_studio_that_is_told_to_end_leaves_nothing(styled_run, enhancer_folder, tmp_path, name):
    models = ["--model", str(styled_run), "--enhancer", str(enhancer_folder)]
    server, url = begun(["-m", "retinasynth.cli", "studio", "--port", "0", *models], tmp_path / "temporary")
    with server, httpx.Client(base_url=url, timeout=60, transport=httpx.HTTPTransport(retries=9)) as client:
        try:
            path = Path(client.post(UPLOAD, files={"files": ("a.txt", b"private")}).json()[0])
            assert path.read_text() == "private"
            assert path.is_relative_to(tmp_path / "temporary")
            server.send_signal(signal.Signals[name])
            server.wait(60)
        finally:
            server.kill()
    assert list((tmp_path / "temporary").iterdir()) == []


_KILLED = """
import os, signal
from retinasynth.studio.folder import own_folder
with own_folder() as folder:
    (folder / "photograph.png").write_text("private")
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this signal is of Unix")
def test_what_a_killed_studio_left_is_removed_by_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = {**os.environ, "TMPDIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", _KILLED], env=own, stdout=subprocess.PIPE, text=True, check=False)
    left = Path(killed.stdout.strip())
    assert killed.returncode == -signal.SIGKILL
    assert (left / "photograph.png").is_file()
    with own_folder() as alive:
        assert not left.exists()
        assert not left.with_name(f"{left.name}.lock").exists()
        assert alive.stat().st_mode & 0o777 == 0o700
        (alive / "mine.png").write_text("still needed")
        with own_folder() as another:
            assert (alive / "mine.png").is_file()
            assert another != alive
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links and users are those of Unix")
def test_cleaning_up_follows_no_link_and_touches_nothing_of_others(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "photograph.png").write_text("precious")
    (tmp_path / "precious.lock").write_text("")
    (tmp_path / "tmp" / "retinasynth-studio-1").symlink_to(tmp_path / "precious")
    (tmp_path / "tmp" / "retinasynth-studio-1.lock").write_text("")
    (tmp_path / "tmp" / "retinasynth-studio-2.lock").symlink_to(tmp_path / "precious.lock")
    (tmp_path / "tmp" / "retinasynth-studio-2").mkdir()
    os.link(tmp_path / "precious" / "photograph.png", tmp_path / "tmp" / "retinasynth-studio-5.lock")
    (tmp_path / "tmp" / "retinasynth-studio-3").mkdir()  # of nobody knows whom: there is no lock
    with own_folder():
        pass
    assert (tmp_path / "precious" / "photograph.png").read_text() == "precious"
    assert (tmp_path / "tmp" / "retinasynth-studio-5.lock").is_file()
    assert (tmp_path / "tmp" / "retinasynth-studio-2").is_dir()
    assert (tmp_path / "tmp" / "retinasynth-studio-3").is_dir()
    (tmp_path / "tmp" / "retinasynth-studio-4").mkdir()
    (tmp_path / "tmp" / "retinasynth-studio-4.lock").write_text("")
    own = os.getuid()
    monkeypatch.setattr("os.getuid", lambda: own + 1)
    with own_folder():
        assert (tmp_path / "tmp" / "retinasynth-studio-4").is_dir()
