"""The JSON bodies of templates and of the report on what they expose."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from identifiers.changes import Right, SubjectKind
from registry.api.shapes import Instant, Name
from registry.service.item_changes import FILE_SUFFIXES_MAX, ITEMS_MAX
from registry.service.item_values import DATE_FORMATS, DIGITS_MAX, FILES_MAX, FORMATS
from registry.service.template_rules import ITEM_INDEX_MIN
from registry.service.templates import VERSION_CHARACTERS_MAX
from registry.tables.templates import DataType, Domain, ItemState, State

Index = Annotated[int, Meta(description=f"from {ITEM_INDEX_MIN}", ge=1, le=2**31 - 1)]
Grade = Annotated[int, Meta(description="1 public, 2 for those named, 3 only with a grant", ge=1, le=3)]
Length = Annotated[int, Meta(description="characters", ge=0, le=262_000)]
Number = Annotated[str, Meta(max_length=2 * DIGITS_MAX + 2, description="a number as text", examples=["4.50"])]
EnglishName = Annotated[str, Meta(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, Meta(max_length=1_024, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
Code = Annotated[str, Meta(max_length=64, description="letters, digits, dots, hyphens and underscores")]
EnterpriseId = Annotated[str, Meta(max_length=64)]
Version = Annotated[str, Meta(max_length=VERSION_CHARACTERS_MAX, description="unique below the prefix, never changes")]
Format = Annotated[str, Meta(max_length=64, description=f"of strings: {', '.join(FORMATS)}")]
DateFormat = Annotated[str, Meta(max_length=64, description=f"of dates: {', '.join(DATE_FORMATS)}")]
Suffixes = Annotated[
    list[Annotated[str, Meta(max_length=10)]],
    Meta(max_length=FILE_SUFFIXES_MAX, description="what the addresses of files may end in; none: the usual ones"),
]
FilesMax = Annotated[int, Meta(description="addresses in one value, one a line", ge=1, le=FILES_MAX)]
Digits = Annotated[int, Meta(description="all digits of a number", ge=1, le=DIGITS_MAX)]
Decimals = Annotated[int, Meta(description="digits behind the point", ge=0, le=DIGITS_MAX)]
MasterData = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=255)]],
    Meta(description="column of T9 to the item that fills it, by type or name", max_length=64),
]
ObjectType = Annotated[Literal[1, 2], Meta(description="1 active identifier carrier, 2 other")]
ItemType = Annotated[
    str, Meta(description="the type of the Handle value, its English name", min_length=1, max_length=255)
]
Unique = Annotated[bool, Meta(description="no other record of the template below the same prefix may have the value")]
Searchable = Annotated[bool, Meta(description="records can be found by the value")]


class TemplateIndustry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An industry by GB/T 4754-2017: section, division, group and class."""

    category: Annotated[str, Meta(max_length=1, examples=["C"])]
    specific: Annotated[str, Meta(max_length=2, examples=["34"])]
    trade: Annotated[str, Meta(max_length=3, examples=["344"])]
    subclass: Annotated[str, Meta(max_length=4, examples=["3441"])]


class TemplateItem(msgspec.Struct, frozen=True):
    """One value that records of the template have. Limits that are null, or no list, do not apply."""

    index: Index
    name: Name
    type: ItemType
    data_type: DataType
    format: Format
    required: bool
    unique: Unique
    searchable: Searchable
    state: ItemState
    length_min: Length | None
    length_max: Length | None
    number_min: Number | None
    number_max: Number | None
    digits: Digits | None
    decimals: Decimals | None
    date_format: DateFormat | None
    reference_template: Code | None
    files_max: FilesMax | None
    file_suffixes: Suffixes
    domain: Domain
    grade: Grade


class TemplateItemRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An item to add, or what to change of one.

    Without an index, or with one that no item has, it is a new item and needs `name` and `type`. Of an item that is
    there, members left out stay; its type, and in a published template its data type, `unique`, `searchable`,
    `reference_template` and `grade`, do not change.
    """

    index: Index | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    type: ItemType | UnsetType = UNSET
    data_type: DataType | UnsetType = UNSET
    format: Format | UnsetType = UNSET
    required: bool | UnsetType = UNSET
    unique: Unique | UnsetType = UNSET
    searchable: Searchable | UnsetType = UNSET
    state: ItemState | UnsetType = UNSET
    length_min: Length | UnsetType | None = UNSET
    length_max: Length | UnsetType | None = UNSET
    number_min: Number | UnsetType | None = UNSET
    number_max: Number | UnsetType | None = UNSET
    digits: Digits | UnsetType | None = UNSET
    decimals: Decimals | UnsetType | None = UNSET
    date_format: DateFormat | UnsetType | None = UNSET
    reference_template: Code | UnsetType | None = UNSET
    files_max: FilesMax | UnsetType | None = UNSET
    file_suffixes: Suffixes | UnsetType = UNSET
    domain: Domain | UnsetType = UNSET
    grade: Grade | UnsetType = UNSET


class TemplateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A template to create, as a draft unless `publish`.

    Below a prefix it belongs to the prefix's enterprise. Without `prefix` and `enterprise` it is the caller's own, or
    for an administrator the node's.
    """

    name: Name
    items: Annotated[list[TemplateItemRequest], Meta(max_length=ITEMS_MAX)]
    code: Annotated[Code | None, Meta(description="made by the node if left out", examples=["product-1"])] = None
    enterprise: EnterpriseId | None = None
    prefix: Annotated[str, Meta(max_length=64)] | None = None
    version: Version | None = None
    name_en: EnglishName = ""
    industry: TemplateIndustry | None = None
    object_type: ObjectType = 2
    description: Text = ""
    standard: Annotated[Text, Meta(description="the standard it follows")] = ""
    shared: Annotated[bool, Meta(description="others may read and copy it once it is published")] = False
    master_data: MasterData | None = None
    publish: bool = False


class TemplatePatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to change of a template; members and items left out stay. `remove` takes items from a draft."""

    name: Name | UnsetType = UNSET
    name_en: EnglishName | UnsetType = UNSET
    industry: TemplateIndustry | UnsetType | None = UNSET
    object_type: ObjectType | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    standard: Text | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    master_data: MasterData | UnsetType | None = UNSET
    items: Annotated[list[TemplateItemRequest], Meta(max_length=ITEMS_MAX)] = []
    remove: Annotated[list[Index], Meta(max_length=ITEMS_MAX)] = []


class TemplateCopyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the copy of a template goes; members as in the creation of one."""

    code: Code | None = None
    name: Name | None = None
    enterprise: EnterpriseId | None = None
    prefix: Annotated[str, Meta(max_length=64)] | None = None
    version: Version | None = None


class TemplateAnswer(msgspec.Struct, frozen=True):
    """A template; without an enterprise it is the node's own and everyone's to use."""

    code: str
    name: str
    name_en: str
    enterprise: str | None
    prefix: str | None
    version: str
    handle: Annotated[str | None, Meta(description="the template's own identifier, below its prefix")]
    state: State
    industry: TemplateIndustry | None
    object_type: ObjectType
    description: str
    standard: str
    shared: bool
    master_data: MasterData | None
    copied_from: str | None
    items: list[TemplateItem]
    created_at: Instant
    updated_at: Instant


class TemplatePage(msgspec.Struct, frozen=True):
    """Templates in the order of their codes."""

    items: list[TemplateAnswer]
    next: str | None


class RegradeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The grade an item is to have."""

    grade: Grade


class RegradeAnswer(msgspec.Struct, frozen=True):
    """The template with the item's new grade, and the job that brings stored values to it (null: none needed)."""

    template: TemplateAnswer
    job: str | None


class ExposedItem(msgspec.Struct, frozen=True):
    """An item whose values are exposed."""

    index: Index
    name: str
    type: str
    domain: Domain
    state: ItemState


class ExposedTo(msgspec.Struct, frozen=True):
    """A grant in force on the template. `indexes` null: all its items."""

    grant: str
    subject_kind: SubjectKind
    subject: str
    right: Right
    indexes: list[int] | None
    expires_at: Instant | None


class ExposedGrade(msgspec.Struct, frozen=True):
    """The items of one grade, who reads them without a grant, and the grants that cover some of them."""

    grade: Grade
    read_by: Literal["everyone", "owner and administrators", "nobody"]
    items: list[ExposedItem]
    grants: list[ExposedTo]


class TemplateExposure(msgspec.Struct, frozen=True):
    """What one template exposes: `identifiers` counts the active ones that follow it."""

    template: str
    name: str
    enterprise: str | None
    state: State
    identifiers: int
    grades: list[ExposedGrade]


class ExposurePage(msgspec.Struct, frozen=True):
    """What templates expose, in the order of their codes."""

    items: list[TemplateExposure]
    next: str | None
