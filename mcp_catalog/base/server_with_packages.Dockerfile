# What a server with Python packages of its own adds to the base: those and its folder of the catalog.
# The build puts requirements.txt, wheels/ and mcp_catalog/<name>/ beside this file, and the command
# below it.
ARG BASE=sophia-mcp-base
FROM ${BASE} AS build
USER root
COPY requirements.txt /build/
COPY wheels /build/wheels/
RUN python3 -m venv /build/tools \
 && /build/tools/bin/pip install --quiet --no-cache-dir --no-index --find-links /build/wheels \
      --require-hashes --requirement /build/requirements.txt --target /opt/added \
 && python3 -m compileall -q /opt/added

FROM ${BASE}
COPY --from=build /opt/added /opt/server
COPY mcp_catalog /opt/server/mcp_catalog
