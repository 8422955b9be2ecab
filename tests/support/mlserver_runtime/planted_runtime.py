"""A runtime of MLServer's that serves an ONNX file by ONNX Runtime; it is loaded by the server, not by the tests."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from onnxruntime import InferenceSession


class OnnxModel(MLModel):
    """The model at the settings' uri."""

    async def load(self) -> bool:
        self._session = InferenceSession(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        tensor = NumpyCodec.decode_input(payload.inputs[0])
        name = self._session.get_outputs()[0].name
        output = self._session.run([name], {payload.inputs[0].name: tensor})[0]
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output(name=name, payload=output)]
        )
