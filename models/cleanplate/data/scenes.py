"""Composites made on the fly: a person before a room, and background samples of the same room.

What paper 003 calls ambiguity is made on purpose: pictures of people hang on the walls, in the frame and in
the samples alike. Objects are moved between sample and frame, the camera is moved and re-exposed, the person
throws a shadow. Stills keep their own background and have no sample. Recordings are a real person before the
real background, with the plate as the sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.data.arms import with_arms
from cleanplate.data.degrade import Camera, drifted, expose, random_camera, take_picture, through_h264
from cleanplate.data.geometry import Float, after, displace, similarity, smooth_field, smooth_path
from cleanplate.data.pack import PLATE, clip_of
from cleanplate.data.store import PictureStore

UInt8 = NDArray[np.uint8]

POSTERS_WITHOUT_SAMPLES = 0.4  # times the usual chance
CAMOUFLAGE_GAIN = (0.3, 3.0)  # of the clothes' colours: beyond it they would no longer look like clothes
CAMOUFLAGE_REACH = 0.12  # of the width, within which clothes are given the room's colours
SIDE_LIGHT, ROOM_LIGHT = 0.35, 0.12  # standard deviations of the logarithm
LIVELINESS = (0.002, 0.006, 0.02)  # steps of a person from frame to frame, as shares of the width
WARP_SWING = 0.3  # radians a frame, of a person's local warps
FULL_LENGTH_SOURCE = "people-full/"
H264_QUANTISERS = (20, 36)
CANVAS_MARGIN = 1.3  # the room is painted this much larger than the frame, so that views can move


class Scene(NamedTuple):
    """T successive frames of one video and S background samples of its room.

    Attributes:
        frames: uint8 [T, H, W, 3] BGR.
        pha: uint8 [T, H, W], the true matte.
        samples: uint8 [S, H, W, 3] BGR; S may be 0.
        fgr: uint8 [T, H, W, 3] BGR, the people's own colours as the camera gives them, where `pha` is above
            0; None for real pictures, of which nobody knows them.
    """

    frames: UInt8
    pha: UInt8
    samples: UInt8
    fgr: UInt8 | None = None


@dataclass(frozen=True)
class SceneOptions:
    """How likely everything is; each chance is 0..1.

    Attributes:
        posters: Pictures of people on the wall.
        moved_objects: Something stands elsewhere in the sample.
        empty: Nobody is there.
        second_person: Two people are there.
        standing: A full-length person stands in the room from head to feet, instead of being cut by the lower
            edge.
        clips: The person comes from a clip and moves by itself, instead of a still that is moved about.
        shadow: The person darkens the room.
        hard_shadow: That shadow is sharp and may be dark.
        aligned: The sample's camera stood still (up to a fraction of a pixel).
        far: The sample's camera was moved a lot, up to an eighth of the picture.
        wrong_room: The sample shows another room: the camera was carried away.
        parallax: The sample differs by a smooth distortion.
        h264: The camera encodes H.264 instead of JPEG.
        recorded: The scene is a real recording of a webcam instead of a composite.
        camouflage: The person's colours are those of the room behind them, as beige before a beige wall: the
            mean of all, or place by place.
        occluded: A thing of the room stands in front of the person, as a microphone does.
        light: Light falls onto the person from a side, and otherwise onto the room than in the samples.
        comes_or_goes: The people appear in, or are gone from, one of the frames on.
        arms: A still person has arms drawn on, stretched out, raised or bent, that move.
        drift: How much exposure and white balance change between sample and frame, 1 as usual.
    """

    posters: float = 0.35
    moved_objects: float = 0.35
    empty: float = 0.06
    second_person: float = 0.06
    standing: float = 0.0
    clips: float = 0.15
    shadow: float = 0.4
    aligned: float = 0.4
    far: float = 0.15
    wrong_room: float = 0.03
    parallax: float = 0.3
    h264: float = 0.0
    recorded: float = 0.0
    camouflage: float = 0.0
    hard_shadow: float = 0.0
    occluded: float = 0.0
    light: float = 0.0
    comes_or_goes: float = 0.0
    arms: float = 0.0
    drift: float = 1.0


class Stores(NamedTuple):
    """The packed pictures of one split; see `cleanplate.data.pack`."""

    people: PictureStore
    stills: PictureStore
    rooms: PictureStore
    webcam: PictureStore


class SceneMaker:
    """Makes random scenes of one split."""

    def __init__(self, stores: Stores, options: SceneOptions) -> None:
        self.stores = stores
        self.options = options
        self._clips = _clips(stores.people)
        self._clip_names = sorted(self._clips)
        self._singles = [
            index for index, entry in enumerate(stores.people.entries) if clip_of(entry.name) is None
        ]
        self._recordings = _clips(stores.webcam)
        self._recording_names = sorted(self._recordings.keys() - {PLATE})

    def composite(self, rng: np.random.Generator, size: tuple[int, int], frames: int, samples: int) -> Scene:
        """Return a person before a room.

        Args:
            rng: Random numbers; the same state gives the same scene.
            size: Width and height of the frames.
            frames: How many successive frames.
            samples: How many background samples.
        """
        width, height = size
        options = self.options
        if options.recorded and rng.random() < options.recorded:
            return self._recorded(rng, size, frames, samples)
        in_frame, in_sample, cover = self._furnished_room(rng, size, with_samples=samples > 0)
        camera = random_camera(rng)
        quantiser = int(rng.integers(*H264_QUANTISERS)) if rng.random() < options.h264 else None
        if quantiser is not None:
            camera = camera._replace(quality=0)
        centre = (in_frame.shape[1] / 2, in_frame.shape[0] / 2)
        look = similarity(
            float(rng.normal(0, 2)),
            float(rng.uniform(0.95, 1.15)),
            centre,
            (width / 2 - centre[0], height / 2 - centre[1]),
        )
        room = _view(in_frame, look, size)
        people = self._people(rng, size, frames)
        room = self._toned(rng, people, room)
        if cover is not None:
            people[..., 3:] *= 1 - _view(cover, look, size)[..., None] / 255
        if options.comes_or_goes and frames > 1 and rng.random() < options.comes_or_goes:
            moment = int(rng.integers(1, frames))
            people[slice(moment) if rng.random() < 0.5 else slice(moment, None)] = 0
        with_shadow = rng.random() < options.shadow
        is_hard = options.hard_shadow > 0 and rng.random() < options.hard_shadow
        shadow = _Shadow.hard(rng, size) if is_hard else _Shadow.random(rng, size)
        moment_camera = drifted(camera, rng, options.drift)
        pictures, mattes, colours = [], [], []
        for person in people:
            scene = shadow.cast(room, person[..., 3]) if with_shadow else room
            alpha = person[..., 3:] / np.float32(255)
            scene = scene + (person[..., :3] - scene) * alpha
            moment_camera = drifted(moment_camera, rng, 0.05)
            pictures.append(take_picture(scene.astype(np.float32), moment_camera, rng))
            mattes.append(person[..., 3].astype(np.uint8))
            colours.append(expose(person[..., :3], moment_camera))

        plates = np.empty((samples, height, width, 3), np.uint8)
        for index in range(samples):
            plates[index] = self._sample(rng, in_sample, look, size, camera)
        if quantiser is not None:
            pictures = through_h264(pictures, quantiser)
            for plate in plates:
                plate[:] = through_h264([plate], quantiser)[0]
        return Scene(np.stack(pictures), np.stack(mattes), plates, np.stack(colours))

    def _recorded(self, rng: np.random.Generator, size: tuple[int, int], frames: int, samples: int) -> Scene:
        """Return a piece of a real recording, with the plate as the background samples.

        Place, size, mirroring, exposure and noise are random, the same for all frames; the camera is drifted
        between plate and frames.
        """
        store = self.stores.webcam
        clip = self._recordings[self._recording_names[int(rng.integers(len(self._recording_names)))]]
        start = int(rng.integers(max(1, len(clip) - frames + 1)))
        width, height = size
        tall, wide = store[clip[0]].shape[:2]
        scale = max(width / wide, height / tall) * float(rng.uniform(1.0, 1.5))
        shift = (
            (width - wide * scale) * float(rng.uniform(0, 1)),
            (height - tall * scale) * float(rng.uniform(0, 0.6)),  # heads matter
        )
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
        mirror = rng.random() < 0.5
        camera = random_camera(rng)
        moment_camera = drifted(camera, rng, self.options.drift)

        def view(index: int) -> UInt8:
            seen = cv2.warpAffine(
                store[index], matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
            )
            return (seen[:, ::-1] if mirror else seen).astype(np.uint8, copy=False)

        views = [view(clip[min(start + t, len(clip) - 1)]) for t in range(frames)]
        empty = view(self._recordings[PLATE][0])[..., :3].astype(np.float32)
        plates = np.empty((samples, height, width, 3), np.uint8)
        for plate in plates:
            plate[:] = take_picture(empty, drifted(camera, rng, self.options.drift), rng)
        pictures = [take_picture(seen[..., :3].astype(np.float32), moment_camera, rng) for seen in views]
        return Scene(np.stack(pictures), np.stack([seen[..., 3] for seen in views]), plates)

    def still(self, rng: np.random.Generator, size: tuple[int, int], frames: int) -> Scene:
        """Return a portrait before its own background, without any sample; a sequence pans over it."""
        width, height = size
        picture = self.stores.stills[int(rng.integers(len(self.stores.stills)))]
        tall, wide = picture.shape[:2]
        fill = max(width / wide, height / tall)
        fit = min(width / wide, height / tall)
        scale = float(rng.uniform(fit + 0.6 * (fill - fit), 1.15 * fill))
        slack_x, slack_y = width - wide * scale, height - tall * scale
        if slack_y < 0:  # crop rather the lower edge: heads matter
            slack_y *= float(rng.beta(1, 2))
        shift = (
            slack_x * float(rng.uniform(0, 1)),
            slack_y if slack_y < 0 else slack_y * float(rng.uniform(0, 1)),
        )
        mirror = rng.random() < 0.5
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
        matrix = after(similarity(float(rng.normal(0, 4)), 1, (width / 2, height / 2), (0, 0)), matrix)
        steps_x, steps_y = smooth_path(rng, frames, 0.006 * width), smooth_path(rng, frames, 0.006 * width)
        camera = random_camera(rng)
        pictures, mattes = [], []
        for x, y in zip(steps_x, steps_y, strict=True):
            moved = matrix + np.array([[0, 0, x], [0, 0, y]], np.float32)
            view = cv2.warpAffine(
                picture, moved, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT_101
            )
            if mirror:
                view = view[:, ::-1]
            pictures.append(take_picture(view[..., :3].astype(np.float32), camera, rng))
            mattes.append(view[..., 3])
        return Scene(np.stack(pictures), np.stack(mattes), np.empty((0, height, width, 3), np.uint8))

    def _room(self, rng: np.random.Generator, size: tuple[int, int]) -> Float:
        """Return a piece of a room, larger than the frame by the margin: float32 BGR 0..255."""
        rooms = self.stores.rooms
        room = rooms[int(rng.integers(len(rooms)))]
        width, height = round(size[0] * CANVAS_MARGIN), round(size[1] * CANVAS_MARGIN)
        tall, wide = room.shape[:2]
        part = float(rng.uniform(0.55, 1.0)) * min(wide / width, tall / height)
        crop_w, crop_h = int(width * part), int(height * part)
        x, y = int(rng.integers(wide - crop_w + 1)), int(rng.integers(tall - crop_h + 1))
        piece = cv2.resize(
            room[y : y + crop_h, x : x + crop_w], (width, height), interpolation=cv2.INTER_AREA
        )
        if rng.random() < 0.5:
            piece = piece[:, ::-1]
        tone = np.exp(rng.normal(-0.15, 0.25)) * np.exp(rng.normal(0, 0.06, 3))
        toned: Float = np.clip(piece * tone, 0, 255).astype(np.float32)
        return toned

    def _furnished_room(
        self, rng: np.random.Generator, size: tuple[int, int], *, with_samples: bool
    ) -> tuple[Float, Float, Float | None]:
        """Return the room as the frames and as the samples show it, and what covers the person there."""
        in_frame = self._room(rng, size)
        in_sample = in_frame.copy()
        # Without a sample nobody can tell every poster from a person: such scenes have fewer.
        if rng.random() < self.options.posters * (1.0 if with_samples else POSTERS_WITHOUT_SAMPLES):
            for _ in range(int(rng.integers(1, 4))):
                self._hang_poster(rng, (in_frame, in_sample))
        if rng.random() < self.options.moved_objects:
            targets = ((in_frame,), (in_sample,), (in_frame, in_sample))
            for _ in range(int(rng.integers(1, 4))):
                self._put_object(rng, targets[int(rng.integers(3))])
        cover = None
        if self.options.occluded and rng.random() < self.options.occluded:
            cover = self._put_object(rng, (in_frame, in_sample))
        return in_frame, in_sample, cover

    def _sample(
        self, rng: np.random.Generator, canvas: Float, look: Float, size: tuple[int, int], camera: Camera
    ) -> UInt8:
        width, height = size
        options = self.options
        chance = rng.random()
        if chance < options.wrong_room:
            canvas = self._room(rng, size)
        if chance < options.aligned:
            moved = similarity(0, 1, (0, 0), (float(rng.normal(0, 0.4)), float(rng.normal(0, 0.4))))
        else:
            far = chance > 1 - options.far
            reach, turn, zoom = (0.08, 4.0, 0.08) if far else (0.02, 1.0, 0.02)
            moved = similarity(
                float(rng.normal(0, turn)),
                float(np.exp(rng.normal(0, zoom))),
                (width / 2, height / 2),
                (float(rng.normal(0, reach * width)), float(rng.normal(0, reach * width))),
            )
        view = _view(canvas, after(moved, look), size)
        if chance >= options.aligned and rng.random() < options.parallax:
            view = displace(view, smooth_field(rng, height, width, 0.008 * width)).astype(np.float32)
        return take_picture(view, drifted(camera, rng, options.drift), rng)

    def _hang_poster(self, rng: np.random.Generator, canvases: tuple[Float, ...]) -> None:
        """Hang a picture of a person on the wall of each canvas, framed or cut out."""
        tall, wide = canvases[0].shape[:2]
        side = float(rng.uniform(0.15, 0.6)) * tall
        if rng.random() < 0.7:
            still = self.stores.stills[int(rng.integers(len(self.stores.stills)))]
            picture = np.dstack([still[..., :3], np.full(still.shape[:2], 255, np.uint8)])
            border = int(rng.integers(0, 14))
            colour = [int(c) for c in rng.integers(0, 256, 3)]
            picture = cv2.copyMakeBorder(
                picture, border, border, border, border, cv2.BORDER_CONSTANT, value=[*colour, 255]
            )
        else:
            picture = self.stores.people[self._singles[int(rng.integers(len(self._singles)))]]
        high, broad = picture.shape[:2]
        scale = side / high
        left = float(rng.uniform(-0.2 * side, wide - 0.5 * side))
        top = float(rng.uniform(0, max(1.0, 0.85 * tall - side)))
        corners = np.array([[0, 0], [broad, 0], [broad, high], [0, high]], np.float32)
        target = corners * scale + np.array([left, top], np.float32)
        target += rng.normal(0, 0.03 * side, (4, 2)).astype(np.float32)
        matrix = cv2.getPerspectiveTransform(corners, target.astype(np.float32))
        warped = cv2.warpPerspective(picture, matrix, (wide, tall), flags=cv2.INTER_AREA)
        dim = float(rng.uniform(0.5, 1.05))
        for canvas in canvases:
            _paint(canvas, warped, dim)

    def _put_object(self, rng: np.random.Generator, canvases: tuple[Float, ...]) -> Float:
        """Put a piece of another room somewhere: a thing that was moved, brought or taken away.

        Returns:
            What it covers: float32 [H, W] of the canvas, 0..255.
        """
        tall, wide = canvases[0].shape[:2]
        room = self.stores.rooms[int(rng.integers(len(self.stores.rooms)))]
        broad, high = (int(float(rng.uniform(0.08, 0.35)) * tall) for _ in range(2))
        x, y = int(rng.integers(room.shape[1] - 20)), int(rng.integers(room.shape[0] - 20))
        piece = cv2.resize(
            room[y : y + 2 * high, x : x + 2 * broad], (broad, high), interpolation=cv2.INTER_AREA
        )
        mask = np.zeros((high, broad), np.uint8)
        if rng.random() < 0.5:
            mask[1:-1, 1:-1] = 255
        else:
            points = rng.uniform(0, 1, (9, 2)) * (broad, high)
            cv2.fillConvexPoly(mask, cv2.convexHull(points.astype(np.int32)), 255)
        picture = np.dstack([piece, mask])
        shift = (float(rng.uniform(0, wide - broad)), float(rng.uniform(0.1 * tall, tall - high)))
        matrix = similarity(float(rng.normal(0, 8)), 1, (broad / 2, high / 2), shift)
        warped = cv2.warpAffine(picture, matrix, (wide, tall), flags=cv2.INTER_LINEAR)
        for canvas in canvases:
            _paint(canvas, warped, 1.0)
        return warped[..., 3].astype(np.float32)

    def _people(self, rng: np.random.Generator, size: tuple[int, int], frames: int) -> Float:
        """Return who is in the frames: float32 [T, H, W, 4], colours and alpha, 0..255."""
        chance = rng.random()
        width, height = size
        layers = np.zeros((frames, height, width, 4), np.float32)
        if chance < self.options.empty:
            return layers
        layers = self._person(rng, size, frames)
        if chance > 1 - self.options.second_person:
            behind = self._person(rng, size, frames)
            front, back = layers[..., 3:] / 255, behind[..., 3:] / 255
            back = back * (1 - front)  # what of them is still seen
            union = front + back
            colours = (layers[..., :3] * front + behind[..., :3] * back) / np.maximum(union, 1e-6)
            layers = np.concatenate([colours, 255 * union], -1)
        return layers

    def _toned(self, rng: np.random.Generator, people: Float, room: Float) -> Float:
        """Tone the people, [T, H, W, 4], as light and camouflage have it, and return the lit room."""
        options = self.options
        if options.light and rng.random() < options.light:
            room = room * _light(rng, room.shape[:2], ROOM_LIGHT)
            people[..., :3] *= _light(rng, room.shape[:2], SIDE_LIGHT)
            np.clip(people[..., :3], 0, 255, out=people[..., :3])
        if options.camouflage and rng.random() < options.camouflage:
            _camouflage(people, room, locally=rng.random() < 0.5)
        return room

    def _pictures(self, rng: np.random.Generator, frames: int) -> tuple[list[UInt8], str | None]:
        """Return somebody's successive pictures, BGRA, and which still they are; None for a clip."""
        if rng.random() < self.options.clips:
            clip = self._clips[self._clip_names[int(rng.integers(len(self._clip_names)))]]
            start = int(rng.integers(max(1, len(clip) - frames + 1)))
            return [self.stores.people[clip[min(start + t, len(clip) - 1)]] for t in range(frames)], None
        index = self._singles[int(rng.integers(len(self._singles)))]
        return [self.stores.people[index]] * frames, self.stores.people.entries[index].name

    def _person(self, rng: np.random.Generator, size: tuple[int, int], frames: int) -> Float:
        width, height = size
        pictures, still = self._pictures(rng, frames)
        is_whole = still is not None and still.startswith(FULL_LENGTH_SOURCE)
        stands = is_whole and self.options.standing > 0 and rng.random() < self.options.standing
        # The largest picture of the clip gives the scale; each is cropped to the person, so align bottoms.
        high, broad = max(picture.shape[0] for picture in pictures), pictures[0].shape[1]
        side, above = 0, 0  # by which the pictures are larger than the person
        if still is not None and self.options.arms and rng.random() < self.options.arms:
            armed = with_arms(rng, pictures[0], frames)
            pictures, (side, above) = armed or (pictures, (0, 0))
        scale, top = _upright(rng, (broad, high), height, stands=stands)
        x = width * float(np.clip(rng.normal(0.5, 0.2), -0.05, 1.05))
        angle = float(rng.normal(0, 3))
        mirror = rng.random() < 0.5
        lively = float(rng.choice(LIVELINESS))
        if still is None:  # a clip moves by itself
            lively = LIVELINESS[0]
        path_x, path_y = (
            smooth_path(rng, frames, lively * width),
            smooth_path(rng, frames, lively * width / 2),
        )
        path_turn, path_scale = smooth_path(rng, frames, 60 * lively), smooth_path(rng, frames, lively)
        fields = (
            (
                smooth_field(rng, height, width, 0.01 * width),
                smooth_field(rng, height, width, 0.3 * lively * width),
            )
            if rng.random() < 0.4
            else None
        )
        tone = (np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.05, 3))).astype(np.float32)
        layers = np.empty((frames, height, width, 4), np.float32)
        for t, picture in enumerate(pictures):
            lower = high - (picture.shape[0] - above)
            flip = np.array([[-1, 0, broad - 1], [0, 1, 0]], np.float32)
            place = np.array([[scale, 0, x - scale * broad / 2], [0, scale, top + scale * lower]], np.float32)
            foot = (x, float(height))
            move = similarity(
                angle + float(path_turn[t]),
                float(np.exp(path_scale[t])),
                foot,
                (float(path_x[t]), float(path_y[t])),
            )
            matrix = after(move, after(place, flip) if mirror else place)
            matrix = after(matrix, similarity(0, 1, (0, 0), (-side, -above)))
            layer = _warp_person(picture, matrix, size, goes_on=not stands)
            if fields is not None:
                swing = float(np.sin(WARP_SWING * t)) / WARP_SWING
                layer = displace(layer, fields[0] + swing * fields[1])
            speed = np.array([path_x[t] - path_x[t - 1], path_y[t] - path_y[t - 1]]) if t else np.zeros(2)
            layers[t] = _motion_blur(layer, speed)
        layers[..., :3] *= 255 / np.maximum(layers[..., 3:], 1)
        layers[..., :3] = np.clip(layers[..., :3] * tone, 0, 255)
        return layers


def _clips(store: PictureStore) -> dict[str, list[int]]:
    """Return the places of every clip's frames in a store, in their order."""
    clips: dict[str, list[int]] = {}
    for index, entry in enumerate(store.entries):
        if clip := clip_of(entry.name):
            clips.setdefault(clip, []).append(index)
    return clips


def _upright(
    rng: np.random.Generator, size: tuple[int, int], height: int, *, stands: bool
) -> tuple[float, float]:
    """Return a person's scale and upper end in a frame.

    Args:
        rng: Random numbers.
        size: Width and height of the person's picture.
        height: The frame's, in whose lower edge the person ends.
        stands: Instead, the person is seen from head to feet.
    """
    broad, high = size
    tall_and_thin = high > 1.9 * broad  # a full body: show its upper part
    shown = float(rng.uniform(0.5, 1.1))
    person_height = shown * height * (float(rng.uniform(1.0, 2.6)) if tall_and_thin else 1.0)
    top = height * (1 - shown)
    if not tall_and_thin and rng.random() < 0.35:  # leaning in, or low in the picture
        top += float(rng.uniform(0, 0.25)) * height
    if tall_and_thin:
        top = max(top, height - person_height)
    if stands:
        part = float(rng.uniform(0.35, 0.95))
        return part * height / high, float(rng.uniform(0.02, 1 - part)) * height
    return person_height / high, top


def _camouflage(people: Float, room: Float, *, locally: bool) -> None:
    """Tone the people, float32 [T, H, W, 4], so that their colours are those of the room behind them.

    Args:
        people: Are changed.
        room: float32 [H, W, 3].
        locally: The colours around every place are brought to the room's there, instead of the mean of all.
    """
    weight = people[..., 3:]
    behind, own = (weight * room).sum(0), (weight * people[..., :3]).sum(0)
    if locally:
        height, width = room.shape[:2]
        small = (width // 8, height // 8)  # a wide blur is cheap on a small picture
        behind, own = (
            cv2.resize(
                cv2.GaussianBlur(
                    cv2.resize(total, small, interpolation=cv2.INTER_AREA),
                    (0, 0),
                    CAMOUFLAGE_REACH * small[0],
                ),
                (width, height),
            )
            for total in (behind, own)
        )
    else:
        behind, own = behind.sum((0, 1)), own.sum((0, 1))
    gain = np.clip((behind + 1) / (own + 1), *CAMOUFLAGE_GAIN)
    np.clip(people[..., :3] * gain, 0, 255, out=people[..., :3])


def _light(rng: np.random.Generator, shape: tuple[int, ...], amount: float) -> Float:
    """Return how bright light falls onto every place of [H, W]: smooth factors about 1, float32 [H, W, 1]."""
    height, width = shape
    field: Float = np.exp(smooth_field(rng, height, width, amount, knots=3)[..., :1])
    return field


@dataclass(frozen=True)
class _Shadow:
    shift: tuple[float, float]
    softness: float
    strength: float

    @staticmethod
    def random(rng: np.random.Generator, size: tuple[int, int]) -> _Shadow:
        shift = (float(rng.normal(0, 0.06 * size[0])), float(rng.normal(0.02, 0.03) * size[1]))
        return _Shadow(shift, float(rng.uniform(0.01, 0.06)) * size[0], float(rng.uniform(0.1, 0.55)))

    @staticmethod
    def hard(rng: np.random.Generator, size: tuple[int, int]) -> _Shadow:
        """Return a shadow as a bare bulb or the sun throws it."""
        shift = (float(rng.normal(0, 0.1 * size[0])), float(rng.normal(0.02, 0.05) * size[1]))
        return _Shadow(shift, float(rng.uniform(0.003, 0.015)) * size[0], float(rng.uniform(0.2, 0.7)))

    def cast(self, room: Float, alpha: Float) -> Float:
        height, width = alpha.shape
        moved = cv2.warpAffine(alpha, similarity(0, 1, (0, 0), self.shift), (width, height))
        soft = cv2.GaussianBlur(moved, (0, 0), self.softness) / 255
        return (room * (1 - self.strength * soft)[..., None]).astype(np.float32)


def _view(canvas: Float, matrix: Float, size: tuple[int, int]) -> Float:
    view = cv2.warpAffine(canvas, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return view.astype(np.float32, copy=False)


def _warp_person(picture: UInt8, matrix: Float, size: tuple[int, int], *, goes_on: bool) -> Float:
    """Warp colours and alpha; if the person goes on below the picture, the last row is drawn on downwards.

    Returns:
        float32 HxWx4: colours times alpha, and alpha, 0..255. Averages of such have no rim in the colours
        that lie under transparent pixels.
    """
    alpha = picture[..., 3:].astype(np.float32)
    premultiplied: Float = np.dstack([picture[..., :3] * (alpha / 255), alpha])
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if shrink < 0.6:  # warpAffine does not average: shrink first
        small = (max(1, round(picture.shape[1] * shrink)), max(1, round(picture.shape[0] * shrink)))
        ratio_x, ratio_y = picture.shape[1] / small[0], picture.shape[0] / small[1]
        premultiplied = cv2.resize(premultiplied, small, interpolation=cv2.INTER_AREA).astype(np.float32)
        matrix = after(matrix, np.array([[ratio_x, 0, 0], [0, ratio_y, 0]], np.float32))
    if goes_on:
        below = premultiplied[-1:].repeat(premultiplied.shape[0] // 3 + 1, 0)
        premultiplied = np.vstack([premultiplied, below])
    return cv2.warpAffine(premultiplied, matrix, size, flags=cv2.INTER_LINEAR).astype(np.float32, copy=False)


def _motion_blur(layer: Float, speed: NDArray[np.float64]) -> Float:
    length = round(float(np.hypot(*speed)))
    if length < 2:
        return layer
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    middle = np.array([length, length])
    half = speed / 2
    start, end = np.round(middle - half).astype(int), np.round(middle + half).astype(int)
    cv2.line(kernel, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), 1.0)
    return cv2.filter2D(layer, -1, kernel / kernel.sum()).astype(np.float32, copy=False)


def _paint(canvas: Float, picture: NDArray[np.integer | np.floating], dim: float) -> None:
    alpha = picture[..., 3:] / np.float32(255)
    canvas += (picture[..., :3] * np.float32(dim) - canvas) * alpha
    np.clip(canvas, 0, 255, out=canvas)
