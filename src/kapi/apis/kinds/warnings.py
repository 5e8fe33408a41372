"""Warnings about operations of a conf, for all kinds of APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapi.apis import report as codes
from kapi.errors import Diagnostic

if TYPE_CHECKING:
    from kapi.apis.model.conf import OperationConf


def warning(code: str, message: str, hint: str, operation: OperationConf) -> Diagnostic:
    """A warning at the place of the operation in the conf."""
    mark = operation.mark
    place = (mark.pointer, mark.line, mark.column)
    return Diagnostic(code, message, hint, *place, "warning", "apkConfiguration")


def not_in_definition(
    operation: OperationConf,
    shown: str = "",
    hint: str = "Add it to the definition, or remove it here.",
) -> Diagnostic:
    """The definition does not have the operation. `shown` is its name, if not verb and target."""
    message = (
        f"{shown or f'{operation.verb} {operation.target}'} is not in the definition"
    )
    return warning(codes.NOT_IN_DEFINITION, message, hint, operation)
