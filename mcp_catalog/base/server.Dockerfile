# What a server adds to the base: its folder of the catalog. The build puts mcp_catalog/<name>/ beside
# this file, and the command below it. Nothing runs: its few modules compile at a start in no time.
ARG BASE=sophia-mcp-base
FROM ${BASE}
COPY mcp_catalog /opt/server/mcp_catalog
