"""pyhandle, the usual Python client of Handle servers, as its users call it, against a running node."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pyhandle.client.resthandleclient import RESTHandleClient
from pyhandle.clientcredentials import PIDClientCredentials
from pyhandle.handleclient import PyHandleClient
from pyhandle.handleexceptions import (
    BrokenHandleRecordException,
    GenericHandleError,
    HandleAlreadyExistsException,
    HandleAuthenticationError,
    HandleNotFoundException,
    ReverseLookupException,
)

from identifiers.handle_wire.keys import public_octets
from identifiers.values import Reference, Value
from tests.certificates import certificate_pem, new_key, write_pair
from tests.handle_stack import ADMIN, PREFIX, SECRET, admin_value
from tests.integration.handle_http_face import Face, running_face

pytestmark = pytest.mark.asyncio(loop_scope="module")

USER = f"{ADMIN.index}:{ADMIN.handle}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def face(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Face]:
    async with running_face(shared_registry_database, tmp_path_factory.mktemp("http"), basic_on_loopback=True) as made:
        yield made


def options(face: Face, **more: Any) -> dict[str, Any]:
    return {
        "handle_server_url": f"https://127.0.0.1:{face.worker.tls_port}",
        "HTTPS_verify": str(face.directory / "server.crt"),
        "handleowner": USER,
        **more,
    }


def with_password(face: Face, password: bytes = SECRET, **more: Any) -> RESTHandleClient:
    arguments = options(face, **more)
    url = arguments.pop("handle_server_url")
    return RESTHandleClient.instantiate_with_username_and_password(url, USER, password.decode(), **arguments)


async def calling(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call what blocks beside the node's event loop."""
    return await asyncio.to_thread(call, *arguments, **named)


async def test_a_record_is_registered_read_changed_and_deleted(face: Face) -> None:
    client = await calling(with_password, face)
    name = f"{PREFIX}/PYHANDLE"
    assert await calling(client.register_handle, name, "https://example.com/1", checksum="abc", AUTHOR="me") == name
    record = await calling(client.retrieve_handle_record, name)
    assert {key: record[key] for key in ("URL", "CHECKSUM", "AUTHOR")} == {
        "URL": "https://example.com/1",
        "CHECKSUM": "abc",
        "AUTHOR": "me",
    }
    assert await calling(client.get_value_from_handle, name, "URL") == "https://example.com/1"
    await calling(client.modify_handle_value, name, URL="https://example.com/2", NEW="added")
    record = await calling(client.retrieve_handle_record, name)
    assert (record["URL"], record["NEW"], record["AUTHOR"]) == ("https://example.com/2", "added", "me")
    await calling(client.delete_handle_value, name, ["AUTHOR", "NEW"])
    assert "AUTHOR" not in await calling(client.retrieve_handle_record, name)
    assert await calling(client.delete_handle, name) == name
    assert await calling(client.retrieve_handle_record_json, name) is None


async def test_what_is_there_is_not_registered_again_unless_that_is_wanted(face: Face) -> None:
    client = await calling(with_password, face)
    name = f"{PREFIX}/AGAIN"
    await calling(client.register_handle, name, "https://example.com/1")
    with pytest.raises(HandleAlreadyExistsException):
        await calling(client.register_handle, name, "https://example.com/2")
    await calling(client.register_handle, name, "https://example.com/2", overwrite=True)
    assert await calling(client.get_value_from_handle, name, "URL") == "https://example.com/2"


async def test_a_record_with_a_generated_name_and_one_of_pairs(face: Face) -> None:
    client = await calling(with_password, face)
    made = await calling(client.generate_and_register_handle, PREFIX, "https://example.com/1")
    assert await calling(client.get_value_from_handle, made, "URL") == "https://example.com/1"
    name = f"{PREFIX}/PAIRS"
    assert await calling(client.register_handle_kv, name, URL="https://example.com/1", NOTE="轴承") == name
    assert await calling(client.get_value_from_handle, name, "NOTE") == "轴承"
    entries = [{"index": 1, "type": "URL", "data": {"format": "string", "value": "https://example.com/3"}}]
    assert await calling(client.register_handle_json, f"{PREFIX}/JSON", entries) == f"{PREFIX}/JSON"


async def test_selected_values_and_private_ones_are_read(face: Face) -> None:
    client = await calling(with_password, face)
    record = await calling(client.retrieve_handle_record_json, ADMIN.handle, indices=[100])
    assert [value["index"] for value in record["values"]] == [100]
    record = await calling(client.retrieve_handle_record_json, ADMIN.handle, auth=True, type="HS_ADMIN")
    assert [value["type"] for value in record["values"]] == ["HS_ADMIN"]


async def test_names_that_are_not_there(face: Face) -> None:
    client = await calling(with_password, face)
    name = f"{PREFIX}/NEVER"
    assert await calling(client.retrieve_handle_record_json, name) is None
    for call in (client.modify_handle_value, client.delete_handle_value):
        with pytest.raises(HandleNotFoundException):
            await calling(call, name, **({"URL": "x"} if call == client.modify_handle_value else {"key": "URL"}))
    with pytest.raises(HandleNotFoundException):
        await calling(client.delete_handle, name)


async def test_who_cannot_prove_who_they_are_changes_nothing(face: Face) -> None:
    wrong = await calling(with_password, face, b"wrong")
    with pytest.raises(HandleAuthenticationError):
        await calling(wrong.register_handle, f"{PREFIX}/WRONG", "https://example.com/1")
    url = options(face)["handle_server_url"]
    reading = await calling(
        RESTHandleClient.instantiate_for_read_access, url, HTTPS_verify=str(face.directory / "server.crt")
    )
    with pytest.raises(HandleAuthenticationError):
        await calling(reading.register_handle, f"{PREFIX}/WRONG", "https://example.com/1")
    with pytest.raises(HandleNotFoundException):
        await calling(with_user, face, f"300:{PREFIX}/NOBODY")


def with_user(face: Face, user: str) -> RESTHandleClient:
    arguments = options(face)
    url = arguments.pop("handle_server_url")
    return RESTHandleClient.instantiate_with_username_and_password(url, user, "x", **arguments)


async def test_a_client_certificate_is_as_good_as_a_password(face: Face, tmp_path: Path) -> None:
    key = new_key()
    user = Reference(f"{PREFIX}/CERTIFIED", 300)
    await face.stack.record(user.handle, Value(300, "HS_PUBKEY", public_octets(key)))
    grants = [admin_value(100, ADMIN), admin_value(101, user)]
    name = f"{PREFIX}/BY-CERTIFICATE"
    await face.stack.record(name, Value(1, "URL", b"https://example.com/1"), *grants)
    certificate, private = write_pair(tmp_path, key, certificate_pem(key, f"300:{user.handle}"), "client")
    client = await calling(
        lambda: RESTHandleClient(**options(face, certificate_only=str(certificate), private_key=str(private)))
    )
    await calling(client.modify_handle_value, name, URL="https://example.com/2")
    assert await calling(client.get_value_from_handle, name, "URL") == "https://example.com/2"
    await calling(client.delete_handle, name)
    assert await calling(client.retrieve_handle_record_json, name) is None


async def test_the_general_client_and_credentials_over_the_loopback_without_tls(face: Face) -> None:
    credentials = PIDClientCredentials(
        client="rest",
        handle_server_url=f"http://127.0.0.1:{face.worker.port}",
        username=USER,
        password=SECRET.decode(),
        prefix=PREFIX,
        handleowner=USER,
    )
    client = await calling(lambda: PyHandleClient("rest").instantiate_with_credentials(credentials))
    name = f"{PREFIX}/GENERAL"
    await calling(client.register_handle, name, "https://example.com/1")
    assert (await calling(client.retrieve_handle_record, name))["URL"] == "https://example.com/1"
    await calling(client.delete_handle, name)


async def test_values_are_added_changed_or_left_as_each_call_says(face: Face) -> None:
    client = await calling(with_password, face)
    name = f"{PREFIX}/CALLS"
    await calling(client.register_handle, name, "https://example.com/1", NOTE="first")
    assert await calling(client.add_handle_value, name, ttl=600, LANGUAGE="zh") == name
    with pytest.raises(GenericHandleError, match="409"):
        await calling(client.add_handle_value, name, NOTE="again")
    assert await calling(client.modify_or_add_handle_value, name, NOTE="second", COLOUR="red") == name
    assert await calling(client.modify_handle_value, name, add_if_not_exist=False, NOTE="third", SIZE="1") == name
    record = await calling(client.retrieve_handle_record, name)
    assert {key: record.get(key) for key in ("NOTE", "LANGUAGE", "COLOUR", "SIZE")} == {
        "NOTE": "third",
        "LANGUAGE": "zh",
        "COLOUR": "red",
        "SIZE": None,
    }
    entries = (await calling(client.retrieve_handle_record_json, name))["values"]
    assert [entry["ttl"] for entry in entries if entry["type"] == "LANGUAGE"] == [600]
    assert [entry["type"] for entry in entries if entry["index"] in _indexes(client, entries)] == ["NOTE"]
    assert await calling(client.delete_handle_value, name, "NOTE") == name
    assert await calling(client.get_value_from_handle, name, "NOTE") is None
    await calling(client.delete_handle, name)


def _indexes(client: RESTHandleClient, entries: list[dict[str, Any]]) -> list[int]:
    return list(client.get_handlerecord_indices_for_key("NOTE", entries))


async def test_every_value_of_a_key_is_deleted_and_two_of_one_key_are_not_changed_blindly(face: Face) -> None:
    client = await calling(with_password, face)
    name = f"{PREFIX}/TWICE"
    url = {"type": "URL", "data": {"format": "string", "value": "https://example.com/1"}}
    await calling(client.register_handle_json, name, [{"index": 1, **url}, {"index": 2, **url}])
    with pytest.raises(BrokenHandleRecordException):
        await calling(client.modify_handle_value, name, URL="https://example.com/2")
    await calling(client.delete_handle_value, name, "URL")
    record = await calling(client.retrieve_handle_record_json, name)
    assert [entry["type"] for entry in record["values"]] == ["HS_ADMIN"]


async def test_names_may_hold_what_addresses_may_not(face: Face) -> None:
    client = await calling(with_password, face)
    for suffix in ("a b", "a+b", "a;b=c", "轴承-1", "a//b", "a&b"):
        name = f"{PREFIX}/{suffix}"
        assert await calling(client.register_handle, name, "https://example.com/1") == name
        assert await calling(client.get_value_from_handle, name, "URL") == "https://example.com/1"
        await calling(client.delete_handle, name)


async def test_a_search_is_told_that_there_is_none(face: Face) -> None:
    arguments = options(face, reverselookup_username=USER, reverselookup_password=SECRET.decode())
    client = await calling(lambda: RESTHandleClient(**arguments))
    with pytest.raises(ReverseLookupException):
        await calling(client.search_handle, URL="*example*")
