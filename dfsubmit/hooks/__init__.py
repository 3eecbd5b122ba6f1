"""The plugin API: everything that a plugin registers, implements, receives and may raise.

``plugins/README.md`` is a tutorial. `dfsubmit.hooks.testing` has functions for a plugin's tests.
Both modules import only NumPy and pluggy, and no heavy library.
"""

from dfsubmit.console import activity
from dfsubmit.errors import DeviceOutOfMemory, DfsubmitError, ModelError, NotInstalled, UsageError
from dfsubmit.faces.preprocess import PREPROCESSOR_FILE, Preprocessor, load_preprocessor
from dfsubmit.hooks.execution import (
    CutFile,
    CutJob,
    Cutter,
    EncodedFace,
    Executor,
    InHand,
    MakeExecutor,
    ModelFacts,
    RegisterExecutor,
    Scored,
    ScoreJob,
    Scorer,
    Waiting,
    local_executor,
)
from dfsubmit.hooks.hookspecs import (
    HOOKS_VERSION,
    RegisterAggregator,
    RegisterDetector,
    RegisterModelLoader,
    hookimpl,
)
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
    Prepared,
    PreparesModels,
    RecallsFaces,
    TellsArithmetic,
    Warns,
)
from dfsubmit.hooks.network import find_model, load_network
from dfsubmit.options import picture_file
from dfsubmit.processes import python_command
from dfsubmit.recipe import load_recipe
from dfsubmit.records import (
    Detector,
    Features,
    FileResult,
    FileScan,
    FloatArray,
    FoundFace,
    FrameScores,
    MediaFile,
    Pixels,
    Status,
)

__all__ = [
    "HOOKS_VERSION",
    "PREPROCESSOR_FILE",
    "Aggregator",
    "Bounds",
    "CutFile",
    "CutJob",
    "Cutter",
    "Detector",
    "DeviceOutOfMemory",
    "DfsubmitError",
    "EncodedFace",
    "Executor",
    "Features",
    "FileResult",
    "FileScan",
    "FloatArray",
    "FoundFace",
    "FrameModel",
    "FrameScores",
    "GivesFeatures",
    "InHand",
    "LoadRequest",
    "MakeDetector",
    "MakeExecutor",
    "MediaFile",
    "ModelError",
    "ModelFacts",
    "ModelLoader",
    "MovesToCpu",
    "NeedsFaces",
    "NotInstalled",
    "Pixels",
    "Prepared",
    "PreparesModels",
    "Preprocessor",
    "RecallsFaces",
    "RegisterAggregator",
    "RegisterDetector",
    "RegisterExecutor",
    "RegisterModelLoader",
    "ScoreJob",
    "Scored",
    "Scorer",
    "Status",
    "TellsArithmetic",
    "UsageError",
    "Waiting",
    "Warns",
    "activity",
    "find_model",
    "hookimpl",
    "load_network",
    "load_preprocessor",
    "load_recipe",
    "local_executor",
    "picture_file",
    "python_command",
]
