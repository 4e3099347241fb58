"""What the node's settings say about deposits, as `sync.escrow` takes it."""

from pathlib import Path

from node.settings import Settings
from sync.escrow.settings import EscrowSettings


def escrow_settings(settings: Settings, dsn: str) -> EscrowSettings:
    """Return the settings of deposits; without prefixes none is made."""
    escrow = settings.escrow
    return EscrowSettings(
        dsn=dsn,
        prefixes=tuple(prefix.strip() for prefix in escrow.prefixes.split(",") if prefix.strip()),
        platform_key_file=_path(escrow.platform_key_file),
        private_key_file=_path(escrow.private_key_file),
        sftp_host=escrow.sftp_host,
        sftp_port=escrow.sftp_port,
        sftp_path=escrow.sftp_path,
        sftp_user=escrow.sftp_user,
        sftp_password_file=_path(escrow.sftp_password_file),
        sftp_key_file=_path(escrow.sftp_key_file),
        sftp_host_key=escrow.sftp_host_key,
        directory=_path(escrow.directory),
        work_dir=_path(escrow.work_dir) or settings.data_dir / "escrow" / "data",
        backup_dir=_path(escrow.backup_dir) or settings.data_dir / "escrow" / "backup",
        own_copy=escrow.own_copy,
        default_template=settings.sync.default_template or None,
    )


def _path(written: str) -> Path | None:
    return Path(written) if written else None
