"""People who stand in the room, from head to feet."""

from pathlib import Path

import cv2
import numpy as np

from cleanplate.data.batches import open_maker
from cleanplate.data.pack import PLATE, store_path
from cleanplate.data.scenes import SceneOptions
from cleanplate.data.splits import Split
from cleanplate.data.store import write_store


def test_standing_people_end_above_the_lower_edge(tmp_path: Path) -> None:
    person = np.zeros((90, 30, 4), np.uint8)
    cv2.ellipse(person, (15, 45), (14, 44), 0, 0, 360, (200, 120, 80, 255), -1)
    room = np.full((60, 90, 3), 60, np.uint8)
    write_store(store_path(tmp_path, "people", Split.TRAIN), [("people-full/0001", person)])
    write_store(store_path(tmp_path, "stills", Split.TRAIN), [("people-full/0001", person)])
    write_store(store_path(tmp_path, "rooms", Split.TRAIN), [("rooms/1_kitchen", room)])
    write_store(store_path(tmp_path, "webcam", Split.TRAIN), [(PLATE, np.zeros((60, 90, 4), np.uint8))])

    def lower_edges(standing: float) -> list[bool]:
        """Whether the person reaches the lower edge, in twelve scenes."""
        options = SceneOptions(empty=0, second_person=0, clips=0, standing=standing)
        maker = open_maker(tmp_path, Split.TRAIN, options)
        mattes = [maker.composite(np.random.default_rng(seed), (64, 48), 1, 0).pha[0] for seed in range(12)]
        assert all((matte > 128).any(1).sum() > 0.25 * 48 for matte in mattes)
        return [bool((matte[-2:] > 128).any()) for matte in mattes]

    assert sum(lower_edges(standing=1)) <= 4
    assert all(lower_edges(standing=0))
