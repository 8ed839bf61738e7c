"""Alignment: background samples that follow a camera which was moved since they were captured.

Corners of a sample are found again in a frame (ORB, Rublee et al. 2011); the similarity on which most of them
agree (RANSAC) is refined to an affine map by the contours of the two pictures (ECC, Evangelidis and Psarakis
2008). People and whatever else is new in the frame agree on nothing and are passed over. Where too little is
found again, or the contours do not confirm it, the sample goes with the others of its capture or stays.
"""

from collections.abc import Sequence
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.imaging import Picture, Plane, as_plane, contours, resize_plane

WIDTH = 512
"""Larger pictures are aligned at this width, pixels."""

SMALLEST_SIDE = 64
"""Pictures with a shorter side, pixels, are not aligned: they hold no corners."""

CORNERS = 1000
"""At most so many are looked for in a picture."""

FAINTEST_CORNER = 8
"""Contrast (of 255) of the faintest: rooms are dim."""

DISTINCT = 0.8
"""A corner counts as found again if its second best match is this much further off (Lowe 2004)."""

TOLERANCE = 2.0
"""Pixels by which corners that agree may miss each other."""

MIN_AGREEING = 12
"""Corners that must agree; with unlike rooms up to 6 do by chance."""

MIN_SPREAD = 0.02
"""Share of the picture that they must span: less is a thing that was moved in the room."""

MIN_MOVE = 1.0
"""Pixels by which a corner of the picture must be moved: less is not worth computing everything anew."""

MAX_MOVE = 0.35
"""Share of the width by which a corner of the picture may be moved."""

MAX_ZOOM = 1.33

MIN_GAIN = 0.02
"""By how much the contours must correlate better."""

ALIKE = 0.05
"""Correlation by which the contours of two samples of one capture may fit differently."""

NEARLY_ALL = 0.99

REFINEMENT = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 10, 1e-4)

Matrix = NDArray[np.float64]
"""[2, 3], from places in a sample to places in a frame."""

_STAYS = np.eye(2, 3)


class SampleAlignment:
    """Background samples as the camera sees them now.

    Args:
        samples: uint8 [H, W, 3] BGR each, of the frames' size.

    Attributes:
        pictures: likewise, aligned. What the camera had not seen at the capture stays as it was there.
        shift: how far the newest sample was moved at most, pixels of a picture `WIDTH` wide.
    """

    def __init__(self, samples: Sequence[Picture]) -> None:
        self.pictures = list(samples)
        self._samples = tuple(samples)
        self._views: list[_View] = []  # made when first needed
        self._matrices = [_STAYS] * len(self._samples)
        self.shift = 0.0

    def follow(self, frame: Picture) -> bool:
        """Align every sample with a frame as far as that can be told; return whether any was moved."""
        if not self._samples or min(frame.shape[:2]) < SMALLEST_SIDE:
            return False
        self._views = self._views or [_View(sample) for sample in self._samples]
        seen = _View(frame)
        matrices = self._found_in(seen)
        has_moved = False
        for index, view in enumerate(self._views):
            better = [each for each in matrices if _is_better(each, self._matrices[index], view, seen)]
            if better:
                fits = _correlations(better, view, seen)
                matrix = self._matrices[index] = better[fits.index(max(fits))]
                self.pictures[index] = _placed(self._samples[index], _rescaled(matrix, 1 / seen.scale))
                has_moved = True
        self.shift = _move(self._matrices[-1], _STAYS, seen) * WIDTH / seen.width
        return has_moved

    def _found_in(self, seen: "_View") -> list[Matrix]:
        """The maps to a frame of all samples but those that the map of a newer one fits as well as that one.

        Samples of one capture share a map: so one in which too little is found follows the others.
        """
        fits: list[float] = []
        matrices: list[Matrix] = []
        for view in reversed(self._views):
            tried = _correlations(matrices, view, seen)
            if any(fit > usual - ALIKE for fit, usual in zip(tried, fits, strict=True)):
                continue
            matrix = _find(view, seen)
            if matrix is not None:
                fits += _correlations((matrix,), view, seen)
                matrices.append(matrix)
        return matrices


class _View:
    """What of a picture is compared.

    Attributes:
        scale: of the compared picture; its width is `width`, its height `height`.
        contours: float32, at half the compared picture's size.
    """

    def __init__(self, picture: Picture) -> None:
        self.scale = min(1.0, WIDTH / picture.shape[1])
        grey = as_plane(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
        if self.scale < 1:
            grey = resize_plane(grey, WIDTH, round(picture.shape[0] * self.scale))
        self.height, self.width = grey.shape
        self._grey = grey.astype(np.uint8)
        # The root, so that a few strong contours do not decide alone.
        self.contours = resize_plane(np.sqrt(contours(grey, 1)), self.width // 2, self.height // 2)

    @cached_property
    def corners(self) -> tuple[Plane, NDArray[np.uint8]]:
        """Their places, float32 [N, 2] in pixels, and descriptors, uint8 [N, 32]."""
        finder = cv2.ORB.create(CORNERS, fastThreshold=FAINTEST_CORNER)
        corners, descriptors = finder.detectAndCompute(self._grey, None)
        if not corners:
            return np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8)
        return as_plane([corner.pt for corner in corners]), np.asarray(descriptors, np.uint8)


def _find(sample: _View, frame: _View) -> Matrix | None:
    """Where a sample lies in a frame; None if that cannot be told."""
    (sample_places, sample_corners), (frame_places, frame_corners) = sample.corners, frame.corners
    if min(len(sample_corners), len(frame_corners)) < MIN_AGREEING:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(sample_corners, frame_corners, k=2)
    found = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < DISTINCT * pair[1].distance]
    if len(found) < MIN_AGREEING:
        return None
    here = sample_places[[match.queryIdx for match in found]]
    there = frame_places[[match.trainIdx for match in found]]
    similarity, agreeing = cv2.estimateAffinePartial2D(
        here, there, method=cv2.RANSAC, ransacReprojThreshold=TOLERANCE
    )
    if similarity is None or np.count_nonzero(agreeing) < MIN_AGREEING:
        return None
    hull = cv2.convexHull(there[agreeing.ravel() > 0])
    if cv2.contourArea(hull) < MIN_SPREAD * frame.width * frame.height:
        return None
    rough = np.asarray(similarity, np.float64)
    refined = _refined(rough, sample, frame)
    before, after = _correlations((rough, refined), sample, frame)
    matrix = refined if after > before else rough
    zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if _move(matrix, _STAYS, frame) > MAX_MOVE * frame.width or not 1 / MAX_ZOOM < zoom < MAX_ZOOM:
        return None
    return matrix


def _refined(matrix: Matrix, sample: _View, frame: _View) -> Matrix:
    """The affine map near `matrix` that fits the contours best; `matrix` itself where none is found."""
    back = as_plane(cv2.invertAffineTransform(_rescaled(matrix, 0.5)))
    try:
        _, back = cv2.findTransformECC(  # type: ignore[call-overload]
            frame.contours, sample.contours, back, cv2.MOTION_AFFINE, REFINEMENT, None, 1
        )
    except cv2.error:  # it did not converge
        return matrix
    return _rescaled(cv2.invertAffineTransform(back).astype(np.float64), 2)


def _is_better(matrix: Matrix, present: Matrix, sample: _View, frame: _View) -> bool:
    """Whether a sample's new place differs from the present one, and fits clearly better."""
    if _move(matrix, present, frame) < MIN_MOVE:
        return False
    before, after = _correlations((present, matrix), sample, frame)
    return after > before + MIN_GAIN


def _correlations(matrices: Sequence[Matrix], sample: _View, frame: _View) -> list[float]:
    """How well the contours fit with each map, -1..1, where the sample reaches with all of them."""
    height, width = frame.contours.shape
    halves = [_rescaled(matrix, 0.5) for matrix in matrices]
    known = np.ones((height, width), bool)
    for half in halves:
        known &= cv2.warpAffine(np.ones_like(sample.contours), half, (width, height)) > NEARLY_ALL
    there = _normal(frame.contours[known])
    moved = [cv2.warpAffine(sample.contours, half, (width, height)) for half in halves]
    return [float(_normal(as_plane(picture)[known]) @ there) for picture in moved]


def _normal(values: Plane) -> Plane:
    """Values without their mean, of length 1."""
    values = values - values.mean() if values.size else values
    return as_plane(values / (np.linalg.norm(values) + 1e-9))


def _move(matrix: Matrix, other: Matrix, frame: _View) -> float:
    """How far two maps put a corner of the picture from each other, pixels."""
    right, down = frame.width, frame.height
    corners = np.array([[0, 0, 1], [right, 0, 1], [0, down, 1], [right, down, 1]])
    return float(np.linalg.norm(corners @ (matrix - other).T, axis=1).max())


def _rescaled(matrix: Matrix, factor: float) -> Matrix:
    """The same map for pictures whose size is multiplied by `factor`; pixels have their centres at .5."""
    centre = np.full(2, (factor - 1) / 2)
    turn = matrix[:, :2]
    return np.column_stack([turn, matrix[:, 2] * factor + centre - turn @ centre])


def _placed(sample: Picture, matrix: Matrix) -> Picture:
    height, width = sample.shape[:2]
    placed = sample.copy()
    return cv2.warpAffine(
        sample, matrix, (width, height), dst=placed, borderMode=cv2.BORDER_TRANSPARENT
    ).astype(np.uint8, copy=False)
