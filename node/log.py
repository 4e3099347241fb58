"""Log lines on stderr: one line an event, as key=value pairs or as JSON, and never with a secret in it."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from node.addresses import MASK

_SECRETS = (
    (re.compile(r"\bidn_[A-Za-z0-9_-]{8,}"), f"idn_{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic) +[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"(://[^\s/:@]*):[^\s/@]+@"), rf"\1:{MASK}@"),
    (re.compile(r"(?i)\b((?:ssl)?password)(=|: ?)[^\s&;,]+"), rf"\1\2{MASK}"),
)
_OF_EVERY_RECORD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f]+")
# Libraries whose routine says nothing that our own lines do not say.
_QUIET_LOGGERS = ("aiohttp.access", "asyncio", "openpyxl")


def redacted(text: str) -> str:
    """Return the text with bearer tokens and passwords replaced."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class OneLine(logging.Formatter):
    """An event as one line. What a call passed as `extra` becomes keys of its own."""

    def __init__(self, process: str, form: Literal["text", "json"]) -> None:
        super().__init__()
        self._process = process
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for an event."""
        fields = self._fields(record)
        line = json.dumps(fields, default=str, ensure_ascii=False) if self._form == "json" else _pairs(fields)
        return redacted(line)

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {key: value for key, value in vars(record).items() if key not in _OF_EVERY_RECORD}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return fields


def _pairs(fields: dict[str, Any]) -> str:
    return " ".join(f"{key}={_quoted(str(value))}" for key, value in fields.items())


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def set_up(process: str, *, level: str, form: Literal["text", "json"]) -> None:
    """Send everything this process logs, from `level` up, to stderr under the name `process`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(process, form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
