# What a server adds to the base: its folder of the catalog. The build puts mcp_catalog/<name>/ beside
# this file, and the command below it. Nothing runs at build time: its few modules compile quickly
# at the start.
ARG BASE=sophia-mcp-base
FROM ${BASE}
COPY mcp_catalog /opt/server/mcp_catalog
