"""Which files are taken for films, and what names users see."""

import re
import unicodedata
from pathlib import Path

import av
from av.error import FFmpegError

from cleanplate.offline.errors import InputError

FILM_ENDINGS = frozenset(
    {
        ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
        ".mxf", ".ogv", ".ts", ".webm", ".wmv",
    }
)  # fmt: skip

_DEMUXERS = "asf,avi,flv,matroska,mov,mpeg,mpegts,mpegvideo,mxf,ogg"
"""What FFmpeg may take an upload for. Others, as playlists, read further files or the network."""

_MAX_NAME = 80
"""Characters of a name that are kept."""


def check_film(path: Path) -> None:
    """See that a file is a film by its content, and none that makes FFmpeg open something else.

    FFmpeg goes by the content, not the ending: a text named `.mp4` may be a list of other files on this
    computer (https://ffmpeg.org/ffmpeg-formats.html, `format_whitelist`).

    Raises:
        InputError: it is not.
    """
    options = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"}
    try:
        av.open(str(path), options=options, metadata_errors="replace").close()
    except (FFmpegError, OSError) as error:
        raise InputError(f"{path} is damaged, or no film. Look whether a player shows it.") from error


def shown_name(name: str) -> str:
    """What a client calls a file, without folders and what cannot be seen; never used as a path."""
    last = re.split(r"[/\\]", name)[-1]
    seen = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C").strip()
    path = Path(seen)
    return path.stem[:_MAX_NAME] + path.suffix[:_MAX_NAME] if seen else "film"


def result_name(name: str, ending: str) -> str:
    """The name under which a film's result is saved, without letters that Windows forbids."""
    stem = re.sub(r'[<>:"/\\|?*]', "_", Path(shown_name(name)).stem).strip(". ")
    return f"{stem or 'film'}-cleanplate{ending}"
