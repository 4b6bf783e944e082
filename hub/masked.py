"""What holds a secret shows nothing of it: not in text, not in a pickle, not in JSON."""

from typing import Any, NoReturn


class Masked:
    """Mixin: repr, str and format name the class alone; pickling and copying are refused.

    orjson writes out every class that carries `@dataclass` itself. A dataclass that must not end in
    JSON is therefore subclassed, and only the subclass is used.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(•••)"

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds secrets and is never pickled")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self.__reduce__()

    def __getstate__(self) -> NoReturn:
        self.__reduce__()
