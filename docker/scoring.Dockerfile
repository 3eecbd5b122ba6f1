# The competition's scoring environment: Python 3.10, torch 2.7.1 for CUDA 12.6 and what else is
# installed there. It has no dfsubmit; a bundle brings its own. From the root of the clone:
#
#   docker build -f docker/scoring.Dockerfile -t scoring .
#   docker run --rm --gpus all --cpus 8 --memory 48g \
#       -v "$PWD/bundle:/bundle:ro" -v "$PWD/data:/data:ro" -v "$PWD/out:/out" scoring
#
# Without --gpus the same runs on the CPU. The network stays open, unlike on the server, where it
# closes after the installing cells; `dfsubmit rehearse` closes it.
FROM python:3.10-slim

RUN pip install --no-cache-dir torch==2.7.1 --index-url https://download.pytorch.org/whl/cu126
RUN pip install --no-cache-dir numpy==1.26.4 opencv-python-headless==4.10.0.82 scikit-learn==1.3.2

COPY docker/score.py /score.py
ENTRYPOINT ["python", "/score.py"]
CMD ["/bundle", "/data", "/out"]
