"""What invites of users and of devices share: who may write them, e-mail, resending."""

from __future__ import annotations

import re
import zlib
from typing import Any, Final

from tailscale_sdk.testing.exchange import Call, Refusal, typed

RESEND_SECONDS: Final = 60
INVITES_MAX: Final = 100
CODE_CHARACTERS: Final = 16
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,253}")

JsonObject = dict[str, Any]


def requested(call: Call) -> list[JsonObject]:
    """Return the invites a request asks for.

    Raises:
        Refusal: 400 when the body is no list of objects, or an empty or huge one.
    """
    items = typed(call.json(), list, "the body")
    if not items or len(items) > INVITES_MAX:
        raise Refusal(400, f"the body must list between 1 and {INVITES_MAX} invites")
    return [typed(item, dict, f"the body [{index}]") for index, item in enumerate(items)]


def email_of(item: JsonObject, index: int) -> str | None:
    """Return the address an invite is sent to, None when only a link is wanted.

    Raises:
        Refusal: 400.
    """
    email = item.get("email")
    if email is None or email == "":
        return None
    if not _EMAIL.fullmatch(typed(email, str, f"the body [{index}].email")):
        raise Refusal(400, f"the body [{index}].email must be an e-mail address such as guest@example.com")
    return str(email)


def flag(item: JsonObject, name: str, index: int) -> bool:
    """Return an optional true or false of a requested invite.

    Raises:
        Refusal: 400.
    """
    value = item.get(name)
    return False if value is None else typed(value, bool, f"the body [{index}].{name}")


def resend(call: Call, invite: JsonObject) -> None:
    """Send the e-mail of an invite again, at most once a minute.

    Raises:
        Refusal: 400 without an address, 429 too soon after the last time (not on a plain tailnet).
    """
    if not invite.get("email"):
        raise Refusal(400, "the invite has no e-mail address: only invites made with one can be resent")
    if invite.get("accepted"):
        raise Refusal(400, "the invite was accepted already")
    resent: dict[str, float] = call.tailnet.memory.setdefault("resent", {})
    now = call.tailnet.clock.timestamp()
    if now < resent.get(invite["id"], 0.0) + RESEND_SECONDS and not call.tailnet.plain:
        raise Refusal(429, "an invite can be resent once per minute")
    resent[invite["id"]] = now
    invite["lastEmailSentAt"] = call.tailnet.clock.text()


def numeric(identifier: str) -> int:
    """Return the number an invite shows for an id: the service shows its inner integers."""
    return int(identifier) if identifier.isdigit() else zlib.crc32(identifier.encode())
