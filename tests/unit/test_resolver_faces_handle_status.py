"""From Handle response codes to HTTP statuses, and the error form (Handle over HTTP, 6)."""

import pytest

from resolver.faces.handle_answer import error_body, status_of, write_status_of

OF_RESOLUTION = {
    1: 200,
    2: 500,
    3: 503,
    4: 400,
    5: 501,
    6: 500,
    7: 503,
    100: 404,
    101: 409,
    102: 400,
    200: 200,
    201: 409,
    202: 400,
    300: 500,
    301: 400,
    302: 300,
    303: 300,
    400: 403,
    401: 403,
    402: 403,
    403: 403,
    404: 403,
    405: 500,
    406: 500,
    500: 500,
    501: 500,
    502: 500,
    505: 500,
    999: 500,
}


@pytest.mark.parametrize(("code", "status"), OF_RESOLUTION.items())
def test_each_code_has_its_status(code: int, status: int) -> None:
    assert status_of(code) == status
    assert status_of(code, secure=True) == (401 if code == 402 else status)
    assert write_status_of(code) == (400 if code == 200 else status)
    assert write_status_of(code, secure=True) == (400 if code == 200 else status_of(code, secure=True))


def test_the_error_form_has_what_there_is_in_its_order() -> None:
    assert error_body(100) == b'{"responseCode":100}'
    assert error_body(100, "1/2") == b'{"responseCode":100,"handle":"1/2"}'
    assert error_body(4, "1/轴", 'no "x"') == '{"responseCode":4,"message":"no \\"x\\"","handle":"1/轴"}'.encode()
