# The image of the scanner service; docs/deploying.md says how it is run.
#
#     docker build -t scanner-service:dev .
ARG PYTHON_VERSION=3.12

FROM python:${PYTHON_VERSION}-slim AS dependencies
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils \
 && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Where packages come from, if not from where pip looks by itself. In the last stage nothing of it is left.
ARG PIP_INDEX_URL
WORKDIR /build
COPY deploy/constraints.txt deploy/constraints-build.txt ./
RUN python -m venv --without-pip /opt/scanner-service \
 && python -m pip --python /opt/scanner-service/bin/python install --no-compile --only-binary :all: \
      --require-hashes -r constraints.txt \
 && python -m pip install --only-binary :all: --require-hashes -r constraints-build.txt
# What takes space and is never used: names of places for phone prefixes, test suites, tools that need torch, and
# debug sections, which are nine tenths of spaCy's extension modules. Libraries that a wheel carries beside its
# package (*.libs) are left alone: they were relinked, and stripping can break those.
# hadolint ignore=DL3003
RUN cd /opt/scanner-service/lib/python3*/site-packages \
 && rm -r phonenumbers/geodata phonenumbers/carrierdata spacy/tests thinc/tests \
      onnxruntime/quantization onnxruntime/tools onnxruntime/transformers \
 && find spacy thinc blis srsly preshed cymem murmurhash -name '*.so' -exec strip --strip-debug {} +
# With a read-only root nothing could be cached later; by content, so that no time stamp matters.
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/scanner-service/lib

FROM dependencies AS build
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY scanner_service scanner_service
RUN python -m pip wheel --no-build-isolation --no-deps --wheel-dir wheels . \
 && python -m pip --python /opt/scanner-service/bin/python install --no-compile --no-deps --no-index \
      --root /service wheels/*.whl \
 && python -m compileall -q --invalidation-mode unchecked-hash /service
COPY --chmod=755 deploy/healthcheck.py /service/opt/scanner-service/bin/healthcheck

FROM python:${PYTHON_VERSION}-slim
# Nothing is ever installed into this image again.
RUN python -m pip uninstall --yes --quiet pip
# From what changes seldom to what changes often.
COPY --from=dependencies /opt/scanner-service /opt/scanner-service
COPY models /opt/scanner-service/models
COPY --from=build /service /
ENV PATH=/opt/scanner-service/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    ORT_DISABLE_TELEMETRY=1 \
    SCANNER_BIND=0.0.0.0:8000 \
    SCANNER_MODELS=/opt/scanner-service/models/manifest.toml
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
STOPSIGNAL SIGTERM
# An image that could not start is not made: reads the policy that ships and compares the models with their digests.
RUN ["scanner-service", "check"]
HEALTHCHECK --interval=10s --timeout=4s --start-period=60s --retries=3 CMD ["healthcheck"]
ENTRYPOINT ["scanner-service"]
CMD ["serve"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="scanner-service" \
      org.opencontainers.image.description="Scans prompts before an LLM sees them and outputs before people do." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
