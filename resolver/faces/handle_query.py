"""What a resolution request asks for: the parameters of `/api/handles/{handle}` (Handle over HTTP, resolution)."""

import re
from dataclasses import dataclass
from typing import Any, Final

from identifiers.json_text import decode_json
from identifiers.values import U4_MAX, ValuesError
from resolver.faces.request_target import BadTarget, Parameters, Target

SELECTIONS_MAX: Final = 2_048
_DIGITS: Final = re.compile("[0-9]{1,10}")
_NOT_A_NAME_CHARACTER: Final = re.compile("[^A-Za-z0-9_$\u00a0-\U0010ffff]")


class BadParameter(ValueError):  # noqa: N818 - names what was sent
    """A parameter does not have its form. The text is for the client."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which values, and in what form. `public_only` is None when the request does not say."""

    indexes: frozenset[int] = frozenset()
    types: tuple[str, ...] = ()
    public_only: bool | None = None
    do_not_refer: bool = False
    pretty: bool = False
    callback: str = ""

    @property
    def everything(self) -> bool:
        """Whether no values were singled out."""
        return not self.indexes and not self.types


def wanted(parameters: Parameters) -> Wanted:
    """Read the parameters. `auth` and `cert` have no effect on a node that is its own store. Raises BadParameter."""
    indexes, types = parameters.all("index"), parameters.all("type")
    if len(indexes) + len(types) > SELECTIONS_MAX:
        raise BadParameter(f"At most {SELECTIONS_MAX:,} index and type parameters are taken")
    return Wanted(
        indexes=frozenset(_index(text) for text in indexes),
        types=tuple(types),
        public_only=parameters.flag("publicOnly"),
        do_not_refer=bool(parameters.flag("doNotRefer")),
        pretty=bool(parameters.flag("pretty")),
        callback=function_name(parameters.first("callback") or ""),
    )


def function_name(text: str) -> str:
    """Return a JSONP function name: what could not stand in a name becomes `_`."""
    name = _NOT_A_NAME_CHARACTER.sub("_", text)
    return "_" + name[1:] if name[:1].isdigit() else name


def callback_of(method: str, target: Target) -> str:
    """Return the function that a request wants its answer handed to (JSONP, 10.2); empty for none."""
    if method not in ("GET", "HEAD"):
        return ""
    try:
        return function_name(Parameters.of(target.query).first("callback") or "")
    except BadTarget:
        return ""


def parameters_in_body(content_type: str, body: bytes) -> Parameters:
    """Read the parameters of a POST: a form, a JSON object, or nothing. Raises BadParameter."""
    if not body:
        return Parameters([])
    media_type = content_type.partition(";")[0].strip().lower()
    try:
        if media_type == "application/x-www-form-urlencoded":
            return Parameters.of(body.decode("ascii"))
        if media_type == "application/json":
            return Parameters(_pairs(decode_json(body)))
    except (BadTarget, UnicodeDecodeError) as error:
        raise BadParameter("The form is not percent-encoded UTF-8") from error
    except ValuesError as error:
        raise BadParameter(error.message) from error
    raise BadParameter("Unsupported media type: send a form or application/json")


def _index(text: str) -> int:
    if not _DIGITS.fullmatch(text) or int(text) > U4_MAX:
        raise BadParameter(f"The index {text[:20]!r} is not a number from 0 to {U4_MAX}")
    return int(text)


def _pairs(parsed: Any) -> list[tuple[str, str]]:
    """Flatten {"index": [1, 2], "pretty": true} into the pairs a query would give."""
    if not isinstance(parsed, dict):
        raise BadParameter("The body is not a JSON object")
    return [
        (name, _text(name, item))
        for name, value in parsed.items()
        for item in (value if isinstance(value, list) else [value])
    ]


def _text(name: str, item: Any) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int | str):
        return str(item)
    raise BadParameter(f"The parameter {name[:40]!r} is neither text, number nor boolean")
