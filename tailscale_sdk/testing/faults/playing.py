"""Faults as they go over the wire: what is written, in which pieces, and how the connection ends."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from attrs import evolve, frozen

from tailscale_sdk.testing.faults.control import SeenRequest
from tailscale_sdk.testing.faults.messages import Answer
from tailscale_sdk.testing.faults.spoiling import filled, spoil
from tailscale_sdk.testing.faults.table import Fault

GARBAGE: Final = b"\x16\x03\x01\x02\x00\x01\x00these bytes are not HTTP\x00\xff\r\n\r\n"
DRIP_BYTES: Final = 50
DRIPS_BEFORE_SILENCE: Final = 4
DRIP_SECONDS: Final = 0.2
MISSING_BYTES: Final = 100
MIB: Final = 1024 * 1024
BOMB_MIB: Final = 128
HUGE_MIB: Final = 80
PIECE_BYTES: Final = 64 * 1024
GZIP_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


@frozen
class Stage:
    """Hold what a fault plays on.

    Attributes:
        reader: what the client sends.
        writer: what the client gets.
        answer: the true answer, or what stands in for it.
        seen: entry of the request; its status is noted before a head is sent.
        sleep: how to wait.
        head_only: the request is a HEAD, its answer has no body.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answer: Answer
    seen: SeenRequest
    sleep: Callable[[float], Awaitable[None]]
    head_only: bool = False

    async def send(self, data: bytes) -> None:
        """Write and wait until it has left."""
        self.writer.write(data)
        await self.writer.drain()

    async def send_part(self, answer: Answer, body: bytes, version: str = "1.1") -> None:
        """Send the head of an answer, with a body of another length than it says, perhaps."""
        self.seen.status = answer.status
        await self.send(answer.head(version) + (b"" if self.head_only else body))

    async def send_whole(self, answer: Answer) -> None:
        """Send an answer as it stands."""
        await self.send_part(answer, answer.body)


Player = Callable[[Stage], Awaitable[bool]]


async def play(stage: Stage, fault: Fault | None, *, inside: bool = False) -> bool:
    """Send an answer with its fault; return whether the connection goes on.

    Args:
        stage: where; its answer is sent as it is when there is no fault.
        fault: what to play.
        inside: strike inside the body of the answer.
    """
    if fault is None or fault.kind in {"status", "redirect", "page"}:
        await stage.send_whole(stage.answer)
        return True
    if inside and fault.kind == "connection":
        await _half(stage)
    if fault.name == "reset":
        return await (_reset_inside(stage) if inside else _reset(stage))
    player = PLAYERS.get(fault.name)
    if player is not None:
        return await player(stage)
    await stage.send_whole(spoil(fault.name, stage.answer))
    return True


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST: with no time to linger the kernel drops what was not read."""
    layout = "hh" if os.name == "nt" else "ii"
    connected = writer.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(layout, 1, 0))
    writer.transport.abort()


async def _half(stage: Stage) -> None:
    body = filled(stage.answer.body)
    await stage.send_part(stage.answer.framed(len(body)), body[: len(body) // 2])


async def _reset(stage: Stage) -> bool:
    reset(stage.writer)
    return False


async def _reset_inside(stage: Stage) -> bool:
    await _half(stage)
    return await _reset(stage)


async def _silence(stage: Stage) -> bool:
    while await stage.reader.read(PIECE_BYTES):
        continue
    return False


async def _close(stage: Stage) -> bool:
    return False


async def _garbage(stage: Stage) -> bool:
    await stage.send(GARBAGE)
    return False


async def _too_long(stage: Stage) -> bool:
    body = filled(stage.answer.body)
    await stage.send_part(stage.answer.framed(len(body) + MISSING_BYTES), body)
    return False


async def _too_short(stage: Stage) -> bool:
    body = filled(stage.answer.body)
    answer = stage.answer.framed(len(body) // 2)
    # Left open, the next answer on the connection would begin with the rest of this one: another fault.
    await stage.send_part(evolve(answer, headers=(*answer.headers, ("Connection", "close"))), body)
    return False


async def _half_as_whole(stage: Stage) -> bool:
    body = filled(stage.answer.body)
    await stage.send_whole(stage.answer.carrying(body[: len(body) // 2]))
    return True


async def _half_without_length(stage: Stage) -> bool:
    body = filled(stage.answer.body)
    await stage.send_part(stage.answer.framed(None), body[: len(body) // 2])
    return False


async def _cut_chunk(stage: Stage) -> bool:
    body = filled(stage.answer.body)
    await _begin_chunks(stage)
    await stage.send(f"{len(body):x}\r\n".encode() + body[: len(body) // 2])
    return False


async def _drip(stage: Stage) -> bool:
    body = filled(stage.answer.body)
    await stage.send_part(stage.answer.framed(len(body)), b"")
    await _drops(stage, body[:DRIP_BYTES])
    await stage.send(body[DRIP_BYTES:])
    return True


async def _drip_and_stall(stage: Stage) -> bool:
    body = filled(stage.answer.body)
    await stage.send_part(stage.answer.framed(len(body)), b"")
    await _drops(stage, body[:DRIPS_BEFORE_SILENCE])
    return await _silence(stage)


async def _drops(stage: Stage, body: bytes) -> None:
    for value in body:
        await stage.sleep(DRIP_SECONDS)
        await stage.send(bytes([value]))


async def _old_version(stage: Stage) -> bool:
    await stage.send_part(stage.answer.framed(None), stage.answer.body, version="1.0")
    return False


async def _continues(stage: Stage) -> bool:
    await stage.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 5)
    await stage.send_whole(stage.answer)
    return True


async def _begin_chunks(stage: Stage, *headers: tuple[str, str]) -> None:
    answer = stage.answer.carrying(b"", *headers).framed(None)
    chunked = Answer(answer.status, (*answer.headers, ("Transfer-Encoding", "chunked")), reason=answer.reason)
    await stage.send_whole(chunked)


async def _chunk(stage: Stage, data: bytes) -> None:
    await stage.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def _huge(stage: Stage) -> bool:
    await _begin_chunks(stage)
    blanks = b" " * PIECE_BYTES
    for _ in range(HUGE_MIB * MIB // PIECE_BYTES):
        await _chunk(stage, blanks)
    await _chunk(stage, stage.answer.body or b"{}")
    await stage.send(b"0\r\n\r\n")
    return True


async def _bomb(stage: Stage) -> bool:
    """Send one compressed block of blanks over and over: after a full flush, blocks know nothing of each other."""
    await _begin_chunks(stage, ("Content-Encoding", "gzip"))
    blanks, body = b" " * MIB, stage.answer.body or b"{}"
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(blanks) + packer.flush(zlib.Z_FULL_FLUSH)
    await _chunk(stage, GZIP_HEAD)
    checksum = 0
    for _ in range(BOMB_MIB):
        checksum = zlib.crc32(blanks, checksum)
        await _chunk(stage, block)
    last = zlib.compressobj(9, zlib.DEFLATED, -15)
    trailer = struct.pack("<II", zlib.crc32(body, checksum), BOMB_MIB * MIB + len(body))
    await _chunk(stage, last.compress(body) + last.flush() + trailer)
    await stage.send(b"0\r\n\r\n")
    return True


PLAYERS: Final[Mapping[str, Player]] = {
    "wreset": _reset,
    "stall": _silence,
    "noreply": _close,
    "garbage": _garbage,
    "cl_long": _too_long,
    "chunk_trunc": _cut_chunk,
    "cl_short": _too_short,
    "trunc": _half_as_whole,
    "nocl_trunc": _half_without_length,
    "drip": _drip,
    "drip_stall": _drip_and_stall,
    "http10": _old_version,
    "cont100": _continues,
    "bomb": _bomb,
    "huge": _huge,
}
