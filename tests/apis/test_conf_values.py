"""Everything that an apk-conf can say about a REST API arrives as a value, with its default where
the file is silent.
"""

from __future__ import annotations

from kapi.apis.conf.from_nodes import api_conf
from kapi.apis.conf.schema import conf_format
from kapi.apis.conf.shapes import Checker
from kapi.apis.model.conf import (
    ApiConf,
    ApiKeySecurityConf,
    BasicSecurityConf,
    CircuitBreakerConf,
    Fields,
    RetryConf,
    SecretKey,
    ServiceConf,
    TimeoutConf,
)
from kapi.apis.report import Mark, Report
from kapi.apis.yaml_positions import read_yaml
from kapi.policies import POLICIES, cors, rate_limit
from kapi.policies.authentication.conf import item_of, items
from kapi.policies.cors import Cors
from kapi.policies.limits.rate_limit import RateLimit

FORMAT = conf_format(POLICIES)
START = """
name: Orders
basePath: /orders
version: "1.0.0"
type: REST
operations:
- {target: /a, verb: GET}
"""


def conf(extra: str = "", start: str = START) -> ApiConf:
    report = Report("test")
    root = read_yaml((start + extra).encode(), report)
    assert root is not None
    Checker(report).check(root, FORMAT.root, "#")
    assert report.diagnostics == ()
    return api_conf(root, FORMAT.fields)


def test_every_part_of_an_endpoint_arrives() -> None:
    made = conf("""
endpointConfigurations:
  production:
  - endpoint: {name: orders, namespace: shop, port: 80}
    weight: 3
    endpointSecurity: {enabled: true, securityType: {secretName: s, userNameKey: u, passwordKey: p}}
    certificate: {secretName: c, secretKey: ca.crt}
    resiliency:
      timeout: {downstreamRequestIdleTimeout: 5, upstreamResponseTimeout: 6}
      retryPolicy: {count: 2, baseIntervalMillis: 30, statusCodes: [503, 504, 503]}
      circuitBreaker: {maxConnectionPools: 1, maxConnections: 2, maxPendingRequests: 3,
        maxRequests: 4, maxRetries: 5}
  - endpoint: http://b
  sandbox:
    endpoint: http://c
    endpointSecurity: {enabled: true, securityType: {
      secretName: s, in: Query, apiKeyNameKey: k, apiKeyValueKey: v}}
""")
    first, second = made.production
    assert first.endpoint == ServiceConf("orders", "shop", 80, "http")
    assert first.weight == 3
    assert isinstance(first.security, BasicSecurityConf)
    assert (
        first.security.username.name,
        first.security.username.key,
        first.security.password.key,
    ) == ("s", "u", "p")
    assert first.certificate is not None
    assert (first.certificate.name, first.certificate.key) == ("c", "ca.crt")
    assert (first.timeout, first.retry) == (
        TimeoutConf(5, 6),
        RetryConf(2, 30, (503, 504)),
    )
    assert first.circuit_breaker == CircuitBreakerConf(1, 2, 3, 4, 5)
    assert (second.endpoint, second.weight, second.security, second.timeout) == (
        "http://b",
        None,
        None,
        None,
    )
    security = made.sandbox[0].security
    assert isinstance(security, ApiKeySecurityConf)
    assert (security.location, security.parameter, security.value.key) == (
        "Query",
        "k",
        "v",
    )


def test_policies_and_limits_of_both_levels_arrive_in_order() -> None:
    made = conf(
        """
apiPolicies:
  request:
  - {policyName: AddHeader, policyVersion: v2, policyId: i,
     parameters: {headerName: a, headerValue: b}}
  - {policyName: RequestMirror, parameters: {urls: [http://m]}}
  response: [{policyName: RemoveHeader, parameters: {headerName: c}}]
rateLimit: {requestsPerUnit: 5, unit: Hour}
""",
        START.replace(
            "verb: GET",
            "verb: GET, rateLimit: {requestsPerUnit: 6, unit: Day}, operationPolicies: {request: "
            "[{policyName: BackendJwt, "
            "parameters: {customClaims: [{claim: c, value: v}]}}]}",
        ),
    )
    assert [(item.name, item.version, item.id) for item in made.policies.request] == [
        ("AddHeader", "v2", "i"),
        ("RequestMirror", "v1", ""),
    ]
    assert made.policies.request[1].parameter("urls") == ("http://m",)
    assert made.policies.response[0].parameter("headerName") == "c"
    assert made.policies.response[0].parameter("headerValue", "none") == "none"
    operation = made.operations[0]
    assert rate_limit.compile(made, operation) == RateLimit(5, "Hour", "api")
    assert operation.policies.request[0].parameter("customClaims") == (
        Fields((("claim", "c"), ("value", "v"))),
    )
    assert operation.field("rateLimit").get("unit") == "Day"
    hash(made)


def test_authentication_has_the_defaults_of_its_type() -> None:
    made = conf(
        "authentication: [{authType: OAuth2}, {authType: JWT}, {authType: APIKey}, {authType: "
        "mTLS}]\n"
    )
    assert [
        (item.auth_type, item.required, item.enabled, item.header, item.query)
        for item in items(made)
    ] == [
        ("OAuth2", "mandatory", True, "Authorization", ""),
        ("JWT", "mandatory", True, "Authorization", ""),
        ("APIKey", "optional", True, "apikey", "apikey"),
        ("mTLS", "optional", True, "", ""),
    ]
    assert item_of(made, "JWT") is items(made)[1]
    assert item_of(conf(), "JWT") is None


def test_authentication_says_where_a_credential_is_looked_for() -> None:
    made = conf("""
authentication:
- {authType: OAuth2, required: optional, enabled: false, sendTokenToUpstream: true,
   headerName: X-Token, queryParamName: t}
- {authType: JWT, headerEnable: false, queryParamEnable: true, queryParamName: t,
   audience: [a, b, a]}
- {authType: APIKey, headerName: key, queryParamEnable: false}
- {authType: mTLS, required: mandatory, certificates: [{name: c, key: tls.crt}]}
""")
    oauth2, jwt, key, mtls = items(made)
    assert (
        oauth2.required,
        oauth2.enabled,
        oauth2.send_token_to_upstream,
        oauth2.header,
        oauth2.query,
    ) == (
        "optional",
        False,
        True,
        "X-Token",
        "",
    )
    assert (jwt.header, jwt.query, jwt.audiences) == ("", "t", ("a", "b"))
    assert (key.header, key.query) == ("key", "")
    assert mtls.certificates == (
        SecretKey("c", "tls.crt", Mark(15, 3, "#/authentication/3")),
    )


def test_the_rest_of_the_file_arrives() -> None:
    made = conf("""
definitionPath: /docs
subscriptionValidation: true
corsConfiguration:
  corsConfigurationEnabled: true
  accessControlAllowOrigins: ["https://*.example"]
  accessControlAllowCredentials: true
  accessControlAllowHeaders: [a]
  accessControlAllowMethods: [GET, PUT]
  accessControlAllowMaxAge: 60
  accessControlExposeHeaders: [b]
""")
    assert (made.definition_path, made.field("subscriptionValidation")) == (
        "/docs",
        True,
    )
    assert cors.compile(made, made.operations[0]) == Cors(
        origins=("https://*.example",),
        credentials=True,
        headers=("a",),
        methods=("GET", "PUT"),
        max_age=60,
        expose_headers=("b",),
    )
