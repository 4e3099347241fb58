"""Every setting as one row: what reading, showing and documenting the settings have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from node.addresses import HostPort
from node.settings import Settings, TrustedNetworks

_FORMS = {HostPort: "HOST:PORT", Path: "a path", TrustedNetworks: "a list of networks such as 10.0.0.0/8"}


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting. `kind` is its annotated type, `form` says in words what may be written."""

    name: str
    kind: Any
    form: str
    unit: str
    default: Any
    meaning: str
    secret: bool

    @property
    def environment_name(self) -> str:
        """The environment variable that sets it."""
        return "IDNODE_" + self.name.replace(".", "_").upper()

    @property
    def remedy(self) -> str:
        """What to write instead of something wrong."""
        unit = f" ({self.unit})" if self.unit else ""
        default = str(self.default).lower() if isinstance(self.default, bool) else str(self.default)
        return f"give {self.form}{unit}, or leave it out for {default or 'none'}"


def _rows(struct: type[msgspec.Struct], before: str) -> dict[str, SettingRow]:
    rows: dict[str, SettingRow] = {}
    kinds = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        kind = kinds[field.name]
        if get_origin(kind) is Annotated:
            rows[before + field.name] = _row(before + field.name, kind, field.default)
        else:
            rows |= _rows(kind, f"{before}{field.name}.")
    return rows


def _row(name: str, kind: Any, default: Any) -> SettingRow:
    plain, meta = get_args(kind)
    extra = meta.extra or {}
    return SettingRow(
        name=name,
        kind=kind,
        form=extra.get("form") or _form(plain, meta),
        unit=extra.get("unit", ""),
        default=default,
        meaning=meta.description,
        secret=bool(extra.get("secret")),
    )


def _form(plain: Any, meta: msgspec.Meta) -> str:
    if plain is int:
        return f"a whole number from {meta.ge:,} to {meta.le:,}"
    if plain is bool:
        return "true or false"
    if get_origin(plain) is Literal:
        return "one of " + ", ".join(get_args(plain))
    return _FORMS[plain]


SETTINGS: dict[str, SettingRow] = _rows(Settings, "")


def value_of(settings: Settings, name: str) -> Any:
    """Return the value of the setting with this dotted name."""
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value
