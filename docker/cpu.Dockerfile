# dfsubmit on the CPU, with its light plugins and the small model. From the root of the clone:
#
#   docker build -f docker/cpu.Dockerfile -t dfsubmit .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD/data:/data:ro" -v "$PWD/out:/out" \
#       dfsubmit run /data --model tiny-vit-demo --output /out/submission.csv
FROM python:3.13-slim

# torch's builds without CUDA are on an index of their own.
RUN pip install --no-cache-dir "torch>=2.7" --index-url https://download.pytorch.org/whl/cpu

WORKDIR /src
COPY setup.py setup.cfg pyproject.toml MANIFEST.in README.md LICENSE CITATION.cff CHANGELOG.md ./
COPY dfsubmit dfsubmit
COPY models/tiny-vit-demo models/tiny-vit-demo
COPY plugins plugins
# The image has no libGL, which opencv-python needs.
RUN pip install --no-cache-dir ".[demo,eval]" ./plugins/dfsubmit-aggregators ./plugins/dfsubmit-onnx \
    && pip uninstall -y opencv-python \
    && pip install --no-cache-dir "opencv-python-headless<4.13"

WORKDIR /out
# Caches go to a folder that any user may write.
ENV HOME=/tmp
ENTRYPOINT ["dfsubmit"]
CMD ["--help"]
