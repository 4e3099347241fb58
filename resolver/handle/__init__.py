"""The Handle protocol over TCP and UDP: the same lookup and replica as HTTP, in the octets of its own clients."""
