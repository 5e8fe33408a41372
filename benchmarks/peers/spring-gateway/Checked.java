// Only calls with an RS256 JWT of the key in the file `bench.key` and with the scope `bench`.
package bench;

import java.io.FileInputStream;
import java.security.interfaces.RSAPublicKey;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.reactive.EnableWebFluxSecurity;
import org.springframework.security.config.web.server.ServerHttpSecurity;
import org.springframework.security.converter.RsaKeyConverters;
import org.springframework.security.oauth2.jwt.NimbusReactiveJwtDecoder;
import org.springframework.security.oauth2.jwt.ReactiveJwtDecoder;
import org.springframework.security.web.server.SecurityWebFilterChain;

@Configuration
@EnableWebFluxSecurity
@ConditionalOnProperty("bench.key")
public class Checked {
  @Bean
  ReactiveJwtDecoder decoder(@Value("${bench.key}") String path) throws Exception {
    try (var file = new FileInputStream(path)) {
      RSAPublicKey key = RsaKeyConverters.x509().convert(file);
      return NimbusReactiveJwtDecoder.withPublicKey(key).build();
    }
  }

  @Bean
  SecurityWebFilterChain chain(ServerHttpSecurity http) {
    return http
        .csrf(ServerHttpSecurity.CsrfSpec::disable)
        .authorizeExchange(calls -> calls.anyExchange().hasAuthority("SCOPE_bench"))
        .oauth2ResourceServer(server -> server.jwt(Customizer.withDefaults()))
        .build();
  }
}
