"""`GET /api/site`: what this node's site record says (Handle over HTTP, 5)."""

import orjson
from aiohttp.web import BaseRequest, Response

from identifiers.hs_site_json import site_to_json
from resolver.faces import handle_answer as form
from resolver.faces.handle_api.door import Asker
from resolver.faces.handle_reply import ApiRefused, json_reply
from resolver.faces.request_target import Target


class SiteResource:
    """Serves the site record; empty octets: there is none, because the Handle protocol is not spoken."""

    def __init__(self, site: bytes) -> None:
        self._body = orjson.dumps({"responseCode": form.SUCCESS, "site": site_to_json(site)}) if site else b""

    async def show(self, request: BaseRequest, _target: Target, _rest: str, _asker: Asker) -> Response:
        """Answer GET."""
        if not self._body:
            raise ApiRefused(501, form.OPERATION_NOT_SUPPORTED, "This node has no site record")
        return await json_reply(request, 200, self._body)
