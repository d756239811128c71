"""The image that nodes boot: Debian with systemd, sshd, cloud-init and Docker."""

from __future__ import annotations

from simulator import images

CONFIG = """\
datasource_list: [NoCloud]
network: {config: disabled}
locale: false
apt: {preserve_sources_list: true}
grub_dpkg: {enabled: false}
growpart: {mode: "off"}
resize_rootfs: false
ssh: {emit_keys_to_console: false}
system_info:
  default_user:
    name: ubuntu
    gecos: Ubuntu
    lock_passwd: true
    groups: [adm, sudo]
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
    shell: /bin/bash
"""

PRIVATE = "PRIVATE_ADDRESS"
"""The variable with a node's address within its region, and its prefix length."""

FILTER = "usr/local/sbin/node-filter"
"""The program that a node runs at each boot, if it exists, before anything listens."""

INIT = f"""\
#!/bin/sh
# The first process of a node: what a container runtime made read-only, systemd writes.
mount -o remount,rw /sys
mount -o remount,rw /proc/sys
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  # cgroup v2: the node has a cgroup namespace of its own, which its systemd and Docker share out.
  mount -o remount,rw /sys/fs/cgroup
else
  # cgroup v1: the node's containers lie below the node in the host's groups, and vanish with it.
  group=$(sed -n 's/^[0-9]*:memory://p; s/^0:://p' /proc/self/cgroup | head -n 1)
  echo "DOCKER_OPTS=--cgroup-parent=$group/docker" > /etc/default/docker
fi
[ -z "${PRIVATE}" ] || ip address add "${PRIVATE}" dev eth0
[ ! -x /{FILTER} ] || /{FILTER}
exec /lib/systemd/systemd
"""

FINISH = f"""\
cat > "$1/etc/cloud/cloud.cfg.d/90_simulator.cfg" <<'END'
{CONFIG}END
cat > "$1/usr/local/sbin/node-init" <<'END'
{INIT}END
chmod 755 "$1/usr/local/sbin/node-init"
mkdir -p "$1/var/lib/cloud/seed/nocloud"
rm -f "$1"/etc/ssh/ssh_host_*
: > "$1/etc/machine-id"
chroot "$1" systemctl set-default multi-user.target
chroot "$1" systemctl mask getty.target console-getty.service systemd-modules-load.service \\
  sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \\
  dev-hugepages.mount dev-mqueue.mount apt-daily.timer apt-daily-upgrade.timer \\
  dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
"""

RECIPE = images.Recipe(
    "sophia-sim-node",
    (
        *("systemd", "systemd-sysv", "dbus", "openssh-server", "cloud-init", "docker.io", "sudo"),
        *("iproute2", "ca-certificates", "curl", "locales", "iptables"),
    ),
    FINISH,
)


def ensure(progress: images.Progress) -> str:
    """The image's tag; builds the image unless it exists."""
    return images.ensure(RECIPE, progress)
