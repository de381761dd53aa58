"""Secrets among the arguments of a call: a service that repeats one in its answer does not make us show it."""

from __future__ import annotations

from typing import Any

import pytest

from tailscale_sdk import BadRequestError
from tailscale_sdk import redact as redaction
from tailscale_sdk._generated.api.device_posture import create_posture_integration
from tailscale_sdk._generated.endpoints import ENDPOINTS
from tests.unit.scripted import Twin, answer, twins

SECRET = "correct/horse+battery staple"

CALLS: dict[tuple[str, str], tuple[str, tuple[str, ...], dict[str, Any]]] = {
    ("acceptDeviceInvite", "invite"): ("device_invites.accept", (), {}),
    ("createPostureIntegration", "client_secret"): (
        "posture_integrations.create",
        (),
        {"provider": "falcon"},
    ),
    ("updatePostureIntegration", "client_secret"): ("posture_integrations.update", ("pDEMO1CNTRL",), {}),
    **{
        ("setLogStreamingConfiguration", name): (
            "logging.set_stream",
            ("network",),
            {"destination_type": "splunk"},
        )
        for name in ("token", "s3_secret_access_key", "gcs_credentials")
    },
}


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without the secrets that other tests made known."""
    monkeypatch.setattr(redaction, "_known", redaction._Known())


def test_every_secret_argument_is_tried() -> None:
    marked = {
        (operation, name)
        for operation, endpoint in ENDPOINTS.items()
        for name, argument in endpoint.arguments.items()
        if argument.secret
    }
    assert set(CALLS) == marked


@twins
@pytest.mark.parametrize("place", CALLS, ids=".".join)
async def test_a_repeated_secret_is_not_shown(kind: str, place: tuple[str, str]) -> None:
    method, arguments, keywords = CALLS[place]
    twin = Twin(kind, answer({"message": f"cannot use {SECRET!r}", "data": [{"user": SECRET}]}, 400))
    with pytest.raises(BadRequestError) as caught:
        await twin.call(method, *arguments, **keywords, **{place[1]: SECRET})
    await twin.close()
    assert SECRET.encode() in twin.script.seen[0].content.replace(b"\\/", b"/")
    told = f"{caught.value} {caught.value!r} {vars(caught.value)}"
    assert SECRET not in told
    assert "cannot use '***'" in caught.value.message


@twins
async def test_a_short_secret_masks_no_words(kind: str) -> None:
    twin = Twin(kind, answer({"message": "bad provider"}, 400))
    with pytest.raises(BadRequestError, match="bad provider"):
        await twin.call("posture_integrations.create", provider="falcon", client_secret="bad")
    await twin.close()


def test_a_request_shows_no_secret() -> None:
    request = create_posture_integration.build_request("-", provider="falcon", client_secret=SECRET)
    assert request.secrets == (SECRET,)
    assert SECRET in (request.content or b"").decode()
    assert SECRET not in repr(request)
