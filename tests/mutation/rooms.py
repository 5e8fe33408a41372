"""Which modules are mutated, and the tests of each: the ones that a person would run after a change
there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Room:
    """Modules by glob patterns under `src/kapi`, without those of rooms before this one.

    `tests` are files and folders under `tests`, quick ones first; `select` is pytest's `-k`, by
    which a room takes its own golden files only. It leaves out `SLOW`.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    select: str = ""


SLOW = (
    # Envoy loads what the golden files say; a fault here changes that before.
    "real_envoy",
    # Documents made at random, for the WebAssembly modules, which are not mutated.
    "what_is_executed",
    "server_reads",
    "persisted_queries_take",
    "valid_documents_pass",
    "json_is_read",
    "thousand_apis",
)
"""Parts of the names of tests that take long and notice no fault that the others do not."""

ROOMS = (
    Room(
        ("identity/client_authentication/*.py",),
        ("identity/test_client_authentication.py",),
    ),
    *(
        Room(
            (f"identity/grants/{module}.py",),
            tuple(f"identity/{name}.py" for name in tests),
        )
        for module, tests in (
            ("authorization_code", ("test_authorization_code",)),
            ("ciba", ("test_ciba",)),
            ("device_code", ("test_device",)),
            ("jwt_bearer", ("test_jwt_bearer",)),
            ("password", ("test_password_grant",)),
            ("refresh_token", ("test_refresh",)),
            ("token_exchange", ("test_token_exchange", "test_third_party_exchange")),
            ("*", ("test_token_endpoint", "test_discovery", "test_registration")),
        )
    ),
    Room(
        ("identity/minting/*.py",),
        tuple(
            f"identity/{name}.py"
            for name in (
                "test_verify",
                "test_token_endpoint",
                "test_token_formats",
                "test_third_party_exchange",
            )
        ),
    ),
    *(
        Room(
            (f"identity/tokens/{module}.py",),
            tuple(f"identity/{name}.py" for name in tests),
        )
        for module, tests in (
            (
                "exchanged_tokens",
                ("test_token_exchange", "test_third_party_exchange", "test_accounts"),
            ),
            ("third_party_tokens", ("test_third_party_exchange",)),
            (
                "person_tokens",
                (
                    "test_authorization_code",
                    "test_openid",
                    "test_refresh",
                    "test_response_types",
                    "test_resource_tokens",
                ),
            ),
            ("hashes", ("test_openid",)),
            (
                "sender_constraint",
                (
                    "test_dpop",
                    "test_introspection_revocation",
                    "test_client_authentication",
                ),
            ),
            (
                "access_tokens",
                ("test_introspection_revocation", "test_openid", "test_accounts"),
            ),
            (
                "*",
                (
                    "test_token_endpoint",
                    "test_token_formats",
                    "test_introspection_revocation",
                    "test_resource_tokens",
                    "test_taken_away",
                ),
            ),
        )
    ),
    Room(("identity/issuers/verify.py",), ("identity/test_verify.py",)),
    Room(
        ("identity/issuers/trials/token.py",),
        ("identity/test_token_trials.py",),
    ),
    Room(
        ("identity/issuers/trials/issuer.py",),
        ("identity/test_issuer_trials.py",),
    ),
    Room(
        ("front/web/identity/repeated_requests.py",),
        ("identity/test_repeated_requests.py",),
    ),
    Room(("fetch.py",), ("test_fetch.py",)),
    Room(
        (
            "policies/limits/*.py",
            "policies/admission.py",
            "policies/callers/subscriptions.py",
        ),
        (
            "policies/test_policies.py",
            "policies/test_policy_bounds.py",
            "policies/test_admission.py",
            "golden",
        ),
        "test_policies or policy_bounds or test_admission or limit or subscription",
    ),
    Room(
        (
            "policies/authentication/*.py",
            "policies/rbac.py",
            "policies/callers/**/*.py",
            "jose/claim_names.py",
            "jose/token_kinds.py",
        ),
        ("policies/test_policies.py", "policies/test_policy_bounds.py", "golden"),
        "test_policies or policy_bounds or authentication or sign_in or scope or subscription"
        " or token"
        " or mtls or ip_restriction or external_authorization",
    ),
    Room(
        ("policies/guardrails/*.py",),
        (
            "policies/test_policy_bounds.py",
            "policies/test_guardrails.py",
            "golden",
            "policies/test_guardrails_module.py",
        ),
        "policy_bounds or guardrails",
    ),
    Room(
        ("policies/**/*.py",),
        (
            "policies/test_policies.py",
            "policies/test_policy_bounds.py",
            "golden",
            "policies/test_graphql_checks.py",
            "policies/test_mcp_checks.py",
            "policies/test_models_module.py",
            "policies/test_validation_module.py",
            "policies/test_cache_module.py",
        ),
        "test_policies or policy_bounds or cors or cache or header or endpoint or interceptor"
        " or lua or wasm or mirror or redirect or backend_jwt or mediation or policies or graphql"
        " or grpc or mcp or stream or models or validation or mock or compression or fault"
        " or rewrite or balancing or authorization or basic_auth or xml or ai_",
    ),
    Room(
        ("gateway/deployment/proto_compiler.py",), ("gateway/test_proto_compiler.py",)
    ),
    Room(
        ("gateway/deployment/*.py",),
        (
            "gateway/test_gateway_deployer.py",
            "gateway/test_secrets.py",
            "gateway/test_other_nodes.py",
        ),
    ),
    Room(
        ("gateway/envoy/stream/kept.py",),
        ("gateway/test_kept_encodings.py",),
    ),
    Room(
        ("gateway/envoy/stream/*.py",),
        (
            "gateway/test_delta.py",
            "gateway/test_gateway_stream.py",
            "gateway/test_wire.py",
        ),
    ),
    *(
        Room(
            (f"gateway/mcp_changes/{module}.py",),
            tuple(f"gateway/test_mcp_{name}.py" for name in tests),
        )
        for module, tests in (
            ("events", ("waiting", "times", "feeds")),
            ("feed", ("feeds", "times")),
            ("listening", ("feeds", "listening")),
            ("session", ("times", "waiting", "listening")),
            ("sessions", ("sessions",)),
            ("upstream", ("upstream",)),
        )
    ),
    Room(
        ("gateway/shared_limits/wire.py", "gateway/shared_limits/counting.py"),
        ("gateway/test_shared_limits.py",),
    ),
    Room(
        ("apis/collections/drafts.py",),
        ("apis/test_collections.py", "web/test_console_trying.py"),
    ),
    Room(("apis/collections/*.py",), ("apis/test_collections.py",)),
    *(
        Room(
            (f"front/web/console/{module}.py",),
            tuple(f"web/test_console{name}.py" for name in tests),
        )
        for module, tests in (
            ("sessions", ("",)),
            ("calling", ("_calling", "_pages")),
            ("sign_in", ("_sign_in",)),
            ("console", ("_sign_in", "_pages")),
            ("token_checks", ("_token_checks",)),
            ("people_pages", ("_people",)),
            ("summary", ("_figures", "")),
            ("trying/pages", ("_try_pages",)),
            ("trying/form", ("_try_pages",)),
            ("trying/tokens", ("_tokens",)),
            ("trying/*", ("_trying",)),
            ("editing/applications", ("_applications",)),
            ("editing/*", ("_editing", "_forms")),
            ("*", ("_pages", "_forms", "")),
        )
    ),
    Room(
        tuple(
            f"front/web/declared/kinds/{name}.py"
            for name in ("clients", "users", "issuers")
        ),
        ("web/test_declared_people.py",),
    ),
    Room(("front/web/declared/kinds/*.py",), ("web/test_declared_kinds.py",)),
    Room(("front/web/declared/sealed.py",), ("web/test_sealed.py",)),
    Room(("front/web/declared/applying.py",), ("web/test_applying.py",)),
    Room(
        ("front/web/http/preconditions.py", "store/engine/conditions.py"),
        ("web/test_preconditions.py",),
    ),
)
