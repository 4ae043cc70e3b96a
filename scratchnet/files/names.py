"""Names of files: what may be printed, one line whatever they hold, and what a user types."""

import os
from pathlib import Path

MOST = 200  # characters of a message


def printable(text: object, most: int = MOST) -> str:
    r"""Return a text, a path or an error's message as one line that a terminal can show.

    Control characters become ``?``, white space one space each, and what is too long is cut in the
    middle.

    Examples
    --------
    >>> printable("a\x1b[31m\nname.png")
    'a?[31m name.png'
    >>> printable("x" * 300, 9)
    'xxxx…xxxx'
    """
    text = os.fsdecode(text) if isinstance(text, bytes | os.PathLike) else str(text)
    text = " ".join(text.split())
    text = "".join(c if c.isprintable() else "?" for c in text)
    if len(text) <= most:
        return text
    half = (most - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def expanded(path: str | os.PathLike) -> Path:
    """Return a path with ``~`` as the user's own folder, as a shell does it."""
    return Path(os.path.expanduser(os.fsdecode(path)))
