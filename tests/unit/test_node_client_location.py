"""Finding the node to talk to."""

from pathlib import Path

import orjson
import pytest

from node.client.errors import UnavailableError, UsageError
from node.client.location import locate_node

LOCAL = "http://127.0.0.1:8080"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Make a directory in which a local node runs."""
    (tmp_path / "run").mkdir()
    node = {"url": LOCAL, "pid": 1, "token_file": str(tmp_path / "admin-token"), "more": [1]}
    (tmp_path / "run" / "node.json").write_bytes(orjson.dumps(node))
    (tmp_path / "admin-token").write_text("idn_local\n")
    return tmp_path


def test_the_running_local_node_is_found_with_its_token(data_dir: Path) -> None:
    node = locate_node(None, None, data_dir)
    assert (node.url, node.token, node.anonymous().token) == (LOCAL, "idn_local", None)


def test_a_given_token_comes_before_the_local_one(data_dir: Path) -> None:
    assert locate_node(None, "idn_mine", data_dir).token == "idn_mine"


def test_the_local_token_is_used_for_the_local_node_and_never_sent_elsewhere(data_dir: Path) -> None:
    assert locate_node(LOCAL + "/", None, data_dir).token == "idn_local"
    assert locate_node("http://127.0.0.1:8081", None, data_dir).token is None
    assert locate_node("https://node.example.org/idnode/", "idn_x", data_dir).url == "https://node.example.org/idnode"


def test_a_node_that_leaves_its_token_elsewhere_is_followed_there(data_dir: Path) -> None:
    (data_dir / "secret").write_text("idn_elsewhere")
    (data_dir / "admin-token").unlink()
    node = {"url": LOCAL, "token_file": str(data_dir / "secret")}
    (data_dir / "run" / "node.json").write_bytes(orjson.dumps(node))
    assert locate_node(None, None, data_dir).token == "idn_elsewhere"


def test_without_a_token_file_the_node_is_asked_anonymously(data_dir: Path) -> None:
    (data_dir / "admin-token").unlink()
    assert locate_node(None, None, data_dir).token is None


def test_without_a_running_node_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=f"no running node found in {tmp_path}; start one with `idnode serve`"):
        locate_node(None, None, tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"url":7}', b"\xff", b'{"url":"\xff"}'])
def test_a_damaged_node_file_is_told_with_the_way_around_it(data_dir: Path, content: bytes) -> None:
    (data_dir / "run" / "node.json").write_bytes(content)
    with pytest.raises(UsageError, match="pass --url and --token instead"):
        locate_node(None, None, data_dir)
    assert locate_node(LOCAL, None, data_dir).token is None


@pytest.mark.parametrize(
    "url",
    ["", "8080", "127.0.0.1:8080", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://x?y", "http://["],
)
def test_what_is_no_address_of_a_node_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="is not the address of a node"):
        locate_node(url, None, tmp_path)
