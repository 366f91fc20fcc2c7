#!/usr/bin/env bash
# node_files.sh KIND FOLDER NODE: the file that registry-route would write on NODE, by its own functions, with all
# endpoints answering. KIND: rewrites, stock or legacy. FOLDER holds route.conf and ca/.
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2034 # what is set here is read by the parts
set -u -o pipefail
parts=$(dirname "${BASH_SOURCE[0]}")/../../node/lib
# shellcheck source=../../node/lib/text.sh
. "$parts/text.sh"
# shellcheck source=../../node/lib/conf.sh
. "$parts/conf.sh"
# shellcheck source=../../node/lib/containerd.sh
. "$parts/containerd.sh"
# shellcheck source=../../node/lib/probe.sh
. "$parts/probe.sh"
# shellcheck source=../../node/lib/hosts.sh
. "$parts/hosts.sh"
# shellcheck source=../../node/lib/legacy.sh
. "$parts/legacy.sh"

probe() { :; }

DIR=$2 node=$3 rewrite=false
conf_read "$DIR/route.conf" || {
  printf '%s\n' "$conf_error" >&2
  exit 1
}
[ "$action" = apply ] || exit 0
DIR=/var/lib/registry-route client=/var/lib/kubelet/pki/kubelet-client-current.pem
ctrd_major=2 ctrd_minor=1 ctrd_patch=0 # of the platform's own containerd 2
case $1 in
  legacy) legacy_render ;;
  rewrites | stock)
    [ "$1" = stock ] || rewrite=true
    endpoints_order
    hosts_render
    ;;
esac
