"""Which transport the settings name, ready to be used."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Final, Literal

from identifiers.signing_keys import KeyUnusable, PublicKey
from sync.discovery import Configured, Discovery, ServiceRecords
from sync.key_files import load_private, load_public
from sync.settings import SyncSettings, Upstream
from sync.transport import Transport
from sync.transports.directory import LocalDirectory
from sync.transports.files import FilesTransport
from sync.transports.http import HttpTransport
from sync.transports.second import WithSecond
from sync.transports.sftp import SftpDirectory
from sync.transports.tls import TlsUnusable, client_context

COLLECTOR_KEY_ID: Final = "0#collector"
"""Stands for the key id of the collector's key, which is pinned by its file whatever the collector calls it."""


class UpstreamUnusable(Exception):  # noqa: N818 - says what is wrong with the settings, as its name does
    """The way to the collector cannot be opened with these settings; the message says what to change."""


def open_transport(settings: SyncSettings, random: Random, now: Callable[[], datetime]) -> Transport:
    """Make the transport inside the running event loop; raises UpstreamUnusable. Nothing is connected yet."""
    upstream = settings.upstream
    try:
        if upstream.transport != "https":
            return _files(settings, upstream.transport)
        if upstream.second == "none":
            return _https(settings, random, now)
        return WithSecond(_https(settings, random, now), _files(settings, upstream.second), now)
    except (KeyUnusable, TlsUnusable) as error:
        raise UpstreamUnusable(str(error)) from error


def _files(settings: SyncSettings, name: Literal["sftp", "file"]) -> FilesTransport:
    upstream = settings.upstream
    place = SftpDirectory.configured(upstream) if name == "sftp" else LocalDirectory(_required(upstream.directory))
    return FilesTransport(place, settings.reporter, name=name)


def _https(settings: SyncSettings, random: Random, now: Callable[[], datetime]) -> HttpTransport:
    upstream = settings.upstream
    key = None if upstream.sign_key_file is None else load_private(upstream.sign_key_file, upstream.key_id)
    if key is not None and key.key_id.partition("#")[0] != settings.reporter:
        raise UpstreamUnusable(f"the key id {key.key_id} must begin with the reporter's prefix, {settings.reporter}#")
    tls = None
    if upstream.tls_ca_file is not None or upstream.tls_certificate_file is not None:
        tls = client_context(upstream.tls_ca_file, upstream.tls_certificate_file, upstream.tls_key_file)
    return HttpTransport(
        _discovery(settings, random),
        settings.reporter,
        token=settings.token,
        key=key,
        collector_key=_collector_key(upstream),
        tls=tls,
        policy=replace(settings.retry),
        random=random,
        now=now,
        parallel_max=settings.limits.max_parallel,
        answer_timeout_s=settings.answer_timeout_s,
    )


def _discovery(settings: SyncSettings, random: Random) -> Discovery:
    if settings.upstream.srv:
        return ServiceRecords(settings.upstream.srv, random)
    urls = [url for url in (settings.upstream_url, *settings.upstream.urls) if url]
    if not urls:
        raise UpstreamUnusable("no address of the collector is set: give sync.upstream_url or sync.upstream_srv")
    return Configured(list(dict.fromkeys(urls)))


def _collector_key(upstream: Upstream) -> PublicKey | None:
    if upstream.collector_key_file is None:
        return None
    return load_public(upstream.collector_key_file, COLLECTOR_KEY_ID)


def _required(directory: Path | None) -> Path:
    if directory is None:
        raise UpstreamUnusable("the transport file needs sync.upstream_directory")
    return directory
