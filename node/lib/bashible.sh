# shellcheck shell=bash
# What only bashible can bring into force, it is asked for: its next run would come within hours.

# bashible_again REASON...: makes bashible run its steps at its next look, about a minute away, by the means its
# operators use. Standard input says what is wanted; the same thing is asked for once, whatever comes of it. While the
# file is missing a run is under way, and may have passed our step already: the next round looks again.
bashible_again() {
  local wanted
  wanted=$(cksum)
  if [ ! -e "$BASHIBLE_DONE" ] || [ "$wanted" = "$(cat "$STATE/asked" 2>/dev/null)" ]; then return 0; fi
  # Without a memory of it there would be no end of asking.
  put "$STATE/asked" <<<"$wanted" || return 0
  rm -f "$BASHIBLE_DONE" && say "bashible is asked to run again: $*"
}

# bashible_satisfied: what was asked for is there. After an hour it may be asked for anew, should it get lost.
bashible_satisfied() {
  [ -z "$(find "$STATE/asked" -mmin +60 2>/dev/null)" ] || rm -f "$STATE/asked"
}
