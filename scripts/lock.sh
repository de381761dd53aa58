#!/usr/bin/env bash
# Resolve requirements.lock for every platform and Python, with hashes, from releases that are two weeks old.
set -euo pipefail
cd "$(dirname "$0")/.."
uv="$(command -v uv || echo .venv/bin/uv)"
"$uv" pip compile --universal --generate-hashes --python-version 3.11 --extra dev --constraint constraints.txt \
  --exclude-newer "${LOCK_DATE:-$(date -u -d '14 days ago' +%F)}" --no-header --quiet pyproject.toml \
  --output-file requirements.lock
