"""Routes: files, the documents that belong to applications."""

from typing import Final

from registry.api import files
from registry.api.enterprise_shapes import FileAnswer
from registry.api.routing import OCTETS, Parameter, Route
from registry.authority import Action

_FILE: Final = {
    "id": "fil_0a1b2c3d4e5f6071",
    "number": 101,
    "name": "licence.png",
    "media_type": "image/png",
    "octets": 48213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "enterprise": None,
    "created_at": "2025-11-22T08:00:00.000Z",
}

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/files",
        handler=files.upload,
        action=Action.UPLOAD_FILE,
        summary="Upload a document",
        description="The body is the file itself: JPEG or PNG of at most 1 MiB, PDF of at most 5 MiB, told by its "
        "content. The same content again gives the same file. A file that no application uses is deleted after seven "
        "days.",
        request_type=OCTETS,
        request_also=files.MEDIA_TYPES[1:],
        response=FileAnswer,
        statuses=(201,),
        refusals=(409,),
        parameters=(Parameter("name", "what the file is called"),),
        response_example=_FILE,
    ),
    Route(
        method="GET",
        path="/api/v1/files/{file}",
        handler=files.get,
        action=Action.READ_FILE,
        summary="Read the description of a file",
        response=FileAnswer,
        refusals=(404,),
        response_example=_FILE,
    ),
    Route(
        method="GET",
        path="/api/v1/files/{file}/content",
        handler=files.get_content,
        action=Action.READ_FILE,
        summary="Read a file",
        response_type=OCTETS,
        refusals=(404,),
    ),
)
