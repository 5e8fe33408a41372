"""What the fields of the format itself mean, for hover texts in editors. Read by `schema.py`.

The key is the end of a field's path, as long as is needed to tell it apart; a leading dot is the
top of the file.
"""

from __future__ import annotations

from typing import Final

from kapi.apis.ai_providers import BUILT_IN

DESCRIPTIONS: Final[dict[str, str]] = {
    ".id": (
        "Id of the API; sha1 of organization, name and version when left out. Deploying an id "
        "again replaces the API."
    ),
    ".name": "Name of the API.",
    ".basePath": (
        "Where the API answers: begins with `/`. The version is appended unless it is the last "
        "segment already."
    ),
    ".version": 'Version of the API, part of its path. Quote it: `"1.10"` is a text.',
    ".type": (
        "Kind of API. It says what the definition is: OpenAPI, a GraphQL schema or proto files."
    ),
    ".definitionPath": (
        "Where callers get the definition, below the base path; `/api-definition` when left out."
    ),
    ".defaultVersion": "true also serves the base path without the version.",
    ".environment": "Part of the host: `<organization>-<environment>.gw.wso2.com`.",
    ".aiProvider": (
        "The AI provider whose answers the backends give: they say how many tokens a call took."
    ),
    ".operations": "What may be called: verbs on targets.",
    ".apiPolicies": (
        "Policies of all operations. Only interceptors, scripts and backend tokens are also "
        "possible at operations."
    ),
    ".additionalProperties": (
        "Names and values that are kept with the API and shown to interceptors."
    ),
    ".routing": "How paths and addresses are treated between callers and backends.",
    "routing.escapedSlashes": (
        "%2F and %5C in a path: unescape redirects to the path with slashes, reject is 400, keep "
        "passes them on."
    ),
    "operations.target": (
        "Path below the base path. `{x}` is one segment, a last `/*` is anything below."
    ),
    "operations.verb": (
        "GET, PUT, POST, DELETE, PATCH, OPTIONS or HEAD; QUERY, MUTATION or SUBSCRIPTION; the "
        "method of a gRPC service."
    ),
    "operations.operationPolicies": "Policies of this operation.",
    "endpointConfigurations": (
        "Where the backends are. An operation's own replace those of the API, for each kind."
    ),
    "endpointConfigurations.production": "Backend of the production host, or several with weights.",
    "endpointConfigurations.sandbox": "Backend of the sandbox host, or several with weights.",
    "endpoint": "URL of the backend, or a Kubernetes service.",
    "endpoint.name": "Name of the Kubernetes service.",
    "endpoint.namespace": "Namespace of the Kubernetes service.",
    "endpoint.port": "Port of the Kubernetes service.",
    "endpoint.protocol": "http when left out.",
    "certificate": (
        "Who may have signed the certificate of an https backend; the system's authorities when "
        "left out."
    ),
    "certificate.secretName": "Name of the secret that holds the certificates.",
    "certificate.secretKey": "Key of the certificates (PEM) in the secret.",
    "resiliency": "Times, retries and limits of calls to the backend.",
    "resiliency.timeout": "How long the gateway waits, in seconds.",
    "timeout.downstreamRequestIdleTimeout": (
        "Seconds without a byte in either direction; 300 when left out, 0 sets no limit."
    ),
    "timeout.upstreamResponseTimeout": (
        "Seconds for the whole answer, retries included; 60 when left out, 0 sets no limit."
    ),
    "resiliency.retryPolicy": "When a request is tried again.",
    "retryPolicy.count": "Attempts after the first; 1 when left out.",
    "retryPolicy.baseIntervalMillis": (
        "About how long before the first retry, in milliseconds; doubled with each."
    ),
    "retryPolicy.statusCodes": "Answers that are tried again; 504 when left out.",
    "retryPolicy.grpcStatuses": (
        "Statuses of gRPC calls that are tried again; UNAVAILABLE when left out. Only for gRPC "
        "APIs."
    ),
    "resiliency.circuitBreaker": (
        "How much may be under way to the backend at once; more is answered 503."
    ),
    "circuitBreaker.maxConnectionPools": "Connection pools at once.",
    "circuitBreaker.maxConnections": "Connections at once.",
    "circuitBreaker.maxPendingRequests": "Requests that wait for a connection.",
    "circuitBreaker.maxRequests": "Requests under way.",
    "circuitBreaker.maxRetries": "Retries under way.",
    "production.weight": "Share of the requests; 1 when left out, 0 gets none.",
    "sandbox.weight": "Share of the requests; 1 when left out, 0 gets none.",
    "request": "Policies on the way to the backend, in order.",
    "response": "Policies on the way back, in order.",
    "policyName": "Which policy.",
    "policyVersion": "Version of the policy; v1.",
    "policyId": "Id of the policy, kept and not used.",
    "parameters": "What the policy does: a mapping, or a list of keys and values as in APK 2.",
    "parameters.key": "Name of the parameter.",
    "parameters.value": "Its value: a text; JSON if it is not a text.",
    "aiProvider.name": (
        f"{', '.join(dict.fromkeys(name for name, _ in BUILT_IN))}, or one of the settings."
    ),
    "aiProvider.apiVersion": (
        "Version of the provider's API: v1; for AzureAI a date such as 2024-06-01."
    ),
    "aiProvider.prices": "What tokens of the models cost. kapi's own field.",
    "prices.currency": "Code of the currency, such as USD.",
    "prices.models": "Prices by model.",
    "models.model": "Name of a model, or how its name begins; * for any other.",
    "models.prompt": 'Price of a million tokens of prompts, such as "2.50".',
    "models.completion": "Price of a million tokens of completions; 0 when left out.",
    "additionalProperties.name": "Name of the property.",
    "additionalProperties.value": "Value of the property.",
}
