#!/bin/sh
# Sign in and approve on the page of a device or of approvals, with curl.
# usage: approve.sh URL [USER] [ORGANIZATION]
set -eu
url=$1 user=${2:-org1user} organization=${3-org1}
port=${KAPI_GATEWAY__PORT:-9095}
jar=$(mktemp)
trap 'rm -f "$jar"' EXIT

call() { curl -sSkL --resolve "idp.am.wso2.com:$port:127.0.0.1" -b "$jar" -c "$jar" "$@"; }
field() { printf %s "$page" | sed -n "s/.*name=\"$1\" value=\"\([^\"]*\)\".*/\1/p" | head -n 1; }
title() { printf %s "$page" | sed -n 's/.*<h1>\(.*\)<\/h1>.*/\1/p'; }

page=$(call "$url")
page=$(call -d "sessionKey=$(field sessionKey)" -d "token=$(field token)" \
  -d "username=$user" -d "password=$user" -d "organization=$organization" "${url%%\?*}")
title
page=$(call -d "user_code=$(field user_code)" -d "request=$(field request)" -d "token=$(field token)" -d decision=allow "${url%%\?*}")
title
