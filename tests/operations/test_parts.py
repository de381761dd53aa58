"""What is read of a tailnet, and what is left out of it where one of several calls is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tailscale_sdk.errors import TailscaleError
from tailscale_sdk.operations.parts import PARTS, READ, read


class Answer(SimpleNamespace):
    """Stands for a decoded answer."""

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def _dns(configuration: Any) -> Any:
    resolvers = {"get_nameservers": lambda: ["9.9.9.9"], "get_search_paths": list}
    documents = {"get_split_dns": Answer, "get_preferences": lambda: Answer(magicDNS=True)}
    return SimpleNamespace(dns=SimpleNamespace(**resolvers, **documents, get_configuration=configuration))


def _refused() -> Any:
    raise TailscaleError("not allowed")


def test_whether_resolvers_replace_those_of_the_network_is_read_from_the_whole_configuration() -> None:
    client = _dns(lambda: Answer(preferences={"overrideLocalDNS": True, "magicDNS": True}))
    part = read(client, PARTS["dns"]())
    assert part.content["dns"]["preferences"] == {"magicDNS": True, "overrideLocalDNS": True}


def test_dns_is_read_without_it_where_that_is_refused() -> None:
    part = read(_dns(_refused), PARTS["dns"]())
    assert part.content["dns"]["preferences"] == {"magicDNS": True}
    assert part.reason == READ
