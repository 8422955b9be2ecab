"""
Explanations as a service, run by any ASGI server: one process, or several with a queue and a model each.

    pip install "dccausal[serve]"
    MODEL=model.onnx uvicorn service:app --port 8000
    MODEL=model.onnx gunicorn service:app -k uvicorn_worker.UvicornWorker --workers 2 --timeout 120

``dccausal serve`` does the same without a file of your own. Here other endpoints can be added to the application.
"""

import os

from dccausal.serving import Limits, create_app

# Each process of gunicorn has these limits of its own.
limits = Limits(workers=1, queue=4, timeout=30, max_calls=2000)

# The model is loaded when the application starts, so processes that are forked each load their own.
app = create_app(os.environ.get("MODEL", "model.onnx"), limits=limits)
