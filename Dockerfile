# One image for web, workers and beat: compose.yaml says which program each container runs.
FROM python:3.11-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential default-libmysqlclient-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
COPY requirements.txt requirements-mysql.txt /build/
RUN python -m venv /opt/mediscan \
 && /opt/mediscan/bin/pip install --no-cache-dir -r /build/requirements.txt -r /build/requirements-mysql.txt

FROM python:3.11-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libmariadb3 mariadb-client \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 mediscan \
 && install -d -o mediscan -g mediscan -m 0700 /data /mlflow /backup
COPY --from=build /opt/mediscan /opt/mediscan
COPY . /app
WORKDIR /app
USER mediscan
ENV PATH=/opt/mediscan/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MEDISCAN_DATA_DIR=/data \
    MEDISCAN_KEYS_FILE=/run/secrets/mediscan-keys \
    TORCH_HOME=/data/torch \
    BIND=0.0.0.0 \
    PORT=8000
EXPOSE 8000
VOLUME /data
CMD ["python", "manage.py", "serve"]
