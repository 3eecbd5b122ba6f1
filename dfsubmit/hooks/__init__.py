"""All that a plugin imports: what it registers, implements, is given and may raise.

``plugins/README.md`` goes from an empty file to a plugin. `dfsubmit.hooks.testing` holds a plugin
to its contract, in tests. Importing either takes NumPy and pluggy, and nothing heavy.
"""

from dfsubmit.errors import DeviceOutOfMemory, DfsubmitError, ModelError, NotInstalled, UsageError
from dfsubmit.faces.preprocess import PREPROCESSOR_FILE, Preprocessor, load_preprocessor
from dfsubmit.hooks.hookspecs import HOOKS_VERSION, hookimpl
from dfsubmit.hooks.interfaces import (
    Aggregator,
    Bounds,
    FrameModel,
    GivesFeatures,
    LoadRequest,
    MakeDetector,
    ModelLoader,
    MovesToCpu,
    NeedsFaces,
    RecallsFaces,
    RegisterAggregator,
    RegisterDetector,
    RegisterModelLoader,
    TellsArithmetic,
    Warns,
)
from dfsubmit.hooks.network import load_network
from dfsubmit.records import Detector, Features, FloatArray, FoundFace, FrameScores, Pixels

__all__ = [
    "HOOKS_VERSION",
    "PREPROCESSOR_FILE",
    "Aggregator",
    "Bounds",
    "Detector",
    "DeviceOutOfMemory",
    "DfsubmitError",
    "Features",
    "FloatArray",
    "FoundFace",
    "FrameModel",
    "FrameScores",
    "GivesFeatures",
    "LoadRequest",
    "MakeDetector",
    "ModelError",
    "ModelLoader",
    "MovesToCpu",
    "NeedsFaces",
    "NotInstalled",
    "Pixels",
    "Preprocessor",
    "RecallsFaces",
    "RegisterAggregator",
    "RegisterDetector",
    "RegisterModelLoader",
    "TellsArithmetic",
    "UsageError",
    "Warns",
    "hookimpl",
    "load_network",
    "load_preprocessor",
]
