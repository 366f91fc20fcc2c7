# shellcheck shell=bash
# The helpers that a step may call, by the platform's contract. Each step runs in a bash of its own that reads this
# file first.

BB_FLAGS=/var/lib/bashible/flags

bb-log-info() { printf 'INFO %s\n' "$*"; }
bb-log-warning() { printf 'WARNING %s\n' "$*"; }
bb-log-error() { printf 'ERROR %s\n' "$*"; }

bb-flag-set() { mkdir -p "$BB_FLAGS" && : >"$BB_FLAGS/$1"; }
bb-flag-unset() { rm -f "$BB_FLAGS/$1"; }
bb-flag?() { [ -e "$BB_FLAGS/$1" ]; }

bb-d8-node-name() { cat /var/lib/bashible/discovered-node-name; }
bb-is-bundle() { printf '%s\n' "$BB_BUNDLE"; }
bb-kubectl() { kubectl --kubeconfig /etc/kubernetes/kubelet.conf "$@"; }
bb-tmp-file() { mktemp; }
bb-tmp-dir() { mktemp -d; }

# bb-sync-file DST SRC [EVENT...]: writes only what differs; SRC may be `-`. The events wait for the end of the step.
bb-sync-file() {
  local target=$1 source=$2 fresh
  shift 2
  fresh=$(mktemp)
  if [ "$source" = - ]; then cat >"$fresh"; else cat "$source" >"$fresh"; fi
  if cmp -s "$fresh" "$target"; then
    rm -f "$fresh"
    return 0
  fi
  cat "$fresh" >"$target" # in place, as a reader must expect it
  rm -f "$fresh"
  bb-event-fire bb-sync-file-changed "$target"
  for event in "$@"; do bb-event-delay "$event"; done
}

declare -A BB_HANDLERS=()
BB_DELAYED=()
bb-event-on() { BB_HANDLERS[$1]+="$2 "; }
bb-event-delay() { BB_DELAYED+=("$1"); }
bb-event-fire() { # EVENT ARGUMENTS
  local handler event=$1
  shift
  for handler in ${BB_HANDLERS[$event]-}; do "$handler" "$@"; done
}

bb-end() { # the end of a step that did not fail
  local event
  [ "$1" = 0 ] || return 0
  for event in "${BB_DELAYED[@]}"; do bb-event-fire "$event"; done
}
trap 'bb-end "$?"' EXIT
