"""What is not taken in: too much, the unknown, and what is packed with bad intent."""

import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from web_service import LIMIT_BYTES, Start, send, wait

from cleanplate.web import archives, uploads
from cleanplate.web.archives import unpack
from cleanplate.web.errors import ArchiveError
from cleanplate.web.films import result_name, shown_name
from cleanplate.web.uploads import Upload


def write_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def refusal(archive: Path, folder: Path, limit: int = 1_000_000) -> str:
    before = set(folder.parent.rglob("*"))
    with pytest.raises(ArchiveError) as caught:
        unpack(
            Upload("mine.zip", archive), folder,
            limit=limit, max_films=3, report=pytest.fail, stop=Event(),
        )  # fmt: skip
    assert {path for path in set(folder.parent.rglob("*")) - before if path.parent != folder} == set()
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "job").mkdir()
    return tmp_path / "job"


@pytest.mark.parametrize(
    "name",
    [
        "../evil.mp4",
        "a/../../evil.mp4",
        "/tmp/evil.mp4",
        "..\\evil.mp4",
        "C:\\evil.mp4",
        "\\\\server\\x\\a.mp4",
    ],
)
def test_an_archive_that_reaches_outside_is_refused(tmp_path: Path, folder: Path, name: str) -> None:
    archive = write_zip(tmp_path / "slip.zip", {"good.mp4": b"", name: b""})
    assert "names a place outside itself" in refusal(archive, folder)
    assert list(folder.iterdir()) == []


def test_names_in_an_archive_are_no_paths(tmp_path: Path, folder: Path) -> None:
    archive = write_zip(tmp_path / "films-0.zip", {"a/b/c.mp4": b"1", "a:b?.MOV": b"2"})
    films = unpack(
        Upload("mine.zip", archive), folder, limit=10, max_films=3, report=pytest.fail, stop=Event()
    )
    assert [(film.name, film.path.name, film.path.read_bytes()) for film in films] == [
        ("c.mp4", "films-0-0.mp4", b"1"),
        ("a:b?.MOV", "films-0-1.mov", b"2"),
    ]


def test_a_bomb_is_not_unpacked(tmp_path: Path, folder: Path) -> None:
    archive = write_zip(tmp_path / "bomb.zip", {"a.mp4": bytes(50_000_000)})
    assert archive.stat().st_size < 100_000
    assert "has more than 0.001 GB when unpacked" in refusal(archive, folder)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000


def test_what_an_archive_says_of_its_sizes_is_not_believed(tmp_path: Path, folder: Path) -> None:
    archive = write_zip(tmp_path / "bomb.zip", {"a.mp4": bytes(5_000_000)})
    content = archive.read_bytes()
    archive.write_bytes(content.replace(struct.pack("<I", 5_000_000), struct.pack("<I", 10)))
    assert "is damaged, or no zip" in refusal(archive, folder)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000


def test_an_archive_has_a_bounded_number_of_entries(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = write_zip(tmp_path / "many.zip", {f"{number}.mp4": b"" for number in range(4)})
    assert "holds more than 3 films" in refusal(archive, folder)
    monkeypatch.setattr(archives, "MAX_ENTRIES", 3)
    assert "has more than 3 entries" in refusal(archive, folder)
    monkeypatch.setattr(archives, "_MAX_DIRECTORY_BYTES", 100)
    assert "its table of contents is too long" in refusal(archive, folder)


def test_other_archives_are_explained(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"no archive" * 100)
    assert "is damaged, or no zip" in refusal(tmp_path / "no.zip", folder)
    assert "There is no film in mine.zip" in refusal(write_zip(tmp_path / "empty.zip", {}), folder)
    locked = bytearray(write_zip(tmp_path / "locked.zip", {"a.mp4": b"film"}).read_bytes())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    assert "mine.zip is encrypted" in refusal(tmp_path / "locked.zip", folder)


def test_a_bad_archive_fails_its_job(start: Start, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "films.zip", {"../../evil.mp4": b""})
    with start() as client:
        told = wait(client, send(client, [archive]))
    assert (told["state"], told["error"].startswith("films.zip names a place outside")) == ("failed", True), (
        told
    )
    assert list(tmp_path.rglob("evil*")) == []


def test_an_upload_is_bounded_however_it_is_sent(start: Start, tmp_path: Path) -> None:
    film = tmp_path / "large.mp4"
    film.write_bytes(bytes(LIMIT_BYTES + 1))
    with start() as client:
        assert "may have 0.02 GB in all" in send(client, [film], status=413)["error"]

        def stream() -> Iterator[bytes]:  # without a Content-Length
            yield b'--x\r\nContent-Disposition: form-data; name="films"; filename="a.mp4"\r\n\r\n'
            for _ in range(LIMIT_BYTES // 1_000_000 + 1):
                yield bytes(1_000_000)

        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = client.post("/jobs", content=stream(), headers=headers)
        assert (answer.status_code, "may have 0.02 GB in all" in answer.text) == (413, True)
        assert list((tmp_path / "service").iterdir()) == []


def test_a_disk_without_room_is_told_beforehand(
    start: Start, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "RESERVE_BYTES", 1 << 60)
    with start() as client:
        assert "There is no room" in send(client, [film], status=413)["error"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"background": "mauve"}, "'mauve' cannot be chosen for 'background'"),
        ({"background": "picture"}, "There is no picture"),
        ({"background": "colour", "colour": "/etc/passwd"}, "is no colour. Write one as #00b140"),
        ({"ending": ".avi"}, "'.avi' cannot be chosen for 'ending'"),
        ({"ending": ".mp4"}, ".mp4 cannot be transparent. Choose .mov or .webm."),
        ({"model": "../../evil"}, "cannot be chosen for 'model'. Choose one of auto, difference"),
        ({"smoothing": "nan"}, "'nan' is no smoothing"),
        ({"colour": "#" * 2000}, "The field 'colour' is too long"),
        ({f"field{number}": "" for number in range(30)}, "too many fields"),
    ],
)
def test_wrong_fields_are_explained(start: Start, film: Path, fields: dict[str, str], message: str) -> None:
    with start() as client:
        assert message in send(client, [film], status=422, fields=fields)["error"]


def test_wrong_files_are_explained(start: Start, tmp_path: Path, film: Path, empty: Path) -> None:
    program = tmp_path / "setup.exe"
    program.write_bytes(b"MZ")
    with start() as client:
        assert "There is no film" in send(client, [], samples=[empty], status=422)["error"]
        assert "setup.exe is of no known kind" in send(client, [program], status=422)["error"]
        assert "more than 16 files" in send(client, [film], samples=[empty] * 17, status=422)["error"]
        answer = client.post("/jobs", files={"plug": ("a.mp4", b"")})
        assert (answer.status_code, "no field 'plug'" in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("application/json", b"{}", "no form with files"),
        ("multipart/form-data", b"", "no form with files"),
        ("multipart/form-data; boundary=x", b"nonsense", "The form is damaged"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n',
            "broken off",
        ),
    ],
)
def test_what_is_no_form_is_refused(start: Start, kind: str, body: bytes, message: str) -> None:
    with start() as client:
        answer = client.post("/jobs", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, message in answer.text) == (422, True), answer.text


@pytest.mark.parametrize(
    ("sent", "shown", "saved"),
    [
        ("talk.mp4", "talk.mp4", "talk-cleanplate.mov"),
        ("../../etc/passwd", "passwd", "passwd-cleanplate.mov"),
        ("C:\\films\\a b.mp4", "a b.mp4", "a b-cleanplate.mov"),
        ("Käse: 1?.mp4", "Käse: 1?.mp4", "Käse_ 1_-cleanplate.mov"),
        ("a\r\nSet-Cookie: x.mp4", "aSet-Cookie: x.mp4", "aSet-Cookie_ x-cleanplate.mov"),
        ("\u202egnp.mp4", "gnp.mp4", "gnp-cleanplate.mov"),
        ("", "film", "film-cleanplate.mov"),
    ],
)
def test_names_are_for_showing_alone(sent: str, shown: str, saved: str) -> None:
    assert (shown_name(sent), result_name(sent, ".mov")) == (shown, saved)
