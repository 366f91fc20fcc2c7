# shellcheck shell=bash
# What a human wants to know about this node's route; nothing is changed.

show() {
  local i fields
  if ! conf_read "$DIR/route.conf"; then
    printf 'route      invalid: %s\n' "$conf_error"
    conf_read "$STATE/route.conf" || return 0
    printf 'in force   the last valid one, version %s\n' "$version"
  fi
  printf 'version    %s, action %s\nnode       %s, %s\n' "$version" "$action" "$node" "$(role)"
  [ "$action" = apply ] || return 0
  client_look
  if containerd_look >/dev/null; then
    rewrite_look
    printf 'containerd %s, registries by %s, rewrite %s\n' "$ctrd_version" "$(show_method)" "$rewrite"
  fi
  printf 'client     %s\n' "${client:-no kubelet certificate: gateways will ask for credentials}"
  [ "$method" = hosts ] || rewrite=false
  endpoints_order
  for ((i = 0; i < ${#endpoints[@]}; i++)); do
    read -ra fields <<<"${endpoints[i]}"
    printf 'endpoint   %s. %s %s (%s)\n' "$((i + 1))" "${fields[2]}" "${fields[1]}" "${fields[0]}"
  done
  canary_look
  printf 'canary     %s: %s\n' "${canary_image:-none}" "$(show_canary)"
  return_look
  [ -z "$return_host" ] || printf 'return     %s %s\n' "$return_host" "${return_error:-reached}"
  foreign_look >/dev/null
  [ "${#foreign[@]}" -eq 0 ] || printf 'foreign    %s\n' "${foreign[*]}"
  [ -z "$problems" ] || printf 'problem    %s\n' "$problems"
}

show_method() {
  case $method in
    hosts) printf '%s' "$HOSTS_ROOT" ;;
    legacy) printf '%s' "$LEGACY_FILE" ;;
    *) printf nothing ;;
  esac
}

show_canary() {
  if [ "$canary_ok" = true ]; then printf pulled; else printf '%s' "${canary_error:-not pulled yet}"; fi
}
