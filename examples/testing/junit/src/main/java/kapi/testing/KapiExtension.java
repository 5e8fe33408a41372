package kapi.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * JUnit 5: a test method gets a fresh issuer as a parameter. The provider runs once for all tests.
 *
 * <p>The interpreter is KAPI_PYTHON, or python3.
 */
public final class KapiExtension implements ParameterResolver {
  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    return parameter.getParameter().getType() == Issuer.class;
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    Emulate wanted = parameter.getParameter().getAnnotation(Emulate.class);
    String name = "test-" + Integer.toHexString(context.getUniqueId().hashCode());
    Server server =
        context
            .getRoot()
            .getStore(ExtensionContext.Namespace.create(KapiExtension.class))
            .getOrComputeIfAbsent("server", key -> new Server(), Server.class);
    return wanted == null
        ? server.issuer(Map.of("name", name))
        : server.issuer(Map.of("emulate", wanted.value(), "name", name, "parameters", parameters(wanted)));
  }

  private static Map<String, String> parameters(Emulate emulate) {
    var made = new HashMap<String, String>();
    for (String pair : emulate.with()) {
      made.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
    }
    return made;
  }

  /** The running provider; JUnit closes it after the last test. */
  static final class Server implements ExtensionContext.Store.CloseableResource {
    private static final ObjectMapper JSON = new ObjectMapper();
    private final HttpClient http = HttpClient.newHttpClient();
    private final Process process;
    private final String control;

    Server() {
      String python = System.getenv().getOrDefault("KAPI_PYTHON", "python3");
      try {
        process =
            new ProcessBuilder(python, "-m", "kapi.testing.sockets", "0")
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        var reader = new BufferedReader(new InputStreamReader(process.getInputStream()));
        control = JSON.readTree(reader.readLine()).get("control").asText();
      } catch (IOException error) {
        throw new IllegalStateException("kapi did not start", error);
      }
    }

    Issuer issuer(Map<String, Object> wish) {
      return new Issuer(this, power("POST", "issuers", wish));
    }

    JsonNode power(String method, String path, Object body) {
      try {
        var request =
            HttpRequest.newBuilder(URI.create(control + "/" + path))
                .header("Content-Type", "application/json")
                .method(method, HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body)))
                .build();
        var answer = http.send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() >= 400) {
          throw new AssertionError(JSON.readTree(answer.body()).path("error_description").asText());
        }
        return JSON.readTree(answer.body());
      } catch (IOException error) {
        throw new IllegalStateException(error);
      } catch (InterruptedException error) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException(error);
      }
    }

    @Override
    public void close() {
      process.destroy();
    }
  }
}
