"""Every start that would expose the server is refused: exit code 2, and one line that names what is missing."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from mcp_adapter import cli, http_flags
from mcp_adapter.flags import HTTP_FLAGS, WrongUse, build_parser
from mcp_adapter.http import with_token
from mcp_adapter.http_settings import HttpSettings
from mcp_adapter.listening import open_sockets
from mcp_adapter.oauth import OAuthSettings
from tailscale_sdk._constants import RATE_LIMIT
from tests.mcp.http.serving import LOOPBACK, TOKEN, http_settings
from tests.tls import make_certificate

LAN = "192.0.2.7"
EVERYWHERE = "0.0.0.0"  # noqa: S104  # refused, or not opened
NAME_OF_LAN = "lan.example.com"
OAUTH = {
    "--oauth-issuer": "https://issuer.example.com",
    "--oauth-audience": "https://mcp.example.com/mcp",
    "--oauth-jwks-url": "https://issuer.example.com/keys",
}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one name lead to the network, without asking anybody."""
    real = socket.getaddrinfo

    def look_up(host: str, *arguments: Any, **options: Any) -> Any:
        return real(LAN if host == NAME_OF_LAN else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    return str(write_tokens(tmp_path / "tokens", TOKEN))


def write_tokens(path: Path, *lines: str, mode: int = 0o600) -> Path:
    path.write_text("\n".join(lines) + "\n")
    path.chmod(mode)
    return path


def oauth(**changes: str | None) -> list[str]:
    """Return the flags of OAuth, some of them changed or left out."""
    found = {**OAUTH, **{f"--{name.replace('_', '-')}": value for name, value in changes.items()}}
    return [word for flag, value in found.items() if value is not None for word in (flag, value)]


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Start the command, and return the one line it ends with."""
    assert cli.main(["--transport", "http", "--demo", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize("host", [EVERYWHERE, "::", LAN, NAME_OF_LAN])
@pytest.mark.parametrize(
    "words, missing",
    [
        ([], ["--token-file or --oauth-issuer", "--allowed-hosts", "--tls-cert with --tls-key"]),
        (["--allowed-hosts", "mcp.example.com", "--behind-proxy"], ["--token-file or --oauth-issuer"]),
        ([*oauth(), "--behind-proxy"], ["--allowed-hosts"]),
        ([*oauth(), "--allowed-hosts", "mcp.example.com"], ["--tls-cert with --tls-key (or --behind-proxy)"]),
    ],
)
def test_an_address_others_can_reach_needs_all_of_it(
    capsys: pytest.CaptureFixture[str], host: str, words: list[str], missing: list[str]
) -> None:
    line = refused(["--host", host, *words], capsys)
    assert line.startswith(f"tailscale-mcp: --host {host} can be reached from elsewhere: add ")
    assert [part in line for part in missing] == [True] * len(missing)
    assert ("--allowed-hosts" in line) == any("--allowed-hosts" in part for part in missing)


@pytest.mark.parametrize(
    "words, said",
    [
        (["--host", "nowhere.invalid"], "--host is neither"),
        (["--port", "70000"], "--port is a number from 0 to 65535"),
        (["--port", "http"], "--port is a number"),
        (["--rate", "0"], "--rate is a number from 0.1"),
        (["--rate", "nan"], "--rate is a number"),
        (["--concurrency", "0"], "--concurrency is a number from 1"),
        (["--replicas", "0"], "--replicas is a number from 1"),
        (["--replicas", "2"], "--replicas needs --plan-store"),
        (
            ["--replicas", "2", "--plan-store", "redis://127.0.0.1"],
            "--replicas needs TAILSCALE_MCP_STATE_KEYS",
        ),
        (["--plan-store", "redis://:demo-password@127.0.0.1"], "--plan-store shows its password"),
        (["--plan-store", "http://127.0.0.1"], "must be redis://"),
        (["--allowed-hosts", "*"], "--allowed-hosts: wildcards are not accepted"),
        (["--allowed-hosts", "*.example.com"], "--allowed-hosts: wildcards are not accepted"),
        (["--allowed-hosts", "https://mcp.example.com"], "--allowed-hosts: a host is"),
        (["--allowed-origins", "*"], "--allowed-origins: wildcards are not accepted"),
        (["--allowed-origins", "null"], "--allowed-origins: an origin is"),
        (oauth(oauth_audience=""), "--oauth-audience is missing or empty"),
        (oauth(oauth_audience=None), "--oauth-audience is missing or empty"),
        (oauth(oauth_issuer=""), "--oauth-issuer is missing or empty"),
        (oauth(oauth_issuer=None), "--oauth-issuer is missing or empty"),
        (oauth(oauth_jwks_url=None), "--oauth-jwks-url is missing or empty"),
        (oauth(oauth_jwks_url="http://issuer.example.com/keys"), "--oauth-jwks-url must be an https:// URL"),
        (
            oauth(oauth_jwks_url="https://a:b@issuer.example.com/keys"),
            "--oauth-jwks-url must be an https:// URL",
        ),
        (oauth(oauth_issuer="http://issuer.example.com"), "--oauth-issuer must be an https:// URL"),
        (oauth(oauth_algorithm="HS256"), "--oauth-algorithm is one of RS256"),
        (oauth(oauth_algorithm="none"), "--oauth-algorithm is one of RS256"),
        (["--tls-cert", "cert.pem"], "--tls-key is missing"),
        (["--tls-key", "key.pem"], "--tls-cert is missing"),
        (["--behind-proxy", "0.0.0.0/0"], "--behind-proxy must not believe everybody"),
        (["--behind-proxy", "everybody"], "--behind-proxy lists addresses"),
        (["--public-url", "mcp.example.com"], "--public-url is scheme, host and port"),
        (["--token-file", "/nowhere/tokens"], "--token-file: /nowhere/tokens cannot be read"),
        (["--token-file", "/"], "--token-file: /"),
        (["--surface", "flat"], "invalid choice: 'flat'"),
    ],
)
def test_a_bad_setting_is_one_line(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert said in refused(words, capsys)


@pytest.mark.parametrize("flag", HTTP_FLAGS)
def test_a_flag_of_http_says_nothing_over_stdio(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    name = f"--{flag.replace('_', '-')}"
    words = [name] if flag == "group_readable_files" else [name, "1"]
    assert cli.main(["--demo", *words]) == 2
    assert f"{name} needs --transport http" in capsys.readouterr().err


def test_tokens_and_oauth_exclude_each_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, token_file: str
) -> None:
    assert "choose one" in refused([*oauth(), "--token-file", token_file], capsys)
    monkeypatch.setenv("TAILSCALE_MCP_TOKEN", TOKEN)
    assert "choose one" in refused(oauth(), capsys)


GUESSABLE = ["short", "0123456789abcdef0123456789abcde", "1234567890" * 3, "a" * 64, "abababab" * 8]


@pytest.mark.parametrize(
    "token", [*GUESSABLE, "spaces are not allowed in a token at all", "tokeñ-with-ñ-0123456789abc"]
)
def test_a_token_that_can_be_guessed_or_not_be_sent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: str
) -> None:
    line = refused(["--token-file", str(write_tokens(tmp_path / "tokens", TOKEN, token))], capsys)
    assert line.startswith("tailscale-mcp: --token-file: a token ")
    assert token not in line
    monkeypatch.setenv("TAILSCALE_MCP_TOKEN", token)
    assert refused([], capsys).startswith("tailscale-mcp: TAILSCALE_MCP_TOKEN: a token ")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o660, 0o666, 0o610])
def test_a_file_of_tokens_is_for_its_owner_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int
) -> None:
    path = write_tokens(tmp_path / "tokens", TOKEN, mode=mode)
    assert f"{path} is open to others: run chmod 600" in refused(["--token-file", str(path)], capsys)
    link = tmp_path / "link"
    link.symlink_to(path)
    monkeypatch.setenv("TAILSCALE_MCP_TOKEN", f"file:{link}")
    assert "is open to others" in refused([], capsys)


@pytest.mark.parametrize(
    "lines, said",
    [
        ([], "there is no token in it"),
        (["# only a comment", ""], "there is no token in it"),
        ([f"{TOKEN}{number}" for number in range(9)], "at most 8 tokens"),
        (["x" * 70_000], "is larger than 65536 bytes"),
    ],
)
def test_a_file_without_a_list_of_tokens(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, lines: list[str], said: str
) -> None:
    assert said in refused(["--token-file", str(write_tokens(tmp_path / "tokens", *lines))], capsys)


def test_what_is_no_plain_file_is_not_waited_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is not a plain file" in refused(["--token-file", str(tmp_path / "pipe")], capsys)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "binary").chmod(0o600)
    assert "is not UTF-8 text" in refused(["--token-file", str(tmp_path / "binary")], capsys)


@pytest.mark.parametrize("keys", ["short", f"{'k' * 32},short", "é" * 8])
def test_state_keys_that_can_be_guessed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    monkeypatch.setenv("TAILSCALE_MCP_STATE_KEYS", keys)
    line = refused([], capsys)
    assert "TAILSCALE_MCP_STATE_KEYS is one key or a few" in line
    assert keys not in line


def test_a_key_of_tls_is_for_its_owner_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pem = make_certificate(tmp_path)
    pem.chmod(0o644)
    words = ["--tls-cert", str(pem), "--tls-key", str(pem)]
    assert "--tls-key:" in refused(words, capsys)
    pem.chmod(0o600)
    empty = write_tokens(tmp_path / "empty", "")
    assert "are not a certificate and its key" in refused(
        ["--tls-cert", str(pem), "--tls-key", str(empty)], capsys
    )


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"--host 127.0.0.1 --port {port}: Address already in use" in refused(
            ["--port", str(port)], capsys
        )


def read(words: list[str], environment: dict[str, str] | None = None) -> HttpSettings:
    """Return what flags and variables come to."""
    return http_flags.read_http(build_parser().parse_args(words), environment or {})


def test_what_holds_without_any_flag() -> None:
    found = read([])
    assert found == HttpSettings(host="127.0.0.1", port=8000, sockets=LOOPBACK)
    assert found.addresses(8000).hosts == {"127.0.0.1:8000", "localhost:8000", "[::1]:8000"}
    assert found.origin(8000) == "http://127.0.0.1:8000"
    assert "***" in repr(found) or "tokens" not in repr(found)


def test_everything_that_makes_an_open_address_acceptable(tmp_path: Path, token_file: str) -> None:
    pem = str(make_certificate(tmp_path))
    Path(pem).chmod(0o600)
    common = ["--host", EVERYWHERE, "--allowed-hosts", "mcp.example.com", "--token-file", token_file]
    direct = read([*common, "--tls-cert", pem, "--tls-key", pem, "--port", "8443"])
    assert (direct.scheme, direct.origin(8443)) == ("https", "https://mcp.example.com:8443")
    assert direct.addresses(8443).hosts == {"mcp.example.com", "mcp.example.com:443", "mcp.example.com:8443"}
    assert direct.addresses(8443).origins == frozenset()
    behind = read([*common, "--behind-proxy", "10.0.0.0/24,fd7a::1"])
    assert behind.proxies == ("10.0.0.0/24", "fd7a::1")
    assert behind.origin(8000) == "https://mcp.example.com"
    assert read([*common, "--behind-proxy"]).proxies == ("127.0.0.1", "::1")
    named = read([*common, "--behind-proxy", "--public-url", "https://elsewhere.example.com/"])
    assert named.origin(8000) == "https://elsewhere.example.com"


def test_each_flag_has_a_variable(token_file: str) -> None:
    flags = {
        "--host": "localhost",
        "--port": "9000",
        "--allowed-hosts": "a.example.com, b.example.com",
        "--allowed-origins": "https://a.example.com",
        "--behind-proxy": "10.0.0.1",
        "--public-url": "https://a.example.com",
        **OAUTH,
        "--oauth-algorithm": "ES256",
        "--rate": "7.5",
        "--concurrency": "3",
        "--plan-store": "redis://127.0.0.1",
    }
    by_flag = read([word for pair in flags.items() for word in pair])
    variables = {
        f"TAILSCALE_MCP_{flag[2:].upper().replace('-', '_')}": value for flag, value in flags.items()
    }
    assert read([], variables) == by_flag
    assert by_flag.oauth == OAuthSettings(
        issuer="https://issuer.example.com",
        audience="https://mcp.example.com/mcp",
        jwks_url="https://issuer.example.com/keys",
        algorithm="ES256",
    )
    assert (by_flag.port, by_flag.rate, by_flag.concurrency) == (9000, 7.5, 3)
    assert by_flag.names == ("a.example.com", "b.example.com")
    assert read(
        ["--token-file", token_file], {"TAILSCALE_MCP_TOKEN": f"{TOKEN}-of-the-environment"}
    ).tokens == (TOKEN,)
    assert read([], {"TAILSCALE_MCP_TOKEN": f"file:{token_file}"}).tokens == (TOKEN,)
    assert read([], {"TAILSCALE_MCP_BEHIND_PROXY": "no"}).proxies is None


def test_secrets_that_a_group_may_read_where_they_are_mounted(tmp_path: Path) -> None:
    path = write_tokens(tmp_path / "tokens", "# rotated", TOKEN, "", f"{TOKEN}2", mode=0o440)
    assert read(["--group-readable-files", "--token-file", str(path)]).tokens == (TOKEN, f"{TOKEN}2")
    path.chmod(0o660)
    with pytest.raises(WrongUse, match="is open to others"):
        read(["--group-readable-files", "--token-file", str(path)])


def test_keys_and_stores_that_stand_in_files(tmp_path: Path) -> None:
    old, new = "o" * 32, "n" * 32
    keys = write_tokens(tmp_path / "keys", new, old)
    store = write_tokens(tmp_path / "store", "redis://:demo-password@127.0.0.1")
    found = read(
        ["--replicas", "2"],
        {"TAILSCALE_MCP_STATE_KEYS": f"file:{keys}", "TAILSCALE_MCP_PLAN_STORE": f"file:{store}"},
    )
    assert (found.state_keys, found.plan_store) == ((new, old), "redis://:demo-password@127.0.0.1")
    assert new not in repr(found)
    assert "demo-password" not in repr(found)
    assert read([], {"TAILSCALE_MCP_STATE_KEYS": f"{new},{old}"}).state_keys == (new, old)


def test_the_token_of_the_state_directory_is_made_once(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    first, path = with_token(http_settings(tokens=None), directory)
    again, same = with_token(http_settings(tokens=None), directory)
    assert path == same == directory / "http" / "token"
    assert first.tokens == again.tokens == (path.read_text().strip(),)
    assert path.stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    assert with_token(http_settings(), directory) == (http_settings(), None)
    path.write_text("short\n")
    with pytest.raises(WrongUse, match="the token of the state directory"):
        with_token(http_settings(tokens=None), directory)


def test_a_state_directory_that_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongUse, match="--token-file is needed"):
        with_token(http_settings(tokens=None), tmp_path / "file")


def test_both_addresses_of_a_name_get_one_port() -> None:
    opened = open_sockets(http_settings(sockets=(*LOOPBACK, (socket.AF_INET6, "::1"))))
    try:
        assert len({listener.getsockname()[1] for listener in opened}) == 1
        assert [listener.proto for listener in opened] == [socket.IPPROTO_TCP] * 2
    finally:
        for listener in opened:
            listener.close()


def test_a_demo_reads_no_flag_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILSCALE_MCP_HOST", EVERYWHERE)
    monkeypatch.setenv("TAILSCALE_MCP_RATE", "not a number")
    monkeypatch.setenv("TAILSCALE_MCP_TRANSPORT", "neither")
    monkeypatch.setenv("TAILSCALE_MCP_TOKEN", "short")
    assert "TAILSCALE_MCP_TOKEN: a token needs" in refused([], capsys)


@pytest.mark.parametrize("replicas, rate", [(1, None), (4, (5, 2.0))])
def test_replicas_share_the_rate_of_the_credential(
    monkeypatch: pytest.MonkeyPatch, replicas: int, rate: tuple[int, float] | None
) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr("tailscale_sdk.AsyncTailscale", lambda **options: given.append(options))
    monkeypatch.setenv("TAILSCALE_API_KEY", "tskey-api-demo")
    with cli.settings_of(build_parser().parse_args([]), {}, replicas=replicas) as settings:
        settings.profiles[0].make_client()
    assert given[0].get("rate_limit") == rate
    assert cli.CREDENTIAL_RATE == RATE_LIMIT
