"""Takes a form with files apart as it comes in: what a file holds goes straight to disk.

Names are ours, `films-0.mp4`; of what the client calls a file only the ending counts, which must be known.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from cleanplate.web.errors import TooLargeError, UploadError
from cleanplate.web.films import shown_name

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELD_BYTES = 1000
MAX_FIELDS = 20

RESERVE_BYTES = 256 << 20
"""What an upload leaves free on the disk."""


@dataclass(frozen=True)
class Kind:
    """What files one input of the form takes.

    Attributes:
        endings: of their names, in small letters.
        count: how many at most.
    """

    endings: frozenset[str]
    count: int


@dataclass(frozen=True)
class Upload:
    """One file that came in.

    Attributes:
        name: what the user calls it; to be shown only.
        path: where it is.
    """

    name: str
    path: Path


@dataclass
class Form:
    """What came in.

    Attributes:
        values: of the fields without files.
        files: by their field, in their order.
    """

    values: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[Upload]] = field(default_factory=dict)


async def receive_form(
    content_type: str, chunks: AsyncIterator[bytes], folder: Path, kinds: Mapping[str, Kind], limit: int
) -> Form:
    """Read a form of the type multipart/form-data (RFC 7578).

    Args:
        content_type: the request's header.
        chunks: the request's body.
        folder: where files go; what is there after an error is the caller's to remove.
        kinds: the fields that take files.
        limit: bytes of the whole body.

    Raises:
        UploadError: it is no such form, is broken off, or a file is of no known kind.
        TooLargeError: it has more bytes than allowed, or than are free.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise UploadError("This is no form with files. Use the page, or curl --form.")
    received = 0
    with closing(_Parts(folder, kinds)) as parts:
        try:
            parser = MultipartParser(options[b"boundary"], parts.callbacks())
            async for chunk in chunks:
                received += len(chunk)
                if received > limit:
                    raise too_large(limit)
                # A slow disk is no reason for the service not to answer others.
                await asyncio.to_thread(parser.write, chunk)
        except FormParserError as error:
            raise UploadError(f"The form is damaged ({error}). Send it again.") from error
        except OSError as error:
            raise UploadError(
                f"The upload cannot be kept ({error.strerror}). Make room on the disk."
            ) from error
        if not parts.complete:
            raise UploadError("The upload was broken off. Send it again.")
    return parts.form


def too_large(limit: int) -> TooLargeError:
    """The error of an upload that has more bytes than allowed."""
    return TooLargeError(
        f"An upload may have {limit / 1e9:.3g} GB in all. Send less at a time, or start the service with "
        "another --limit."
    )


def check_room(folder: Path, size: int) -> None:
    """See that a disk has room for a number of bytes.

    Raises:
        TooLargeError: it has not.
    """
    if shutil.disk_usage(folder).free < size + RESERVE_BYTES:
        raise TooLargeError(
            "There is no room for this on the service's disk. Delete results, or start the service "
            "with another --folder."
        )


class _Parts:
    """Gets from the parser what it finds.

    Attributes:
        form: what came in so far.
        complete: whether the end of the form was found.
    """

    def __init__(self, folder: Path, kinds: Mapping[str, Kind]) -> None:
        self.form = Form()
        self.complete = False
        self._folder = folder
        self._kinds = kinds
        self._header, self._value = b"", b""
        self._disposition = b""
        self._field = ""
        self._text: bytearray | None = None
        self._file: BinaryIO | None = None

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._disposition = b""
        self._field = options.get(b"name", b"").decode(errors="replace")
        name = options.get(b"filename")
        if name is None:
            if len(self.form.values) >= MAX_FIELDS:
                raise UploadError("The form has too many fields. Use the page.")
            self._text = bytearray()
        elif name:  # an input in which nothing was chosen sends a file without name
            self._open(shown_name(name.decode(errors="replace")))

    def _open(self, name: str) -> None:
        kind = self._kinds.get(self._field)
        if kind is None:
            raise UploadError(f"The form has no field '{self._field}' for files. Use the page.")
        ending = Path(name).suffix.lower()
        if ending not in kind.endings:
            raise UploadError(f"{name} is of no known kind. Choose {', '.join(sorted(kind.endings))}.")
        files = self.form.files.setdefault(self._field, [])
        if len(files) >= kind.count:
            raise UploadError(f"There are more than {kind.count} files for '{self._field}'. Leave some out.")
        path = self._folder / f"{self._field}-{len(files)}{ending}"
        self._file = path.open("xb")
        files.append(Upload(name, path))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
        elif self._text is not None:
            self._text += data[start:end]
            if len(self._text) > MAX_FIELD_BYTES:
                raise UploadError(f"The field '{self._field}' is too long. Use the page.")

    def _on_part_end(self) -> None:
        if self._text is not None:
            self.form.values[self._field] = self._text.decode(errors="replace")
        self.close()
        self._file = self._text = None

    def _on_end(self) -> None:
        self.complete = True
