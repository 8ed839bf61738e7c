"""The `cleanplate` command: what a user types, and what is printed; the work is done elsewhere.

Exit status: 0 done, 1 it failed and says why, 2 the command line is wrong, 130 stopped by Ctrl-C.
"""

import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from fractions import Fraction
from importlib.metadata import entry_points
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from cleanplate.engine.matting import available_models, create_engine
from cleanplate.offline import bench as benchmark
from cleanplate.offline import capture as capturing
from cleanplate.offline import doctor as diagnosis
from cleanplate.offline.background import GREEN, TRANSPARENT, parse_background
from cleanplate.offline.convert import Look, convert
from cleanplate.offline.engines import fallback_reasons
from cleanplate.offline.errors import EXPLAINED, InputError, OutputError
from cleanplate.offline.files import open_sink, open_source
from cleanplate.offline.folders import make_new_folder
from cleanplate.offline.places import filter_script, model_folders
from cleanplate.offline.samples import give_samples, sample_files

ENGINE_SECONDS = 3.0

STUDIO_LIBRARIES = frozenset({"obsws_python", "psutil", "websocket"})
"""What the extra "studio", in pyproject.toml, installs; all else that may be missing is in "train"."""

PANELS = {"cleanplate.commands": None, "cleanplate.network_commands": "Making networks"}
"""The groups of entry points, in pyproject.toml, whose commands are added, with their heading in the help."""

FAILED = 1
INTERRUPTED = 130

app = typer.Typer(
    help="Take the background away from videos and pictures, with a picture of the empty scene as help.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
bench_app = typer.Typer(help="Measure how fast this machine is.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")

# What is said goes to stderr: stdout is for results. Names of files are no markup: "[b] :-).mp4".
console = Console(stderr=True, soft_wrap=True, markup=False, emoji=False)
output = Console(soft_wrap=True, markup=False, emoji=False)

Model = Annotated[
    str, typer.Option(help="auto, difference, or a network's name (cleanplate doctor lists them).")
]
Provider = Annotated[str, typer.Option(help="auto, cpu, cuda, tensorrt, directml, coreml or openvino.")]
Models = Annotated[
    list[Path], typer.Option(help="One more folder with networks.", file_okay=False, exists=True)
]


@app.command()
def matte(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...", help="A video, pictures, or a folder of pictures.", show_default=False
        ),
    ],
    target: Annotated[
        str,  # a Path would lose the slash behind a folder's name
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            show_default=False,
            help=".mp4 or .mkv: H.264. .mov (ProRes 4444) or .webm (VP9): with transparency. "
            ".png: one picture. No ending, or a / behind it: a folder of PNGs, with a film's times in "
            "frames.ffconcat.",
        ),
    ],
    samples: Annotated[
        list[Path],
        typer.Option(
            help="Picture, folder or video of the empty scene; may be given several times.", exists=True
        ),
    ] = [],  # noqa: B006 - Typer copies it
    background: Annotated[
        str | None,
        typer.Option(
            help=f"transparent, blur, a colour such as '{GREEN}', or a picture. "
            f"By default transparent, or {GREEN} where the output cannot be.",
            show_default=False,
        ),
    ] = None,
    alpha_only: Annotated[
        bool, typer.Option("--alpha-only", help="Write the matte in grey instead.")
    ] = False,
    sequence: Annotated[
        bool,
        typer.Option(
            "--sequence", help="The pictures are the frames of one film by a fixed camera, by their numbers."
        ),
    ] = False,
    fps: Annotated[float, typer.Option(min=1, max=1000, help="Frames per second of a --sequence.")] = 30,
    model: Model = "auto",
    provider: Provider = "auto",
    models: Models = [],  # noqa: B006 - Typer copies it
    smoothing: Annotated[float, typer.Option(min=0, max=1, help="Smoothing of the matte over time.")] = 0.3,
) -> None:
    """Cut the person out of a video, pictures, or a folder of pictures.

    Sound and the time of every frame are kept. Ctrl-C ends early and leaves a playable file.
    """
    with _errors_explained():
        source = open_source(inputs, sequence=sequence, rate=Fraction(fps).limit_denominator(1001))
        also_read = sample_files(samples)
        if background is not None and Path(background).is_file():
            also_read.append(Path(background))
        with open_sink(target, source, console.print, also_read) as sink:
            if background is None:
                background = TRANSPARENT if sink.alpha or alpha_only else GREEN
                if background == GREEN:
                    console.print(f"{target} cannot be transparent: the background becomes green ({GREEN}).")
            if background == TRANSPARENT and not (sink.alpha or alpha_only):
                raise InputError(f"{target} cannot be transparent. Choose .mov, .webm, .png or a folder.")
            look = Look(parse_background(background), alpha_only)
            engine = create_engine(model, provider=provider, models=model_folders(tuple(models)))
            give_samples(engine, samples, source, console.print)
            console.print(f"{engine.name} on {engine.provider}, {len(engine.samples)} background samples")
            for reason in fallback_reasons(engine, provider):
                console.print(reason)
            with _progress(source.count) as progress, _stop_by_ctrl_c() as stop:
                task = progress.add_task("", total=source.count)
                written = convert(
                    source, sink, engine, look,
                    smoothing=smoothing, report=progress.console.print,
                    on_frame=lambda: progress.advance(task), stop=stop,
                )  # fmt: skip
    if stop.is_set():
        kept = f"{target} holds the first {written} frames." if written else "Nothing was written."
        console.print(f"Stopped. {kept}")
        raise typer.Exit(INTERRUPTED)
    console.print(f"{target}: {written} frames")
    if not written:
        raise typer.Exit(FAILED)


@app.command()
def capture(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Where the samples go, as PNG; a folder with samples of an earlier capture is refused.",
            show_default=False,
        ),
    ],
    camera: Annotated[int, typer.Option(min=0, help="Number of the camera.")] = 0,
    video: Annotated[
        Path | None, typer.Option(help="Take a video instead of the camera.", exists=True, dir_okay=False)
    ] = None,
    begin: Annotated[float, typer.Option(min=0, help="Seconds of the video to skip.")] = 0,
    countdown: Annotated[int, typer.Option(min=0, help="Seconds to leave the camera's picture.")] = 5,
    count: Annotated[int, typer.Option(min=1, max=16, help="Number of samples.")] = 8,
) -> None:
    """Take background samples: pictures of the scene without the person."""
    with _errors_explained():
        capturing.refuse_samples(folder)  # before anybody leaves the picture
        if video is not None:
            frames, rate = capturing.video_frames(video, begin, console.print), open_source([video]).rate
        else:
            frames, rate = capturing.camera_frames(camera), capturing.camera_rate(camera)
            capturing.count_down(
                frames, countdown, lambda left: console.print(f"Leave the picture: {left} s")
            )
        paths = capturing.capture(
            frames, folder, rate=rate, count=count,
            on_sample=lambda sample: console.print(f"{sample.shape[1]}x{sample.shape[0]} sample taken"),
        )  # fmt: skip
    console.print(f"{len(paths)} background samples in {folder}")


@app.command()
def doctor(models: Models = []) -> None:  # noqa: B006 - Typer copies it
    """Tell everything that a bug report needs."""
    findings = diagnosis.examine(model_folders(tuple(models)))
    width = max(len(finding.topic) for finding in findings)
    for finding in findings:
        line = Text(f"{finding.topic:{width}}  {finding.text}", style="red" if finding.wrong else "")
        output.print(line)
    if any(finding.wrong for finding in findings):
        raise typer.Exit(FAILED)


@bench_app.command("engine")
def bench_engine(
    models: Models = [],  # noqa: B006 - Typer copies it
    provider: Annotated[list[str], typer.Option(help="As for matte; may be given several times.")] = ["auto"],  # noqa: B006
    rival: Annotated[
        list[Path], typer.Option(help="Another project's ONNX network, for comparison.", exists=True)
    ] = [],  # noqa: B006
    width: Annotated[int, typer.Option(min=32, help="Of the frames that the engine gets.")] = 512,
    height: Annotated[int, typer.Option(min=32, help="Of the frames that the engine gets.")] = 288,
    seconds: Annotated[float, typer.Option(min=0, help="To measure each one for.")] = 3,
) -> None:
    """Milliseconds per frame of each model on each provider."""
    folders = model_folders(tuple(models))
    table = Table("model", "provider", "ms median", "ms 95 %", "frames/s", title=f"{width}x{height}")

    def add(timing: benchmark.Timing) -> None:
        rate = f"{1000 / timing.median:.0f}"
        table.add_row(timing.name, timing.provider, f"{timing.median:.1f}", f"{timing.p95:.1f}", rate)

    with _errors_explained():
        for name in available_models(folders):
            for wanted in provider:
                engine = create_engine(name, provider=wanted, models=folders)
                add(benchmark.time_engine(engine, width, height, seconds))
        for path in rival:
            add(benchmark.time_rival(path, seconds))
    output.print(table)


@bench_app.command("obs")
def bench_obs(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Gets a folder for each run, with the recordings, logs and a contact sheet.",
            show_default=False,
        ),
    ],
    seconds: Annotated[float, typer.Option(min=1, help="Length of each recording.")] = 10,
    kills: Annotated[int, typer.Option(min=0, help="How often the worker is killed, to see it recover.")] = 3,
) -> None:
    """Measure the filter in a real OBS on a screen of its own (Linux with obs, Xvfb, openbox and wmctrl)."""
    # What these need is not on every system.
    from cleanplate.studio import bench as studio  # noqa: PLC0415
    from cleanplate.studio.session import SESSION_ERRORS, missing_programs  # noqa: PLC0415

    with _errors_explained():
        if missing := missing_programs():
            raise InputError(f"These programs are missing: {', '.join(missing)}. Install them first.")
        # In the folder of an earlier run, OBS would open the scenes that it saved then.
        run = make_new_folder(folder.resolve(), time.strftime("%Y-%m-%d-%H%M%S-"))
        try:
            figures = studio.measure(
                run, filter_script(), studio.drawn_clips(run),
                seconds=seconds, kills=kills, say=console.print,
            )  # fmt: skip
        except SESSION_ERRORS as error:
            raise OutputError(f"The measurement failed: {error}\nLook into the logs in {run}.") from error
    console.print("the method difference at 512x288, on one thread")
    timing = benchmark.time_engine(create_engine("difference", threads=1), 512, 288, ENGINE_SECONDS)
    table = Table("figure", "value", show_header=False)
    for name, value in vars(figures).items():
        table.add_row(name.replace("_", " "), str(value))
    table.add_row("difference frames per second", f"{1000 / timing.median:.0f}")
    output.print(table)


def add_plugged_in_commands() -> None:
    """Add what other parts have registered: neither web pages nor making networks is this package's task."""
    for group, panel in PANELS.items():
        for entry in entry_points(group=group):
            command = entry.load()
            if isinstance(command, typer.Typer):
                app.add_typer(command, name=entry.name, rich_help_panel=panel)
            else:
                app.command(entry.name, rich_help_panel=panel)(command)


add_plugged_in_commands()


def main() -> None:
    """Entry point of the `cleanplate` command."""
    try:
        app()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == __name__.partition(".")[0]:
            raise
        extra = "studio" if error.name.partition(".")[0] in STUDIO_LIBRARIES else "train"
        console.print(
            f"This command needs {error.name}, which is not installed. Install it and what belongs to it, "
            f"in a checkout of the project: pip install '.[cpu,{extra}]'",
            style="red",
        )  # fmt: skip
        sys.exit(FAILED)


@contextmanager
def _errors_explained() -> Generator[None]:
    """End with one line instead of a traceback where the reason is known."""
    try:
        yield
    except EXPLAINED as error:
        console.print(Text(str(error), style="red"))
        raise typer.Exit(FAILED) from error


@contextmanager
def _stop_by_ctrl_c() -> Generator[Event]:
    """The first Ctrl-C sets the event; a second one interrupts at once."""
    stop = Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, request_stop)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


class _RateColumn(ProgressColumn):
    """Frames per second so far."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} fps" if task.speed else "")


def _progress(count: int | None) -> Progress:
    columns = [TextColumn("matting"), BarColumn(), MofNCompleteColumn(), _RateColumn()]
    return Progress(*columns, *([TimeRemainingColumn()] if count else []), console=console)


if __name__ == "__main__":
    main()
