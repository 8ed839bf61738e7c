"""Pairs of pictures: that their motion is what it is said to be."""

import cv2
import numpy as np
import pytest

from cleanplate.data import motion
from cleanplate.data.geometry import displace
from cleanplate.data.motion import moved_pair

SHAPE = (48, 64)


def texture(seed: int) -> motion.UInt8:
    noise = np.random.default_rng(seed).uniform(0, 255, (*SHAPE, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    drawn: motion.UInt8 = ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)
    return drawn


@pytest.mark.parametrize("pha", [0, 255])
def test_the_flow_leads_from_now_to_before(pha: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motion, "NOISE", 0.0)
    monkeypatch.setattr(motion, "STANDS_STILL", 0.0)
    apart = []
    for seed in range(8):
        pair = moved_pair(np.random.default_rng(seed), texture(1), texture(2), np.full(SHAPE, pha, np.uint8))
        assert pair.now.shape == pair.before.shape == (*SHAPE, 3)
        assert pair.flow.shape == (*SHAPE, 2)
        found = displace(pair.before.astype(np.float32), pair.flow)
        assert np.abs(found - pair.now).mean() < 1
        apart.append(np.abs(pair.before.astype(float) - pair.now).mean())
    assert max(apart) > 20


def test_the_person_moves_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motion, "STANDS_STILL", 1.0)
    pha = np.zeros(SHAPE, np.uint8)
    pha[20:, 20:44] = 255
    pair = moved_pair(np.random.default_rng(3), texture(1), texture(2), pha)
    assert np.all(pair.flow[:10] == 0)
    assert np.abs(pair.flow[35:, 28:36]).min() > 0
