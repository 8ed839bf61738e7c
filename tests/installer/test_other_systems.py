import json
import platform
import sys
from pathlib import Path, PureWindowsPath
from typing import Any

import install
import pytest
from fake_user import FakeMac, FakeWindows, User

GLOBAL_INI = "[General]\nFirstRun=true\n\n[Basic]\nProfile=Untitled\n"


def write_settings(user: User, name: str, text: str, mark: bytes = b"") -> Path:
    path: Path = user.folders.obs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(mark + text.encode())
    return path


@pytest.fixture
def windows(tmp_path: Path) -> User:
    user = User(FakeWindows(tmp_path))
    python = tmp_path / "Python312"
    python.mkdir()
    (python / "python312.dll").write_text("")
    user.system.answers["py -3.12 -c import sys; print(sys.base_prefix)"] = f"{python}\n"
    return user


def test_windows_folders(windows: User) -> None:
    windows.install()
    home = windows.system.home
    assert (home / "Local/cleanplate/env/Scripts/python.exe").is_file()
    record = json.loads((home / "Roaming/cleanplate/install.json").read_text())
    assert record["python"] == str(home / "Local/cleanplate/env/Scripts/python.exe")


def test_obs_is_given_a_python_on_windows(windows: User) -> None:
    mark = b"\xef\xbb\xbf"
    settings = write_settings(windows, "global.ini", GLOBAL_INI, mark)
    windows.install()
    assert settings.read_bytes().startswith(mark + b"[General]\nFirstRun=true\n")
    assert f"[Python]\nPath64bit={(windows.system.home / 'Python312').as_posix()}\n" in settings.read_text(
        encoding="utf-8-sig"
    )
    windows.uninstall()
    assert "Path64bit" not in settings.read_text(encoding="utf-8-sig")


def test_obs_reads_back_the_path_that_it_is_given(windows: User) -> None:
    # libobs takes \n and \r in a value for ends of lines (util/config-file.c).
    prefix = str(windows.system.home / r"nora\Python312")
    Path(prefix).mkdir(parents=True)
    Path(prefix, "python312.dll").write_text("")
    windows.system.answers["py -3.12 -c import sys; print(sys.base_prefix)"] = f"{prefix}\n"
    settings = write_settings(windows, "user.ini", GLOBAL_INI)
    windows.install()
    written = install.ini_value(settings.read_text(), *install.OBS_PYTHON)
    assert written == f"{windows.system.home.as_posix()}/nora/Python312"


def test_the_python_is_taken_back_in_the_form_in_which_obs_saves_it(windows: User) -> None:
    settings = write_settings(windows, "user.ini", GLOBAL_INI)
    windows.install()
    saved = str(PureWindowsPath(windows.system.home / "Python312")).replace("\\", "\\\\")
    settings.write_text(install.with_ini_value(GLOBAL_INI, *install.OBS_PYTHON, saved))
    windows.uninstall()
    assert "Path64bit" not in settings.read_text()


STORE = r"C:\Program Files\WindowsApps\PythonSoftwareFoundation.Python.3.12_3.12.2800.0_x64__qbz5n2kfra8p0"


def test_a_windows_without_the_libraries_of_visual_c_is_told_the_cure(windows: User) -> None:
    windows.system.broken_import = "ImportError: DLL load failed while importing onnxruntime_pybind11_state"
    with pytest.raises(install.InstallError, match=r"state\. Install the Microsoft Visual C\+\+"):
        windows.install()
    windows.system.broken_import = "ImportError: another"
    with pytest.raises(install.InstallError, match=r"another\. Please report this"):
        windows.install()


def test_a_python_from_the_microsoft_store_is_passed_over(windows: User) -> None:
    windows.system.answers["py -3.12 -c import sys; print(sys.base_prefix)"] = f"{STORE}\n"
    windows.system.answers["py -3.13 -c import sys; print(sys.base_prefix)"] = "C:\\Python313\n"
    assert list(windows.system.python_candidates())[1:] == [["py", "-3.13"], ["py", "-3.11"]]
    assert windows.system.python_for_obs((3, 12)) is None


@pytest.mark.parametrize(
    "prefix",
    [STORE, r"c:\users\nora\appdata\local\microsoft\windowsapps\PythonSoftwareFoundation.Python.3.12"],
)
def test_running_with_one_from_the_microsoft_store_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prefix: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    monkeypatch.setattr(install, "Windows", lambda: FakeWindows(tmp_path))
    assert isinstance(install.this_system(), FakeWindows)
    monkeypatch.setattr(sys, "base_prefix", prefix)
    with pytest.raises(install.InstallError, match=r"Microsoft Store.* winget .* run this with that one"):
        install.this_system()


def test_newer_obs_keeps_it_in_another_file(windows: User) -> None:
    older = write_settings(windows, "global.ini", GLOBAL_INI)
    newer = write_settings(windows, "user.ini", GLOBAL_INI)
    windows.install()
    assert "Path64bit" in newer.read_text()
    assert older.read_text() == GLOBAL_INI


def test_a_second_time_keeps_the_note_of_it(windows: User) -> None:
    write_settings(windows, "user.ini", GLOBAL_INI)
    windows.install()
    before = windows.files()
    windows.install()
    assert windows.files() == before


def test_the_users_choice_of_python_is_kept(windows: User) -> None:
    text = GLOBAL_INI + "\n[Python]\nPath64bit=D:/mine\n"
    settings = write_settings(windows, "user.ini", text)
    assert "OBS uses the one in D:/mine" in windows.install()
    windows.uninstall()
    assert settings.read_text() == text


def test_a_python_that_obs_cannot_use_is_not_named(windows: User) -> None:
    settings = write_settings(windows, "user.ini", GLOBAL_INI)
    windows.system.find_obs = lambda: install.Obs((29, 1, 3), "OBS Studio")
    assert "OBS needs Python 3.11 or older, and there is none here" in windows.install()
    assert settings.read_text() == GLOBAL_INI


def test_an_obs_that_was_not_found_is_not_said_to_be_new(windows: User) -> None:
    settings = write_settings(windows, "user.ini", GLOBAL_INI)
    windows.system.find_obs = lambda: None
    said = windows.install()
    assert "one from Steam, or a portable one, is not looked for" in said
    assert "Tools > Scripts > Python Settings: for OBS 30.1 or newer" in said
    assert "has not been started" not in said
    assert settings.read_text() == GLOBAL_INI


def test_an_obs_that_was_never_started_is_told(windows: User) -> None:
    assert "OBS has not been started yet: start it once" in windows.install()


def test_a_running_obs_would_overwrite_its_settings(windows: User) -> None:
    settings = write_settings(windows, "user.ini", GLOBAL_INI)
    windows.system.obs_runs = True
    assert "OBS is running: name" in windows.install()
    assert settings.read_text() == GLOBAL_INI


def test_the_registry_tells_the_version_of_obs(windows: User) -> None:
    windows.system.answers["reg query"] = (
        "\nHKEY_LOCAL_MACHINE\\SOFTWARE\\...\\OBS Studio\n    DisplayVersion    REG_SZ    31.0.3\n"
    )
    assert install.Windows.find_obs(windows.system) == install.Obs((31, 0, 3), "OBS Studio")


def test_the_task_list_tells_whether_obs_runs(windows: User) -> None:
    windows.system.answers["tasklist"] = "INFO: No tasks are running which match the specified criteria.\n"
    assert not install.Windows.obs_is_running(windows.system)
    windows.system.answers["tasklist"] = "obs64.exe    4242 Console    1    300,000 K\n"
    assert install.Windows.obs_is_running(windows.system)


@pytest.mark.parametrize(
    ("system", "terminal", "command"),
    [
        (FakeMac, "a terminal", "'{home}/Library/Application Support/cleanplate/env/bin/cleanplate'"),
        (FakeWindows, "PowerShell", '& "{home}/Local/cleanplate/env/Scripts/cleanplate"'),
    ],
)
def test_a_command_line_with_a_space_can_be_typed(
    tmp_path: Path, system: Any, terminal: str, command: str
) -> None:
    home = tmp_path / "a home"
    said = User(system(home)).install()
    assert said.endswith(f"a command line; in {terminal}:\n  {command.format(home=home)}")


def test_mac_folders_and_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = User(FakeMac(tmp_path))
    frameworks = tmp_path / "Frameworks"
    library = frameworks / "Python.framework/Versions/3.11/lib/libpython3.11.dylib"
    library.parent.mkdir(parents=True)
    library.write_text("")
    monkeypatch.setattr(install.MacOS, "FRAMEWORKS", (str(frameworks),))
    settings = write_settings(user, "user.ini", GLOBAL_INI)
    user.install()
    support = tmp_path / "Library" / "Application Support"
    assert (support / "cleanplate" / "env" / "bin" / "python").is_file()
    assert (support / "cleanplate" / "install.json").is_file()
    assert f"Path64bit={frameworks}\n" in settings.read_text()
    user.uninstall()
    assert not (support / "cleanplate").exists()


def test_the_bundle_tells_the_version_of_obs(tmp_path: Path) -> None:
    plist = tmp_path / "Applications/OBS.app/Contents/Info.plist"
    plist.parent.mkdir(parents=True)
    plist.write_text(
        '<?xml version="1.0"?><plist version="1.0"><dict>'
        "<key>CFBundleShortVersionString</key><string>31.1.0</string></dict></plist>"
    )
    assert install.MacOS.find_obs(FakeMac(tmp_path)) == install.Obs((31, 1, 0), str(plist.parents[1]))


@pytest.mark.parametrize(
    ("obs", "python"),
    [((28, 0), 10), ((29, 0, 2), 10), ((29, 1), 11), ((30, 0, 2), 11), ((30, 1), 12), ((32, 2), 12)],
)
def test_the_newest_python_for_an_obs(obs: tuple[int, ...], python: int) -> None:
    assert install.newest_python_for(obs) == (3, python)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "\n[Python]\nPath64bit=/p\n"),
        ("[A]\nb=c", "[A]\nb=c\n\n[Python]\nPath64bit=/p\n"),
        ("[Python]\n[B]\n", "[Python]\nPath64bit=/p\n[B]\n"),
        ("[Python]\nPath64bit=\nx=y\n", "[Python]\nPath64bit=/p\nx=y\n"),
        ("[B]\nPath64bit=/other\n", "[B]\nPath64bit=/other\n\n[Python]\nPath64bit=/p\n"),
    ],
)
def test_one_value_of_an_ini_file(text: str, wanted: str) -> None:
    assert install.with_ini_value(text, "Python", "Path64bit", "/p") == wanted
    assert install.ini_value(wanted, "Python", "Path64bit") == "/p"
    assert install.ini_value(text, "Python", "Path64bit") == ""
    removed = install.with_ini_value(wanted, "Python", "Path64bit", "")
    assert install.ini_value(removed, "Python", "Path64bit") == ""
