package kapi.testing;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.Map;

/** A test issuer and its powers. */
public final class Issuer {
  private final KapiExtension.Server server;
  private final String name;
  public final String url;
  public final String discoveryUrl;

  Issuer(KapiExtension.Server server, JsonNode state) {
    this.server = server;
    name = state.get("name").asText();
    url = state.get("issuer").asText();
    discoveryUrl = state.get("discovery").asText();
  }

  /** A right token; the wish is that of the mint: user, audience, scope, claims. */
  public String token(Map<String, ?> wish) {
    return power("POST", "mint", wish).get("token").asText();
  }

  /** A wrong token, by the name of a recipe. */
  public String mint(String recipe, Map<String, ?> wish) {
    var all = new HashMap<String, Object>(wish);
    all.put("recipe", recipe);
    return token(all);
  }

  /** Plan a fault. */
  public void fault(String kind, Map<String, ?> more) {
    var all = new HashMap<String, Object>(more);
    all.put("kind", kind);
    power("POST", "faults", all);
  }

  /** Move the clock. */
  public void travel(long seconds) {
    power("PUT", "clock", Map.of("travel", seconds));
  }

  /** A drill of key rotation: rotate, emergency, swap. */
  public void keys(String action) {
    power("POST", "keys", Map.of("action", action));
  }

  /** Throws AssertionError, with the journal, unless there were so many requests. */
  public void assertCalled(String endpoint, int times) {
    power("POST", "journal/verify", Map.of("endpoint", endpoint, "times", times));
  }

  private JsonNode power(String method, String path, Object body) {
    return server.power(method, "issuers/" + name + "/" + path, body);
  }
}
