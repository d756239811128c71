# What every server adds to the base: its folder of the catalog, and Python packages of its own if
# it has any. The build puts requirements.txt, wheels/ and mcp_catalog/<name>/ beside this file, and
# the command below it.
ARG BASE=sophia-mcp-base
FROM ${BASE} AS build
USER root
COPY requirements.txt /build/
COPY wheels /build/wheels/
RUN mkdir /opt/added \
 && if [ -s /build/requirements.txt ]; then \
      python3 -m venv /build/tools \
      && /build/tools/bin/pip install --quiet --no-cache-dir --no-index --find-links /build/wheels \
           --require-hashes --requirement /build/requirements.txt --target /opt/added; \
    fi
COPY mcp_catalog /opt/added/mcp_catalog
RUN python3 -m compileall -q /opt/added

FROM ${BASE}
COPY --from=build /opt/added /opt/server
