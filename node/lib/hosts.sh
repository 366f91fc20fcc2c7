# shellcheck shell=bash
# hosts.toml: rendered from endpoints[], checked, then renamed into place.

# host_fields INDENT URL CA CLIENT TIMEOUT: a server line and what belongs to it; empty fields are left out.
host_fields() {
  printf '%sserver = "%s"\n' "$1" "$2"
  printf '%scapabilities = ["pull", "resolve"]\n' "$1"
  [ -z "$3" ] || printf '%sca = "%s"\n' "$1" "$3"
  [ -z "$4" ] || printf '%sclient = "%s"\n' "$1" "$4"
  if has_dial_timeout; then printf '%sdial_timeout = "%s"\n' "$1" "$5"; fi
}

rewrite_rule() { # URL REGEX REPLACE
  printf '\n  [[host."%s".rewrite]]\n    regex = "%s"\n    replace = "%s"\n' "$1" "$2" "$3"
}

# hosts_render: the text. The last gateway is also the `server`: without one containerd would end at the virtual name
# itself. The [host] table stays even when empty: containerd before 1.7.32 cannot read a file without it.
hosts_render() {
  local i last fields
  last=$((${#endpoints[@]} - 1))
  printf '# Written by registry-route; the facts are in %s\n' "$DIR/route.conf"
  case ${endpoints[last]} in
    gateway*) fields=${endpoints[last]##* } ;;
    *) fields=$(endpoints_first_gateway) last=$((last + 1)) ;;
  esac
  host_fields '' "$fields" gateway-ca.crt "$client" 2s
  printf '\n[host]\n'
  for ((i = 0; i < last; i++)); do
    read -ra fields <<<"${endpoints[i]}"
    printf '\n[host."%s"]\n' "${fields[2]}"
    case ${fields[0]} in
      gateway) host_fields '  ' "${fields[2]}" gateway-ca.crt "$client" 2s | sed 1d ;;
      upstream) hosts_upstream "${fields[@]:2}" ;;
    esac
  done
}

# endpoints_first_gateway: its URL. It ends a list whose last entry is a dead upstream, by standing there once more.
endpoints_first_gateway() {
  local i
  for ((i = 0; i < ${#endpoints[@]}; i++)); do
    case ${endpoints[i]} in gateway*) printf '%s' "${endpoints[i]##* }" && return ;; esac
  done
}

hosts_upstream() { # URL NUMBER SCHEME HOST PATH CA
  local ca="upstream-$2-ca.crt" prefix=${alias_path//./[.]}
  [ "$6" != - ] || ca=''
  host_fields '  ' "$1" "$ca" '' 5s | sed 1d
  if [ "$5" = - ]; then
    # The base itself has no name at such an upstream: that one request is answered by the next host.
    rewrite_rule "$1" "^$prefix/" ''
  else
    rewrite_rule "$1" "^$prefix(/|\$)" "$5\${1}"
  fi
}

# hosts_check FILE: a grammar of what hosts_render may write. containerd answers a mistake here by silently going to
# the virtual name, so nothing else gets into place.
hosts_check() {
  awk '
    function table(name) { if (name in seen) bad = 1; seen[name] = 1; split("", keys) }
    function key(name) { if (name in keys) bad = 1; keys[name] = 1 }
    /^$/ || /^#/ { next }
    /^\[host\]$/ { table($0); hosts++; top = 1; next }
    /^\[host\."https?:\/\/[][A-Za-z0-9._:-]+"\]$/ { if (!top) bad = 1; table($0); last = $0; next }
    /^  \[\[host\."https?:\/\/[][A-Za-z0-9._:-]+"\.rewrite\]\]$/ {
      name = $1; sub(/^\[\[/, "[", name); sub(/\.rewrite\]\]$/, "]", name)
      if (name != last) bad = 1
      rules++; split("", keys); next
    }
    /^server = "https:\/\/[][A-Za-z0-9._:-]+"$/ { if (top) bad = 1; servers++; key($1); next }
    /^ *capabilities = \["pull", "resolve"\]$/ { key($1); next }
    /^ *(ca|client) = "[][A-Za-z0-9\/._:-]+"$/ { key($1); next }
    /^ *dial_timeout = "[0-9]+s"$/ { key($1); next }
    /^    regex = "\^[][A-Za-z0-9\/._-]+(\(\/\|\$\))?"$/ { key($1); next }
    /^    replace = "([A-Za-z0-9\/._-]+\$\{1\})?"$/ { key($1); next }
    { bad = 1 }
    END { exit (bad || servers != 1 || hosts != 1) }
  ' "$1"
}

# hosts_install: the CA files, then hosts.toml, then nothing else in our directory. Returns 1 when the last good one stays.
hosts_install() {
  local folder=$HOSTS_ROOT/$VIRTUAL_HOST i ca wanted=' hosts.toml gateway-ca.crt ' file
  mkdir -p "$folder" "$STATE" || return 1
  hosts_render >"$STATE/hosts.toml" || return 1
  hosts_check "$STATE/hosts.toml" || {
    problem 'the rendered hosts.toml does not pass its check; the last good one stays'
    return 1
  }
  put "$folder/gateway-ca.crt" <"$DIR/ca/gateway.crt" || return 1
  for ((i = 0; i < ${#upstreams[@]}; i++)); do
    ca=${upstreams[i]##* }
    grep -qs "\"upstream-$((i + 1))-ca.crt\"" "$STATE/hosts.toml" || continue
    put "$folder/upstream-$((i + 1))-ca.crt" <"$DIR/$ca" || return 1
    wanted+="upstream-$((i + 1))-ca.crt "
  done
  put "$folder/hosts.toml" <"$STATE/hosts.toml" || return 1
  [ "$changed" = no ] || say "hosts.toml: $(hosts_summary)"
  for file in "$folder"/*; do
    case $wanted in *" ${file##*/} "*) ;; *) rm -rf "$file" ;; esac
  done
}

hosts_summary() {
  local i fields
  for ((i = 0; i < ${#endpoints[@]}; i++)); do
    read -ra fields <<<"${endpoints[i]}"
    printf '%s %s%s' "${fields[2]}" "${fields[1]}" "$([ "$i" = $((${#endpoints[@]} - 1)) ] || printf ', ')"
  done
}
