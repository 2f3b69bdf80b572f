# One image for all our programs: the worker, the HTTP service, the codec server, starter.py.

FROM python:3.13-slim-bookworm AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv --without-pip /venv
COPY requirements-runtime.lock /
# Wheels only, each with the hash that the lock has for it: nothing is compiled, nothing else runs.
RUN pip --python /venv/bin/python install --require-hashes --only-binary :all: \
        --requirement /requirements-runtime.lock
WORKDIR /app
COPY . .
# Nothing is written there once it runs.
RUN /venv/bin/python -m compileall -q /venv/lib /app

FROM python:3.13-slim-bookworm

LABEL org.opencontainers.image.title="Mileo Onboarding" \
      org.opencontainers.image.description="Onboarding des clients de Mileo Technology (PROC-CRM-003)"

# Nothing here needs to be root, to install anything, nor to write outside /data and /tmp.
RUN useradd --no-create-home --home-dir /tmp --shell /usr/sbin/nologin --uid 10001 onboarding \
    && install --directory --mode=0700 --owner=onboarding --group=onboarding \
        /data /data/documents /data/inbox \
    && rm -rf /usr/local/lib/python3.13/site-packages/pip* /usr/local/bin/pip*

COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    ONBOARDING_DOCUMENTS_URL=/data/documents ONBOARDING_INBOX=/data/inbox
USER 10001:10001
VOLUME ["/data/documents", "/data/inbox"]

# The worker's; docker-compose.yml has those of the other programs.
HEALTHCHECK --interval=60s --timeout=30s --start-period=60s --retries=3 \
    CMD ["python", "starter.py", "worker-health"]
# SIGTERM lets the activities under way finish.
STOPSIGNAL SIGTERM
CMD ["python", "worker.py"]
