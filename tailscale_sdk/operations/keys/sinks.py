"""Where a new secret goes: a file of its own, a line of an environment file, a command, a Kubernetes manifest."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from typing import Final, Protocol, runtime_checkable

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.keys.file_sinks import EnvFileSink, FileSink, KubernetesSink
from tailscale_sdk.operations.keys.rotation_state import Rotation
from tailscale_sdk.operations.keys.sink_files import SinkError
from tailscale_sdk.redact import redact

COMMAND_SECONDS: Final = 60.0
_HASH_CHARACTERS: Final = 12


class SecretSink(Protocol):
    """Take a secret over."""

    def describe(self) -> str:
        """Say where the secret goes, for a person who confirms."""
        ...

    def check(self) -> None:
        """Look whether the secret could be taken over, before it is made.

        Raises:
            SinkError: it could not.
        """
        ...

    def deliver(self, secret: str, *, key_id: str, description: str) -> None:
        """Take the secret over, or leave everything as it was.

        Args:
            secret: what is taken over; it may stand nowhere else, not in an error either.
            key_id: id of what it belongs to.
            description: what that is called.

        Raises:
            SinkError: it was not taken over.
        """
        ...


@runtime_checkable
class _Telling(Protocol):
    """Tell what was delivered last."""

    def delivered(self) -> str | None:
        """Return the secret that is there, None where there is none."""
        ...


def hash_of(secret: str) -> str:
    """Return the beginning of the hash of a secret, to recognise it by."""
    return hashlib.sha256(secret.encode()).hexdigest()[:_HASH_CHARACTERS]


def holds(sink: SecretSink, rotation: Rotation) -> bool:
    """Tell whether the secret of a rotation arrived; false where its sink is another one, or cannot tell."""
    if rotation.sha256 is None or sink.describe() != rotation.sink or not isinstance(sink, _Telling):
        return False
    try:
        found = sink.delivered()
    except SinkError:
        return False
    return found is not None and hash_of(found) == rotation.sha256


def _words(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@frozen
class CommandSink:
    """Hand the secret to a command on its standard input; nothing of it is in the arguments or the environment.

    Attributes:
        command: program and arguments; no shell.
        seconds: for how long it may run.
    """

    command: tuple[str, ...] = field(converter=_words)
    seconds: float = COMMAND_SECONDS

    @command.validator
    def _check_command(self, attribute: object, value: tuple[str, ...]) -> None:
        if not value:
            raise ConfigurationError("the command is missing")

    def describe(self) -> str:
        """Say where the secret goes."""
        return f"standard input of {redact(shlex.join(self.command))}"

    def check(self) -> None:
        """Look whether there is such a program."""
        if shutil.which(self.command[0]) is None:
            raise SinkError(f"{self.command[0]}: is no program that can be run")

    def deliver(self, secret: str, *, key_id: str, description: str) -> None:
        """Run the command."""
        variables = {**os.environ, "TAILSCALE_KEY_ID": key_id, "TAILSCALE_KEY_DESCRIPTION": description}
        try:
            done = subprocess.run(  # noqa: S603  # the operator's own command, without a shell
                self.command,
                input=secret.encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=variables,
                timeout=self.seconds,
                check=False,
            )
        except OSError as problem:
            raise SinkError(f"{self.command[0]}: cannot be run ({problem.strerror})") from None
        except subprocess.TimeoutExpired:
            raise SinkError(f"{self.command[0]}: did not end within {self.seconds:g} s") from None
        if done.returncode:
            raise SinkError(f"{self.command[0]}: ended with {done.returncode}")


def read_sink(text: str) -> SecretSink:
    """Return the sink a text means.

    Args:
        text: ``file:PATH``, ``env:PATH:NAME``, ``command:PROGRAM ARGUMENTS``, or
            ``kubernetes:PATH:NAMESPACE/NAME``.

    Raises:
        ConfigurationError: it means none.
    """
    kind, _, rest = text.partition(":")
    path, _, name = rest.rpartition(":")
    if kind == "file" and rest:
        return FileSink(rest)
    if kind == "env" and path:
        return EnvFileSink(path, name)
    if kind == "command" and rest.strip():
        return CommandSink(_split(rest))
    if kind == "kubernetes" and path:
        namespace, slash, secret = name.partition("/")
        return KubernetesSink(path, secret if slash else name, namespace if slash else "default")
    raise ConfigurationError(
        "a secret goes to file:PATH, env:PATH:NAME, command:PROGRAM ARGUMENTS or kubernetes:PATH:NAMESPACE/NAME"
    )


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as problem:
        raise ConfigurationError(f"the command cannot be read: {problem}") from None
