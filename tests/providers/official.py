"""What providers themselves have published: descriptions, field names, recorded answers.

It lies in a folder outside the repository (HUB_SHARED, by default `shared` beside it); without it
the lanes that need it are skipped and say so.
"""

from __future__ import annotations

import gzip
import os
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
VENDORS = Path(os.environ.get("HUB_SHARED") or REPOSITORY.parent / "shared") / "vendors"
SPECS = VENDORS / "specs"
SAMPLES = VENDORS / "samples"


def needs(path: Path) -> pytest.MarkDecorator:
    """Skips what cannot be shown without this file or folder."""
    return pytest.mark.skipif(not path.exists(), reason=f"{path} is not there (set HUB_SHARED)")


@cache
def unpacked(path: Path) -> Any:
    """The JSON document in a packed file."""
    return orjson.loads(gzip.decompress(path.read_bytes()))
