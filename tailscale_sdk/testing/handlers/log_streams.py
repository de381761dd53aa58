"""Log streaming of the embedded tailnet: destinations, counters that move, external ids of AWS."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

from tailscale_sdk.testing.access import require
from tailscale_sdk.testing.clock import parse_time
from tailscale_sdk.testing.exchange import NO_BODY, Answer, Call, Refusal, handles
from tailscale_sdk.testing.state import JsonObject, Tailnet
from tailscale_sdk.testing.values import check_choice, split_url

STATUS: Final = "status"
"""Where a snapshot keeps how a stream is doing; the API tells it apart from where the stream goes."""

LOG_TYPES: Final = ("configuration", "network")
SECRETS: Final = ("token", "s3SecretAccessKey", "gcsCredentials")
TEXTS: Final = (
    "url",
    "user",
    "s3Bucket",
    "s3Region",
    "s3KeyPrefix",
    "s3AccessKeyId",
    "s3RoleArn",
    "gcsBucket",
    "gcsKeyPrefix",
)
NEEDED: Final = {
    "s3": ("s3Bucket", "s3Region", "s3AuthenticationType"),
    "gcs": ("gcsBucket", "gcsCredentials"),
}
NEEDED_BY_S3_LOGIN: Final = {"accesskey": ("s3AccessKeyId", "s3SecretAccessKey"), "rolearn": ("s3RoleArn",)}
COMPRESSIONS: Final = ("gzip", "none", "zstd")
MAX_UPLOAD_MINUTES: Final = 1440
AWS_ACCOUNT: Final = "111122223333"
TAILNET_RANGES: Final = tuple(map(ipaddress.ip_network, ("100.64.0.0/10", "fd7a:115c:a1e0::/48")))
_DESTINATION = re.compile(r"[a-z0-9][a-z0-9_-]*")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)


def _log_type(call: Call) -> str:
    kind = call.path["logType"]
    if kind not in LOG_TYPES:
        raise Refusal(404, f"logType must be one of {', '.join(LOG_TYPES)}")
    return kind


def _stream(call: Call) -> JsonObject:
    stream = call.tailnet.log_streams.get(_log_type(call))
    if not stream:
        raise Refusal(404, "log streaming is not configured for this type of log")
    return stream


@handles("getLogStreamingConfiguration")
def get_stream(call: Call) -> JsonObject:
    """Give where a log is streamed to, without credentials."""
    return {name: value for name, value in _stream(call).items() if name != STATUS}


@handles("setLogStreamingConfiguration")
def set_stream(call: Call) -> Answer:
    """Stream a log somewhere else; everything that is left out is gone, credentials too."""
    kind = _log_type(call)
    stream = _read_stream(call, kind)
    if _is_private(stream.get("url", "")):
        require(call.caller, "device_invites", "policy_file")
    secrets = {name: call.field(name, str, False) for name in SECRETS}
    old = call.tailnet.log_streams.get(kind)
    call.tailnet.log_streams[kind] = stream
    call.tailnet.memory[f"stream/{kind}"] = {"since": call.tailnet.clock.text(), "looks": 0}
    for name, secret in secrets.items():
        call.tailnet.secrets.pop(f"stream/{kind}/{name}", None)
        if secret:
            call.tailnet.secrets[f"stream/{kind}/{name}"] = secret
    action, before = ("CREATE", NO_BODY) if old is None else ("UPDATE", old)
    call.tailnet.record(call, action=action, target=_target(call), old=before, new=stream)
    return Answer()


def _read_stream(call: Call, kind: str) -> JsonObject:
    destination = call.field("destinationType", str)
    if not _DESTINATION.fullmatch(destination):
        raise Refusal(400, "destinationType must name a kind of destination, such as splunk or s3")
    stream: JsonObject = {"logType": kind, "destinationType": destination, **_read_optional(call)}
    login = call.field("s3AuthenticationType", str, False)
    if login is not None:
        stream["s3AuthenticationType"] = check_choice(login, NEEDED_BY_S3_LOGIN, "s3AuthenticationType")
    needed = NEEDED.get(destination, ("url",))
    if destination == "s3":
        needed += NEEDED_BY_S3_LOGIN.get(login or "", ())
    for name in needed:
        if not call.field(name, str, False):
            raise Refusal(400, f"{name} is missing: the destination {destination} needs it")
    if stream.get("url"):
        split_url(stream["url"], "url")
    if login == "rolearn" and destination == "s3":
        stream["s3ExternalId"] = _external_id(call.tailnet, reusable=True)
    return stream


def _read_optional(call: Call) -> JsonObject:
    fields: JsonObject = {name: call.field(name, str, False) for name in TEXTS}
    fields["gcsScopes"] = call.strings("gcsScopes", False)
    compression = call.field("compressionFormat", str, False)
    if compression is not None:
        fields["compressionFormat"] = check_choice(compression, COMPRESSIONS, "compressionFormat")
    minutes = call.field("uploadPeriodMinutes", int, False)
    if minutes is not None and not 0 <= minutes <= MAX_UPLOAD_MINUTES:
        raise Refusal(400, f"uploadPeriodMinutes must be between 0 and {MAX_UPLOAD_MINUTES}")
    fields["uploadPeriodMinutes"] = minutes
    return {name: value for name, value in fields.items() if value is not None}


def _is_private(url: str) -> bool:
    """Tell whether logs would go to a device of the tailnet, which takes more rights."""
    host = split_url(url, "url").hostname if url else None
    if host is None:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.endswith(".ts.net")
    return any(address in network for network in TAILNET_RANGES if network.version == address.version)


@handles("disableLogStreaming")
def disable_stream(call: Call) -> Answer:
    """Stop streaming a log."""
    old = _stream(call)
    kind = _log_type(call)
    del call.tailnet.log_streams[kind]
    for name in SECRETS:
        call.tailnet.secrets.pop(f"stream/{kind}/{name}", None)
    call.tailnet.record(call, action="DELETE", target=_target(call), old=old)
    return Answer()


@handles("getLogStreamingStatus")
def get_status(call: Call) -> JsonObject:
    """Give counters that grow with the virtual time and with each look, or what a snapshot says of the stream."""
    stream = _stream(call)
    if isinstance(stream.get(STATUS), dict):
        told: JsonObject = stream[STATUS]
        return told
    tailnet = call.tailnet
    progress = tailnet.memory.setdefault(
        f"stream/{_log_type(call)}", {"since": tailnet.clock.text(plus_seconds=-3600), "looks": 0}
    )
    progress["looks"] += 1
    seconds = max(1.0, (tailnet.clock.now() - parse_time(progress["since"])).total_seconds())
    requests = int(seconds // 60) + progress["looks"]
    entries = requests * 7
    sent = entries * 412
    status = {
        "lastActivity": tailnet.clock.text(),
        "lastError": "",
        "maxBodySize": 7 * 412,
        "numBytesSent": sent,
        "numEntriesSent": entries,
        "numSpoofedEntries": 0,
        "numTotalRequests": requests,
        "numFailedRequests": 0,
        "maxNumEntries": 7,
        "numTotalRequestNanoSecs": requests * 48_000_000,
    }
    if seconds < 60 and not tailnet.plain:  # the rates may be missing, at first they are
        return status
    rates = {
        "rateBytesSent": sent,
        "rateEntriesSent": entries,
        "rateTotalRequests": requests,
        "rateFailedRequests": 0,
    }
    return {**status, **{name: value / seconds for name, value in rates.items()}}


@handles("getAwsExternalId")
def create_external_id(call: Call) -> JsonObject:
    """Make an external id; a reusable one is given again until it is linked with an account."""
    reusable = bool(call.body.strip() and call.field("reusable", bool, False))
    identifier = _external_id(call.tailnet, reusable=reusable)
    target = {**call.tailnet.target(), "property": "LOGSTREAM_ENDPOINT"}
    call.tailnet.record(call, action="CREATE", target=target, new={"externalId": identifier})
    return {"externalId": identifier, "tailscaleAwsAccountId": AWS_ACCOUNT}


def _external_ids(tailnet: Tailnet) -> dict[str, dict[str, Any]]:
    known: dict[str, dict[str, Any]] = tailnet.memory.setdefault("aws_external_ids", {})
    return known


def _external_id(tailnet: Tailnet, *, reusable: bool) -> str:
    known = _external_ids(tailnet)
    if reusable:
        free = next((i for i, facts in known.items() if facts["reusable"] and not facts["role"]), None)
        if free is not None:
            return free
    digits = tailnet.ids.hexadecimal(32)
    identifier = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    known[identifier] = {"reusable": reusable, "role": None}
    return identifier


@handles("validateAwsExternalId")
def validate_trust_policy(call: Call) -> Answer:
    """Accept any role whose ARN is spelled right, and link the external id with it."""
    facts = _external_ids(call.tailnet).get(call.path["id"])
    if facts is None:
        raise Refusal(404, "no external id like this was made for the tailnet")
    role = call.field("roleArn", str)
    if not _ROLE.fullmatch(role):
        raise Refusal(422, "roleArn must look like arn:aws:iam::<12 digits>:role/<name>")
    if facts["role"] not in (None, role):
        raise Refusal(422, "this external id is linked with another role: make a new one")
    facts["role"] = role
    return Answer()


def _target(call: Call) -> JsonObject:
    return {**call.tailnet.target(), "property": "LOGSTREAM_ENDPOINT"}
