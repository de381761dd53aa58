"""Throw-away certificates, and listeners that speak TLS or refuse to, on loopback."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import define
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
ANOTHER_NAME = "another.example.com"
PIECE_BYTES = 64 * 1024


def make_certificate(folder: Path, name: str = HOST) -> Path:
    """Write a self-signed certificate with its key into one PEM file.

    Args:
        folder: where.
        name: address or host name it is for.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    try:
        held: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        held = x509.DNSName(name)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([held]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


@define
class Listener:
    """Count what reaches a port.

    Attributes:
        url: its https origin.
        connections: connections on which a request could have been sent: with TLS, after the handshake.
    """

    url: str = ""
    connections: int = 0


@contextmanager
def listen(upstream: str, certificate: Path | None = None) -> Iterator[Listener]:
    """Serve a plain origin, such as a tailnet's, on another port; without a certificate in plain text there too.

    Args:
        upstream: ``http://127.0.0.1:PORT``, to which everything is passed on.
        certificate: PEM file with certificate and key.
    """
    listener, ready, stop = Listener(), threading.Event(), threading.Event()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    work = _serve(listener, int(upstream.rpartition(":")[2]), context, ready, stop)
    thread = threading.Thread(target=asyncio.run, args=(work,), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield listener
    finally:
        stop.set()
        thread.join(10)


async def _serve(
    listener: Listener,
    port: int,
    context: ssl.SSLContext | None,
    ready: threading.Event,
    stop: threading.Event,
) -> None:
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.connections += 1
        task = asyncio.get_running_loop().create_task(_tunnel(reader, writer, port))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, HOST, 0, ssl=context)
    listener.url = f"https://{HOST}:{server.sockets[0].getsockname()[1]}"
    ready.set()
    await asyncio.to_thread(stop.wait)
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.wait_closed()


async def _tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    back, forth = await asyncio.open_connection(HOST, port)
    try:
        await asyncio.gather(_pass_on(reader, forth), _pass_on(back, writer))
    finally:
        for end in (writer, forth):
            end.transport.abort()
            with suppress(OSError):
                await end.wait_closed()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
        writer.close()
