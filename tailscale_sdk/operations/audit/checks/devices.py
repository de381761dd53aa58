"""Checks of devices: keys that never end, old clients, silence, tags, and what looks like another machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from attrs import evolve

from tailscale_sdk.operations.audit.model import Audited, Check, Outcome, Subject, call, fact, of_device
from tailscale_sdk.operations.devices.actions import set_key_expiry, step_for
from tailscale_sdk.operations.fleet import Device
from tailscale_sdk.operations.fleet.versions import Version
from tailscale_sdk.operations.lifecycle.stages import LifecycleRules, Staged, Thresholds, stage_of
from tailscale_sdk.operations.values import flag_of, mapping_of, text_of
from tailscale_sdk.policy.findings import Severity

_SOURCE: Final = "listTailnetDevices"
# An Apple TV is nobody's workstation: it stays where it is, and often is an exit node.
_PERSONAL: Final = frozenset({"macos", "ios", "android", "ipados", "chromeos"})
# What Windows calls a computer by itself; a server is called WIN-….
_WINDOWS_CLIENT: Final = re.compile(r"(?:desktop|laptop)-", re.IGNORECASE)
_PORTABLE: Final = frozenset({"laptop", "macbook", "thinkpad"})
_WORDS: Final = re.compile(r"[a-z]+")
Judge = Callable[[Device, Audited], Outcome]


def _unknown(device: Device, message: str) -> Outcome:
    return Outcome(of_device(device), "unknown", message)


def _fail(device: Device, message: str, *fields: str, severity: Severity | None = None) -> Outcome:
    told = {name: device.fields[name] for name in fields if name in device.fields}
    return Outcome(of_device(device), "fail", message, severity, evidence=(fact(_SOURCE, **told),))


def _own(judge: Judge) -> Callable[[Audited], Iterator[Outcome]]:
    """Return a check of every device that belongs to this tailnet."""

    def evaluate(audited: Audited) -> Iterator[Outcome]:
        for device in audited.devices:
            yield audited.plain(device, "not_applicable") if device.is_external else judge(device, audited)

    return evaluate


def _never_expires(device: Device, audited: Audited) -> Outcome:
    if device.tags:
        return audited.plain(device, "not_applicable")
    message = f"the key of {device.user or 'its user'} never expires here"
    return _expiry(device, audited) or _mended(
        _fail(device, message, "keyExpiryDisabled", "user"), device, audited
    )


def _tagged_never_expires(device: Device, audited: Audited) -> Outcome:
    if not device.tags:
        return audited.plain(device, "not_applicable")
    if audited.options.never_expiring_tags & set(device.tags):
        return audited.plain(device, "pass")
    message = "its key never expires, and no tag of it is listed for that"
    return _expiry(device, audited) or _mended(
        _fail(device, message, "keyExpiryDisabled", "tags"), device, audited
    )


def _mended(found: Outcome, device: Device, audited: Audited) -> Outcome:
    """Return a finding with the call that lets a key expire, without one where the device would drop off at once."""
    return evolve(found, fix=set_key_expiry([device], enabled=True, now=audited.now).steps)


def _expiry(device: Device, audited: Audited) -> Outcome | None:
    """Return what is said of a device whose key expires, or of which that is not known."""
    if flag_of(device.fields, "keyExpiryDisabled") is None:
        return _unknown(device, "the API does not say whether its key expires")
    return None if device.is_key_expiry_disabled else audited.plain(device, "pass")


def _version(device: Device, audited: Audited, latest: Version | None) -> Outcome:
    version, options = device.version, audited.options
    floor = options.security_floor
    update = flag_of(device.fields, "updateAvailable")
    fields = ("clientVersion", "updateAvailable")
    if version is not None and floor is not None and version < floor:
        return _fail(device, f"{version.raw} has known holes: {floor.raw} has none", *fields, severity="high")
    if version is not None and latest is not None:
        behind = _minors_behind(version.numbers, latest.numbers)
        if behind > options.minors_behind:
            return _fail(device, f"{version.raw} is {behind} versions behind {latest.raw}", *fields)
        # Where the newest version is a guess, the API's word stands against it.
        if options.latest_version is not None or version < latest:
            return audited.plain(device, "pass")
    if update is None:
        return _unknown(device, "nothing tells whether its client is old: give the latest version")
    return (
        _fail(device, "there is a newer client for it", *fields) if update else audited.plain(device, "pass")
    )


def _versions(audited: Audited) -> Iterator[Outcome]:
    latest = audited.options.latest_version or _newest(audited)
    for device in audited.devices:
        yield (
            audited.plain(device, "not_applicable")
            if device.is_external
            else _version(device, audited, latest)
        )


def _newest(audited: Audited) -> Version | None:
    """Return the newest stable version among clients of which the API says that there is no newer one."""
    current = [
        device.version
        for device in audited.devices
        if device.version is not None
        and not device.version.is_unstable
        and flag_of(device.fields, "updateAvailable") is False
    ]
    return max(current, default=None)


def _minors_behind(have: tuple[int, int, int], latest: tuple[int, int, int]) -> int:
    # Stable minor numbers are even, so two numbers are one version.
    return (latest[1] - have[1]) // 2 if have[0] == latest[0] else 50 * (latest[0] - have[0])


def _silent(audited: Audited) -> Iterator[Outcome]:
    rules = LifecycleRules(usual=Thresholds.around({"stale": audited.options.stale_days}))
    for device in audited.devices:
        yield (
            audited.plain(device, "not_applicable")
            if device.is_external
            else _stale(stage_of(device, rules, now=audited.now), audited)
        )


def _stale(staged: Staged, audited: Audited) -> Outcome:
    device = staged.device
    if staged.stage == "unknown":
        return _unknown(device, "the API does not say when it was there")
    if staged.stage in {"active", "quiet"}:
        return audited.plain(device, "pass")
    return _fail(device, f"nothing was heard of it for {staged.silent_days:.0f} days", "lastSeen", "created")


def _waiting(device: Device, audited: Audited) -> Outcome:
    if device.is_authorized is None:
        return _unknown(device, "the API does not say whether it is approved")
    if device.is_authorized:
        return audited.plain(device, "pass")
    found = _fail(device, "somebody has to say whether it may come in", "authorized", "user", "created")
    risk = f"{device.label} is let into the tailnet"
    return evolve(found, fix=(step_for(device, "authorizeDevice", authorized=True, risks=(risk,)),))


def _untagged_server(device: Device, audited: Audited) -> Outcome:
    if device.tags:
        return audited.plain(device, "pass")
    if device.os.lower() != "linux":
        return (
            _unknown(device, "the API does not say what it runs")
            if not device.os
            else audited.plain(device, "not_applicable")
        )
    serves = {
        "it routes": bool(device.advertised_subnets or device.offers_exit),
        "it takes SSH": device.fields.get("sshEnabled") is True,
    }
    does = [what for what, holds in serves.items() if holds]
    if not does:
        return audited.plain(device, "pass")
    message = f"{' and '.join(does)}, and it stops when {device.user or 'its user'} leaves"
    return _fail(device, message, "os", "advertisedRoutes", "sshEnabled", "user")


def _tagged_workstation(device: Device, audited: Audited) -> Outcome:
    system = device.os.lower()
    if not device.tags:
        return audited.plain(device, "not_applicable")
    if not system:
        return _unknown(device, "the API does not say what it runs")
    if system not in _PERSONAL and not _is_named_so(device, system):
        return audited.plain(device, "pass")
    return _fail(
        device,
        "a person's machine with a tag: nobody is asked to sign in on it",
        "os",
        "hostname",
        "tags",
        "user",
    )


def _is_named_so(device: Device, system: str) -> bool:
    if system == "windows" and _WINDOWS_CLIENT.match(device.hostname):
        return True
    return bool(_PORTABLE & (_words(device.hostname) | _words(device.label)))


def _cloned(device: Device, audited: Audited) -> Outcome:
    # The API leaves the field out where it does not hold, so there is no way not to know.
    if device.fields.get("multipleConnections") is not True:
        return audited.plain(device, "pass")
    risk = f"{device.label} and its twin are offline until somebody signs in on each"
    fix = (step_for(device, "expireDeviceKey", risks=(risk,)),)
    message = "two machines use its key at the same time"
    return Outcome(
        of_device(device), "fail", message, evidence=(fact(_SOURCE, multipleConnections=True),), fix=fix
    )


def _locked(audited: Audited) -> Iterator[Outcome]:
    for device in audited.devices:
        error = text_of(device.fields, "tailnetLockError")
        if device.is_external:
            yield audited.plain(device, "not_applicable")
        elif error:
            yield _fail(device, "tailnet lock does not take its key", "tailnetLockError", "tailnetLockKey")
        else:
            yield audited.plain(device, "pass")
    whole = Subject("tailnet", "tailnet-lock")
    message = "whether tailnet lock is on is known to nodes only: `tailscale lock status`"
    # Nobody can find it out from here, so it must not stand beside what is known to be wrong.
    yield Outcome(whole, "unknown", message, "low")


def _words(name: str) -> set[str]:
    """Return the words of a name, those in the plural without it too: secretary is not secret."""
    words = {*_WORDS.findall(name.lower())}
    return words | {word[:-1] for word in words if word[-1] == "s"}


def _shared(audited: Audited) -> Iterator[Outcome]:
    for device in audited.devices:
        if device.is_external:
            yield _fail(device, "it is a machine of another tailnet", "isExternal", "user")
        else:
            yield audited.plain(device, "pass")
    missing = audited.why_missing("device_invites")
    if missing is not None:
        yield Outcome(Subject("tailnet", "device_invites"), "unknown", f"invites cannot be judged: {missing}")
    for invite in audited.rows("device_invites"):
        subject = Subject("device_invite", text_of(invite, "id"), text_of(invite, "email"))
        if invite.get("allowExitNode") is True:
            yield Outcome(
                subject,
                "fail",
                "who takes it may send all traffic through this device",
                evidence=(fact("listDeviceInvites", allowExitNode=True, deviceId=invite.get("deviceId")),),
                fix=(call("deleteDeviceInvite", device_invite_id=subject.id),),
            )
        else:
            yield Outcome(subject, "pass")


def _names(audited: Audited) -> Iterator[Outcome]:
    https = flag_of(audited.settings, "httpsEnabled")
    words = {word.lower() for word in audited.options.sensitive_words}
    if https is None:
        yield Outcome(
            Subject("setting", "httpsEnabled"), "unknown", "the API does not say whether HTTPS is on"
        )
        return
    for device in audited.devices:
        found = sorted(words & _words(device.label))
        if not https or device.is_external:
            yield audited.plain(device, "not_applicable")
        elif found:
            yield _fail(
                device, f"its name becomes public with a certificate, and says {', '.join(found)}", "name"
            )
        else:
            yield audited.plain(device, "pass")


def _posture(audited: Audited) -> Iterator[Outcome]:
    for device in audited.devices:
        if device.is_external:
            yield audited.plain(device, "not_applicable")
            continue
        if mapping_of(device.fields, "postureIdentity").get("disabled") is True:
            yield evolve(
                _fail(device, "it does not tell its serial number", "postureIdentity"), aspect="identity"
            )
        yield from _attributes(device, audited)


def _attributes(device: Device, audited: Audited) -> Iterator[Outcome]:
    told = audited.fleet.attributes.get(device.id)
    if told is None:
        yield _unknown(device, "its attributes were not read: that takes a call for each device")
        return
    wrong = {
        name: told[name]
        for name, wanted in audited.options.baseline.items()
        if name in told and told[name] != wanted
    }
    untold = [name for name in audited.options.baseline if name not in told]
    for name, value in wrong.items():
        evidence = (fact("getDevicePostureAttributes", **{name: value}),)
        yield Outcome(of_device(device), "fail", f"{name} is {value}", aspect=name, evidence=evidence)
    if untold:
        yield _unknown(device, f"it does not tell {', '.join(untold)}")
    elif not wrong:
        yield audited.plain(device, "pass")


_check = partial(Check, inputs=(), controls=("CC6.1", "CC6.3", "CC7.1"))
CHECKS: Final = (
    _check("DEV-01", "high", "Keys of people that never expire", "turn key expiry on; the device may have to sign in again at once", evaluate=_own(_never_expires)),
    _check("DEV-02", "medium", "Keys of tagged devices that never expire", "turn key expiry on, or list the tag as one that may", evaluate=_own(_tagged_never_expires)),
    _check("DEV-03", "medium", "Old clients", "update the client, and turn auto-update on", evaluate=_versions),
    _check("DEV-04", "medium", "Devices nobody uses", "quarantine and remove it: tailscale-sdk lifecycle", evaluate=_silent),
    _check("DEV-05", "medium", "Devices that wait for approval", "approve it, or delete it", evaluate=_own(_waiting)),
    _check("DEV-06", "medium", "Servers that belong to a person", "give it a tag", evaluate=_own(_untagged_server)),
    _check("DEV-07", "high", "Workstations with a tag", "let its user sign in again without a tag", evaluate=_own(_tagged_workstation)),
    _check("DEV-08", "high", "Devices that were cloned", "expire its key, and sign each machine in", evaluate=_own(_cloned)),
    _check("DEV-09", "high", "Devices tailnet lock refuses", "sign it, or remove it", evaluate=_locked),
    _check("DEV-10", "medium", "Devices that are shared", "make sure that they are meant; revoke invites with exit nodes", evaluate=_shared),
    _check("DEV-11", "low", "Names that tell too much", "rename it", inputs=("settings",), evaluate=_names),
    _check("DEV-12", "medium", "Devices that do not keep to the baseline", "set it right on the device", inputs=("attributes",), evaluate=_posture),
)  # fmt: skip
"""In the order of their ids."""
