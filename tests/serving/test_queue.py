"""One after the other: who waits, who is turned away, what stops the work, and how the service ends."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from dccausal.remote import RemoteClassifier
from dccausal.serving.limits import Limits
from dccausal.serving.metrics import Metrics
from dccausal.serving.queue import Ticket
from dccausal.serving.worker import Worker
from open_inference import serving
from services import spotted, until


def running(service):
    return service.metric("dccausal_running")


def waiting(service):
    return service.metric("dccausal_queue_length")


def test_a_full_queue_turns_away_and_the_rest_is_served_in_order(slow_service):
    with slow_service(0, is_open=False, queue=3) as service, ThreadPoolExecutor(4) as pool:
        done = []

        def ask(number):
            code = service.post(spotted(number), max_calls=60).status_code
            done.append(number)
            return code

        asked = [pool.submit(ask, 0)]
        until(lambda: running(service) == 1)
        for number in (1, 2, 3):
            asked.append(pool.submit(ask, number))
            until(lambda number=number: waiting(service) == number)
        turned_away = service.post(spotted())
        assert turned_away.status_code == 429
        assert int(turned_away.headers["Retry-After"]) > 0
        assert "queue is full" in turned_away.json()["detail"]
        assert service.get("/readyz").status_code == 200
        service.open()
        assert [one.result() for one in asked] == [200] * 4
        assert done == [0, 1, 2, 3]


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_client_that_goes_away_stops_the_work(slow_service, accept):
    with slow_service(0.005) as service:
        asked = httpx.stream(
            "POST",
            f"{service.address}/v1/explanations?profile=paper",
            files={"photo": spotted()},
            headers={"Accept": accept},
            timeout=0.4,
        )
        with contextlib.suppress(httpx.ReadTimeout), asked as answer:
            next(answer.iter_lines())
        until(lambda: running(service) == 0)
        assert service.metric('dccausal_stopped_total{by="client"}') == 1
        assert service.metric('dccausal_explanations_total{outcome="minimal"}') == 0


def test_who_leaves_the_queue_leaves_it_at_once(slow_service):
    with slow_service(0, is_open=False, queue=1) as service, ThreadPoolExecutor(1) as pool:
        first = pool.submit(service.post, spotted())
        until(lambda: running(service) == 1)
        with pytest.raises(httpx.ReadTimeout):
            service.post(spotted(), timeout=0.3)
        until(lambda: waiting(service) == 0)
        assert service.metric('dccausal_stopped_total{by="client"}') == 1
        service.open()
        assert first.result().status_code == 200


def test_the_time_limit_gives_the_best_so_far(slow_service):
    with slow_service(0.005, timeout=0.5) as service:
        answer = service.post(spotted(), profile="paper")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["outcome"] != "minimal"
        assert any("Interrupted" in note for note in found["notes"])
        assert service.metric('dccausal_stopped_total{by="time"}') == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_what_is_under_way_is_answered(slow_service, number):
    with slow_service(0, is_open=False) as service, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(service.post, spotted(i)) for i in range(2)]
        until(lambda: running(service) + waiting(service) == 2)
        service.process.send_signal(number)
        time.sleep(0.3)
        with pytest.raises(httpx.TransportError):  # no more are taken
            service.post(spotted())
        service.open()
        assert [one.result().status_code for one in asked] == [200, 200]
        assert service.process.wait(30) == 0


def test_what_takes_longer_than_the_grace_is_cut_short(slow_service):
    with slow_service(0.005, grace=0.5) as service, ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(service.post, spotted(i), profile="paper") for i in range(3)]
        until(lambda: running(service) + waiting(service) == 3)
        assert service.stop() == 0
        codes = [one.result().status_code for one in asked]
        assert sorted(codes) == [200, 503, 503]  # one has the best so far


def test_several_workers_explain_at_once(slow_service):
    with slow_service(0, is_open=False, workers=2) as service, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(service.post, spotted(i)) for i in range(2)]
        until(lambda: running(service) == 2)
        service.open()
        first, second = (one.result() for one in asked)
        assert (first.status_code, second.status_code) == (200, 200)
        assert first.json()["kept_rle"] == service.post(spotted(0)).json()["kept_rle"]


def test_a_place_in_the_queue_is_told(slow_service):
    with slow_service(0, is_open=False) as service, ThreadPoolExecutor(1) as pool:
        first = pool.submit(service.post, spotted())
        until(lambda: running(service) == 1)
        events = service.events(spotted(1))
        assert next(events) == ("queued", {"before": 0})
        service.open()
        assert [name for name, _ in events][-1] == "result"
        assert first.result().status_code == 200


def test_a_model_that_hangs_is_told_of(slow_service):
    with slow_service(0, is_open=False, timeout=0.2, patience=0.5) as service:
        answer = service.post(spotted())
        assert (answer.status_code, answer.json()["detail"]) == (503, "a run of the model does not end")
        for path in ("/healthz", "/readyz"):
            assert service.get(path).status_code == 503
            assert service.get(path).json() == {"status": "a run of the model does not end"}
        service.open()  # it ends after all
        until(lambda: service.get("/healthz").status_code == 200)
        assert service.post(spotted(1), max_calls=20).status_code == 200


def test_a_model_server_that_was_away_is_asked_again(planted):
    scene = planted("needs_a_and_b")
    photo, told = scene.photo.read_bytes(), []

    def ticket():
        return Ticket(
            io.BytesIO(photo), None, {"partitions": 2}, "json", "", False, lambda *event: told.append(event)
        )

    with serving(scene.path) as server:
        classifier = RemoteClassifier(server.url, "planted", retries=0)
        worker = Worker(classifier, Limits(), 1, Metrics())
        server.busy = 1000
        worker.work(ticket())
        assert "does not answer" in str(dict(told)["error"])
        assert worker.failure is None
        server.busy = 0
        worker.work(ticket())
        assert json.loads(dict(told)["result"])["outcome"] == "minimal"
