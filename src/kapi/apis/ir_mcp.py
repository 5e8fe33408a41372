"""What the IR of an API has for MCP: tools, what lists show besides, and headers."""

from __future__ import annotations

from kapi.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class McpTool:
    """An operation of a REST API as a tool of an MCP server."""

    name: str
    verb: str
    target: str
    """Verb and target of the operation."""
    template: tuple[str, ...]
    """How a request is made from its arguments; `wasm/admission/src/mcp_tools.rs` reads it."""
    shown: str = ""
    """The members of the tool in lists besides its name, as a JSON object."""


@dataclass(frozen=True, slots=True)
class McpListed:
    """A prompt, resource or template that one of several MCP servers behind an API shows."""

    member: str
    """The member of a result that lists it: prompts, resources, resourceTemplates."""
    name: str
    """Its name, URI or template, with the prefix of its server."""
    shown: str
    """The item of the list, as a JSON object."""


@dataclass(frozen=True, slots=True)
class McpHeader:
    """A header in which calls of a tool of an MCP server repeat an argument."""

    tool: str
    header: str
    """In small letters."""
    type: str
    """Of the argument: string, integer or boolean."""
    path: tuple[str, ...]
    """Names of members, from the arguments to the value."""
