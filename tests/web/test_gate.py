"""Which requests are answered at all, and the page."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from web_service import Start, send, wait

from cleanplate.web import app
from cleanplate.web.errors import JobError
from cleanplate.web.jobs import Job, Result


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost:1234", 200),  # through a tunnel
        ("[::1]:8765", 200),
        ("192.168.1.5", 200),
        ("STUDIO:8765", 200),
        ("evil.example:8765", 403),
        ("127.0.0.1.evil.example", 403),
        ("evil.example@127.0.0.1", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_only_own_names_are_answered(start: Start, host: str, status: int) -> None:
    with start() as client:
        for path in ("/", "/options"):
            assert client.get(path, headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:80"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_page_changes_nothing(start: Start, film: Path, headers: dict[str, str]) -> None:
    with start(refuse) as client:
        job = send(client, [film])
        answers = [
            client.post("/jobs", files={"films": ("a.mp4", film.read_bytes())}, headers=headers),
            client.delete(f"/jobs/{job['id']}", headers=headers),
            client.options("/jobs", headers={**headers, "Access-Control-Request-Method": "POST"}),
        ]
        assert [answer.status_code for answer in answers] == [403] * 3
        assert not any(name.startswith("access-control") for answer in answers for name in answer.headers)
        assert wait(client, job)["error"] == "Not today."


def test_what_changes_something_needs_the_header(start: Start, film: Path) -> None:
    with start() as client:
        del client.headers["X-Cleanplate"]
        answer = client.post("/jobs", files={"films": ("a.mp4", film.read_bytes())})
        assert (answer.status_code, "add 'X-Cleanplate: 1'" in answer.text) == (403, True)


def test_the_own_page_is_served_and_let_through(start: Start, film: Path, empty: Path) -> None:
    with start() as client:
        client.headers |= {"Origin": "http://127.0.0.1:8765", "Sec-Fetch-Site": "same-origin"}
        assert wait(client, send(client, [film], samples=[empty]))["state"] == "done"
        page = client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for name in re.findall(r'(?:src|href)="(page\.\w+)"', page.text):
            assert client.get(f"/{name}").status_code == 200
        assert client.get("/docs").status_code == client.get("/openapi.json").status_code == 404
        assert client.get("/../app.py").status_code == 404


def test_unknown_jobs_are_told(start: Start) -> None:
    with start() as client:
        for answer in (client.get("/jobs/x"), client.get("/jobs/x/result"), client.delete("/jobs/x")):
            assert (answer.status_code, "its files are deleted" in answer.text) == (404, True)


def test_options_are_what_a_form_may_hold(start: Start) -> None:
    with start() as client:
        told = client.get("/options").json()
    assert told["models"] == ["auto", "difference"]
    assert told["transparent_endings"] == [".mov", ".webm"]
    assert ".zip" in told["accepted"]["films"]


def refuse(_job: Job) -> Result:
    raise JobError("Not today.")


class Page(HTMLParser):
    """Collects what the checks below look at."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.controls: dict[str, str] = {}
        self.radios: list[str] = []
        self.references: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids += [given["id"]] if "id" in given else []
        self.references += [given[name] for name in ("src", "href") if name in given]
        self.references += given.get("aria-describedby", "").split()
        if tag == "label":
            self.labelled.add(given.get("for", ""))
        if tag in ("input", "select", "progress"):
            if given.get("type") == "radio":
                self.radios.append(given["value"])
                assert "label" in self.open
            else:
                self.controls[given["id"]] = given.get("name", "")
        if tag not in ("meta", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_from_elsewhere() -> None:
    folder = Path(app.__file__).parent
    text = (folder / "page.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.controls) <= page.labelled
    assert page.radios == list(app.BACKGROUNDS)
    assert set(page.controls.values()) - {""} == {
        "films",
        "samples",
        "picture",
        "colour",
        "ending",
        "model",
        "smoothing",
    }
    assert {name for name in page.references if name not in page.ids} == {"data:,", "page.css", "page.js"}
    assert not re.search(r"\bon\w+=|style=|<style", text)  # the policy forbids them
    script = (folder / "page.js").read_text(encoding="utf-8")
    assert set(re.findall(r'\$\("([\w-]+)"\)', script)) <= set(page.ids)
    assert "innerHTML" not in script
    for name in ("page.html", "page.css", "page.js"):
        assert "//" not in re.sub(r"//[ ].*", "", (folder / name).read_text(encoding="utf-8"))
