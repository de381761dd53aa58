"""Every fault by name: what it is, when it strikes unless told otherwise, when it may."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from attrs import frozen

When = Literal["before_apply", "after_apply", "mid_reply"]
# connection: the connection goes wrong. status, redirect, page: a whole answer from elsewhere.
# protocol: the true answer in an odd HTTP form. cut: its body breaks off, lies about its length or drips.
# encoding: the body is not in the form its header says, or too large. value: the JSON is odd.
# client-side: nothing a server could play when it has the request in its hands.
Kind = Literal[
    "connection", "status", "redirect", "page", "protocol", "cut", "encoding", "value", "client-side"
]
ANY: Final[tuple[When, ...]] = ("before_apply", "after_apply", "mid_reply")
# A head that replaces another comes before the body or not at all.
HEAD: Final[tuple[When, ...]] = ("before_apply", "after_apply")
ALLOWED: Final[Mapping[Kind, tuple[When, ...]]] = {
    "connection": ANY,
    "status": HEAD,
    "redirect": HEAD,
    "page": HEAD,
    "protocol": HEAD,
    "cut": ANY,
    "encoding": ANY,
    "value": ANY,
    "client-side": (),
}
RANDOM_SHARE: Final = 0.2


@frozen
class Fault:
    """Describe one fault.

    Attributes:
        name: row of the fault matrix.
        description: what a client meets; for a client-side fault, how to bring it about.
        kind: what goes wrong.
        when: when it strikes if a rule does not say; None for a client-side fault.
        probability: share of requests if a rule gives neither nth nor probability.
    """

    name: str
    description: str
    kind: Kind
    when: When | None
    probability: float | None = None

    @property
    def allowed(self) -> tuple[When, ...]:
        """Return when it may strike."""
        return ALLOWED[self.kind]

    @property
    def needs_answer(self) -> bool:
        """Tell whether it spoils the true answer; ``reset`` does so inside the body only."""
        return self.kind in {"protocol", "cut", "encoding", "value"} and self.name != "reset"


def _rows(kind: Kind, when: When | None, **rows: str) -> dict[str, Fault]:
    named = {name.removeprefix("_"): text for name, text in rows.items()}
    return {name: Fault(name, text, kind, when) for name, text in named.items()}


FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **_rows(
            "connection",
            "before_apply",
            wreset="reset while the request is being written; after_apply: reset once it was read and done",
            stall="no answer, the connection stays open until the client leaves",
            noreply="closed without an answer, as a kept connection that went stale",
            garbage="bytes that are not HTTP, then closed",
        ),
        **_rows(
            "cut",
            "mid_reply",
            reset="reset inside the body; before_apply and after_apply: reset in place of the answer",
            cl_long="closed before the body has the length its header says",
            chunk_trunc="closed inside a chunked body",
            cl_short="a Content-Length of half the body, which comes whole, then closed",
            trunc="half of the body, with the Content-Length of that half",
            nocl_trunc="half of the body without any length, then closed",
            drip="50 bytes of the body, 0.2 s before each, then the rest",
            drip_stall="4 bytes of the body, 0.2 s before each, then silence",
        ),
        **_rows(
            "status",
            "before_apply",
            _429_s="429 with Retry-After: 1",
            _429_date="429 with a Retry-After two seconds after its Date",
            _429_past="429 with a Retry-After an hour ago",
            _429_bad="429 with a Retry-After that is neither number nor date",
            _429_none="429 without Retry-After",
            _429_3600="429 with a Retry-After of an hour",
            _408="408",
            _500="500",
            _502="502 with JSON",
            _504="504",
            _503_ra="503 with Retry-After: 1",
            _503="503 without Retry-After",
            _400="400",
            _401="401, the token is not accepted",
            _403="403, a scope is missing",
            _404="404",
            _409="409",
            _412="412, as for an If-Match that is no longer true",
            _422="422",
            _501="501, as for a device of another tailnet",
        ),
        "rand503": Fault(
            "rand503",
            f"503 without Retry-After, at random: {RANDOM_SHARE:.0%} unless probability or nth is given",
            "status",
            "before_apply",
            RANDOM_SHARE,
        ),
        **_rows(
            "redirect",
            "before_apply",
            redir301="301 to another path of the same origin",
            redir302="302 to another path of the same origin",
            redir303="303 to another path of the same origin",
            redir307="307 to another path of the same origin",
            redir308="308 to another path of the same origin",
            redir_host="307 to the same path of other_url",
            redir_http="307 to the same address over plain http",
        ),
        **_rows(
            "page",
            "before_apply",
            html="an HTML page with 502, as a proxy makes it",
            html200="an HTML page with 200, as a captive portal makes it",
        ),
        **_rows(
            "page",
            "after_apply",
            empty200="200 without a body",
            _204body="204 with a body all the same; the connection stays open, the body before the next answer",
        ),
        **_rows(
            "protocol",
            "after_apply",
            http10="the answer in HTTP/1.0: no length, ended by closing",
            cont100="five 100 Continue before the answer",
            hdrflood="300 kB of headers before the body",
        ),
        **_rows(
            "encoding",
            "after_apply",
            gzbad="Content-Encoding: gzip over data that is broken",
            enc_br="Content-Encoding: br, which nobody asked for",
            bomb="128 MiB of blanks in 128 kB of gzip before the body",
            huge="80 MiB of blanks before the body, chunked",
        ),
        **_rows(
            "value",
            "after_apply",
            newfield="an unknown field in the outer object and in each object of its lists",
            newenum="an unknown value in each field that has a fixed set of values",
            wrongtype="a list where an object is due and the other way round",
            dupkeys="the first key twice, the true value last",
            nan="a member with the value NaN",
            inf="a member with the value Infinity",
            _1e400="a member with the number 1e400",
            int5000="a member with an integer of 5000 digits",
            surrogate="a member with half of a surrogate pair",
            bom="a byte order mark before the body",
            badutf8="a member with bytes that are not UTF-8",
            deep100000="a member with 100000 lists inside each other",
            utf16hdr="charset=utf-16 over UTF-8",
        ),
        **_rows(
            "client-side",
            None,
            connrefused="connection refused: use the port of a tailnet that was closed",
            unreach="unreachable: give the client such a base_url",
            dnsagain="temporary failure of the resolver: replace socket.getaddrinfo",
            dnsnone="name that does not exist: replace socket.getaddrinfo",
            tls_cert="certificate nobody vouches for: serve one on a port of its own",
            tls_name="certificate for another name: serve one on a port of its own",
            tls_plain="https to a plain port: give the client such a base_url",
            conntimeout="no connection in time: use a listener that accepts nobody",
            pooltimeout="no free connection in time: it is the client's pool that is full",
            outage="refused for minutes: close the tailnet, or repeat the fault 503",
            cancel="cancelled call: it is the caller who cancels",
            loops="client of another event loop: it is the caller's mistake",
            clock="wall clock that jumps: it is the client's clock",
        ),
    }
)
