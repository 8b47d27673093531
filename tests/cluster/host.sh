#!/bin/bash
# The first process of a host of the test bed (bed.py), in namespaces of its own: it makes the host's own folders, says
# "ready", and becomes the host's ssh server. What it makes is gone when it ends.
#
#   host.sh VENV FOLDER…    # the Python environment that the host starts with, and what else it sees of this machine
#
# From the environment: NAME, HOSTS (lines of /etc/hosts), PUBLIC_KEY (who may log in as root).
set -euo pipefail
venv=$1

mount --make-rprivate /
mount -t proc proc /proc
hostname "$NAME"
ip link set lo up

# Folders that may lie in those which are about to be hidden are held open meanwhile.
handles=()
for folder in "$@"; do
    exec {handle}<"$folder"
    handles+=("$handle")
done
for place in /tmp /root /run /dev/shm; do
    mount -t tmpfs -o size=2g tmpfs "$place"
done
chmod 1777 /tmp /dev/shm
for folder in "$@"; do
    mkdir -p "$folder"
    mount --no-canonicalize --bind "/proc/self/fd/${handles[0]}" "$folder"
    handles=("${handles[@]:1}")
done

# An environment of the host's own: what is installed into it is written elsewhere.
mkdir -p /run/venv/written /run/venv/work
mount -t overlay -o "lowerdir=$venv,upperdir=/run/venv/written,workdir=/run/venv/work" overlay "$venv"

echo "$HOSTS" >/run/hosts
mount --bind /run/hosts /etc/hosts
mkdir -m 700 /root/.ssh /run/sshd
echo "$PUBLIC_KEY" >/root/.ssh/authorized_keys
ssh-keygen -q -t ed25519 -N '' -f /run/sshd/key
mkdir -p /root/.local/bin
ln -s "$venv" /root/sensorium-env
ln -s "$venv/bin/uv" /root/.local/bin/uv
echo ready

# uv finds all that it installs in the environment, and asks nobody for it.
exec /usr/sbin/sshd -D -e -f /dev/null -h /run/sshd/key -o PasswordAuthentication=no -o UsePAM=no \
    -o StrictModes=no -o MaxStartups=50 -o MaxSessions=50 -o PidFile=none \
    -o SetEnv="UV_OFFLINE=1 UV_NO_BUILD_ISOLATION=1"
