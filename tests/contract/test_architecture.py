"""What no type checker sees: who calls what, and what an import loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tailscale_sdk

PACKAGE = Path(str(tailscale_sdk.__file__)).parent
HAND_WRITTEN = [
    p for p in PACKAGE.rglob("*.py") if not {"_generated", "resources"} & set(p.relative_to(PACKAGE).parts)
]


def endpoint_uses(path: Path) -> Iterator[str]:
    """Yield each attribute taken from a generated endpoint module."""
    tree = ast.parse(path.read_text())
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and "_generated.api" in f"{'.' * node.level}{node.module}":
            names |= {alias.asname or alias.name for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
            yield node.attr


@pytest.mark.untraced
def test_generated_endpoints_are_used_by_builder_and_parser_only() -> None:
    used = {name for path in PACKAGE.rglob("*.py") for name in endpoint_uses(path)}
    assert used == {"build_request", "parse_success"}


def test_no_blocking_sleep_on_the_asynchronous_path() -> None:
    for name in ("asynchronous.py", "tokens.py", "limits.py"):
        source = (PACKAGE / "transport" / name).read_text()
        assert "time.sleep" not in source


@pytest.mark.parametrize(
    "banned", ["eval(", "exec(", "pickle.loads", "yaml.load(", "shell=True", "verify=False"]
)
def test_dangerous_calls_are_absent(banned: str) -> None:
    assert [path.name for path in HAND_WRITTEN if banned in path.read_text()] == []


def loaded_after(statement: str, names: tuple[str, ...]) -> list[str]:
    code = f"{statement}\nimport sys\nprint(','.join(n for n in {names!r} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [name for name in done.stdout.strip().split(",") if name]


def test_importing_the_sdk_loads_next_to_nothing() -> None:
    unwanted = (
        "httpx",
        "attrs",
        "attr",
        "asyncio",
        "orjson",
        "tenacity",
        "tailscale_sdk._generated.models.device",
    )
    assert loaded_after("import tailscale_sdk", unwanted) == []


def test_using_the_sdk_loads_no_server_package() -> None:
    statement = "import tailscale_sdk\nc = tailscale_sdk.Tailscale(api_key='tskey-api-demo')\nc.devices, c.policy, c.keys"
    assert loaded_after(statement, ("mcp", "fastmcp", "pydantic", "httpx2", "starlette", "uvicorn")) == []


def test_every_public_name_resolves() -> None:
    for name in tailscale_sdk.__all__:
        assert getattr(tailscale_sdk, name) is not None
    assert set(dir(tailscale_sdk)) == set(tailscale_sdk.__all__)
    with pytest.raises(AttributeError):
        tailscale_sdk.nothing_of_the_kind  # noqa: B018
