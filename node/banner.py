"""What a person sees when the node is ready."""

from pathlib import Path


def banner(*, url: str, handle: str, token_file: Path, token: str | None, data_dir: Path, database: str) -> str:
    """Return the lines; `token` only on the first start, when it is shown this once."""
    lines = [
        "",
        f"  The node is ready at {url}",
        "",
        f"  API description      {url}/api/v1/openapi.json",
        f"  Browse the API       {url}/api/v1/docs",
        f"  Handle protocol      {handle}, TCP and UDP",
        f"  Data                 {data_dir}",
        f"  Database             {database}",
    ]
    if token is not None:
        lines += [
            f"  Administrator token  {token}",
            f"                       (kept in {token_file}; commands on this host read it there)",
        ]
    elif token_file.exists():
        lines.append(f"  Administrator token  in {token_file}")
    else:
        lines.append("  Administrator token  not here: it was made by the first node on this database")
    return "\n".join([*lines, "", "  Stop it with Ctrl-C.", ""])
