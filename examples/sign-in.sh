#!/bin/sh
# The authorization code flow with curl, as browser and client. Prints the token response.
# usage: sign-in.sh [SCOPE] [USER] [ORGANIZATION]      cookies are in $JAR if it is set
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

# The browser: open the link of the client, submit the login form and the consent form.
page=$(call -L -G "$idp/oauth2/authorize" -d response_type=code -d "client_id=$client" --data-urlencode redirect_uri=http://httpbin.org \
  --data-urlencode "scope=$scope" -d state=xyz -d "code_challenge=$challenge" -d code_challenge_method=S256)
call -o /dev/null -d "sessionKey=$(field sessionKey)" -d "token=$(field token)" \
  -d "username=$user" -d "password=$user" -d "organization=$organization" "$idp/commonauth/login"
page=$(call -L "$idp/authenticationEndpoint/consent?stateKey=$(field sessionKey)")
next=$(call -o /dev/null -w '%{redirect_url}' -d "sessionKey=$(field sessionKey)" -d "token=$(field token)" -d decision=allow \
  "$idp/authenticationEndpoint/consent")
back=$(call -o /dev/null -w '%{redirect_url}' "$next")

# The client: exchange the code of the redirect for tokens.
code=$(printf %s "$back" | sed -n 's/.*[?&]code=\([^&]*\).*/\1/p')
call -u "$client:$secret" -d grant_type=authorization_code -d "code=$code" -d redirect_uri=http://httpbin.org \
  -d "code_verifier=$verifier" "$idp/oauth2/token"
