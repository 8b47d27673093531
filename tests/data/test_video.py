"""Any video becomes the models' frames: the arithmetic of resampling, then real files, whole, damaged and hostile."""

from __future__ import annotations

import io
import itertools
import math
import struct
import tempfile
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sensorium_ray.benchmark import FRAME_SHAPE
from sensorium_ray.data import stimuli
from sensorium_ray.data.resampling import GREY, Sampling, SourceFrame, frames_of, resample, resample_array
from sensorium_ray.data.video import Limits, open_video
from sensorium_ray.errors import ConfigError, DataError

RESIZES = ("area", "nearest")
FITS = ("crop", "pad", "stretch")
TIMINGS = ("hold", "blend")
EVERY_WAY = [Sampling(resize=r, fit=f, timing=t) for r, f, t in itertools.product(RESIZES, FITS, TIMINGS)]
SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 150)
RATES = st.fractions(min_value=5, max_value=300, max_denominator=1001)

# Resampling


@pytest.mark.parametrize("sampling", EVERY_WAY, ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_video_of_the_models_size_and_rate_is_unchanged(sampling: Sampling, dtype: type) -> None:
    video = (255 * np.random.default_rng(0).random((100, *FRAME_SHAPE))).astype(dtype)
    frames = resample_array(video, 30.0, sampling)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, video)
    assert not np.shares_memory(frames, video)


@pytest.mark.parametrize("sampling", EVERY_WAY, ids=str)
@settings(max_examples=30)
@given(grey=st.sampled_from([0, 37, 255]), height=SIDES, width=SIDES, rate=RATES)
def test_a_constant_stays_constant(sampling: Sampling, grey: int, height: int, width: int, rate: Fraction) -> None:
    grey = int(GREY) if sampling.fit == "pad" else grey
    frames = resample_array(np.full((5, height, width), grey, np.uint8), float(rate), sampling)
    np.testing.assert_allclose(frames, grey, atol=1e-3)
    assert frames.min() >= 0
    assert frames.max() <= 255


@given(seed=SEEDS, height=st.integers(36, 150), width=st.integers(64, 150), fit=st.sampled_from(("crop", "stretch")))
def test_an_area_average_keeps_the_mean(seed: int, height: int, width: int, fit: str) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    if fit == "crop":  # what is cut off must not count: tiles of the models' aspect leave nothing to cut
        frame = np.tile(frame[:36, :64], (height // 36, height // 36))
    (small,) = resample_array(frame[None], 30.0, Sampling(fit=fit))  # type: ignore[arg-type]
    assert small.mean() == pytest.approx(frame.mean(), abs=1e-3)


@given(seed=SEEDS, height=st.integers(3, 30), width=st.integers(4, 30))
def test_an_area_average_is_exact(seed: int, height: int, width: int) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    fine = frame.repeat(3, axis=0).repeat(4, axis=1).astype(float)  # every source pixel cut into 3 by 4
    expected = fine.reshape(3, height, 4, width).mean(axis=(1, 3))
    (small,) = resample_array(frame[None], 30.0, Sampling(shape=(3, 4), fit="stretch"))
    np.testing.assert_allclose(small, expected, atol=1e-3)


@given(height=SIDES, width=SIDES, seed=SEEDS, sampling=st.sampled_from([s for s in EVERY_WAY if s.resize == "area"]))
def test_a_mirrored_video_gives_mirrored_frames(height: int, width: int, seed: int, sampling: Sampling) -> None:
    video = np.random.default_rng(seed).integers(0, 256, (2, height, width), np.uint8)
    frames = resample_array(video, 30.0, sampling)
    np.testing.assert_allclose(resample_array(video[:, ::-1, ::-1], 30.0, sampling), frames[:, ::-1, ::-1], atol=1e-2)


@given(height=SIDES, width=SIDES, seed=SEEDS, fit=st.sampled_from(FITS))
def test_nearest_invents_no_grey_level(height: int, width: int, seed: int, fit: str) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    (drawn,) = resample_array(frame[None], 30.0, Sampling(resize="nearest", fit=fit))  # type: ignore[arg-type]
    assert set(drawn.ravel()) <= {*frame.ravel().astype(float), GREY}


def test_enlarging_is_bilinear() -> None:
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (9, 1))  # 16 columns: each becomes four
    (large,) = resample_array(ramp[None], 30.0)
    expected = np.clip((np.arange(64) + 0.5) / 4 - 0.5, 0, 15) * 10
    np.testing.assert_allclose(large, np.tile(expected, (36, 1)), atol=1e-3)


def test_crop_takes_the_middle_and_pad_adds_bars() -> None:
    wide = np.zeros((1, 36, 104), np.uint8)
    wide[..., 20:84] = 200
    (cropped,) = resample_array(wide, 30.0)
    np.testing.assert_array_equal(cropped, 200)
    (padded,) = resample_array(np.zeros((1, 72, 64), np.uint8), 30.0, Sampling(fit="pad"))
    np.testing.assert_array_equal(padded[:, :16], GREY)
    np.testing.assert_array_equal(padded[:, 16:48], 0)
    np.testing.assert_array_equal(padded[:, 48:], GREY)
    (padded,) = resample_array(np.zeros((1, 18, 16), np.uint8), 30.0, Sampling(fit="pad"))  # is enlarged
    np.testing.assert_array_equal(padded[:, [0, 15, 48, 63]], GREY)
    np.testing.assert_array_equal(padded[:, 16:48], 0)
    (stretched,) = resample_array(wide, 30.0, Sampling(fit="stretch"))
    assert stretched[0, 0] == 0
    assert stretched[0, 32] == 200


def test_pixels_that_are_not_square_count() -> None:
    frame = np.zeros((36, 32), np.uint8)
    frame[:, 7:] = 200
    (drawn,) = resample([SourceFrame(frame, 0.0, 1 / 30, pixel_aspect=2.0)])  # as wide on screen as a model frame
    assert drawn[0, 0] == 0
    assert drawn[0, -1] == 200
    (drawn,) = resample([SourceFrame(frame, 0.0, 1 / 30)])
    assert drawn[0, 0] == 0
    (drawn,) = resample([SourceFrame(frame, 0.0, 1 / 30, pixel_aspect=4.0)])
    np.testing.assert_allclose(drawn, 200, atol=1e-3)  # the middle half
    tall = np.zeros((36, 96), np.uint8)
    tall[8:28] = 200
    (drawn,) = resample([SourceFrame(tall, 0.0, 1 / 30, pixel_aspect=1 / 3)])
    np.testing.assert_allclose(drawn, 200, atol=1e-3)  # 18 of the rows


@example(frames=6, rate=Fraction(125), sampling=Sampling())  # the last frame begins after the second model frame
@given(frames=st.integers(1, 100), rate=RATES, sampling=st.sampled_from(EVERY_WAY))
def test_a_video_keeps_its_length(frames: int, rate: Fraction, sampling: Sampling) -> None:
    exact = frames / rate * 30
    assume(abs(exact % 1 - Fraction(1, 2)) > 1e-6)  # a half may be rounded either way
    video = np.zeros((frames, 1, 2), np.uint8)
    assert len(resample_array(video, float(rate), sampling)) == max(1, round(exact))


@given(frames=st.integers(1, 100), rate=RATES, model_rate=st.sampled_from([15, 30, 60]))
def test_hold_gives_the_frame_on_screen(frames: int, rate: Fraction, model_rate: int) -> None:
    video = np.arange(frames, dtype=np.float32)[:, None, None]
    shown = resample_array(video, float(rate), Sampling(rate=model_rate))[:, 0, 0]
    expected = [min(math.floor(k * rate / model_rate), frames - 1) for k in range(len(shown))]
    np.testing.assert_array_equal(shown, expected)


@given(frames=st.integers(2, 100), rate=RATES)
def test_blend_is_linear_in_time(frames: int, rate: Fraction) -> None:
    times = np.arange(frames) / float(rate)
    video = (100 * times).astype(np.float32)[:, None, None]
    shown = resample_array(video, float(rate), Sampling(timing="blend"))[:, 0, 0]
    expected = 100 * np.minimum(np.arange(len(shown)) / 30, times[-1])
    np.testing.assert_allclose(shown, expected, rtol=1e-4, atol=1e-3)


def test_times_may_be_irregular_and_need_not_begin_at_zero() -> None:
    times = (7.0, 7.1, 7.51, 7.52, 9.0)
    frames = [SourceFrame(np.full((1, 1), n, np.uint8), time, 0.5) for n, time in enumerate(times)]
    shown = np.array([frame[0, 0] for frame in resample(frames)])
    np.testing.assert_array_equal(shown, np.repeat([0, 1, 3, 4], [3, 13, 44, 15]))  # 2 is gone before anyone looks


@pytest.mark.parametrize("tick", [0.001, 0.01])
@pytest.mark.parametrize("phase", [0.0, 0.0123])
def test_a_coarse_clock_loses_no_frame(tick: float, phase: float) -> None:
    stamps = [round((phase + n / 30) / tick) * tick for n in range(300)]
    rounding = tick if phase else tick / 2
    frames = [SourceFrame(np.full((1, 1), n, np.float32), stamps[n], 1 / 30, rounding) for n in range(300)]
    np.testing.assert_array_equal([frame[0, 0] for frame in resample(frames)], np.arange(300))


def test_frames_come_as_they_are_told_and_few_are_held() -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = told = 0

    def source() -> Iterator[SourceFrame]:
        nonlocal most, told
        for told in range(1, 501):
            pixels = np.zeros((90, 160), np.uint8)
            alive[:] = [*(frame for frame in alive if frame() is not None), weakref.ref(pixels)]
            most = max(most, len(alive))
            yield SourceFrame(pixels, told / 25, 1 / 25)

    for count, _ in enumerate(resample(source()), start=1):
        assert told <= count * 25 / 30 + 3
    assert count == 600
    assert most <= 3


def test_a_long_still_is_not_held_as_many_frames() -> None:
    frames = (SourceFrame(np.zeros((1, 1), np.uint8), time, 0.1) for time in (0.0, 100_000.0))
    tracemalloc.start()
    try:
        assert sum(1 for _ in itertools.islice(resample(frames), 3000)) == 3000
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


def test_a_held_frame_is_given_as_arrays_of_their_own() -> None:
    frames = list(resample(frames_of(np.zeros((5, *FRAME_SHAPE), np.uint8), 10.0)))
    for frame in frames:
        assert frame.max() == 0
        frame[:] = 1


@pytest.mark.parametrize(
    "wrong",
    [{"resize": "cubic"}, {"fit": "fill"}, {"timing": "next"}, {"shape": (0, 64)}, {"rate": 0.0}, {"rate": math.nan}],
    ids=str,
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Sampling(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("video", "rate", "why"),
    [
        (np.zeros((3, 4)), 30.0, r"shape \(3, 4\)"),
        (np.zeros((0, 3, 4)), 30.0, "shape"),
        (np.zeros((1, 1, 20_000), np.uint8), 30.0, "no side longer"),
        (np.zeros((1, 3, 4), complex), 30.0, "complex"),
        (np.zeros((1, 3, 4), "U1"), 30.0, "dtype"),
        (np.zeros((1, 3, 4)), -1.0, "no rate"),
        (np.zeros((1, 3, 4)), math.inf, "no rate"),
    ],
)
def test_arrays_that_are_no_video_are_refused(video: np.ndarray, rate: float, why: str) -> None:
    with pytest.raises(DataError, match=why):
        resample_array(video, rate)


def test_no_frame_is_no_video() -> None:
    with pytest.raises(DataError, match="no frame"):
        next(resample([]))


def test_what_was_done_is_told_in_words() -> None:
    told = Sampling().describe((144, 256), 25.0)
    assert told == "256x144 at 25 frames/s resampled to 64x36 at 30 (area, crop, hold)"
    told = Sampling(resize="nearest", fit="pad", timing="blend").describe((36, 64), 30000 / 1001)
    assert told == "64x36 at 29.97 frames/s resampled to 64x36 at 30 (nearest, pad, blend)"
    assert Sampling().describe((36, 64), 30.0) is None


def test_bars_are_as_grey_as_a_blank_screen() -> None:
    assert stimuli.GREY == GREY


# Files


def encode(
    frames: list[np.ndarray],
    container: str = "mp4",
    codec: str = "mpeg4",
    pixels: str = "yuv420p",
    *,
    rate: Fraction | int = 30,
    times: list[int] | None = None,
    setup: Callable[[av.VideoStream], None] = lambda stream: None,
    metadata: dict[str, str] | None = None,
    sound: bool = False,
    muxer: dict[str, str] | None = None,
    **options: str,
) -> bytes:
    """A video file of grey (height, width), RGB or RGBA frames; `times` count frames of `rate`."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=muxer or {}) as output:
        output.metadata.update(metadata or {})
        stream = output.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        setup(stream)
        audio = output.add_stream("aac", rate=48000, layout="mono") if sound else None
        for frame, time in zip(frames, times or range(len(frames)), strict=True):
            kind = "gray" if frame.ndim == 2 else {3: "rgb24", 4: "rgba"}[frame.shape[2]]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=kind).reformat(format=pixels)
            picture.pts, picture.time_base = time, 1 / Fraction(rate)
            output.mux(stream.encode(picture))
            if audio is not None:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.float32), format="fltp", layout="mono")
                silence.rate, silence.pts = 48000, 1600 * time
                output.mux(audio.encode(silence))
        output.mux(stream.encode(None))
        if audio is not None:
            output.mux(audio.encode(None))
    return file.getvalue()


def movie(frames: int = 20, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Smooth moving waves, and noise that no codec makes small."""
    t, y, x = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), indexing="ij")
    noise = np.random.default_rng(0).normal(0, 6, t.shape)
    waves = 128 + 80 * np.sin(x / 6 + t / 3) * np.cos(y / 9 - t / 5) + noise
    return list(np.clip(waves, 0, 255).astype(np.uint8))


def read(data: bytes, limits: Limits | None = None) -> list[SourceFrame]:
    with open_video(io.BytesIO(data), limits or Limits()) as video:
        return list(video.frames)


def look_alike(frames: list[SourceFrame], sources: list[np.ndarray]) -> bool:
    """Whether all frames are what was encoded, as far as the codecs are good."""
    pairs = zip(frames, sources, strict=False)
    return all(np.abs(frame.pixels.astype(float) - source).mean() < 12 for frame, source in pairs)


def flat(grey: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width), grey, np.uint8)


KINDS = {
    "mp4 mpeg4": {},
    "mp4 h264": {"codec": "libx264"},
    "mp4 h264 in fragments": {"codec": "libx264", "muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "mov prores": {"container": "mov", "codec": "prores", "pixels": "yuv422p10le"},
    "webm vp8": {"container": "webm", "codec": "libvpx", "deadline": "realtime", "cpu-used": "8"},
    "webm vp9": {"container": "webm", "codec": "libvpx-vp9", "deadline": "realtime", "cpu-used": "8"},
    "mkv h264": {"container": "matroska", "codec": "libx264"},
    "mkv ffv1": {"container": "matroska", "codec": "ffv1", "pixels": "gray"},
    "avi mpeg4": {"container": "avi"},
    "avi h264": {"container": "avi", "codec": "libx264"},  # with B-frames, which avi has no times for
    "avi mjpeg": {"container": "avi", "codec": "mjpeg", "pixels": "yuvj420p"},
    "avi raw": {"container": "avi", "codec": "rawvideo", "pixels": "bgr24"},
    "gif": {"container": "gif", "codec": "gif", "pixels": "gray"},
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """Name of a kind of file, and such a file of `movie()`."""
    return request.param, encode(movie(), **KINDS[request.param])  # type: ignore[arg-type]


def test_files_of_every_kind_are_read(kind: tuple[str, bytes]) -> None:
    _, data = kind
    with open_video(io.BytesIO(data)) as video:
        assert video.shape == (48, 64)
        assert video.rate == pytest.approx(30, rel=0.02)  # gif tells whole hundredths of a second
        frames = list(video.frames)
    assert len(frames) == 20
    assert all(frame.pixels.dtype == np.uint8 for frame in frames)
    assert look_alike(frames, movie())
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(20) / 30, atol=0.0051)
    assert len(list(resample(frames))) == 20


@pytest.mark.parametrize("rate", [Fraction(12), Fraction(24000, 1001), Fraction(25), Fraction(50), Fraction(60)])
@pytest.mark.parametrize("container", ["mp4", "matroska", "avi"])
def test_every_rate_becomes_the_models(rate: Fraction, container: str) -> None:
    codec, pixels = ("png", "rgb24") if container == "mp4" else ("ffv1", "gray")
    data = encode([flat(8 * n) for n in range(30)], container, codec, pixels, rate=rate)
    with open_video(io.BytesIO(data)) as video:
        assert video.rate == pytest.approx(float(rate), rel=1e-3)
        shown = [frame.mean() / 8 for frame in resample(video.frames)]
    assert len(shown) == pytest.approx(900 / rate, abs=0.51)
    begin = np.arange(30) / float(rate)
    if container == "matroska":  # whose clock counts milliseconds
        begin = np.floor(1000 * begin + 0.5 + 1e-6) / 1000 - 0.0005
    expected = np.searchsorted(begin, np.arange(len(shown)) / 30 + 1e-9, side="right") - 1
    np.testing.assert_allclose(shown, expected, atol=0.01)


def test_a_lossless_file_of_the_models_size_and_rate_is_unchanged() -> None:
    video = stimuli.natural_movie(np.random.default_rng(0), 60)
    data = encode(list(video), "matroska", "ffv1", "gray")  # whose clock counts milliseconds
    with open_video(io.BytesIO(data)) as opened:
        assert Sampling().describe(opened.shape, opened.rate) is None
        frames = np.stack(list(resample(opened.frames)))
    np.testing.assert_array_equal(frames, video)


@pytest.mark.parametrize(
    "how",
    [
        {"codec": "libx264"},
        {"codec": "mpeg4"},
        {"codec": "libx264", "pixels": "yuvj420p"},  # the full range
        {"codec": "libx264", "pixels": "yuv420p10le"},
        {"codec": "libx264rgb", "pixels": "rgb24"},
        {"codec": "mjpeg", "pixels": "yuvj420p", "container": "avi"},
        {"codec": "gif", "pixels": "gray", "container": "gif"},
        {"codec": "libvpx", "container": "webm"},
    ],
    ids=str,
)
def test_black_grey_and_white_come_out_as_such(how: dict[str, str]) -> None:
    frames = read(encode([flat(grey) for grey in (0, 128, 255)], **how))  # type: ignore[arg-type]
    for frame, grey in zip(frames, (0, 128, 255), strict=True):
        np.testing.assert_allclose(frame.pixels.astype(int), grey, atol=2)


def test_limited_and_full_range_are_what_the_file_says() -> None:
    for full, expected in ((1, (0, 255)), (2, (16, 235))):

        def tell(stream: av.VideoStream, color_range: int = full) -> None:
            stream.codec_context.color_range = color_range

        pictures = [np.full((48, 64, 3), grey, np.uint8) for grey in (0, 255)]  # coded as 16 and 235
        frames = read(encode(pictures, codec="libx264", setup=tell, qp="0"))
        for frame, grey in zip(frames, expected, strict=True):
            np.testing.assert_allclose(frame.pixels.astype(int), grey, atol=1)


@pytest.mark.parametrize("space", [3, 8, 10])  # reserved, YCgCo, BT.2020 with constant luminance
def test_luma_is_taken_in_any_colour_space(space: int) -> None:
    def tell(stream: av.VideoStream) -> None:
        stream.codec_context.colorspace = space

    frames = read(encode([flat(grey) for grey in (0, 128, 255)], codec="libx264", setup=tell))
    for frame, grey in zip(frames, (0, 128, 255), strict=True):
        np.testing.assert_allclose(frame.pixels.astype(int), grey, atol=2)


def test_colours_become_luma() -> None:
    colours = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (10, 200, 90)], np.uint8)
    frame = read(encode([np.tile(colours, (8, 2, 1))], "avi", "rawvideo", "bgr24"))[0].pixels
    np.testing.assert_allclose(frame[0, :4], colours @ [0.299, 0.587, 0.114], atol=1)


@pytest.mark.parametrize(("container", "codec", "pixels"), [("mov", "png", "rgba"), ("mov", "qtrle", "argb")])
def test_transparent_pixels_show_mid_grey(container: str, codec: str, pixels: str) -> None:
    picture = np.full((8, 8, 4), 200, np.uint8)
    picture[..., 3] = [0, 255, 128, 64] * 2
    frame = read(encode([picture], container, codec, pixels))[0].pixels
    np.testing.assert_allclose(frame[5, :4].astype(int), [128, 200, 164, 146], atol=1)


def test_palettes_are_read() -> None:
    palette = np.zeros((256, 4), np.uint8)  # alpha, red, green, blue
    palette[:4] = [(255, 10, 10, 10), (255, 255, 255, 255), (255, 255, 0, 0), (0, 255, 255, 255)]
    file = io.BytesIO()
    with av.open(file, "w", format="mov") as output:
        stream = output.add_stream("png", rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 8, 8, "pal8"
        indices = np.tile(np.arange(4, dtype=np.uint8), (8, 2))
        output.mux(stream.encode(av.VideoFrame.from_ndarray((indices, palette), format="pal8")))  # type: ignore[arg-type]
        output.mux(stream.encode(None))
    np.testing.assert_allclose(read(file.getvalue())[0].pixels[0, :4].astype(int), [10, 255, 76, 128], atol=1)


def test_frames_of_odd_size_are_read() -> None:
    source = movie(3, 47, 63)
    frames = read(encode(source))
    assert [frame.pixels.shape for frame in frames] == [(47, 63)] * 3
    assert look_alike(frames, source)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_frames_are_turned_and_mirrored(degrees: int, mirrored: bool) -> None:
    source = movie(1)[0]
    data = encode([source], setup=lambda stream: stream.set_display_rotation(degrees, hflip=mirrored))
    with open_video(io.BytesIO(data)) as video:
        frame = next(video.frames).pixels
        assert frame.shape == video.shape
    expected = np.rot90(source, degrees // 90)
    expected = expected[:, ::-1] if mirrored else expected
    assert np.abs(frame.astype(float) - expected).mean() < 12


def test_pixels_of_a_file_may_be_wide_and_be_turned() -> None:
    def wide(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    def wide_and_turned(stream: av.VideoStream) -> None:
        wide(stream)
        stream.set_display_rotation(90)

    assert read(encode(movie(1), codec="libx264"))[0].pixel_aspect == 1
    assert read(encode(movie(1), codec="libx264", setup=wide))[0].pixel_aspect == pytest.approx(4 / 3)
    assert read(encode(movie(1), codec="libx264", setup=wide_and_turned))[0].pixel_aspect == pytest.approx(3 / 4)


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi"])
def test_variable_rates_are_told_by_times(container: str) -> None:
    times = [n * n for n in range(8)]
    frames = read(encode([flat(30 * n) for n in range(8)], container, times=times))
    np.testing.assert_allclose([frame.time * 30 for frame in frames], times, atol=0.02)
    shown = [round(frame.mean() / 30) for frame in resample(frames)]
    assert shown == [math.isqrt(k) for k in range(50)]


@pytest.mark.parametrize("late", [0, 1, 76, 77])  # of which milliseconds tell some too early and some too late
def test_a_video_begins_with_its_first_frame(late: int) -> None:
    data = encode([flat(8 * n) for n in range(30)], "matroska", "ffv1", "gray", times=[n + late for n in range(30)])
    frames = read(data)
    assert frames[0].time == 0
    np.testing.assert_array_equal([frame[0, 0] for frame in resample(frames)], 8 * np.arange(30))


def test_a_time_that_does_not_increase_is_not_believed() -> None:
    data = encode([flat(8 * n) for n in range(10)], "matroska", "ffv1", "gray")
    fifth, sixth = (b"\x81" + struct.pack(">h", time) + b"\0" for time in (133, 167))  # as blocks begin
    assert data.count(sixth) == 1
    times = [frame.time for frame in read(data.replace(sixth, fifth))]
    np.testing.assert_allclose(times, np.arange(10) / 30, atol=0.001)


def test_a_looping_gif_is_shown_once() -> None:
    data = encode([flat(9 * n) for n in range(10)], "gif", "gif", "gray", muxer={"loop": "0"})
    assert b"NETSCAPE" in data
    assert len(read(data)) == 10


def test_sound_is_ignored() -> None:
    assert len(read(encode(movie(), sound=True))) == 20


def test_names_do_not_matter_and_metadata_may_be_garbled(tmp_path: Path) -> None:
    path = tmp_path / "video.txt"
    path.write_bytes(encode(movie(), "matroska", metadata={"title": "Zuerich"}).replace(b"Zuerich", b"Z\xfc\xffrich"))
    with open_video(path) as video:
        assert len(list(video.frames)) == 20
    with pytest.raises(DataError, match=r"none\.mp4: cannot be read"), open_video(tmp_path / "none.mp4"):
        pass


def test_an_uploaded_file_is_read_from_its_beginning_and_left_open() -> None:
    with tempfile.SpooledTemporaryFile() as upload:
        upload.write(encode(movie()))
        with open_video(upload) as video:  # type: ignore[arg-type]
            assert len(list(video.frames)) == 20
        assert not upload.closed


# Files that are refused


def test_what_is_no_video_is_refused() -> None:
    noise = np.random.default_rng(0).bytes(100_000)
    png = io.BytesIO()
    with av.open(png, "w", format="image2pipe") as output:
        stream = output.add_stream("png", rate=1)
        stream.height, stream.width, stream.pix_fmt = 8, 8, "rgb24"  # type: ignore[union-attr]
        output.mux(stream.encode(av.VideoFrame(8, 8, "rgb24")))  # type: ignore[union-attr]
    for data in (b"", b"a", noise, b"time,x,y\n" * 1000, png.getvalue(), b"RIFF\0\0\0\0WAVE" + noise):
        with pytest.raises(DataError, match="is no video; give an mp4"):
            read(data)


def test_bytes_after_a_known_beginning_are_refused() -> None:
    noise = np.random.default_rng(0).bytes(10_000)
    for head in (b"\0\0\0\x18ftypmp42", b"\x1aE\xdf\xa3", b"RIFF\xff\xff\0\0AVI LIST", b"GIF89a"):
        with pytest.raises(DataError):
            read(head + noise)


@pytest.mark.parametrize("name", ["list.m3u8", "list.ffconcat", "list.mp4", "list.mov"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nfile://{folder}/{other}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {other}\n",
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>{other}</BaseURL></Period></MPD>',
    ],
)
def test_playlists_open_no_other_file(text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "other.mp4").write_bytes(encode(movie()))
    playlist = tmp_path / name
    playlist.write_text(text.format(other="other.mp4", folder=tmp_path))
    with pytest.raises(DataError, match="is no video"), open_video(playlist):
        pass


BOXES_TO_REFERENCE = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")
BOXES_TO_SIZE = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


def rewrite(data: bytes, boxes: tuple[bytes, ...], change: Callable[[bytes], bytes]) -> bytes:
    """An mp4 of which one box inside boxes is changed; its samples must come before `moov`."""
    if not boxes:
        return change(data)
    out, position = b"", 0
    while position < len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        body = data[position + 8 : position + length]
        body = rewrite(body, boxes[1:], change) if name == boxes[0] else body
        out += struct.pack(">I4s", 8 + len(body), name) + body
        position += length
    return out


def alias(path: Path) -> bytes:
    """Data reference of an mp4 whose samples lie in another file, an Apple alias record."""
    record = struct.pack(">II", 0, 1) + bytes(10) + b"\x02HD".ljust(28, b"\0") + bytes(12)
    record += bytes([len(path.name)]) + path.name.encode().ljust(63, b"\0") + bytes(36)
    place = b"HD" + str(path).replace("/", ":").encode()
    record += struct.pack(">hH", 2, len(place) + len(place) % 2) + place + bytes(len(place) % 2)
    record += struct.pack(">h", -1) + bytes(60)
    return record[:8] + struct.pack(">I4s", len(record), b"alis") + bytes(4) + record[8 : len(record) - 4]


def test_a_movie_whose_samples_lie_in_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.mp4"
    data = encode(movie())
    other.write_bytes(data)
    data = rewrite(data, BOXES_TO_REFERENCE, lambda _: alias(other))
    follow = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(io.BytesIO(data), options=follow) as container:
        assert len(list(container.decode(video=0))) == 20  # FFmpeg can be made to follow the alias
    with pytest.raises(DataError):
        read(data)
    really_open = av.open
    monkeypatch.setattr(av, "open", lambda *a, options, **named: really_open(*a, options=options | follow, **named))
    with pytest.raises(DataError, match="refers to another file"):
        read(data)


def test_a_codec_that_is_not_known_to_be_safe_is_refused() -> None:
    with pytest.raises(DataError, match="encoded with wmv2"):
        read(encode(movie(), "avi", "wmv2"))


@pytest.mark.parametrize("cover", [False, True])
def test_a_file_without_moving_pictures_is_refused(cover: bool) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=48000, layout="mono")
        if cover:
            picture = output.add_stream("png", rate=1)
            assert isinstance(picture, av.VideoStream)
            picture.height, picture.width, picture.pix_fmt = 8, 8, "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
            output.mux([*picture.encode(av.VideoFrame(8, 8, "rgb24")), *picture.encode(None)])
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="fltp", layout="mono")
        silence.rate = 48000
        output.mux([*stream.encode(silence), *stream.encode(None)])
    with pytest.raises(DataError, match="no video stream"):
        read(file.getvalue())


def test_a_file_without_frames_is_refused() -> None:
    with pytest.raises(DataError, match="no frame"):
        read(b"GIF89a\x08\0\x08\0\0\0\0;")


STREAMED = [name for name in KINDS if not name.startswith(("mp4 mpeg4", "mov")) and name != "mp4 h264"]


@pytest.mark.parametrize("name", STREAMED)  # the others have their header at the end
def test_a_file_that_breaks_off_is_told_when(name: str) -> None:
    source = movie(60)
    data = encode(source, **KINDS[name])  # type: ignore[arg-type]
    with av.open(io.BytesIO(data)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size and packet.pos is not None]
    for missing in (1.0, 0.5, 2 / packets[40].size):  # of the 41st frame
        cut = packets[40].pos + packets[40].size - round(missing * packets[40].size)
        frames: list[SourceFrame] = []
        why = pytest.raises(DataError, match=r"breaks off after [\d.]+ s of video; give the whole file")
        with why as raised, open_video(io.BytesIO(data[:cut])) as video:
            frames.extend(video.frames)
        told = float(str(raised.value).split(" after ")[1].split(" s ")[0])
        assert told == pytest.approx(frames[-1].time + frames[-1].duration, abs=0.01)
        assert len(frames) <= 40 + (name == "gif")  # whose last two bytes hold no pixels
        for frame in frames:  # the rest of a frame is not guessed
            assert any(look_alike([frame], [picture]) for picture in source)
        assert 1.0 <= told <= 1.5


def test_every_cut_of_a_file_is_refused(kind: tuple[str, bytes]) -> None:
    name, data = kind
    ends = np.linspace(0, len(data) - 1, 60, dtype=int) if name != "avi raw" else [*range(0, len(data), 7001)]
    for end in [*ends, 1, 2, 3, 4, 5, 6, 12, 13]:
        with pytest.raises(DataError, match=r"breaks off|damaged in its header|is no video"):
            read(data[:end])


@settings(max_examples=25)
@given(changes=st.dictionaries(st.floats(0, 0.999), st.integers(0, 255), min_size=1, max_size=20))
@pytest.mark.parametrize("name", ["mp4 h264", "webm vp9", "avi mpeg4", "gif"])
def test_changed_bytes_raise_nothing_else(name: str, changes: dict[float, int]) -> None:
    data = _ENCODED.setdefault(name, encode(movie(), **KINDS[name]))  # type: ignore[arg-type]
    changed = bytearray(data)
    for place, byte in changes.items():
        changed[int(place * len(data))] = byte
    try:
        frames = list(resample(read(bytes(changed), Limits(1 << 20, 1000, 60.0))))
    except DataError:
        return
    assert all(frame.shape == FRAME_SHAPE and np.isfinite(frame).all() for frame in frames)


_ENCODED: dict[str, bytes] = {}


def test_lengths_of_64_bits_are_read() -> None:
    data = encode(movie())
    start = data.index(b"\0\0\0\x08free")  # which makes room for a longer length
    (length,) = struct.unpack(">I", data[start + 8 : start + 12])
    for long, whole in ((length + 8, True), (length + 8 + len(data), False), (2**63, False)):
        longer = data[:start] + struct.pack(">I4sQ", 1, b"mdat", long) + data[start + 16 :]
        if whole:
            assert len(read(longer)) == 20
        else:
            with pytest.raises(DataError, match="breaks off"):
                read(longer)


def test_a_live_recording_may_end_anywhere() -> None:
    data = encode(movie(), "matroska", muxer={"live": "1"})
    with av.open(io.BytesIO(data)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    assert len(read(data)) == 20
    assert len(read(data[: places[10]])) == 10


@pytest.mark.parametrize(("codec", "pixels", "junk"), [("mjpeg", "yuvj420p", b"\0"), ("mpeg4", "yuv420p", b"\x5a")])
def test_damage_is_told_with_its_time(codec: str, pixels: str, junk: bytes) -> None:
    data = encode(movie(60), "avi", codec, pixels)
    with av.open(io.BytesIO(data)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][30]
    assert packet.pos is not None
    first = packet.pos + (0 if codec == "mjpeg" else packet.size // 2)
    damaged = data[:first] + junk * (packet.pos + packet.size - first) + data[packet.pos + packet.size :]
    with pytest.raises(DataError, match=r"damaged after 1\.00 s of video; encode it anew"):
        read(damaged)


def test_limits_are_checked_in_the_header() -> None:
    mp4, mkv = encode(movie(21)), encode(movie(21), "matroska")
    for data, limits, why in (
        (mp4, Limits(pixels=48 * 64 - 1), "has frames of 64x48 pixels; shrink it to 3071"),
        (mp4, Limits(frames=20), "more than 20 frames; cut it"),
        (mp4, Limits(seconds=0.6), r"longer than 0\.6 s; cut it"),
        (mkv, Limits(seconds=0.6), r"longer than 0\.6 s; cut it"),
        (encode([flat(0, 2, 20_000)], codec="png", pixels="rgb24"), Limits(), "has frames of 20000x2 pixels"),
    ):
        with pytest.raises(DataError, match=why), open_video(io.BytesIO(data), limits):
            pass
    for data in (mp4, mkv):
        assert len(read(data, Limits(48 * 64, 21, 0.7))) == 21


def test_limits_are_checked_again_since_headers_lie() -> None:
    fragments = encode(movie(), **KINDS["mp4 h264 in fragments"])  # type: ignore[arg-type]
    with open_video(io.BytesIO(fragments), Limits(frames=10)) as video:  # whose header counts no frames
        assert len(list(itertools.islice(video.frames, 10))) == 10
        with pytest.raises(DataError, match="more than 10 frames"):
            next(video.frames)
    mkv = encode(movie(60), "matroska")
    duration = mkv.index(b"\x44\x89\x88") + 3  # 2000.0 ms
    assert struct.unpack(">d", mkv[duration : duration + 8]) == (2000.0,)
    lying = mkv[:duration] + struct.pack(">d", 100.0) + mkv[duration + 8 :]
    with open_video(io.BytesIO(lying), Limits(seconds=1.0)) as video, pytest.raises(DataError, match="longer than 1 s"):
        list(video.frames)


def test_a_frame_larger_than_the_header_says_is_refused() -> None:
    data = encode(movie(5))
    small = rewrite(data, BOXES_TO_SIZE, lambda body: body[:40] + struct.pack(">HH", 8, 8) + body[44:])
    assert small != data
    with pytest.raises(DataError, match="has frames of 64x48"):
        read(small, Limits(pixels=1000))
    growing = _grown()
    assert [frame.pixels.shape for frame in read(growing)] == [(48, 64)] * 3 + [(96, 128)] * 3
    with pytest.raises(DataError, match="has frames of 128x96"):
        read(growing, Limits(pixels=4000))
    with pytest.raises(DataError, match=r"damaged after 0\.10 s"):  # by then the decoder itself refuses
        read(_grown(32), Limits(pixels=3072))


def _grown(factor: int = 2) -> bytes:
    """A webm whose frames become larger in the middle, which VP8 may do."""
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as output:
        stream = output.add_stream("libvpx", rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"  # type: ignore[union-attr]
        for part, scale in enumerate((1, factor)):
            encoder = av.CodecContext.create("libvpx", "w")
            encoder.height, encoder.width, encoder.pix_fmt = 48 * scale, 64 * scale, "yuv420p"
            encoder.time_base = Fraction(1, 30)
            encoder.options = {"deadline": "realtime", "lag-in-frames": "0"}
            for n in range(3):
                picture = av.VideoFrame.from_ndarray(flat(100, 48 * scale, 64 * scale), format="gray")
                picture = picture.reformat(format="yuv420p")
                picture.pts, picture.time_base = 3 * part + n, Fraction(1, 30)
                for packet in encoder.encode(picture):
                    packet.stream = stream
                    output.mux(packet)
    return file.getvalue()


def test_memory_does_not_grow_with_the_video() -> None:
    data = encode([flat(n % 256, 240, 320) for n in range(300)])  # 23 MB of pixels
    with open_video(io.BytesIO(data)) as video:
        tracemalloc.start()
        try:
            assert sum(1 for _ in resample(video.frames)) == 300
            assert tracemalloc.get_traced_memory()[1] < 2e6
        finally:
            tracemalloc.stop()
