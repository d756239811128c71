#!/bin/sh
# Becomes Alertmanager, known to its peers by the address that this container has on their network.
# By itself it would take the one that it reaches the internet by, where no peer is.
set -eu
address=$(hostname --ip-address | cut -d ' ' -f 1)
exec prometheus-alertmanager --cluster.advertise-address="$address:9094" "$@"
