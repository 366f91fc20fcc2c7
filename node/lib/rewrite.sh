# shellcheck shell=bash
# Does this containerd understand `rewrite` in hosts.toml? Asked of itself, never guessed from its version.

readonly PROBE_NAME=system/registry-route-probe

# rewrite_look: sets rewrite to true, false or unknown; an answer is kept until the binary changes.
rewrite_look() {
  local known=''
  rewrite=unknown
  if [ -r "$STATE/rewrite" ]; then read -r known <"$STATE/rewrite"; fi
  [ "${known% *}" = "$ctrd_key" ] && rewrite=${known##* }
}

# rewrite_detect GATEWAY_URL: fetches a canary's manifest through a living gateway by a name that exists only if the
# rewrite takes place. Either role's canary serves, by digest or tag. The same request by its own name, before and
# after, tells "does not rewrite" from "cannot be fetched now", which stays unknown and is asked again.
rewrite_detect() {
  local folder own image
  own=${canary_worker:-$canary_control_plane}
  [ -n "$ctr" ] && [ -n "$own" ] || return 0
  own=${own#*/}
  image=$PROBE_NAME${own#"$alias_path"}
  folder=$(mktemp -d "$STATE/detect.XXXXXX") || return 0
  mkdir "$folder/$VIRTUAL_HOST" && rewrite_table "$1" >"$folder/$VIRTUAL_HOST/hosts.toml"
  if manifest "$folder" "$own"; then
    if manifest "$folder" "$image"; then
      rewrite=true
    elif manifest "$folder" "$own"; then
      rewrite=false
    fi
  fi
  rm -rf "$folder"
  [ "$rewrite" = unknown ] && return 0
  put "$STATE/rewrite" <<<"$ctrd_key $rewrite"
  say "containerd $ctrd_version: rewrite in hosts.toml is $([ "$rewrite" = true ] || printf 'not ')understood"
}

# manifest HOSTS_DIR NAME(@DIGEST|:TAG): one manifest, by containerd's own client; nothing is stored.
manifest() {
  timeout 5 "$ctr" content fetch-object --hosts-dir "$1" "$VIRTUAL_HOST/$2" "${2##*[:@]}" >/dev/null 2>&1
}

rewrite_table() { # GATEWAY_URL
  host_fields '' "$1" "$DIR/ca/gateway.crt" "$client" 2s
  printf '\n[host]\n\n[host."%s"]\n' "$1"
  host_fields '  ' "$1" "$DIR/ca/gateway.crt" "$client" 2s | sed 1d
  rewrite_rule "$1" "^$PROBE_NAME(/|\$)" "$alias_path\${1}"
}
