"""APK's error numbers, and kapi's own beside them: one table. Each raise site names an entry.

An entry says the number, the usual HTTP status, and the usual text. Callers see the number as
`code`. Numbers of APK keep APK's meaning; APK uses some of them for several faults, and so does
kapi. The numbers from 900941 to 900978 are kapi's. docs/errors.md and the served OpenAPI document
explain them.
"""

from __future__ import annotations

from typing import Final

from kapi.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A number with its usual HTTP status and text."""

    number: str
    status: int
    text: str


# Credentials and authorization: answers of the gateway and of the system APIs.
UNEXPECTED: Final = ErrorCode("900900", 500, "Internal Server Error")
INVALID_CREDENTIALS: Final = ErrorCode("900901", 401, "Invalid Credentials")
MISSING_CREDENTIALS: Final = ErrorCode("900902", 401, "Missing Credentials")
TOKEN_EXPIRED: Final = ErrorCode("900903", 401, "Access Token Expired")
RESOURCE_FORBIDDEN: Final = ErrorCode("900908", 403, "Resource forbidden")
SCOPE_MISSING: Final = ErrorCode(
    "900910",
    403,
    "The access token does not allow you to access the requested resource",
)
ADDRESS_REFUSED: Final = ErrorCode("900805", 403, "Message blocked")

# Limits: answers of the gateway.
API_THROTTLED: Final = ErrorCode("900800", 429, "Message throttled out")
OPERATION_THROTTLED: Final = ErrorCode("900802", 429, "Message throttled out")

# Calls that the gateway could not carry.
CHECK_FAILED: Final = ErrorCode("102500", 500, "Unclassified Validation Failure")
UPSTREAM_CONNECTION_FAILED: Final = ErrorCode(
    "102503", 503, "Upstream connection failed"
)
UPSTREAM_TIMEOUT: Final = ErrorCode("102504", 504, "Upstream connection timeout")
UPSTREAM_OVERFLOW: Final = ErrorCode("102505", 503, "Upstream overflow")
UPSTREAM_ATTEMPTS: Final = ErrorCode(
    "102506", 500, "Upstream maximum connect attempts reached"
)
UPSTREAM_NOT_CONFIGURED: Final = ErrorCode(
    "102507", 500, "Upstream not configured for the resource"
)
UPSTREAM_UNHEALTHY: Final = ErrorCode("102508", 503, "No healthy upstream")
UPSTREAM_RESET: Final = ErrorCode(
    "102509", 503, "Upstream connection reset by the remote"
)
UPSTREAM_TERMINATED: Final = ErrorCode("102510", 503, "Upstream connection termination")
RESET_BY_GATEWAY: Final = ErrorCode("102511", 503, "Connection reset by the gateway")
INVALID_ENVOY_HEADERS: Final = ErrorCode(
    "102512", 400, "Strictly checked header validation failure"
)
STREAM_IDLE: Final = ErrorCode("102513", 500, "Stream idle timeout")
DOWNSTREAM_PROTOCOL: Final = ErrorCode(
    "102514", 500, "HTTP protocol error in downstream request"
)
UPSTREAM_PROTOCOL: Final = ErrorCode(
    "102515", 500, "HTTP protocol error in upstream request"
)
UPSTREAM_DURATION: Final = ErrorCode(
    "102516", 500, "Upstream request reached max stream duration"
)

# Generating and deploying APIs.
INVALID_DEFINITION: Final = ErrorCode("90091", 400, "Invalid API Definition")
NOT_FOUND: Final = ErrorCode("909001", 404, "Not found")
API_ID_MISSING: Final = ErrorCode("909005", 400, "apiId is required once")
INVALID_REQUEST: Final = ErrorCode("909018", 400, "Invalid API request")
INVALID_AUTHENTICATION: Final = ErrorCode("909018", 400, "Invalid authtypes provided")
POLICIES_AT_BOTH_LEVELS: Final = ErrorCode(
    "909025",
    400,
    "Presence of both resource level and API level operation policies is not allowed",
)
RATE_LIMITS_AT_BOTH_LEVELS: Final = ErrorCode(
    "909026",
    400,
    "Presence of both resource level and API level rate limits is not allowed",
)
GATEWAY_REFUSED: Final = ErrorCode(
    "909028", 400, "The gateway refused the configuration"
)
GATEWAY_UNAVAILABLE: Final = ErrorCode("909028", 503, "The gateway did not confirm")
INVALID_CONF: Final = ErrorCode("909029", 400, "Invalid apk-conf provided")
VALUE_UNUSABLE: Final = ErrorCode("909030", 400, "A deployed API cannot use this value")
INVALID_URL: Final = ErrorCode(
    "909044", 406, "Invalid url provided for openapi definition"
)
NOT_EXPRESSIBLE: Final = ErrorCode("909052", 400, "Kubernetes cannot express this API")

# The system APIs. From here on the numbers are kapi's.
DATABASE_BUSY: Final = ErrorCode("900941", 503, "The database is busy")
DATABASE_UNREACHABLE: Final = ErrorCode("900943", 503, "The database does not answer")
DISK_FULL: Final = ErrorCode("900942", 507, "The disk is full")
OBJECT_CHANGED: Final = ErrorCode("900944", 412, "The object has changed")
OBJECT_EXISTS: Final = ErrorCode("900945", 412, "The object exists")
USER_EXISTS: Final = ErrorCode("900951", 409, "The user exists")
USER_IN_SETTINGS: Final = ErrorCode("900952", 409, "The user is in the settings")
USER_NOT_FOUND: Final = ErrorCode("900953", 404, "The user was not found")
BODY_TOO_LARGE: Final = ErrorCode("900954", 413, "The body is too large")
BODY_NOT_JSON: Final = ErrorCode("900955", 400, "The body is not a JSON object")
INVALID_USER: Final = ErrorCode("900956", 400, "Invalid user")
TOO_MANY_REQUESTS: Final = ErrorCode("900957", 429, "Too many requests at once")
TOO_BUSY: Final = ErrorCode("900958", 503, "Too busy")
TOO_MUCH_WORK: Final = ErrorCode("900959", 413, "The document needs too much work")
INVALID_ISSUER: Final = ErrorCode("900960", 400, "Invalid issuer")
ISSUER_NOT_FOUND: Final = ErrorCode("900961", 404, "The issuer was not found")
UNKNOWN_ORGANIZATION: Final = ErrorCode("900962", 403, "Unknown organization")
ISSUER_EXISTS: Final = ErrorCode("900963", 409, "The issuer exists")
OTHER_ORGANIZATION: Final = ErrorCode("900964", 403, "Not your organization")
INVALID_SYSTEM_REQUEST: Final = ErrorCode("900970", 400, "Invalid request")
UNKNOWN_ALGORITHM: Final = ErrorCode("900971", 400, "Unknown signature algorithm")
TOO_MANY_KEYS: Final = ErrorCode("900972", 409, "There are too many keys")
KEY_NOT_PUBLISHED: Final = ErrorCode("900973", 409, "The key is not published")
KEY_ACTIVE: Final = ErrorCode("900974", 409, "The key is active")
KEY_NOT_FOUND: Final = ErrorCode("900975", 404, "The key was not found")
CALL_NOT_FOUND: Final = ErrorCode("900976", 404, "The call was not found")
SESSION_NOT_FOUND: Final = ErrorCode("900977", 404, "The session was not found")
CONSENT_NOT_FOUND: Final = ErrorCode("900978", 404, "The consent was not found")
# The clients API shares three numbers with the keys API.
INVALID_CLIENT: Final = ErrorCode("900971", 400, "Invalid client")
CLIENT_IN_SETTINGS: Final = ErrorCode("900972", 409, "Not a registered client")
CLIENT_NOT_FOUND: Final = ErrorCode("900973", 404, "The client was not found")
