# PostgreSQL and pgvector of Debian's next release, as an operator may run them: docs/runbooks/upgrade-postgres.md.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
 && site=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' | head -n 1) \
 && echo "deb $site trixie main" >/etc/apt/sources.list.d/trixie.list \
 && apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql-common \
 && sed -ri "s/^#?create_main_cluster.*/create_main_cluster = false/" /etc/postgresql-common/createcluster.conf \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql-17 postgresql-17-pgvector
ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin PGHOST=/tmp
USER postgres
RUN initdb --pgdata=/tmp/cluster --username=postgres --encoding=UTF8 --locale=C.UTF-8 --auth-local=trust --data-checksums
CMD ["postgres", "-D", "/tmp/cluster", "-c", "unix_socket_directories=/tmp"]
