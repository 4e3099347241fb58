"""Routes: code tables of national standards."""

from typing import Final

from registry.api import code_tables
from registry.api.enterprise_shapes import CodePage
from registry.api.routing import Parameter, Route
from registry.authority import Action

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/regions",
        handler=code_tables.page_regions,
        action=Action.READ_CODE_TABLES,
        summary="List administrative divisions",
        description="Codes as in GB/T 2260: the provinces, or what lies directly in the division named.",
        response=CodePage,
        refusals=(404,),
        parameters=(Parameter("within", "the code of a province or city"),),
        response_example={"items": [{"code": "320000", "name": "江苏省"}], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/industries",
        handler=code_tables.page_industries,
        action=Action.READ_CODE_TABLES,
        summary="List industries",
        description="Codes of GB/T 4754-2017: the sections, or what belongs directly to the code named.",
        response=CodePage,
        refusals=(404,),
        parameters=(Parameter("within", "the code of a section, division or group"),),
        response_example={"items": [{"code": "C", "name": "制造业"}], "next": None},
    ),
)
