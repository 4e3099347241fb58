"""What fields of a row must be to each other, and the check characters (docking contract 3.3, 3.4)."""

from collections.abc import Mapping
from typing import Any, Final

from identifiers.prefix_or_range import CODE_TYPES, prefix_or_range_fault
from registry.reference.industries import LEVELS, industry_fault
from registry.reference.regions import Level, region_fault
from registry.reference.resident_id import resident_id_fault
from registry.reference.uscc import uscc_fault
from sync.tables.field_kinds import Rule
from sync.tables.table import Problem

USCC: Final = 1
RESIDENT_ID: Final = 1
ENTRUSTED: Final = 2
PDF: Final = "application/pdf"
IMAGES: Final = frozenset({"image/jpeg", "image/png"})

_REGION_LEVELS: Final[tuple[Level, ...]] = ("province", "city", "county")
_MEASURES: Final = ("resolution_latency", "registration_latency")


def id_numbers(known: Mapping[str, Any], before: str, found: list[Problem]) -> None:
    """Check the unified social credit code and the resident identity card numbers."""
    checks = (
        ("org_id_type", "org_id_number", USCC, uscc_fault),
        ("legal_rep_id_type", "legal_rep_id_number", RESIDENT_ID, resident_id_fault),
        ("contact_id_type", "contact_id_number", RESIDENT_ID, resident_id_fault),
    )
    for type_name, name, wanted, fault_of in checks:
        text = known.get(name)
        if known.get(type_name) == wanted and isinstance(text, str) and (fault := fault_of(text)):
            found.append(Problem("format", before + name, fault))


def regions(prefix: str) -> Rule:
    """Return the rule that a city lies in its province and a county in its city; `prefix` begins the members' names."""

    def rule(known: Mapping[str, Any], before: str, found: list[Problem]) -> None:
        within: str | None = None
        for level in _REGION_LEVELS:
            code = known.get(prefix + level)
            if not isinstance(code, str):
                return
            if fault := region_fault(code, level, within):
                found.append(Problem("format", before + prefix + level, fault))
                return
            within = code

    return rule


def divisions(known: Mapping[str, Any], before: str, found: list[Problem]) -> None:
    """Check that the division of an organisation's industry belongs to its section."""
    category, specific = known.get("industry_category"), known.get("industry_specific")
    if isinstance(category, str) and isinstance(specific, str):
        fault = industry_fault(category, "category") or industry_fault(specific, "specific", category)
        if fault:
            found.append(Problem("format", f"{before}industry_specific", fault))


def industry_levels(known: Mapping[str, Any], before: str, found: list[Problem]) -> None:
    """Check that each level of an industry belongs to the one above."""
    within: str | None = None
    for level in LEVELS:
        code = known.get(level)
        if not isinstance(code, str):
            return
        if fault := industry_fault(code, level, within):
            found.append(Problem("format", before + level, fault))
            return
        within = code


def entrusted_needs_contract(known: Mapping[str, Any], before: str, found: list[Problem]) -> None:
    """Check that a task given to somebody else comes with the sealed contract; absent is told by the field itself."""
    if known.get("mode") == ENTRUSTED and known.get("contracts") == []:
        found.append(Problem("required", f"{before}contracts", "a sealed contract is required (mode 2)"))


def both_sides(known: Mapping[str, Any], before: str, found: list[Problem]) -> None:
    """Check that an identity card is shown from both sides."""
    images = known.get("legal_rep_id_images")
    if known.get("legal_rep_id_type") == RESIDENT_ID and isinstance(images, list) and len(images) == 1:
        found.append(Problem("required", f"{before}legal_rep_id_images", "front and back of the identity card"))


def images_or_pdf(files: list[Any], path: str, found: list[Problem]) -> None:
    """Check that documents are images or PDF."""
    _media_types(files, path, found, IMAGES | {PDF})


def pdf_only(files: list[Any], path: str, found: list[Problem]) -> None:
    """Check that documents are PDF."""
    _media_types(files, path, found, frozenset({PDF}))


def _media_types(files: list[Any], path: str, found: list[Problem], allowed: frozenset[str]) -> None:
    for position, file in enumerate(files):
        if file["media_type"] not in allowed:
            message = f"must be one of {', '.join(sorted(allowed))}"
            found.append(Problem("format", f"{path}[{position}].media_type", message))


def each_protocol_once(endpoints: list[Any], path: str, found: list[Problem]) -> None:
    """Check that no protocol occurs twice at one address."""
    _unique([endpoint["protocol"] for endpoint in endpoints], path, found)


def each_source_once(sources: list[Any], path: str, found: list[Problem]) -> None:
    """Check that no source address occurs twice."""
    _unique([source["ip"] for source in sources], path, found)


def each_element_once(elements: list[Any], path: str, found: list[Problem]) -> None:
    """Check that no element's name occurs twice."""
    _unique([element["name"] for element in elements], path, found)


def _unique(values: list[str], path: str, found: list[Problem]) -> None:
    if len(set(values)) != len(values):
        found.append(Problem("format", path, "the same entry occurs twice"))


def prefix_or_range(known: Mapping[str, Any], before: str, found: list[Problem]) -> None:
    """Check that the prefix or range is written as its code type has it."""
    code_type, text = known.get("code_type"), known.get("prefix_or_range")
    if code_type in CODE_TYPES and isinstance(text, str) and (fault := prefix_or_range_fault(code_type, text)):
        found.append(Problem("format", f"{before}prefix_or_range", fault))


def ip_type_fits(known: Mapping[str, Any], before: str, found: list[Problem]) -> None:
    """Check that the address is of the type stated."""
    address, ip_type = known.get("ip_address"), known.get("ip_type")
    if isinstance(address, str) and ip_type in ("IPv4", "IPv6") and (":" in address) != (ip_type == "IPv6"):
        found.append(Problem("format", f"{before}ip_type", f"{address[:64]} is not of type {ip_type}"))


def statistics_add_up(known: Mapping[str, Any], before: str, found: list[Problem]) -> None:
    """Check that successes and sources agree with the requests, and a part with the number of parts."""
    requests, successes = known.get("resolution_requests"), known.get("resolution_successes")
    if not isinstance(requests, int) or not isinstance(successes, int):
        return
    if successes > requests:
        found.append(Problem("format", f"{before}resolution_successes", "more successes than requests"))
    part, parts = known.get("part"), known.get("parts")
    if isinstance(part, int) and isinstance(parts, int) and part > parts:
        found.append(Problem("format", f"{before}part", f"is {part} of {parts}"))
    told = _told(known.get("sources"))
    if told is not None and (told > requests or (parts in (None, 1) and told != requests)):
        message = f"the sources' counts come to {told}, resolution_requests is {requests}"
        found.append(Problem("format", f"{before}sources", message))


def _told(sources: Any) -> int | None:
    """Return the sum of the sources' counts; None if they are no such list, which is told elsewhere."""
    if not isinstance(sources, list | tuple):
        return None
    counts: list[Any] = [source.get("count") for source in sources if isinstance(source, Mapping)]
    return sum(counts) if len(counts) == len(sources) and all(type(count) is int for count in counts) else None


def measured_together(known: Mapping[str, Any], before: str, found: list[Problem]) -> None:
    """Check that figures come with their moments, and that a day without samples has none."""
    for measure in _MEASURES:
        samples = known.get(f"x_{measure.removesuffix('_latency')}_count")
        names = [f"{measure}_{name}" for name in ("avg_ms", "max_at", "max_ms", "min_at", "min_ms")]
        stated = [name for name in names if known.get(name) is not None]
        if samples == 0 and stated:
            found.append(Problem("format", before + stated[0], "a day without samples has no figure"))
        elif isinstance(samples, int) and samples > 0 and len(stated) < len(names):
            missing = next(name for name in names if name not in stated)
            found.append(Problem("required", before + missing, "is required of a day with samples"))
