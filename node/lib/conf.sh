# shellcheck shell=bash
# route.conf: read whole and checked whole, before anything on the node is touched.

readonly VIRTUAL_HOST=registry.d8-system.svc:5001

re_label='[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?'
re_host="^($re_label(\\.$re_label)*|\\[[0-9A-Fa-f:]+\\])(:[0-9]{1,5})?\$"
re_version='^[0-9a-f]{16}$'
re_path='^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$'
re_ca='^ca/[a-z0-9][a-z0-9.-]*\.crt$'
re_tail='^(/[a-z0-9._-]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$'

# conf_read FILE: sets version action alias_path canary_control_plane canary_worker upstreams[] gateways[] first
# return_to. Returns 1 with conf_error set when any field is wrong; nothing of such a file may be used.
conf_read() {
  local number=0 line
  version='' action='' virtual='' alias_path='' canary_control_plane='' canary_worker='' upstreams=() gateways=()
  first='' return_to=''
  conf_error='route.conf is missing or cannot be read'
  [ -f "$1" ] && [ -r "$1" ] || return 1
  conf_error='route.conf is longer than 64 KiB'
  [ "$(wc -c <"$1")" -le 65536 ] || return 1
  conf_error='route.conf holds characters that are not printable ASCII'
  [ "$(LC_ALL=C tr -d '\n\40-\176' <"$1" | wc -c)" -eq 0 ] || return 1
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    conf_line "$line" || {
      conf_error="route.conf line $number: $conf_error"
      return 1
    }
  done <"$1"
  conf_whole || return 1
  conf_error=''
}

conf_line() { # LINE
  local fields
  IFS=' ' read -ra fields <<<"$1"
  conf_error='fields are not separated by single spaces'
  [ "${#fields[@]}" -gt 0 ] && [ "$(IFS=' ' && printf '%s' "${fields[*]}")" = "$1" ] || return 1
  case ${fields[0]}/${#fields[@]} in
    version/2) conf_once version "${fields[1]}" && [[ $version =~ $re_version ]] ;;
    action/2) conf_once action "${fields[1]}" && [[ $action == apply || $action == remove ]] ;;
    host/2) conf_once virtual "${fields[1]}" && [[ $virtual == "$VIRTUAL_HOST" ]] ;;
    alias/2) conf_once alias_path "${fields[1]}" && is_path "$alias_path" ;;
    canary/3) conf_canary "${fields[1]}" "${fields[2]}" ;;
    upstream/5) conf_registry "${fields[@]:1}" && upstreams+=("${fields[*]:1}") ;;
    return/5) conf_registry "${fields[@]:1}" && conf_once return_to "${fields[*]:1}" ;;
    first/2) conf_once first "${fields[1]}" && [[ $first == gateways ]] ;;
    gateway/2) conf_gateway "${fields[1]}" ;;
    *) conf_error='unknown key or wrong number of fields' && return 1 ;;
  esac
}

conf_once() { # VARIABLE VALUE
  conf_error="there is more than one such line"
  [ -z "${!1}" ] || return 1
  conf_error='the value is not valid'
  printf -v "$1" %s "$2"
}

conf_canary() { # ROLE IMAGE
  case $1 in
    control-plane) conf_once canary_control_plane "$2" ;;
    worker) conf_once canary_worker "$2" ;;
    *) conf_error='the role is neither control-plane nor worker' && return 1 ;;
  esac
}

conf_gateway() { # HOST:PORT
  local i
  conf_error='the address is not HOST:PORT'
  is_host "$1" && [[ $1 =~ :[0-9]+$ ]] || return 1
  conf_error='the address is given twice'
  for ((i = 0; i < ${#gateways[@]}; i++)); do [ "${gateways[i]}" != "$1" ] || return 1; done
  gateways+=("$1")
}

conf_registry() { # SCHEME HOST PATH CA
  conf_error='the scheme is neither https nor http'
  [[ $1 == https || $1 == http ]] || return 1
  conf_error='the host is not NAME or NAME:PORT'
  is_host "$2" || return 1
  conf_error='the path is not segments of letters, digits, dots, dashes, underscores'
  [ "$3" = - ] || is_path "$3" || return 1
  conf_error='the CA is not ca/NAME.crt'
  [ "$4" = - ] || { [[ $4 =~ $re_ca ]] && [[ $4 != *..* ]]; } || return 1
}

# conf_whole: what only the whole file can tell, and the certificates it names.
conf_whole() {
  local image i
  conf_error='route.conf lacks version or action'
  [ -n "$version" ] && [ -n "$action" ] || return 1
  [ "$action" = apply ] || return 0
  conf_error='route.conf lacks host or alias'
  [ -n "$virtual" ] && [ -n "$alias_path" ] || return 1
  conf_error='route.conf names no gateway'
  [ "${#gateways[@]}" -gt 0 ] || return 1
  for image in "$canary_control_plane" "$canary_worker"; do
    conf_error="route.conf: the canary is not an image below $VIRTUAL_HOST/$alias_path"
    [ -z "$image" ] || { [[ $image == "$VIRTUAL_HOST/$alias_path"* ]] &&
      [[ ${image#"$VIRTUAL_HOST/$alias_path"} =~ $re_tail ]] && [[ $image != */../* ]]; } || return 1
  done
  conf_error='ca/gateway.crt is not a certificate in PEM'
  is_pem "$DIR/ca/gateway.crt" || return 1
  for ((i = 0; i < ${#upstreams[@]}; i++)); do conf_certificate "${upstreams[i]##* }" || return 1; done
  [ -z "$return_to" ] || conf_certificate "${return_to##* }"
}

conf_certificate() { # CA
  conf_error="$1 is not a certificate in PEM"
  [ "$1" = - ] || is_pem "$DIR/$1"
}

is_host() {
  [ "${#1}" -le 260 ] && [[ $1 =~ $re_host ]] || return 1
  local port=${1##*:}
  [[ $1 =~ :[0-9]+$ ]] || return 0
  ((10#$port >= 1 && 10#$port <= 65535))
}

is_path() { [ "${#1}" -le 255 ] && [[ $1 =~ $re_path ]] && [[ /$1/ != */./* && /$1/ != */../* ]]; }
