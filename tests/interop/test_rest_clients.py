"""Programs that keep handles over HTTP, each as its authors wrote it, against a running node.

Every test is one program of the field: the requests it sends, with what its HTTP library adds, and what it reads.
"""

import asyncio
import json
import ssl
import string
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import choice, token_bytes
from typing import Any
from urllib.parse import quote_plus

import pytest
import pytest_asyncio
import requests
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from requests.auth import HTTPBasicAuth

from tests.certificates import certificate_pem, key_pem, new_key, write_pair
from tests.handle_stack import ADMIN, PREFIX, SECRET, SERVICE
from tests.interop.classic_octets import NotAccepted
from tests.interop.reachable_node import KEEPER, Node, running_node
from tests.interop.web_admin import WebAdmin

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = {"index": 1, "type": "URL", "data": {"format": "string", "value": "https://example.com/1"}}
KEEPER_ID = f"{KEEPER.index}:{KEEPER.handle}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    async with running_node(shared_registry_database, tmp_path_factory.mktemp("rest")) as made:
        yield made


async def calling(call: Any, *arguments: Any, **named: Any) -> Any:
    """Call what blocks beside the node's event loop."""
    return await asyncio.to_thread(call, *arguments, **named)


def server(node: Node) -> str:
    return f"https://127.0.0.1:{node.https_port}"


def certificate(node: Node, directory: Path) -> tuple[str, str]:
    """Write the keeper's certificate and key as their files are handed out."""
    paths = write_pair(directory, node.key, certificate_pem(node.key, KEEPER_ID), "300_USER01")
    return str(paths[0]), str(paths[1])


def admin(index: int = 100, permissions: str = "011111110011", **more: Any) -> dict[str, Any]:
    value = {"handle": KEEPER.handle, "index": KEEPER.index, "permissions": permissions, **more}
    return {"index": index, "type": "HS_ADMIN", "data": {"format": "admin", "value": value}}


def proof_header(node: Node, session_id: str, nonce: str, cnonce: bytes, separator: str = ", ") -> str:
    signature = node.key.sign(b64decode(nonce) + cnonce, padding.PKCS1v15(), SHA256())
    fields = {
        "sessionId": session_id,
        "id": KEEPER_ID,
        "type": "HS_PUBKEY",
        "cnonce": b64encode(cnonce).decode(),
        "alg": "SHA256",
        "signature": b64encode(signature).decode(),
    }
    return "Handle " + separator.join(f'{name}="{text}"' for name, text in fields.items())


async def test_a_session_is_authenticated_by_a_certificate_that_is_named_with_it(node: Node, tmp_path: Path) -> None:
    plain = ssl.create_default_context(cafile=node.certificate)
    showing = ssl.create_default_context(cafile=node.certificate)
    showing.load_cert_chain(*certificate(node, tmp_path))

    def ask(method: str, path: str, context: ssl.SSLContext = plain, authorization: str = "") -> tuple[int, Any]:
        headers = {"Authorization": authorization} if authorization else {}
        request = urllib.request.Request(server(node) + path, method=method, headers=headers)  # noqa: S310 - the node of the test
        with urllib.request.urlopen(request, context=context) as answer:  # noqa: S310 - as above
            body = answer.read()
            return answer.status, json.loads(body) if body else None

    def work() -> None:
        status, session = ask("POST", "/api/sessions")
        assert (status, sorted(session)) == (201, ["nonce", "sessionId"])
        mine = f'Handle sessionId="{session["sessionId"]}"'
        status, shown = ask(
            "PUT", "/api/sessions/this", showing, f'Handle clientCert="true", sessionId="{session["sessionId"]}"'
        )
        assert (status, shown["authenticated"], shown["id"]) == (200, True, KEEPER_ID)
        status, page = ask("GET", f"/api/handles?prefix={PREFIX}&page=0&pageSize=2", authorization=mine)
        assert (status, page["page"], page["pageSize"], len(page["handles"])) == (200, 0, 2, 2)
        assert int(page["totalCount"]) >= 2
        assert ask("GET", f"/api/handles?prefix={PREFIX}&page=0&pageSize=0", authorization=mine)[1]["handles"] == []
        assert ask("GET", f"/api/handles/{KEEPER.handle}", authorization=mine)[1]["responseCode"] == 1
        assert ask("DELETE", "/api/sessions/this", authorization=mine) == (204, None)
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            ask("GET", f"/api/handles?prefix={PREFIX}", authorization=mine)
        refused.value.close()

    await calling(work)


async def test_a_session_is_made_by_a_certificate_and_carried_on_without_it(node: Node, tmp_path: Path) -> None:
    pair = certificate(node, tmp_path)

    def work() -> list[int]:
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(node.certificate)
            session.headers["Content-Type"] = "application/json"
            session.headers["Authorization"] = 'Handle clientCert="true"'
            made = session.post(f"{server(node)}/api/sessions", cert=pair)
            made.raise_for_status()
            session.headers["Authorization"] = f"Handle sessionId={made.json()['sessionId']}"
            place = f"{server(node)}/api/handles/{PREFIX}/1.0123456789abcdef"
            answers = [session.put(place, json={"values": [URL, admin()]}) for _ in range(2)]
            assert [answer.json()["handle"] for answer in answers] == [f"{PREFIX}/1.0123456789abcdef"] * 2
            answers.append(session.delete(place))
            answers.append(session.delete(f"{server(node)}/api/sessions/this"))
            answers.append(session.put(place, json={"values": [URL, admin()]}))
            return [answer.status_code for answer in answers]

    assert await calling(work) == [201, 200, 200, 204, 401]


async def test_a_certificate_of_another_key_makes_no_session_anybodys(node: Node, tmp_path: Path) -> None:
    key = new_key()
    paths = write_pair(tmp_path, key, certificate_pem(key, KEEPER_ID), "forged")
    pair = str(paths[0]), str(paths[1])

    def work() -> list[tuple[int, Any]]:
        url, verify = f"{server(node)}/api/sessions", str(node.certificate)
        made = requests.post(url, verify=verify, timeout=10).json()
        said = f'Handle clientCert="true", sessionId="{made["sessionId"]}"'
        answers = [
            requests.post(
                url, cert=pair, verify=verify, headers={"Authorization": 'Handle clientCert="true"'}, timeout=10
            ),
            requests.put(f"{url}/this", cert=pair, verify=verify, headers={"Authorization": said}, timeout=10),
            requests.get(f"{url}/this", verify=verify, headers={"Authorization": said}, timeout=10),
        ]
        return [(answer.status_code, answer.json().get("authenticated")) for answer in answers]

    assert await calling(work) == [(401, None), (401, None), (200, None)]


async def test_a_name_is_minted_in_a_session_that_began_with_a_nonce_of_the_client(node: Node) -> None:
    def work() -> str:
        letters = "".join(choice(string.ascii_letters + string.digits) for _ in range(16))
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        verify = str(node.certificate)
        begun = requests.post(
            f"{server(node)}/api/sessions",
            headers={**headers, "Authorization": f'Handle cnonce="{letters}"'},
            verify=verify,
            timeout=10,
        ).json()
        said = proof_header(node, begun["sessionId"], begun["nonce"], b64decode(letters), ",")
        place = f"{server(node)}/api/sessions/this"
        known = requests.put(place, headers={**headers, "Authorization": said}, verify=verify, timeout=10).json()
        assert known["authenticated"] is True
        mine = {**headers, "Authorization": f'Handle sessionId="{begun["sessionId"]}"'}
        place = f"{server(node)}/api/handles/{KEEPER.handle}/?overwrite=false&mintNewSuffix=true"
        minted = requests.put(place, headers=mine, json=[URL], verify=verify, timeout=10)
        assert minted.status_code == 201
        return str(minted.json()["handle"])

    assert (await calling(work)).startswith(f"{KEEPER.handle}/")


async def test_one_nonce_of_the_server_serves_many_proofs(node: Node) -> None:
    def work() -> list[int]:
        verify, url = str(node.certificate), f"{server(node)}/api/sessions"
        begun = requests.post(url, headers={"Authorization": "Handle version=0"}, verify=verify, timeout=10).json()
        session_id, nonce = begun["sessionId"], begun["nonce"]
        known = requests.post(f"{url}/this", headers=said(session_id, nonce), verify=verify, timeout=10)
        mine = {"Authorization": f'Handle sessionId="{session_id}"'}
        state = requests.get(f"{url}/this", headers=mine, verify=verify, timeout=10).json()
        assert (state["sessionId"], state["nonce"]) == (session_id, nonce)
        locations = '<locations><location href="https://example.com/" weight="1"/></locations>'
        where = {"index": 1000, "type": "10320/loc", "data": {"format": "string", "value": locations}}
        place = f"{server(node)}/api/handles/{PREFIX}/located"
        body = json.dumps({"values": [admin(), where]})
        missing = requests.get(place, verify=verify, timeout=10)
        put = [requests.put(place, data=body, headers=said(session_id, nonce), verify=verify, timeout=10) for _ in "12"]
        return [answer.status_code for answer in (known, missing, *put)]

    def said(session_id: str, nonce: str) -> dict[str, str]:
        header = proof_header(node, session_id, nonce, token_bytes(16))
        return {"Content-Type": "application/json", "Authorization": header}

    assert await calling(work) == [200, 404, 201, 200]


async def test_a_session_begun_with_no_body_at_all_keeps_names_and_lists_them(node: Node) -> None:
    def work() -> None:
        with requests.Session() as http:
            http.trust_env = False
            http.verify = str(node.certificate)
            http.headers.clear()
            begun = http.post(f"{server(node)}/api/sessions").json()
            said = proof_header(node, begun["sessionId"], begun["nonce"], token_bytes(16))
            known = http.put(f"{server(node)}/api/sessions/this", headers={"Authorization": said}).json()
            assert (known["authenticated"], known["id"]) == (True, KEEPER_ID)
            http.headers["Authorization"] = f'Handle sessionId="{begun["sessionId"]}"'
            values = json.dumps({"values": [admin(permissions="110001110011"), URL]})
            typed = {"Content-Type": "application/json; charset=utf-8"}
            place = f"{server(node)}/api/handles/{PREFIX}"
            minted = http.put(f"{place}/test-?mintNewSuffix=true", data=values, headers=typed)
            assert minted.status_code == 201
            name = minted.json()["handle"]
            assert name.startswith(f"{PREFIX}/test-")
            assert len(http.get(f"{server(node)}/api/handles/{name}").json()["values"]) == 2
            assert name in http.get(f"{server(node)}/api/handles?prefix={PREFIX}").json()["handles"]
            gone = http.delete(f"{server(node)}/api/handles/{name}")
            assert (gone.status_code, gone.json()) == (200, {"responseCode": 1, "handle": name})

    await calling(work)


@pytest.mark.parametrize("said", ['Handle clientCert="true"', "Handle clientCert=true", None])
async def test_records_are_put_with_a_certificate_however_it_is_announced(
    node: Node, tmp_path: Path, said: str | None
) -> None:
    pair = certificate(node, tmp_path)

    def work() -> list[int]:
        headers = {} if said is None else {"Authorization": f'{said}, renegotiate="true"' if '"' in said else said}
        place = f"{server(node)}/api/handles/{PREFIX}/by-certificate"
        old = {"index": 1, "type": "URL", "data": "www.example.com"}
        body = {"values": [admin(format="admin"), old]}
        how: dict[str, Any] = {"headers": headers, "cert": pair, "verify": str(node.certificate)}
        answers = [requests.put(place, json=body, timeout=10, **how)]
        answers += [requests.delete(place + query, timeout=10, **how) for query in ("?index=1", "")]
        return [answer.status_code for answer in answers]

    assert await calling(work) == [201, 200, 200]


async def test_values_are_kept_by_basic_with_everything_in_the_user_encoded(node: Node) -> None:
    who = HTTPBasicAuth(quote_plus(f"{ADMIN.index}:{ADMIN.handle}"), quote_plus(SECRET.decode()).replace("+", " "))
    place = f"{server(node)}/api/handles/{PREFIX}/by-basic"

    def ask(method: str, query: str = "", body: Any = None) -> tuple[int, int]:
        typed = {"Content-Type": "application/json"} if method == "put" else {}
        answer = getattr(requests, method)(
            place + query,
            data=None if body is None else json.dumps(body),
            auth=who,
            headers=typed,
            verify=str(node.certificate),
            timeout=10,
        )
        return answer.status_code, answer.json()["responseCode"]

    def work() -> list[tuple[int, int]]:
        note = {"index": 2, "type": "NOTE", "data": {"format": "string", "value": "轴承"}}
        mine = {"index": 100, "type": "HS_ADMIN"}
        user = {"handle": ADMIN.handle, "index": str(ADMIN.index), "permissions": "011111110011"}
        mine["data"] = {"format": "admin", "value": user}
        return [
            ask("put", "?overwrite=false", {"values": [URL, mine]}),
            ask("put", "?overwrite=false", {"values": [URL, mine]}),
            ask("put", "?index=various", {"values": [note]}),
            ask("put", "?index=2&overwrite=true", [note]),
            ask("put", "?index=2&overwrite=False", {"values": [note]}),
            ask("put", "?index=3", {"values": [note]}),
            ask("get", "?index=2"),
            ask("get", "?type=PHONE"),
            ask("delete", "?index=2"),
            ask("delete", "?index=2"),
            ask("delete"),
            ask("delete"),
            ask("get"),
        ]

    assert await calling(work) == [
        (201, 1), (409, 101), (201, 1), (200, 1), (409, 201), (400, 4), (200, 1), (200, 200),
        (200, 1), (400, 200), (200, 1), (404, 100), (404, 100),
    ]  # fmt: skip


@pytest.mark.parametrize("media_type", [None, "application/x-www-form-urlencoded", "text/plain", "application/xml"])
async def test_a_body_that_is_not_said_to_be_json_is_refused_in_json(node: Node, media_type: str | None) -> None:
    def work() -> tuple[int, Any]:
        answer = requests.put(
            f"{server(node)}/api/handles/{PREFIX}/untyped",
            data=json.dumps([URL]).encode(),
            auth=(f"{ADMIN.index}%3A{ADMIN.handle}", SECRET.decode()),
            headers={} if media_type is None else {"Content-Type": media_type},
            verify=str(node.certificate),
            timeout=10,
        )
        return answer.status_code, answer.json()

    status, body = await calling(work)
    assert (status, body["responseCode"]) == (400, 4)
    assert body["message"].startswith("Unsupported media type")


async def test_the_page_of_the_classic_servers_administers_from_a_browser(node: Node) -> None:
    def work() -> None:
        site = requests.get(f"{server(node)}/api/site", verify=str(node.certificate), timeout=10).json()
        by_key = WebAdmin(server(node), str(node.certificate), KEEPER_ID, node.key)
        service = f"{SERVICE.index}:{SERVICE.handle}"
        by_secret = WebAdmin(server(node), str(node.certificate), service, SECRET)
        for page in (by_key, by_secret):
            page.log_in(site.get("site", site))
        name = f"{PREFIX}/paged"
        place = f"/api/handles/{name}"
        made = {"handle": name, "values": [admin(), URL]}
        created = by_key.ask("PUT", f"{place}?overwrite=false", by_key.known, made)
        assert created == {"responseCode": 1, "handle": name}
        with pytest.raises(NotAccepted, match="409"):
            by_key.ask("PUT", f"{place}?overwrite=false", by_key.known, made)
        record = by_key.ask("GET", place, by_key.known)
        record["values"][0]["data"]["value"] = "https://example.com/2"
        by_key.ask("PUT", place, by_key.known, record)
        by_key.ask("PUT", f"{place}?index=2", by_key.known, {"handle": name, "values": [{**URL, "index": 2}]})
        assert [value["index"] for value in by_key.ask("GET", place)["values"]] == [1, 2, 100]
        listed = f"/api/handles/?prefix={PREFIX}&page=0&pageSize=20"
        assert name in by_key.ask("GET", listed, by_key.known, typed=True)["handles"]
        with pytest.raises(NotAccepted, match="401"):
            by_key.ask("GET", listed)
        by_secret.ask("POST", "/api/prefixes/88.118.85", by_secret.known, typed=True)
        listed = "/api/prefixes?page=0&pageSize=20"
        assert "0.NA/88.118.85" in by_secret.ask("GET", listed, by_secret.known, typed=True)["prefixes"]
        by_secret.ask("DELETE", "/api/prefixes/88.118.85", by_secret.known, typed=True)
        by_key.ask("DELETE", place, by_key.proved)
        for page in (by_key, by_secret):
            page.ask("DELETE", "/api/sessions/this", page.known)
        with pytest.raises(NotAccepted, match="401"):
            by_key.ask("PUT", place, by_key.known, made)

    await calling(work)


async def test_the_key_file_of_a_client_is_its_pem_file(node: Node, tmp_path: Path) -> None:
    (tmp_path / "admin.pem").write_bytes(key_pem(node.key) + certificate_pem(node.key, KEEPER_ID, as_uid=True))

    def work() -> int:
        how: dict[str, Any] = {"cert": str(tmp_path / "admin.pem"), "verify": str(node.certificate)}
        place = f"{server(node)}/api/handles/{PREFIX}/one-file"
        assert requests.put(place, json=[URL, admin()], timeout=10, **how).status_code == 201
        return requests.delete(place, timeout=10, **how).status_code

    assert await calling(work) == 200
