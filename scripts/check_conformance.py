"""Run schemathesis over the embedded tailnet: does it answer as openapi/tailscale.yaml says?

Every operation is sent once with arguments that work, and then with many generated ones: half of them with
ids that exist. Each answer must be no server error, of a described status and type, and fit its schema.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
warnings.filterwarnings("ignore")

import httpx  # noqa: E402
import schemathesis  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import seed as hypothesis_seed  # noqa: E402
from schemathesis.checks import (  # noqa: E402
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from tailscale_sdk import OPERATIONS, APIStatusError, Tailscale  # noqa: E402
from tailscale_sdk.testing import FakeTailnet  # noqa: E402
from tests.exercise import STEPS, Memory, bound_method  # noqa: E402

SEED = 20260701
EXAMPLES = 25
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# 501 says what is missing and is the right answer until the policy engine exists; see api documentation.
KNOWN_501 = {"previewRuleMatches", "validateAndTestPolicyFile", "setPolicyFile", "deleteDevice"}


@schemathesis.serializer("application/hujson")
def hujson(context: Any, value: Any) -> bytes:
    """Send policy text as it is."""
    return value.encode() if isinstance(value, str) else b"{}"


class Capture(httpx.BaseTransport):
    """Keep the requests that the SDK sends."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()
        self.last: httpx.Request | None = None
        self.status = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.last = request
        response = self._inner.handle_request(request)
        self.status = response.status_code
        return response


def judge(operation_id: str, case: Any, headers: dict[str, str]) -> tuple[int, list[str]]:
    """Send one case and return its status and what the checks say."""
    response = case.call(headers=headers)
    checks = CHECKS[1:] if response.status_code == 501 and operation_id in KNOWN_501 else CHECKS
    try:
        case.validate_response(response, checks=checks, headers=headers)
    except (AssertionError, BaseExceptionGroup) as failure:
        reasons = getattr(failure, "exceptions", (failure,))
        return response.status_code, [f"{operation_id}: {' '.join(str(r).split())[:400]}" for r in reasons]
    return response.status_code, []


def replay(tailnet: FakeTailnet, seen: Counter[tuple[str, bool]]) -> list[str]:
    """Send each operation once with arguments that work."""
    found, capture, memory = [], Capture(), Memory()
    with Tailscale(
        api_key=tailnet.api_key, base_url=tailnet.base_url, rate_limit=None, _wire=capture
    ) as client:
        for step in STEPS:
            arguments, keywords = step.arguments(memory)
            try:
                step.remember(memory, bound_method(client, step.operation_id)(*arguments, **keywords))
            except APIStatusError as error:
                found.append(f"{step.operation_id}: {error}")
            seen[step.operation_id, 200 <= capture.status < 300] += 1
    return found


def identifiers(tailnet: FakeTailnet) -> dict[str, str]:
    """Return an existing id for each path parameter."""
    state = tailnet.tailnet
    device = next(d["nodeId"] for d in state.devices.values() if not d.get("isExternal"))
    first = {
        "deviceId": device,
        "userId": next(iter(state.users), ""),
        "keyId": next(iter(state.keys), ""),
        "endpointId": next(iter(state.webhooks), ""),
        "serviceName": next(iter(state.services), ""),
        "appId": next(iter(state.oauth_apps), ""),
        "userInviteId": next(iter(state.user_invites), ""),
        "deviceInviteId": next(iter(state.device_invites), ""),
        "id": next(iter(state.posture_integrations), ""),
        "tailnet": "-",
        "attributeKey": "custom:tier",
    }
    return {name: value for name, value in first.items() if value}


def fuzz(
    operation: Any, operation_id: str, tailnet: FakeTailnet, headers: dict[str, str]
) -> tuple[list[str], Counter[int]]:
    """Send generated cases of one operation, half of them with ids that exist."""
    found: list[str] = []
    statuses: Counter[int] = Counter()

    @hypothesis_seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        if sum(statuses.values()) % 2 == 0:
            known = identifiers(tailnet)
            case.path_parameters = {k: known.get(k, v) for k, v in (case.path_parameters or {}).items()}
        status, problems = judge(operation_id, case, headers)
        statuses[status] += 1
        found.extend(problems)

    send()
    return list(dict.fromkeys(found)), statuses


def main() -> int:
    """Judge every operation and return 1 when something does not conform."""
    start = time.perf_counter()
    seen: Counter[tuple[str, bool]] = Counter()
    with FakeTailnet(plain=True, seed=SEED) as tailnet:
        schema = schemathesis.openapi.from_path(ROOT / "openapi" / "tailscale.yaml")
        schema.config.update(base_url=f"{tailnet.base_url}/api/v2")
        problems = replay(tailnet, seen)
        port = int(tailnet.base_url.rpartition(":")[2])  # the loaded operations keep this address
    requests = 0
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]  # a description that loads has no invalid operation
        operation_id = operation.definition.raw["operationId"]
        with FakeTailnet(plain=True, seed=SEED, port=port) as tailnet:
            headers = {"Authorization": f"Bearer {tailnet.api_key}"}
            found, statuses = fuzz(operation, operation_id, tailnet, headers)
        problems += found
        requests += sum(statuses.values())
        for status, count in statuses.items():
            seen[operation_id, 200 <= status < 300] += count
    without = sorted(o for o in OPERATIONS if not seen[o, True] and o != "previewRuleMatches")
    for problem in problems:
        print(problem)
    print(
        f"schemathesis: {requests} generated requests over {len(OPERATIONS)} operations in "
        f"{time.perf_counter() - start:.0f} s, {len(problems)} problems, without a 2xx: {without or 'none'}"
    )
    return 1 if problems or without else 0


if __name__ == "__main__":
    sys.exit(main())
