import sys
from pathlib import Path

import pytest

from cleanplate.offline import places
from cleanplate.wire import paths


def test_the_worker_and_the_command_line_agree_on_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in (("XDG_CONFIG_HOME", tmp_path / "a b"), ("XDG_STATE_HOME", tmp_path / "ä")):
        assert places.install_record_path() == paths.install_record_path()
        assert places.log_folder() == paths.log_folder()
        monkeypatch.setenv(variable, str(value))
    assert places.install_record_path() == paths.install_record_path()
    assert places.log_folder() == paths.log_folder()


def test_on_a_mac_no_variable_moves_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(places, "_CHECKOUT", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "xdg"))
    support = tmp_path / "Library" / "Application Support" / "cleanplate"
    (support / "models").mkdir(parents=True)
    assert places.install_record_path() == paths.install_record_path() == support / "install.json"
    assert places.log_folder() == paths.log_folder()
    assert places.model_folders() == [support / "models"]
    assert places.filter_script() == support / "obs_script" / "cleanplate_filter.py"


def test_the_users_folder_with_models_comes_first(tmp_path: Path) -> None:
    assert places.model_folders((tmp_path,))[0] == tmp_path


def test_the_filter_script_is_found() -> None:
    assert places.filter_script().name == "cleanplate_filter.py"
    assert places.filter_script().is_file()
