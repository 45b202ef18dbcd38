"""What fails here, for whoever reports it: the error reports are of a layer above."""

from collections.abc import Callable

# Called with the kind of failure and a text; it neither fails nor takes time.
listeners: list[Callable[[str, str], object]] = []


def tell(kind: str, text: str) -> None:
    for listener in listeners:
        listener(kind, text)
