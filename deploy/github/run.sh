#!/usr/bin/env bash
# The step of action.yml: validate, then diff or deploy. Reads INPUT_…, KAPI (the command), COMMENT (a file) and KAPI_TOKEN.
set -euo pipefail

read -r -d '' -a confs <<< "${INPUT_CONFS:-}" || true
read -r -d '' -a files <<< "${INPUT_FILES:-}" || true
for conf in "${confs[@]}"; do
  "$KAPI" validate "$conf"
done
case "$INPUT_MODE" in
  validate) exit 0 ;;
  diff | deploy) ;;
  *) echo "::error::mode must be validate, diff or deploy, not $INPUT_MODE"; exit 2 ;;
esac
if [ ${#files[@]} -eq 0 ] || [ -z "${INPUT_SERVER:-}" ] || [ -z "${KAPI_TOKEN:-}" ]; then
  echo "::error::mode $INPUT_MODE needs files, server and token"
  exit 2
fi

# A context of this run only, which names the authorities too.
export XDG_CONFIG_HOME="${RUNNER_TEMP:-$(mktemp -d)}/kapi-config"
add=("$KAPI" context add action "$INPUT_SERVER")
[ -z "${INPUT_CA:-}" ] || add+=(--ca "$INPUT_CA")
[ -z "${INPUT_ADDRESS:-}" ] || add+=(--address "$INPUT_ADDRESS")
"${add[@]}" >&2
options=(--server action --owner "${INPUT_OWNER:-default}")
for file in "${files[@]}"; do
  options+=(-f "$file")
done
[ "${INPUT_PRUNE:-false}" != true ] || options+=(--prune)

if [ "$INPUT_MODE" = deploy ]; then
  exec "$KAPI" apply "${options[@]}"
fi
status=0
text=$("$KAPI" diff "${options[@]}" 2>&1) || status=$?
printf '%s\n' "$text"
# Indented, so that no text of a definition can end a code block or be Markdown. A comment has at most 65,536 characters.
shown=$(sed 's/^/    /' <<< "$text")
if [ ${#shown} -gt 60000 ]; then
  shown=${shown:0:60000}
  shown="${shown%$'\n'*}"$'\n    … cut: the log of the job has all of it'
fi
printf '### kapi diff\n\n%s\n' "$shown" > "$COMMENT"
# 0: nothing differs, 1: something does; more is an error.
[ "$status" -le 1 ] || exit "$status"
changed=false
[ "$status" -eq 0 ] || changed=true
echo "changed=$changed" >> "${GITHUB_OUTPUT:-/dev/null}"
