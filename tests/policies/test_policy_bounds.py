"""The bounds of numbers, texts and lists in the conf parts of the policies.

They are read from the schema that `kapi schema` prints. `tests/apis/test_json_schema.py` shows that
the reader of confs has the same bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kapi.apis.conf.json_schema import json_schema
from kapi.policies import POLICIES

BOUNDS = """
endpointConfigurations.production.certificate.secretName 1 253
endpointConfigurations.production.certificate.secretKey 1 253
endpointConfigurations.production.resiliency.timeout.downstreamRequestIdleTimeout 0 86400
endpointConfigurations.production.resiliency.timeout.upstreamResponseTimeout 0 86400
endpointConfigurations.production.resiliency.retryPolicy.count 0 100
endpointConfigurations.production.resiliency.retryPolicy.baseIntervalMillis 0 3600000
endpointConfigurations.production.resiliency.retryPolicy.statusCodes - 100
endpointConfigurations.production.resiliency.retryPolicy.statusCodes[] 100 599
endpointConfigurations.production.resiliency.retryPolicy.grpcStatuses - 100
endpointConfigurations.production.resiliency.circuitBreaker.maxConnectionPools 0 2147483647
endpointConfigurations.production.resiliency.circuitBreaker.maxConnections 0 2147483647
endpointConfigurations.production.resiliency.circuitBreaker.maxPendingRequests 0 2147483647
endpointConfigurations.production.resiliency.circuitBreaker.maxRequests 0 2147483647
endpointConfigurations.production.resiliency.circuitBreaker.maxRetries 0 2147483647
endpointConfigurations.production.aiRatelimit.token.promptLimit 1 2147483647
endpointConfigurations.production.aiRatelimit.token.completionLimit 1 2147483647
endpointConfigurations.production.aiRatelimit.token.totalLimit 1 2147483647
endpointConfigurations.production.aiRatelimit.request.requestLimit 1 2147483647
endpointConfigurations.production.endpointSecurity.securityType.secretName 1 253
endpointConfigurations.production.endpointSecurity.securityType.userNameKey 1 253
endpointConfigurations.production.endpointSecurity.securityType.passwordKey 1 253
endpointConfigurations.production.endpointSecurity.securityType.apiKeyNameKey 1 253
endpointConfigurations.production.endpointSecurity.securityType.apiKeyValueKey 1 253
operations[].scopes[] 1 256
operations[].scopeAlternatives - 100
operations[].scopeAlternatives[][] 1 256
operations[].rateLimit.requestsPerUnit 1 2147483647
operations[].stream.WebSocket.idleTimeout 1 86400
operations[].stream.WebSocket.maxDuration 1 2592000
operations[].stream.WebSocket.messagesPerSecond 1 1000000
operations[].stream.ServerSentEvents.idleTimeout 1 86400
operations[].stream.ServerSentEvents.maxDuration 1 2592000
operations[].stream.LongPolling.maxDuration 1 86400
operations[].operationPolicies.request - 100
operations[].operationPolicies.request[].Interceptor.parameters.backendUrl 1 2048
operations[].operationPolicies.request[].Interceptor.parameters.tlsSecretName 1 253
operations[].operationPolicies.request[].Interceptor.parameters.tlsSecretKey 1 253
operations[].operationPolicies.request[].BackendJwt.parameters.header 1 256
operations[].operationPolicies.request[].BackendJwt.parameters.tokenTTL 1 31536000
operations[].operationPolicies.request[].BackendJwt.parameters.customClaims[].claim 1 253
operations[].operationPolicies.request[].AddHeader.parameters.headerName 1 256
operations[].operationPolicies.request[].AddHeader.parameters.headerValue - 8192
operations[].operationPolicies.request[].SetHeader.parameters.headerName 1 256
operations[].operationPolicies.request[].SetHeader.parameters.headerValue - 8192
operations[].operationPolicies.request[].RemoveHeader.parameters.headerName 1 256
operations[].operationPolicies.request[].RemoveHeader.parameters.headerValue - 8192
operations[].operationPolicies.request[].RequestMirror.parameters.urls - 10
operations[].operationPolicies.request[].RequestMirror.parameters.urls[] 1 2048
operations[].operationPolicies.request[].RequestRedirect.parameters.url 1 2048
operations[].operationPolicies.request[].RequestRedirect.parameters.statusCode 301 302
operations[].operationPolicies.request[].ModelBasedRoundRobin.parameters.onQuotaExceedSuspendDuration 0 2147483647
operations[].operationPolicies.request[].ModelBasedRoundRobin.parameters.productionModels - 20
operations[].operationPolicies.request[].ModelBasedRoundRobin.parameters.productionModels[].model 1 253
operations[].operationPolicies.request[].ModelBasedRoundRobin.parameters.productionModels[].endpoint 1 2048
operations[].operationPolicies.request[].ModelBasedRoundRobin.parameters.productionModels[].weight 0 1000000
operations[].operationPolicies.request[].LuaInterceptor.parameters.name 1 64
operations[].operationPolicies.request[].LuaInterceptor.parameters.sourceCode 1 65536
operations[].operationPolicies.request[].LuaInterceptor.parameters.sourceCodeRef.name 1 253
operations[].operationPolicies.request[].LuaInterceptor.parameters.sourceCodeRef.key 1 253
operations[].operationPolicies.request[].LuaInterceptor.parameters.sourceCodeRef 1 253
operations[].operationPolicies.request[].WASMInterceptor.parameters.name 1 64
operations[].operationPolicies.request[].WASMInterceptor.parameters.rootId 1 256
operations[].operationPolicies.request[].WASMInterceptor.parameters.url 1 2048
operations[].operationPolicies.request[].WASMInterceptor.parameters.sha256 64 64
operations[].operationPolicies.request[].WASMInterceptor.parameters.image 1 2048
operations[].operationPolicies.request[].WASMInterceptor.parameters.config - 65536
operations[].operationPolicies.request[].WASMInterceptor.parameters.hostKeys[] 1 256
corsConfiguration.accessControlAllowMaxAge -1 2147483647
authentication[].OAuth2.headerName 1 256
authentication[].OAuth2.queryParamName 1 256
authentication[].JWT.headerName 1 256
authentication[].JWT.queryParamName 1 256
authentication[].APIKey.headerName 1 256
authentication[].APIKey.queryParamName 1 256
authentication[].mTLS.certificates[].name 1 253
authentication[].mTLS.certificates[].key 1 253
graphql.maxDepth 0 1000000
graphql.maxComplexity 0 1000000
graphql.maxAliases 0 1000000
graphql.maxBatch 0 100
graphql.subscriptions.idleTimeout 1 86400
graphql.subscriptions.maxDuration 1 2592000
graphql.subscriptions.messagesPerSecond 1 1000000
grpc.package - 200
operations[].operationPolicies.request[].WordCountGuardrail.parameters.name 1 64
operations[].operationPolicies.request[].WordCountGuardrail.parameters.jsonPath 2 1024
operations[].operationPolicies.request[].WordCountGuardrail.parameters.min 0 10000000
operations[].operationPolicies.request[].WordCountGuardrail.parameters.max 0 10000000
operations[].operationPolicies.request[].SentenceCountGuardrail.parameters.name 1 64
operations[].operationPolicies.request[].SentenceCountGuardrail.parameters.jsonPath 2 1024
operations[].operationPolicies.request[].SentenceCountGuardrail.parameters.min 0 10000000
operations[].operationPolicies.request[].SentenceCountGuardrail.parameters.max 0 10000000
operations[].operationPolicies.request[].ContentLengthGuardrail.parameters.name 1 64
operations[].operationPolicies.request[].ContentLengthGuardrail.parameters.jsonPath 2 1024
operations[].operationPolicies.request[].ContentLengthGuardrail.parameters.min 0 10000000
operations[].operationPolicies.request[].ContentLengthGuardrail.parameters.max 0 10000000
operations[].operationPolicies.request[].RegexGuardrail.parameters.name 1 64
operations[].operationPolicies.request[].RegexGuardrail.parameters.jsonPath 2 1024
operations[].operationPolicies.request[].RegexGuardrail.parameters.regex 1 2000
operations[].operationPolicies.request[].URLGuardrail.parameters.name 1 64
operations[].operationPolicies.request[].URLGuardrail.parameters.jsonPath 2 1024
operations[].operationPolicies.request[].URLGuardrail.parameters.allowedHosts - 100
operations[].operationPolicies.request[].URLGuardrail.parameters.allowedHosts[] 1 253
operations[].operationPolicies.request[].URLGuardrail.parameters.deniedHosts - 100
operations[].operationPolicies.request[].URLGuardrail.parameters.deniedHosts[] 1 253
operations[].operationPolicies.request[].PIIMaskingGuardrail.parameters.name 1 64
operations[].operationPolicies.request[].PIIMaskingGuardrail.parameters.jsonPath 2 1024
operations[].operationPolicies.request[].PIIMaskingGuardrail.parameters.entities - 30
operations[].operationPolicies.request[].PIIMaskingGuardrail.parameters.entities[].name 1 40
operations[].operationPolicies.request[].PIIMaskingGuardrail.parameters.entities[].regex 1 2000
operations[].operationPolicies.request[].JSONSchemaGuardrail.parameters.name 1 64
operations[].operationPolicies.request[].JSONSchemaGuardrail.parameters.jsonPath 2 1024
operations[].operationPolicies.request[].JSONSchemaGuardrail.parameters.schema 2 32768
operations[].operationPolicies.request[].PromptTemplate.parameters.name 1 64
operations[].operationPolicies.request[].PromptTemplate.parameters.jsonPath 2 1024
operations[].operationPolicies.request[].PromptTemplate.parameters.templates - 100
operations[].operationPolicies.request[].PromptTemplate.parameters.templates[].name 1 64
operations[].operationPolicies.request[].PromptTemplate.parameters.templates[].prompt 1 16384
operations[].operationPolicies.request[].PromptDecorator.parameters.name 1 64
operations[].operationPolicies.request[].PromptDecorator.parameters.jsonPath 2 1024
operations[].operationPolicies.request[].PromptDecorator.parameters.messages - 20
operations[].operationPolicies.request[].PromptDecorator.parameters.messages[].role 1 40
operations[].operationPolicies.request[].PromptDecorator.parameters.messages[].content 1 16384
endpointConfigurations.production.priority 0 9
aiProvider.prices.currency 3 3
aiProvider.prices.models - 100
aiProvider.prices.models[].model 1 100
aiProvider.prices.models[].prompt 1 20
aiProvider.prices.models[].completion 1 20
operations[].loadBalancing.hashOn.header 1 128
operations[].loadBalancing.hashOn.cookie 1 64
operations[].loadBalancing.healthCheck.path 1 512
operations[].loadBalancing.healthCheck.service 1 256
operations[].loadBalancing.healthCheck.statusCodes - 20
operations[].loadBalancing.healthCheck.statusCodes[] 100 599
operations[].loadBalancing.healthCheck.intervalSeconds 1 3600
operations[].loadBalancing.healthCheck.timeoutSeconds 1 3600
operations[].loadBalancing.healthCheck.unhealthyThreshold 1 1000
operations[].loadBalancing.healthCheck.healthyThreshold 1 1000
operations[].loadBalancing.outlierDetection.gatewayErrors 1 1000
operations[].loadBalancing.outlierDetection.serverErrors 1 1000
operations[].loadBalancing.outlierDetection.intervalSeconds 1 3600
operations[].loadBalancing.outlierDetection.ejectionSeconds 1 3600
operations[].loadBalancing.outlierDetection.maxEjectionPercent 1 100
operations[].operationPolicies.request[].IPRestriction.parameters.allow - 200
operations[].operationPolicies.request[].IPRestriction.parameters.allow[] 1 64
operations[].operationPolicies.request[].IPRestriction.parameters.deny - 200
operations[].operationPolicies.request[].IPRestriction.parameters.deny[] 1 64
operations[].operationPolicies.request[].BasicAuthentication.parameters.secretName 1 253
operations[].operationPolicies.request[].BasicAuthentication.parameters.secretKey 1 253
operations[].operationPolicies.request[].BasicAuthentication.parameters.userHeader 1 128
operations[].operationPolicies.request[].ExternalAuthorization.parameters.url 1 2048
operations[].operationPolicies.request[].ExternalAuthorization.parameters.requestHeaders - 30
operations[].operationPolicies.request[].ExternalAuthorization.parameters.requestHeaders[] 1 128
operations[].operationPolicies.request[].ExternalAuthorization.parameters.backendHeaders - 30
operations[].operationPolicies.request[].ExternalAuthorization.parameters.backendHeaders[] 1 128
operations[].operationPolicies.request[].ExternalAuthorization.parameters.removedHeaders - 30
operations[].operationPolicies.request[].ExternalAuthorization.parameters.removedHeaders[] 1 128
operations[].operationPolicies.request[].ExternalAuthorization.parameters.responseHeaders - 30
operations[].operationPolicies.request[].ExternalAuthorization.parameters.responseHeaders[] 1 128
operations[].operationPolicies.request[].ExternalAuthorization.parameters.bodyBytes 1 1048576
operations[].operationPolicies.request[].ExternalAuthorization.parameters.timeoutMillis 1 60000
operations[].operationPolicies.request[].ExternalAuthorization.parameters.tlsSecretName 1 253
operations[].operationPolicies.request[].ExternalAuthorization.parameters.tlsSecretKey 1 253
operations[].operationPolicies.request[].FaultInjection.parameters.delayMillis 1 60000
operations[].operationPolicies.request[].FaultInjection.parameters.delayPercent 1 100
operations[].operationPolicies.request[].FaultInjection.parameters.statusCode 400 599
operations[].operationPolicies.request[].FaultInjection.parameters.statusPercent 1 100
operations[].operationPolicies.request[].MockResponse.parameters.statusCode 200 599
operations[].operationPolicies.request[].MockResponse.parameters.contentType 3 128
operations[].operationPolicies.request[].MockResponse.parameters.body - 65536
operations[].operationPolicies.request[].JSONToXML.parameters.root 1 64
operations[].operationPolicies.request[].URLRewrite.parameters.path 1 512
operations[].operationPolicies.response[].ResponseCache.parameters.lifetimeSeconds 0 86400
operations[].operationPolicies.response[].ResponseCache.parameters.maxBodyBytes 1 65536
apiPolicies.request[].BrowserSignIn.parameters.clientId 1 256
apiPolicies.request[].BrowserSignIn.parameters.secretName 1 253
apiPolicies.request[].BrowserSignIn.parameters.clientSecretKey 1 253
apiPolicies.request[].BrowserSignIn.parameters.sessionSecretKey 1 253
apiPolicies.request[].BrowserSignIn.parameters.scopes - 50
apiPolicies.request[].BrowserSignIn.parameters.scopes[] 1 256
apiPolicies.request[].BrowserSignIn.parameters.authorizationEndpoint 1 2048
apiPolicies.request[].BrowserSignIn.parameters.tokenEndpoint 1 2048
apiPolicies.request[].BrowserSignIn.parameters.endSessionEndpoint 1 2048
apiPolicies.request[].BrowserSignIn.parameters.callbackPath 1 256
apiPolicies.request[].BrowserSignIn.parameters.signOutPath 1 256
apiPolicies.request[].BrowserSignIn.parameters.tlsSecretName 1 253
apiPolicies.request[].BrowserSignIn.parameters.tlsSecretKey 1 253
"""  # noqa: E501 - a line for each field of the schema
"""Path, least and most; a text has its lengths, a list its length. `-` where there is no bound."""

SCHEMA = json_schema(POLICIES)
KEYWORDS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
)


def bounded(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """A line for each field with a bound; a value of a type field is a part of the path."""
    if reference := schema.get("$ref"):
        schema = SCHEMA["definitions"][reference.removeprefix("#/definitions/")]
    for least, most in KEYWORDS:
        if least in schema or most in schema:
            yield f"{path.strip('.')} {schema.get(least, '-')} {schema.get(most, '-')}"
    for name, inner in schema.get("properties", {}).items():
        yield from bounded(inner, f"{path}.{name}")
    if "items" in schema:
        yield from bounded(schema["items"], f"{path}[]")
    for inner in (*schema.get("allOf", ()), *schema.get("anyOf", ())):
        yield from branch(inner, path)


def branch(schema: dict[str, Any], path: str) -> Iterator[str]:
    """An alternative; one that a type selects has the type as a part of its path."""
    if "then" not in schema:
        yield from bounded(schema, path)
        return
    (condition,) = schema["if"]["properties"].values()
    yield from bounded(schema["then"], f"{path}.{condition['const']}")


def test_each_bound_is_as_listed() -> None:
    """Only the listed fields: a new field does not need a line here."""
    listed = BOUNDS.strip().splitlines()
    fields = {line.split()[0] for line in listed}
    found = dict.fromkeys(line for line in bounded(SCHEMA) if line.split()[0] in fields)
    assert sorted(found) == sorted(listed)
