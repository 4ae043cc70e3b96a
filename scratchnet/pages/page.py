"""What the pages share: an HTML file each, which needs no network, and mostly no other file.

A page is a template with ``{{fields}}``, and a record: JSON in the page itself, from which its
script builds what is seen. Pictures are in the record as data URIs. Whatever the record's texts
are, such as names of files, the script makes text nodes of them, and none becomes markup. The
look (``page.css``) and the helpers (``page.js``) stand beside this module.

A page has a limit in bytes: its pictures are stored at lower and lower quality until it fits.
"""

import base64
import html
import io
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scratchnet.files.saving import replacing

FOLDER = Path(__file__).parent


def fill_template(name: str, title: str, record: Mapping, **fields: str) -> str:
    """Return a page.

    Parameters
    ----------
    name : str
        Of a template beside this module: it has the fields ``title``, ``css``, ``js`` and ``data``,
        and may have names of files beside it, such as ``atlas.js``.
    title : str
    record : mapping
        What becomes the page's JSON.
    **fields : str
        Further fields of the template, put in as they are.
    """
    # Escaped, no "</script>" or "<!--" in a name can end the JSON early.
    data = json.dumps(record, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    fields |= {"title": html.escape(title), "data": data, "css": _read("page.css")}
    fields["js"] = _read("page.js")
    # In one pass, so that a title "{{data}}" stays a title.
    return re.sub(
        r"\{\{([\w.]+)\}\}", lambda m: _read(m[1]) if "." in m[1] else fields[m[1]], _read(name)
    )


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def save_page(path: str | os.PathLike, page: str) -> None:
    """Write a page; a failure half-way leaves nothing behind and an old file whole."""
    with replacing(path) as partial:
        partial.write_text(page, encoding="utf-8", newline="\n")


def encode(image: np.ndarray, quality: int | None, subsampling: int = 0) -> bytes:
    """Return a picture, (H, W, 3) in 0–255, as a JPEG file, or exactly where no quality is given.

    That is a WebP file without loss: of small patches it takes two thirds of a PNG's bytes.

    With ``subsampling`` 2, colours have half as many pixels as brightness, each way.
    """
    from PIL import Image

    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    if quality is None:
        Image.fromarray(pixels).save(file, "WEBP", lossless=True, quality=75, method=4)
    else:
        # Not with `optimize`: Pillow then wants the whole file in a buffer that noise does not fit
        # in.
        Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file.getvalue()


def decode(encoded: bytes) -> np.ndarray:
    """Return the pixels of what `encode` made: uint8, (H, W, 3)."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(encoded)))


def data_uri(encoded: bytes) -> str:
    """Return a JPEG or WebP file as a data URI."""
    kind = "webp" if encoded.startswith(b"RIFF") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"
