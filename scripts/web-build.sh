#!/usr/bin/env bash
# make web: makes edge/web/dist anew from its sources. The result is committed, so that nobody else needs Node.js.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/web.sh
source "$SMEARSCOPE_ROOT/scripts/web.sh"
cd "$SMEARSCOPE_ROOT"

scripts/setup-web.sh
web_ready edge/web || die "edge/web needs Node.js and its npm modules (see above)."
cd edge/web
npm run build </dev/null
