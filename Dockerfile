# The worker, and the commands beside it (docker compose run --rm worker python starter.py …).
FROM python:3.13-slim-bookworm

# Nothing here needs to be root, nor to write outside /data.
RUN useradd --create-home --uid 10001 onboarding \
    && install --directory --owner=onboarding --group=onboarding /data /data/documents /data/inbox

WORKDIR /app
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

COPY requirements.lock ./
RUN pip install --no-cache-dir --requirement requirements.lock

COPY . .
USER onboarding
ENV ONBOARDING_DOCUMENTS_URL=/data/documents ONBOARDING_INBOX=/data/inbox
VOLUME /data

# SIGTERM lets the activities under way finish.
STOPSIGNAL SIGTERM
CMD ["python", "worker.py"]
