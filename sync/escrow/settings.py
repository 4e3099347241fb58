"""What deposits need to be told: for which prefixes, under which keys, and where to."""

from pathlib import Path

import msgspec


class EscrowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of deposits.

    Files are PEM. With `directory` deposits are put there, else to the SFTP server, whose `host_key` is pinned.
    `default_template` is told as the template of identifiers without one, as in reports.
    """

    dsn: str
    prefixes: tuple[str, ...] = ()
    platform_key_file: Path | None = None
    private_key_file: Path | None = None
    sftp_host: str = ""
    sftp_port: int = 22
    sftp_path: str = "upload"
    sftp_user: str = ""
    sftp_password_file: Path | None = None
    sftp_key_file: Path | None = None
    sftp_host_key: str = ""
    directory: Path | None = None
    work_dir: Path = Path("escrow/data")
    backup_dir: Path = Path("escrow/backup")
    own_copy: bool = True
    default_template: str | None = None


class Sizes(msgspec.Struct, frozen=True):
    """Octets of one encrypted group and of one volume, fixed by the profile; smaller ones are for tests."""

    group: int = 268_435_456
    volume: int = 1_073_741_824
