"""
Explanations as a web service: one at a time, each with a budget, and nothing that an upload can do to it.

    pip install "dccausal[cpu]" fastapi uvicorn python-multipart
    MODEL=model.onnx uvicorn service:app --port 8000 --limit-concurrency 100
    curl -F photo=@photo.jpg "localhost:8000/explain?max_calls=500"
"""

import base64
import io
import os
import threading
import warnings
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, UploadFile
from fastapi.responses import JSONResponse
from PIL import Image

from dccausal import ClassifierError, InputError, OnnxClassifier, explain, load_photo

MOST_BYTES = 20_000_000  # of a photograph's file
MOST_PIXELS = 16_000_000  # a file of some kilobytes may stand for any number of them
MOST_SIDE = 2048  # of the picture that is sent back
MOST_WAITING = 4

# A limit for the whole process: larger images are refused before they are decoded.
Image.MAX_IMAGE_PIXELS = MOST_PIXELS
warnings.simplefilter(
    "ignore", Image.DecompressionBombWarning
)  # they are refused, a warning would come on top

# Loaded once. Threads are those of ONNX Runtime; leave some for the predictions that the service is there for.
classifier = OnnxClassifier(os.environ.get("MODEL", "model.onnx"), device="auto", threads=1)
working = threading.Lock()  # one photograph at a time is decoded, explained and drawn
waiting = threading.Semaphore(MOST_WAITING)  # more are turned away before their upload is read

app = FastAPI()


class BodyLimit:
    """Stop reading a request that is larger than any photograph, whatever its headers say."""

    def __init__(self, app: Any, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        n_read = 0

        async def counted() -> Any:
            nonlocal n_read
            message = await receive()
            n_read += len(message.get("body", b""))
            if n_read > self.most:
                raise HTTPException(413, f"at most {MOST_BYTES:,} bytes are taken")
            return message

        length = dict(scope.get("headers", ())).get(b"content-length", b"0")
        if length.isdigit() and len(length) < 20 and int(length) <= self.most:
            await self.app(scope, counted, send)
        else:
            refusal = JSONResponse(
                {"detail": f"at most {MOST_BYTES:,} bytes are taken"}, 413, headers={"Connection": "close"}
            )
            await refusal(scope, receive, send)


app.add_middleware(BodyLimit, most=MOST_BYTES + 100_000)


@app.post("/explain")
def explain_photo(
    photo: UploadFile,
    target: Annotated[
        str | None, Query(description="Label, by name or index. By default the top label.", max_length=200)
    ] = None,
    max_calls: Annotated[int, Query(ge=20, le=5000)] = 500,
) -> dict[str, Any]:
    """Explain a photograph. The function is no coroutine, so it runs in a thread and the event loop stays free."""
    if not waiting.acquire(blocking=False):
        raise HTTPException(503, "busy; try again later", headers={"Retry-After": "10"})
    try:
        content = photo.file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise HTTPException(413, f"at most {MOST_BYTES:,} bytes are taken")
        with working:
            return explained(content, target, max_calls)
    except InputError as error:  # a damaged photograph, a label that is not there
        raise HTTPException(422, str(error)) from error
    except ClassifierError as error:
        raise HTTPException(500, str(error)) from error
    finally:
        waiting.release()


def explained(content: bytes, target: str | None, max_calls: int) -> dict[str, Any]:
    """Decode, explain and draw: all that costs memory happens here, one photograph after the other."""
    try:
        opened = Image.open(io.BytesIO(content))
    except Exception as error:  # a reader that is fed damaged bytes may raise anything
        raise HTTPException(422, f"the upload cannot be read: {error}") from error
    explanation = explain(load_photo(opened), classifier, target=target, max_calls=max_calls, profile="fast")
    picture = explanation.picture()
    picture.thumbnail((MOST_SIDE, MOST_SIDE), reducing_gap=2)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return {
        "label": explanation.label,
        "name": explanation.name,
        "score": explanation.score,
        "outcome": explanation.outcome,
        "size": explanation.size,
        "notes": explanation.notes,
        "model_calls": explanation.statistics["model_calls"],
        "model_sha256": explanation.provenance["classifier"]["model_sha256"],
        "picture": base64.b64encode(buffer.getvalue()).decode("ascii"),
    }
