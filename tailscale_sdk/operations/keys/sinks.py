"""Where a new secret goes: a file of its own, a line of an environment file, a command, a Kubernetes manifest."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from attrs import field, frozen

from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.errors import ConfigurationError, TailscaleError

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
COMMAND_SECONDS: Final = 60.0


class SinkError(TailscaleError):
    """A secret could not be handed over; the text says where to, never what."""


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

        Raises:
            SinkError: it was not taken over.
        """
        ...


def _check_folder(target: Path) -> None:
    folder = target.parent
    try:
        found = folder.stat()
        link = target.is_symlink()
    except OSError as problem:
        raise SinkError(f"{folder}: cannot be looked at ({problem.strerror})") from None
    if not stat.S_ISDIR(found.st_mode):
        raise SinkError(f"{folder}: is no folder")
    if link:
        raise SinkError(f"{target}: is a symbolic link, which is not followed")
    sticky = found.st_mode & stat.S_ISVTX
    if os.name == "posix" and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        raise SinkError(f"{folder}: others may write it; run chmod go-w {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SinkError(f"{folder}: cannot be written")


def _replace(target: Path, text: str) -> None:
    """Put a file in place of another, readable by its owner alone, durable before this returns."""
    _check_folder(target)
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise SinkError(f"{target}: cannot be written ({problem.strerror})") from None


@frozen
class FileSink:
    """Write the secret alone into a file, mode 0600.

    Attributes:
        path: of the file; what it held is replaced.
    """

    path: Path = field(converter=Path)

    def describe(self) -> str:
        """Say where the secret goes."""
        return f"file {self.path}"

    def check(self) -> None:
        """Look whether the file could be written."""
        _check_folder(self.path)

    def deliver(self, secret: str, *, key_id: str, description: str) -> None:
        """Write the file."""
        _replace(self.path, f"{secret}\n")


@frozen
class EnvFileSink:
    """Set one variable of an environment file, mode 0600; every other line stays as it is.

    Attributes:
        path: of the file; it is made where it is missing.
        variable: name of the variable.
    """

    path: Path = field(converter=Path)
    variable: str = field()

    @variable.validator
    def _check_variable(self, attribute: object, value: str) -> None:
        if _VARIABLE.fullmatch(value) is None:
            raise ConfigurationError(f"{value!r} is no name of a variable")

    def describe(self) -> str:
        """Say where the secret goes."""
        return f"variable {self.variable} in {self.path}"

    def check(self) -> None:
        """Look whether the file could be written."""
        _check_folder(self.path)
        self._lines()

    def deliver(self, secret: str, *, key_id: str, description: str) -> None:
        """Write the file with the variable in its old place, or at the end."""
        lines = self._lines()
        ours = re.compile(rf"(\s*(?:export\s+)?{self.variable}=)[^\r\n]*(\r?\n)?", re.ASCII)
        found = [index for index, line in enumerate(lines) if ours.fullmatch(line)]
        for index in found:
            lines[index] = ours.sub(lambda match: f"{match[1]}{secret}{match[2] or ''}", lines[index])
        if not found:
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += "\n"
            lines.append(f"{self.variable}={secret}\n")
        _replace(self.path, "".join(lines))

    def _lines(self) -> list[str]:
        try:
            with self.path.open(encoding="utf-8", newline="") as file:
                return file.read().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError):
            raise SinkError(f"{self.path}: cannot be read as text") from None


def _words(values: Sequence[str]) -> tuple[str, ...]:
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
    def _check_command(self, attribute: object, value: Sequence[str]) -> None:
        if not value:
            raise ConfigurationError("the command is missing")

    def describe(self) -> str:
        """Say where the secret goes."""
        return f"standard input of {self.command[0]}"

    def check(self) -> None:
        """Do nothing: a command tells when it is run."""

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


@frozen
class KubernetesSink:
    """Write a manifest of a Secret, mode 0600, for ``kubectl apply``; JSON is YAML too.

    Attributes:
        path: of the manifest.
        name: of the Secret.
        namespace: of the Secret.
        key: under which the secret stands in it.
    """

    path: Path = field(converter=Path)
    name: str = field()
    namespace: str = "default"
    key: str = "TS_AUTHKEY"

    @name.validator
    def _check_name(self, attribute: object, value: str) -> None:
        if _NAME.fullmatch(value) is None:
            raise ConfigurationError(f"{value!r} is no name of a Secret: lower-case letters, digits, - and .")

    def describe(self) -> str:
        """Say where the secret goes."""
        return f"manifest {self.path} of Secret {self.namespace}/{self.name}"

    def check(self) -> None:
        """Look whether the manifest could be written."""
        _check_folder(self.path)

    def deliver(self, secret: str, *, key_id: str, description: str) -> None:
        """Write the manifest."""
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "annotations": {"tailscale.com/key-id": key_id},
            },
            "type": "Opaque",
            "data": {self.key: base64.b64encode(secret.encode()).decode()},
        }
        _replace(self.path, json.dumps(manifest, indent=2) + "\n")


@frozen
class StateFileSink:
    """Write the secret into a file of the state directory, below ``secrets``.

    Attributes:
        directory: the state directory.
        name: of the file.
    """

    directory: StateDirectory
    name: str

    def describe(self) -> str:
        """Say where the secret goes."""
        return f"file {self._path}"

    @property
    def _path(self) -> Path:
        return self.directory.path / "secrets" / self.name

    def check(self) -> None:
        """Make the folder, and look whether the file could be written."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_folder(self._path)

    def deliver(self, secret: str, *, key_id: str, description: str) -> None:
        """Write the file."""
        _replace(self._path, f"{secret}\n")


def read_sink(text: str) -> SecretSink:
    """Return the sink a text means.

    Args:
        text: ``file:PATH``, ``env:PATH:NAME``, ``command:PROGRAM ARGUMENTS``, or
            ``kubernetes:PATH:NAMESPACE/NAME``.

    Raises:
        ConfigurationError: it means none.
    """
    kind, _, rest = text.partition(":")
    if kind == "file" and rest:
        return FileSink(rest)
    if kind == "env" and ":" in rest:
        path, _, variable = rest.rpartition(":")
        return EnvFileSink(path, variable)
    if kind == "command" and rest.strip():
        import shlex

        return CommandSink(shlex.split(rest))
    if kind == "kubernetes" and ":" in rest:
        path, _, name = rest.rpartition(":")
        namespace, slash, secret = name.partition("/")
        return KubernetesSink(path, secret if slash else name, namespace if slash else "default")
    raise ConfigurationError(
        "a secret goes to file:PATH, env:PATH:NAME, command:PROGRAM ARGUMENTS or kubernetes:PATH:NAMESPACE/NAME"
    )
