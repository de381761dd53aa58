"""Read a large window of flow logs in a fresh process and print what it took; run by test_log_memory."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from tailscale_sdk import AsyncTailscale, Tailscale
from tailscale_sdk.transport.log_records import RecordReader
from tests.contract.log_server import OK, Line, LogServer, flow

WINDOW = {"start": "2026-07-01T00:00:00Z", "end": "2026-07-02T00:00:00Z"}
MEGABYTE = 1_000_000


def endless_flows(size: int) -> Iterable[bytes]:
    """Write an answer of about this many bytes, block by block; blanks in it make many bytes cheap to parse."""
    connections = flow(0)["virtualTraffic"] * 6
    block = ",".join(
        json.dumps(flow(number, virtualTraffic=connections), indent=8) for number in range(100)
    ).encode()
    yield b'{"logs":['
    sent = 0
    while sent < size:
        # Every block has nodes of its own.
        yield (b"," if sent else b"") + block.replace(b"nDEMO", b"nDEMO%d" % sent)
        sent += len(block)
    yield b"]}"


def serve(size: int) -> Callable[[Line], None]:
    """Answer with about this many bytes; their end is the end of the connection."""

    def answer(line: Line) -> None:
        line.send(f"{OK}\r\n".encode())
        for block in endless_flows(size):
            line.send(block)

    return answer


def read_dictionaries(url: str) -> int:
    """Count dictionaries, without a client."""
    reader, count, body = RecordReader({}), 0, False
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while chunk := connection.recv(65_536):
            if not body:
                body, chunk = True, chunk.partition(b"\r\n\r\n")[2]
            count += sum(
                record["nodeId"].startswith("nDEMO") for part in reader.feed(chunk) for record in part
            )
    reader.finish()
    return count


def read_models(url: str) -> int:
    """Count models of the synchronous client, and read what is nested in them."""
    with Tailscale(api_key="tskey-api-demo", base_url=url) as client:
        return sum(len(record.virtual_traffic) == 6 for record in client.logging.iter_network_logs(**WINDOW))


def read_models_asynchronously(url: str) -> int:
    """Count models of the asynchronous client."""

    async def read() -> int:
        count = 0
        async with AsyncTailscale(api_key="tskey-api-demo", base_url=url) as client:
            async for record in client.logging.iter_network_logs(**WINDOW):
                count += len(record.virtual_traffic) == 6
        return count

    return asyncio.run(read())


READERS = {
    "dictionaries": read_dictionaries,
    "models": read_models,
    "asynchronous": read_models_asynchronously,
}


def peak_bytes() -> int:
    """Return the largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(reader: str, megabytes: int) -> None:
    """Read a little, look at the memory, read much, look again."""
    read = READERS[reader]
    with LogServer(serve(MEGABYTE), serve(megabytes * MEGABYTE)) as server:
        read(server.url)
        before, started = peak_bytes(), time.monotonic()
        records = read(server.url)
    told = {"records": records, "growth": peak_bytes() - before, "seconds": time.monotonic() - started}
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
