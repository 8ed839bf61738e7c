"""Composites: what must hold for every scene."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cleanplate.data.batches import BatchOptions, SceneBatches, collate, make_batch, open_maker
from cleanplate.data.degrade import Camera, take_picture, through_h264
from cleanplate.data.geometry import Float, after, similarity, smooth_path
from cleanplate.data.scenes import SceneMaker, SceneOptions, _camouflage, _Shadow
from cleanplate.data.splits import Split

SIZE = (64, 48)
CALM = {"posters": 0, "moved_objects": 0, "shadow": 0, "wrong_room": 0, "parallax": 0, "drift": 0}


def maker(cache: Path, **options: float) -> SceneMaker:
    return open_maker(cache, Split.TRAIN, SceneOptions(**options))


def test_shapes_and_reproducibility(tiny_cache: Path) -> None:
    scenes = [
        maker(tiny_cache).composite(np.random.default_rng(5), SIZE, frames=3, samples=2) for _ in range(2)
    ]
    assert scenes[0].frames.shape == (3, 48, 64, 3)
    assert scenes[0].pha.shape == (3, 48, 64)
    assert scenes[0].samples.shape == (2, 48, 64, 3)
    assert all(np.array_equal(a, b) for a, b in zip(*scenes, strict=True))


def test_empty_rooms_have_no_person(tiny_cache: Path) -> None:
    scene = maker(tiny_cache, empty=1).composite(np.random.default_rng(1), SIZE, 1, 1)
    assert not scene.pha.any()


def test_people_stand_on_the_lower_edge(tiny_cache: Path) -> None:
    make = maker(tiny_cache, empty=0, second_person=0)
    touching = [
        make.composite(np.random.default_rng(seed), SIZE, 1, 0).pha[0, -1].max() for seed in range(12)
    ]
    assert np.mean(np.array(touching) > 128) > 0.8


def test_an_aligned_sample_shows_what_is_behind_the_person(tiny_cache: Path) -> None:
    """With a still camera and no drift, frame and sample differ where the person is, and there alone."""
    make = maker(tiny_cache, empty=0, aligned=1, **CALM)
    inside, outside = [], []
    for seed in range(6):
        scene = make.composite(np.random.default_rng(seed), SIZE, 1, 1)
        # Compare what is left after strong smoothing: noise and JPEG differ.
        pictures = [
            cv2.GaussianBlur(p.astype(np.float32), (0, 0), 4) for p in (scene.frames[0], scene.samples[0])
        ]
        difference = np.abs(pictures[0] - pictures[1]).mean(-1)
        far = cv2.dilate(scene.pha[0], np.ones((17, 17), np.uint8)) == 0
        inside.append(difference[scene.pha[0] > 250].mean())
        outside.append(difference[far].mean() if far.any() else 0)
    assert np.mean(inside) > 3 * np.mean(outside)


def test_camouflaged_people_wear_the_colours_of_the_room(tiny_cache: Path) -> None:
    def apart(camouflage: float) -> float:
        make = maker(tiny_cache, empty=0, clips=0, aligned=1, camouflage=camouflage, **CALM)
        differences = []
        for seed in range(6):
            scene = make.composite(np.random.default_rng(seed), SIZE, 1, 1)
            is_person = scene.pha[0] > 250
            own, behind = (picture[is_person].mean(0) for picture in (scene.frames[0], scene.samples[0]))
            differences.append(np.abs(own - behind).mean())
        return float(np.mean(differences))

    assert apart(camouflage=1) < 0.5 * apart(camouflage=0)


def test_camouflage_may_go_place_by_place() -> None:
    """A white shirt over black trousers, before a wall that is as bright all over."""
    wall = np.full((96, 64, 3), 120, np.float32)
    person = np.full((1, 96, 64, 4), 255, np.float32)
    person[:, :48, :, :3], person[:, 48:, :, :3] = 200, 60

    def apart(*, locally: bool) -> float:
        toned = person.copy()
        _camouflage(toned, wall, locally=locally)
        return float(np.abs(toned[0, ..., :3] - wall).mean())

    assert apart(locally=True) < 0.5 * apart(locally=False)


def test_what_stands_before_a_person_belongs_to_the_room(
    tiny_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_on_the_left(_: object, canvases: tuple[Float, ...]) -> Float:
        tall, wide = canvases[0].shape[:2]
        cover = np.zeros((tall, wide), np.float32)
        cover[:, : wide // 2] = 255
        for canvas in canvases:
            canvas[cover > 0] = 50
        return cover

    def left(occluded: float) -> NDArray[np.uint8]:
        make = maker(tiny_cache, empty=0, second_person=1, occluded=occluded, **CALM)
        monkeypatch.setattr(make, "_put_object", put_on_the_left)
        scenes = [make.composite(np.random.default_rng(seed), SIZE, 1, 1) for seed in range(4)]
        return np.stack([scene.pha[0, :, :26] for scene in scenes])

    assert left(occluded=0).any()
    assert not left(occluded=1).any()


def test_light_from_a_side_leaves_the_matte_alone(tiny_cache: Path) -> None:
    make = maker(tiny_cache, light=1)
    people, room = np.full((2, 48, 64, 4), 120, np.float32), np.full((48, 64, 3), 120, np.float32)
    lit = make._toned(np.random.default_rng(2), people, room)
    assert np.ptp(lit) > 5
    assert np.ptp(people[..., :3]) > 20
    np.testing.assert_array_equal(people[..., 3], 120)
    assert np.abs(np.diff(people[0, 0, :, 0])).max() < 10


def test_hard_shadows_have_an_edge() -> None:
    def steepest(shadow: _Shadow) -> float:
        alpha = np.zeros((144, 256), np.float32)
        alpha[40:, 90:160] = 255
        cast = shadow.cast(np.full((144, 256, 3), 200, np.float32), alpha)
        return float(np.abs(np.diff(cast[..., 0], axis=1)).max() / shadow.strength)

    rng, size = np.random.default_rng(3), (256, 144)
    soft, hard = ([steepest(make(rng, size)) for _ in range(9)] for make in (_Shadow.random, _Shadow.hard))
    assert np.median(hard) > 2 * np.median(soft)


def test_people_come_and_go(tiny_cache: Path) -> None:
    make = maker(tiny_cache, empty=0, comes_or_goes=1)
    seen = [
        tuple(bool(pha.any()) for pha in make.composite(np.random.default_rng(seed), SIZE, 3, 0).pha)
        for seed in range(12)
    ]
    assert set(seen) <= {(True, True, False), (True, False, False), (False, False, True), (False, True, True)}
    assert {first for first, *_ in seen} == {True, False}


def test_two_people_have_no_dark_rims(tiny_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one person's edge is soft, the colours stay theirs, whether or not the other is behind them."""
    make = maker(tiny_cache, empty=0, second_person=1)
    front, behind = np.full((2, 1, 1, 3, 4), 100, np.float32)
    front[..., :3], behind[..., :3] = 200, 80
    front[0, 0, :, 3] = 127.5, 127.5, 0
    behind[0, 0, :, 3] = 0, 255, 255
    layers = iter((front, behind))
    monkeypatch.setattr(make, "_person", lambda *_: next(layers))
    both = make._people(np.random.default_rng(0), (3, 1), 1)[0, 0]
    np.testing.assert_allclose(both[:, 3], [127.5, 255, 255])
    np.testing.assert_allclose(both[:, 0], [200, 140, 80], rtol=1e-5)


def test_cut_out_people_have_no_dark_rims(tiny_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours under transparent pixels, which may be black, never reach the edge."""
    make = maker(tiny_cache)
    person = np.zeros((90, 70, 4), np.uint8)
    cv2.ellipse(person, (35, 45), (28, 40), 0, 0, 360, (200, 200, 200, 255), -1)
    monkeypatch.setattr(make, "_pictures", lambda *_: ([person] * 3, "people-half/0001"))
    for seed in range(6):
        layers = make._person(np.random.default_rng(seed), (64, 48), 3)
        edge = layers[(layers[..., 3] > 30) & (layers[..., 3] < 225)][:, :3]
        assert np.ptp(edge, axis=0).max() < 3


def test_people_have_their_own_colours_beside_the_frame(tiny_cache: Path) -> None:
    make = maker(tiny_cache, empty=0, **CALM)
    inside, edge = [], []
    for seed in range(6):
        scene = make.composite(np.random.default_rng(seed), SIZE, 2, 0)
        assert scene.fgr is not None
        assert scene.fgr.shape == scene.frames.shape
        difference = np.abs(scene.fgr.astype(int) - scene.frames).mean(-1)
        inside.append(difference[scene.pha == 255].mean())
        edge.append(difference[(scene.pha > 50) & (scene.pha < 150)].mean())
    assert np.mean(inside) < 20  # noise and compression
    assert np.mean(edge) > 1.5 * np.mean(inside)  # there the room shines through


def test_batches_bring_own_colours_where_they_are_wanted(tiny_cache: Path) -> None:
    make, rng = maker(tiny_cache), np.random.default_rng(0)
    assert make_batch(make, BatchOptions((SIZE,), (1.0,), 2), rng).fgr is None
    batch = make_batch(make, BatchOptions((SIZE,), (1.0,), 2, 3, stills=1, foreground=True), rng)
    assert batch.fgr is not None
    assert np.array_equal(batch.fgr, batch.src)  # nobody knows better of portraits
    composites = make_batch(make, BatchOptions((SIZE,), (1.0,), 2, 3, stills=0, foreground=True), rng)
    assert composites.fgr is not None
    assert composites.fgr.shape == composites.src.shape
    assert not np.array_equal(composites.fgr, composites.src)


def test_posters_hang_in_frame_and_sample_alike(tiny_cache: Path) -> None:
    calm = {**CALM, "empty": 1, "aligned": 1}
    hung = maker(tiny_cache, **{**calm, "posters": 1}).composite(np.random.default_rng(2), SIZE, 1, 1)
    assert not hung.pha.any()
    smooth = [cv2.GaussianBlur(p.astype(np.float32), (0, 0), 4) for p in (hung.frames[0], hung.samples[0])]
    assert np.abs(smooth[0] - smooth[1]).mean() < 12

    make, canvas = maker(tiny_cache), np.full((60, 80, 3), 127, np.float32)
    walls = canvas.copy(), canvas.copy()
    make._hang_poster(np.random.default_rng(2), walls)
    np.testing.assert_array_equal(*walls)
    assert (walls[0] != canvas).any(axis=2).mean() > 0.01


def test_clips_move_by_themselves(tiny_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cleanplate.data.scenes.smooth_path", lambda _rng, moments, _size: np.zeros(moments))
    monkeypatch.setattr(
        "cleanplate.data.scenes.smooth_field",
        lambda _rng, height, width, _amount: np.zeros((height, width, 2), np.float32),
    )

    def moves(clips: float) -> bool:
        make = maker(tiny_cache, empty=0, clips=clips, second_person=0)
        pha = make.composite(np.random.default_rng(3), SIZE, 2, 0).pha
        return not np.array_equal(pha[0], pha[1])

    assert moves(clips=1)
    assert not moves(clips=0)


def test_recordings_show_the_plate_where_nobody_is(tiny_cache: Path) -> None:
    make = maker(tiny_cache, recorded=1, drift=0)
    scene = make.composite(np.random.default_rng(4), SIZE, 2, 1)
    assert scene.samples.shape == (1, 48, 64, 3)
    assert not np.array_equal(scene.pha[0], scene.pha[1])
    smooth = [cv2.GaussianBlur(p.astype(np.float32), (0, 0), 3) for p in (scene.frames[0], scene.samples[0])]
    difference = np.abs(smooth[0] - smooth[1]).mean(-1)
    far = cv2.dilate(scene.pha[0], np.ones((9, 9), np.uint8)) == 0
    assert difference[scene.pha[0] > 250].mean() > 3 * difference[far].mean()


def test_h264_loses_detail_and_keeps_the_picture(tiny_cache: Path) -> None:
    rng = np.random.default_rng(6)
    flat = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (64, 48), interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(flat.astype(np.int16) + rng.integers(-20, 21, flat.shape), 0, 255).astype(np.uint8)
    coarse = through_h264([noisy, noisy], 36)
    assert len(coarse) == 2
    assert coarse[0].shape == noisy.shape
    error = np.abs(coarse[1].astype(float) - flat).mean()
    assert 0.5 < error < 12
    assert maker(tiny_cache, h264=1).composite(rng, SIZE, 2, 1).frames.shape == (2, 48, 64, 3)


def test_stills_have_no_sample(tiny_cache: Path) -> None:
    scene = maker(tiny_cache).still(np.random.default_rng(1), SIZE, 2)
    assert scene.samples.shape == (0, 48, 64, 3)
    assert scene.pha.max() > 200


def test_batches_pad_missing_samples_and_turn_to_rgb(tiny_cache: Path) -> None:
    make = maker(tiny_cache)
    rng = np.random.default_rng(0)
    scenes = [make.composite(rng, SIZE, 2, 2), make.still(rng, SIZE, 2)]
    batch = collate(scenes)
    assert batch.src.shape == (2, 2, 3, 48, 64)
    assert batch.bgr.shape == (2, 2, 3, 48, 64)
    assert batch.counts.tolist() == [2, 0]
    assert not batch.bgr[1].any()
    assert np.array_equal(batch.src[0, 0, 0].numpy(), scenes[0].frames[0, :, :, 2])


def test_batch_numbers_do_not_depend_on_where_one_starts(tiny_cache: Path) -> None:
    options = BatchOptions((SIZE,), (1.0,), 2)
    stream = iter(SceneBatches(tiny_cache, SceneOptions(), options, seed=4))
    next(stream)
    second = next(stream)
    resumed = next(iter(SceneBatches(tiny_cache, SceneOptions(), options, seed=4, first=1)))
    assert second.src.equal(resumed.src)


def test_no_sample_share(tiny_cache: Path) -> None:
    make = maker(tiny_cache)
    blind = BatchOptions((SIZE,), (1.0,), 6, stills=0, no_sample=1)
    assert make_batch(make, blind, np.random.default_rng(0)).counts.tolist() == [0] * 6
    seeing = BatchOptions((SIZE,), (1.0,), 6, stills=0, no_sample=0, several=1)
    counts = make_batch(make, seeing, np.random.default_rng(0)).counts.tolist()
    assert min(counts) >= 1
    assert max(counts) <= 3


def test_batches_of_single_frames_show_as_many_pictures(tiny_cache: Path) -> None:
    options = BatchOptions((SIZE,), (1.0,), sequences=2, frames=3, single=1.0)
    maker = open_maker(tiny_cache, Split.TRAIN, SceneOptions())
    assert make_batch(maker, options, np.random.default_rng(4)).src.shape[:2] == (6, 1)


def test_neutral_camera_changes_nothing() -> None:
    scene = np.random.default_rng(0).integers(0, 200, (8, 8, 3)).astype(np.float32)
    neutral = Camera((1, 1, 1), 1, 0, 0, 0)
    assert np.abs(take_picture(scene, neutral, np.random.default_rng(0)) - scene).max() <= 1


def test_gain_and_roll_off() -> None:
    scene = np.full((2, 2, 3), 100, np.float32)
    brighter = take_picture(scene, Camera((1.5, 1.0, 0.5), 1, 0, 0, 0), np.random.default_rng(0))
    assert brighter[0, 0].tolist() == [150, 100, 50]
    burnt = take_picture(scene * 2, Camera((2, 2, 2), 1, 0, 0, 0), np.random.default_rng(0))
    assert 240 < burnt[0, 0, 0] < 255


def test_similarities_compose() -> None:
    turn = similarity(90, 1, (0, 0), (0, 0))
    shift = similarity(0, 1, (0, 0), (5, 0))
    point = np.array([1, 0, 1], np.float32)
    assert after(shift, turn) @ point == pytest.approx([5, -1], abs=1e-5)


def test_paths_start_at_rest() -> None:
    assert smooth_path(np.random.default_rng(0), 5, 1.0)[0] == 0
