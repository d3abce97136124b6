#!/bin/sh
# Make sure that a chromium is there for the browser tests: from PATH, else Debian's package where we may install it,
# else Playwright's own. Without any, the browser tests skip and say so.
python=${1:-python3}
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
"$python" -c 'import os, playwright.sync_api as p
with p.sync_playwright() as w: raise SystemExit(not os.path.exists(w.chromium.executable_path))' 2>/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing chromium from Debian's packages for the browser tests"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null && exit 0
fi
timeout 300 "$python" -m playwright install chromium && exit 0
echo "no chromium found and none could be installed: the browser tests will be skipped" >&2
exit 0
