"""Every bound of the Handle server can be set, and by default is what the protocol's description says (24)."""

import dataclasses

import msgspec
import pytest

from identifiers.handle_rights import GROUP_BOUNDS
from node.handle_bounds import HandleBounds, auth_limits, group_bounds, reassembly_limits
from resolver.handle.auth.limits import AuthLimits
from resolver.handle.limits import HandleLimits

NAMES = [field.name for field in msgspec.structs.fields(HandleBounds)]


def taken(bounds: HandleBounds) -> dict[str, object]:
    limits = dataclasses.asdict(auth_limits(bounds))
    reassembly = msgspec.structs.asdict(reassembly_limits(bounds))
    return limits | reassembly | group_bounds(bounds)._asdict() | {"udp": bounds.udp_answer_octets_max}


def test_the_defaults_are_those_of_the_server() -> None:
    bounds = HandleBounds()
    assert auth_limits(bounds) == AuthLimits()
    assert group_bounds(bounds) == GROUP_BOUNDS
    assert reassembly_limits(bounds) == HandleLimits().reassembly
    assert bounds.udp_answer_octets_max == HandleLimits().udp_answer_octets


@pytest.mark.parametrize("name", NAMES)
def test_each_setting_reaches_the_server(name: str) -> None:
    other = msgspec.structs.replace(HandleBounds(), **{name: getattr(HandleBounds(), name) - 1})
    before, after = taken(HandleBounds()), taken(other)
    assert before.keys() == after.keys()
    assert sum(before[one] != after[one] for one in before) in ((2,) if name.startswith("group_") else (1,))
