#!/bin/sh
# Makes the database on an empty data directory, sets the password, and becomes the server.
# Arguments go to the server: -c name=value …
#
# DATABASE (and its owner's name)  default: sophia
# VOLUME                           the id that the volume's marker must have
# /run/secrets/postgres_password   the owner's password; a new one applies from the next start
# /run/secrets/monitor_password    of the role that watches; without it there is no such role
# BACKUP_BUCKET                    turns backups on, see backup.py: WAL goes to the bucket, and an
#                                  empty volume is filled from it
#
# The cluster is in a directory named after its version, below the mounted one. It is created under
# a temporary name and renamed when complete, so a start that was killed half-way simply starts
# over, and a directory with a PG_VERSION is never initialised. A volume that has lost its cluster
# is refused.
set -eu

data=/var/lib/postgresql/data
version=15
cluster=$data/$version
unfinished=$data/.initialising
sockets=$PGHOST
archive_mode=off
archive_push="pgbackrest --config=/tmp/pgbackrest.conf --stanza=database archive-push %p"
initialised=$data/.initialised
database=${DATABASE:-sophia}
password_file=/run/secrets/postgres_password
monitor_file=/run/secrets/monitor_password

fail() {
    echo "database: $*" >&2
    exit 1
}

# SQL for a server that nobody else can reach: single-user mode, one statement per line.
run_sql() { # directory database
    postgres --single -D "$1" -c exit_on_error=on -c log_min_error_statement=panic \
        -c log_checkpoints=off -c archive_mode="$archive_mode" "$2" >/dev/null
}

initialise() {
    echo "database: $data is empty, making the cluster"
    rm -rf "$unfinished"
    initdb --pgdata="$unfinished" --username=postgres --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=peer --auth-host=scram-sha-256 --data-checksums >/dev/null
    cat >"$unfinished/pg_hba.conf" <<-HBA
	local all postgres peer
	local all all      scram-sha-256
	host  all postgres all reject
	host  all all      all scram-sha-256
	HBA
    run_sql "$unfinished" postgres <<-SQL
	CREATE ROLE "$database" LOGIN
	CREATE DATABASE "$database" OWNER "$database"
	SQL
    sync "$unfinished/pg_hba.conf" "$unfinished"
    mv -T "$unfinished" "$cluster"
    sync "$data"
}

case $database in
    *[!a-z0-9_]* | '') fail "DATABASE=$database: expected small letters, digits and '_'" ;;
esac
[ -s "$password_file" ] || fail "$password_file is missing or empty: give the service its secret"
[ -w "$data" ] || fail "$data is not writable for uid $(id -u): the node's directory must be owned by it"
[ -n "${VOLUME:-}" ] || fail "VOLUME is missing: expected the id of the volume at $data"
marker=$(cat "$data/.volume" 2>/dev/null) || fail "$data has no marker, expected volume $VOLUME"
[ "$marker" = "$VOLUME" ] || fail "$data is volume $marker, expected volume $VOLUME"

# Only one server on these files, whatever containers there are. The server inherits the lock.
exec 9>"$data/.lock"
flock --wait 60 9 || fail "another container on this node still uses $data"
# So a killed server's pid file is stale, even if another process has that number by now.
rm -f "$cluster/postmaster.pid"

if [ -n "${BACKUP_BUCKET:-}" ]; then
    backup configure
    backup asked
    archive_mode=on
    # Where the job that makes backups meets the server.
    mkdir -p -m 0700 "$data/.socket"
    sockets=$PGHOST,$data/.socket
    # A WAL file that isn't full is archived after this time: what a lost disk may cost.
    set -- -c archive_timeout=120 -c archive_command="$archive_push" "$@"
fi

if [ ! -s "$cluster/PG_VERSION" ]; then
    [ ! -e "$initialised" ] || fail "the cluster of volume $VOLUME is gone: restore $cluster"
    for entry in "$data"/* "$data"/.[!.]*; do
        case $entry in
            "$data/*" | "$data/.[!.]*" | "$data/.lock" | "$data/.volume" | "$data/lost+found" | "$unfinished") ;;
            "$data/.socket" | "$data/.restoring" | "$data/.restore-result" | "$data/.drill") ;;
            *) fail "$entry is there, but no $cluster/PG_VERSION: neither empty nor a cluster of PostgreSQL $version. Restore it or move it away" ;;
        esac
    done
    nothing=3 status=$nothing
    [ "$archive_mode" = off ] || { status=0; backup fill || status=$?; }
    case $status in
        0) ;;
        "$nothing") initialise ;;
        *) exit 1 ;;
    esac
fi
[ -e "$initialised" ] || { : >"$initialised"; sync "$initialised" "$data"; }

# The literal is quoted here, and never logged.
printf "ALTER ROLE \"%s\" PASSWORD '%s'\n" "$database" "$(sed "s/'/''/g" "$password_file")" |
    run_sql "$cluster" postgres || fail "the password of $database could not be set"
# Only a superuser may do this, and none can connect from outside.
echo "CREATE EXTENSION IF NOT EXISTS vector" |
    run_sql "$cluster" "$database" || fail "pgvector could not be installed in $database"

# It may read statistics, and no row of any table.
if [ -s "$monitor_file" ]; then
    cat <<-SQL
	DO 'BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ''monitor'') THEN CREATE ROLE monitor; END IF; END'
	GRANT pg_monitor TO monitor
	ALTER ROLE monitor LOGIN CONNECTION LIMIT 4 PASSWORD '$(sed "s/'/''/g" "$monitor_file")'
	SQL
else
    echo "DROP ROLE IF EXISTS monitor"
fi | run_sql "$cluster" postgres || fail "the role monitor could not be set"

exec postgres -D "$cluster" -c listen_addresses='*' -c password_encryption=scram-sha-256 \
    -c unix_socket_directories="$sockets" -c archive_mode="$archive_mode" "$@"
