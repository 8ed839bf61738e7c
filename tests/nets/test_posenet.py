"""Joints and their maps, by hand, and PoseNet's published weights on portraits."""

import tarfile
from math import exp, sqrt
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cleanplate.nets.posenet import (
    JOINTS,
    LIMBS,
    MAP_CHANNELS,
    MIN_CONFIDENCE,
    SPREAD,
    STRIDE,
    Joints,
    PoseNet,
    key_point_maps,
)

SHARED = Path(__file__).parents[3] / "shared"
POSENET = SHARED / "pretrained" / "posenet-mobilenet-v1-0.50.npz"
PORTRAITS = SHARED / "data" / "portraits-test.tar"
LEFT_SHOULDER, RIGHT_SHOULDER, NOSE = 5, 6, 0
SHOULDERS = LIMBS.index((LEFT_SHOULDER, RIGHT_SHOULDER))
HEIGHT, WIDTH = 48, 64


def shoulders(right: tuple[float, float], confidence: float = 1.0) -> Tensor:
    """The maps of a person of whom nothing is seen but the shoulders, the left one at column 10, row 20."""
    places, seen = torch.zeros(1, JOINTS, 2), torch.zeros(1, JOINTS)
    places[0, LEFT_SHOULDER] = torch.tensor([10.0, 20.0])
    places[0, RIGHT_SHOULDER] = torch.tensor(right)
    seen[0, [LEFT_SHOULDER, RIGHT_SHOULDER]] = torch.tensor([1.0, confidence])
    return key_point_maps(Joints(places, seen), torch.zeros(1, 3, HEIGHT, WIDTH))[0]


def test_there_are_55_channels() -> None:
    assert MAP_CHANNELS == 55
    assert shoulders((30, 20)).shape == (55, HEIGHT, WIDTH)
    assert sorted({joint for limb in LIMBS for joint in limb}) == list(range(JOINTS))


def test_a_horizontal_limb_points_to_the_right() -> None:
    fields = shoulders((30, 20))[JOINTS:].reshape(-1, 2, HEIGHT, WIDTH)
    expected = torch.zeros(HEIGHT, WIDTH)
    spread = SPREAD * sqrt(HEIGHT * WIDTH)
    assert 1 < spread < 1.5  # so the limb has one full row, and a part of those beside it
    expected[20, 10:31] = 1
    expected[[19, 21], 10:31] = spread - 0.5
    expected[:, [10, 30]] /= 2  # it ends in the middle of these columns
    torch.testing.assert_close(fields[SHOULDERS, 0], expected)
    assert not fields[SHOULDERS, 1].any()
    others = [index for index in range(len(LIMBS)) if index != SHOULDERS]
    assert not fields[others].any()


def test_limbs_have_unit_vectors_in_their_direction() -> None:
    down = shoulders((10, 40))[JOINTS:].reshape(-1, 2, HEIGHT, WIDTH)[SHOULDERS]
    assert down[:, 30, 10].tolist() == [0, 1]
    slanted = shoulders((2, 14))[JOINTS:].reshape(-1, 2, HEIGHT, WIDTH)[SHOULDERS]
    assert slanted[:, 17, 6].tolist() == pytest.approx([-0.8, -0.6])
    assert not slanted[:, 21, 11].any()  # before its beginning


def test_heat_falls_with_the_distance_and_what_is_not_seen_has_none() -> None:
    heat = shoulders((30, 20))[:JOINTS]
    spread = SPREAD * sqrt(HEIGHT * WIDTH)
    assert float(heat[LEFT_SHOULDER, 20, 10]) == 1
    assert float(heat[LEFT_SHOULDER, 22, 11]) == pytest.approx(exp(-5 / spread**2))
    assert not heat[NOSE].any()
    doubtful = shoulders((30, 20), confidence=MIN_CONFIDENCE - 0.01)
    assert doubtful[LEFT_SHOULDER].any()
    assert not doubtful[RIGHT_SHOULDER].any()
    assert not doubtful[JOINTS:].any()


def test_two_joints_at_one_place_make_no_limb_of_nonsense() -> None:
    assert bool(shoulders((10, 20)).isfinite().all())


class Prescribed(nn.Module):
    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = values

    def forward(self, _: Tensor) -> Tensor:
        return self.values


def test_a_joint_is_where_its_heat_is_highest_moved_by_the_offset_there() -> None:
    net = PoseNet()
    heat, offset = torch.full((1, JOINTS, 3, 5), -9.0), torch.zeros(1, 2 * JOINTS, 3, 5)
    heat[0, NOSE, 1, 3] = 0
    offset[0, NOSE, 1, 3], offset[0, JOINTS + NOSE, 1, 3] = 2, -5  # down, right
    net.heatmap, net.offset = Prescribed(heat), Prescribed(offset)  # type: ignore[assignment]
    joints = net(torch.zeros(1, 3, 32, 64))
    assert joints.places[0, NOSE].tolist() == [3 * STRIDE - 5, STRIDE + 2]
    assert joints.confidence[0, NOSE] == 0.5


def test_incomplete_weights_are_refused() -> None:
    with pytest.raises(KeyError):
        PoseNet().load({})


@pytest.mark.skipif(not POSENET.is_file(), reason="PoseNet's weights are not beside the project")
@pytest.mark.skipif(not PORTRAITS.is_file(), reason="the portraits are not beside the project")
def test_the_published_weights_find_noses() -> None:
    net = PoseNet().eval()
    with np.load(POSENET) as arrays:
        net.load(arrays)
    found = []
    with tarfile.open(PORTRAITS) as archive:
        masks = sorted(name for name in archive.getnames() if name.endswith(".png"))[:8]
        for name in masks:
            frame, mask = (
                cv2.resize(picture(archive, each), (192, 256), interpolation=cv2.INTER_AREA)
                for each in (name.replace(".png", ".jpg"), name)
            )
            planes = torch.from_numpy(frame[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
            with torch.no_grad():
                joints = net(planes)
            x, y = (round(float(value)) for value in joints.places[0, NOSE])
            is_inside = 0 <= x < 192 and 0 <= y < 256 and mask[y, x, 0] > 127
            found.append(bool(is_inside and joints.confidence[0, NOSE] > 0.5))
    assert sum(found) >= len(found) - 1


def picture(archive: tarfile.TarFile, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    file = archive.extractfile(name)
    assert file is not None
    decoded = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded.astype(np.uint8, copy=False)
