"""Sinks that are files: the secret alone, a line among others, a manifest, or a file of the state directory."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Final

from attrs import field, frozen

from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.errors import ConfigurationError, StateError
from tailscale_sdk.operations.keys.sink_files import SinkError, check_file, own_path, read_file, replace_file

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_DATA_KEY: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
# What means itself in a shell, in an environment file of Docker and in one of systemd alike.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~+/=:@-]+")
_SECRETS: Final = "secrets"


@frozen
class FileSink:
    """Write the secret alone into a file, mode 0600.

    Attributes:
        path: of the file; what it held is replaced.
    """

    path: Path = field(converter=own_path)

    def describe(self) -> str:
        """Say where the secret goes."""
        return f"file {self.path}"

    def check(self) -> None:
        """Look whether the file could be written."""
        check_file(self.path)

    def deliver(self, secret: str, *, key_id: str, description: str) -> None:
        """Write the file."""
        replace_file(self.path, f"{secret}\n".encode())

    def delivered(self) -> str | None:
        """Return what the file holds."""
        return read_file(self.path).decode("utf-8", "replace").strip() or None


@frozen
class EnvFileSink:
    """Set one variable of an environment file, mode 0600; every other line stays as it is, byte for byte.

    Attributes:
        path: of the file; it is made where it is missing.
        variable: name of the variable.
    """

    path: Path = field(converter=own_path)
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
        check_file(self.path)
        read_file(self.path)

    def deliver(self, secret: str, *, key_id: str, description: str) -> None:
        """Write the file with the variable in its old place, or at the end."""
        if _PLAIN.fullmatch(secret) is None:
            raise SinkError(f"{self.path}: the secret has characters that an environment file cannot hold")
        text = read_file(self.path)
        written, count = self._line.subn(lambda match: match[1] + secret.encode(), text)
        if not count:
            end = b"" if not text or text.endswith(b"\n") else b"\n"
            written = text + end + f"{self.variable}={secret}\n".encode()
        replace_file(self.path, written)

    def delivered(self) -> str | None:
        """Return what the last line that sets the variable says."""
        found = self._line.findall(read_file(self.path))
        return found[-1][1].decode("utf-8", "replace") if found else None

    @property
    def _line(self) -> re.Pattern[bytes]:
        name = self.variable.encode()
        return re.compile(rb"^([ \t]*(?:export[ \t]+)?" + name + rb"=)([^\r\n]*)", re.MULTILINE)


@frozen
class KubernetesSink:
    """Write a manifest of a Secret, mode 0600, for ``kubectl apply``; JSON is YAML too.

    Attributes:
        path: of the manifest.
        name: of the Secret.
        namespace: of the Secret.
        key: under which the secret stands in it.
    """

    path: Path = field(converter=own_path)
    name: str = field()
    namespace: str = field(default="default")
    key: str = field(default="TS_AUTHKEY")

    @name.validator
    @namespace.validator
    def _check_name(self, attribute: object, value: str) -> None:
        if _NAME.fullmatch(value) is None:
            raise ConfigurationError(
                f"{value!r} is no name of a Secret or its namespace: lower-case letters, digits, - and ."
            )

    @key.validator
    def _check_key(self, attribute: object, value: str) -> None:
        if _DATA_KEY.fullmatch(value) is None:
            raise ConfigurationError(f"{value!r} is no key of a Secret: letters, digits, -, _ and .")

    def describe(self) -> str:
        """Say where the secret goes."""
        return f"manifest {self.path} of Secret {self.namespace}/{self.name}"

    def check(self) -> None:
        """Look whether the manifest could be written."""
        check_file(self.path)

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
        replace_file(self.path, (json.dumps(manifest, indent=2) + "\n").encode())

    def delivered(self) -> str | None:
        """Return what the manifest holds."""
        try:
            return base64.b64decode(json.loads(read_file(self.path))["data"][self.key]).decode()
        except (ValueError, KeyError, TypeError):
            return None


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
        return f"file {self.directory.path / _SECRETS / self.name}"

    def check(self) -> None:
        """Look whether the file could be written."""
        try:
            self.directory.check_writable(_SECRETS)
        except StateError as problem:
            raise SinkError(str(problem)) from None

    def deliver(self, secret: str, *, key_id: str, description: str) -> None:
        """Write the file."""
        try:
            with self.directory.folder(_SECRETS) as folder:
                folder.write(self.name, f"{secret}\n".encode())
        except StateError as problem:
            raise SinkError(str(problem)) from None

    def delivered(self) -> str | None:
        """Return what the file holds."""
        try:
            with self.directory.existing(_SECRETS) as folder:
                found = None if folder is None else folder.read(self.name)
        except StateError as problem:
            raise SinkError(str(problem)) from None
        return None if found is None else found.decode("utf-8", "replace").strip()
