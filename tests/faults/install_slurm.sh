#!/bin/sh
# Install SLURM's daemons for the tests, unless they are there. As root, or where sudo asks for no password.
set -eu
PATH=$PATH:/usr/sbin:/sbin
packages="slurmctld slurmd slurm-client munge"
missing=
for program in slurmctld slurmd sbatch munged; do
    command -v $program > /dev/null || missing="$missing $program"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get > /dev/null; then
    echo "the fault tests need SLURM ($packages in Debian), and there is no apt-get to install it" >&2
    exit 1
fi
sudo=
[ "$(id -u)" = 0 ] || sudo="sudo --non-interactive"
$sudo apt-get update -qq
# Services must not start by themselves where there is a service manager.
$sudo env DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 apt-get install -y -qq --no-install-recommends $packages > /dev/null
