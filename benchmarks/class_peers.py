"""Random convolutions and interval trees of `aeon`, with the verbs of our models of classes, to stand beside them.

    peers = there()         {'peer:MiniRocket': ..., 'peer:MultiRocket': ..., 'peer:QUANT': ...}; {} without aeon

Each is the package's transform and the estimator with which its own classifier joins it, at the settings it comes with;
QUANT also needs torch. The packages take series of one length without gaps: cases are brought to the median length of
the training cases by means or straight lines, gaps bridged, as for our nearest neighbours. A ridge gives no
probabilities: what it says counts as certain, so its logarithmic loss says little.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loopwright.learn.classing.cases import Cases, clean, resampled
from loopwright.learn.classing.staged import verbs


@dataclass(frozen=True)
class Peer:
    """transform, estimator: seed -> one of the package's. Asked with the first seed alone, for they are slow."""

    NAME: str
    transform: Callable[[int], Any]
    estimator: Callable[[int], Any]
    DRAWS: bool = False
    BASELINE: bool = False

    def see(self, cases: Cases, seed: int = 0) -> dict[str, Any]:
        """The transform, fitted to training cases."""
        length = int(np.median([one.shape[1] for one in cases.values]))
        transform = self.transform(seed)
        transform.fit(_stack(cases, length))
        return {"fitted": {"transform": transform, "length": length}}

    def look(self, lens: Mapping[str, Any], cases: Cases) -> np.ndarray:
        """(n, F) features."""
        found = lens["fitted"]["transform"].transform(_stack(cases, lens["fitted"]["length"]))
        return np.nan_to_num(np.asarray(found, dtype=np.float32))

    def learn(
        self, x: np.ndarray, answers: Sequence[Sequence[str]], groups: Sequence[str], seed: int = 0
    ) -> list[dict[str, Any]]:
        """An estimator for each of the answers."""
        return [self._learn(x, labels, seed) for labels in answers]

    def _learn(self, x: np.ndarray, labels: Sequence[str], seed: int) -> dict[str, Any]:
        classes = sorted(set(labels))
        if len(classes) == 1:
            return {"classes": classes}
        return {"classes": classes, "model": self.estimator(seed).fit(x, np.asarray(labels))}

    def say(self, head: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
        """(n, K) probabilities."""
        if "model" not in head:
            return np.ones((len(x), 1))
        if hasattr(head["model"], "predict_proba"):
            return np.asarray(head["model"].predict_proba(x))
        return (head["model"].predict(x)[:, None] == np.asarray(head["classes"])).astype(np.float64)

    def fit(self, *given: Any) -> dict[str, Any]:
        """State from cases, labels, groups and seed."""
        return verbs(self.see, self.look, self.learn, self.say)[0](*given)

    def predict(self, state: Mapping[str, Any], cases: Cases) -> np.ndarray:
        """(n, K) probabilities."""
        return verbs(self.see, self.look, self.learn, self.say)[1](state, cases)


def there(names: Sequence[str] = ("MiniRocket", "MultiRocket", "QUANT")) -> dict[str, Peer]:
    """The peers that are installed, of those that are named."""
    if importlib.util.find_spec("aeon") is None:
        return {}
    from aeon.transformations.collection.convolution_based import MiniRocket, MultiRocket
    from sklearn.ensemble import ExtraTreesClassifier

    def trees(seed: int) -> Any:
        return ExtraTreesClassifier(200, criterion="entropy", max_features=0.1, random_state=seed)

    kinds: dict[str, tuple[Callable[[int], Any], Callable[[int], Any]]] = {
        "MiniRocket": (lambda seed: MiniRocket(random_state=seed), _ridge),
        "MultiRocket": (lambda seed: MultiRocket(random_state=seed), _ridge),
    }
    if importlib.util.find_spec("torch") is not None:
        from aeon.transformations.collection.interval_based import QUANTTransformer

        kinds["QUANT"] = (lambda seed: QUANTTransformer(), trees)
    return {f"peer:{name}": Peer(f"peer:{name}", *kinds[name]) for name in names if name in kinds}


def _ridge(seed: int) -> Any:
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(with_mean=False), RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)))


def _stack(cases: Cases, length: int) -> np.ndarray:
    """(n, C, length) float32, at least the nine samples of a kernel."""
    return np.stack([resampled(clean(one), max(9, length)) for one in cases.values]).astype(np.float32)
