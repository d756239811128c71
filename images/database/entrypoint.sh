#!/bin/sh
# Makes the database on an empty data directory, and becomes the server.
# Arguments go to the server: -c name=value …
#
# DATABASE (and its owner's name)  default: sophia
# VOLUME                           the id that the volume's marker must have
# /run/secrets/monitor_password    of the role that watches; without it there is no such role
# BACKUP_BUCKET                    turns backups on, see backup/: WAL goes to the bucket, and an
#                                  empty volume is filled from it
# BACKUP_RESTORE_ONLY              if true, nothing is written to the bucket
# MEMBERS                          makes it one of two members, see member.py
#
# The cluster is in a directory named after its version, below the mounted one. It is created under
# a temporary name and renamed when complete, so a start that was killed half-way simply starts
# over, and a directory with a PG_VERSION is never initialised. A volume that has lost its cluster
# is refused.
#
# Nobody can log in over the network before the job `roles admit` (roles.py).
set -eu

data=/var/lib/postgresql/data
version=15
cluster=$data/$version
unfinished=$data/.initialising
sockets=$PGHOST,$data/.socket # the second one: where jobs on the volume meet the server
archive_mode=off
archive_push="pgbackrest --config=/tmp/pgbackrest.conf --stanza=database archive-push %p"
archive_get="pgbackrest --config=/tmp/pgbackrest.conf --stanza=database archive-get %f %p"
initialised=$data/.initialised
export DATABASE="${DATABASE:-sophia}"
database=$DATABASE

fail() {
    echo "database: $*" >&2
    exit 1
}

# SQL for a server that nobody else can reach: single-user mode, one statement per line. A restored
# member remembers its standby, for which a commit would wait for ever.
run_sql() { # directory database
    postgres --single -D "$1" -c exit_on_error=on -c log_min_error_statement=panic \
        -c synchronous_commit=local -c log_checkpoints=off -c archive_mode="$archive_mode" "$2" \
        >/dev/null
}

hba() {
    cat <<-HBA
	local all postgres peer
	local all all      scram-sha-256
	host  all postgres all reject
	host  all all      all scram-sha-256
	HBA
}

initialise() {
    echo "database: $data is empty, making the cluster"
    rm -rf "$unfinished"
    initdb --pgdata="$unfinished" --username=postgres --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=peer --auth-host=scram-sha-256 --data-checksums >/dev/null
    hba >"$unfinished/pg_hba.conf"
    run_sql "$unfinished" postgres <<-SQL
	CREATE ROLE "$database"
	CREATE DATABASE "$database" OWNER "$database"
	SQL
    sync "$unfinished/pg_hba.conf" "$unfinished"
    mv -T "$unfinished" "$cluster"
    sync "$data"
}

case $database in
    *[!a-z0-9_]* | '') fail "DATABASE=$database: expected small letters, digits and '_'" ;;
esac
[ -w "$data" ] || fail "$data is not writable for uid $(id -u): the node's directory must be owned by it"
[ -n "${VOLUME:-}" ] || fail "VOLUME is missing: expected the id of the volume at $data"
marker=$(cat "$data/.volume" 2>/dev/null) || fail "$data has no marker, expected volume $VOLUME"
[ "$marker" = "$VOLUME" ] || fail "$data is volume $marker, expected volume $VOLUME"

# Only one server on these files, whatever containers there are. The server inherits the lock.
exec 9>"$data/.lock"
flock --wait 60 9 || fail "another container on this node still uses $data"
# So a killed server's pid file is stale, even if another process has that number by now.
rm -f "$cluster/postmaster.pid" "$data"/.socket/.s.PGSQL.*
mkdir -p -m 0700 "$data/.socket"

if [ -n "${MEMBERS:-}" ]; then
    [ -e "$data/.member" ] || member begin
    : >"$data/.member"
    # `make restore` works on the other member, and says then how this one goes on.
    [ ! -e "$data/.hold" ] || echo "database: waiting for the restore of the other member"
    while [ -e "$data/.hold" ]; do sleep 1; done
    if [ -e "$data/.rebuild" ]; then
        rm -rf "$cluster.before"
        [ ! -e "$cluster" ] || mv -T "$cluster" "$cluster.before"
        rm "$data/.rebuild"
    fi
elif [ -e "$data/.member" ]; then
    # What only the other one may have must not be lost.
    fail "volume $VOLUME is one of two members: run \`make alone\` before standby.enabled is turned off"
fi

if [ -n "${BACKUP_BUCKET:-}" ]; then
    backup configure
    if [ -n "${MEMBERS:-}" ]; then
        # A restored cluster has the roles of its time.
        if [ -e "$data/.restore" ] || [ -e "$data/.restored" ]; then : >"$data/.roles-due"; fi
    fi
    backup asked
    if [ -e "$data/.another" ]; then
        # Not for one that failed: etcd knows which member lacks what was committed.
        [ -z "${MEMBERS:-}" ] || member forget
        rm "$data/.another"
    fi
    if [ "${BACKUP_RESTORE_ONLY:-}" != true ]; then
        archive_mode=on
        # A WAL file that isn't full is archived after this time: what a lost disk may cost.
        set -- -c archive_timeout=120 -c archive_command="$archive_push" "$@"
    fi
fi

# A member without a cluster gets it from the other one, once that has it.
if [ ! -s "$cluster/PG_VERSION" ] && ! { [ -n "${MEMBERS:-}" ] && member elsewhere; }; then
    [ ! -e "$initialised" ] || fail "the cluster of volume $VOLUME is gone: restore $cluster"
    for entry in "$data"/* "$data"/.[!.]*; do
        case $entry in
            "$data/*" | "$data/.[!.]*" | "$data/.lock" | "$data/.volume" | "$data/lost+found" | "$unfinished") ;;
            "$data/.socket" | "$data/.restoring" | "$data/.restore-result" | "$data/.drill" | "$data/.member") ;;
            *) fail "$entry is there, but no $cluster/PG_VERSION: neither empty nor a cluster of PostgreSQL $version. Restore it or move it away" ;;
        esac
    done
    nothing=3 status=$nothing
    [ -z "${BACKUP_BUCKET:-}" ] || { status=0; backup fill || status=$?; }
    case $status in
        0) ;;
        "$nothing") initialise ;;
        *) exit 1 ;;
    esac
fi
[ -e "$initialised" ] || { : >"$initialised"; sync "$initialised" "$data"; }

sql=$(roles again)
if [ -n "${MEMBERS:-}" ]; then
    if [ "$archive_mode" = on ]; then
        # Both archive, so nothing is missing after the primary was lost: the other one has it.
        set -- -c archive_mode=always -c restore_command="$archive_get" "$@"
    fi
    if [ -e "$data/.roles-due" ]; then
        echo "$sql" | run_sql "$cluster" postgres || fail "the roles of $database could not be set"
        rm "$data/.roles-due"
    fi
    exec member run -c unix_socket_directories="$sockets" "$@"
fi
if [ -e "$cluster/postgresql.base.conf" ]; then
    # Patroni's settings, over those of the cluster's birth.
    mv "$cluster/postgresql.base.conf" "$cluster/postgresql.conf"
    hba >"$cluster/pg_hba.conf"
fi

echo "$sql" | run_sql "$cluster" postgres || fail "the roles of $database could not be set"
# Only a superuser may do this, and none can connect from outside.
echo "CREATE EXTENSION IF NOT EXISTS vector" |
    run_sql "$cluster" "$database" || fail "pgvector could not be installed in $database"

sql=$(roles monitor)
echo "$sql" | run_sql "$cluster" postgres || fail "the role monitor could not be set"

exec postgres -D "$cluster" -c listen_addresses='*' -c password_encryption=scram-sha-256 \
    -c unix_socket_directories="$sockets" -c archive_mode="$archive_mode" "$@"
