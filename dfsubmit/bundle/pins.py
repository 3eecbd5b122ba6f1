"""The packages of the scoring server, and the packages that a bundle installs in addition.

The server is the competition's CUDA 12.6 environment: Python 3.10, torch 2.7.1, numpy 1.26.4.
"""

from __future__ import annotations

import re

PYTHON = "3.10"
TORCH = "torch==2.7.1"
SERVER = ("numpy==1.26.4", "opencv-python-headless==4.10.0.82", "scikit-learn==1.3.2")
"""Preinstalled on the server beside `TORCH`; a bundle never installs these."""

CPUS = 8
MEMORY = 48 * 1024**3
TIME_LIMIT = 3 * 3600.0
"""The server's cores, bytes of memory and seconds a submission."""

CLIENT_2025 = "aifactory==2.0.0"
"""The last release whose ``aifactory.score.submit`` takes (model_name, key): 2.0.2 and 2.0.3 ask
for a third argument, 3.x has no ``score`` module."""

CLIENT_3 = "aifactory>=3,<4"

PINS = (
    # What dfsubmit itself imports …
    "click==8.5.1",
    "dlib-bin==20.0.1.post1",
    "filelock==4.1.0",
    "pillow==12.3.0",
    "platformdirs==4.12.4",
    "pluggy==1.7.0",
    "rich==15.0.0",
    "safetensors==0.8.0",
    "transformers==5.20.2",
    # … and what transformers and rich need: the whole closure; the server resolves nothing.
    "annotated-doc==0.0.6",
    "annotated-types==0.8.0",
    "anyio==4.16.0",
    "exceptiongroup==1.3.1",
    "fsspec==2026.9.0",
    "h11==0.16.0",
    "hf-xet==1.8.0",
    "httpcore2==2.14.0",
    "httpx2==2.14.0",
    "huggingface-hub==2.4.0",
    "idna==3.20",
    "markdown-it-py==4.3.0",
    "mdurl==0.1.2",
    "packaging==26.3",
    "pydantic==2.14.3",
    "pydantic-core==2.50.4",
    "pygments==2.21.0",
    "pyyaml==6.0.3",
    "regex==2026.9.29",
    "shellingham==1.5.4",
    "tokenizers==0.23.3",
    "tomli==2.5.0",
    "tqdm==4.70.1",
    "truststore==0.10.5",
    "typer==0.29.1",
    "typing-extensions==4.16.0",
    "typing-inspection==0.4.5",
)
"""Exact versions, each with a wheel for Python 3.10 (a slow test installs them there)."""

PLUGIN_PINS = {
    "onnxruntime": (
        "onnxruntime==1.23.2",
        "coloredlogs==15.0.1",
        "flatbuffers==25.12.19",
        "humanfriendly==10.0",
        "protobuf==7.36.2",
    ),
    "openvino": ("openvino==2026.4.1", "openvino-telemetry==2025.2.0"),
}
"""What this project's own loader plugins need, added only where a bundled plugin asks for it.
(onnxruntime's sympy is on the server: torch needs it too.)"""


def project(requirement: str) -> str:
    """The normalised name in a requirement: "Foo_Bar>=1; python_version<'3.11'" → "foo-bar"."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", match.group(1)).casefold() if match else ""
