"""Code and services that an API brings: interceptor services, Lua scripts, WebAssembly modules."""
