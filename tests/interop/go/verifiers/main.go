// Verifiers of vendors from the Go module proxy judge tokens, as ../../peers/verifiers.mjs does with those of npm.
//
// The only argument is JSON, {verifier, facts, tokens: {label: token}}. The answer is one line of JSON,
// {label: "accepted" or the refusal}.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
	"github.com/clerk/clerk-sdk-go/v2"
	clerkjwt "github.com/clerk/clerk-sdk-go/v2/jwt"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"google.golang.org/api/idtoken"
	"google.golang.org/api/option"
)

type facts map[string]string
type verify func(context.Context, string) error
type question struct {
	Verifier string            `json:"verifier"`
	Facts    facts             `json:"facts"`
	Tokens   map[string]string `json:"tokens"`
}

func auth0(_ context.Context, f facts) (verify, error) {
	issuer, err := url.Parse(f["issuer"])
	if err != nil {
		return nil, err
	}
	keys := jwks.NewCachingProvider(issuer, time.Minute)
	checks, err := validator.New(keys.KeyFunc, validator.RS256, f["issuer"], []string{f["audience"]})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, token string) error {
		_, err := checks.ValidateToken(ctx, token)
		return err
	}, nil
}

func google(ctx context.Context, f facts) (verify, error) {
	checks, err := idtoken.NewValidator(ctx, option.WithHTTPClient(http.DefaultClient))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, token string) error {
		_, err := checks.Validate(ctx, token, f["client"])
		return err
	}, nil
}

func clerkVerifier(_ context.Context, f facts) (verify, error) {
	clerk.SetKey("sk_test_kapi")
	mine := func(party string) bool { return party == f["origin"] }
	return func(ctx context.Context, token string) error {
		_, err := clerkjwt.Verify(ctx, &clerkjwt.VerifyParams{Token: token, AuthorizedPartyHandler: mine})
		return err
	}, nil
}

// For vendors without a verifier in Go: what their documents tell an API to check.
func oidcVerifier(ctx context.Context, f facts) (verify, error) {
	provider, err := oidc.NewProvider(ctx, f["issuer"])
	if err != nil {
		return nil, err
	}
	checks := provider.Verifier(&oidc.Config{ClientID: f["client"]})
	return func(ctx context.Context, token string) error {
		_, err := checks.Verify(ctx, token)
		return err
	}, nil
}

// Zitadel's own library. It verifies the signature with the keys that discovery names, then the claims.
func zitadelVerifier(_ context.Context, f facts) (verify, error) {
	keys := rp.NewRemoteKeySet(http.DefaultClient, f["keys"])
	return func(ctx context.Context, token string) error {
		claims := new(zitadel.AccessTokenClaims)
		payload, err := zitadel.ParseToken(token, claims)
		if err != nil {
			return err
		}
		if err := zitadel.CheckIssuer(claims, f["issuer"]); err != nil {
			return err
		}
		if err := zitadel.CheckAudience(claims, f["audience"]); err != nil {
			return err
		}
		if err := zitadel.CheckSignature(ctx, token, payload, claims, []string{"RS256"}, keys); err != nil {
			return err
		}
		return zitadel.CheckExpiration(claims, 0)
	}, nil
}

var verifiers = map[string]func(context.Context, facts) (verify, error){
	"auth0": auth0, "google": google, "clerk": clerkVerifier, "oidc": oidcVerifier, "zitadel": zitadelVerifier,
}

// Every host name leads to one server on this machine, over TLS, by name.
func leadToTheTestServer(port string) {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	transport := http.DefaultTransport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasSuffix(address, ":443") || strings.HasSuffix(address, ":9443") {
			address = net.JoinHostPort("127.0.0.1", port)
		}
		return dialer.DialContext(ctx, network, address)
	}
}

func judged(ctx context.Context, check verify, token string) (said string) {
	defer func() {
		// A library that panics has not accepted the token.
		if why := recover(); why != nil {
			said = fmt.Sprintf("refused: %v", why)
		}
	}()
	if err := check(ctx, token); err != nil {
		return fmt.Sprintf("refused: %v", err)
	}
	return "accepted"
}

func run() error {
	var asked question
	if err := json.Unmarshal([]byte(os.Args[1]), &asked); err != nil {
		return err
	}
	leadToTheTestServer(os.Getenv("VENDOR_PORT"))
	ctx := context.Background()
	check, err := verifiers[asked.Verifier](ctx, asked.Facts)
	if err != nil {
		return err
	}
	told := make(map[string]string, len(asked.Tokens))
	for label, token := range asked.Tokens {
		told[label] = judged(ctx, check, token)
	}
	return json.NewEncoder(os.Stdout).Encode(told)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
