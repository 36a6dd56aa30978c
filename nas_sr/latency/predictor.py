"""placeholder until merge"""

from nas_sr.arch.spec import ArchSpec
from nas_sr.latency.prediction import Prediction


class Predictor:
    grounds: str

    def predict(self, spec: ArchSpec) -> Prediction:
        raise NotImplementedError
