#!/bin/sh
# Runs a hook where the platform runs it: a chroot with read-only system folders and module tree, no /etc, no network,
# one writable folder. Called inside fresh mount and network namespaces, so nothing has to be cleaned up.
# usage: enter.sh ROOT SCRATCH PYTHON_LIB MODULE MODULE_INSIDE COMMAND...
set -eu

root=$1 scratch=$2 python_lib=$3 module=$4 module_inside=$5
shift 5

read_only() { # SOURCE TARGET
  mkdir -p "$root$2"
  mount -o bind,ro "$1" "$root$2"
}

mount -t tmpfs -o size=1m,mode=755 tmpfs "$root"
for name in usr bin lib lib64; do
  if [ -L "/$name" ]; then
    ln -s "$(readlink "/$name")" "$root/$name"
  elif [ -d "/$name" ]; then
    read_only "/$name" "/$name"
  fi
done
# The platform's image carries no Python packages but those in python_lib; this machine's must not help.
for packages in /usr/lib/python3/dist-packages /usr/local/lib; do
  [ ! -d "$packages" ] || mount -t tmpfs -o ro,size=4k tmpfs "$root$packages"
done
read_only "$python_lib" /deckhouse/python_lib
read_only "$module" "$module_inside"
mkdir "$root/dev" "$root/tmp"
: >"$root/dev/null"
mount --bind /dev/null "$root/dev/null"
mount --bind "$scratch" "$root/tmp"
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
