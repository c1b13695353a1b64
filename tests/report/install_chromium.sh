#!/bin/sh
# Install the browser in which the page is tested, unless it is there. As root, or where sudo asks for no password.
set -eu
! command -v chromium > /dev/null || exit 0
if ! command -v apt-get > /dev/null; then
    echo "the tests of the page need chromium, and there is no apt-get to install it" >&2
    exit 1
fi
sudo=
[ "$(id -u)" = 0 ] || sudo="sudo --non-interactive"
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium > /dev/null
