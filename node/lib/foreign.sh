# shellcheck shell=bash
# What others have configured of containerd's registries: looked at, told, never touched.

readonly FOREIGN_MAX=10
readonly SHADOW=${VIRTUAL_HOST/:/_}_ # the one name that containerd looks up before ours; `_default` comes after it

# foreign_look: sets foreign[] to names below /etc/containerd: folders of registry.d that are neither ours nor the
# platform's, and files of conf.d and conf2.d with a registry section. What takes the virtual host away from us comes
# first, and is a problem.
foreign_look() {
  local path name others=() i
  foreign=()
  for path in "$HOSTS_ROOT"/*/ "$ROOT"/etc/containerd/conf{,2}.d/*.toml; do
    path=${path%/}
    name=${path#"$ROOT/etc/containerd/"}
    case $path in
      "$HOSTS_ROOT/$VIRTUAL_HOST" | "$LEGACY_FILE") ;;
      *.toml) [ ! -f "$path" ] || foreign_file "$path" "$name" ;;
      *) [ ! -d "$path" ] || foreign_folder "${path##*/}" "$name" ;;
    esac
  done
  for ((i = 0; i < ${#others[@]}; i++)); do foreign+=("${others[i]}"); done
}

foreign_folder() { # FOLDER NAME
  if [ "$1" = "$SHADOW" ]; then
    foreign_shadow "$2" "comes before $VIRTUAL_HOST"
  elif ! grep -qsF "\"$1\"" "$HOSTS_ROOT/deckhouse_hosts_state.json"; then
    others+=("$2")
  fi
}

# foreign_file PATH NAME: mirrors of other registries do not concern us; mirrors in conf.d are no use beside config_path.
foreign_file() {
  grep -Eqs '\.registry[].]' "$1" || return 0
  if grep -qF "\"$VIRTUAL_HOST\"" "$1" ||
    { [ "$method" = legacy ] && grep -Eq '^[[:space:]]*config_path[[:space:]]*=' "$1"; }; then
    foreign_shadow "$2" "configures $VIRTUAL_HOST or config_path too"
  else
    others+=("$2")
  fi
}

foreign_shadow() { # NAME WHY
  foreign+=("$1")
  problem "$ROOT/etc/containerd/$1 $2: remove it"
}

# foreign_json: the first names as a JSON list.
foreign_json() {
  local i list=''
  for ((i = 0; i < ${#foreign[@]} && i < FOREIGN_MAX; i++)); do
    list+="${list:+,}\"$(json_text "${foreign[i]:0:100}")\""
  done
  printf '[%s]' "$list"
}
