package kapi.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** An API that verifies tokens of Auth0, tested without Auth0. */
@ExtendWith(KapiExtension.class)
class OrdersTest {
  private static final Map<String, String> ORDERS = Map.of("audience", "https://orders.example");

  /** The code under test. */
  private static DefaultJWTProcessor<SecurityContext> verifier(Issuer issuer) throws Exception {
    var answer =
        HttpClient.newHttpClient()
            .send(
                HttpRequest.newBuilder(URI.create(issuer.discoveryUrl)).build(),
                HttpResponse.BodyHandlers.ofString());
    var keys =
        new com.fasterxml.jackson.databind.ObjectMapper()
            .readTree(answer.body())
            .get("jwks_uri")
            .asText();
    var source = JWKSourceBuilder.create(new URL(keys)).rateLimited(false).build();
    var made = new DefaultJWTProcessor<SecurityContext>();
    made.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.RS256, source));
    made.setJWTClaimsSetVerifier(
        new DefaultJWTClaimsVerifier<>(
            "https://orders.example",
            new JWTClaimsSet.Builder().issuer("https://acme.eu.auth0.com/").build(),
            Set.of("exp", "sub")));
    return made;
  }

  @Test
  void tokensOfAuth0AreAcceptedAndWrongOnesRefused(
      @Emulate(value = "auth0", with = "domain=acme.eu.auth0.com") Issuer auth0) throws Exception {
    var verifier = verifier(auth0);
    var wish = Map.of("audience", "https://orders.example", "user", "org1user");
    assertEquals("auth0|org1user", verifier.process(auth0.token(wish), null).getSubject());
    for (String recipe : new String[] {"expired", "wrong-key", "alg-none", "wrong-audience"}) {
      String token = auth0.mint(recipe, ORDERS);
      assertThrows(Exception.class, () -> verifier.process(token, null), recipe);
    }
  }

  @Test
  void aRotationIsFollowed(
      @Emulate(value = "auth0", with = "domain=acme.eu.auth0.com") Issuer auth0) throws Exception {
    var verifier = verifier(auth0);
    verifier.process(auth0.token(ORDERS), null);
    auth0.keys("rotate");
    verifier.process(auth0.token(ORDERS), null);
    auth0.assertCalled("jwks", 2);
  }
}
