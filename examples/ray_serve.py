"""
Explanations as a deployment of Ray Serve: replicas of the whole service, as many as the load needs.

    pip install "dccausal[serve]" "ray[serve]"
    MODEL=model.onnx serve run ray_serve:application

Each replica loads the model once and has a queue of its own; Ray Serve shares requests out among them.
"""

import os

from ray import serve

from dccausal.serving import Limits, create_app


def service() -> object:
    """Return the service of a replica; it is called there."""
    return create_app(os.environ.get("MODEL", "model.onnx"), limits=Limits(queue=4, timeout=30))


@serve.deployment(
    ray_actor_options={"num_cpus": 1},
    max_ongoing_requests=5,  # as many as a replica explains and lets wait
    autoscaling_config={"min_replicas": 1, "max_replicas": 4, "target_ongoing_requests": 2},
)
@serve.ingress(service)
class Explanations:
    """What Ray Serve starts; requests go to the service."""


application = Explanations.bind()
