"""The public place of the models: every one, imported when it is named, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tailscale_sdk import models
from tailscale_sdk._generated import models as generated


def test_every_model_is_there_by_name() -> None:
    assert set(generated.__all__) <= set(dir(models))
    for name in generated.__all__:
        assert getattr(models, name) is getattr(generated, name)


def test_importing_everything_at_once_works() -> None:
    names: dict[str, object] = {}
    exec("from tailscale_sdk.models import *", names)  # noqa: S102  # a star is allowed at module level only
    assert set(generated.__all__) <= set(names)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Devise"):
        _ = models.Devise


def test_naming_one_model_imports_few() -> None:
    script = (
        "import sys; from tailscale_sdk.models import User; "
        "print(sum(m.startswith('tailscale_sdk._generated.models.') for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10
