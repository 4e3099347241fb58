"""What the supervisor tells a child process at its start."""

import msgspec
import pytest

from node.processes.order import Order
from node.settings import Http, Settings, TrustedNetworks


def test_an_order_arrives_as_it_was_given_in_one_line() -> None:
    settings = Settings(workers=3, http=Http(trusted_proxies=TrustedNetworks.parse("10.0.0.0/8")))
    order = Order("worker-0", settings, "postgresql://u:p\n产品@h/d", 8080)
    line = order.line()
    assert line.count(b"\n") == 1
    assert Order.read(line) == order


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"process":"worker-0"'])
def test_anything_else_is_no_order(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        Order.read(line)
