"""The recipe's detector: registered in the main process, created in the worker processes.

In: `ScanSettings`. Out: a `Detector`, in a worker process. The built-in detector is registered as a
plugin; workers create it without loading plugins (`faces.hog`).
"""

from __future__ import annotations

from dfsubmit.errors import DfsubmitError, Exit
from dfsubmit.faces.settings import ScanSettings
from dfsubmit.hooks import Detector, RegisterDetector, hookimpl
from dfsubmit.hooks.loading import make_detector
from dfsubmit.recipe import BUILT_IN_DETECTOR

DFSUBMIT_HOOKS = 1


@hookimpl
def register_detectors(register: RegisterDetector) -> None:
    """Register ``dlib-hog``."""
    register(BUILT_IN_DETECTOR, _dlib_hog)


def _dlib_hog() -> Detector:
    from dfsubmit.faces.hog import dlib_hog  # imports OpenCV

    return dlib_hog()


def detector_of(settings: ScanSettings) -> Detector | None:
    """Create a recipe's detector if a plugin provides it; None if it is built in.

    Raises:
        DfsubmitError: the plugin cannot create it here; the message names both.
    """
    if settings.detector is None:
        return None
    name, plugin = settings.recipe.detector, settings.detector.plugin
    try:
        return make_detector(settings.recipe, settings.detector)
    except DfsubmitError as error:
        reason, hint = error.message, error.hint
    except Exception as error:
        reason, hint = f"{type(error).__name__}: {error}", ""
    message = f"the detector {name!r} of the plugin {plugin} cannot work here: {reason}"
    raise DfsubmitError(message, hint, Exit.NOT_INSTALLED)
