#!/bin/sh
# Starts the gateway. The key that callers send and the secret that signs sessions come from the environment. If they are
# not set, the first start creates them in secrets/.
set -eu

made() {
  [ -s "secrets/$1" ] || (umask 077 && node -p 'crypto.randomBytes(24).toString("base64url")' >"secrets/$1")
  cat "secrets/$1"
}

if [ -z "${UNDERSTUDY_API_KEY:-}" ]; then
  first=$([ -s secrets/key ] || echo yes)
  UNDERSTUDY_API_KEY=$(made key)
  if [ -n "$first" ]; then
    echo "This gateway's key, made just now: $UNDERSTUDY_API_KEY"
    echo "Sign in with it, or send it as \`Authorization: Bearer\`. It is kept in secrets/key."
  fi
fi
[ -n "${SESSION_SECRET:-}" ] || SESSION_SECRET=$(made session)
export UNDERSTUDY_API_KEY SESSION_SECRET

exec node --min-semi-space-size=16 --max-semi-space-size=16 packages/http/src/main.js serve --host 0.0.0.0 --config providers.yaml "$@"
