#!/usr/bin/env bash
# A study on a real Slurm of one machine (slurmctld, slurmd and munge of Debian's slurm-wlm, on loopback): submitted as an array, a worker killed with
# kill -9 in the middle of a cell, submitted again, and compared with a run by one process, record by record.
#
#   scripts/slurm.sh PROGRAM STUDY     as root; PROGRAM is a built steercheck
set -euo pipefail
program=$(realpath "$1")
study=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/steercheck-slurm.XXXXXX)
chmod 755 "$work"
pids=()
finish() {
    status=$?
    if [ "$status" -ne 0 ]; then tail -n 40 "$work"/*.log "$work"/store/slurm/*.log >&2 2>/dev/null || true; fi
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT

# munge: a key of its own, a socket in the working folder.
install -d -m 0711 -o munge -g munge "$work/munge"
dd if=/dev/urandom of="$work/munge/key" bs=1 count=1024 status=none
chown munge: "$work/munge/key" && chmod 400 "$work/munge/key"
runuser -u munge -- munged --foreground --force --key-file="$work/munge/key" --socket="$work/munge/socket" \
    --pid-file="$work/munge/pid" --log-file="$work/munge/log" --seed-file="$work/munge/seed" &
pids+=($!)

host=$(hostname -s)
mkdir -p "$work/state" "$work/spool"
cat >"$work/slurm.conf" <<CONF
ClusterName=steercheck
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CredType=cred/munge
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,sched_min_interval=100000,bf_interval=1
MailProg=/bin/true
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$work/slurm.conf"
for _ in $(seq 50); do [ -S "$work/munge/socket" ] && break; sleep 0.1; done
slurmctld -D >"$work/slurmctld.out.log" 2>&1 &
pids+=($!)
slurmd -D -N "$host" >"$work/slurmd.out.log" 2>&1 &
pids+=($!)
for _ in $(seq 300); do sinfo --noheader --format %T 2>/dev/null | grep -q idle && break; sleep 0.1; done
sinfo

# What one process comes to.
"$program" study run "$study" --store "$work/alone"

# Two parts that run at once. One of them is killed while it has a claim: in the middle of a cell.
submit() { "$program" study submit "$study" --store "$work/store" --parts 2 --partition test; }
drained() {
    for _ in $(seq 3000); do
        [ -z "$(squeue --noheader)" ] && return
        sleep 0.2
    done
    echo "error: the array is not over after ten minutes" >&2
    return 1
}
submit
killed=
for _ in $(seq 6000); do
    claim=$(find "$work/store/claims" -name '*.json' 2>/dev/null | head -n 1) || true
    if [ -n "$claim" ]; then
        pid=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["pid"])' "$claim" 2>/dev/null || true)
        if [ -n "$pid" ]; then
            sleep 0.2
            if kill -9 "$pid" 2>/dev/null; then killed=$pid && break; fi
        fi
    fi
    sleep 0.01
done
[ -n "$killed" ] || { echo "error: no worker was caught in the middle of a cell" >&2; exit 1; }
"$program" study status "$study" --store "$work/store" || true
drained
records() { { find "$1/records" -name '[0-9a-f]*' 2>/dev/null || true; } | wc -l; }
there=$(records "$work/store")
whole=$(records "$work/alone")
echo "worker $killed was killed: $there of $whole records are there"
[ "$there" -lt "$whole" ] || { echo "error: the kill came too late" >&2; exit 1; }
submit
drained
"$program" store verify "$work/store"
"$program" study status "$study" --store "$work/store"
python3 "$here/same_records.py" "$work/alone" "$work/store"
