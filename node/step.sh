# shellcheck shell=bash
# The bashible step around registry-route: keeps files on the node, makes them work, or takes them away.
# The template calls route_lock, route_keep for each file, then route_settle; all of it if route_in_wave, where there are
# waves. Or, if route_is_here, route_withdraw.

route_dir=/var/lib/registry-route
route_units=/etc/systemd/system
route_kept=' '
route_staged=()
route_failed=no

# bashible repeats a failing step for ever and runs none behind it, on the platform's behalf as well. So nothing here
# ends the step: what fails (a full or read-only disk, say) is told, and the route stays the former one, whole.
set +e
trap 'route_fail "$BASH_COMMAND"' ERR

route_fail() { # COMMAND; of one with a here-document the first line
  route_failed=yes
  bb-log-warning "registry-route: this failed: ${1%%$'\n'*}"
}

# route_keep FILE MODE < CONTENT: puts the text beside FILE when it differs; route_commit renames. The timer must never
# read half a file, so this is not bb-sync-file.
route_keep() {
  local text
  text=$(cat && printf .)
  text=${text%.}
  route_kept+="$1 "
  if printf %s "$text" | cmp -s - "$1"; then return 0; fi
  route_staged+=("$1")
  mkdir -p "${1%/*}"
  printf %s "$text" >"$1.new"
  chmod "$2" "$1.new"
}

# route_in_wave SHARE fresh|- NAME...: whether this node is to have the route by now: it is one of the names, its rank is
# below the share, or it has no route at all and may be asked to pull by one. Who is not stays exactly as it is.
# The rank is that of hooks/lib/registry_module/node_rank.py.
route_in_wave() {
  local share=$1 fresh=$2 name named hash
  shift 2
  name=$(bb-d8-node-name)
  for named; do
    [ "$named" != "$name" ] || return 0
  done
  [ "$fresh" != fresh ] || [ -e "$route_dir/route.conf" ] || return 0
  hash=$(printf %s "$name" | sha256sum)
  [ "$((16#${hash:0:8} % 100))" -lt "$share" ] && return 0
  bb-log-info "registry-route: this node keeps what it has until the new route has been tried on others"
  return 1
}

# route_is_here: a removal goes on in every run of bashible; where there is nothing to remove it touches nothing.
route_is_here() { [ -e "$route_dir" ] || [ -e "$route_dir.gone" ] || [ -e "$route_units/registry-route.timer" ]; }

# No tick may read the new CA files with the old route.conf: its lock is held until all files are in place.
route_lock() {
  mkdir -p "$route_dir"
  exec 9>>"$route_dir/lock"
  flock -w 60 9 || bb-log-warning "registry-route: a run holds $route_dir/lock for a minute, going on"
}

# route_commit: all files or none, then the lock is free. Returns 1 when the former ones stay.
route_commit() {
  local file
  for file in "${route_staged[@]}"; do
    if [ "$route_failed" = yes ]; then rm -f "$file.new"; else mv -f "$file.new" "$file"; fi
  done
  exec 9>&-
  [ "$route_failed" = yes ] || return 0
  bb-log-warning "registry-route: the former route stays, and so does the Node's annotation of it. Once $route_dir and" \
    "$route_units can be written: bashible tries again with its next whole run, at once after" \
    "rm /var/lib/bashible/configuration_checksum"
  return 1
}

# route_run COMMAND: exit code 10 asks for a restart of containerd.
route_run() {
  local code=0
  bash "$route_dir/registry-route" "$1" || code=$?
  case $code in
    0) ;;
    10) bb-flag-set containerd-need-restart ;;
    *) bb-log-warning "registry-route $1 ended with code $code" ;;
  esac
}

route_systemctl() { # ARGUMENTS
  systemctl "$@" || bb-log-warning "registry-route: systemctl $* failed; going on without"
}

# route_settle: what is in place is made to work; CA files of an earlier route go.
route_settle() {
  local file name
  name=$(bb-d8-node-name)
  route_keep "$route_dir/node-name" 0644 <<<"$name"
  route_commit || return 0
  for file in "$route_dir"/ca/*; do
    case $route_kept in *" $file "*) ;; *) rm -f "$file" ;; esac
  done
  case " ${route_staged[*]}" in
    *" $route_units/"*)
      route_systemctl daemon-reload
      bb-log-info "registry-route: units installed; see journalctl -u registry-route.service"
      ;;
  esac
  # Without its timer the route is right, only slower: it follows its endpoints when bashible runs.
  route_systemctl enable --now registry-route.timer
  route_run apply
  return 0
}

# route_withdraw: the node as it was. Without the API server the timer stays, and ends the removal itself.
route_withdraw() {
  route_commit || return 0
  if [ -f "$route_dir/registry-route" ]; then
    route_run remove
  fi
  if [ -e "$route_dir/state" ]; then
    bb-log-warning "registry-route: the Node's annotations are not removed yet; the timer goes on and cleans up then"
    return 0
  fi
  if [ -e "$route_units/registry-route.timer" ]; then
    route_systemctl disable --now registry-route.timer
    rm -f "$route_units/registry-route.timer" "$route_units/registry-route.service" \
      "$route_units/timers.target.wants/registry-route.timer"
    route_systemctl daemon-reload
  fi
  # A tick that has begun must not come back to a folder that is half gone and put something into it.
  route_lock
  rm -rf "$route_dir.gone"
  mv "$route_dir" "$route_dir.gone"
  exec 9>&-
  rm -rf "$route_dir.gone"
  return 0
}
