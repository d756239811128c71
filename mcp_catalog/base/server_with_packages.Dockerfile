# What a server with its own Python packages adds to the base: these, and its folder of the catalog.
# The build puts site-packages/ and mcp_catalog/<name>/ beside this file, and the command below it.
ARG BASE=sophia-mcp-base
FROM ${BASE} AS build
USER root
COPY site-packages /opt/added
RUN python3 -m compileall -q -j 0 /opt/added

FROM ${BASE}
COPY --from=build /opt/added /opt/server
COPY mcp_catalog /opt/server/mcp_catalog
