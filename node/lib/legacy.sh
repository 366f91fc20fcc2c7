# shellcheck shell=bash
# containerd 1.x without config_path: mirrors in conf.d, merged by the platform's next step, in force after a restart.

# legacy_render: gateways only, since mirrors know no rewrite; their order does not follow liveness, because every
# change costs a restart.
legacy_render() {
  local cri='plugins."io.containerd.grpc.v1.cri".registry' i start list=''
  start=$(printf %s "$node" | cksum | cut -d' ' -f1)
  for ((i = 0; i < ${#gateways[@]}; i++)); do
    list+="${list:+, }\"https://${gateways[(start + i) % ${#gateways[@]}]}\""
  done
  printf '# Written by registry-route; the facts are in %s\nversion = 2\n\n' "$DIR/route.conf"
  printf '[%s.mirrors."%s"]\n  endpoint = [%s]\n' "$cri" "$VIRTUAL_HOST" "$list"
  for ((i = 0; i < ${#gateways[@]}; i++)); do
    printf '\n[%s.configs."%s".tls]\n  ca_file = "%s"\n' "$cri" "${gateways[i]}" "$DIR/ca/gateway.crt"
    [ -z "$client" ] || printf '  cert_file = "%s"\n  key_file = "%s"\n' "$client" "$client"
  done
}

# legacy_install apply|tick: only apply writes, since only bashible can restart. Sets in_place=yes when containerd's
# configuration has our endpoints. Returns 1 when the file could not be written. tick has bashible come back early: on
# a joining node the kubelet gets its certificate after our step.
legacy_install() {
  local wanted
  in_place=no
  if [ "$1" = apply ]; then
    mkdir -p "${LEGACY_FILE%/*}" && put "$LEGACY_FILE" < <(legacy_render) || return 1
    [ "$changed" = no ] || restart=yes
  elif ! cmp -s "$LEGACY_FILE" <(legacy_render); then
    problem "$LEGACY_FILE is missing or differs: the next bashible run restores it"
    legacy_render | bashible_again "$LEGACY_FILE is missing or differs"
    return 0
  else
    bashible_satisfied
  fi
  wanted=$(legacy_render | sed -n 's/^  endpoint = //p')
  if [ "$(legacy_loaded)" = "$wanted" ]; then
    in_place=yes
  elif [ -n "$(find "$LEGACY_FILE" -mmin +2)" ]; then
    problem "$LEGACY_FILE is not in containerd's configuration: is conf.d imported, did bashible end well?"
  fi
}

# legacy_loaded: the endpoints of our mirror in containerd's configuration.
legacy_loaded() {
  awk -v table="mirrors.\"$VIRTUAL_HOST\"]" '
    /^[[:space:]]*\[/ { inside = index($0, table) > 0; next }
    inside && $1 == "endpoint" { sub(/^[^=]*=[[:space:]]*/, ""); print; exit }
  ' <<<"$dump"
}
