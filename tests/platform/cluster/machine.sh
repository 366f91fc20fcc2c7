#!/usr/bin/env bash
# One machine of the test cluster: a process of its own pid, network, mount, host name and cgroup namespaces.
# usage: machine.sh FOLDER NAME CGROUP
#   FOLDER/binds   paths, one a line: these are the machine's own, kept below FOLDER/root
#   FOLDER/upper   what differs from this host in /etc, /opt, /var
#   FOLDER/pid     written when the machine is up: its first process, as this host counts
# The process then only reaps orphans. Killing it ends everything in the machine; mounts and interfaces go with it.
set -euo pipefail

outside() { # joins a cgroup of its own in every hierarchy, then enters the namespaces
  local hierarchy
  for hierarchy in /sys/fs/cgroup/*/; do
    mkdir -p "$hierarchy$cgroup"
    if [ -e "$hierarchy$cgroup/cpuset.cpus" ]; then # a new cpuset is empty, and takes no process before it is filled
      cat "${hierarchy}cpuset.cpus" >"$hierarchy$cgroup/cpuset.cpus"
      cat "${hierarchy}cpuset.mems" >"$hierarchy$cgroup/cpuset.mems"
    fi
    echo 0 >"$hierarchy$cgroup/cgroup.procs"
  done
  exec unshare --mount --net --pid --uts --cgroup --fork --kill-child --propagation private -- \
    "${BASH_SOURCE[0]}" "$folder" "$name" "$cgroup" inside
}

private_files() {
  local top path
  for top in etc opt var; do # changes stay in the machine, and mount points need not exist on this host
    mkdir -p "$folder/upper/$top" "$folder/scratch/$top"
    mount -t overlay "$name-$top" -o "lowerdir=/$top,upperdir=$folder/upper/$top,workdir=$folder/scratch/$top" "/$top"
  done
  while read -r path; do
    mkdir -p "$folder/root$path" "$path"
    mount --bind "$folder/root$path" "$path"
  done <"$folder/binds"
}

private_kernel_views() {
  local hierarchies hierarchy
  hierarchies=$(ls /sys/fs/cgroup)
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys
  mount -t tmpfs -o mode=755 cgroups /sys/fs/cgroup
  for hierarchy in $hierarchies; do # in a cgroup namespace the root of each is the machine's own group
    mkdir "/sys/fs/cgroup/$hierarchy"
    case $hierarchy in
      unified) mount -t cgroup2 cgroup2 "/sys/fs/cgroup/$hierarchy" ;;
      systemd) mount -t cgroup -o none,name=systemd cgroup "/sys/fs/cgroup/$hierarchy" ;;
      *) mount -t cgroup -o "$hierarchy" cgroup "/sys/fs/cgroup/$hierarchy" ;;
    esac
  done
}

inside() {
  local pid
  read -r pid _ </proc/self/stat # /proc is still the host's, so this is the number that the host knows
  private_files
  private_kernel_views
  echo "$name" >/proc/sys/kernel/hostname
  ip link set lo up
  mount --make-rshared / # volumes of pods propagate as on a real node; nothing reaches the host, cut off above
  echo "$pid" >"$folder/pid.new"
  mv "$folder/pid.new" "$folder/pid"
  while :; do # bash reaps every orphan while it waits
    sleep infinity &
    wait
  done
}

folder=$1 name=$2 cgroup=$3
"${4:-outside}"
