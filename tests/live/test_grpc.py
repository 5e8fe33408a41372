"""gRPC APIs with grpcio: a conf generated from a proto file, deployed as generated, called through
Envoy.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from client_keys import certificate as client_certificate
from grpc_backend import PROTO, SERVICE, Backend, name_of, student
from harness import BASIC, Answer, Platform
from interceptor_service import certificate, interceptor
from waiting import until

HOST, SANDBOX = "default.gw.wso2.com", "default.sandbox.gw.wso2.com"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
METHODS = (
    "GetStudent",
    "GetStudentStream",
    "SendStudentStream",
    "SendAndGetStudentStream",
)


class Caller:
    """A gRPC client of one host of the gateway: TLS with ALPN h2, the host as `:authority`."""

    def __init__(
        self,
        platform: Platform,
        host: str = HOST,
        certificate: tuple[bytes | None, bytes | None] = (None, None),
    ) -> None:
        authority = (platform.data_dir / "tls/ca.pem").read_bytes()
        self.channel = grpc.secure_channel(
            f"127.0.0.1:{platform.port}",
            grpc.ssl_channel_credentials(authority, *certificate),
            options=[
                ("grpc.ssl_target_name_override", host),
                ("grpc.enable_retries", 0),
            ],
        )

    def close(self) -> None:
        self.channel.close()

    def method(self, path: str, kind: str = "unary_unary") -> Callable[..., Any]:
        return getattr(self.channel, kind)(path)

    def __call__(
        self,
        path: str,
        name: str = "Ada",
        token: str = "",
        timeout: float = 30,
        **metadata: str,
    ) -> str:
        sent = [(key.replace("_", "-"), value) for key, value in metadata.items()]
        if token:
            sent.append(("authorization", f"Bearer {token}"))
        answer = self.method(path)(student(name), metadata=sent, timeout=timeout)
        return name_of(answer)

    def refused(self, path: str, *arguments: Any, **more: Any) -> grpc.RpcError:
        with pytest.raises(grpc.RpcError) as caught:
            self(path, *arguments, **more)
        return caught.value

    def code(self, path: str, *arguments: Any, **more: Any) -> grpc.StatusCode | None:
        """The status of a call; None for OK."""
        try:
            self(path, *arguments, **more)
        except grpc.RpcError as error:
            return error.code()
        return None


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    running = Backend((SERVICE, "helloworld.Greeter"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def caller(platform: Platform) -> Iterator[Caller]:
    made = Caller(platform)
    yield made
    made.close()


@pytest.fixture(scope="module")
def students(
    platform: Platform, backend: Backend, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The path of the service, deployed as `kapi generate` says."""
    proto = tmp_path_factory.mktemp("proto") / "student.proto"
    proto.write_text(PROTO)
    generate(platform, proto, backend.port, proto.with_suffix(".apk-conf"))
    return f"/{SERVICE}"


def generate(
    platform: Platform, proto: Path, port: int, conf: Path, *more: str
) -> None:
    made = platform.cli(
        "generate",
        str(proto),
        "--type",
        "GRPC",
        "--endpoint",
        f"http://127.0.0.1:{port}",
        *more,
    )
    conf.write_text(made.stdout)
    platform.cli("deploy", str(conf), str(proto))


def test_all_kinds_of_calls_pass_with_a_token(
    platform: Platform, caller: Caller, students: str
) -> None:
    metadata = [("authorization", f"Bearer {platform.token()}")]
    one, many = student("Ada"), lambda: iter([student("Ada"), student("Bob")])

    def call(kind: str, method: str, request: Any) -> Any:
        return caller.method(f"{students}/{method}", kind)(
            request, metadata=metadata, timeout=30
        )

    assert name_of(call(KINDS[0], METHODS[0], one)) == "Ada"
    assert list(map(name_of, call(KINDS[1], METHODS[1], one))) == [
        "Ada 0",
        "Ada 1",
        "Ada 2",
    ]
    assert name_of(call(KINDS[2], METHODS[2], many())) == "Ada, Bob"
    assert list(map(name_of, call(KINDS[3], METHODS[3], many()))) == [
        "hello Ada",
        "hello Bob",
    ]


def test_refusals_are_statuses_of_grpc(
    platform: Platform, caller: Caller, students: str
) -> None:
    missing = caller.refused(f"{students}/GetStudent")
    assert missing.code() is grpc.StatusCode.UNAUTHENTICATED
    assert missing.details().startswith("900902: Missing Credentials")
    challenge = dict(missing.initial_metadata() + missing.trailing_metadata())[
        "www-authenticate"
    ]
    assert challenge.startswith("Bearer")
    wrong = caller.refused(f"{students}/GetStudent", token="a.b.c")
    assert wrong.code() is grpc.StatusCode.UNAUTHENTICATED
    unknown = caller.refused(f"{students}/Nothing", token=platform.token())
    assert unknown.code() is grpc.StatusCode.UNIMPLEMENTED
    assert unknown.details() == "404: The requested resource is not available."
    logged = f'{students}/GetStudent"'
    until(
        lambda: any(
            logged in line and '"grpc_status":16' in line for line in lines(platform)
        )
    )


def lines(platform: Platform) -> list[str]:
    """Of the access log."""
    return (platform.data_dir / "logs/access.log").read_text().splitlines()


def conf(
    base: str, port: int, extra: str = "", operations: str = "", scheme: str = "http"
) -> str:
    """A conf of the service at a base path of its own; the backend knows the package of the
    proto.
    """
    return (
        f'---\nname: "{base}"\nbasePath: "/{base}"\nversion: "v1"\ntype: "GRPC"\n'
        'grpc: {package: "org.apk.v1"}\n'
        f'endpointConfigurations: {{production: {{endpoint: "{scheme}://127.0.0.1:{port}"}}}}\n'
        f"{extra}operations:\n"
        + (operations or "".join(operation(method) for method in METHODS))
    )


def operation(method: str, more: str = "") -> str:
    return f'- {{target: "student_service.StudentService", verb: "{method}"{more}}}\n'


def deploy(platform: Platform, text: str) -> None:
    answer = platform.deploy(text, PROTO)
    assert answer.status == 200, answer.body


def undeploy(platform: Platform, name: str) -> None:
    for deployed in json.loads(platform.cli("apis", "-o", "json").stdout)["apis"]:
        if deployed["name"] == name:
            platform.cli("undeploy", deployed["id"])


def path_of(base: str, method: str = "GetStudent", version: str = ".v1") -> str:
    return f"/{base}{version}.student_service.StudentService/{method}"


def test_each_method_has_its_own_security_and_scopes(
    platform: Platform, caller: Caller, backend: Backend
) -> None:
    operations = (
        operation("GetStudent", ", secured: false")
        + operation("GetStudentStream", ', scopes: ["students:read"]')
        + operation(
            "SendStudentStream", ', scopeAlternatives: [["students:write"], ["admin"]]'
        )
    )
    deploy(platform, conf("secured", backend.port, operations=operations))
    assert caller(path_of("secured")) == "Ada"
    stream = caller.method(path_of("secured", "GetStudentStream"), "unary_stream")

    def call(scope: str) -> list[bytes]:
        token = platform.token(scope)
        return list(
            stream(student("Ada"), metadata=[("authorization", f"Bearer {token}")])
        )

    assert len(call("students:read")) == 3
    with pytest.raises(grpc.RpcError) as caught:
        call("students:write")
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert caught.value.details() == (
        "900910: User is NOT authorized to access the Resource:"
        f" {path_of('secured', 'GetStudentStream')}. Scope validation failed."
    )
    undeclared = caller.refused(path_of("secured", "SendAndGetStudentStream"))
    assert undeclared.code() is grpc.StatusCode.UNIMPLEMENTED


def test_rate_limits_are_resource_exhausted(
    platform: Platform, caller: Caller, backend: Backend
) -> None:
    extra = "rateLimit: {requestsPerUnit: 1, unit: Day}\n"
    deploy(platform, conf("limited", backend.port, extra))
    token = platform.token()
    assert caller(path_of("limited"), token=token) == "Ada"
    refused = caller.refused(path_of("limited"), token=token)
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "900800" in refused.details()


def test_the_default_version_and_a_package_of_its_own(
    platform: Platform, caller: Caller, backend: Backend, tmp_path: Path
) -> None:
    proto = tmp_path / "greeter.proto"
    proto.write_text(
        'syntax = "proto3"; package helloworld; message Student { string name = 1; }\n'
        "service Greeter { rpc GetStudent (Student) returns (Student); }\n"
    )
    generate(platform, proto, backend.port, tmp_path / "conf")
    token = platform.token()
    assert caller("/helloworld.Greeter/GetStudent", token=token) == "Ada"
    assert caller("/helloworld.v1.Greeter/GetStudent", token=token) == "Ada"


def test_the_definition_is_served_as_json(platform: Platform, students: str) -> None:
    answer = platform.request(HOST, "/org.apk.v1/api-definition/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"apiDefinition": PROTO}
    # Only gRPC calls reach a method.
    other = platform.request(HOST, f"{students}/GetStudent", "--http1.1", "-d", "{}")
    assert other.status == 404


def test_deadlines_reach_the_backend_and_end_the_call(
    platform: Platform, caller: Caller, backend: Backend, students: str
) -> None:
    token = platform.token()
    caller(f"{students}/GetStudent", token=token, timeout=20)
    assert 0 < backend.seen[-1]["remaining"] < 21
    bounded = conf("bounded", backend.port).replace(
        '"}}', '", resiliency: {timeout: {upstreamResponseTimeout: 1}}}}', 1
    )
    deploy(platform, bounded)
    # The bound of the gateway is shorter than the deadline of the call.
    late = caller.refused(path_of("bounded"), "sleep 4", token=token, timeout=60)
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert late.details() == "504: The call did not end before its deadline."
    assert backend.seen[-1]["remaining"] < 2


def test_backends_with_tls_must_be_trusted(
    platform: Platform, caller: Caller, tmp_path: Path
) -> None:
    _, authority = certificate(tmp_path, "students.example")
    pem = (tmp_path / "students.example.pem").read_bytes()
    end = pem.index(b"-----BEGIN CERTIFICATE")
    secure = Backend(tls=(pem[:end], pem[end:]))
    try:
        text = conf("trusted", secure.port, scheme="https")
        deploy(
            platform,
            text.replace('"trusted"', '"untrusted"').replace("/trusted", "/untrusted"),
        )
        platform.cli("secret", "set", "students", "ca.crt", stdin=authority)
        named = ", certificate: {secretName: students, secretKey: ca.crt}}}"
        deploy(platform, text.replace('"}}', f'"{named}', 1))
        token = platform.token()
        assert caller(path_of("trusted"), token=token) == "Ada"
        refused = caller.refused(path_of("untrusted"), token=token)
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        assert refused.details().startswith("102503: ")
    finally:
        secure.stop()


def test_sandbox_api_keys_backend_tokens_and_headers(
    platform: Platform, backend: Backend
) -> None:
    extra = (
        "authentication:\n- {authType: OAuth2, required: optional}\n- {authType: APIKey}\n"
        "apiPolicies:\n  request:\n  - {policyName: BackendJwt}\n"
        "  - {policyName: SetHeader, parameters: {headerName: x-case, headerValue: keys}}\n"
        "  response:\n"
        "  - {policyName: SetHeader, parameters: {headerName: x-seen, headerValue: gateway}}\n"
    )
    text = conf("keys", backend.port, extra).replace("production:", "sandbox:", 1)
    deploy(platform, text)
    key = platform.cli("api-key", "create", "keys:v1", "--sandbox").stdout.strip()
    sandbox = Caller(platform, SANDBOX)
    try:
        until(lambda: sandbox.code(path_of("keys"), apikey=key) is None)
        sent = backend.cases("keys")[-1]
        assert sent["x-jwt-assertion"].count(".") == 2
        assert "apikey" not in sent
        assert sandbox.code(path_of("keys")) is grpc.StatusCode.UNAUTHENTICATED
        call = sandbox.method(path_of("keys")).with_call
        _, details = call(student("Ada"), metadata=[("apikey", key)], timeout=30)
        assert dict(details.initial_metadata())["x-seen"] == "gateway"
        assert dict(details.trailing_metadata())["x-trailer"] == "seen"
    finally:
        sandbox.close()


def test_client_certificates(
    platform: Platform, caller: Caller, backend: Backend
) -> None:
    authority = client_certificate("authority", authority=True)
    known = client_certificate("known", authority)
    platform.cli("secret", "set", "clients", "ca.crt", stdin=authority.pem.decode())
    extra = (
        "authentication:\n- {authType: OAuth2, enabled: false}\n"
        "- {authType: mTLS, required: mandatory, certificates: [{name: clients, key: ca.crt}]}\n"
    )
    deploy(platform, conf("mutual", backend.port, extra))
    with_certificate = Caller(platform, certificate=(known.key_pem, known.pem))
    try:
        assert with_certificate(path_of("mutual")) == "Ada"
    finally:
        with_certificate.close()
    assert caller.code(path_of("mutual")) is grpc.StatusCode.UNAUTHENTICATED


def test_an_open_stream_ends_with_its_credential_and_with_its_api(
    platform: Platform, caller: Caller, backend: Backend
) -> None:
    authority = client_certificate("streaming", authority=True)
    platform.cli("secret", "set", "streaming", "ca.crt", stdin=authority.pem.decode())
    deploy(platform, conf("lasting", backend.port))
    extra = (
        "authentication:\n- {authType: OAuth2, enabled: false}\n"
        "- {authType: mTLS, required: mandatory, certificates: [{name: streaming, key: ca.crt}]}\n"
    )
    deploy(platform, conf("certified", backend.port, extra))
    ends = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(seconds=10)
    known = client_certificate("brief", authority, end=ends)
    certified = Caller(platform, certificate=(known.key_pem, known.pem))
    by_certificate = waiting(certified, "certified")
    token = platform.token()
    by_token = waiting(caller, "lasting", token)
    other = waiting(caller, "lasting", platform.token())
    fields = (
        "/oauth2/revoke",
        "-H",
        f"Authorization: Basic {BASIC}",
        "-d",
        f"token={token}",
    )
    assert platform.request("idp.am.wso2.com", *fields).status == 200
    with pytest.raises(grpc.RpcError):
        next(by_token)
    assert other.is_active()
    undeploy(platform, "lasting")
    with pytest.raises(grpc.RpcError):
        next(other)
    with pytest.raises(grpc.RpcError):
        next(by_certificate)
    assert dt.datetime.now(dt.UTC) >= ends
    certified.close()


def waiting(caller: Caller, base: str, token: str = "") -> Any:
    """A call in both directions that has had one answer and waits for more."""
    metadata = []
    if token:
        metadata = [("authorization", f"Bearer {token}")]
    ended = threading.Event()

    def requests() -> Iterator[bytes]:
        yield student("Ada")
        ended.wait(60)

    call = caller.method(path_of(base, METHODS[3]), KINDS[3])
    answers = call(requests(), metadata=metadata, timeout=60)
    answers.add_callback(ended.set)
    assert name_of(next(answers)) == "hello Ada"
    return answers


def test_an_interceptor_sees_headers_of_streams_and_answers_for_the_backend(
    platform: Platform, caller: Caller, backend: Backend
) -> None:
    with interceptor() as service:
        extra = (
            "apiPolicies:\n  request:\n  - {policyName: Interceptor, parameters: {backendUrl:"
            f' "http://127.0.0.1:{service.port}", headersEnabled: true, contextEnabled: true}}}}\n'
        )
        deploy(platform, conf("asked", backend.port, extra))
        service.reset(request={"headersToAdd": {"x-case": "intercepted"}})
        metadata = [("authorization", f"Bearer {platform.token()}")]
        stream = caller.method(path_of("asked", METHODS[3]), KINDS[3])
        answers = stream(iter([student("Ada")]), metadata=metadata, timeout=30)
        assert list(map(name_of, answers)) == ["hello Ada"]
        assert backend.cases("intercepted")
        asked = service.last("handle-request")
        assert asked["invocationContext"]["path"] == path_of("asked", METHODS[3])
        service.reset(request={"directRespond": True, "responseCode": 403})
        refused = caller.refused(path_of("asked"), token=platform.token())
        assert refused.code() is grpc.StatusCode.PERMISSION_DENIED


def test_calls_are_tried_again_by_status(
    platform: Platform, caller: Caller, backend: Backend
) -> None:
    retries = (
        ", resiliency: {retryPolicy: {count: 2, grpcStatuses: [RESOURCE_EXHAUSTED]}}}}"
    )
    deploy(platform, conf("again", backend.port).replace('"}}', f'"{retries}', 1))
    token = platform.token()
    first = caller(
        path_of("again"), "fail-once RESOURCE_EXHAUSTED", token, x_case="fail-once"
    )
    assert first == "fail-once RESOURCE_EXHAUSTED"
    assert len(backend.cases("fail-once")) == 2
    other = caller.refused(path_of("again"), "fail UNAVAILABLE", token, x_case="other")
    assert other.code() is grpc.StatusCode.UNAVAILABLE
    assert len(backend.cases("other")) == 1


def test_health_and_reflection_pass_where_the_conf_says_so(
    platform: Platform, caller: Caller
) -> None:
    health_name = "grpc.health.v1.Health"
    check = f"/{health_name}/Check"
    info = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    assert caller.code(check) is grpc.StatusCode.UNIMPLEMENTED
    checked = Backend((SERVICE, health_name), more={"Check": b"\x08\x01"})
    try:
        text = conf("checked", checked.port)
        deploy(
            platform,
            text.replace("grpc: {", "grpc: {health: open, reflection: secured, "),
        )
        assert caller.method(check)(b"", timeout=30) == b"\x08\x01"
        assert caller.code(info) is grpc.StatusCode.UNAUTHENTICATED
        # The backend has no reflection.
        assert (
            caller.code(info, token=platform.token()) is grpc.StatusCode.UNIMPLEMENTED
        )
        other = conf("checked2", checked.port).replace(
            "grpc: {", "grpc: {health: open, "
        )
        taken = platform.deploy(other, PROTO)
        assert taken.status == 400
        assert f"{check} is taken by checked v1" in str(taken.json())
    finally:
        checked.stop()


def described() -> DescriptorPool:
    """The pool of a server that knows its proto."""
    file = FileDescriptorProto(
        name="student.proto", package="org.apk.v1.student_service"
    )
    file.message_type.add(name="Student").field.add(
        name="name", number=1, type=9, label=1
    )
    service = file.service.add(name="StudentService")
    own = ".org.apk.v1.student_service.Student"
    service.method.add(name="GetStudent", input_type=own, output_type=own)
    pool = DescriptorPool()
    pool.Add(file)
    return pool


def test_the_health_service_and_the_reflection_of_grpcio_answer_through_the_gateway(
    platform: Platform,
) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    servicer = health.HealthServicer()
    servicer.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server, described())
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    undeploy(platform, "checked")
    text = conf("answering", port).replace("production:", "sandbox:", 1)
    deploy(platform, text.replace("grpc: {", "grpc: {health: open, reflection: open, "))
    sandbox = Caller(platform, SANDBOX)
    try:
        stub = health_pb2_grpc.HealthStub(sandbox.channel)
        asked = health_pb2.HealthCheckRequest(service=SERVICE)
        assert (
            stub.Check(asked, timeout=30).status
            == health_pb2.HealthCheckResponse.SERVING
        )
        watched = stub.Watch(asked, timeout=30)
        assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
        servicer.set(SERVICE, health_pb2.HealthCheckResponse.NOT_SERVING)
        assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
        database = ProtoReflectionDescriptorDatabase(sandbox.channel)
        assert set(database.get_services()) == set(names)
        found = database.FindFileContainingSymbol(SERVICE)
        assert [method.name for method in found.service[0].method] == ["GetStudent"]
    finally:
        sandbox.close()
        server.stop(0).wait()


def test_several_proto_files_are_one_definition(
    platform: Platform, caller: Caller, tmp_path: Path
) -> None:
    service = "zipped.v1.students.StudentService"
    proto = PROTO.replace("org.apk.v1.student_service", "zipped.v1.students")
    message = proto[proto.index("message") : proto.index("service Student")]
    package = tmp_path / "protos.zip"
    with ZipFile(package, "w") as made:
        head = proto[: proto.index("message")]
        made.writestr("types/student.proto", head + message)
        imported = 'import "types/student.proto";\n'
        made.writestr("service.proto", proto.replace(message, imported))
    zipped = Backend((service,))
    try:
        generate(platform, package, zipped.port, tmp_path / "several.apk-conf")
        assert caller(f"/{service}/GetStudent", token=platform.token()) == "Ada"
    finally:
        zipped.stop()
    served = platform.request(HOST, "/zipped.v1/api-definition")
    assert (served.status, served.headers["content-type"]) == (200, "application/zip")
    assert served.body == package.read_bytes()


def web_frame(message: bytes, flags: int = 0) -> bytes:
    return bytes([flags]) + len(message).to_bytes(4, "big") + message


def test_grpc_web(platform: Platform, backend: Backend, tmp_path: Path) -> None:
    extra = (
        "corsConfiguration: {corsConfigurationEnabled: true,"
        ' accessControlAllowOrigins: ["https://shop.example"],'
        ' accessControlAllowHeaders: ["authorization", "content-type", "x-grpc-web"],'
        ' accessControlAllowMethods: ["POST"]}\n'
    )
    text = conf("web", backend.port, extra).replace("grpc: {", "grpc: {web: true, ")
    deploy(platform, text)
    token = platform.token()
    request = tmp_path / "request"

    def call(kind: str, body: bytes, *headers: str) -> Answer:
        request.write_bytes(body)
        sent = [part for header in headers for part in ("-H", header)]
        data = (
            "-H",
            f"content-type: application/{kind}",
            "--data-binary",
            f"@{request}",
        )
        return platform.request(HOST, path_of("web"), "--http1.1", *data, *sent)

    frame, known = web_frame(student("Ada")), f"authorization: Bearer {token}"
    answer = call("grpc-web+proto", frame, known)
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    assert answer.body.startswith(frame)
    assert b"grpc-status:0" in answer.body[len(frame) :].replace(b" ", b"")
    in_text = "accept: application/grpc-web-text"
    text_answer = call("grpc-web-text", base64.b64encode(frame), known, in_text)
    assert text_answer.body.startswith(base64.b64encode(frame))
    refused = call("grpc-web+proto", frame)
    assert refused.headers["grpc-status"] == "16"
    asked = (
        "-H",
        "origin: https://shop.example",
        "-H",
        "access-control-request-method: POST",
    )
    preflight = platform.request(HOST, path_of("web"), "-X", "OPTIONS", *asked)
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"


RULES = (
    PROTO.replace("package", 'import "google/api/annotations.proto";\npackage', 1)
    .replace(
        "rpc GetStudent (Student) returns (Student);",
        "rpc GetStudent (Student) returns (Student) { option (google.api.http) = {\n"
        '  get: "/students/{name}" additional_bindings { post: "/students" body: "*" } }; }',
    )
    .replace(
        "rpc GetStudentStream (Student) returns (stream Student);",
        (
            "rpc GetStudentStream (Student) returns (stream Student) { option (google.api.http) = "
            "{get: "
            '"/streams/{name}"}; }'
        ),
    )
)


def test_json_is_transcoded_by_the_rules_of_the_definition(
    platform: Platform, backend: Backend, tmp_path: Path
) -> None:
    operations = operation("GetStudent", ', scopes: ["students:read"]') + operation(
        "GetStudentStream", ", secured: false"
    )
    extra = (
        "corsConfiguration: {corsConfigurationEnabled: true,"
        ' accessControlAllowOrigins: ["https://shop.example"]}\n'
    )
    text = conf("json", backend.port, extra, operations)
    text = text.replace("grpc: {", "grpc: {transcoding: true, ")
    answer = platform.deploy(text, RULES)
    assert answer.status == 200, answer.body
    token = platform.token("students:read")
    known = ("-H", f"authorization: Bearer {token}")
    got = platform.request(HOST, "/json.v1/students/Ada?unknown=1", *known)
    assert (got.status, got.json()) == (200, {"name": "Ada"})
    assert got.headers["content-type"] == "application/json"
    posted = platform.request(
        HOST,
        "/json.v1/students",
        "-H",
        "content-type: application/json",
        "-d",
        '{"name": "Bob"}',
        *known,
    )
    assert posted.json() == {"name": "Bob"}
    long = "x" * 60_000
    (tmp_path / "long").write_text(json.dumps({"name": long}))
    sent = (
        "-H",
        "content-type: application/json",
        "--data-binary",
        f"@{tmp_path}/long",
        *known,
    )
    assert platform.request(HOST, "/json.v1/students", *sent).json() == {"name": long}
    streamed = platform.request(HOST, "/json.v1/streams/Ada")
    # curl prints the trailers behind the body.
    many, _, trailers = streamed.body.partition(b"grpc-status")
    assert [item["name"] for item in json.loads(many)] == ["Ada 0", "Ada 1", "Ada 2"]
    assert trailers.startswith(b": 0")
    asked = (
        "-H",
        "origin: https://shop.example",
        "-H",
        "access-control-request-method: GET",
    )
    preflight = platform.request(HOST, "/json.v1/students/Ada", "-X", "OPTIONS", *asked)
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
    assert "apiDefinition" in platform.request(HOST, "/json.v1/api-definition").json()
    # Refusals are those of an HTTP API.
    missing = platform.request(HOST, "/json.v1/students/Ada")
    assert (missing.status, missing.json()["code"]) == (401, "900902")
    scope = platform.request(
        HOST, "/json.v1/students/Ada", "-H", f"authorization: Bearer {platform.token()}"
    )
    assert (scope.status, scope.json()["code"]) == (403, "900910")
    assert platform.request(HOST, "/json.v1/others/Ada").status == 404
    failed = platform.request(HOST, "/json.v1/students/fail%20NOT_FOUND", *known)
    assert (failed.status, failed.json()["message"]) == (404, "failed with NOT_FOUND")


def test_rules_that_are_missing_or_do_not_compile_are_mistakes(
    platform: Platform, backend: Backend
) -> None:
    text = conf("norules", backend.port).replace(
        "grpc: {", "grpc: {transcoding: true, "
    )
    answer = platform.deploy(text, PROTO)
    assert answer.status == 400
    assert "no method of the conf has a google.api.http rule" in str(answer.json())
    broken = platform.deploy(text, RULES.replace("string name", "strong name"))
    assert broken.status == 400
    assert '"strong" is not defined' in str(broken.json())
