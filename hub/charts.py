"""Small charts, drawn by the server as SVG: positions here, shapes in the template."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

WIDTH, HEIGHT, BASE = 480, 132, 116  # of the drawing, in its own units; BASE is where bars stand
TOP = 14  # room for the scale above the highest bar
GAP = 4
LABEL_EVERY = 6  # hours


@dataclass(frozen=True)
class LineBar:
    """A line with a bar beside its label; `share` is in percent of the longest."""

    label: str
    shown: str
    share: float
    tone: str = "good"
    address: str = ""


def line_bars(counted: Iterable[tuple[str, int, str, str]]) -> list[LineBar]:
    """Bars of (label, count, tone, address), each as long as its count says."""
    rows = list(counted)
    most = max((count for _, count, _, _ in rows), default=0)
    return [
        LineBar(label, f"{count:,}", round(100 * count / max(most, 1), 1), tone, address)
        for label, count, tone, address in rows
    ]


@dataclass(frozen=True)
class HourBar:
    """The runs that ended in one hour."""

    hour: datetime
    succeeded: int
    failed: int

    @property
    def total(self) -> int:
        return self.succeeded + self.failed


@dataclass(frozen=True)
class Bar:
    """One bar on the drawing: failed stands on succeeded."""

    title: str
    x: float
    width: float
    good_y: float
    good_height: float
    bad_y: float
    bad_height: float


@dataclass(frozen=True)
class Mark:
    x: float
    text: str


@dataclass(frozen=True)
class HourChart:
    """Runs per hour, oldest first."""

    hours: tuple[HourBar, ...]

    width = WIDTH
    height = HEIGHT
    base = BASE
    text_y = HEIGHT - 4

    @property
    def has_bars(self) -> bool:
        return any(hour.total for hour in self.hours)

    @cached_property
    def highest(self) -> int:
        return max((hour.total for hour in self.hours), default=0)

    @property
    def summary(self) -> str:
        good = sum(hour.succeeded for hour in self.hours)
        return f"{good:,} succeeded, {sum(hour.failed for hour in self.hours):,} failed"

    @property
    def bars(self) -> list[Bar]:
        step = WIDTH / len(self.hours)
        unit = (BASE - TOP) / max(self.highest, 1)
        drawn = []
        for place, hour in enumerate(self.hours):
            good, bad = hour.succeeded * unit, hour.failed * unit
            drawn.append(
                Bar(
                    title=f"{hour.hour:%H:%M}: {hour.succeeded} succeeded, {hour.failed} failed",
                    x=round(place * step + GAP / 2, 1),
                    width=round(step - GAP, 1),
                    good_y=round(BASE - good, 1),
                    good_height=round(good, 1),
                    bad_y=round(BASE - good - bad, 1),
                    bad_height=round(bad, 1),
                )
            )
        return drawn

    @property
    def marks(self) -> list[Mark]:
        step = WIDTH / len(self.hours)
        return [
            Mark(
                x=round(min(max((place + 0.5) * step, 15), WIDTH - 15), 1),
                text=f"{hour.hour:%H:%M}",
            )
            for place, hour in enumerate(self.hours)
            if hour.hour.hour % LABEL_EVERY == 0
        ]
