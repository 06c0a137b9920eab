# One image for the worker, the MLflow server and the Optuna dashboard. CUDA torch comes with the ordinary install;
# build with --build-arg TORCH=torch==2.13.0+cpu (and an index that has it) for a machine without a GPU.
FROM python:3.11-slim

ARG TORCH=""
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    OMP_WAIT_POLICY=PASSIVE

RUN apt-get update \
    && apt-get install -y --no-install-recommends git curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 lab

WORKDIR /lab
COPY pyproject.toml README.md LICENSE ./
COPY lab ./lab
RUN if [ -n "$TORCH" ]; then pip install "$TORCH"; fi \
    && pip install -e ".[postgres,s3]"
COPY experiments ./experiments
COPY studies ./studies
RUN mkdir -p mlruns && chown -R lab:lab /lab
USER lab

ENTRYPOINT ["lab"]
CMD ["--help"]
