"""Addresses as settings write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.addresses import HostPort, masked_dsn


@pytest.mark.parametrize(
    ("text", "host", "port", "url"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, "http://127.0.0.1:8080"),
        ("localhost:0", "localhost", 0, "http://localhost:0"),
        ("[::1]:65535", "::1", 65535, "http://[::1]:65535"),
        ("0.0.0.0:80", "0.0.0.0", 80, "http://127.0.0.1:80"),
        ("[::]:80", "::", 80, "http://[::1]:80"),
    ],
)
def test_a_host_and_a_port_are_read(text: str, host: str, port: int, url: str) -> None:
    address = HostPort(text)
    assert (address.host, address.port, address.local_url) == (host, port, url)
    assert address.with_port(1).port == 1


@pytest.mark.parametrize(
    "text", ["", "8080", "localhost", ":8080", "h:65536", "h:-1", "::1:80", "a b:80", "h:80/", "h:8 0"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        HostPort(text)


@given(st.text(max_size=300))
def test_reading_either_keeps_the_text_or_refuses_it(text: str) -> None:
    try:
        address = HostPort(text)
    except ValueError:
        return
    assert str(address) == text
    assert 0 <= address.port <= 65535


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("", ""),
        ("postgresql://h/db", "postgresql://h/db"),
        ("postgresql://u:hunter2@h:5432/db", "postgresql://u:***@h:5432/db"),
        ("postgresql://u:hun@ter2@h/db", "postgresql://u:***@h/db"),
        ("postgresql://h/db?user=u&password=hunter2&host=/a", "postgresql://h/db?user=u&password=***&host=/a"),
        ("postgresql://u@/db?PassWord=hunter2", "postgresql://u@/db?PassWord=***"),
        ("postgresql://[broken:hunter2@h/db", "***"),
    ],
)
def test_a_database_address_is_shown_without_its_password(dsn: str, shown: str) -> None:
    assert masked_dsn(dsn) == shown


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=20))
def test_no_password_is_shown_in_either_place(password: str) -> None:
    shown = masked_dsn(f"postgresql://u:{password}@h/d?password={password}&x=1")
    assert shown == "postgresql://u:***@h/d?password=***&x=1"
