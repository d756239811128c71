#!/bin/sh
# The container's health check: the server accepts connections and the database answers a query.
set -eu
[ -z "${MEMBERS:-}" ] || exec member healthy
pg_isready --quiet
exec psql --no-psqlrc --quiet --tuples-only --username=postgres \
    --dbname="${DATABASE:-sophia}" --command='SELECT count(*) FROM pg_database' >/dev/null
