"""Our network: background attenuation that knows where things are, any number of samples, temporal memory."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cleanplate.nets.decoder import Decoder, Remember
from cleanplate.nets.differences import PixelDifference
from cleanplate.nets.matching import LocalMatching
from cleanplate.nets.memory import ConvGRU
from cleanplate.nets.mobilenet import MobileNetV2, Pyramid

MULTIPLE = 16  # both sides of the input must be a multiple of it


class SampleFeatures(NamedTuple):
    """What is kept of S background samples; computed once per capture.

    Attributes:
        bgr_4: [H / 4, W / 16, S, D, K], keys in the windows around every block of four places in a row.
        bgr_8: [H / 8, W / 16, S, D, K], likewise of blocks of two places.
        bgr_16: [H / 16, W / 16, S, D, K], likewise of single places.
        bgr_2: [S, 3, 3, H / 2, W / 2], colours of every place, and their range around it.
        bgr_global: [S, G], the globally pooled features of paper 003.
    """

    bgr_4: Tensor
    bgr_8: Tensor
    bgr_16: Tensor
    bgr_2: Tensor
    bgr_global: Tensor


class Prediction(NamedTuple):
    """What the network gives.

    Attributes:
        pha_logit: [N, 1, H, W]; its sigmoid is alpha.
        coarse_logit: [N, 1, H / 8, W / 8], a head that only training uses.
        states: The next states of the temporal memories, at 1/16 and 1/8.
    """

    pha_logit: Tensor
    coarse_logit: Tensor
    states: tuple[Tensor, ...]


class CleanPlateNet(nn.Module):
    """Portrait matting with background samples.

    One MobileNetV2 encodes frame and samples. Paper 003's global path (pooled sample features, broadcast and
    concatenated) is kept at 1/32; beside it every place of the frame is matched with a window of every sample
    at 1/4, 1/8 and 1/16 (`LocalMatching`), and its pixels with those around it at 1/2 (`PixelDifference`).
    How many samples there are is told to the network; without samples it is an ordinary portrait network.
    A `Context` at 1/32 tells every place what the whole frame shows; recurrent memories sit at 1/16 and 1/8.

    Attributes:
        local: Whether samples are matched locally.
        pooled: Whether the global path is used.
        remembers: Whether the temporal memories are used.
    """

    def __init__(
        self,
        width: float = 0.35,
        keys: int = 16,
        radii: tuple[int, int, int] = (1, 2, 3),
        channels: tuple[int, int, int, int, int] = (16, 16, 32, 48, 64),
        channels_global: int = 32,
        *,
        local: bool = True,
        pooled: bool = True,
        remembers: bool = True,
    ) -> None:
        super().__init__()
        self.local, self.pooled, self.remembers = local, pooled, remembers
        self.encoder = MobileNetV2(width)
        _, e4, e8, e16, _ = self.encoder.channels
        self.matching = nn.ModuleList(
            LocalMatching(channels_in, keys, radius, MULTIPLE // stride)
            for channels_in, radius, stride in zip((e4, e8, e16), radii, (4, 8, 16), strict=True)
        )
        self.difference = PixelDifference()
        self.describe = nn.Linear(e16, channels_global)
        # +2: whether there is a sample, and how many.
        self.decoder = Decoder(
            self.encoder.channels, (keys + 1,) * 3, PixelDifference.channels, channels_global + 2, channels
        )

    def encode_samples(self, bgr: Tensor) -> SampleFeatures:
        """Encode background samples [S, 3, H, W] (RGB, 0..1) of the frames' size."""
        *windows, description = self._sample_features(self.encoder(bgr))
        w4, w8, w16 = (window.movedim(0, 2) for window in windows)
        return SampleFeatures(w4, w8, w16, self.difference.candidates(bgr), description)

    def no_samples(self, src: Tensor) -> SampleFeatures:
        """Return the zeros that `forward` takes with `count` 0, for frames [N, 3, H, W]."""
        height, width = src.shape[-2:]
        w4, w8, w16 = (
            src.new_zeros(height // stride, width // MULTIPLE, 1, *match.window())
            for match, stride in zip(self._matchings(), (4, 8, 16), strict=True)
        )
        colours = src.new_zeros(1, 3, 3, height // 2, width // 2)
        return SampleFeatures(w4, w8, w16, colours, src.new_zeros(1, self.describe.out_features))

    def forward(
        self,
        src: Tensor,
        samples: SampleFeatures,
        count: Tensor,
        states: tuple[Tensor, ...],
    ) -> Prediction:
        """Predict alpha of one frame each of N videos that share their samples, or of one video.

        Args:
            src: [N, 3, H, W], RGB, 0..1; H and W multiples of 16.
            samples: Of S >= 1 pictures; with `count` 0 they are not looked at and may be zero.
            count: [1], how many of the S are real, 0..S.
            states: As the last `Prediction` gave them, or zeros of [1, 1, 1, 1].
        """
        slots = samples.bgr_global.shape[0]
        present = (torch.arange(slots, device=src.device)[None] < count[:, None]).to(src.dtype)
        next_states = list(states)

        def step(index: int, memory: ConvGRU, x: Tensor) -> Tensor:
            if self.remembers:
                x, next_states[index] = memory(x, states[index])
            return x

        batched = SampleFeatures(*(feature[None] for feature in samples))
        logit, coarse = self._decode(src, self.encoder(src), batched, present, step)
        return Prediction(logit, coarse, tuple(next_states))

    def train_step(self, src: Tensor, bgr: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Predict alpha of whole sequences, each with its own samples.

        The encoder learns from the frames alone: without a backward pass through the samples a step takes
        two thirds of the time. The matching's keys still learn from both.

        Args:
            src: [N, T, 3, H, W], RGB, 0..1.
            bgr: [N, S, 3, H, W].
            count: [N], how many of the S are real.

        Returns:
            Logits of alpha [N * T, 1, H, W], and coarse ones [N * T, 1, H / 8, W / 8].
        """
        sequences, frames = src.shape[:2]
        slots = bgr.shape[1]
        is_real = torch.arange(slots, device=src.device)[None] < count[:, None]
        pictures = src.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        of_frames = self.encoder(pictures)
        with torch.no_grad():
            of_samples = self.encoder(bgr[is_real].contiguous(memory_format=torch.channels_last))
            colours = self.difference.candidates(bgr[is_real])
        encoded = self._sample_features(of_samples)

        def spread(feature: Tensor) -> Tensor:
            """Put the real samples' features into their slots and repeat them for every frame."""
            slotted = feature.new_zeros(sequences, slots, *feature.shape[1:])
            slotted[is_real] = feature
            return slotted if frames == 1 else slotted.repeat_interleave(frames, 0)

        *windows, description = (spread(feature) for feature in encoded)
        w4, w8, w16 = (window.movedim(1, 3) for window in windows)
        samples = SampleFeatures(w4, w8, w16, spread(colours), description)
        present = is_real.to(src.dtype).repeat_interleave(frames, 0)

        def step(_: int, memory: ConvGRU, x: Tensor) -> Tensor:
            return memory.over_time(x, frames) if self.remembers else x

        return self._decode(pictures, of_frames, samples, present, step)

    def _sample_features(self, features: Pyramid) -> tuple[Tensor, ...]:
        """Return the candidates [M, H, W / B, D, K] at three scales and the description [M, G]."""
        scales = (features.f4, features.f8, features.f16)
        windows = [match.candidates(f) for match, f in zip(self._matchings(), scales, strict=True)]
        return *windows, self.describe(features.f16.mean((-2, -1)))

    def _decode(
        self,
        src: Tensor,
        features: Pyramid,
        samples: SampleFeatures,
        present: Tensor,
        step: Remember,
    ) -> tuple[Tensor, Tensor]:
        scales = zip(self._matchings(), (features.f4, features.f8, features.f16), samples[:3], strict=True)
        matches = [match(feature, candidates, present) for match, feature, candidates in scales]
        differences = self.difference(src, samples.bgr_2, matches[1][:, :1], present)
        if not self.local:
            matches, differences = [match * 0 for match in matches], differences * 0
        count = present.sum(1, keepdim=True)
        mean = (samples.bgr_global * present[..., None]).sum(1) / count.clamp(min=1)
        if not self.pooled:
            mean = mean * 0
        told = torch.cat([mean, count.clamp(max=1), torch.log1p(count)], 1)
        told = told.expand(src.shape[0], -1)
        return self.decoder(src, features, matches, differences, told[..., None, None], step)  # type: ignore[no-any-return]

    def memories(self) -> list[ConvGRU]:
        """Return the temporal memories, at 1/16 and 1/8."""
        return [module for module in self.decoder.memories if isinstance(module, ConvGRU)]

    def _matchings(self) -> list[LocalMatching]:
        return [module for module in self.matching if isinstance(module, LocalMatching)]
