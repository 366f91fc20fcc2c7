# shellcheck shell=bash
# What this node's containerd is and can do.

# containerd_look: sets containerd ctr ctrd_version ctrd_key (changes with the binary) and the method: hosts | legacy |
# none. Methods: hosts.toml below registry.d; or, for containerd 1.x without config_path, mirrors in conf.d.
containerd_look() {
  local words
  method=none config_path='' ctrd_version='' ctrd_key=''
  containerd=$(command -v containerd) || {
    problem 'there is no containerd on PATH'
    return 1
  }
  read -ra words < <("$containerd" --version 2>/dev/null)
  ctrd_version=${words[2]:-}
  if ! [[ $ctrd_version =~ ^v?([0-9]+)\.([0-9]+)\.([0-9]+) ]]; then
    problem 'containerd --version does not tell a version'
    return 1
  fi
  ctrd_major=$((10#${BASH_REMATCH[1]})) ctrd_minor=$((10#${BASH_REMATCH[2]})) ctrd_patch=$((10#${BASH_REMATCH[3]}))
  ctrd_key="$ctrd_version $(stat -L -c %Y "$containerd")"
  # The ctr that was built with this containerd: another one would tell about itself.
  ctr=${containerd%/*}/ctr
  [ -x "$ctr" ] || ctr=$(command -v ctr) || ctr=''
  containerd_config
}

# containerd_config: config_path of the CRI's registry section, by either plugin id, and the method that follows.
containerd_config() {
  local file=$ROOT/etc/containerd/config.toml
  dump=''
  # On a new node the platform's next step writes the file, and merges into it what we leave in conf.d.
  if [ -e "$file" ] && ! dump=$("$containerd" --config "$file" config dump 2>/dev/null); then
    problem 'containerd config dump fails: see /etc/containerd/config.toml'
    return 1
  fi
  config_path=$(awk '
    /^[[:space:]]*\[/ {
      inside = /plugins\.["\047]io\.containerd\.(grpc\.v1\.cri|cri\.v1\.images)["\047]\.registry\]/
      next
    }
    inside && $1 == "config_path" { sub(/^[^=]*=[[:space:]]*/, ""); gsub(/["\047]/, ""); print; exit }
  ' <<<"$dump")
  while [[ $config_path == ?*/ ]]; do config_path=${config_path%/}; done
  if [ -z "$config_path" ] && [ "$ctrd_major" -lt 2 ]; then
    method=legacy
    return
  fi
  method=hosts
  case $config_path in
    "$HOSTS_ROOT") ;;
    '') problem "containerd $ctrd_version has no config_path for its registries; expected $HOSTS_ROOT" ;;
    *:*) problem "containerd has several registry directories ($config_path); expected $HOSTS_ROOT alone" ;;
    *) problem "containerd reads registries from $config_path, not from $HOSTS_ROOT" ;;
  esac
}

# has_dial_timeout: this containerd knows the key (2.0.7+, 2.1+); older ones wait 30 s for a black hole.
has_dial_timeout() {
  ((ctrd_major > 2 || (ctrd_major == 2 && (ctrd_minor >= 1 || ctrd_patch >= 7))))
}

# client_look: sets client to the kubelet's certificate and key, or to nothing. A file without its key would make
# containerd drop the whole hosts.toml and go to the virtual name itself.
client_look() {
  client=''
  if grep -qs -e '-BEGIN CERTIFICATE-' "$KUBELET_PEM" && grep -qs -e '-BEGIN .*PRIVATE KEY-' "$KUBELET_PEM"; then
    client=$KUBELET_PEM
  fi
}
