# shellcheck shell=bash
# The canary: a real pull through the route, without credentials, of an image that this node will need.

# canary_look: sets canary_image and, from the last pull of it for this version, canary_ok and canary_error.
canary_look() {
  local key=''
  canary_ok=false canary_error=''
  case $(role) in
    control-plane) canary_image=$canary_control_plane ;;
    *) canary_image=$canary_worker ;;
  esac
  [ -r "$STATE/canary" ] || return 0
  { read -r key && read -r canary_ok && IFS= read -r canary_error; } <"$STATE/canary"
  [ "$key" = "$version $canary_image" ] || canary_ok=false canary_error=''
}

# canary_due: the route is in place and this image has not been pulled by it.
canary_due() { [ "$in_place" = yes ] && [ -n "$canary_image" ] && [ "$canary_ok" = false ]; }

# canary_run SECONDS: pulls for at most SECONDS, with a round every 10 s, so that a long pull does not stop the route
# from following its endpoints. containerd resumes an interrupted pull.
canary_run() {
  local words=() log=$STATE/canary.log.$$ pid code key="$version $canary_image" image=$canary_image
  canary_command
  if ! canary_possible; then
    canary_keep "$key" false "$(canary_nobody)"
    return
  fi
  if [ "${#words[@]}" -eq 0 ]; then
    canary_keep "$key" false 'there is no crictl to pull with'
    return
  fi
  timeout "$1" "${words[@]}" >/dev/null 2>"$log" &
  pid=$!
  while ! canary_wait "$pid"; do refresh tick; done
  wait "$pid"
  code=$?
  if [ "$code" = 0 ]; then
    canary_keep "$key" true ''
  elif [ "$code" != 124 ]; then
    canary_keep "$key" false "$(canary_why "$image" <"$log")"
  elif [ "$1" -ge "$LONG_PULL" ]; then
    canary_keep "$key" false "not pulled within $1 s"
  fi
  rm -f "$log"
}

# canary_possible: a pull that only an old upstream served proves nothing, and that one goes. So a gateway has to
# answer, or the newest upstream where nodes ask it first; where nobody seems to, the pull may know better.
canary_possible() {
  local endpoint living=no
  [ "$method" != legacy ] || return 0
  for endpoint in ${endpoints[@]+"${endpoints[@]}"}; do
    case $endpoint in
      'gateway alive '*) return 0 ;;
      'upstream alive '*' 1 http'*) [ "$first" = gateways ] || return 0 ;;&
      *' alive '*) living=yes ;;
    esac
  done
  [ "$first" != gateways ] && [ "$living" = no ]
}

canary_nobody() {
  local who='no gateway answers'
  [ "$first" = gateways ] || who='neither a gateway nor the newest registry answers'
  printf '%s this node; check that port 5001 of the control-plane nodes is open' "$who"
}

# canary_command: sets words[], empty when nothing here can pull. ctr knows hosts.toml, but not the mirrors of conf.d.
canary_command() {
  if command -v crictl >/dev/null; then
    words=(crictl --runtime-endpoint "unix://$SOCKET" --image-endpoint "unix://$SOCKET" pull "$canary_image")
  elif [ "$method" = hosts ] && [ -n "$ctr" ]; then
    words=("$ctr" --address "$SOCKET" --namespace k8s.io images pull --hosts-dir "$HOSTS_ROOT" "$canary_image")
  fi
}

canary_wait() { timeout 10 tail --pid="$1" -s 0.1 -f /dev/null; } # PID; 1 when it still runs after 10 s

canary_keep() { # KEY OK ERROR
  [ "$2" = true ] && say "canary ${1#* } pulled"
  [ "$2" = true ] || say "canary ${1#* }: $3"
  put "$STATE/canary" <<<"$1"$'\n'"$2"$'\n'"$3"
}

# canary_why IMAGE: of what the client wrote, the sentence that says why, without its own name, times and the image's.
canary_why() {
  local text
  text=$(grep -v '^[[:space:]]*$' | awk '/rpc error|^(ctr|crictl): |^FATA/ { best = $0 } { last = $0 } END { print best ? best : last }')
  text=${text//"$1"/the image}
  sed -E 's/^.*rpc error: code = [A-Za-z]+ desc = //; s/^(ctr|crictl): //; s/^FATA\[[0-9]+\] *//' <<<"$text" | one_line
}
