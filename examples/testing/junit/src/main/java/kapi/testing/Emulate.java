package kapi.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** The issuer of this parameter looks like a provider: {@code @Emulate("auth0")}. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.PARAMETER)
public @interface Emulate {
  /** The preset of {@code kapi issuer add}. */
  String value();

  /** Parameters of the preset: NAME=VALUE. */
  String[] with() default {};
}
