"""Keep-alive connections for load over HTTP: one outstanding request each, no future and no task per request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtest.connection import Connection
from loadtest.http_messages import AnswerError, AnswerParser, plain_status

if TYPE_CHECKING:
    from loadtest.connection import Owner


class HttpConnection(Connection):
    """One keep-alive connection; the server may end it with an answer ("Connection: close")."""

    __slots__ = ("_parser",)

    def __init__(self, owner: Owner) -> None:
        super().__init__(owner)
        self._parser = AnswerParser()

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's contract
        status = 0 if self._parser.held else plain_status(data)
        intended_ns = self.intended_ns
        if status and intended_ns:
            self.intended_ns = 0
            self._owner.answered(self, status, intended_ns)
        else:
            self._parse(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102 - asyncio's contract
        self._parser = AnswerParser()
        super().connection_lost(exc)

    def _parse(self, data: bytes) -> None:
        try:
            answers = self._parser.feed(data)
            if len(answers) > (1 if self.intended_ns else 0):
                raise AnswerError("the server answered a request that was not sent")  # noqa: TRY301 - one border
        except AnswerError as error:
            self.failure = str(error)
            self._transport.abort()
            return
        for answer in answers:
            self._ending = answer.closes
            intended_ns, self.intended_ns = self.intended_ns, 0
            self._owner.answered(self, answer.status, intended_ns)
            if answer.closes:
                self._transport.close()
