# shellcheck shell=bash
# The registry that the way back leads to: does this node reach it, before anything depends on that?

# return_look: sets return_host, return_ok and return_error. Any answer to an HTTP request will do, whatever its status;
# over TLS it counts only from a certificate that containerd will trust: by the registry's own CA or the node's.
return_look() {
  local fields code=0
  return_host='' return_ok=false return_error=''
  [ -n "$return_to" ] || return 0
  read -ra fields <<<"$return_to"
  return_host=${fields[1]}
  set -- "${fields[0]}://${fields[1]}" "${fields[3]}"
  return_ask "$@" || return_ask "$@" || code=$? # one lost packet is forgiven
  if [ "$code" = 0 ]; then return_ok=true; else return_error="$1: $(return_why "$code")"; fi
}

return_ask() { # URL CA; the code of curl
  local code=60 words=(-sg -o /dev/null -m 3)
  # The platform's curl is built to run anywhere, and need not know where this system keeps what it trusts.
  case $curl in
    '' | */d8-curl)
      probe_once upstream "$1"
      return
      ;;
  esac
  if [ "$2" != - ]; then
    ask upstream "${words[@]}" --cacert "$DIR/$2" "$1/v2/"
    code=$?
  fi
  case $code in 51 | 60) ask upstream "${words[@]}" "$1/v2/" ;; *) return "$code" ;; esac
}

return_why() { # CODE of curl; 1 and 124 come without one
  case $1 in
    5) printf "the name of containerd's proxy does not resolve on this node" ;;
    6) printf 'the name does not resolve on this node' ;;
    1 | 7 | 124) printf 'no connection from this node' ;;
    28) printf 'no answer within 3 s on this node: is there a firewall in between?' ;;
    35) printf 'this node finds no TLS there: is the scheme http?' ;;
    51 | 60) printf 'the certificate is for another name, or by an authority that this node does not trust' ;;
    *) printf 'this node gets no answer (code %s of curl)' "$1" ;;
  esac
}
