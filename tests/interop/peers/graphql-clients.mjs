// Clients of GraphQL through the gateway: Apollo Client with persisted queries, graphql-ws and graphql-sse. Settings: the first
// argument, JSON. Prints one JSON value.
import { createHash } from "node:crypto";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { createClient as createEvents } from "graphql-sse";
import { createClient as createSocket } from "graphql-ws";
import WebSocket from "ws";

const settings = JSON.parse(process.argv[2]);
const address = `${settings.host}:${settings.port}${settings.path}`;
const bearer = (token) => (token ? { authorization: `Bearer ${token}` } : {});

function apollo(token) {
  const sha256 = (text) => createHash("sha256").update(text).digest("hex");
  const http = new HttpLink({ uri: `https://${address}`, headers: bearer(token) });
  const link = new PersistedQueryLink({ sha256 }).concat(http);
  return new ApolloClient({ link, cache: new InMemoryCache(), defaultOptions: { query: { fetchPolicy: "no-cache" } } });
}

// The first results of an operation, and its errors.
function results(client, query, most) {
  return new Promise((resolve) => {
    const found = [];
    const stop = client.subscribe({ query }, {
      next(result) {
        found.push(result.data);
        if (found.length === most) {
          stop();
          resolve(found);
        }
      },
      error: (error) => resolve({ codes: [error].flat().map((item) => item.extensions?.code ?? String(item.message ?? item)) }),
      complete: () => resolve(found),
    });
  });
}

async function code(promise) {
  try {
    return (await promise).data;
  } catch (error) {
    return JSON.stringify(error.errors ?? error.bodyText ?? error.message ?? error);
  }
}

const heroes = gql`query Heroes { heroes { id name } }`;
const client = apollo(settings.token);
const told = { apollo: [] };
for (let n = 0; n < 3; n += 1) told.apollo.push(await code(client.query({ query: heroes })));
told.refused = await code(apollo("").query({ query: heroes }));

class Authorized extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { headers: bearer(settings.token) });
  }
}
const socket = createSocket({ url: `wss://${address}`, webSocketImpl: Authorized, retryAttempts: 0 });
told.socket = await results(socket, "subscription { heroAdded { name } }", 2);
told.socketQuery = await results(socket, "{ hero { id } }", 5);
told.socketRefused = await results(socket, "subscription { secret }", 1);
told.socketAfter = await results(socket, "{ hero { id } }", 5);
await socket.dispose();

const events = createEvents({ url: `https://${address}`, headers: bearer(settings.token), retryAttempts: 0 });
told.events = await results(events, "subscription { heroAdded { name } }", 2);
told.eventsRefused = await results(events, "subscription { secret }", 1);
events.dispose();

console.log(JSON.stringify(told));
process.exit(0);
