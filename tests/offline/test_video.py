import re
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from clips import HEIGHT, TIME_BASE, WIDTH, room, scene, sound_samples, video_times, write_clip
from hdr import write_pq_clip
from numpy.typing import NDArray

from cleanplate.offline.errors import InputError, OutputError
from cleanplate.offline.frames import Frame, Report
from cleanplate.offline.video import VideoSink, VideoSource

UNEVEN_TIMES = [0, 512, 1024, 4096, 4200, 9000, 9512]


def read(path: Path) -> tuple[list[Frame], list[str]]:
    problems: list[str] = []
    return list(VideoSource(path).frames(problems.append)), problems


def copy(source_path: Path, target: Path, report: Report = pytest.fail) -> None:
    source = VideoSource(source_path)
    with source.audio_streams(report) as audio:
        sink = VideoSink(
            target, rate=source.rate, time_base=source.time_base, audio=audio.streams, report=report
        )
        for frame in source.frames(report):
            sink.write(frame, frame.picture)
        sink.close()


def test_a_source_knows_its_measures(tmp_path: Path) -> None:
    source = VideoSource(write_clip(tmp_path / "a.mp4", [scene(n) for n in range(12)]))
    assert source.size == (WIDTH, HEIGHT)
    assert source.count == 12
    assert source.rate == 30


def test_colours_and_order_are_kept(tmp_path: Path) -> None:
    pictures = [scene(n) for n in range(12)]
    frames, problems = read(write_clip(tmp_path / "a.mp4", pictures))
    assert problems == []
    assert [frame.fresh for frame in frames] == [True] + 11 * [False]
    for frame, picture in zip(frames, pictures, strict=True):
        # H.264 at this quality, with chroma of half the size, is a few levels off but for the edges.
        assert np.median(np.abs(frame.picture.astype(int) - picture)) <= 2


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_variable_times_are_kept_exactly(tmp_path: Path, ending: str) -> None:
    clip = write_clip(tmp_path / "a.mp4", [scene(n) for n in range(7)], UNEVEN_TIMES)
    copy(clip, tmp_path / f"b{ending}")
    assert video_times(tmp_path / f"b{ending}") == [time * TIME_BASE for time in UNEVEN_TIMES]


@pytest.mark.parametrize("ending", [".mkv", ".webm"])
def test_variable_times_are_kept_to_the_millisecond(tmp_path: Path, ending: str) -> None:
    clip = write_clip(tmp_path / "a.mp4", [scene(n) for n in range(7)], UNEVEN_TIMES)
    copy(clip, tmp_path / f"b{ending}")
    for found, wanted in zip(video_times(tmp_path / f"b{ending}"), UNEVEN_TIMES, strict=True):
        assert abs(found - wanted * TIME_BASE) <= Fraction(1, 1000)


def test_a_late_start_is_kept_between_sound_and_picture(tmp_path: Path) -> None:
    times = [7680 + number * 512 for number in range(8)]
    clip = write_clip(tmp_path / "a.mkv", [scene(n) for n in range(8)], times, sound="aac")
    copy(clip, tmp_path / "b.mkv")
    assert abs(float(video_times(tmp_path / "b.mkv")[0]) - 0.5) < 0.03
    assert abs(sound_samples(tmp_path / "b.mkv")[2]) < 0.03


@pytest.mark.parametrize(
    ("recorded", "target", "codec"),
    [
        ("aac", "b.mp4", "aac"),
        ("aac", "b.mov", "aac"),
        ("aac", "b.webm", "opus"),
        ("libopus", "b.webm", "opus"),
        ("libopus", "b.mov", "pcm_s16le"),
        ("pcm_s16le", "b.mov", "pcm_s16le"),
    ],
)
def test_sound_stays_in_time(tmp_path: Path, recorded: str, target: str, codec: str) -> None:
    clip = write_clip(tmp_path / "a.mkv", [scene(n) for n in range(30)], sound=recorded)
    copy(clip, tmp_path / target)
    found_codec, samples, start = sound_samples(tmp_path / target)
    assert found_codec == codec
    assert abs(start) < 0.03
    assert abs(len(samples) / 48_000 - 1) < 0.06
    spectrum = np.abs(np.fft.rfft(samples[4800:43200]))
    assert np.argmax(spectrum) == pytest.approx(440 * 0.8, abs=1)  # bins of 1 / 0.8 s


def test_damaged_sound_is_reported_and_the_rest_kept(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", [scene(n) for n in range(30)], sound="aac")
    with av.open(str(clip)) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0)]
    clip.write_bytes(clip.read_bytes().replace(packets[20], b"\xff" * len(packets[20])))
    problems: list[str] = []
    copy(clip, tmp_path / "b.webm", problems.append)
    assert len(problems) == 1
    assert problems[0].startswith("The sound at 0.4")
    assert len(sound_samples(tmp_path / "b.webm")[1]) > 44_000


@pytest.mark.parametrize(
    ("rate", "target", "wanted"), [(192_000, "b.mp4", 96_000), (44_100, "b.webm", 48_000)]
)
def test_sound_gets_a_rate_that_its_encoder_takes(
    tmp_path: Path, rate: int, target: str, wanted: int
) -> None:
    clip = write_clip(tmp_path / "a.mkv", [scene(n) for n in range(30)], sound="pcm_s16le", sound_rate=rate)
    copy(clip, tmp_path / target)
    with av.open(str(tmp_path / target)) as container:
        assert container.streams.audio[0].rate == wanted
    samples = sound_samples(tmp_path / target)[1]
    assert len(samples) == pytest.approx(48_000, rel=0.06)
    assert np.argmax(np.abs(np.fft.rfft(samples[4800:43200]))) == pytest.approx(440 * 0.8, abs=1)


@pytest.mark.parametrize(("target", "codec"), [("b.webm", "opus"), ("b.mov", "pcm_s16le")])
def test_sound_may_change_its_channels(tmp_path: Path, target: str, codec: str) -> None:
    clip = write_clip(tmp_path / "a.mp4", [scene(n) for n in range(30)])
    with av.open(str(clip)) as pictures, av.open(str(tmp_path / "c.ts"), "w") as container:
        video = container.add_stream_from_template(pictures.streams.video[0])
        sound = container.add_stream("mp2", 48_000, layout="mono")
        packets: list[Packet[Any]] = [packet for packet in pictures.demux(video=0) if packet.size]
        for packet in packets:
            packet.stream = video
        tone = np.sin(np.arange(48_000) * 2 * np.pi * 440 / 48_000) * 16_000
        for layout, begin in (("mono", 0), ("stereo", 24_000)):
            encoder = av.CodecContext.create("mp2", "w")
            encoder.sample_rate, encoder.layout, encoder.format = 48_000, layout, "s16"
            channels = len(encoder.layout.channels)
            for start in range(begin, begin + 24_000, 1152):
                block = np.repeat(tone[start : start + 1152].astype(np.int16), channels)[np.newaxis]
                frame = AudioFrame.from_ndarray(block, "s16", layout)
                frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
                for encoded in encoder.encode(frame):
                    encoded.stream = sound
                    packets.append(encoded)
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            container.mux(packet)
    copy(tmp_path / "c.ts", tmp_path / target)
    found_codec, samples, _ = sound_samples(tmp_path / target)
    assert found_codec == codec
    assert len(samples) == pytest.approx(48_000, rel=0.06)
    for half in (samples[4800:19200], samples[28800:43200]):
        assert np.argmax(np.abs(np.fft.rfft(half))) == pytest.approx(440 * 0.3, abs=1)


def test_copied_sound_is_bit_for_bit_the_same(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [scene(n) for n in range(30)], sound="aac")
    copy(clip, tmp_path / "b.mp4")

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    assert packets(tmp_path / "b.mp4") == packets(clip)


@pytest.mark.parametrize("ending", [".mkv", ".mp4", ".webm"])
def test_sound_that_was_cut_off_stays_away(tmp_path: Path, ending: str) -> None:
    clip = write_clip(tmp_path / "a.mp4", [scene(n) for n in range(60)], sound="aac")
    with av.open(str(clip)) as whole, av.open(str(tmp_path / "b.mp4"), "w") as trimmed:
        streams = [trimmed.add_stream_from_template(stream) for stream in whole.streams.get()]
        for packet in whole.demux():
            if packet.pts is not None and packet.dts is not None:
                before = round(Fraction(7, 10) / packet.time_base)
                packet.pts, packet.dts = packet.pts - before, packet.dts - before
                packet.stream = streams[packet.stream_index]
                trimmed.mux(packet)  # what lies before 0 is put out of sight by an edit list
    copy(tmp_path / "b.mp4", tmp_path / f"c{ending}")
    _, samples, start = sound_samples(tmp_path / f"c{ending}")
    first_picture = float(video_times(tmp_path / f"c{ending}")[0])
    assert start + len(samples) / 48_000 - first_picture == pytest.approx(1.3, abs=0.06)
    assert first_picture < 0.15  # MKV begins with the little sound that is kept before it


def test_sound_of_an_unknown_codec_is_left_out(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", [scene(n) for n in range(30)], sound="pcm_s16le,aac")
    clip.write_bytes(clip.read_bytes().replace(b"A_PCM/INT/LIT", b"A_XYZ/INT/LIT"))
    for ending in (".mp4", ".webm"):
        problems: list[str] = []
        copy(clip, tmp_path / f"b{ending}", problems.append)
        assert problems == ["a.mkv: the sound in stream 1 is of an unknown codec; it is left out."]
        with av.open(str(tmp_path / f"b{ending}")) as container:
            assert len(container.streams.audio) == 1
        assert len(sound_samples(tmp_path / f"b{ending}")[1]) > 40_000


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_pictures_are_turned_upright(tmp_path: Path, rotation: int, turns: int) -> None:
    picture = scene(3)
    clip = write_clip(tmp_path / "a.mp4", 4 * [picture], rotation=rotation)
    upright = np.rot90(picture, turns)
    source = VideoSource(clip)
    assert source.size == upright.shape[1::-1]
    frames, _ = read(clip)
    assert frames[0].picture.shape == upright.shape
    assert np.median(np.abs(frames[0].picture.astype(int) - upright)) <= 2


@pytest.mark.parametrize(
    ("matrix", "wanted"),  # a, b, c, d of the display matrix
    [
        ((-1, 0, 0, 1), scene(3)[:, ::-1]),
        ((1, 0, 0, -1), scene(3)[::-1]),
        ((0, 1, 1, 0), scene(3).transpose(1, 0, 2)),
        ((0, -1, -1, 0), scene(3)[::-1, ::-1].transpose(1, 0, 2)),
    ],
)
def test_mirrored_pictures_come_out_as_players_show_them(
    tmp_path: Path, matrix: tuple[int, int, int, int], wanted: NDArray[np.uint8]
) -> None:
    clip = write_clip(tmp_path / "a.mp4", 4 * [scene(3)])
    data = bytearray(clip.read_bytes())
    begin = data.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in matrix)
    data[begin : begin + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    clip.write_bytes(data)
    assert VideoSource(clip).size == wanted.shape[1::-1]
    assert np.median(np.abs(read(clip)[0][0].picture.astype(int) - wanted)) <= 2


@pytest.mark.parametrize(
    ("pixel_aspect", "width", "height"),
    [(Fraction(4, 3), 213, HEIGHT), (Fraction(8, 9), WIDTH, 108)],
)
def test_pixels_are_made_square(tmp_path: Path, pixel_aspect: Fraction, width: int, height: int) -> None:
    clip = write_clip(tmp_path / "a.mp4", 4 * [scene(3)], pixel_aspect=pixel_aspect)
    source = VideoSource(clip)
    assert source.size == (width, height)
    frames, _ = read(clip)
    wanted = cv2.resize(scene(3), (width, height))
    for picture in (frames[0].picture, next(source.spread(1))):
        assert picture.shape == wanted.shape
        assert np.median(np.abs(picture.astype(int) - wanted)) <= 2


def test_hdr_is_reported(tmp_path: Path) -> None:
    write_pq_clip(tmp_path / "a.mkv", 3 * [scene(0)])
    assert read(tmp_path / "a.mkv")[1] == ["a.mkv is HDR: its colours become pale. Convert it to SDR first."]


def test_an_interlaced_film_is_reported_once(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [scene(n) for n in range(12)], interlaced=True)
    frames, problems = read(clip)
    assert len(frames) == 12
    assert problems == ["a.mp4 is interlaced: moving edges are frayed. Deinterlace it first."]


def test_transparency_is_written(tmp_path: Path) -> None:
    picture = np.dstack([scene(0), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    picture[:, : WIDTH // 2, 3] = 0
    picture[:, WIDTH // 2 : 3 * WIDTH // 4, 3] = 128
    for ending, decoder in ((".mov", "prores"), (".webm", "libvpx-vp9")):
        path = tmp_path / f"a{ending}"
        sink = VideoSink(path, rate=Fraction(30), time_base=Fraction(1, 30))
        for number in range(3):
            sink.write(Frame(picture[..., :3], "", Fraction(number, 30)), picture)
        sink.close()
        alpha = decoded_alpha(path, decoder)
        wanted = [0, 128, 255]
        found = [int(alpha[HEIGHT // 2, column]) for column in (WIDTH // 4, 5 * WIDTH // 8, 7 * WIDTH // 8)]
        assert found == pytest.approx(wanted, abs=3), ending


def decoded_alpha(path: Path, decoder: str) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = cast(VideoCodecContext, av.CodecContext.create(decoder, "r"))
        context.extradata = stream.codec_context.extradata
        context.width, context.height = stream.width, stream.height
        if stream.codec_context.codec_tag != "\0\0\0\0":
            context.codec_tag = stream.codec_context.codec_tag
        for packet in container.demux(stream):
            for frame in context.decode(packet):
                return frame.reformat(format="bgra").to_ndarray()[..., 3].astype(np.uint8)
    raise AssertionError("no frame")


def test_odd_sizes_are_padded(tmp_path: Path) -> None:
    picture = scene(0, 161, 97)
    sink = VideoSink(tmp_path / "a.mp4", rate=Fraction(30), time_base=Fraction(1, 30))
    sink.write(Frame(picture, "", Fraction(0)), picture)
    sink.close()
    assert VideoSource(tmp_path / "a.mp4").size == (162, 98)


def test_a_damaged_frame_is_reported_and_the_rest_kept(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", [scene(n) for n in range(30)], codec="mjpeg")
    with av.open(str(clip)) as container:
        position = [packet.pos for packet in container.demux(video=0)][10]
    data = bytearray(clip.read_bytes())
    frame_header = data.index(b"\xff\xc0", position)
    data[frame_header + 4 : frame_header + 10] = b"\xff" * 6
    clip.write_bytes(data)
    frames, problems = read(clip)
    assert len(problems) == 1
    assert "0.333 s" in problems[0]
    assert len(frames) == 29
    assert frames[10].time == pytest.approx(11 / 30, abs=0.001)


@pytest.mark.parametrize("ending", [".mkv", ".mov"])
def test_a_cut_off_file_gives_what_it_holds(tmp_path: Path, ending: str) -> None:
    index_first = {"movflags": "+faststart"} if ending == ".mov" else {}
    clip = write_clip(tmp_path / f"a{ending}", [scene(n) for n in range(60)], options=index_first)
    assert read(clip)[1] == []
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    frames, problems = read(clip)
    assert 5 < len(frames) < 50
    (problem,) = problems
    end = re.search(r"ends at (\S+) s of 2\.0 s; what follows is missing", problem)
    assert end is not None
    assert float(end[1]) == pytest.approx(len(frames) / 30, abs=0.1)


def test_a_trimmed_film_is_whole(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [scene(n) for n in range(60)])
    data = bytearray(clip.read_bytes())
    edit = data.index(b"elst") + 12
    data[edit : edit + 4] = (1000).to_bytes(4, "big")  # milliseconds to show
    clip.write_bytes(data)
    frames, problems = read(clip)
    assert (25 < len(frames) < 35, problems) == (True, [])


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mp4 cannot be read"):
        VideoSource(path)


def test_a_sound_file_is_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [scene(0)], sound="aac")
    with av.open(str(clip)) as container, av.open(str(tmp_path / "b.mp4"), "w") as sound:
        stream = sound.add_stream_from_template(container.streams.audio[0])
        for packet in container.demux(audio=0):
            if packet.size:
                packet.stream = stream
                sound.mux(packet)
    with pytest.raises(InputError, match="no video"):
        VideoSource(tmp_path / "b.mp4")


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"'\.avi'"):
        VideoSink(tmp_path / "a.avi", rate=Fraction(30), time_base=Fraction(1, 30))


def test_an_abandoned_file_leaves_nothing(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "a.mp4", rate=Fraction(30), time_base=Fraction(1, 30))
    sink.write(Frame(room(), "", Fraction(0)), room())
    sink.abandon()
    assert list(tmp_path.iterdir()) == []


def test_a_finished_file_appears_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"the former one")
    sink = VideoSink(path, rate=Fraction(30), time_base=Fraction(1, 30))
    sink.write(Frame(room(), "", Fraction(0)), room())
    assert path.read_bytes() == b"the former one"
    sink.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]
    assert len(video_times(path)) == 1


def test_a_finished_file_is_kept_where_it_cannot_get_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    sink = VideoSink(path, rate=Fraction(30), time_base=Fraction(1, 30))
    sink.write(Frame(room(), "", Fraction(0)), room())
    path.mkdir()
    with pytest.raises(OutputError, match=r"It is .*\.a\.partial\.mp4: rename it"):
        sink.close()
    sink.abandon()
    assert len(video_times(tmp_path / ".a.partial.mp4")) == 1


@pytest.mark.parametrize("length", [40, 1000])
@pytest.mark.parametrize(("ending", "options"), [(".mp4", {}), (".mkv", {"live": "1"})])
def test_pictures_from_all_over_a_video(
    tmp_path: Path, length: int, ending: str, options: dict[str, str]
) -> None:
    pictures = [np.full((32, 32, 3), number * 255 // length, np.uint8) for number in range(length)]
    source = VideoSource(write_clip(tmp_path / f"a{ending}", pictures, options=options))
    assert source.count == length
    assert float(source.duration) == pytest.approx(length / 30, abs=0.1)
    levels = [int(picture.mean()) for picture in source.spread(10)]
    assert len(levels) == pytest.approx(10, abs=1)
    assert levels == sorted(levels)
    assert levels[0] < 40
    assert levels[-1] > 200
