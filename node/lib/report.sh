# shellcheck shell=bash
# The node's report: two annotations of its Node, written with the kubelet's credentials.

readonly VERSION_KEY=registry.deckhouse.io/route-version
readonly REPORT_KEY=registry.deckhouse.io/route-report

on_api() { # KUBECTL ARGUMENTS; 1 at once where there is no cluster yet
  [ -r "$KUBECONFIG_FILE" ] && [ -n "$node" ] && command -v kubectl >/dev/null || return 1
  timeout 10 kubectl --kubeconfig "$KUBECONFIG_FILE" --cache-dir "$STATE/kube" --request-timeout=5s "$@" 2>/dev/null
}

# role: control-plane or worker, by the Node's label. Kept once known, so that no later run needs the API server.
role() {
  local labels
  if [ -r "$STATE/role" ]; then
    cat "$STATE/role"
    return
  fi
  if labels=$(on_api get node "$node" -o 'jsonpath={.metadata.labels}'); then
    case $labels in
      *'"node-role.kubernetes.io/control-plane"'*) labels=control-plane ;;
      *) labels=worker ;;
    esac
    [ ! -d "$STATE" ] || put "$STATE/role" <<<"$labels"
    printf '%s' "$labels"
  elif [ -e "$ROOT/etc/kubernetes/manifests/kube-apiserver.yaml" ]; then
    printf control-plane
  else
    printf worker
  fi
}

report_json() {
  local path=false certificate=false understood=false
  [ "$method" = hosts ] && [ "$config_path" = "$HOSTS_ROOT" ] && path=true
  [ -n "$client" ] && certificate=true
  [ "$rewrite" = true ] && understood=true
  printf '{"rewrite":%s,"configPath":%s,"clientCert":%s,"canary":' "$understood" "$path" "$certificate"
  printf '{"image":"%s","ok":%s,"error":"%s"}' "$(json_text "$canary_image")" "$canary_ok" "$(json_text "$canary_error")"
  [ -z "$return_host" ] || printf ',"return":{"host":"%s","ok":%s,"error":"%s"}' \
    "$(json_text "$return_host")" "$return_ok" "$(json_text "$return_error")"
  [ "${#foreign[@]}" -eq 0 ] || printf ',"foreign":%s' "$(foreign_json)"
  printf ',"error":"%s"}' "$(json_text "$problems")"
}

# report: annotates when something differs from what was written last, or that is 5 minutes old (the Node may be a new
# one). The version stays the former one until the route for the new one is in place.
report() {
  local json words
  json=$(report_json)
  words=("$REPORT_KEY=$json")
  [ "$in_place" = yes ] && words=("$VERSION_KEY=$version" "${words[@]}")
  if [ -z "$(find "$STATE/annotated" -mmin +5 2>/dev/null)" ] &&
    cmp -s "$STATE/annotated" <(printf '%s\n' "${words[@]}"); then
    return
  fi
  on_api annotate --overwrite node "$node" "${words[@]}" >/dev/null || return 0
  rm -f "$STATE/annotated"
  put "$STATE/annotated" < <(printf '%s\n' "${words[@]}")
}

# unreport: takes both annotations away; 1 when they may still be there.
unreport() {
  [ -r "$KUBECONFIG_FILE" ] || return 0
  on_api annotate node "$node" "$VERSION_KEY-" "$REPORT_KEY-" >/dev/null
}
