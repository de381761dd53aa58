"""Faults on demand: a raw-socket server before the embedded tailnet that answers wrongly where a rule says so.

A rule is one entry of a fault file, or the same mapping from Python::

    {"operation": "createKey", "nth": 1, "when": "after_apply", "fault": "stall"}

Every key but ``fault`` or ``delay`` may be left out.

- ``operation``: operation id, or ``oauth/token`` and ``oauth/token-exchange``. ``path`` in its place: a glob over
  the path below ``/api/v2`` as it was sent, without the query; ``*`` crosses slashes. Neither: every request
  below ``/api/v2``.
- ``nth``: which of the matching requests, from 1; a number or a list of numbers. ``probability``: the share of
  them, decided by the seed. Neither: all of them. A rule counts each request it matches, also one for which an
  earlier rule is played; the first rule that is due is played.
- ``times``: how often it is played at most. With a single ``nth`` it is how many in a row, 1 if not given; else
  there is no limit.
- ``when``: ``before_apply``: the tailnet never sees the request. ``after_apply``: it carries the request out, the
  fault comes in place of the answer. ``mid_reply``: it carries the request out, the fault strikes inside the body
  of the answer. The default is that of the fault in ``FAULTS``.
- ``fault``: a name in ``FAULTS``, or an answer ``{"status": 503, "headers": {}, "body": "text or any JSON"}``.
- ``delay``: seconds before the fault, or alone: seconds before the request is carried out and truly answered.
  With ``after_apply`` a fault that needs nothing of the true answer is played at once, and the request is carried
  out so many seconds later, whether or not the client is still there.

A fault that spoils an answer spoils the true one; with ``before_apply`` an invented ``200``.
An answer too short to be cut or dripped is filled up with blanks first.
"""

from __future__ import annotations

from tailscale_sdk.testing.faults.control import Faults, SeenRequest
from tailscale_sdk.testing.faults.reading import FaultSource
from tailscale_sdk.testing.faults.rules import Rule
from tailscale_sdk.testing.faults.table import FAULTS, Fault

__all__ = ["FAULTS", "Fault", "FaultSource", "Faults", "Rule", "SeenRequest"]
