"""How a signal is shown: smoothed and scaled, or as the photograph lit by it.

What `deconvnet` and `attribution` return is not touched; this is what is done to a copy of it for
the eye, and no more. A signal s has both signs. One of a deep unit came through four pools,
each of which puts an entry in one place of four: beside most pixels lie others of opposite sign,
and a few are so large that all others would be black beside them. So, in this order:

**Smoothed**, by a normal distribution of deviation σ, along rows and along columns. What is outside
the field is 0, as the signal itself ::

    w_n = exp(−n² / 2σ²) / Σ_m exp(−m² / 2σ²)
    s_ijc ← Σ_n w_n s_(i+n)jc               and then likewise along j

σ is a 300th of the field: 0.65 pixels of the 196 that a unit of relu5_3 sees; of shallow layers,
next to nothing.

**In colours** (`signal_view`): grey where the signal is 0, all colours on one scale. The scale is
the magnitude that 99 % of the entries that are not 0 stay below ::

    picture = 127.5 + 127.5 · s / scale     (cut off at 0 and 255)

**As a light** (`lit`): how large the signal is, whatever its sign and colour. It shows the
photograph where it is large, and VGG's mean colour μ, which it takes for nothing, where it is 0 ::

    e_ij = Σ_c s_ijc²                       the energy, smoothed by a 64th of the field
    light_ij = √e_ij
    lit = μ + min(1, light / full) · (photograph − μ)

`lit_cells` takes for a light the responses of `occlusion`, smoothed by half a cell, and leaves a
third of the photograph where there is none ::

    share = ⅓ + ⅔ · min(1, light / full)

The light is full where all but the largest 5 % are smaller. A lit photograph claims
least: every colour and every edge in it are the photograph's, and only *where* is the unit's. The
scale is each picture's own, so two pictures do not say which unit fires more.
"""

import numpy as np

from scratchnet.files.images import resize_image
from scratchnet.network.preprocessing import MEAN_BGR

SHOWN, FULL = 0.99, 0.95  # of the entries are below the largest one shown; below the full light
FINE, SOFT = 1 / 300, 1 / 64  # of the field: σ for a signal, and for its energy
ROUNDING = 1e-5  # of the largest magnitude: what is smaller is no signal
DIMMED = 1 / 3  # of a photograph is seen without any light, where `lit_cells` covers it
REACH = 4  # deviations: so far the weights go


def blur(s: np.ndarray, sigma: float) -> np.ndarray:
    """Return an array (H, W, …) smoothed along rows and columns; outside it is 0.

    Examples
    --------
    Rows make 0.106, 0.787, 0.106 of the 1 (e⁻² to e⁰), and columns the same of each:

    >>> blur(np.array([[0, 0, 0], [0, 1.0, 0], [0, 0, 0]]), 0.5).round(2).tolist()
    [[0.01, 0.08, 0.01], [0.08, 0.62, 0.08], [0.01, 0.08, 0.01]]
    """
    n = np.arange(-int(REACH * sigma + 0.5), int(REACH * sigma + 0.5) + 1)
    if len(n) == 1:
        return s
    # w_n = exp(−n² / 2σ²) / Σ_m exp(−m² / 2σ²)
    w = np.exp(-(n**2) / (2 * sigma**2))
    w = (w / w.sum()).astype(s.dtype)
    for axis in (0, 1):
        margins = [(n[-1], n[-1]) if axis == along else (0, 0) for along in range(s.ndim)]
        padded, length = np.moveaxis(np.pad(s, margins), axis, 0), s.shape[axis]
        # s_ijc ← Σ_n w_n s_(i+n)jc
        s = sum(w_n * padded[m : m + length] for m, w_n in enumerate(w))
        s = np.moveaxis(s, 0, axis)
    return s


def as_picture(signal: np.ndarray) -> np.ndarray:
    """Turn a signal into a picture: grey where it is 0, all colours on one scale.

    The scale does not count entries that are 0 or rounding.

    Parameters
    ----------
    signal : ndarray, (H, W, 3)

    Returns
    -------
    picture : ndarray, (H, W, 3)
        RGB in 0–255.

    Examples
    --------
    >>> as_picture(np.array([[[-1.0, 0.0, 1.0]]])).tolist()
    [[[0.0, 127.5, 255.0]]]
    """
    scale = large(np.abs(signal), SHOWN)
    # picture = 127.5 + 127.5 · s / scale
    return np.clip(127.5 + 127.5 * (signal / scale), 0, 255)


def signal_view(signal: np.ndarray) -> np.ndarray:
    """Show a field's signal in colours, smoothed.

    Parameters
    ----------
    signal : ndarray, (r, r, 3)
        Of the whole field, in RGB: what `deconvnet.explain_patch` returns.

    Returns
    -------
    picture : ndarray, (r, r, 3)
        RGB in 0–255.
    """
    return as_picture(blur(signal, FINE * len(signal)))


def lit(photograph: np.ndarray, signal: np.ndarray) -> np.ndarray:
    """Show a patch where its signal is large, and the mean colour elsewhere.

    Parameters
    ----------
    photograph : ndarray, (r, r, 3)
        The patch: RGB in 0–255, the unit's whole field.
    signal : ndarray, (r, r, 3)
        Of that field: what `deconvnet.explain_patch` returns.

    Returns
    -------
    picture : ndarray, (r, r, 3)
        RGB in 0–255.

    Raises
    ------
    ValueError
        If the two have different shapes.
    """
    if photograph.shape != signal.shape:
        raise ValueError(f"got a patch {photograph.shape} and a signal {signal.shape}")
    # e_ij = Σ_c s_ijc²
    e = (signal**2).sum(axis=2)
    # light_ij = √e_ij
    light = np.sqrt(blur(e, SOFT * len(e)))
    return spotlight(photograph, light, large(light, FULL))


def lit_cells(photograph: np.ndarray, response: np.ndarray, step: int) -> np.ndarray:
    """Show a patch where covering it changes the unit, and dimmed elsewhere.

    Parameters
    ----------
    photograph : ndarray, (r, r, 3)
    response : ndarray, (cells, cells)
        Of cells of step × step pixels, the last ones cut by the patch's end: `OcclusionMap`'s.
    step : int

    Returns
    -------
    picture : ndarray, (r, r, 3)
        RGB in 0–255.
    """
    rows, columns, _ = photograph.shape
    light = response.repeat(step, axis=0).repeat(step, axis=1)[:rows, :columns]
    light = blur(light, step / 2)
    return spotlight(photograph, light, large(light, FULL), DIMMED)


def spotlight(
    photograph: np.ndarray, light: np.ndarray, full: float, least: float = 0.0
) -> np.ndarray:
    """Show a picture only where there is light, and the mean colour elsewhere.

    Parameters
    ----------
    photograph : ndarray, (H, W, 3)
    light : ndarray, (h, w)
        Of any size: it is spread over the whole picture. What is below 0 is no light.
    full : float
        The light that shows the picture as it is.
    least : float
        What of the picture is seen without any light, in 0–1.

    Returns
    -------
    lit : ndarray, (H, W, 3)
    """
    share = np.asarray(np.clip(light / (full or 1), 0, 1), np.float32)[:, :, None]
    if share.shape[:2] != photograph.shape[:2]:
        # resize_image is for pictures in 0–255
        share = resize_image(255 * share, photograph.shape[:2]) / 255
    # share = ⅓ + ⅔ · min(1, light / full)
    share = least + (1 - least) * share
    mean = np.array(MEAN_BGR[::-1], np.float32)
    # lit = μ + min(1, light / full) · (photograph − μ)
    return mean + share * (photograph - mean)


def large(magnitude: np.ndarray, part: float) -> float:
    """Return which magnitude a part of them stays below, of those that are not 0 or rounding; or 1.

    Examples
    --------
    >>> large(np.array([0.0, 0.0, 1.0, 3.0, 2.0]), 0.5)
    2.0
    """
    counted = magnitude[magnitude > ROUNDING * magnitude.max()]
    return float(np.quantile(counted, part)) if counted.size else 1.0
