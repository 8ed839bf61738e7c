"""Reading and writing video files: pictures upright, times and sound as they were.

Pixels that are not square are made so. Colours: pictures are BGR as a screen shows them. Files that do not
name their matrix are taken as players take them (BT.709 from 720 lines up, else BT.601); what is written is
BT.709 and says so.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec import Codec
from av.container import InputContainer, OutputContainer
from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.packet import Packet
from av.sidedata.sidedata import SideData, Type
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cleanplate.offline.errors import InputError, OutputError
from cleanplate.offline.folders import make_folders, remove_empty
from cleanplate.offline.frames import Frame, Report

HD_LINES = 720
"""Height from which an untagged video is taken as BT.709."""

HDR_CURVES = frozenset({16, 18})
"""Transfer functions of ITU-T H.273 that are not converted: PQ and HLG."""

MISSING_SECONDS = Fraction(1, 2)
"""A file that ends earlier than it says by more than this is cut off."""

PRIMING_SECONDS = Fraction(1, 10)
"""Sound before the start that is kept though it is not heard: decoders need it to begin with."""

MATRIX_UNSPECIFIED = 2
MATRIX_BT709 = 1


@dataclass(frozen=True)
class _Format:
    """How a kind of file is encoded.

    Attributes:
        codec: FFmpeg's name of the encoder.
        opaque: its pixel format for pictures without transparency.
        transparent: its pixel format with an alpha plane, None if it has none.
        options: of the encoder.
        sound: codecs that are copied: those that the container takes and players of it know.
        audio: encoder for other sound.
        container: options of the muxer.
    """

    codec: str
    opaque: str
    transparent: str | None
    options: dict[str, str]
    sound: frozenset[str]
    audio: str
    container: dict[str, str]


_X264 = {"crf": "18", "preset": "veryfast"}
_PRORES = {"profile": "4444"}
_VP9 = {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}

_MP4_SOUND = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
_MOV_SOUND = frozenset({"aac", "ac3", "alac", "mp3", "pcm_f32le", "pcm_s16be", "pcm_s16le", "pcm_s24le"})
_WEBM_SOUND = frozenset({"opus", "vorbis"})
_MKV_SOUND = _MP4_SOUND | _MOV_SOUND | _WEBM_SOUND

_FORMATS = {
    ".mp4": _Format("libx264", "yuv420p", None, _X264, _MP4_SOUND, "aac", {"movflags": "+faststart"}),
    ".mkv": _Format("libx264", "yuv420p", None, _X264, _MKV_SOUND, "aac", {}),
    ".mov": _Format("prores_ks", "yuv444p10le", "yuva444p10le", _PRORES, _MOV_SOUND, "pcm_s16le", {}),
    ".webm": _Format("libvpx-vp9", "yuv420p", "yuva420p", _VP9, _WEBM_SOUND, "libopus", {}),
}

VIDEO_ENDINGS = frozenset(_FORMATS)
"""Endings of the files that `VideoSink` writes."""

ALPHA_VIDEO_ENDINGS = frozenset(ending for ending, kind in _FORMATS.items() if kind.transparent is not None)
"""Those of them that can hold transparency."""


class VideoSource:
    """A video file, decoded upright and in order; a `Source`.

    Args:
        path: any file that FFmpeg reads.

    Raises:
        InputError: the file is missing, or has no video in it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.paths: Sequence[Path] = [path]
        with self._open() as container:
            stream = _video_stream(container)
            if stream is None:
                raise InputError(
                    f"There is no video in {path}. Give a video, a picture or a folder of pictures."
                )
            self._pixel_aspect = stream.sample_aspect_ratio or Fraction(1)
            self.time_base = stream.time_base or Fraction(1, 1000)
            self.rate = stream.average_rate or stream.guessed_rate or Fraction(30)
            self.duration = _duration(container, stream)
            self.count: int | None = stream.frames or round(self.duration * self.rate) or None
            self.size = self._upright_size(container, stream)
        if not self.duration:
            self.duration, self.count = self._measure()
        self.fixed_camera = True

    def _open(self) -> InputContainer:
        try:
            return av.open(_name(self._path), metadata_errors="replace")
        except (FFmpegError, OSError) as error:
            raise InputError(
                f"{self._path} cannot be read ({error}). Check the path and the file."
            ) from error

    def _upright_size(self, container: InputContainer, stream: VideoStream) -> tuple[int, int]:
        """The first decodable frame tells the rotation, and whether the film is mirrored."""
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    self._mirrored = _is_mirrored(frame)
                    height, width = self._upright(frame).shape[:2]
                    return width, height
            except FFmpegError:
                continue
        raise InputError(
            f"No frame of {self._path} can be decoded. The file is damaged or of an unknown codec."
        )

    def _measure(self) -> tuple[Fraction, int | None]:
        """Seconds and frames of a film that does not tell, as one recorded live: by reading all packets."""
        end, count = Fraction(0), 0
        with self._open() as container:
            stream = _video_stream(container)
            assert stream is not None
            start = Fraction(container.start_time or 0, av.time_base)
            for packet in _packets(container, [stream], self._path, lambda _problem: None):
                end = max(end, _end(packet, start))
                count += packet.size > 0
        return end or count / self.rate, count or None

    def audio_streams(self, report: Report) -> AudioTemplates:
        """The sound that `frames` hands out as packets; keep it open while the packets are in use.

        Sound that FFmpeg cannot decode, as the spatial one of telephones, is reported and left out.
        """
        container = self._open()
        known = _sound(container)
        for stream in container.streams.audio:
            if stream not in known:
                report(
                    f"{self._path.name}: the sound in stream {stream.index} is of an unknown codec; "
                    "it is left out."
                )
        return AudioTemplates(container, known)

    def frames(self, report: Report) -> Generator[Frame]:
        """All frames, with the sound's packets between them.

        A frame that cannot be decoded is reported and left out; the times of the others stay as they were.
        """
        with self._open() as container:
            video = _video_stream(container)
            assert video is not None
            video.thread_type = "AUTO"
            if video.codec_context.color_trc in HDR_CURVES:
                report(f"{self._path.name} is HDR: its colours become pale. Convert it to SDR first.")
            start = Fraction(container.start_time or 0, av.time_base)
            waiting: Frame | None = None
            audio: list[Packet[Any]] = []
            clock = _Clock(start, 1 / self.rate)
            end = Fraction(0)
            interlaced = False
            for packet in _packets(container, [video, *_sound(container)], self._path, report):
                end = max(end, _end(packet, start))
                if isinstance(packet.stream, AudioStream):
                    if packet.size:
                        audio.append(_shifted(packet, start))
                    continue
                for decoded in _decode(packet, self._path, report):
                    if decoded.interlaced_frame and not interlaced:
                        interlaced = True
                        report(
                            f"{self._path.name} is interlaced: moving edges are frayed. Deinterlace it first."
                        )
                    time = clock.time_of(decoded)
                    if time is None:
                        report(f"{self._path.name}: a frame repeats an earlier time; it is left out.")
                        continue
                    if decoded.is_corrupt:
                        report(f"{self._path.name}: the frame at {float(time):.3f} s is damaged.")
                    if waiting is not None:
                        yield _with_audio(waiting, audio)
                        audio = []
                    picture = self._upright(decoded)
                    waiting = Frame(picture, f"{clock.count:06d}", time, fresh=waiting is None)
            if waiting is not None:
                yield _with_audio(waiting, audio)
            # Not by the number of frames: that of a trimmed film counts those that it does not show, too.
            if 0 < end < self.duration - MISSING_SECONDS:
                report(
                    f"{self._path.name}: the file ends at {float(end):.1f} s of "
                    f"{float(self.duration):.1f} s; what follows is missing in it."
                )

    def spread(self, count: int) -> Iterator[NDArray[np.uint8]]:
        """About `count` pictures from all over the video, found by seeking to key frames."""
        with self._open() as container:
            stream = _video_stream(container)
            assert stream is not None
            step = max(1, round((self.count or count) / count))
            if self.count is not None and self.count <= SEQUENTIAL_FRAMES:
                yield from self._every(container, stream, step)
                return
            start = container.start_time or 0
            for number in range(count):
                offset = int((number + 0.5) / count * float(self.duration) * av.time_base)
                try:
                    container.seek(start + offset)
                    frame = next(container.decode(stream), None)
                except FFmpegError:
                    continue
                if frame is not None:
                    yield self._upright(frame)

    def _every(
        self, container: InputContainer, stream: VideoStream, step: int
    ) -> Iterator[NDArray[np.uint8]]:
        number = 0
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except FFmpegError:
                continue
            for frame in decoded:
                if number % step == 0:
                    yield self._upright(frame)
                number += 1

    def _upright(self, frame: VideoFrame) -> NDArray[np.uint8]:
        return _picture(frame, self._pixel_aspect, self._mirrored)


SEQUENTIAL_FRAMES = 900
"""Up to this length all frames are decoded to pick some, since seeking finds key frames only."""


class AudioTemplates:
    """Audio streams of a file that stays open as long as this."""

    def __init__(self, container: InputContainer, streams: Sequence[AudioStream]) -> None:
        self._container = container
        self.streams = streams

    def __enter__(self) -> AudioTemplates:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()


class VideoSink:
    """Writes a video file; a `Sink`. The file appears under its name when it is complete.

    Args:
        path: its ending decides: `.mp4` and `.mkv` are H.264, `.mov` ProRes 4444, `.webm` VP9.
        rate: frames per second, nominal; the frames' own times count.
        time_base: seconds, the unit of the frames' times.
        audio: streams whose packets the frames carry: copied where the container takes their codec, else
            encoded anew. The packets of others are dropped.
        report: is told of sound that is left out because it is damaged.

    Attributes:
        alpha: whether the file can hold transparency.

    Raises:
        OutputError: the ending is unknown, or the file cannot be made.
    """

    def __init__(
        self,
        path: Path,
        *,
        rate: Fraction,
        time_base: Fraction,
        audio: Sequence[AudioStream] = (),
        report: Report = lambda _problem: None,
    ) -> None:
        if path.suffix.lower() not in _FORMATS:
            raise OutputError(
                f"Videos cannot be written as '{path.suffix}'. Let {path.name} end in "
                f"{', '.join(sorted(_FORMATS))}, or give a folder for pictures."
            )
        self._path = path
        self._partial = path.with_name(f".{path.stem}.partial{path.suffix}")
        self._format = _FORMATS[path.suffix.lower()]
        self._rate = rate
        self._time_base = time_base
        self._audio_streams = audio
        self._report = report
        self._audio: dict[int, _AudioCopy | _AudioEncoder] = {}
        self._container: OutputContainer | None = None
        self._video: VideoStream | None = None
        self._made: list[Path] = []
        self.alpha = self._format.transparent is not None

    def write(self, frame: Frame, picture: NDArray[np.uint8]) -> None:
        """Encode one picture, and pass on the sound that belongs to it.

        Pictures of another size than the first one's are scaled to that; grey becomes neutral colour.

        Raises:
            OutputError: the disk is full or the encoder refuses.
        """
        try:
            if self._container is None or self._video is None:
                self._container, self._video = self._open(picture)
            encoded = self._prepare(picture, self._video)
            encoded.pts = round(frame.time / self._time_base)
            encoded.time_base = self._time_base
            self._container.mux(self._video.encode(encoded))
            for packet in frame.audio:
                if packet.stream_index in self._audio:
                    self._audio[packet.stream_index].write(packet)
        except (FFmpegError, OSError) as error:
            raise OutputError(
                f"{self._path} cannot be written ({error}). Check the folder and the disk."
            ) from error

    def _open(self, picture: NDArray[np.uint8]) -> tuple[OutputContainer, VideoStream]:
        self._made = make_folders(self._path.parent)
        container = av.open(_name(self._partial), "w", container_options=self._format.container)
        transparent = picture.ndim == 3 and picture.shape[2] == 4
        stream = cast(VideoStream, container.add_stream(self._format.codec, self._rate, self._format.options))
        height, width = picture.shape[:2]
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = self._format.opaque
        if transparent:
            assert self._format.transparent is not None
            stream.pix_fmt = self._format.transparent
            if self._path.suffix.lower() == ".webm":
                stream.metadata["alpha_mode"] = "1"
        context = stream.codec_context
        context.time_base = self._time_base
        context.thread_type = "AUTO"
        context.color_range = ColorRange.MPEG
        context.colorspace = context.color_primaries = context.color_trc = MATRIX_BT709
        for template in self._audio_streams:
            self._audio[template.index] = _audio_writer(container, template, self._format, self._report)
        return container, stream

    def _prepare(self, picture: NDArray[np.uint8], stream: VideoStream) -> VideoFrame:
        if picture.ndim == 2:
            picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
        height, width = picture.shape[:2]
        if (width + width % 2, height + height % 2) != (stream.width, stream.height):
            picture = cv2.resize(picture, (stream.width, stream.height), interpolation=cv2.INTER_AREA).astype(
                np.uint8, copy=False
            )
        elif width % 2 or height % 2:
            # Chroma of half the size needs even sides: the last row and column are doubled.
            picture = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE).astype(
                np.uint8, copy=False
            )
        # Without a copy; the picture is not changed before `reformat` has made one of its own.
        layout = "bgra" if picture.shape[2] == 4 else "bgr24"
        frame = VideoFrame.from_numpy_buffer(np.ascontiguousarray(picture), layout)
        return frame.reformat(
            format=stream.pix_fmt,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
        )

    def close(self) -> None:
        """Write what the encoders still hold, and give the file its name.

        Raises:
            OutputError: the disk is full; or the name cannot be given, then the file is kept under another.
        """
        if self._container is None or self._video is None:
            return
        try:
            self._container.mux(self._video.encode(None))
            for audio in self._audio.values():
                audio.finish()
            self._container.close()
        except (FFmpegError, OSError) as error:
            self.abandon()
            raise OutputError(f"{self._path} cannot be finished ({error}). Check the disk.") from error
        self._container = None
        try:
            self._partial.replace(self._path)
        except OSError as error:  # on Windows, where a player shows the former file
            raise OutputError(
                f"The finished video cannot be named {self._path} ({error.strerror}). "
                f"It is {self._partial}: rename it."
            ) from error

    def abandon(self) -> None:
        """Remove the unfinished file, and the folders that were made for it."""
        if self._container is None:
            remove_empty(self._made)
            return
        # That the end cannot be written, on a full disk, does not matter: the file is thrown away.
        with suppress(FFmpegError, OSError):
            self._container.close()
        self._container = None
        self._partial.unlink(missing_ok=True)
        remove_empty(self._made)


class _AudioCopy:
    """Passes compressed sound on as it is."""

    def __init__(self, container: OutputContainer, template: AudioStream) -> None:
        self._container = container
        self._stream = container.add_stream_from_template(template)

    def write(self, packet: Packet[Any]) -> None:
        # What an edit list cuts off; a container without one, as MKV, would bring it back.
        if packet.is_discard and abs(_end(packet, Fraction(0))) > PRIMING_SECONDS:
            return
        packet.stream = self._stream
        self._container.mux(packet)

    def finish(self) -> None:
        pass


class _AudioEncoder:
    """Decodes sound and encodes it for a container that does not take the original codec."""

    def __init__(self, container: OutputContainer, template: AudioStream, codec: str, report: Report) -> None:
        self._container = container
        self._report = report
        # What the encoder takes, in Hz: the next above the sound's own rate, or its highest. None takes all.
        rates = Codec(codec, "w").audio_rates or [template.rate]
        rate = min((rate for rate in rates if rate >= template.rate), default=max(rates))
        self._stream = cast(AudioStream, container.add_stream(codec, rate))
        self._stream.layout = "mono" if template.channels == 1 else "stereo"
        self._kind: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None
        self._framer: AudioResampler | None = None

    def write(self, packet: Packet[Any]) -> None:
        try:
            frames = cast("list[AudioFrame]", packet.decode())
        except FFmpegError as error:
            where = "" if packet.pts is None else f" at {float(packet.pts * packet.time_base):.3f} s"
            self._report(f"The sound{where} cannot be decoded ({error}); it is left out.")
            return
        for frame in frames:
            self._encode(frame)

    def _encode(self, frame: AudioFrame) -> None:
        context = self._stream.codec_context
        if self._framer is None:
            context.open(strict=False)
            # By itself, for an encoder takes a frame that is short as the last one.
            self._framer = AudioResampler(
                context.format, context.layout, context.rate, frame_size=context.frame_size or None
            )
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:  # some broadcasts change from stereo to surround
            self._flush()
            self._kind = kind
            self._resampler = AudioResampler(context.format, context.layout, context.rate)
        assert self._resampler is not None
        self._mux(self._resampler.resample(frame))

    def _flush(self) -> None:
        if self._resampler is not None:
            # One with nothing to do hands the None on.
            self._mux([frame for frame in self._resampler.resample(None) if frame is not None])

    def _mux(self, frames: Sequence[AudioFrame | None]) -> None:
        assert self._framer is not None
        for frame in frames:
            for framed in self._framer.resample(frame):
                if framed is not None:
                    self._container.mux(self._stream.encode(framed))

    def finish(self) -> None:
        if self._framer is not None:
            self._flush()
            self._mux([None])
            self._container.mux(self._stream.encode(None))


def _audio_writer(
    container: OutputContainer, template: AudioStream, format_: _Format, report: Report
) -> _AudioCopy | _AudioEncoder:
    if template.codec_context.codec.canonical_name in format_.sound:
        return _AudioCopy(container, template)
    return _AudioEncoder(container, template, format_.audio, report)


class _Clock:
    """Gives every decoded frame a time: its own, or a frame's length after the last one's."""

    def __init__(self, start: Fraction, frame_length: Fraction) -> None:
        self._start = start
        self._frame_length = frame_length
        self._last: Fraction | None = None
        self.count = 0

    def time_of(self, frame: VideoFrame) -> Fraction | None:
        """Seconds since the start; None for a frame that is not later than the one before it."""
        if frame.pts is not None and frame.time_base is not None:
            time = frame.pts * frame.time_base - self._start
        else:
            time = Fraction(0) if self._last is None else self._last + self._frame_length
        if self._last is not None and time <= self._last:
            return None
        self._last = time
        self.count += 1
        return time


def _name(path: Path) -> str:
    """A file's name for FFmpeg, which would take what stands before a colon for a protocol: `12:30.mp4`."""
    return str(path.absolute())


def _video_stream(container: InputContainer) -> VideoStream | None:
    """The first video that is not a music file's cover picture."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def _sound(container: InputContainer) -> list[AudioStream]:
    """The audio streams that can be decoded; PyAV gives the others no codec context."""
    return [stream for stream in container.streams.audio if stream.codec_context is not None]


def _duration(container: InputContainer, stream: VideoStream) -> Fraction:
    """Seconds, 0 where the file does not say."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    return Fraction(container.duration or 0, av.time_base)


def _packets(
    container: InputContainer, streams: Sequence[VideoStream | AudioStream], path: Path, report: Report
) -> Iterator[Packet[Any]]:
    """Packets up to the end of the file, or to where it is damaged beyond reading on."""
    try:
        yield from container.demux(*streams)
    except FFmpegError as error:
        report(f"{path.name}: the file is damaged and ends early ({error}).")


def _end(packet: Packet[Any], start: Fraction) -> Fraction:
    """Seconds from the start of the film to where a packet is over, 0 where it has no time."""
    time = packet.dts if packet.pts is None else packet.pts
    return Fraction(0) if time is None else (time + (packet.duration or 0)) * packet.time_base - start


def _decode(packet: Packet[Any], path: Path, report: Report) -> list[VideoFrame]:
    try:
        return packet.decode()
    except EndOfFile:
        return []
    except FFmpegError as error:
        where = "" if packet.pts is None else f" at {float(packet.pts * packet.time_base):.3f} s"
        report(f"{path.name}: a frame{where} cannot be decoded ({error}); it is left out.")
        return []


def _picture(frame: VideoFrame, pixel_aspect: Fraction, mirrored: bool) -> NDArray[np.uint8]:
    """Convert to BGR, make pixels square, and turn and mirror as the file's display matrix says.

    Args:
        frame: as decoded.
        pixel_aspect: width over height of its pixels.
        mirrored: whether its display matrix mirrors.
    """
    matrix: int | None = None
    if frame.colorspace == MATRIX_UNSPECIFIED and frame.format.name.startswith("yuv"):
        matrix = Colorspace.ITU709 if frame.height >= HD_LINES else Colorspace.ITU601
    # One side grows, so that nothing is lost.
    bgr = frame.reformat(
        width=round(frame.width * max(pixel_aspect, Fraction(1))),
        height=round(frame.height / min(pixel_aspect, Fraction(1))),
        format="bgr24",
        src_colorspace=matrix,
        dst_color_range=ColorRange.JPEG,
    ).to_ndarray()
    if mirrored:  # as by "Mirror Front Camera" of an iPhone
        bgr = bgr[::-1]
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(bgr, quarter_turns)).astype(np.uint8, copy=False)


def _is_mirrored(frame: VideoFrame) -> bool:
    """Whether the display matrix mirrors: `frame.rotation` then holds once the rows are flipped.

    For one frame of a film: PyAV keeps each frame that was asked for its side data until the next collection.
    """
    side_data = cast("Mapping[Type, SideData]", frame.side_data)  # PyAV's stub takes it for a single one
    data = side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return False
    matrix = np.frombuffer(bytes(data), np.int32).astype(float)
    return bool(matrix[0] * matrix[4] < matrix[1] * matrix[3])


def _shifted(packet: Packet[Any], start: Fraction) -> Packet[Any]:
    offset = round(start / packet.time_base)
    if packet.pts is not None:
        packet.pts -= offset
    if packet.dts is not None:
        packet.dts -= offset
    return packet


def _with_audio(frame: Frame, audio: list[Packet[Any]]) -> Frame:
    return Frame(frame.picture, frame.name, frame.time, frame.fresh, tuple(audio))
