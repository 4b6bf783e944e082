"""The little picture beside a provider's name."""

from functools import lru_cache

from django.contrib.staticfiles import finders


@lru_cache
def mark_of(slug: str) -> str:
    """The path of the provider's mark among the static files, or '' if it has none."""
    path = f"hub/marks/{slug}.svg"
    return path if finders.find(path) else ""
