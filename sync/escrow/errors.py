"""What can go wrong with a deposit, each with the exit code of the command line (docking contract 7.2 and 7.4)."""

from typing import ClassVar


class EscrowError(Exception):
    """A deposit was not handed in, or cannot be used; the text says what, where, and what to do."""

    exit_code: ClassVar[int] = 255


class NoEntry(EscrowError):  # noqa: N818 - named by what is missing
    """The prefix has no escrow entry in the configuration."""

    exit_code = 1


class ConfigurationUnusable(EscrowError):  # noqa: N818 - says what is wrong with the settings, as its name does
    """A setting or key file that deposits need is missing or wrong."""

    exit_code = 2


class DatabaseFailed(EscrowError):  # noqa: N818 - says what failed
    """The database cannot be reached, or cannot take what is restored."""

    exit_code = 3


class PackagingFailed(EscrowError):  # noqa: N818 - says what failed
    """The XML or the files could not be made or read."""

    exit_code = 4


class CryptographyFailed(EscrowError):  # noqa: N818 - says what failed
    """A signature is wrong, or a ciphertext was not made for the key."""

    exit_code = 5


class ConnectionFailed(EscrowError):  # noqa: N818 - says what failed
    """The SFTP server cannot be reached, is not the pinned one, or does not let us in."""

    exit_code = 6


class UploadIncomplete(EscrowError):  # noqa: N818 - says what failed
    """Not every file arrived; the next run goes on where this one ended."""

    exit_code = 7


class VerificationFailed(EscrowError):  # noqa: N818 - says what failed
    """Files do not agree with their manifest, their content, or each other."""

    exit_code = 8
