// All kinds of gRPC calls with @grpc/grpc-js, through the gateway. Settings: the first argument, JSON. Prints one JSON value.
import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const settings = JSON.parse(process.argv[2]);
const loaded = grpc.loadPackageDefinition(loader.loadSync(settings.proto, { keepCase: true }));
const Service = settings.service.split(".").reduce((found, name) => found[name], loaded);
const client = new Service(
  `127.0.0.1:${settings.port}`,
  grpc.credentials.createSsl(readFileSync(settings.ca)),
  { "grpc.ssl_target_name_override": settings.host, "grpc.default_authority": settings.host },
);

function metadata(token) {
  const made = new grpc.Metadata();
  if (token) made.set("authorization", `Bearer ${token}`);
  return made;
}

function unary(token) {
  return new Promise((resolve) => {
    client.GetStudent({ name: "Ada" }, metadata(token), { deadline: Date.now() + 30000 }, (error, answer) =>
      resolve(error ? { code: error.code, details: error.details } : answer.name),
    );
  });
}

function collected(stream) {
  return new Promise((resolve, reject) => {
    const names = [];
    stream.on("data", (answer) => names.push(answer.name));
    stream.on("error", reject);
    stream.on("end", () => resolve(names));
  });
}

function up(token) {
  return new Promise((resolve, reject) => {
    const call = client.SendStudentStream(metadata(token), (error, answer) => (error ? reject(error) : resolve(answer.name)));
    call.write({ name: "Ada" });
    call.end({ name: "Bob" });
  });
}

function both(token) {
  const call = client.SendAndGetStudentStream(metadata(token));
  call.write({ name: "Ada" });
  call.end({ name: "Bob" });
  return collected(call);
}

console.log(JSON.stringify({
  unary: await unary(settings.token),
  missing: await unary(""),
  down: await collected(client.GetStudentStream({ name: "Ada" }, metadata(settings.token))),
  up: await up(settings.token),
  both: await both(settings.token),
}));
client.close();
