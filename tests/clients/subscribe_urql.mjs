// node subscribe_urql.mjs URL QUERY COUNT [VARIABLES]
//
// The same as subscribe.mjs, with the same lines and exit codes, by urql: through its subscriptionExchange
// over graphql-ws when URL begins with `ws`, and else through its fetchExchange, which asks for Server-Sent
// Events or multipart. Results hold the `__typename` that it asks for by itself; why a connection ended comes
// as a text, without a code. The fetchExchange takes every end of a body for the end of the operation.
//
// RETRIES, in the environment: how often the WebSocket may connect again by itself, 0 by default.

import { Client, cacheExchange, fetchExchange, gql, subscriptionExchange } from "@urql/core";
import { createClient } from "graphql-ws";
import { onEnd, pipe, subscribe } from "wonka";
import WebSocket from "ws";

const [url, query, countText, variablesText] = process.argv.slice(2);
const count = Number(countText);
if (!url || !query || !Number.isInteger(count) || count < 1) {
  console.error("usage: node subscribe_urql.mjs URL QUERY COUNT [VARIABLES]");
  process.exit(2);
}
const variables = variablesText ? JSON.parse(variablesText) : {};
const retryAttempts = Number(process.env.RETRIES ?? 0);

const client = new Client({
  url,
  exchanges: [cacheExchange, url.startsWith("ws") ? overWebSocket() : fetchExchange],
  fetchSubscriptions: !url.startsWith("ws"),
});

let seen = 0;
const { unsubscribe } = pipe(
  client.subscription(gql(query), variables),
  onEnd(() => finish(0)),
  subscribe(({ data, error, hasNext }) => {
    if (error?.networkError) finish(3, { close: null, reason: reasonOf(error.networkError) });
    else if (error) finish(1, { errors: error.graphQLErrors.map(({ message, extensions }) => ({ message, extensions })) });
    // At the end the last result comes a second time.
    else if (hasNext) {
      print({ data });
      seen += 1;
      if (seen === count) finish(0);
    }
  }),
);

function overWebSocket() {
  const socket = createClient({ url, webSocketImpl: WebSocket, retryAttempts });
  return subscriptionExchange({
    forwardSubscription: ({ query = "", variables }) => ({
      subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
    }),
  });
}

function reasonOf(failure) {
  return failure.reason ?? failure.message ?? String(failure);
}

function print(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

// The first end counts.
function finish(code, line) {
  if (process.exitCode !== undefined) return;
  if (line) print(line);
  process.exitCode = code;
  // Not there yet when all comes at once.
  setTimeout(() => unsubscribe());
}
