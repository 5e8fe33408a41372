"""The apk-conf schema as one table, fields of APK 1.0 to 2.0. Called by `reading.py`.

What stands here may be written; what of it is enforced so far stands in `supported.py`.
"""

from __future__ import annotations

from typing import Final

from kapi.apis.conf.shapes import (
    FLAG,
    TEXT,
    Anything,
    ByField,
    Either,
    Items,
    OneOf,
    Record,
    Shape,
    Text,
    Whole,
)

TYPES: Final = ("REST", "GRAPHQL", "GRPC")
CLAIM_TYPES: Final = ("string", "int", "long", "float", "bool", "date")
VERSION_PATTERN: Final = r"""[^~!@#;:%^*()+={}|\\<>"',&/$\[\]\s]+"""
MAX_ALTERNATIVES: Final = 100
"""Most alternatives of scopes at one operation."""
_COUNT: Final = Whole()
_SECONDS: Final = Whole(0, 86_400)
_NAME: Final = Text(1, 253)
_SCOPE_HINT: Final = (
    'A scope is 1 to 256 printable ASCII characters, without blanks, `"` and `\\` (RFC 6749 §3.3).'
)
_SCRIPT_NAME: Final = Text(1, 64, pattern="[A-Za-z0-9._-]+")
_UNIT: Final = Text(one_of=("Minute", "Hour", "Day"))
_TEXTS: Final = Items(TEXT)

_SERVICE: Final = Record(
    {
        "name": Text(1, 63),
        "namespace": Text(1, 63),
        "port": Whole(1, 65535),
        "protocol": Text(one_of=("http", "https")),
    },
    ("name", "namespace", "port"),
)
_SECURITY_TYPE: Final = OneOf((
    Record({"secretName": _NAME, "userNameKey": _NAME, "passwordKey": _NAME}, ("secretName", "userNameKey", "passwordKey")),
    Record(
        {"secretName": _NAME, "in": Text(one_of=("Header", "Query")), "apiKeyNameKey": _NAME, "apiKeyValueKey": _NAME},
        ("secretName", "apiKeyNameKey", "apiKeyValueKey"),
    ),
))  # fmt: skip
_RESILIENCY: Final = Record(
    {
        "timeout": Record(
            {"downstreamRequestIdleTimeout": _SECONDS, "upstreamResponseTimeout": _SECONDS}
        ),
        "retryPolicy": Record(
            {
                "count": Whole(0, 100),
                "baseIntervalMillis": Whole(0, 3_600_000),
                "statusCodes": Items(Whole(100, 599), 100),
            }
        ),
        "circuitBreaker": Record(
            dict.fromkeys(
                (
                    "maxConnectionPools",
                    "maxConnections",
                    "maxPendingRequests",
                    "maxRequests",
                    "maxRetries",
                ),
                _COUNT,
            )
        ),
    }
)
_AI_LIMIT: Final = Whole(1)
_AI_RATE_LIMIT: Final = Record(
    {
        "enabled": FLAG,
        "token": Record(
            {
                **dict.fromkeys(("promptLimit", "completionLimit", "totalLimit"), _AI_LIMIT),
                "unit": _UNIT,
            }
        ),
        "request": Record({"requestLimit": _AI_LIMIT, "unit": _UNIT}),
    },
    ("enabled", "token", "request"),
)
_ENDPOINT: Final = Record(
    {
        "endpoint": Either(_SERVICE, Text(1, 2048)),
        "endpointSecurity": Record({"enabled": FLAG, "securityType": _SECURITY_TYPE}),
        "certificate": Record(
            {"secretName": _NAME, "secretKey": _NAME}, ("secretName", "secretKey")
        ),
        "resiliency": _RESILIENCY,
        "aiRatelimit": _AI_RATE_LIMIT,
        "weight": Whole(0, 1_000_000),
    },
    ("endpoint",),
)
_ENDPOINTS: Final = Record(
    dict.fromkeys(("production", "sandbox"), Either(_ENDPOINT, Items(_ENDPOINT, 50)))
)
_RATE_LIMIT: Final = Record(
    {"requestsPerUnit": Whole(1), "unit": _UNIT}, ("requestsPerUnit", "unit")
)


def _policy(parameters: Shape, *, needed: bool = True) -> Record:
    fields: dict[str, Shape] = {
        "policyName": TEXT,
        "policyVersion": TEXT,
        "policyId": TEXT,
        "parameters": parameters,
    }
    return Record(fields, ("policyName", "parameters") if needed else ("policyName",))


_HEADER: Final = _policy(
    Record({"headerName": Text(1, 256), "headerValue": Text(0, 8192)}, ("headerName",))
)
_MODEL: Final = Items(
    Record({"model": _NAME, "endpoint": Text(1, 2048), "weight": _COUNT}, ("model", "endpoint"))
)
_POLICIES: Final[dict[str, Record]] = {
    "Interceptor": _policy(
        Record(
            {
                "backendUrl": Text(1, 2048),
                **dict.fromkeys(
                    ("headersEnabled", "bodyEnabled", "trailersEnabled", "contextEnabled"), FLAG
                ),
                "tlsSecretName": _NAME,
                "tlsSecretKey": _NAME,
            },
            ("backendUrl",),
        )
    ),
    "BackendJwt": _policy(
        Record(
            {
                "enabled": FLAG,
                "encoding": Text(one_of=("Base64", "Base64Url")),
                "signingAlgorithm": Text(one_of=("SHA256withRSA", "RS256")),
                "header": Text(1, 256),
                "tokenTTL": Whole(1, 365 * 24 * 3600),
                "customClaims": Items(
                    Record(
                        {"claim": _NAME, "value": TEXT, "type": Text(one_of=CLAIM_TYPES)},
                        ("claim", "value"),
                    )
                ),
            }
        ),
        needed=False,
    ),
    "AddHeader": _HEADER,
    "SetHeader": _HEADER,
    "RemoveHeader": _HEADER,
    "RequestMirror": _policy(Record({"urls": Items(Text(1, 2048), 10)}, ("urls",))),
    "RequestRedirect": _policy(
        Record({"url": Text(1, 2048), "statusCode": Whole(301, 302)}, ("url",))
    ),
    "ModelBasedRoundRobin": _policy(
        Record(
            {
                "onQuotaExceedSuspendDuration": _COUNT,
                "productionModels": _MODEL,
                "sandboxModels": _MODEL,
            },
            ("onQuotaExceedSuspendDuration", "productionModels"),
        )
    ),
    "LuaInterceptor": _policy(
        Record(
            {
                "name": _SCRIPT_NAME,
                "sourceCode": Text(1, 64 * 1024),
                "sourceCodeRef": Either(
                    Record({"name": _NAME, "key": _NAME}, ("name", "key")), _NAME
                ),
                "mountInConfigMap": FLAG,
            },
            ("name",),
        )
    ),
    "WASMInterceptor": _policy(
        Record(
            {
                "name": _SCRIPT_NAME,
                "rootId": Text(1, 256),
                "url": Text(1, 2048),
                "sha256": Text(
                    64,
                    64,
                    pattern="[0-9a-f]+",
                    hint="Write the SHA-256 of the module: 64 digits of 0-9 and a-f (sha256sum).",
                ),
                "image": Text(1, 2048),
                "imagePullPolicy": Text(one_of=("Always", "IfNotPresent")),
                "config": Either(Record({}, more=True), Text(0, 64 * 1024)),
                "failOpen": FLAG,
                "hostKeys": Items(
                    Text(
                        1,
                        256,
                        pattern="[A-Za-z_][A-Za-z0-9_]*",
                        hint="Name a variable: letters, digits and `_`, no digit first.",
                    )
                ),
            },
            ("name", "rootId"),
        )
    ),
    **{
        name: _policy(Anything(), needed=False)
        for name in (
            "WordCountGuardrail",
            "SentenceCountGuardrail",
            "ContentLengthGuardrail",
            "PIIMaskingGuardrail",
            "URLGuardrail",
            "RegexGuardrail",
        )
    },
}
_REQUEST_ONLY: Final = ("BackendJwt", "RequestMirror", "RequestRedirect", "ModelBasedRoundRobin")
_RESPONSE_POLICIES: Final = {
    name: record for name, record in _POLICIES.items() if name not in _REQUEST_ONLY
}
_POLICY_LISTS: Final = Record({
    "request": Items(ByField("policyName", _POLICIES), 100),
    "response": Items(ByField("policyName", _RESPONSE_POLICIES), 100),
})  # fmt: skip

_REQUIRED: Final = Text(one_of=("mandatory", "optional"))
_TOKEN: Final[dict[str, Shape]] = {
    "authType": TEXT,
    "required": _REQUIRED,
    "enabled": FLAG,
    "sendTokenToUpstream": FLAG,
    "headerName": Text(1, 256),
    "headerEnable": FLAG,
    "queryParamName": Text(1, 256),
    "queryParamEnable": FLAG,
}
_CERTIFICATES: Final = Items(Record({"name": _NAME, "key": _NAME}, ("name", "key"), more=True))
_AUTHENTICATION: Final = ByField(
    "authType",
    {
        "OAuth2": Record({**_TOKEN, "dpop": _REQUIRED}, ("authType",)),
        "JWT": Record({**_TOKEN, "audience": _TEXTS}, ("authType",)),
        "APIKey": Record(_TOKEN, ("authType",)),
        "mTLS": Record(
            {
                "authType": TEXT,
                "required": _REQUIRED,
                "enabled": FLAG,
                "certificates": _CERTIFICATES,
            },
            ("authType",),
        ),
    },
)
_CORS: Final = Record(
    {
        "corsConfigurationEnabled": FLAG,
        "accessControlAllowCredentials": FLAG,
        "accessControlAllowMaxAge": Whole(-1),
        **dict.fromkeys(
            (
                "accessControlAllowOrigins",
                "accessControlAllowHeaders",
                "accessControlAllowMethods",
                "accessControlExposeHeaders",
            ),
            _TEXTS,
        ),
    }
)
_KEY_MANAGER: Final = Record(
    {
        "name": _NAME,
        "issuer": Text(1, 2048),
        "JWKSEndpoint": Text(1, 2048),
        "claimMappings": Items(
            Record({"localClaim": _NAME, "remoteClaim": _NAME}, ("localClaim", "remoteClaim"))
        ),
        "k8sBackend": Record(
            {"name": _NAME, "namespace": _NAME, "port": Whole(1, 65535)}, ("name", "port")
        ),
    },
    ("name", "issuer", "JWKSEndpoint"),
)
_SCOPES: Final = Items(Text(1, 256, pattern=r"[\x21\x23-\x5b\x5d-\x7e]+", hint=_SCOPE_HINT))
_OPERATION: Final = Record(
    {
        "target": Text(1, 256),
        "verb": Text(1, 64),
        "secured": FLAG,
        "scopes": _SCOPES,
        "scopeAlternatives": Items(_SCOPES, MAX_ALTERNATIVES),
        "endpointConfigurations": _ENDPOINTS,
        "operationPolicies": _POLICY_LISTS,
        "rateLimit": _RATE_LIMIT,
    },
    ("target", "verb"),
)

CONF: Final = Record(
    {
        "id": Text(1, 128, pattern=r"[A-Za-z0-9._-]+"),
        "name": Text(1, 60),
        "basePath": Text(1, 256),
        "version": Text(1, 30, pattern=VERSION_PATTERN),
        "type": Text(one_of=TYPES),
        "definitionPath": Text(1, 256),
        "defaultVersion": FLAG,
        "subscriptionValidation": FLAG,
        "environment": Text(1, 63),
        "endpointConfigurations": _ENDPOINTS,
        "aiProvider": Record({"name": _NAME, "apiVersion": _NAME}, ("name", "apiVersion")),
        "operations": Items(_OPERATION),
        "apiPolicies": _POLICY_LISTS,
        "rateLimit": _RATE_LIMIT,
        "authentication": Items(_AUTHENTICATION),
        "additionalProperties": Items(
            Record({"name": Text(1, 256), "value": Text(0, 4096)}, ("name", "value"), more=True)
        ),
        "corsConfiguration": _CORS,
        "routing": Record(
            {
                "rewriteLocations": FLAG,
                "escapedSlashes": Text(one_of=("unescape", "reject", "keep")),
            }
        ),
        "keyManagers": Items(_KEY_MANAGER),
    },
    ("name", "basePath", "version", "type", "operations"),
)

ELSEWHERE: Final = {
    "context": "Use basePath.",
    "organization": "Remove it: the organization is the one of the token.",
    "vhosts": "Remove it: hosts are made of the organization and environment.",
    "authTypeEnabled": "Use secured.",
    "provider": "Remove it.",
}
"""Names from other APK releases and from API Manager, with what to write instead."""
