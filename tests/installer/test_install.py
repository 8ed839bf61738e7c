import errno
import io
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import install
import pytest
from fake_user import ROOT, FakeLinux, FakeMac, FakeWindows, User
from packaging.requirements import Requirement

from cleanplate.wire import paths

OURS = "cleanplate_filter.py"


def scripts(path: Path) -> list[str]:
    collection = json.loads(path.read_text(encoding="utf-8"))
    return [entry["path"] for entry in collection["modules"]["scripts-tool"]]


def test_an_empty_home(any_home: Path) -> None:
    user = User(FakeLinux(any_home))
    said = user.install()
    for number in range(1, 8):
        assert f"[{number}/7]" in said
    assert "Capture background" in said
    assert (user.folders.script / OURS).is_file()
    assert (user.folders.models / "net.onnx").is_file()
    assert user.folders.environment == any_home / ".local/share/cleanplate/env"


def test_the_filter_finds_what_was_installed(any_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = User(FakeLinux(any_home))
    user.install()
    monkeypatch.setenv("HOME", str(any_home))
    for variable in ("XDG_CONFIG_HOME", "CLEANPLATE_PYTHON"):
        monkeypatch.delenv(variable, raising=False)
    record = paths.read_install_record()
    assert paths.worker_python() == str(user.folders.environment / "bin" / "python")
    assert record.models == [str(user.folders.models)]
    assert record.version == user.source.version


def test_a_path_may_have_letters_that_the_output_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User(FakeLinux(tmp_path / "hömeŁ"))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    assert run_main(user, monkeypatch) == 0
    assert "/höme?/.local/share/cleanplate/env" in written.getvalue().decode("cp1252")


def test_a_second_time_changes_nothing(user: User) -> None:
    collection = user.add_collection()
    user.install()
    before = user.files()
    said = user.install()
    assert user.files() == before
    assert said.count("up to date") == 2
    assert "there already" in said
    assert len(scripts(collection)) == 1


def test_a_changed_source_is_installed_anew(user: User, tmp_path: Path) -> None:
    wheel = tmp_path / "cleanplate-0.2.0-py3-none-any.whl"
    user.install()
    first = (user.folders.script / OURS).read_text()
    write_wheel(wheel)
    user.source = install.find_source(tmp_path)
    assert user.source.version == "0.2.0"
    said = user.install()
    assert "up to date" not in said
    assert (user.folders.script / OURS).read_text() != first
    assert json.loads(user.folders.record_file.read_text())["version"] == "0.2.0"
    assert not list(user.folders.data.glob("*.former"))


@pytest.mark.parametrize("options", [{"upgrade": True}, {"provider": "cuda"}])
def test_what_was_asked_for_is_made_anew(user: User, options: dict[str, Any]) -> None:
    user.install()
    (user.folders.environment / "old").write_text("")
    user.install(**options)
    assert not (user.folders.environment / "old").exists()


def test_networks_that_the_user_added_are_kept(user: User) -> None:
    user.install()
    models = user.folders.models
    added = {"mine.json", "mine.onnx", "mine-samples.onnx"}
    for name in added:
        (models / name).write_text(name)

    def ship_another(environment: Path) -> None:
        weights = environment / "share" / "cleanplate" / "weights"
        (weights / "net.onnx").replace(weights / "newer.onnx")

    user.system.pip_hook = ship_another
    for options in ({"upgrade": True}, {}, {"upgrade": True}):
        user.install(**options)
        assert {path.name for path in models.iterdir()} == {*added, "newer.onnx"}
    assert (models / "mine.onnx").read_text() == "mine.onnx"


def test_a_network_of_the_user_with_the_name_of_a_shipped_one_is_kept_beside_it(user: User) -> None:
    user.install()
    models = user.folders.models
    (models / "studio.onnx").write_text("the user's")
    (models / "same.onnx").write_text("as shipped")

    def ship_more(environment: Path) -> None:
        weights = environment / "share" / "cleanplate" / "weights"
        (weights / "studio.onnx").write_text("shipped")
        (weights / "same.onnx").write_text("as shipped")

    user.system.pip_hook = ship_more
    assert "it is kept as studio.onnx.yours" in user.install(upgrade=True)
    (models / "studio.onnx").write_text("another of the user's")
    for options in ({}, {"upgrade": True}):
        user.install(**options)
        assert {path.name: path.read_text() for path in models.iterdir()} == {
            "net.onnx": "a network",
            "same.onnx": "as shipped",
            "studio.onnx": "shipped",
            "studio.onnx.yours": "another of the user's",
            "studio.onnx.yours.yours": "the user's",
        }


def test_a_shipped_network_makes_way_for_its_newer_version(user: User) -> None:
    user.install()

    def ship_newer(environment: Path) -> None:
        (environment / "share" / "cleanplate" / "weights" / "net.onnx").write_text("newer")

    user.system.pip_hook = ship_newer
    user.install(upgrade=True)
    assert {path.name: path.read_text() for path in user.folders.models.iterdir()} == {"net.onnx": "newer"}


def test_a_damaged_environment_is_made_anew(user: User) -> None:
    user.install()
    (user.folders.environment / "old").write_text("")
    question = user.system.run

    def broken_once(command: Any, timeout: Any = None) -> Any:
        if "import av" in " ".join(command):
            user.system.run = question
            user.system.broken_import, text = "", "No module named av"
            return subprocess.CompletedProcess(command, 1, "", text)
        return question(command, timeout)

    user.system.run = broken_once
    user.install()
    assert not (user.folders.environment / "old").exists()


def test_a_second_time_puts_back_what_is_missing_or_altered(user: User) -> None:
    module = "obs_script/cleanplate/gpu.py"

    def ship_more(environment: Path) -> None:
        (environment / "share" / "cleanplate" / module).write_text("a module")

    user.system.pip_hook = ship_more
    user.install()
    (user.folders.models / "mine.onnx").write_text("mine")
    before = user.files()
    (user.folders.data / module).write_text("")
    (user.folders.script / OURS).unlink()
    (user.folders.models / "net.onnx").unlink()
    damaged = user.files()
    wrong = f"placed anew: {Path('cleanplate', 'gpu.py')}, {OURS}, net.onnx"
    assert wrong in user.install(dry_run=True)
    assert user.files() == damaged
    said = user.install()
    assert user.files() == before
    assert wrong in said
    assert said.count("up to date") == 2
    assert "placed anew" not in user.install()


def test_what_python_compiles_beside_the_script_is_not_looked_at(user: User) -> None:
    def compile_too(environment: Path) -> None:
        (environment / "share" / "cleanplate" / "obs_script" / "gpu.pyc").write_text("by pip")

    user.system.pip_hook = compile_too
    user.install()
    (user.folders.script / "gpu.pyc").write_text("by OBS")
    assert "placed anew" not in user.install()


def test_a_failure_leaves_what_was_placed_before(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.install()
    (user.folders.models / "net.onnx").unlink()
    before = user.files()
    monkeypatch.setattr(install.Installation, "_write_record", interrupt)
    with pytest.raises(install.Stopped, match="as it was before"):
        user.install()
    assert user.files() == before


def write_wheel(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as wheel:
        for name in ("requirements.txt", "requirements-cpu.txt"):
            wheel.writestr(f"cleanplate-0.2.0.data/data/share/cleanplate/installer/{name}", f"# {name}")


def test_a_wheel_beside_the_installer_is_enough(user: User, tmp_path: Path) -> None:
    write_wheel(tmp_path / "cleanplate-0.10.0-py3-none-any.whl")
    write_wheel(tmp_path / "cleanplate-0.9.0-py3-none-any.whl")
    user.source = install.find_source(tmp_path)
    assert user.source.version == "0.10.0"
    user.install()
    pip = [command for command in user.system.commands if "pip" in command]
    assert pip[0][-2] == "-r"
    assert pip[0][-1].endswith("requirements-cpu.txt")
    assert pip[1][-2:] == ["--no-deps", str(user.source.path)]


def test_without_anything_to_install(tmp_path: Path) -> None:
    with pytest.raises(install.InstallError, match="Download the project again"):
        install.find_source(tmp_path)


def test_offline_uses_no_network(user: User, tmp_path: Path) -> None:
    user.install(offline=tmp_path / "wheels")
    for command in (command for command in user.system.commands if "pip" in command):
        assert command[-3:] == ["--no-index", "--find-links", str(tmp_path / "wheels")]


def test_a_dry_run_writes_nothing(user: User) -> None:
    user.add_collection()
    before = user.files()
    said = user.install(dry_run=True)
    assert user.files() == before
    assert str(user.folders.environment) in said
    assert not any("pip" in command for command in user.system.commands)


# Failures


def test_a_failing_pip_is_undone_and_explained(user: User) -> None:
    user.add_collection()
    before = user.files()
    user.system.pip_output = (
        "Collecting numpy\nERROR: Could not find a version\nERROR: No matching distribution"
    )
    with pytest.raises(install.InstallError) as caught:
        user.install()
    assert "Could not install packages: pip failed" in str(caught.value)
    assert "No matching distribution" in str(caught.value)
    assert "as it was before" in str(caught.value)
    assert user.files() == before
    assert not user.folders.data.exists()


def test_a_failing_upgrade_leaves_the_former_installation(user: User) -> None:
    user.add_collection()
    user.install()
    before = user.files()
    user.system.pip_output = "ERROR: no network"
    with pytest.raises(install.InstallError):
        user.install(upgrade=True)
    assert user.files() == before


def test_packages_that_do_not_work_are_undone(user: User) -> None:
    user.system.broken_import = "Traceback\nImportError: libGL.so.1: cannot open shared object file"
    with pytest.raises(install.InstallError, match=r"ImportError: libGL\.so\.1"):
        user.install()
    assert user.files() == {}


def test_packages_elsewhere_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("")
    system = FakeLinux(tmp_path, PYTHONPATH=str(tmp_path), PYTHONHOME="/nowhere")
    asked = install.Linux.run(system, [sys.executable, "-c", "import numpy; print(numpy.__file__)"])
    assert (asked.returncode, str(tmp_path) in asked.stdout) == (0, False), asked.stderr
    User(system).install()
    (checked,) = [words for words in system.commands if "import av" in " ".join(words)]
    assert checked[1:3] == ["-I", "-c"]


def test_a_killed_upgrade_is_mended(user: User) -> None:
    user.install()
    environment = user.folders.environment
    environment.rename(environment.with_name("env.former"))
    environment.mkdir()
    (environment / "half").write_text("")
    user.install()
    assert not (environment / "half").exists()
    assert not environment.with_name("env.former").exists()


def run_main(user: User, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(install, "this_system", lambda: user.system)
    monkeypatch.setattr(sys, "argv", ["install.py", *arguments])
    return install.main()


def interrupt(*_arguments: object) -> None:
    raise KeyboardInterrupt


def interrupt_removing(patched: pytest.MonkeyPatch, user: User) -> None:
    """Of the user's folders; temporary ones go as ever."""
    remove = shutil.rmtree

    def remove_or_interrupt(folder: Any, **options: Any) -> None:
        if user.folders.data in Path(folder).parents or Path(folder) == user.folders.data:
            raise KeyboardInterrupt
        remove(folder, **options)

    patched.setattr(shutil, "rmtree", remove_or_interrupt)


def test_an_interruption_that_was_undone_is_told(
    user: User, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user.system.pip_hook = interrupt
    assert run_main(user, monkeypatch) == 130
    assert "Stopped. Everything is as it was before." in capsys.readouterr().err
    assert user.files() == {}


def test_an_interrupted_removal_is_told_and_can_go_on(
    user: User, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user.install()
    with monkeypatch.context() as patched:
        interrupt_removing(patched, user)
        assert run_main(user, monkeypatch, "--uninstall") == 130
    said = capsys.readouterr().err
    assert "run this again to remove the rest" in said
    assert "as it was before" not in said
    assert run_main(user, monkeypatch, "--uninstall") == 0
    assert user.files() == {}


def test_interrupting_what_puts_back_is_told(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.system.pip_hook = interrupt
    interrupt_removing(monkeypatch, user)
    with pytest.raises(install.RestoreError, match=r"\(it was stopped\), .* put back: it was stopped"):
        user.install()


def test_interrupting_what_tidies_up_leaves_the_new_installation(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.install()
    with monkeypatch.context() as patched:
        interrupt_removing(patched, user)
        with pytest.raises(install.Stopped, match="All steps were done"):
            user.install(upgrade=True)
    assert user.install().count("up to date") == 2


def test_what_was_written_twice_is_put_back_to_its_first_state(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("first")

    def write_and_fail() -> None:
        with install.Changes() as changes:
            for text in ("second", "third"):
                changes.write(old, text)
                changes.write(new, text)
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write_and_fail()
    assert old.read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_what_cannot_be_put_back_is_told(user: User) -> None:
    user.install()

    def lose_the_former(environment: Path) -> None:
        shutil.rmtree(environment.with_name("env.former"))
        raise OSError("the disk is gone")

    user.system.pip_hook = lose_the_former
    with pytest.raises(install.InstallError) as caught:
        user.install(upgrade=True)
    assert "the disk is gone" in str(caught.value)
    assert "could not be put back" in str(caught.value)
    assert "as it was before" not in str(caught.value)


def test_too_little_disk_space_is_told_before(user: User) -> None:
    user.system.free_bytes = lambda _folder: 100_000_000
    with pytest.raises(install.InstallError, match=r"needs 1\.0 GiB of disk space and has 95 MiB"):
        user.install()
    assert user.files() == {}


def test_an_installation_that_is_up_to_date_needs_little_disk_space(user: User) -> None:
    user.install()
    user.system.free_bytes = lambda _folder: 100_000_000
    assert "up to date" in user.install()
    with pytest.raises(install.InstallError, match=r"needs 1\.0 GiB"):
        user.install(upgrade=True)
    user.system.free_bytes = lambda _folder: 1_000_000
    with pytest.raises(install.InstallError, match="needs 16 MiB of disk space and has 1 MiB"):
        user.install()


@pytest.mark.parametrize("upgrade", [False, True])
@pytest.mark.parametrize("name", ["install.json", "Two.json"])
def test_a_late_failure_is_undone_to_the_first_step(
    user: User, monkeypatch: pytest.MonkeyPatch, name: str, upgrade: bool
) -> None:
    if upgrade:
        user.install()
        (user.folders.models / "mine.json").write_text("a card")
    user.add_collection("One")
    user.add_collection("Two")
    before = user.files()
    write = install.Changes.write

    def fail_at_one(changes: install.Changes, path: Path, text: str) -> None:
        if path.name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(changes, path, text)

    monkeypatch.setattr(install.Changes, "write", fail_at_one)
    with pytest.raises(install.InstallError, match=r"No space left .* as it was before"):
        user.install(upgrade=upgrade)
    assert user.files() == before
    assert user.folders.environment.exists() is upgrade


def test_a_disk_that_fills_up_is_undone(small_disk: Path) -> None:
    user = User(FakeLinux(small_disk))
    user.system.free_bytes = lambda _folder: 1 << 40
    collection = user.add_collection()
    before = user.files()

    def fill(environment: Path) -> None:
        with (environment / "share" / "large").open("wb") as file:
            file.write(bytes(30_000))
        (environment / "share" / "cleanplate" / "obs_script" / "also large").write_bytes(bytes(20_000))

    user.system.pip_hook = fill
    with pytest.raises(install.InstallError, match=r"No space left .* Make room"):
        user.install()
    assert user.files() == before
    assert scripts(collection) == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("3.10 True venv", r"needs Python 3\.11, 3\.12 or 3\.13"),
        ("3.14 True venv", r"needs Python 3\.11, 3\.12 or 3\.13"),
        ("3.12 False venv", "64 bit"),
        ("3.12 True", r"sudo apt-get install python3\.12-venv"),
        ("", "needs Python"),
    ],
)
def test_an_unfit_python_is_explained(user: User, answer: str, message: str) -> None:
    user.system.python_version = answer
    with pytest.raises(install.InstallError, match=message):
        user.install()
    assert user.files() == {}


def test_an_old_obs_is_refused(user: User) -> None:
    user.system.find_obs = lambda: install.Obs((27, 2, 4), "/usr/bin/obs")
    with pytest.raises(install.InstallError, match=r"OBS 27\.2\.4 is too old"):
        user.install()


def test_without_obs_it_says_how_to_get_it(user: User) -> None:
    user.system.find_obs = lambda: None
    assert "OBS Studio was not found. Install" in user.install()


def test_a_flatpak_alone_is_refused(user: User) -> None:
    user.system.find_obs = lambda: None
    user.system.packaged_obs = lambda: "OBS is installed as a Flatpak."
    with pytest.raises(install.InstallError, match="Flatpak"):
        user.install()


def test_the_users_flatpak_is_seen(user: User) -> None:
    (user.system.home / ".var/app/com.obsproject.Studio").mkdir(parents=True)
    assert "Flatpak" in (install.Linux.packaged_obs(user.system) or "")


# Scene collections


def test_the_script_is_added_to_every_collection(user: User) -> None:
    other = [{"path": "/somewhere/other.py", "settings": {"a": 1}}]
    first, second = user.add_collection("One"), user.add_collection("Zwei – zwei", other)  # noqa: RUF001
    before = first.read_bytes()
    user.install()
    wanted = str(user.folders.script / OURS)
    assert scripts(first) == [wanted]
    assert scripts(second) == ["/somewhere/other.py", wanted]
    changed, original = json.loads(first.read_text(encoding="utf-8")), json.loads(before)
    changed["modules"]["scripts-tool"] = []
    assert changed == original
    assert first.with_name("One.json.before-cleanplate").read_bytes() == before


def test_a_moved_script_is_followed_with_its_settings(user: User) -> None:
    collection = user.add_collection(scripts=[{"path": f"C:\\old\\{OURS}", "settings": {"a": 1}}])
    user.install()
    entries = json.loads(collection.read_text(encoding="utf-8"))["modules"]["scripts-tool"]
    assert entries == [{"path": str(user.folders.script / OURS), "settings": {"a": 1}}]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"modules": 3}', '{"modules": {"scripts-tool": 3}}', "\0"]
)
def test_a_broken_collection_is_left_alone(user: User, content: str) -> None:
    broken, good = user.add_collection("broken"), user.add_collection("good")
    broken.write_text(content)
    said = user.install()
    assert "broken.json is damaged" in said
    assert broken.read_text() == content
    assert len(scripts(good)) == 1


def test_half_a_surrogate_pair_in_a_collection_stays_as_it_is(user: User) -> None:
    collection = user.add_collection()
    collection.write_text(r'{"name": "half \ud83d, whole \ud83d\ude00, \\ud83d"}')
    before = json.loads(collection.read_text())
    user.install()
    changed = json.loads(collection.read_text(encoding="utf-8"))
    assert changed.pop("modules")["scripts-tool"]
    assert changed == before


def test_a_collection_without_scripts_gets_one(user: User) -> None:
    collection = user.add_collection()
    collection.write_text('{"name": "new"}')
    user.install()
    assert len(scripts(collection)) == 1


def test_a_running_obs_keeps_its_collections(user: User) -> None:
    collection = user.add_collection()
    user.system.obs_runs = True
    said = user.install()
    assert "OBS is running: close it" in said
    assert scripts(collection) == []
    user.system.obs_runs = False
    user.install()
    assert len(scripts(collection)) == 1


def test_a_running_obs_keeps_its_environment(user: User) -> None:
    user.install()
    before = user.files()
    user.system.obs_runs = True
    with pytest.raises(install.InstallError, match="OBS is running"):
        user.install(upgrade=True)
    assert user.files() == before


def test_without_a_collection_it_says_what_to_do(user: User) -> None:
    assert "start it once" in user.install()


# Removing


def test_uninstalling_leaves_nothing_behind(user: User) -> None:
    collection = user.add_collection()
    before = user.files()
    user.install()
    user.folders.logs.mkdir(parents=True)
    (user.folders.logs / "worker.log").write_text("")
    said = user.uninstall()
    assert user.files() == before
    assert scripts(collection) == []
    assert "captured backgrounds stay" in said


def test_captured_backgrounds_stay_unless_purged(user: User) -> None:
    collection = user.add_collection()
    user.install()
    sample = user.folders.obs / "plugin_config" / "cleanplate" / "samples" / "a" / "0.png"
    sample.parent.mkdir(parents=True)
    sample.write_text("a sample")
    user.uninstall()
    assert sample.is_file()
    user.uninstall(purge=True)
    assert not sample.exists()
    filters = json.loads(collection.read_text(encoding="utf-8"))["sources"][0]["filters"]
    assert [entry["id"] for entry in filters] == ["crop_filter"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_folders_that_the_user_put_elsewhere_are_removed_with_their_links(user: User, tmp_path: Path) -> None:
    backgrounds = user.folders.obs / "plugin_config" / "cleanplate"
    for number, link in enumerate((user.folders.data, backgrounds)):
        link.parent.mkdir(parents=True)
        target = tmp_path / f"disk{number}" / link.name
        target.mkdir(parents=True)
        link.symlink_to(target, target_is_directory=True)
    (backgrounds / "0.png").write_text("a sample")
    user.install()
    user.uninstall(purge=True)
    assert user.files() == {}
    assert not user.folders.data.is_symlink()
    assert not list(tmp_path.glob("disk*/*"))


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_folder_of_another_name_is_not_emptied_through_a_link(user: User, tmp_path: Path) -> None:
    backgrounds = user.folders.obs / "plugin_config" / "cleanplate"
    backgrounds.parent.mkdir(parents=True)
    shared = tmp_path / "pictures"
    shared.mkdir()
    (shared / "holiday.png").write_text("not ours")
    backgrounds.symlink_to(shared, target_is_directory=True)
    user.install()
    said = user.uninstall(purge=True)
    assert (shared / "holiday.png").exists()
    assert not backgrounds.is_symlink()
    assert str(shared) in said


def test_a_folder_that_cannot_be_removed_does_not_keep_the_others(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.install()
    sample = user.folders.obs / "plugin_config" / "cleanplate" / "0.png"
    sample.parent.mkdir(parents=True)
    sample.write_text("a sample")
    remove = shutil.rmtree

    def remove_others(folder: Path) -> None:
        if folder == user.folders.data:
            raise PermissionError(errno.EACCES, "in use", str(folder))
        remove(folder)

    monkeypatch.setattr(shutil, "rmtree", remove_others)
    with pytest.raises(install.InstallError, match=r"in use.*Close OBS"):
        user.uninstall(purge=True)
    assert not sample.exists()
    assert not user.folders.record.exists()
    assert user.folders.data.is_dir()


def test_uninstalling_twice_is_no_error(user: User) -> None:
    user.install()
    user.uninstall()
    before = user.files()
    user.uninstall()
    assert user.files() == before


def test_a_dry_uninstall_removes_nothing(user: User) -> None:
    user.add_collection()
    user.install()
    before = user.files()
    assert str(user.folders.data) in user.uninstall(dry_run=True)
    assert user.files() == before


def test_a_running_obs_is_not_pulled_from_under(user: User) -> None:
    user.install()
    user.system.obs_runs = True
    with pytest.raises(install.InstallError, match="Close it"):
        user.uninstall()
    assert (user.folders.script / OURS).is_file()


# Which ONNX Runtime


@pytest.fixture
def on_a_pc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


@pytest.mark.parametrize(
    ("system", "machine", "driver", "provider"),
    [
        (FakeLinux, "x86_64", "", "cpu"),
        (FakeLinux, "x86_64", "580.65.06\n", "cuda"),
        (FakeLinux, "x86_64", "535.183.01\n", "cpu"),
        (FakeLinux, "aarch64", "580.65.06\n", "cpu"),
        (FakeWindows, "AMD64", "", "directml"),
        (FakeWindows, "AMD64", "591.1\n", "cuda"),
        (FakeWindows, "AMD64", "512.15\n", "directml"),
        (FakeMac, "arm64", "", "cpu"),
    ],
)
def test_the_provider_follows_from_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: Any, machine: str, driver: str, provider: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    fake = system(tmp_path)
    if driver:
        fake.answers["nvidia-smi"] = driver
    assert fake.default_provider()[0] == provider


@pytest.mark.usefixtures("on_a_pc")
def test_the_provider_that_was_chosen_stays(user: User) -> None:
    user.system.answers["nvidia-smi"] = "580.65.06\n"
    user.install(provider="cpu")
    said = user.install()
    assert "ONNX Runtime for cpu: as installed before; change it with --provider" in said
    assert said.count("up to date") == 2
    assert "for cpu, from PyPI" in user.install(upgrade=True)
    assert "for cuda, from PyPI" in user.install(provider="auto")


@pytest.mark.usefixtures("on_a_pc")
def test_a_driver_that_does_not_answer_for_once_changes_nothing(user: User) -> None:
    user.system.answers["nvidia-smi"] = "580.65.06\n"
    user.install()
    del user.system.answers["nvidia-smi"]
    assert user.install().count("up to date") == 2


def test_the_provider_that_was_chosen_outlives_a_killed_upgrade(user: User) -> None:
    user.install(provider="cuda")
    environment = user.folders.environment
    environment.rename(environment.with_name("env.former"))
    environment.mkdir()
    assert "for cuda, from PyPI" in user.install()


def test_without_a_note_of_the_provider_the_machine_decides(user: User) -> None:
    user.install(provider="cuda")
    for content in ("{", "[]", '{"provider": "abacus"}'):
        (user.folders.environment / install.MARKER).write_text(content)
        assert "ONNX Runtime for cpu: no NVIDIA driver answers" in user.install(dry_run=True)


@pytest.mark.usefixtures("on_a_pc")
def test_an_old_driver_is_told(tmp_path: Path) -> None:
    fake = FakeLinux(tmp_path)
    fake.answers["nvidia-smi"] = "535.183.01\n"
    assert "update it to 580 or newer, then run this with --provider cuda" in fake.default_provider()[1]


@pytest.mark.parametrize("provider", ["cpu", "cuda", "directml"])
def test_each_provider_has_requirements(user: User, tmp_path: Path, provider: str) -> None:
    text = user.source.requirements(provider, tmp_path).read_text()
    assert "-r requirements.txt" in text
    assert "onnxruntime" in text


@pytest.mark.parametrize(
    ("system", "processor", "version"),
    [
        ("linux", "x86_64", "1.31.1"),
        ("win32", "AMD64", "1.31.1"),
        ("darwin", "arm64", "1.31.1"),
        ("darwin", "x86_64", "1.23.2"),
    ],
)
def test_an_intel_mac_gets_the_last_onnxruntime_that_is_built_for_it(
    system: str, processor: str, version: str
) -> None:
    machine = {"sys_platform": system, "platform_machine": processor}
    lines = (ROOT / "installer" / "requirements-cpu.txt").read_text().splitlines()
    wanted = [Requirement(line) for line in lines if line.startswith("onnxruntime")]
    chosen = [entry.specifier for entry in wanted if entry.marker is None or entry.marker.evaluate(machine)]
    assert chosen == [f"=={version}"]


# The real programs of this machine


def test_programs_that_are_missing_or_slow_do_no_harm() -> None:
    system = install.Linux()
    assert system.run(["no-such-program"]).returncode == 127
    assert system.run([sys.executable, "-c", "import time; time.sleep(9)"], 0.1).returncode == 127


@pytest.mark.skipif(sys.platform == "win32", reason="there, os.kill does not interrupt")
def test_a_program_that_the_user_stops_is_waited_for(tmp_path: Path) -> None:
    program = """if True:
        import os, pathlib, signal, sys, time
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
        try:
            print(os.getpid(), flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            time.sleep(1)
            pathlib.Path(sys.argv[1]).touch()
    """

    def stop_both(line: str) -> None:
        os.kill(int(line), signal.SIGINT)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install.Linux().follow([sys.executable, "-c", program, str(tmp_path / "tidied up")], stop_both)
    assert (tmp_path / "tidied up").exists()


def test_another_obs_settings_folder_does_not_count_as_running(tmp_path: Path) -> None:
    assert not install.Linux({"HOME": str(tmp_path)}).obs_is_running()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_an_obs_of_this_user_counts_as_running(tmp_path: Path) -> None:
    program = tmp_path / "obs"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "30"], env={"HOME": str(tmp_path)})
    try:
        deadline = time.monotonic() + 5  # the kernel fills in the environment a moment after the start
        while not install.Linux({"HOME": str(tmp_path)}).obs_is_running():
            assert time.monotonic() < deadline
        assert not install.Linux({"HOME": str(tmp_path / "other")}).obs_is_running()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "arguments", [["--purge"], ["--camera"], ["--offline", "/no/such"], ["--provider", "abacus"]]
)
def test_a_wrong_command_line(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        install.parse_arguments(arguments)
    assert caught.value.code == 2


def test_it_is_written_for_python_39() -> None:
    vermin = [
        str(Path(sys.executable).with_name("vermin")), "--no-tips", "--eval-annotations", "--violations",
        "--target=3.9-", str(ROOT / "installer" / "install.py"),
    ]  # fmt: skip
    result = subprocess.run(vermin, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
