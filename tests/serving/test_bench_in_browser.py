"""The lab bench as its users have it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from films import film
from npz import pack
from playwright.sync_api import Browser, BrowserContext, expect
from serving.browsing import CHROMIUM, Bench, chromium, clip_of
from serving.endpoints import answering

from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.clip import Clip
from sensorium_ray.results import load_result
from sensorium_ray.serving import keys
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.laboratory import Laboratory
from sensorium_ray.serving.predictors import Predictors
from sensorium_ray.serving.served import Served

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: make chromium")

STATES = ("behavior-0", "behavior-1", "pupil_center-0", "pupil_center-1")
CLIP_AXES = {"video": 0, "behavior": 1, "pupil_center": 1}
MAP_AT = """async (at) => {
    const time = document.getElementById("time");
    time.value = at;
    time.dispatchEvent(new Event("input"));
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
    return document.getElementById("map").toDataURL();
}"""
GRU_MOUSE = "dynamic00001-1-1-Video-580c4cd495fe24394bb03a03b7c7b12d"


@pytest.fixture(scope="module")
def models(bundles: Path) -> dict[str, Served]:
    return {"tiny": Served.read(bundles / "tiny"), "gru": Served.read(PRETRAINED / "gru")}


@pytest.fixture(scope="module")
def url(models: dict[str, Served]) -> Iterator[str]:
    with answering(make_app(models, Predictors(models).predict)) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def desk(browser: Browser) -> BrowserContext:
    """Of pages as most tests want them; pages of one context start faster, and share nothing that is tested."""
    return browser.new_context()


@pytest.fixture
def open_bench(browser: Browser, desk: BrowserContext, url: str) -> Iterator[Callable[..., Bench]]:
    """Opens the page; a test fails if the browser complained of anything that it does not expect."""
    opened: list[Bench] = []

    def open_(at: str = url, **settings: Any) -> Bench:
        context = browser.new_context(**settings) if settings else desk
        opened.append(Bench(context.new_page(), at))
        return opened[-1]

    yield open_
    for bench in opened:
        bench.page.close()
        assert bench.faults == []


@pytest.fixture
def bench(open_bench: Callable[..., Bench]) -> Bench:
    """The page with a model of three neurons, two of them in V1, and a clip of a second."""
    bench = open_bench()
    bench.choose("tiny")
    bench.set("stimulus-controls-seconds", 1)
    return bench


def shown_states(bench: Bench) -> tuple[list[float], list[float]]:
    values = [bench.value(f"behavior-controls-{state}") for state in STATES]
    return values[:2], values[2:]


def test_every_stimulus_is_answered_as_the_predictor_answers_it(open_bench: Callable[..., Bench]) -> None:
    gru = load_predictor(PRETRAINED / "gru")
    bench = open_bench()
    bench.choose("gru")
    for kind in ("grating", "gabor", "dots", "binary", "pink"):
        bench.page.check(f"[value={kind}]", force=True)
        bench.set("stimulus-controls-seconds", 0.5)
        bench.predict()
        video = bench.array("Stimulus")
        assert (video.shape, video.dtype) == ((15, 36, 64), np.uint8)
        assert 100 < video.mean() < 156
        assert video.std() > 10
        expected = gru.predict(clip_of(video, *shown_states(bench)), GRU_MOUSE)
        np.testing.assert_allclose(bench.array("Responses, npy"), expected, rtol=1e-5, atol=1e-5)
        assert f"500 neurons × 15 frames of gru to {kind}" in bench.text("#answer-about")


def test_a_seed_gives_the_same_frames_again(bench: Bench) -> None:
    bench.page.check("[value=pink]", force=True)

    def frames(seed: int) -> np.ndarray:
        bench.set("stimulus-controls-seed", seed)
        bench.predict()
        return bench.array("Stimulus")

    first, other, again = frames(1), frames(2), frames(1)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_still_image_is_one_frame(bench: Bench) -> None:
    bench.set("stimulus-controls-seconds", 0)
    bench.predict()
    assert bench.array("Stimulus").shape == (1, 4, 6)
    assert bench.array("Responses, npy").shape == (3, 1)


def test_an_image_is_shown_to_a_model_of_2022(open_bench: Callable[..., Bench], models: dict[str, Served]) -> None:
    shown = []

    async def predict(model: str, clip: Clip, mouse: str, neurons: np.ndarray | None) -> AsyncIterator[np.ndarray]:
        shown.append(clip)
        yield np.float32([[1], [2], [3]])

    takes = models["tiny"].manifest.model_copy(update={"behavior_channels": 3})
    still = replace(models["tiny"], manifest=takes)
    with answering(make_app({"tiny": still}, predict)) as url:
        bench = open_bench(url)
        bench.choose("tiny")
        bench.set("stimulus-controls-seconds", 0)
        for channel, value in enumerate([40, -2, 5]):
            bench.set(f"behavior-controls-behavior-{channel}", value)
        assert "Change of pupil dilation" in bench.text("#behavior-controls")
        bench.predict()
    assert shown[0].behavior.tolist() == [[40], [-2], [5]]
    assert shown[0].video.shape == (1, 4, 6)


def test_sliders_set_what_the_mouse_does(bench: Bench) -> None:
    assert shown_states(bench) == ([3, 1], [10, 20])  # its means
    bench.predict()
    before = bench.array("Responses, npy")
    bench.set("behavior-controls-behavior-0", 23)
    assert "changed" in bench.text("#status")
    bench.predict()
    after = bench.array("Responses, npy")
    np.testing.assert_allclose(after - before, np.float32([[0.1], [0.5], [0.9]]) * 10 * np.ones(30), atol=1e-3)
    bench.page.click("#reset-behavior")
    assert shown_states(bench) == ([3, 1], [10, 20])


def test_an_mp4_that_is_dropped_is_played_and_answered(bench: Bench, models: dict[str, Served]) -> None:
    bench.drop("movie.mp4", film(range(0, 200, 10), codec="libx264"))
    expect(bench.page.locator("#video")).to_have_js_property("readyState", 4)
    bench.predict()
    assert "64x48 at 20 frames/s resampled to 6x4 at 30" in bench.text("#warnings")
    responses = bench.array("Responses, npy")
    assert responses.shape == (3, 30)
    assert (np.diff(responses[0]) >= -0.5).all()
    assert responses[0, -1] > responses[0, 0] + 15
    bench.page.click("#play")
    expect(bench.page.locator("#now")).to_have_text(re.compile(r"0\.[3-9]\d s|1\.00 s"))


def test_a_video_that_the_browser_cannot_play_is_answered(bench: Bench) -> None:
    bench.drop("movie.avi", film([50] * 20, "avi"))
    bench.says("#clip-about", "cannot play")
    bench.predict()
    assert bench.array("Responses, npy").shape == (3, 30)


def test_an_npy_that_is_dropped_is_answered(bench: Bench, bundles: Path, clip: Clip) -> None:
    content = io.BytesIO()
    np.save(content, np.asfortranarray(clip.video.astype(np.float64)))
    bench.drop("noise.npy", content.getvalue())
    bench.page.wait_for_selector("#stimulus-controls-rate")
    bench.predict()
    expected = load_predictor(bundles / "tiny").predict(clip_of(clip.video, *shown_states(bench)), "mouse-a")
    np.testing.assert_allclose(bench.array("Responses, npy"), expected, rtol=1e-5)
    bench.set("stimulus-controls-rate", 60)
    bench.predict()
    assert bench.array("Responses, npy").shape == (3, 25)


def test_a_clip_is_compared_with_its_recorded_responses(bench: Bench, bundles: Path, clip: Clip) -> None:
    random = np.random.default_rng(1)
    long = {name: np.concatenate([getattr(clip, name)] * 2, axis) for name, axis in CLIP_AXES.items()}
    expected = load_predictor(bundles / "tiny").predict(Clip(**long), "mouse-a")
    recorded = expected + random.normal(0, expected.std(), expected.shape)
    recorded[:, 95:] = np.nan
    bench.drop("trial.npz", pack(long | {"responses": recorded}))
    bench.page.wait_for_selector("#own-states:not([hidden])")
    bench.predict()
    np.testing.assert_allclose(bench.array("Responses, npy"), expected, rtol=1e-5)
    assert bench.page.locator("path.recorded").count() == 3
    r = np.corrcoef(expected[2, 50:95], recorded[2, 50:95])[0, 1]
    assert f"r = {r:.3f} (frames 50–99)" in bench.text("#traces [data-neuron='2']")
    bench.page.uncheck("#use-own")
    bench.predict()
    assert np.abs(bench.array("Responses, npy") - expected).max() > 1
    bench.page.click("#forget")
    assert bench.page.locator("path.recorded").count() == 0


def test_recorded_responses_of_other_neurons_are_not_compared(bench: Bench) -> None:
    bench.predict()
    content = io.BytesIO()
    np.save(content, np.ones((4, 30)))
    bench.page.set_input_files("#recorded", {"name": "r.npy", "mimeType": "", "buffer": content.getvalue()})
    bench.says("#recorded-about", "4 neurons")
    assert bench.page.locator("path.recorded").count() == 0


def test_the_map_shows_who_responds_and_chooses_them(bench: Bench) -> None:
    assert "V1 2, LM 1" in bench.text("#map-about")
    bench.page.check("[value=pink]", force=True)
    bench.predict()
    bench.page.click("#clear")
    assert len({bench.page.evaluate(MAP_AT, seconds) for seconds in (0, 0.1, 0.2)}) > 1
    bench.page.focus("#map")
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        bench.page.keyboard.press(key)
    assert "unit 9 in V1 at 0, 8, 300 µm" in bench.text("#traces")


def test_without_positions_a_sentence_stands_for_the_map(bench: Bench) -> None:
    bench.choose("tiny", "mouse-b")
    assert bench.page.is_hidden("#map")
    assert "not known" in bench.text("#map-about")
    assert "does not know the mouse's means" in bench.text("#behavior-about")
    bench.predict()
    assert bench.array("Responses, npy").shape == (2, 30)


def test_the_raster_is_clicked_and_neurons_are_chosen_by_unit_id(bench: Bench) -> None:
    bench.predict()
    bench.page.select_option("#order", "index")
    bench.page.click("#clear")
    box = bench.page.locator("#raster").bounding_box()
    assert box is not None
    bench.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    assert bench.text("#traces").startswith("unit 5 in V1")
    bench.says("#readout", " · unit 5 in V1")
    bench.page.fill("#unit", "7")
    bench.page.press("#unit", "Enter")
    assert bench.page.locator(".trace").count() == 2
    bench.page.fill("#unit", "4")
    bench.page.press("#unit", "Enter")
    assert bench.page.evaluate("document.getElementById('unit').validationMessage") == "This mouse has no unit 4."


def test_numbers_are_downloaded_in_every_form(bench: Bench) -> None:
    bench.page.check("[value=pink]", force=True)
    bench.predict()
    responses = bench.array("Responses, npy")
    with np.load(io.BytesIO(bench.download("npz with unit ids"))) as archive:
        np.testing.assert_array_equal(archive["responses"], responses)
        assert archive["unit_ids"].tolist() == [5, 7, 9]
    tables = [
        pq.read_table(pa.BufferReader(bench.download("Parquet"))),
        pa.ipc.open_stream(bench.download("Arrow")).read_all(),
    ]
    for table in tables:
        np.testing.assert_array_equal(np.stack(table["responses"].to_pylist(), axis=1).astype(np.float32), responses)
    time, *rows = csv.reader(io.StringIO(bench.download("Chosen neurons").decode()))
    assert time == ["time", "unit_9", "unit_7", "unit_5"]
    np.testing.assert_allclose(np.array(rows, float).T[1:], responses[::-1], rtol=1e-6)


def test_the_keyboard_is_enough(open_bench: Callable[..., Bench]) -> None:
    bench = open_bench()
    bench.says("#clip-about", "frames of")
    press, focused = bench.page.keyboard.press, "document.activeElement.value || document.activeElement.id"

    def tab_to(what: str) -> None:
        for _ in range(40):
            press("Tab")
            if bench.page.evaluate(focused) == what:
                return
        raise AssertionError(f"the keyboard does not reach {what}")

    tab_to("grating")
    press("ArrowRight")
    assert bench.page.is_checked("[value=gabor]")
    tab_to("predict")
    press("Enter")
    bench.page.wait_for_selector("#answered:not([hidden])")
    tab_to("raster")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        press(key)
    bench.says("#readout", "0.08 s, frame 2 · unit ")
    assert bench.text("#said").startswith(("Chose unit ", "Removed unit "))


def test_a_phone_shows_it_without_scrolling_sideways(open_bench: Callable[..., Bench]) -> None:
    phone = {"width": 360, "height": 740}
    bench = open_bench(viewport=phone, is_mobile=True, has_touch=True, color_scheme="dark", reduced_motion="reduce")
    bench.choose("gru")
    bench.set("stimulus-controls-seconds", 1)
    bench.predict()
    bench.page.tap("#status a")
    assert bench.page.evaluate("document.documentElement.scrollWidth") == 360
    bench.page.tap("#play")
    expect(bench.page.locator("#now")).to_have_text(re.compile(r"0\.[3-9]\d s|1\.00 s"))


def test_a_key_is_asked_for_where_one_is_needed(open_bench: Callable[..., Bench], models: dict[str, Served]) -> None:
    text, key = keys.make("lab", ["predict"])
    with answering(make_app(models, Predictors(models).predict, [key])) as url:
        bench = open_bench(url)
        bench.says("#key-form", "asks for an API key")
        assert bench.page.is_hidden("#problem")
        bench.page.fill("#key", "wrong")
        bench.page.press("#key", "Enter")
        bench.says("#problem", "none of")
        bench.page.fill("#key", text)
        bench.page.click("text=Use key")
        bench.choose("tiny")
        bench.predict()
        assert bench.page.is_hidden("#key-form")
        assert bench.page.is_hidden("#problem")
        assert "3 neurons × 90 frames" in bench.text("#answer-about")
        _expect(bench, "401")


def test_what_takes_long_is_stopped(open_bench: Callable[..., Bench], models: dict[str, Served]) -> None:
    async def predict(*_: object) -> AsyncIterator[np.ndarray]:
        await asyncio.sleep(1)
        yield np.zeros((3, 90), np.float32)

    with answering(make_app(models, predict)) as url:
        bench = open_bench(url)
        bench.choose("tiny")
        bench.page.click("#predict")
        bench.says("#status", "Predicting")
        bench.page.click("#stop")
        bench.says("#status", "Stopped")
        assert bench.page.is_hidden("#stop")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("words.mp4", b"these are words", "video: is no video; give an mp4"),
        ("broken.npy", b"\x93NUMPY\x01\x00\x02\x00{}", "broken.npy holds fields with names"),
        ("flat.npy", np.zeros((2, 3, 4, 5)), "give (neurons, frames)"),
        ("other.npz", pack({"movie": np.zeros(3)}), "other.npz holds none of video, behavior"),
    ],
)
def test_a_wrong_file_is_told_in_a_sentence(bench: Bench, name: str, content: Any, sentence: str) -> None:
    if isinstance(content, np.ndarray):
        file = io.BytesIO()
        np.save(file, content)
        content = file.getvalue()
    bench.drop(name, content)
    if name == "words.mp4":
        bench.says("#clip-about", "cannot play")
        bench.page.click("#predict")
    bench.says("#problem", sentence)
    if name == "words.mp4":
        _expect(bench, "422")


def _expect(bench: Bench, status: str) -> None:
    """The browser complains of answers that are refusals, and of nothing else."""
    assert bench.faults
    assert all(f"responded with a status of {status}" in fault for fault in bench.faults)
    bench.faults.clear()


@pytest.fixture(scope="module")
def making(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An endpoint that makes experiments."""
    models = {"factorised3d": Served.read(PRETRAINED / "factorised3d")}
    predictors = Predictors(models)
    made = Laboratory(tmp_path_factory.mktemp("experiments"), models, predictors)
    with answering(make_app(models, predictors.predict, laboratory=made)) as url:
        yield url
    made.close()


def test_an_experiment_is_made_and_shown(making: str, open_bench: Callable[..., Bench]) -> None:
    bench = open_bench(making)
    bench.choose("factorised3d")
    bench.page.select_option("#experiment", "direction_tuning")
    assert "drifting gratings" in bench.text("#experiment-about")
    bench.page.click("#make-experiment summary")
    assert bench.page.input_value("#setting-directions") == "16"
    for name, value in {"directions": "4", "spatial_frequencies": "[0.05]", "temporal_frequencies": "[2.0]"}.items():
        bench.page.fill(f"#setting-{name}", value)
    bench.page.click("#make")
    bench.says("#experiment-status", "direction tuning of factorised3d")
    assert bench.page.evaluate("document.getElementById('experiment-picture').naturalWidth") > 500
    with bench.page.expect_download() as waiting:
        bench.page.click("text=Arrays, netCDF")
    saved = Path(waiting.value.path())
    found = load_result(saved.rename(saved.with_suffix(".nc")))
    assert found.sizes["neuron"] == 500
    assert json.loads(found.attrs["settings"])["directions"] == 4


def test_an_impossible_experiment_is_told(making: str, open_bench: Callable[..., Bench]) -> None:
    bench = open_bench(making)
    bench.choose("factorised3d")
    bench.page.select_option("#experiment", "direction_tuning")
    bench.page.select_option("#whom", "chosen")
    bench.page.click("#make")
    bench.says("#problem", "No neurons are chosen yet")
    bench.page.select_option("#whom", "all")
    bench.page.click("#make-experiment summary")
    bench.page.fill("#setting-contrast", "2")
    bench.page.click("#make")
    bench.says("#problem", "contrast: is 2; give one above 0, at most 1")
    assert "422" in bench.faults.pop()


def test_an_endpoint_that_makes_no_experiments_shows_none(bench: Bench) -> None:
    expect(bench.page.locator("#experiments-card")).to_be_hidden()
