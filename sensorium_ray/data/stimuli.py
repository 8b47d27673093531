"""Stimuli of the benchmark, made anew: natural-looking movies and the five out-of-distribution families.

Every function takes a random generator first and gives grey values (frames, height, width) uint8. Parameters
follow what Turishcheva et al. 2023 (arXiv 2305.19654) and its retrospective (arXiv 2407.09100) say of each
family; the movies are a moving dead-leaves world, which has the occlusions, edges and 1/f spectrum of natural
images (Lee, Mumford & Huang 2001, IJCV 41).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from ..benchmark import FRAME_SHAPE

GREY = 128.0
"""Grey level of a blank screen and of the background of the artificial families."""

_HEIGHT, _WIDTH = FRAME_SHAPE
_TEXTURE = 128  # period of a texture, pixels; larger than a canvas
_MARGIN = 24  # how far the camera may wander from the middle of its canvas, pixels
_CANVAS = (_HEIGHT + 2 * _MARGIN + 1, _WIDTH + 2 * _MARGIN + 1)
_LEAVES = 200  # of a canvas
_LARGEST_LEAF = 30.0  # radius, pixels
_SPRITE = 12  # largest radius of a moving object, pixels
_LUMINANCE = (1.1, 2.3)  # beta distribution of an object's mean luminance: dark is commoner than bright
_CONTRAST = 0.38  # of the texture relative to its object's luminance
_ROUGHNESS = -0.45  # exponent of the texture's amplitude spectrum; sub-pixel motion and occlusion steepen it to -1
_STILL_ROUGHNESS = -0.8  # the same for a still image, which no motion steepens


def natural_movie(
    rng: np.random.Generator,
    frames: int = 300,
    *,
    scene_frames: float = 90.0,
    objects: int = 10,
    speed: float = 0.7,
    camera_speed: float = 0.35,
) -> np.ndarray:
    """Movie of textured, occluding, moving objects before a panned background, with cuts between scenes.

    Parameters
    ----------
    frames : length in frames.
    scene_frames : mean length of a scene; none but the last is shorter than a third of it.
    objects : how many objects move in a scene.
    speed, camera_speed : standard deviation of an object's and the camera's velocity, pixels a frame.

    Returns
    -------
    (frames, height, width) uint8
    """
    movie = np.empty((frames, *FRAME_SHAPE), np.uint8)
    start = 0
    while start < frames:
        length = max(1, int(scene_frames / 3 + rng.exponential(scene_frames * 2 / 3)))
        stop = min(start + length, frames)
        movie[start:stop] = _grey_levels(_scene(rng, stop - start, objects, speed, camera_speed))
        start = stop
    return movie


def pink_noise(
    rng: np.random.Generator,
    frames: int = 300,
    *,
    segment: int = 30,
    concentration: float = 4.0,
    speed: float = 0.8,
    renewal: float = 0.03,
    contrast: float = 45.0,
) -> np.ndarray:
    """1/f noise limited to an orientation band that drifts across it; a new direction every `segment` frames.

    Parameters
    ----------
    concentration : of the von Mises band of orientations; 0 is isotropic.
    speed : of the drift, pixels a frame.
    renewal : share of the noise that is replaced in a frame.
    contrast : standard deviation, grey levels.

    Returns
    -------
    (frames, height, width) uint8
    """
    height, width = _HEIGHT + 12, _WIDTH + 16  # the noise is periodic: a margin hides that
    fy, fx = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    radius = np.hypot(fy, fx)
    radius[0, 0] = np.inf
    innovation = _complex_normal(rng, (frames, *fx.shape))
    keep = 1 - renewal
    innovation[1:] *= math.sqrt(1 - keep**2)
    spectrum = lfilter([1.0], [1.0, -keep], innovation, axis=0)
    directions = rng.uniform(0, 2 * np.pi, -(-frames // segment)).repeat(segment)[:frames, None, None]
    # Screen rows count downwards, so a direction of 90 degrees (up) has a negative vertical part.
    along = fx * np.cos(directions) - fy * np.sin(directions)
    # The corners of the spectrum would add detail to diagonal noise only.
    band = (radius <= 0.5) * np.exp(concentration * ((along / radius) ** 2 - 1)) / radius
    phase = -2 * np.pi * speed * np.cumsum(along, axis=0)
    noise = np.fft.irfft2(spectrum * band * np.exp(1j * phase), s=(height, width))[:, :_HEIGHT, :_WIDTH]
    return _grey_levels(GREY + contrast * noise / noise.std())


def gaussian_dots(
    rng: np.random.Generator,
    frames: int = 300,
    *,
    dots: int = 6,
    lifetime: int = 8,
    radius: tuple[float, float] = (1.5, 4.0),
    contrast: float = 110.0,
) -> np.ndarray:
    """Black and white Gaussian blobs that appear at random places on grey, `dots` at a time for `lifetime` frames.

    Returns
    -------
    (frames, height, width) uint8
    """
    shape = (-(-frames // lifetime) + 1, dots)
    start = rng.integers(0, lifetime, dots)  # the dots do not all change in the same frame
    epoch = (np.arange(frames)[:, None] + start) // lifetime

    def drawn(values: np.ndarray) -> np.ndarray:
        return values[epoch, np.arange(dots)]

    return _grey_levels(
        GREY
        + _blobs(
            drawn(rng.uniform(0, _WIDTH, shape)),
            drawn(rng.uniform(0, _HEIGHT, shape)),
            drawn(rng.uniform(*radius, shape)),
            drawn(rng.choice([-contrast, contrast], shape)),
        )
    )


def random_dots(
    rng: np.random.Generator,
    frames: int = 300,
    *,
    dots: int = 90,
    coherence: float = 0.7,
    speed: float = 0.8,
    segment: int = 60,
    radius: float = 0.9,
    contrast: float = 110.0,
) -> np.ndarray:
    """Random dot kinematogram: a share `coherence` of the dots moves one way, the rest each its own.

    Every `segment` frames the direction and the dots' roles are drawn anew; dots that leave come in again on
    the other side. Half are white, half black.

    Returns
    -------
    (frames, height, width) uint8
    """
    segments = -(-frames // segment)
    direction = np.where(
        rng.random((segments, dots)) < coherence,
        rng.uniform(0, 2 * np.pi, (segments, 1)),
        rng.uniform(0, 2 * np.pi, (segments, dots)),
    ).repeat(segment, axis=0)[:frames]
    margin = 3 * radius
    x, y = (
        (rng.uniform(0, side, dots) + np.cumsum(step, axis=0)) % (side + 2 * margin) - margin
        for side, step in ((_WIDTH, speed * np.cos(direction)), (_HEIGHT, -speed * np.sin(direction)))
    )
    sign = np.where(np.arange(dots) % 2, contrast, -contrast)
    return _grey_levels(GREY + _blobs(x, y, np.full_like(x, radius), np.broadcast_to(sign, x.shape)))


def drifting_gabor(
    rng: np.random.Generator,
    frames: int = 300,
    *,
    segment: int = 25,
    wavelengths: tuple[float, ...] = (0.18, 0.38, 0.65),
    frequencies: tuple[float, ...] = (0.055, 0.022, 0.008),
    envelope: float = 0.45,
    contrast: float = 110.0,
) -> np.ndarray:
    """Drifting Gabor in the middle of the screen; every `segment` frames one of eight directions.

    Parameters
    ----------
    wavelengths : of the carrier, as a fraction of the frame's height; drawn anew every segment.
    frequencies : temporal, cycles a frame; drawn anew every segment.
    envelope : standard deviation of the Gaussian window, as a fraction of the frame's height.

    Returns
    -------
    (frames, height, width) uint8
    """
    segments = -(-frames // segment)
    drawn = (
        rng.integers(0, 8, segments) * np.pi / 4,
        rng.choice(wavelengths, segments) * _HEIGHT,
        rng.choice(frequencies, segments),
    )
    direction, wavelength, frequency = (values.repeat(segment)[:frames] for values in drawn)
    return grating(direction, wavelength, frequency, envelope * _HEIGHT, contrast)


def images(
    rng: np.random.Generator, frames: int = 300, *, shown: int = 15, blank: int = 10, contrast: float = 1.0
) -> np.ndarray:
    """Natural-looking still images, each flashed for `shown` frames with `blank` frames of grey between.

    Returns
    -------
    (frames, height, width) uint8
    """
    movie = np.full((frames, *FRAME_SHAPE), GREY)
    for start in range(blank, frames, shown + blank):
        canvas = _dead_leaves(rng, _texture(rng))
        picture = canvas[_MARGIN : _MARGIN + _HEIGHT, _MARGIN : _MARGIN + _WIDTH]
        movie[start : start + shown] = GREY + contrast * (picture - GREY)
    return _grey_levels(movie)


def still_image(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Natural-looking image of any size, with detail down to a pixel: a dead-leaves world and its textures.

    Parameters
    ----------
    shape : height and width.

    Returns
    -------
    (height, width) uint8
    """
    height, width = shape
    canvas_shape = (height + 2 * _MARGIN, width + 2 * _MARGIN)
    texture = _texture(rng, max(canvas_shape), _STILL_ROUGHNESS)
    # The largest leaf grows with the image and the smallest does not, so their number need not grow with the area.
    scale = height / _HEIGHT
    canvas = _dead_leaves(rng, texture, canvas_shape, round(_LEAVES * scale), _LARGEST_LEAF * scale)
    return _grey_levels(canvas[_MARGIN : _MARGIN + height, _MARGIN : _MARGIN + width])


STIMULI: dict[str, Callable[..., np.ndarray]] = {
    "movie": natural_movie,
    "pink_noise": pink_noise,
    "gaussian_dots": gaussian_dots,
    "random_dots": random_dots,
    "drifting_gabor": drifting_gabor,
    "images": images,
}
"""How each family of `benchmark.FAMILIES` is made."""


def grating(
    direction: np.ndarray,
    wavelength: np.ndarray,
    frequency: np.ndarray,
    envelope: float,
    contrast: float = 110.0,
) -> np.ndarray:
    """Drifting grating behind a Gaussian window, its parameters given frame by frame.

    Parameters
    ----------
    direction : (frames,) radians; 0 drifts to the right, a quarter turn upwards.
    wavelength : (frames,) pixels.
    frequency : (frames,) cycles a frame.
    envelope : standard deviation of the window, pixels; infinite fills the frame.

    Returns
    -------
    (frames, height, width) uint8
    """
    x = np.arange(_WIDTH) - (_WIDTH - 1) / 2
    y = np.arange(_HEIGHT)[:, None] - (_HEIGHT - 1) / 2
    window = np.exp(-(x**2 + y**2) / (2 * envelope**2))
    cosine, sine, pitch = (values[:, None, None] for values in (np.cos(direction), np.sin(direction), wavelength))
    cycles = (x * cosine - y * sine) / pitch - np.cumsum(frequency)[:, None, None]
    return _grey_levels(GREY + contrast * window * np.cos(2 * np.pi * cycles))


def crops(canvas: np.ndarray, offsets: np.ndarray, shape: tuple[int, int] = FRAME_SHAPE) -> np.ndarray:
    """Cut one window a frame at sub-pixel places, bilinearly.

    Parameters
    ----------
    canvas : (1 or frames, rows, columns); one canvas serves all frames.
    offsets : (frames, 2) of the window's upper left corner: row, column; at least one pixel inside the end.
    shape : rows and columns of the window.

    Returns
    -------
    (frames, *shape) float32
    """
    rows, columns = shape
    out = np.empty((len(offsets), rows, columns), np.float32)
    whole = np.floor(offsets).astype(int)
    part = (offsets - whole).astype(np.float32)
    # A loop over frames beats one big gather: the slices are views.
    for t, ((row, column), (down, right)) in enumerate(zip(whole, part, strict=True)):
        window = canvas[min(t, len(canvas) - 1), row : row + rows + 1, column : column + columns + 1]
        window = window[:-1] + down * (window[1:] - window[:-1])
        out[t] = window[:, :-1] + right * (window[:, 1:] - window[:, :-1])
    return out


def _scene(rng: np.random.Generator, frames: int, objects: int, speed: float, camera_speed: float) -> np.ndarray:
    texture = _texture(rng)
    path = _MARGIN + _camera(rng, frames, camera_speed)
    background = crops(_dead_leaves(rng, texture)[None], path)
    edge = 2 * _SPRITE + 2  # objects are painted whole even where they stick out of the frame
    video = np.zeros((frames, _HEIGHT + 2 * edge, _WIDTH + 2 * edge), np.float32)
    video[:, edge : edge + _HEIGHT, edge : edge + _WIDTH] = background
    for _ in range(objects):
        _paint(rng, video, edge, texture, speed)
    return video[:, edge : edge + _HEIGHT, edge : edge + _WIDTH]


def _camera(rng: np.random.Generator, frames: int, speed: float) -> np.ndarray:
    """Smooth walk (frames, 2) about 0 that stays within the margin."""
    keep = 0.97
    kick = rng.normal(0, speed * math.sqrt(1 - keep**2), (frames, 2))
    kick[0] = rng.normal(0, speed, 2)
    walk = np.cumsum(lfilter([1.0], [1.0, -keep], kick, axis=0), axis=0)
    reach = _MARGIN - 1.0
    return np.asarray(reach * np.tanh(walk / reach))


def _dead_leaves(
    rng: np.random.Generator,
    texture: np.ndarray,
    shape: tuple[int, int] = _CANVAS,
    leaves: int = _LEAVES,
    largest: float = _LARGEST_LEAF,
) -> np.ndarray:
    """Canvas `shape` float32, by default a frame and a margin, of overlapping textured ellipses."""
    rows, columns = shape
    canvas = _material(rng, texture, rows, columns)
    radii, stretches = _radii(rng, leaves, 1.6, largest), rng.uniform(0.6, 1.6, leaves)
    angles, places = rng.uniform(0, np.pi, leaves), rng.uniform(0, (rows, columns), (leaves, 2))
    for radius, stretch, angle, (y, x) in zip(radii, stretches, angles, places, strict=True):
        reach = _reach(radius, stretch)
        top, left = max(int(y) - reach, 0), max(int(x) - reach, 0)
        bottom, right = min(int(y) + reach + 1, rows), min(int(x) + reach + 1, columns)
        dy = np.arange(top - y, bottom - y, dtype=np.float32)[: bottom - top, None]
        dx = np.arange(left - x, right - x, dtype=np.float32)[: right - left]
        patch = canvas[top:bottom, left:right]
        patch += _ellipse(dy, dx, radius, stretch, angle) * (_material(rng, texture, *patch.shape) - patch)
    return canvas


def _paint(rng: np.random.Generator, video: np.ndarray, edge: int, texture: np.ndarray, speed: float) -> None:
    """Let one ellipse move across the video (frames, rows, columns), over what is there already."""
    frames = len(video)
    stretch, angle = rng.uniform(0.7, 1.4), rng.uniform(0, np.pi)
    radius = min(_radii(rng, 1, 3.0, _SPRITE)[0], _SPRITE / max(stretch, 1 / stretch))
    size = np.array(FRAME_SHAPE) + 2 * _SPRITE
    velocity = rng.normal(0, speed, 2)
    centre = (rng.uniform(0, size) + velocity * np.arange(frames)[:, None]) % size - _SPRITE
    whole = np.floor(centre).astype(int)
    part = (centre - whole).astype(np.float32)[:, :, None]
    down, right = part[:, 0, :, None], part[:, 1, None, :]
    reach = _reach(radius, stretch)
    box = np.arange(-reach, reach + 2)
    near = box.astype(np.float32)
    alpha = _ellipse(near[:, None] - down, near - right, radius, stretch, angle)
    # The texture travels with the object: the same sub-pixel shift, the other way.
    cloth = _material(rng, texture, len(box) + 1, len(box) + 1)
    cloth = cloth[1:] - down * (cloth[1:] - cloth[:-1])
    cloth = cloth[..., 1:] - right * (cloth[..., 1:] - cloth[..., :-1])
    rows = (whole[:, :1] + edge + box)[:, :, None]
    columns = (whole[:, 1:] + edge + box)[:, None, :]
    place = (np.arange(frames)[:, None, None], rows, columns)
    under = video[place]
    video[place] = under + alpha * (cloth - under)


def _reach(radius: float, stretch: float) -> int:
    """Pixels from an ellipse's centre beyond which it shows nothing."""
    return int(radius * max(stretch, 1 / stretch)) + 1


def _ellipse(dy: np.ndarray, dx: np.ndarray, radius: float, stretch: float, angle: float) -> np.ndarray:
    """Opacity of an ellipse with an edge one pixel soft, float32 as its arguments are."""
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    along = (dx * cosine + dy * sine) / np.float32(stretch)
    across = (dy * cosine - dx * sine) * np.float32(stretch)
    alpha = np.float32(radius + 0.5) - np.sqrt(along * along + across * across)
    return np.minimum(np.maximum(alpha, 0, out=alpha), 1, out=alpha)


def _radii(rng: np.random.Generator, count: int, smallest: float, largest: float) -> np.ndarray:
    """Radii of density 1/r³, the one under which a dead-leaves world looks the same at every distance."""
    share = rng.random(count)
    return np.asarray((smallest**-2 + share * (largest**-2 - smallest**-2)) ** -0.5)


def _material(rng: np.random.Generator, texture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """A piece of the texture with a luminance of its own, (rows, columns) float32 grey levels."""
    luminance = 255 * rng.beta(*_LUMINANCE)
    top, left = (rng.random(2) * (len(texture) // 2)).astype(int)
    piece = texture[top : top + rows, left : left + columns]
    return np.asarray(np.float32(luminance * _CONTRAST) * piece + np.float32(luminance))


def _texture(rng: np.random.Generator, period: int = _TEXTURE, roughness: float = _ROUGHNESS) -> np.ndarray:
    """Isotropic noise of mean 0 and standard deviation 1, float32; periodic, and laid out twice each way."""
    radius = np.hypot(np.fft.fftfreq(period)[:, None], np.fft.rfftfreq(period))
    radius[0, 0] = np.inf
    noise = np.fft.irfft2(_complex_normal(rng, radius.shape) * radius**roughness, s=(period, period))
    return np.tile((noise / noise.std()).astype(np.float32), (2, 2))


def _complex_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(rng.standard_normal((*shape, 2)).view(np.complex128)[..., 0])


def _blobs(x: np.ndarray, y: np.ndarray, radius: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Sum of Gaussian blobs, each argument (frames, blobs) -> (frames, height, width); separable, so a product."""
    columns = np.exp(-((np.arange(_WIDTH) - x[..., None]) ** 2) / (2 * radius[..., None] ** 2))
    rows = np.exp(-((np.arange(_HEIGHT) - y[..., None]) ** 2) / (2 * radius[..., None] ** 2))
    return np.asarray((rows * height[..., None]).transpose(0, 2, 1) @ columns)


def _grey_levels(video: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(video), 0, 255).astype(np.uint8)
