import json
import shutil
from pathlib import Path

import install
import pytest
from fake_user import ROOT
from obsws_python.error import OBSSDKRequestError

from cleanplate.studio.session import ObsSession

INVALID_FILTER_KIND = 607
"""Status of obs-websocket."""

pytestmark = [
    pytest.mark.obs,
    pytest.mark.skipif(not shutil.which("obs"), reason="OBS is not installed"),
]


def registered(obs: ObsSession) -> bool:
    """Whether OBS knows the filter's type."""
    try:
        obs.client.get_source_filter_default_settings(install.FILTER_TYPE)
    except OBSSDKRequestError as error:
        if error.code != INVALID_FILTER_KIND:
            raise
        return False
    return True


def test_obs_loads_the_script_from_a_collection_that_it_saved_itself(tmp_path: Path) -> None:
    with ObsSession(tmp_path) as obs:
        obs.client.create_scene("Küche")
        obs.close()
        home = obs.home
    (path,) = install.scene_collections(home / ".config" / "obs-studio")
    collection = install.read_collection(path)
    assert collection is not None
    script = ROOT / "obs_script" / install.SCRIPT
    assert install.add_script(collection, script)
    path.write_text(install.collection_text(collection), encoding="utf-8")

    with ObsSession(tmp_path) as obs:
        assert registered(obs)
        assert "Küche" in [scene["sceneName"] for scene in obs.client.get_scene_list().scenes]
        assert install.Linux({"HOME": str(home)}).obs_is_running()
        obs.close()

    saved = install.read_collection(path)
    assert saved is not None
    assert not install.add_script(saved, script), json.dumps(install.scripts_of(saved))
    assert install.remove_script(saved, filters=True)
    path.write_text(install.collection_text(saved), encoding="utf-8")
    with ObsSession(tmp_path) as obs:
        assert not registered(obs)
        obs.close()
