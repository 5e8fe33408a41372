"""Mutants that change nothing that anybody could notice, by name, each with the reason. They are
not in the score.
"""

from __future__ import annotations

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "identity/grants/client_credentials.py",
        "ReplaceTrueWithFalse",
        "quick=True,",
    ): "The same answer is computed in a thread instead of the event loop.",
    (
        "identity/grants/password.py",
        "NumberReplacer",
        'tokens.records.put(_KIND, Record(key_of(once), "", {}, now + 60))',
    ): "The record is used within the same request.",
    (
        "identity/tokens/third_party_tokens.py",
        "NumberReplacer",
        'if (inner := _actors(issuer, act.get("act"), depth + 1)) is not None:',
    ): "A chain that is cut here is refused by the grant for having more than ten actors.",
    (
        "identity/tokens/access_tokens.py",
        "AddNot",
        "if not isinstance(issued, int):",
    ): "The time decides only whether the full check is made; the full check has the same result.",
    (
        "identity/tokens/person_tokens.py",
        "NumberReplacer",
        'issue = _issue(tokens, client, authorization, now, "", 0)',
    ): "The end of a refresh token is not used without one.",
    (
        "identity/tokens/sender_constraint.py",
        "NumberReplacer",
        "status=401,",
    ): "The endpoints answer 401 to every token that they do not accept.",
    (
        "policies/guardrails/patterns.py",
        "NumberReplacer",
        "last = 0",
    ): "It is used only by a repetition right after an opening bracket, which is not valid.",
    (
        "gateway/deployment/proto_compiler.py",
        "NumberReplacer",
        "_SECONDS: Final = 20.0",
    ): "A second more or less for a compiler that hangs.",
    (
        "gateway/deployment/deployed_apis.py",
        "NumberReplacer",
        "_WARM = 512",
    ): "The size of a cache decides how often an API is read from the store.",
    (
        "fetch.py",
        "ReplaceComparisonOperator_LtE_Lt",
        "if deadline <= time.monotonic():",
    ): "It differs for one instant of a clock in nanoseconds.",
    (
        "fetch.py",
        "NumberReplacer",
        "_PIECE = 64 * 1024",
    ): "The size of a piece decides how often the socket is read.",
    (
        "fetch.py",
        "ReplaceTrueWithFalse",
        "timer.daemon = True",
    ): "The timer is cancelled before the call returns.",
    (
        "front/web/identity/repeated_requests.py",
        "NumberReplacer",
        "MOST: Final = 1000",
    ): "The number of decisions in memory decides how often one is made again.",
    (
        "front/web/identity/repeated_requests.py",
        "NumberReplacer",
        "return hashlib.blake2b(text, key=self._key, digest_size=32).digest()",
    ): "A byte more or less of a digest that is never shown.",
    (
        "front/web/console/pages.py",
        "ReplaceTrueWithFalse",
        "lstrip_blocks=True,",
    ): "White space in HTML.",
    (
        "front/web/console/pages.py",
        "ReplaceTrueWithFalse",
        "trim_blocks=True,",
    ): "White space in HTML.",
    (
        "front/web/console/sign_in.py",
        "NumberReplacer",
        "_TOKEN_SECONDS: Final = 15.0",
    ): "A second more or less for a provider that hangs.",
    (
        "front/web/console/calling.py",
        "RemoveStatement",
        "raise AssertionError",
    ): "It is not reached: the wait before it does not end.",
    (
        "front/web/console/editing/fields.py",
        "RemoveStatement",
        "super().__init__(label)",
    ): "An exception keeps the arguments of its constructor by itself.",
    (
        "front/web/console/calling.py",
        "RemoveStatement",
        "super().__init__(status)",
    ): "An exception keeps the arguments of its constructor by itself.",
    (
        "gateway/mcp_changes/session.py",
        "NumberReplacer",
        "opened: int = 0",
    ): "The number of a stream is compared with that of others of the session only.",
    (
        "gateway/mcp_changes/session.py",
        "ReplaceTrueWithFalse",
        'self.events.put(Ended("", gracefully=True))',
    ): "The stream of a session ends in one way only.",
    (
        "gateway/mcp_changes/sessions.py",
        "AddNot",
        "if self._seen < 0:",
    ): "The first look reads older changes too, which it has taken up already.",
    (
        "gateway/mcp_changes/sessions.py",
        "ReplaceComparisonOperator_LtE_Lt",
        "if row.change <= before.change:",
    ): "What is taken up twice changes nothing.",
    (
        "gateway/mcp_changes/sessions.py",
        "NumberReplacer",
        "self._seen = -1",
    ): "The first look reads older changes too, which it has taken up already.",
    (
        "gateway/mcp_changes/sessions.py",
        "NumberReplacer",
        "SWEEP_SECONDS: Final = 30.0",
    ): "A second more or less between two looks for unused sessions.",
    (
        "gateway/mcp_changes/upstream.py",
        "RemoveStatement",
        "await writer.drain()",
    ): "The request is shorter than what a socket takes at once.",
    (
        "gateway/mcp_changes/upstream.py",
        "ReplaceComparisonOperator_LtE_Lt",
        "while not response.ended and len(response.body) <= LARGEST_EVENT:",
    ): "It differs for one length of the part of a line that has come.",
    (
        "gateway/mcp_changes/upstream.py",
        "NumberReplacer",
        "_PIECE: Final = 64 * 1024",
    ): "The size of a piece decides how often the socket is read.",
    (
        "front/web/http/preconditions.py",
        "NumberReplacer",
        "_DIGEST_BYTES: Final = 18",
    ): "An ETag is compared as a whole; a byte more or less of its digest changes no answer.",
}
"""By module, operator and source line."""
