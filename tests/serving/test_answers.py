"""What the service answers: the explanation that ``explain`` gives, as a document, a picture, or events."""

from __future__ import annotations

import base64
import io
import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from PIL import Image

import dccausal
from dccausal import OnnxClassifier, explain
from dccausal.explanation.rle import rle_pixels
from dccausal.serving.options import offered
from services import png

PNG, EVENTS = "image/png", "text/event-stream"


@pytest.fixture(scope="module")
def explained(service):
    return explain(service.scene.photo, OnnxClassifier(service.scene.path, device="cpu"), max_calls=3000)


def pixels_of(answer):
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as image:
        return np.asarray(image), image.mode


def test_the_document_is_that_of_explain(service, explained):
    answer = service.post(service.photo)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["label"] == explained.label
    assert found["outcome"] == explained.outcome == "minimal"
    assert np.array_equal(rle_pixels(found["kept_rle"], explained.kept.shape), explained.kept)
    assert found["statistics"]["model_calls"] == explained.statistics["model_calls"]
    assert found["provenance"]["classifier"]["model"] == service.scene.path.name
    schema = json.loads((files("dccausal") / "explanation" / "result.schema.json").read_text())
    jsonschema.validate(found, schema)


def test_the_same_request_has_the_same_answer(service):
    one, two = (service.post(service.photo, seed=3).json() for _ in range(2))
    for found in (one, two):
        for name in [name for name in found["statistics"] if "seconds" in name]:
            del found["statistics"][name]
    assert one == two


def test_pictures(service, explained):
    heat, _ = pixels_of(service.post(service.photo, accept=PNG, picture="heatmap"))
    assert np.array_equal(heat, np.rint(explained.heatmap * 65535).astype(np.uint16))
    kept, _ = pixels_of(service.post(service.photo, accept=PNG, picture="kept"))
    assert np.array_equal(kept == 255, explained.kept)
    overlay, mode = pixels_of(service.post(service.photo, accept=PNG))
    assert mode == "RGB"
    assert np.array_equal(overlay, np.asarray(explained.overlay()))
    picture, _ = pixels_of(
        service.post(service.photo, accept="text/html, image/*;q=0.9", picture="explanation")
    )
    assert np.array_equal(picture, np.asarray(explained.picture()))
    assert pixels_of(service.post(service.photo, accept=PNG, picture="cutout"))[1] == "RGBA"


def test_a_large_photograph_has_a_smaller_picture(service):
    large = png(np.random.default_rng(0).integers(0, 255, (30, 2600, 3), dtype=np.uint8))
    picture, _ = pixels_of(service.post(large, accept=PNG, max_calls=30))
    assert picture.shape[1] == 2048


def test_events_tell_how_it_goes(service, explained):
    events = list(service.events(service.photo))
    names = [name for name, _ in events]
    assert set(names) <= {"queued", "progress", "heat", "result"}
    assert names[-1] == "result"
    phases = [data["phase"] for name, data in events if name == "progress"]
    assert phases[0] in ("check", "search")
    assert np.array_equal(rle_pixels(events[-1][1]["kept_rle"], explained.kept.shape), explained.kept)


def test_events_for_a_page(service, explained):
    events = list(service.events(service.photo, drawn="true"))
    found = dict(events)
    view = found["view"]
    assert view["best"][0]["label"] == explained.label
    assert view["shape"] == list(explained.kept.shape)
    with Image.open(io.BytesIO(base64.b64decode(view["jpeg"]))) as photo:
        assert list(photo.size) == view["photo"]
    heat = found["heat"]
    tones = np.frombuffer(base64.b64decode(heat["tones"]), np.uint8).reshape(heat["shape"])
    assert tones.shape == (56, 56)
    assert tones.max() == 255
    assert found["drawn"]["about"]["label"] == explained.label
    assert set(found["pictures"]) == {"overlay", "explanation"}
    order = [name for name, _ in events if name in ("view", "drawn", "result", "pictures")]
    assert order == ["view", "drawn", "result", "pictures"]


def test_options_come_in_the_address_or_in_the_form(service):
    by_address = service.post(service.photo, profile="paper", partitions=3, refine_equal="true").json()
    by_form = service.post(
        service.photo, data={"profile": "paper", "partitions": "3", "refine_equal": "yes", "target": ""}
    ).json()
    for found in (by_address, by_form):
        assert found["provenance"]["profile"] == "paper"
        assert found["provenance"]["partitions"] == 3
        assert found["provenance"]["refine_equal"] is True
    assert by_address["kept_rle"] == by_form["kept_rle"]


def test_a_baseline_is_a_colour_or_an_upload(service):
    found = service.post(service.photo, baseline="10, 20,30", max_calls=40).json()
    assert found["baseline"]["colour"] == [10, 20, 30]
    half = np.zeros((64, 64, 3), np.uint8)
    half[:32] = 90
    found = service.post(service.photo, files={"baseline": ("b.png", png(half))}, max_calls=40).json()
    assert found["baseline"]["colour"] is None
    assert service.post(service.photo, baseline="blur", max_calls=40).status_code == 200
    found = service.post(service.photo, baseline="grey,1,2,3,black", max_calls=80).json()
    assert [one["name"] for one in found["baselines"]] == ["grey", "#010203", "black"]


def test_what_it_says_of_itself(service):
    about = service.get("/v1/model").json()
    assert about["dccausal"] == dccausal.__version__
    assert about["model"]["name"] == service.scene.path.name
    assert str(service.scene.path.parent) not in service.get("/v1/model").text
    assert about["limits"]["max_calls"] == 3000
    names = {option["name"] for option in about["options"]}
    assert names == {name for name, _, _ in offered()}
    assert not {"threads", "batch_size", "in_flight"} & names
    described = service.get("/openapi.json").json()["paths"]["/v1/explanations"]["post"]
    form = described["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert names | {"photo", "picture", "drawn"} == set(form["properties"])
    assert form["properties"]["partitions"]["maximum"] == 4096
    assert {"200", "413", "422", "429", "503"} <= set(described["responses"])


def test_probes_and_counts(service):
    assert service.get("/healthz").json() == {"status": "ok"}
    assert service.get("/readyz").json() == {"status": "ready"}
    before = service.metric('dccausal_explanations_total{outcome="minimal"}')
    calls = service.metric("dccausal_model_calls_total")
    n_calls = service.post(service.photo).json()["statistics"]["model_calls"]
    assert service.metric('dccausal_explanations_total{outcome="minimal"}') == before + 1
    assert service.metric("dccausal_model_calls_total") == calls + n_calls
    assert service.metric("dccausal_queue_length") == 0
    assert service.metric('dccausal_requests_total{path="/v1/explanations",status="200"}') >= 1


def test_headers_keep_browsers_in(service):
    answer = service.get("/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'self'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert service.get("/docs").status_code == 404


def test_the_picture_of_a_kind(service):
    answer = service.post(service.photo, accept=PNG, picture="kind", kind="necessary")
    assert pixels_of(answer)[1] == "RGB"
    answer = service.post(service.photo, accept=PNG, picture="kind")
    assert answer.status_code == 422
    assert "no set" in answer.text
