# shellcheck shell=bash
# Which endpoints answer, and the order in which containerd shall ask.

# probe_look: sets curl to this node's one, the platform's own or none; and proxies[] to those that the platform gives
# to containerd, in a file of its unit (step add_system_proxy): a registry behind them is as near as one without.
probe_look() {
  local word
  curl=$(command -v curl || command -v d8-curl) || curl=''
  proxies=()
  while IFS= read -r word; do proxies+=("$word"); done < <(
    grep -ohsE '"(http_proxy|https_proxy|no_proxy)=[^"]*"' "$UNITS"/containerd-deckhouse.service.d/*.conf |
      sed 's/"//g; s/%%/%/g'
  )
}

# ask KIND CURL ARGUMENTS: by the proxies, unless it is a gateway. Exported and not given to env: they may hold a
# password, and arguments are seen by everybody.
ask() (
  if [ "$1" = gateway ]; then
    export no_proxy='*'
  elif [ "${#proxies[@]}" -gt 0 ]; then
    export "${proxies[@]}"
  fi
  exec "$curl" "${@:2}"
)

# probe KIND URL: 0 when an HTTP answer of any status comes within a second; one lost packet is forgiven.
probe() { probe_once "$@" || probe_once "$@"; }

probe_once() { # KIND URL
  local host=${2#*://} port=443
  if [ -n "$curl" ]; then
    ask "$1" -ksg -o /dev/null -m 1 "$2/v2/"
    return
  fi
  # Without curl a connection has to do: bash speaks no TLS.
  [[ $2 == http:* ]] && port=80
  if [[ $host =~ :[0-9]+$ ]]; then port=${host##*:} host=${host%:*}; fi
  host=${host#[}
  # shellcheck disable=SC2016  # the inner shell expands its own arguments
  timeout 1 bash -c 'exec 3<>"/dev/tcp/$1/$2"' probe "${host%]}" "$port" 2>/dev/null
}

# endpoints_order: sets endpoints[], "KIND alive|dead REST" in the order to ask: living ones first; in each group
# upstreams (only when rewrite=true), then gateways, which start at another one on each node. With `first gateways`
# the other way round.
endpoints_order() {
  local all=() upper=() pids=() living=() dead=() i start url
  if [ "$rewrite" = true ]; then
    for ((i = 0; i < ${#upstreams[@]}; i++)); do
      url=$(upstream_url "${upstreams[i]}")
      # One table per URL, so the newest stands for its host; the gateways still serve what was before.
      upstream_usable "$i" && upper+=("upstream $url $((i + 1)) ${upstreams[i]}")
    done
  fi
  [ "$first" = gateways ] || all=(${upper[@]+"${upper[@]}"})
  start=$(printf %s "$node" | cksum | cut -d' ' -f1)
  for ((i = 0; i < ${#gateways[@]}; i++)); do
    all+=("gateway https://${gateways[(start + i) % ${#gateways[@]}]}")
  done
  [ "$first" != gateways ] || all+=(${upper[@]+"${upper[@]}"})
  for ((i = 0; i < ${#all[@]}; i++)); do
    url=${all[i]#* }
    probe "${all[i]%% *}" "${url%% *}" 9>&- &
    pids+=($!)
  done
  for ((i = 0; i < ${#all[@]}; i++)); do
    if wait "${pids[i]}"; then living+=("${all[i]/ / alive }"); else dead+=("${all[i]/ / dead }"); fi
  done
  endpoints=()
  for ((i = 0; i < ${#living[@]}; i++)); do endpoints+=("${living[i]}"); done
  for ((i = 0; i < ${#dead[@]}; i++)); do endpoints+=("${dead[i]}"); done
}

upstream_url() { # "SCHEME HOST PATH CA"
  local fields
  read -ra fields <<<"$1"
  printf '%s://%s' "${fields[0]}" "${fields[1]}"
}

# upstream_usable INDEX: false when a newer upstream or a gateway has the same URL.
upstream_usable() {
  local url i
  url=$(upstream_url "${upstreams[$1]}")
  for ((i = 0; i < $1; i++)); do [ "$(upstream_url "${upstreams[i]}")" = "$url" ] && return 1; done
  for ((i = 0; i < ${#gateways[@]}; i++)); do [ "https://${gateways[i]}" = "$url" ] && return 1; done
  return 0
}
