"""One call of every operation, in an order that works on a fresh embedded tailnet.

The table serves the contract tests, the cassettes and the adapter's tests: arguments are written once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field, frozen

from tailscale_sdk import OPERATIONS

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
WINDOW = {"start": "2026-06-01T00:00:00Z", "end": "2026-07-01T00:00:00Z"}
SERVICE = "svc:exercise"
POLICY_TEST = {"src": "alice@example.com", "accept": ["100.64.0.1:443"]}


@define
class Memory:
    """Hold what earlier calls answered and later calls need."""

    device: str = ""
    spare_device: str = ""
    user: str = ""
    spare_user: str = ""
    policy: str = ""
    etag: str = ""
    found: dict[str, str] = field(factory=dict)


@frozen
class Step:
    """Describe one call: which operation, with what, and what to remember of its answer."""

    operation_id: str
    arguments: Callable[[Memory], Arguments]
    remember: Callable[[Memory, Any], None] = field(default=lambda memory, answer: None)


def _no_arguments(memory: Memory) -> Arguments:
    return (), {}


def _with(*names: str, **keywords: Any) -> Callable[[Memory], Arguments]:
    """Take positional values from the memory: an attribute of it, or a thing found."""
    return lambda memory: (tuple(_look_up(memory, name) for name in names), dict(keywords))


def _look_up(memory: Memory, name: str) -> str:
    value: str = getattr(memory, name, "") or memory.found.get(name, name)
    return value


def _found(key: str, attribute: str) -> Callable[[Memory, Any], None]:
    def remember(memory: Memory, answer: Any) -> None:
        first = answer[0] if isinstance(answer, list) else answer
        memory.found[key] = getattr(first, attribute)

    return remember


def _remember_devices(memory: Memory, devices: list[Any]) -> None:
    own = [
        device for device in devices if device.is_external is not True and device.tags and device.authorized
    ]
    memory.device, memory.spare_device = own[0].node_id, own[1].node_id


def _remember_users(memory: Memory, users: list[Any]) -> None:
    members = [user for user in users if user.role == "member" and user.status == "active"]
    memory.user, memory.spare_user = members[0].id, members[1].id


def _remember_policy(memory: Memory, document: Any) -> None:
    memory.policy, memory.etag = document.text, document.etag


STEPS: tuple[Step, ...] = (
    Step("listTailnetDevices", lambda m: ((), {"fields": "all"}), _remember_devices),
    Step("getDevice", _with("device", fields="all")),
    Step("setDeviceName", _with("device", name="exercise")),
    Step("setDeviceTags", _with("device", tags=["tag:server"])),
    Step("setDeviceRoutes", _with("device", routes=["10.20.0.0/16"])),
    Step("listDeviceRoutes", _with("device")),
    Step("authorizeDevice", _with("device", authorized=True)),
    Step("updateDeviceKey", _with("device", key_expiry_disabled=True)),
    Step("setDeviceIp", _with("device", ipv4="100.100.100.101")),
    Step(
        "setCustomDevicePostureAttributes",
        _with("device", "custom:exercise", value="yes", comment="exercise"),
    ),
    Step("getDevicePostureAttributes", _with("device")),
    Step(
        "batchUpdateCustomDevicePostureAttributes",
        lambda m: ((), {"nodes": {m.device: {"custom:batch": {"value": True}, "custom:exercise": None}}}),
    ),
    Step("deleteCustomDevicePostureAttributes", _with("device", "custom:batch")),
    Step("expireDeviceKey", _with("device")),
    Step(
        "createDeviceInvites",
        _with("device", invites=[{"email": "guest@example.com"}]),
        _found("device_invite", "id"),
    ),
    Step("listDeviceInvites", _with("device")),
    Step("getDeviceInvite", _with("device_invite"), _found("invite_url", "invite_url")),
    Step("resendDeviceInvite", _with("device_invite")),
    Step("acceptDeviceInvite", lambda m: ((), {"invite": m.found["invite_url"]})),
    Step("deleteDeviceInvite", _with("device_invite")),
    Step(
        "createUserInvites",
        lambda m: ((), {"invites": [{"email": "new@example.com", "role": "member"}]}),
        _found("user_invite", "id"),
    ),
    Step("listUserInvites", _no_arguments),
    Step("getUserInvite", _with("user_invite")),
    Step("resendUserInvite", _with("user_invite")),
    Step("deleteUserInvite", _with("user_invite")),
    Step("listUsers", _no_arguments, _remember_users),
    Step("getUser", _with("user")),
    Step("updateUserRole", _with("user", role="auditor")),
    Step("approveUser", _with("user")),
    Step("suspendUser", _with("user")),
    Step("restoreUser", _with("user")),
    Step("deleteUser", _with("spare_user")),
    Step(
        "createKey",
        lambda m: (
            (),
            {
                "key_type": "auth",
                "description": "exercise",
                "capabilities": {"devices": {"create": {"reusable": False, "tags": ["tag:server"]}}},
                "expiry_seconds": 3600,
            },
        ),
        _found("key", "id"),
    ),
    Step("listTailnetKeys", _no_arguments),
    Step("getKey", _with("key")),
    Step(
        "createKey",
        lambda m: ((), {"key_type": "client", "description": "exercise", "scopes": ["devices:core:read"]}),
        _found("client", "id"),
    ),
    Step("setKey", lambda m: ((m.found["client"],), {"key_type": "client", "scopes": ["devices:core:read"]})),
    Step("deleteKey", _with("key")),
    Step("getPolicyFile", _no_arguments, _remember_policy),
    Step("validateAndTestPolicyFile", lambda m: ((m.policy,), {})),
    Step("setPolicyFile", lambda m: ((m.policy + "\n// exercise\n",), {"if_match": m.etag})),
    Step(
        "previewRuleMatches",
        lambda m: ((m.policy,), {"type": "user", "preview_for": "alice@example.com"}),
    ),
    Step("listDnsNameservers", _no_arguments),
    Step("setDnsNameservers", lambda m: ((), {"dns": ["1.1.1.1", "9.9.9.9"]})),
    Step("getDnsPreferences", _no_arguments),
    Step("setDnsPreferences", lambda m: ((), {"magic_dns": True})),
    Step("listDnsSearchPaths", _no_arguments),
    Step("setDnsSearchPaths", lambda m: ((), {"search_paths": ["corp.example.com"]})),
    Step("getSplitDns", _no_arguments),
    Step("updateSplitDns", lambda m: ((), {"split_dns": {"lab.example.com": ["10.0.0.53"]}})),
    Step("setSplitDns", lambda m: ((), {"split_dns": {"corp.example.com": ["10.0.0.53"]}})),
    Step("getDnsConfiguration", _no_arguments),
    Step(
        "setDnsConfiguration",
        lambda m: (
            (),
            {
                "nameservers": [{"address": "1.1.1.1"}],
                "split_dns": {"corp.example.com": [{"address": "10.0.0.53"}]},
                "search_paths": ["corp.example.com"],
                "preferences": {"magicDNS": True, "overrideLocalDNS": False},
            },
        ),
    ),
    Step("listConfigurationAuditLogs", lambda m: ((), dict(WINDOW))),
    Step("listNetworkFlowLogs", lambda m: ((), dict(WINDOW))),
    Step("getAwsExternalId", lambda m: ((), {"reusable": True}), _found("external_id", "external_id")),
    Step("validateAwsExternalId", _with("external_id", role_arn="arn:aws:iam::123456789012:role/logs")),
    Step(
        "setLogStreamingConfiguration",
        _with(
            "network",
            destination_type="splunk",
            url="https://logs.example.com",
            user="exercise",
            token="demo-token",
        ),
    ),
    Step("getLogStreamingConfiguration", _with("network")),
    Step("getLogStreamingStatus", _with("network")),
    Step("disableLogStreaming", _with("network")),
    Step("getPostureIntegrations", _no_arguments),
    Step(
        "createPostureIntegration",
        lambda m: (
            (),
            {
                "provider": "kolide",
                "client_secret": "demo-secret",
                "client_id": "exercise",
                "cloud_id": "us-1",
                "tenant_id": "exercise",
            },
        ),
        _found("integration", "id"),
    ),
    Step("getPostureIntegration", _with("integration")),
    Step("updatePostureIntegration", _with("integration", client_id="exercise-2")),
    Step("deletePostureIntegration", _with("integration")),
    Step("getContacts", _no_arguments),
    Step("updateContact", _with("support", email="help@example.com")),
    Step("resendContactVerificationEmail", _with("support")),
    Step("listWebhooks", _no_arguments),
    Step(
        "createWebhook",
        lambda m: (
            (),
            {"endpoint_url": "https://hooks.example.com/tailnet", "subscriptions": ["nodeCreated"]},
        ),
        _found("webhook", "endpoint_id"),
    ),
    Step("getWebhook", _with("webhook")),
    Step("updateWebhook", _with("webhook", subscriptions=["nodeCreated", "nodeDeleted"])),
    Step("testWebhook", _with("webhook")),
    Step("rotateWebhookSecret", _with("webhook")),
    Step("deleteWebhook", _with("webhook")),
    Step("getTailnetSettings", _no_arguments),
    Step("updateTailnetSettings", lambda m: ((), {"devices_key_duration_days": 90})),
    Step("listServices", _no_arguments),
    Step("updateService", _with(SERVICE, name=SERVICE, ports=["tcp:443"], comment="exercise")),
    Step("getService", _with(SERVICE)),
    Step("listServiceHosts", _with(SERVICE)),
    Step("updateServiceDeviceApproval", _with(SERVICE, "device", approved=True)),
    Step("getServiceDeviceApproval", _with(SERVICE, "device")),
    Step("deleteService", _with(SERVICE)),
    Step("listOAuthApps", _no_arguments),
    Step(
        "createOAuthApp",
        lambda m: (
            (),
            {
                "name": "exercise",
                "redirect_uris": ["https://app.example.com/back"],
                "scopes": ["devices:core:read"],
            },
        ),
        _found("app", "id"),
    ),
    Step("getOAuthApp", _with("app")),
    Step(
        "updateOAuthApp",
        _with(
            "app",
            name="exercise",
            redirect_uris=["https://app.example.com/back"],
            scopes=["devices:core:read"],
        ),
    ),
    Step("deleteOAuthApp", _with("app")),
    Step("deleteDevice", _with("spare_device")),
)


def steps() -> Iterator[Step]:
    """Yield the calls in order."""
    yield from STEPS


def bound_method(client: Any, operation_id: str) -> Callable[..., Any]:
    """Return the method of a client that carries out an operation."""
    operation = OPERATIONS[operation_id]
    method: Callable[..., Any] = getattr(getattr(client, operation.resource), operation.method)
    return method
