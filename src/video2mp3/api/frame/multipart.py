"""Parses multipart forms with one file (RFC 7578) as they are received; the file is never held in memory."""

import re
from collections.abc import Callable, Mapping

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from video2mp3.api.frame.disposition import filename_of
from video2mp3.errors import InvalidRequest, MissingFile, UploadIncomplete, UploadTooLarge

MAX_OVERHEAD_BYTES = 1024**2
"""Limit for a form without its file."""
_MAX_FIELDS = 64
_PARAMETER = re.compile(r';\s*(name|filename)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))', re.IGNORECASE | re.DOTALL)
_MAX_FIELD_BYTES = 8 * 1024


class FormReader:
    """Takes a form's bytes, keeps its text fields and passes on its file."""

    def __init__(
        self, content_type: str, on_file: Callable[[str], None], on_file_data: Callable[[bytes], None]
    ) -> None:
        """Prepares for a body of this Content-Type.

        `on_file` gets the file's name before the first call of `on_file_data`; the fields before the file can be read
        then. `write` raises what the two raise.

        Raises:
            InvalidRequest: when the Content-Type names no usable boundary.
        """
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise InvalidRequest("The Content-Type of the form names no boundary.")
        self.fields: dict[str, str] = {}
        self._on_file = on_file
        self._on_file_data = on_file_data
        self._received_bytes = 0
        self._file_bytes = 0
        self._has_file = False
        self._ended = False
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
        self._field: str | None = None
        self._value = bytearray()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": self._header_name_comes,
                    "on_header_value": self._header_value_comes,
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data_comes,
                    "on_part_end": self._part_ends,
                    "on_end": self._form_ends,
                },
            )
        except FormParserError as error:
            raise InvalidRequest(f"The form's boundary is not usable: {error}.") from None

    def write(self, data: bytes) -> None:
        """Takes the next bytes.

        Raises:
            InvalidRequest: when they are not a form with one file, or the fields are too many or too large.
        """
        self._received_bytes += len(data)
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidRequest(f"The form is not valid multipart data: {error}.") from None
        if self._received_bytes - self._file_bytes > MAX_OVERHEAD_BYTES:
            raise UploadTooLarge(f"The form has more than {MAX_OVERHEAD_BYTES} bytes beside its file.")

    def finish(self) -> None:
        """Checks the end.

        Raises:
            UploadIncomplete: when the form stops in the middle.
            MissingFile: when it has no file.
        """
        if self._received_bytes and not self._ended:
            raise UploadIncomplete("The form is incomplete; send it again.")
        if not self._has_file:
            raise MissingFile

    def _part_begins(self) -> None:
        self._disposition, self._field, self._value = b"", None, bytearray()

    def _header_name_comes(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_comes(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_ends(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _headers_end(self) -> None:
        parameters = _parameters(self._disposition)
        name = parameters.get("name")
        if name is None:
            raise InvalidRequest("A part of the form has no name.")
        if "filename" in parameters:
            self._begin_file(name, parameters["filename"])
        elif name in self.fields:
            raise InvalidRequest(f"The form has the field {name[:64]!r} twice.")
        elif name == "file":
            raise MissingFile("The form's field `file` is text; send it as a file (curl: -F file=@talk.mp4).")
        elif len(self.fields) >= _MAX_FIELDS:
            raise InvalidRequest(f"The form has more than {_MAX_FIELDS} fields.")
        else:
            self._field = name

    def _begin_file(self, field: str, filename: str) -> None:
        if field != "file":
            raise InvalidRequest(f"The file has to be in the field `file`, not {field[:64]!r}.")
        if self._has_file:
            raise InvalidRequest("The form has more than one file; send one form for each.")
        self._has_file = True
        self._on_file(filename)

    def _data_comes(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._file_bytes += end - start
            self._on_file_data(data[start:end])
        elif len(self._value) + end - start > _MAX_FIELD_BYTES:
            raise InvalidRequest(f"The form's field {self._field[:64]!r} is longer than {_MAX_FIELD_BYTES} bytes.")
        else:
            self._value += data[start:end]

    def _part_ends(self) -> None:
        if self._field is not None:
            self.fields[self._field] = self._value.decode("utf-8", "replace")

    def _form_ends(self) -> None:
        self._ended = True


def _parameters(disposition: bytes) -> Mapping[str, str]:
    """Returns the parameters `name` and `filename` of a part.

    Browsers write a quote as %22 and a backslash as it is (WHATWG, multipart/form-data); other programs escape both by
    a backslash (RFC 2183), or send `filename*` (RFC 8187).
    """
    text = disposition.decode("utf-8", "replace")
    found = {match[1].lower(): _value(match[2], match[3]) for match in _PARAMETER.finditer(text)}
    if (extended := filename_of(text)) is not None and "filename" not in found:
        found["filename"] = extended
    return found


def _value(quoted: str | None, token: str) -> str:
    if quoted is None:
        return token
    return re.sub(r'\\(["\\])', r"\1", quoted).replace("%22", '"')
