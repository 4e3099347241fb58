"""The examples of the documents work, in their order, on a new node."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support import NodeProcess

ROOT = Path(__file__).parents[2]
TOUR = re.compile(r"^<!-- tour -->$(.*?)^<!-- end tour -->$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOUR_S_MAX = 60.0


def blocks(document: str) -> str:
    """Return the examples of a document as one script, for a reader types them all into one shell."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = [block for tour in TOUR.findall(text) for block in BLOCK.findall(tour)]
    assert found, f"{document} has no examples between the marks of a tour"
    return "\n".join(found)


def checkout(directory: Path) -> Path:
    """Make a place like the checkout, where files written beside the samples do no harm."""
    shutil.copytree(ROOT / "tests" / "data", directory / "tests" / "data")
    (directory / ".venv").symlink_to(Path(sys.executable).parents[1])
    return directory


async def run_script(script: str, directory: Path, node: NodeProcess) -> tuple[int, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IDNODE_")}
    own = {"IDNODE_URL": node.url, "IDNODE_TOKEN": node.token, "IDNODE_DATA_DIR": str(node.data_dir)}
    path = {"PATH": f"{Path(sys.executable).parent}:{clean['PATH']}"}
    # -x: what fails is then the last command shown.
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-eux",
        "-o",
        "pipefail",
        "-c",
        script,
        cwd=directory,
        env=clean | path | own,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(TOUR_S_MAX):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.parametrize("document", ["README.md", "docs/api.md"])
async def test_the_examples_run_in_order_on_a_new_node(document: str, tmp_path: Path) -> None:
    script = blocks(document)
    directory = checkout(tmp_path)
    async with NodeProcess(tmp_path / "data") as node:
        code, said = await run_script(script, directory, node)
    assert code == 0, said
