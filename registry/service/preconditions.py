"""If-Match and If-None-Match: changing only what the caller has seen (RFC 9110, section 13)."""

import re
from dataclasses import dataclass
from typing import Final, Self

from registry.errors import InvalidRequest, PreconditionFailed
from registry.tables.identifiers import Record

_LIST = re.compile(r'\s*((W/)?"[\x21\x23-\x7e]*"\s*(,\s*(W/)?"[\x21\x23-\x7e]*"\s*)*)')
_STRONG_VERSION = re.compile(r'(?:^|[\s,])"([0-9]{1,10})"')


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold of the stored record: one of these versions, any version, or that there is none."""

    versions: frozenset[int] | None = None
    must_exist: bool = False
    must_be_absent: bool = False

    @classmethod
    def from_headers(cls, if_match: str | None, if_none_match: str | None) -> Self:
        """Read the two headers. If-None-Match has the form `*` only: entity tags in it make no sense for a change."""
        if if_none_match is not None and if_none_match.strip() != "*":
            raise InvalidRequest("bad_if_none_match", "If-None-Match of a change can only be *", remedy=_REMEDY)
        absent = if_none_match is not None
        if if_match is None:
            return cls(must_be_absent=absent)
        if if_match.strip() == "*":
            return cls(must_exist=True, must_be_absent=absent)
        if len(if_match) > _LENGTH_MAX or _LIST.fullmatch(if_match) is None:
            raise InvalidRequest("bad_if_match", "If-Match is no list of entity tags", remedy=_REMEDY)
        # A weak tag, or one we never gave, matches nothing.
        return cls(frozenset(int(found) for found in _STRONG_VERSION.findall(if_match)), must_be_absent=absent)

    @property
    def admits_creation(self) -> bool:
        """Whether a record may be made where there is none."""
        return not self.must_exist and self.versions is None

    def check(self, stored: Record | None) -> None:
        """Raise `PreconditionFailed` unless the stored record is as required."""
        if self.must_be_absent and stored is not None:
            raise PreconditionFailed(
                "identifier_exists",
                f"{stored.spelling} exists, as version {stored.version}",
                remedy="leave If-None-Match out to replace it",
            )
        if stored is None and (self.must_exist or self.versions is not None):
            raise PreconditionFailed(
                "identifier_absent", "the identifier does not exist", remedy="leave If-Match out to create it"
            )
        if stored is not None and self.versions is not None and stored.version not in self.versions:
            raise PreconditionFailed(
                "version_mismatch",
                f"{stored.spelling} is at version {stored.version} now",
                remedy="read it again, apply your change to what you read, and send its ETag in If-Match",
            )


UNCONDITIONAL: Final = Precondition()

_LENGTH_MAX: Final = 1_000
_REMEDY = 'send the ETag of your last read, like "3", in If-Match, or * in If-None-Match'
