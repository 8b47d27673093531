"""The page's files, as any client gets them; what they do in a browser: test_bench_in_browser.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from sensorium_ray.serving import keys, routes_bench
from sensorium_ray.serving.app import make_app
from sensorium_ray.serving.served import Served


@pytest.fixture
def web(bundles: Path) -> TestClient:
    """An endpoint that asks for keys."""
    _, key = keys.make("lab", ("predict",))
    return TestClient(make_app({"tiny": Served.read(bundles / "tiny")}, None, [key]))


def test_the_page_is_shown_without_a_key(web: TestClient) -> None:
    page = web.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert web.head("/").status_code == 200
    assert web.get("/v1/models").status_code == 401


def test_all_that_the_page_names_is_there(web: TestClient) -> None:
    named = {f"/{name}" for name in re.findall(r'(?:href|src)="(bench/[^"]+)"', web.get("/").text)}
    read: set[str] = set()
    while named - read:
        address = (named - read).pop()
        read.add(address)
        named |= {f"/bench/{name}" for name in re.findall(r' from "\./(.+)"', web.get(address).text)}
    assert read | {"/"} == routes_bench.ADDRESSES


def test_a_browser_is_told_to_run_nothing_else(web: TestClient) -> None:
    for address in routes_bench.ADDRESSES:
        headers = web.get(address).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("address", ["/bench/index.html", "/bench/../guard.py", "/bench/%2e%2e/guard.py", "/bench/"])
def test_nothing_else_is_given_away(web: TestClient, address: str) -> None:
    assert web.get(address).status_code == 401
