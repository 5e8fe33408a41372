#!/bin/sh
# What a browser and a client do in the authorization code flow, with curl: prints the token answer.
# usage: sign-in.sh [SCOPE] [USER] [ORGANIZATION]      cookies are kept in $JAR when it is set
set -eu
scope=${1:-openid default} user=${2:-org1user} organization=${3-org1}
port=${KAPI_GATEWAY__PORT:-9095}
idp=https://idp.am.wso2.com:$port
client=45f1c5c8-a92e-11ed-afa1-0242ac120002 secret=4fbd62ec-a92e-11ed-afa1-0242ac120002
jar=${JAR:-$(mktemp)}

call() { curl -sSk --resolve "idp.am.wso2.com:$port:127.0.0.1" -b "$jar" -c "$jar" "$@"; }
field() { printf %s "$page" | sed -n "s/.*name=\"$1\" value=\"\([^\"]*\)\".*/\1/p" | head -n 1; }
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d =; }

verifier=$(openssl rand -hex 32)
challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | base64url)

# The browser: the link of the client leads to the login page; its form, and that of the consent page, are filled in.
page=$(call -L -G "$idp/oauth2/authorize" -d response_type=code -d "client_id=$client" --data-urlencode redirect_uri=http://httpbin.org \
  --data-urlencode "scope=$scope" -d state=xyz -d "code_challenge=$challenge" -d code_challenge_method=S256)
call -o /dev/null -d "sessionKey=$(field sessionKey)" -d "token=$(field token)" \
  -d "username=$user" -d "password=$user" -d "organization=$organization" "$idp/commonauth/login"
page=$(call -L "$idp/authenticationEndpoint/consent?stateKey=$(field sessionKey)")
next=$(call -o /dev/null -w '%{redirect_url}' -d "sessionKey=$(field sessionKey)" -d "token=$(field token)" -d decision=allow \
  "$idp/authenticationEndpoint/consent")
back=$(call -o /dev/null -w '%{redirect_url}' "$next")

# The client: the code from the link that the browser was sent back with, for tokens.
code=$(printf %s "$back" | sed -n 's/.*[?&]code=\([^&]*\).*/\1/p')
call -u "$client:$secret" -d grant_type=authorization_code -d "code=$code" -d redirect_uri=http://httpbin.org \
  -d "code_verifier=$verifier" "$idp/oauth2/token"
