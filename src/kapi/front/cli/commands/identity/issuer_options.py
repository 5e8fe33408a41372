"""The options of `kapi issuer add`: one per field of a declaration, one per preset parameter.

The fields are a table; the parameters are those of the presets, so that a new preset needs no
change here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kapi.dataclass import dataclass
from kapi.errors import KapiError
from kapi.front.cli.output import usage
from kapi.identity.issuers.presets import PRESETS

_PARAMETER = "preset_"
"""Prefix of the names of preset parameters, as `--organization` is also another option."""


@dataclass(frozen=True, slots=True)
class DeclarationOption:
    """An option, the field of the issuers API that it fills, and how its value is read."""

    flag: str
    field: str
    help: str
    type: Any = str
    default: Any = None
    read: Callable[[str, Any], Any] | None = None
    """Called with the flag and the value; None takes the value as it is."""
    shown: bool | str = False
    """The default as the help shows it."""

    def parameter(self) -> inspect.Parameter:
        """The parameter that typer makes the option of."""
        option = typer.Option(self.flag, help=self.help, show_default=self.shown)
        return _keyword(self.field, self.type, self.default, option)


def _many(flag: str, field: str, help_text: str, **more: Any) -> DeclarationOption:
    return DeclarationOption(
        flag, field, f"{help_text} May be repeated.", list[str], **more
    )


def _file(flag: str, field: str, help_text: str) -> DeclarationOption:
    return DeclarationOption(flag, field, help_text, Path, read=_content)


def _content(_flag: str, path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KapiError(
            "input", f"cannot read {path}", hint="Name a readable PEM file."
        ) from error


def _pairs(_flag: str, values: list[str]) -> dict[str, str]:
    return dict(text.partition("=")[::2] for text in values)


def _complete_pairs(flag: str, values: list[str]) -> dict[str, str]:
    pairs = _pairs(flag, values)
    if not all(pairs.values()):
        usage(f"{flag} takes NAME=VALUE", f"For example {flag} org_id=organization.")
    return pairs


OPTIONS = (
    _many("--audience", "audiences", "Accepted `aud`."),
    DeclarationOption(
        "--for",
        "organization",
        "Whose APIs accept its tokens: an organization, apk-system, or *.",
        default="*",
        shown=True,
    ),
    _many("--in", "environments", "Environment whose APIs accept its tokens."),
    _many(
        "--organization-name",
        "organizations",
        "VALUE=NAME: the name here of the organization that tokens call VALUE.",
        read=_complete_pairs,
    ),
    DeclarationOption(
        "--jwks", "jwksUri", "JWKS URL; by default that of the discovery document."
    ),
    DeclarationOption(
        "--discovery", "discovery", "Discovery document, if not below the issuer."
    ),
    _file("--ca", "ca", "PEM file with the authority of the issuer's TLS certificate."),
    _file(
        "--certificate",
        "certificate",
        "PEM file with the signing certificate, instead of a JWKS.",
    ),
    _file(
        "--public-key", "publicKey", "PEM file with the public key, instead of a JWKS."
    ),
    _many("--algorithm", "algorithms", "Accepted signature algorithm."),
    _many("--typ", "types", "Accepted header `typ`."),
    DeclarationOption(
        "--clock-skew",
        "clockSkew",
        "Seconds that its clock may differ.",
        int,
        shown="5",
    ),
    DeclarationOption(
        "--client-claim", "consumerKeyClaim", "Claim that names the client."
    ),
    _many("--scopes-claim", "scopesClaims", "Claim that contains scopes."),
    _many(
        "--claim",
        "claimMappings",
        "REMOTE=LOCAL: forward this claim to backends as this header.",
        read=_complete_pairs,
    ),
    _many(
        "--require",
        "requiredClaims",
        "CLAIM or CLAIM=VALUE of every token.",
        read=_pairs,
    ),
    DeclarationOption(
        "--id-tokens",
        "idTokens",
        "Accept its ID tokens too, for a provider without verifiable access tokens.",
        bool,
        default=False,
        read=lambda _flag, given: given or None,
    ),
)
"""The fields of a declaration that are options, in the order of the help."""


def with_declaration_options(
    *, before: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of declarations and presets, before its parameter `before`.

    The command receives them as keywords and reads them with `declared`.
    """

    def extended(command: Callable[..., None]) -> Callable[..., None]:
        options = [*(option.parameter() for option in OPTIONS), *_preset_parameters()]
        _extend(command, options, before)
        return command

    return extended


def with_preset_options(
    *, before: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of presets alone; it reads them with `preset_values`."""

    def extended(command: Callable[..., None]) -> Callable[..., None]:
        _extend(command, [*_preset_parameters()], before)
        return command

    return extended


def _extend(
    command: Callable[..., None], options: list[inspect.Parameter], before: str
) -> None:
    """Put options into the signature that typer reads."""
    signature = inspect.signature(command, eval_str=True)
    own = [
        item for item in signature.parameters.values() if item.kind != item.VAR_KEYWORD
    ]
    at = [item.name for item in own].index(before)
    parameters = [*own[:at], *options, *own[at:]]
    keywords = [item.replace(kind=item.KEYWORD_ONLY) for item in parameters]
    command.__signature__ = signature.replace(parameters=keywords)  # type: ignore[attr-defined]


def declared(options: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the issuers API that the given options make, without what was not given."""
    body: dict[str, Any] = {"parameters": preset_values(options)}
    for option in OPTIONS:
        value = options[option.field]
        if option.read and value is not None:
            value = option.read(option.flag, value)
        if value is not None:
            body[option.field] = value
    return body


def preset_values(options: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of the preset that were given."""
    parameters: dict[str, str] = {}
    for name, value in options.items():
        if name.startswith(_PARAMETER) and value is not None:
            parameters[name.removeprefix(_PARAMETER)] = value
    return parameters


def _preset_parameters() -> Iterator[inspect.Parameter]:
    """One option for each name; its help says what it is for each preset that has it."""
    uses: dict[str, dict[str, list[str]]] = {}
    for preset in PRESETS:
        for parameter in preset.parameters:
            uses.setdefault(parameter.name, {}).setdefault(parameter.help, []).append(
                preset.name
            )
    for name, helps in uses.items():
        text = "; ".join(
            f"{', '.join(presets)}: {what}" for what, presets in helps.items()
        )
        option = typer.Option(
            f"--{name}",
            help=f"{text}.",
            show_default=False,
        )
        yield _keyword(f"{_PARAMETER}{name}", str, None, option)


def _keyword(name: str, kind: Any, default: Any, option: Any) -> inspect.Parameter:
    annotation = kind
    if default is None:
        annotation = kind | None
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation, option],
    )
