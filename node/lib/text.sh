# shellcheck shell=bash
# Text: what is said, how files are replaced, how foreign words are made fit for a report.

say() { printf 'registry-route: %s\n' "$*"; }

# problem TEXT: something the report shall tell; the run goes on.
problem() {
  say "$1"
  problems=${problems:+$problems; }$1
}

# put FILE: replaces FILE by standard input, by rename and only when it differs. Sets changed=yes when it did.
# What differs is found out in the state folder, so that an unchanged file leaves no trace beside it.
put() {
  local fresh=$STATE/put.$$ code=0
  changed=no
  cat >"$fresh" || code=1
  if [ "$code" = 0 ] && ! cmp -s "$fresh" "$1"; then
    cp "$fresh" "$1.new" && chmod 0644 "$1.new" && mv -f "$1.new" "$1" && changed=yes || code=1
  fi
  rm -f "$fresh"
  return "$code"
}

# one_line: standard input as one printable line of at most 300 characters. Credentials, signed queries and the
# sender's port, which is another one at each attempt, are left out.
one_line() {
  LC_ALL=C tr '\n\t' '  ' | LC_ALL=C tr -cd '\40-\176' | sed -E \
    -e 's#//[^/@ "]*@#//#g' \
    -e 's#\?[A-Za-z][^ "\\]*##g' \
    -e 's#(Basic|Bearer) [A-Za-z0-9+/=._~-]+#\1 ***#g' \
    -e 's#[0-9A-Fa-f.:]+:[0-9]+->##g' \
    -e 's# +# #g; s#^ ##; s# $##' | cut -c1-300
}

# json_text TEXT: the inside of a JSON string.
json_text() { printf '%s' "$1" | one_line | sed 's/\\/\\\\/g; s/"/\\"/g'; }

# is_pem FILE: certificates in PEM, whole blocks of base64, and no private key.
is_pem() {
  awk '
    { sub(/\r$/, "") }
    /PRIVATE KEY/ { bad = 1 }
    /^-----BEGIN CERTIFICATE-----$/ { if (inside) bad = 1; inside = 1; lines = 0; next }
    /^-----END CERTIFICATE-----$/ { if (!inside || !lines) bad = 1; inside = 0; blocks++; next }
    inside { lines++; if ($0 !~ /^[A-Za-z0-9+\/]+=*$/) bad = 1 }
    END { exit (bad || inside || !blocks) }
  ' "$1" 2>/dev/null
}
