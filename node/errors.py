"""The reasons for which a node cannot start or go on, each with the exit code that scripts can trust."""


class NodeError(Exception):
    """The node cannot do this; the message says what was wrong, where, and what to do."""

    exit_code = 1


class SettingsError(NodeError):
    """A setting or an argument is wrong."""

    exit_code = 2


class DataDirectoryError(NodeError):
    """The data directory cannot be written, is damaged, or belongs to another running node."""

    exit_code = 3


class AddressError(NodeError):
    """The public address cannot be listened on."""

    exit_code = 4


class DatabaseError(NodeError):
    """PostgreSQL cannot be started, reached or migrated, or is too old."""

    exit_code = 5


class ReadinessError(NodeError):
    """A process of the node did not become ready in time, or cannot stay alive."""

    exit_code = 6
