"""The Handle protocol as octets: requests and answers in both directions, without sockets and without a clock.

Start at ``tcp`` and ``udp`` for framing, ``message`` for whole messages, ``requests`` and ``answers`` for their bodies,
``replies`` for what a server sends, ``client`` for what a client sends, ``quick`` for the plain resolution. What
cannot be read raises ``identifiers.octets.WireError``, whose ``rc`` is the response code that answers it.
"""
