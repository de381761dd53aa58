"""Every default of the SDK, with its unit in the name and its reason beside it."""

from __future__ import annotations

DEFAULT_BASE_URL = "https://api.tailscale.com"
API_PREFIX = "/api/v2"
# "-" is the tailnet the credential belongs to (api reference, "tailnet").
DEFAULT_TAILNET = "-"

# One call including every wait; below the 60 s after which usual MCP clients give up waiting.
TOTAL_TIMEOUT_SECONDS = 60.0
CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 30.0
WRITE_TIMEOUT_SECONDS = 30.0
POOL_TIMEOUT_SECONDS = 10.0
# How much later than the deadline an asynchronous call is cut off, so that a phase can end by its own timeout first.
DEADLINE_GRACE_SECONDS = 0.1
# The longest total deadline that may be asked for: a day.
MAX_TIMEOUT_SECONDS = 86_400.0

MAX_RETRIES = 3
RETRIES_LIMIT = 20
BACKOFF_FIRST_SECONDS = 0.25
BACKOFF_CAP_SECONDS = 20.0
# A longer Retry-After is raised at once: a caller can plan with it, a sleeping call cannot.
MAX_RETRY_AFTER_SECONDS = 60.0
# The longest Retry-After a caller may choose to sit out inside one call.
RETRY_AFTER_LIMIT_SECONDS = 3600.0
RETRY_AFTER_JITTER_SHARE = 0.1
RETRY_AFTER_JITTER_CAP_SECONDS = 1.0

# A client's purse for retries, after botocore's standard mode: an outage empties it, and what is left is one
# request per call; at 20 % of failures it never empties.
RETRY_BUDGET = 500
RETRY_BUDGET_LIMIT = 1_000_000
RETRY_COST = 14
# A refusal that asks to wait is no sign of an outage, so it costs less.
RETRY_COST_WHEN_THROTTLED = 5

# Five requests at once, refilled over half a second: ten a second on average. Our choice: Tailscale publishes
# no limit (github.com/tailscale/tailscale/issues/14328).
RATE_LIMIT = (5, 0.5)
MAX_CONCURRENCY = 10
CONCURRENCY_LIMIT = 1000
# Share of the slots that bulk work may hold, so that an interactive call always finds one.
BULK_SHARE = 0.5
KEEPALIVE_SECONDS = 5.0

# 10,000 devices are about 20 MB; the API never pages.
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
MAX_ERROR_BODY_BYTES = 64 * 1024
# A real answer compresses ten to twenty times; a bomb a thousand times.
MAX_COMPRESSION_RATIO = 100
RATIO_CHECKED_FROM_BYTES = 1024 * 1024

# What one creation or policy write may add to its deadline to find out whether it was carried out.
RECONCILE_SECONDS = 15.0
# A request that timed out may still be on its way: absence is believed at the second look.
SECOND_LOOK_SECONDS = 2.0
# A list whose entries hold only ids is read one by one, newest first, up to this many.
RECONCILE_READS = 200

# The mark in a created key's description: a blank and eight characters, 40 bits of chance.
NONCE_CHARACTERS = 8
# The service's limit of a key's description (api reference, createKey).
DESCRIPTION_CHARACTERS = 50

# A log stream has no total deadline unless one is set, only this much silence between two pieces.
IDLE_TIMEOUT_SECONDS = 30.0
# A flow record of a busy node is some ten kilobytes.
MAX_RECORD_BYTES = 1024 * 1024
# Log streams are decompressed and parsed in pieces of this size, or of a share of the record cap if that is less.
STREAM_PIECE_BYTES = 64 * 1024
RECORD_PIECES = 16
# As deep as orjson goes; ijson copies the path at every level, so a bomb of brackets would take gigabytes.
MAX_JSON_DEPTH = 1024
# By so many records behind it a resumed log stream knows what came already; more than share one instant.
SEAM_RECORDS = 10_000

# A token is replaced when this share of its life is over.
TOKEN_REFRESH_SHARE = 0.8
# OAuth access tokens live an hour; assumed where an answer does not say.
TOKEN_LIFETIME_SECONDS = 3600.0
# A failed token request is remembered this long, so that waiting calls do not repeat it one by one.
TOKEN_FAILURE_SECONDS = 1.0
TOKEN_ATTEMPTS = 2
# While the old token lives, a call waits no longer than this for a new one.
TOKEN_RENEWAL_SECONDS = 10.0
# The largest credential is a JWT of a few kilobytes.
CREDENTIAL_FILE_CAP_BYTES = 64 * 1024

MESSAGE_CAP_CHARACTERS = 2000
# The whole text of an error: the service's message, where it happened and the next step.
TEXT_CAP_CHARACTERS = 3000
EXCERPT_CHARACTERS = 200

# Both directions; the same five minutes Tailscale's own example allows for the past.
WEBHOOK_TOLERANCE_SECONDS = 300.0
# A real header is some hundred bytes, also with two signatures during a rotation.
WEBHOOK_HEADER_CAP_BYTES = 8 * 1024
WEBHOOK_MEMORY = 4096

# A line or a row is written within milliseconds; who holds a lock of the local state this long hangs.
STATE_LOCK_SECONDS = 10.0
# What was replaced is kept this long, and this many times for each thing that is changed.
PREIMAGES_KEPT = 50
PREIMAGE_SECONDS = 90 * 86_400.0
# A policy is some ten kilobytes, and its history is asked for after months.
POLICY_VERSIONS_KEPT = 500
POLICY_VERSION_SECONDS = 730 * 86_400.0
# An audit file is closed and named when it has grown to this; a line is some five hundred bytes.
AUDIT_FILE_BYTES = 64 * 1024 * 1024
AUDIT_VALUE_CHARACTERS = 500

# Caps of one plan: so many items, and so many percent of all objects of a kind.
MAX_CHANGES = 20
MAX_PERCENT = 5.0
