"""What can go wrong between a command and its node, each with the exit code that scripts see."""


class ClientError(Exception):
    """A command cannot go on; the message is one line that says what was wrong, where, and what to do."""

    exit_code = 1


class UsageError(ClientError):
    """An argument, a file or a setting is unusable; running again unchanged would fail again."""

    exit_code = 2


class RefusedError(ClientError):
    """The node answered, and its answer is no. `status` is the HTTP status, `code` the problem's code if it has one."""

    exit_code = 4

    def __init__(self, message: str, *, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class UnavailableError(ClientError):
    """The node cannot be reached or cannot answer now; the same request may succeed later.

    `retry_after_s` is the node's own wish (Retry-After, RFC 9110 10.2.3); None when it named none.
    """

    exit_code = 4

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
