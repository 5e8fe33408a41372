// Verifiers of vendors from Maven judge tokens, as ../peers/verifiers.mjs does with those of npm.
//
// The only argument is JSON, {verifier, facts, tokens: {label: token}}. The answer is one line of JSON,
// {label: "accepted" or the refusal}. It needs the libraries of pom.xml.

import com.auth0.jwk.JwkProviderBuilder;
import com.auth0.jwt.JWT;
import com.auth0.jwt.algorithms.Algorithm;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.auth.oauth2.TokenVerifier;
import com.okta.jwt.JwtVerifiers;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.security.interfaces.RSAPublicKey;
import java.util.LinkedHashMap;
import java.util.Map;

public final class Verifiers {
  private interface Verify {
    void check(String token) throws Exception;
  }

  private static Verify auth0(Map<String, String> facts) {
    var keys = new JwkProviderBuilder(facts.get("issuer")).build();
    return token -> {
      var key = (RSAPublicKey) keys.get(JWT.decode(token).getKeyId()).getPublicKey();
      JWT.require(Algorithm.RSA256(key, null))
          .withIssuer(facts.get("issuer"))
          .withAudience(facts.get("audience"))
          .build()
          .verify(token);
    };
  }

  private static Verify okta(Map<String, String> facts) {
    var verifier =
        JwtVerifiers.accessTokenVerifierBuilder()
            .setIssuer(facts.get("issuer"))
            .setAudience(facts.get("audience"))
            .build();
    return verifier::decode;
  }

  private static Verify google(Map<String, String> facts) {
    var verifier =
        TokenVerifier.newBuilder()
            .setIssuer("https://accounts.google.com")
            .setAudience(facts.get("client"))
            .build();
    return verifier::verify;
  }

  private static Verify verifier(String name, Map<String, String> facts) {
    return switch (name) {
      case "auth0" -> auth0(facts);
      case "okta" -> okta(facts);
      case "google" -> google(facts);
      default -> throw new IllegalArgumentException(name);
    };
  }

  /** Java reads no PEM as its trust store. */
  private static void trust(String pem) throws Exception {
    var store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (var file = new FileInputStream(pem)) {
      store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
    }
    Path path = Files.createTempFile("trust", ".p12");
    path.toFile().deleteOnExit();
    try (var file = new FileOutputStream(path.toFile())) {
      store.store(file, "changeit".toCharArray());
    }
    System.setProperty("javax.net.ssl.trustStore", path.toString());
    System.setProperty("javax.net.ssl.trustStorePassword", "changeit");
    System.setProperty("javax.net.ssl.trustStoreType", "PKCS12");
  }

  private static String judged(Verify verify, String token) {
    try {
      verify.check(token);
      return "accepted";
    } catch (Throwable refusal) {
      return "refused: " + refusal;
    }
  }

  @SuppressWarnings("unchecked")
  public static void main(String[] arguments) throws Exception {
    var json = new ObjectMapper();
    Map<String, Object> told = json.readValue(arguments[0], Map.class);
    trust(System.getenv("SSL_CERT_FILE"));
    System.setProperty("https.proxyHost", "127.0.0.1");
    System.setProperty("https.proxyPort", System.getenv("VENDOR_PROXY"));
    Verify verify = verifier((String) told.get("verifier"), (Map<String, String>) told.get("facts"));
    Map<String, String> said = new LinkedHashMap<>();
    ((Map<String, String>) told.get("tokens")).forEach((label, token) -> said.put(label, judged(verify, token)));
    System.out.println(json.writeValueAsString(said));
    System.exit(0);
  }
}
