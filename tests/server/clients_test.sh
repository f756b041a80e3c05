#!/usr/bin/env bash
# Runs the clients that script/fetch-clients fetched against a server of its own.
#
# Usage: clients_test.sh SERVER python|node      exit status 77: the client is not there
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clients=${XDG_CACHE_HOME:-$HOME/.cache}/caldera/clients
skip() {
  echo "skipped: $1; script/fetch-clients fetches the clients"
  exit 77
}
case $2 in
  python) [ -x "$clients/venv/bin/python" ] || skip "no $clients/venv" ;;
  node)
    command -v node >/dev/null || skip "no node"
    [ -d "$clients/node/node_modules/openai" ] || skip "no openai in $clients/node"
    ;;
esac

# The server ends with its standard input, so with this script whatever happens.
coproc server { exec "$1" secret-of-the-tests; }
read -r -t 10 address <&"${server[0]}" || { echo "the server does not come up"; exit 1; }
export NO_PROXY='*' no_proxy='*'
case $2 in
  python) timeout 60 "$clients/venv/bin/python" "$here/clients_test.py" "$address" ;;
  node) timeout 60 node "$here/clients_test.mjs" "$address" "$clients/node" ;;
esac
