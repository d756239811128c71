"""What is wrong with a database, or soon will be, from its own statistics."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from .database import Databases, Problem
from .queries import DatabaseName

Area = Literal[
    "connections", "transactions", "cache", "indexes", "vacuum", "wraparound", "sequences",
    "constraints", "replication",
]  # fmt: skip

_MOST = 20

# Each returns its findings as `object` and `finding`: no rows means no problem.
_CHECKS: list[tuple[Area, str, str]] = [
    (
        "connections",
        "Find what opens so many (SELECT application_name, state, count(*) FROM pg_stat_activity "
        "GROUP BY 1, 2), or put a pooler such as PgBouncer before it",
        """SELECT 'max_connections' AS object, format('%s of %s in use', used, most) AS finding
        FROM (SELECT count(*) AS used FROM pg_stat_activity
              WHERE backend_type = 'client backend') a,
             (SELECT current_setting('max_connections')::int AS most) b WHERE used > 0.8 * most""",
    ),
    (
        "transactions",
        "An open transaction keeps its locks and keeps vacuum from cleaning up: commit sooner, set "
        "idle_in_transaction_session_timeout",
        """SELECT format('pid %s (%s)', pid,
                coalesce(nullif(application_name, ''), usename)) AS object,
            format('%s, transaction open for %s s', state,
                   extract(epoch FROM now() - xact_start)::int) AS finding
        FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND now() - xact_start > interval '5 minutes' ORDER BY xact_start""",
    ),
    (
        "transactions",
        "It waits for a lock that the named sessions hold",
        """SELECT format('pid %s', pid) AS object, format('waits for %s for %s s',
            array_to_string(pg_blocking_pids(pid), ', '),
            extract(epoch FROM now() - state_change)::int) AS finding
        FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'""",
    ),
    (
        "cache",
        "Below 0.95, what is read often doesn't fit into memory: look for large sequential scans "
        "with get_top_queries, then raise shared_buffers",
        """SELECT datname AS object, format('cache hit ratio %s', round(ratio, 3)) AS finding FROM (
            SELECT datname, blks_hit::numeric / (blks_hit + blks_read) AS ratio
            FROM pg_stat_database
            WHERE datname = current_database() AND blks_hit + blks_read > 10000
        ) AS ratios WHERE ratio < 0.95""",
    ),
    (
        "indexes",
        "A failed CREATE INDEX CONCURRENTLY left it: every write maintains it, no read uses it. "
        "REINDEX INDEX CONCURRENTLY, or drop it",
        """SELECT indexrelid::regclass::text AS object, 'invalid' AS finding
        FROM pg_index WHERE NOT indisvalid""",
    ),
    (
        "indexes",
        "Drop one of the two",
        """SELECT a.indexrelid::regclass::text AS object, format('the same as %s (%s)',
            b.indexrelid::regclass, pg_size_pretty(pg_relation_size(a.indexrelid))) AS finding
        FROM pg_index AS a JOIN pg_index AS b
            ON a.indrelid = b.indrelid AND a.indexrelid > b.indexrelid
            AND a.indkey::text = b.indkey::text AND a.indclass::text = b.indclass::text
            AND a.indcollation::text = b.indcollation::text
            AND a.indoption::text = b.indoption::text
            AND a.indexprs IS NOT DISTINCT FROM b.indexprs
            AND a.indpred IS NOT DISTINCT FROM b.indpred
        JOIN pg_class AS c ON c.oid = a.indexrelid
        JOIN pg_class AS d ON d.oid = b.indexrelid AND c.relam = d.relam
        WHERE a.indisunique <= b.indisunique""",
    ),
    (
        "indexes",
        "Drop it, if replicas don't use it either and the statistics are old enough",
        """SELECT indexrelid::regclass::text AS object, format('never used, %s',
            pg_size_pretty(pg_relation_size(indexrelid))) AS finding
        FROM pg_stat_user_indexes JOIN pg_index USING (indexrelid)
        WHERE idx_scan = 0 AND NOT indisunique AND indisvalid
            AND pg_relation_size(indexrelid) > 1000000
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
        ORDER BY pg_relation_size(indexrelid) DESC""",
    ),
    (
        "indexes",
        "Deleting or changing the referenced row reads the whole table: create an index on these "
        "columns",
        """SELECT conrelid::regclass::text AS object, format('no index for %s',
            pg_get_constraintdef(oid)) AS finding
        FROM pg_constraint WHERE contype = 'f' AND pg_relation_size(conrelid) > 1000000
            AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = conrelid AND indpred IS NULL
                AND (indkey::int2[])[0:cardinality(conkey) - 1] @> conkey)
        ORDER BY pg_relation_size(conrelid) DESC""",
    ),
    (
        "vacuum",
        "Autovacuum doesn't keep up: look for long transactions, lower "
        "autovacuum_vacuum_scale_factor for this table, or VACUUM it",
        """SELECT relid::regclass::text AS object, format('%s dead rows beside %s, last vacuum %s',
            n_dead_tup, n_live_tup,
            coalesce(greatest(last_vacuum, last_autovacuum)::text, 'never')) AS finding
        FROM pg_stat_user_tables WHERE n_dead_tup > 1000 AND n_dead_tup > 0.2 * n_live_tup
        ORDER BY n_dead_tup DESC""",
    ),
    (
        "vacuum",
        "Estimates of the planner are old: ANALYZE it",
        """SELECT relid::regclass::text AS object, format('%s changes since the last analyze (%s)',
            n_mod_since_analyze,
            coalesce(greatest(last_analyze, last_autoanalyze)::text, 'never')) AS finding
        FROM pg_stat_user_tables WHERE n_mod_since_analyze > greatest(1000, 0.5 * n_live_tup)
        ORDER BY n_mod_since_analyze DESC""",
    ),
    (
        "wraparound",
        "At 2,000 million Postgres stops taking writes: VACUUM (FREEZE) it, look for what holds it "
        "back (old transactions, prepared ones, replication slots)",
        """SELECT pg_class.oid::regclass::text AS object,
            format('%s million transactions old', age(relfrozenxid) / 1000000) AS finding
        FROM pg_class WHERE relkind IN ('r', 'm', 't') AND age(relfrozenxid) > 1.5
            * current_setting('autovacuum_freeze_max_age')::bigint
        ORDER BY age(relfrozenxid) DESC""",
    ),
    (
        "sequences",
        "Widen its column and the sequence to bigint before it ends",
        """SELECT format('%I.%I', schemaname, sequencename) AS object,
            format('%s of %s used', last_value, max_value) AS finding
        FROM pg_sequences WHERE NOT cycle AND last_value > 0.75 * max_value""",
    ),
    (
        "constraints",
        "Old rows may break it: ALTER TABLE … VALIDATE CONSTRAINT",
        """SELECT format('%s.%I', conrelid::regclass, conname) AS object, 'not validated' AS finding
        FROM pg_constraint WHERE NOT convalidated""",
    ),
    (
        "replication",
        "It keeps WAL for a reader that is away, until the disk is full: drop the slot if nobody "
        "comes back for it",
        """SELECT slot_name AS object, 'inactive slot' AS finding
        FROM pg_replication_slots WHERE NOT active""",
    ),
    (
        "replication",
        "The standby is slow, or its network",
        """SELECT coalesce(nullif(application_name, ''), client_addr::text) AS object,
            format('replays %s s later', extract(epoch FROM replay_lag)::int) AS finding
        FROM pg_stat_replication WHERE replay_lag > interval '30 seconds'""",
    ),
]


class Finding(BaseModel):
    """Something that needs attention."""

    area: Area
    object: str
    finding: str
    advice: str


class Report(BaseModel):
    """What was found. role: what this server's role may do besides reading."""

    version: str
    size: str
    statistics_since: str | None
    role: list[str] = Field(description="Should be empty: a read-only role is safer")
    findings: list[Finding] = Field(description="20 at most of each check; empty if all is well")
    not_checked: list[str] = Field(description="What the role may not look at, or took too long")


class Health:
    """The tool."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def analyze_db_health(
        self,
        areas: Annotated[list[Area] | None, Field(description="Only these")] = None,
        database: DatabaseName = None,
    ) -> Report:
        """Check a database: connections, long and blocked transactions, cache hits, indexes
        (invalid, duplicate, unused, missing for foreign keys), vacuum, transaction id wraparound,
        sequences, constraints, replication. Each finding has advice."""
        asked = self._databases.find(database)
        role = await asked.rights()
        findings: list[Finding] = []
        not_checked: list[str] = []
        async with asked.reading() as connection:
            row = await (
                await connection.execute(
                    """SELECT current_setting('server_version') AS version,
                    pg_size_pretty(pg_database_size(datname)) AS size,
                    stats_reset::text AS statistics_since
                    FROM pg_stat_database WHERE datname = current_database()"""
                )
            ).fetchone()
        assert row is not None
        for area, advice, query in _CHECKS:
            if areas is not None and area not in areas:
                continue
            try:
                async with asked.reading() as connection:
                    rows = await (await connection.execute(query.encode())).fetchmany(_MOST)
            except Problem as problem:
                not_checked.append(f"{area}: {problem}")
                continue
            findings += [Finding(area=area, advice=advice, **found) for found in rows]
        return Report(**row, role=role, findings=findings, not_checked=not_checked)
