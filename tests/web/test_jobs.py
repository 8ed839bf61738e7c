"""Films through the service: sent, converted, fetched."""

import io
import threading
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import room, scene, sound_samples, video_times, write_clip
from web_service import Start, send, wait, wait_for, wait_until

from cleanplate.offline.video import VideoSource
from cleanplate.web import jobs as jobs_module
from cleanplate.web.errors import JobError, QueueFullError
from cleanplate.web.jobs import Job, Jobs, Result, Settings
from cleanplate.web.uploads import Upload


def first_frame(path: Path) -> np.ndarray:
    return next(VideoSource(path).frames(pytest.fail)).picture


def zip_of(path: Path, files: dict[str, Path]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in files.items():
            archive.write(file, name)
    return path


def test_a_film_comes_back_with_another_background(
    start: Start, tmp_path: Path, film: Path, empty: Path
) -> None:
    with start() as client:
        job = send(client, [film], samples=[empty], fields={"background": "colour", "colour": "#00b140"})
        told = wait(client, job)
        assert (told["state"], told["frame"], told["result"]["name"]) == (
            "done",
            20,
            "talk-cleanplate.mp4",
        ), told
        assert told["engine"] == "difference on cpu, 1 background sample"
        answer = client.get(f"/jobs/{job['id']}/result")
        assert 'filename="talk-cleanplate.mp4"' in answer.headers["content-disposition"]
        (folder,) = (tmp_path / "service").iterdir()
        assert [path.name for path in folder.iterdir()] == ["made-1.mp4"]  # what was sent is gone
    result = tmp_path / "result.mp4"
    result.write_bytes(answer.content)
    assert video_times(result) == video_times(film)
    assert sound_samples(result)[0] == "aac"
    picture = first_frame(result)
    red = cv2.erode((scene(0)[..., 2] == 220).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert picture[red].mean(axis=0) == pytest.approx(scene(0)[red].mean(axis=0), abs=12)
    assert [int(value) for value in picture[5, 150]] == pytest.approx([64, 177, 0], abs=8)


@pytest.mark.parametrize(
    ("fields", "ending", "corner"),
    [
        ({"background": "blur", "ending": ".webm"}, ".webm", (60, 140, 90)),
        ({"background": "picture", "ending": ".mkv"}, ".mkv", (200, 30, 20)),
        ({"background": "matte"}, ".mp4", (0, 0, 0)),
    ],
)
def test_what_stands_behind_the_person_can_be_chosen(
    start: Start,
    tmp_path: Path,
    film: Path,
    empty: Path,
    fields: dict[str, str],
    ending: str,
    corner: tuple[int, ...],
) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((90, 160, 3), (200, 30, 20), np.uint8))
    with start() as client:
        job = send(client, [film], samples=[empty], picture=tmp_path / "wall.png", fields=fields)
        told = wait(client, job)
        assert (told["state"], told["result"]["name"]) == ("done", f"talk-cleanplate{ending}"), told
        result = tmp_path / f"result{ending}"
        result.write_bytes(client.get(f"/jobs/{job['id']}/result").content)
    assert [int(value) for value in first_frame(result)[5, 150]] == pytest.approx(corner, abs=10)


def test_films_become_transparent_unless_something_else_is_chosen(
    start: Start, film: Path, empty: Path
) -> None:
    with start() as client:
        told = wait(client, send(client, [film], samples=[empty]))
        assert told["result"]["name"] == "talk-cleanplate.mov", told


def test_an_archive_of_two_films_comes_back_as_one(
    start: Start, tmp_path: Path, film: Path, empty: Path
) -> None:
    other = write_clip(tmp_path / "other.mp4", [scene(number) for number in range(7)])
    notes = tmp_path / "notes.txt"
    notes.write_text("to be cut")
    names = {"a/talk.mp4": film, "b/talk.mp4": other, "a/notes.txt": notes, "__MACOSX/a/._talk.mp4": notes}
    archive = zip_of(tmp_path / "films.zip", names)
    with start() as client:
        told = wait(client, send(client, [archive], samples=[empty], fields={"background": "blur"}))
        assert (told["state"], told["films"], told["result"]["name"]) == ("done", 2, "cleanplate.zip"), told
        assert told["notes"] == ["notes.txt is no film; it is left out."]
        answer = client.get(f"/jobs/{told['id']}/result")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as result:
        assert result.namelist() == ["talk-cleanplate.mp4", "talk-cleanplate 2.mp4"]
        result.extractall(tmp_path / "out")
    assert len(video_times(tmp_path / "out" / "talk-cleanplate.mp4")) == 20
    assert len(video_times(tmp_path / "out" / "talk-cleanplate 2.mp4")) == 7


def test_the_scene_is_estimated_where_no_samples_are_sent(start: Start, film: Path) -> None:
    with start() as client:
        told = wait(client, send(client, [film], fields={"background": "blur"}))
    assert told["state"] == "done", told
    (note,) = told["notes"]
    assert note.endswith("estimated from the video. Give some if the person seldom moves.")


def test_samples_may_be_a_film(start: Start, tmp_path: Path, film: Path) -> None:
    samples = write_clip(tmp_path / "empty.mp4", [room()] * 10)
    with start() as client:
        told = wait(client, send(client, [film], samples=[samples]))
    assert (told["state"], told["engine"]) == ("done", "difference on cpu, 10 background samples"), told


def test_a_damaged_film_is_explained_by_its_own_name(start: Start, tmp_path: Path) -> None:
    bad = tmp_path / "müll.mp4"
    bad.write_bytes(b"no film" * 100)
    with start() as client:
        told = wait(client, send(client, [bad]))
    assert told["state"] == "failed"
    assert told["error"] == "müll.mp4 is damaged, or no film. Look whether a player shows it."


def test_a_damaged_film_does_not_keep_the_others(
    start: Start, tmp_path: Path, film: Path, empty: Path
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(film.read_bytes()[:2000])
    with start() as client:
        told = wait(client, send(client, [bad, film], samples=[empty]))
    assert (told["state"], told["result"]["name"]) == ("done", "talk-cleanplate.mov"), told
    assert told["notes"] == ["bad.mp4 is damaged, or no film. Look whether a player shows it."]


def test_wrong_samples_are_explained_without_the_command_lines_options(
    start: Start, tmp_path: Path, film: Path
) -> None:
    bad = tmp_path / "wall.png"
    bad.write_bytes(b"no picture")
    still = write_clip(tmp_path / "still.mp4", [scene(0)] * 3)
    with start() as client:
        told = wait(client, send(client, [film], samples=[bad]))
        assert told["error"] == "wall.png is damaged or no picture. Leave it out or convert it to PNG."
        told = wait(client, send(client, [still]))
        assert told["error"].endswith("Give one, or choose a network.")


@pytest.mark.parametrize(
    "text", ["ffconcat version 1.0\nfile secret.mp4\n", "#EXTM3U\n#EXTINF:10,\nsecret.ts\n"]
)
def test_a_list_of_other_files_is_no_film(start: Start, tmp_path: Path, film: Path, text: str) -> None:
    film.rename(tmp_path / "service" / "secret.mp4")
    (tmp_path / "list.mp4").write_text(text)
    with start() as client:
        told = wait(client, send(client, [tmp_path / "list.mp4"]))
        assert told["error"].startswith("list.mp4 is damaged, or no film."), told
    (tmp_path / "service" / "secret.mp4").unlink()


def test_a_running_job_is_cancelled_and_leaves_nothing(start: Start, tmp_path: Path, empty: Path) -> None:
    long = write_clip(tmp_path / "long.mp4", [scene(number) for number in range(900)])
    with start() as client:
        job = send(client, [long], samples=[empty])
        told = wait_until(client, job, lambda told: told["frame"] > 2)
        assert (told["state"], told["frames"]) == ("running", 900)
        assert client.delete(f"/jobs/{job['id']}").status_code == 204
        assert client.get(f"/jobs/{job['id']}").status_code == 404
        wait_for(lambda: not any((tmp_path / "service").iterdir()))
        assert told["frame"] < 900


def test_the_end_of_the_service_cancels_a_running_job(start: Start, tmp_path: Path, empty: Path) -> None:
    long = write_clip(tmp_path / "long.mp4", [scene(number) for number in range(900)])
    with start() as client:
        wait_until(client, send(client, [long], samples=[empty]), lambda told: told["frame"] > 2)
        waiting = send(client, [long], samples=[empty])
        assert (waiting["state"], waiting["ahead"]) == ("waiting", 1)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("cleanplate")] == []


class Held:
    """Does jobs only when let; what it makes is a small file."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.done: list[str] = []

    def __call__(self, job: Job) -> Result:
        while not self.go_on.wait(0.01) and not job.stop.is_set():
            pass
        if job.stop.is_set():
            raise JobError("It was cancelled.")
        self.done.append(job.films[0].name)
        path = job.folder / "made.txt"
        path.write_text("made")
        return Result("made.txt", path, 4)


def test_a_full_queue_takes_no_more_until_a_job_is_deleted(start: Start, film: Path) -> None:
    with start(held := Held(), places=2) as client:
        first = send(client, [film])
        wait_until(client, first, lambda told: told["state"] == "running")
        waiting = [send(client, [film]) for _ in range(2)]
        assert [job["ahead"] for job in waiting] == [1, 2]
        assert client.get("/options").json()["free_places"] == 0
        refused = send(client, [film], status=503)
        assert refused["error"].startswith("2 uploads are waiting already")
        assert client.delete(f"/jobs/{waiting[0]['id']}").status_code == 204
        assert client.get(f"/jobs/{waiting[1]['id']}").json()["ahead"] == 1
        last = send(client, [film])
        held.go_on.set()
        assert wait(client, last)["state"] == "done"
        assert len(held.done) == 3


def test_a_result_is_deleted_by_its_user_or_after_an_hour(tmp_path: Path) -> None:
    now, held = [0.0], Held()
    held.go_on.set()
    jobs = Jobs(tmp_path, held, places=2, clock=lambda: now[0])
    made = []
    for _ in range(2):
        with jobs.place() as place:
            made.append(job := some_job(place.folder))
            place.job = job
        wait_for(lambda job=job: job.ended is not None)  # type: ignore[misc]
    jobs.forget(made[0])
    assert [path.name for path in tmp_path.iterdir()] == [made[1].folder.name]
    now[0] = jobs_module.KEEP_SECONDS - 1
    jobs.sweep()
    assert (jobs.get(made[1].id), jobs.seconds_left(made[1])) == (made[1], 1)
    now[0] += 1
    jobs.sweep()
    assert (jobs.get(made[1].id), list(tmp_path.iterdir())) == (None, [])
    jobs.close()


def some_job(folder: Path) -> Job:
    return Job(Settings("auto", ".mov", "transparent"), [Upload("a.mp4", folder / "a")], [], None, folder)


def test_an_upload_that_ends_with_the_service_leaves_nothing(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, Held(), places=2)
    with jobs.place() as place:
        jobs.close()
        place.job = some_job(place.folder)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(QueueFullError, match="is ending"), jobs.place():
        pass


def test_a_mistake_of_ours_ends_one_job_alone(
    start: Start, film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def convert(job: Job) -> Result:
        calls.append(job)
        raise ZeroDivisionError("division by zero")

    with start(convert) as client:
        for _ in range(2):
            told = wait(client, send(client, [film]))
            assert "unexpectedly (ZeroDivisionError: division by zero). Please report" in told["error"]
    assert len(calls) == 2
    assert "ZeroDivisionError" in caplog.text
