// node subscribe_apollo.mjs URL QUERY COUNT [VARIABLES]
//
// The same as subscribe.mjs, with the same lines and exit codes, by Apollo Client: through its GraphQLWsLink
// when URL begins with `ws`, and else through its HttpLink, which asks for multipart. Results hold the
// `__typename` that it asks for by itself; why a connection ended comes as a text, without a code.
//
// RETRIES, in the environment: how often the WebSocket may connect again by itself, 0 by default.

import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, query, countText, variablesText] = process.argv.slice(2);
const count = Number(countText);
if (!url || !query || !Number.isInteger(count) || count < 1) {
  console.error("usage: node subscribe_apollo.mjs URL QUERY COUNT [VARIABLES]");
  process.exit(2);
}
const variables = variablesText ? JSON.parse(variablesText) : undefined;
const retryAttempts = Number(process.env.RETRIES ?? 0);

// Node has none of its own before version 22, and Apollo's link looks for it when a connection fails.
globalThis.WebSocket ??= WebSocket;

const link = url.startsWith("ws")
  ? new GraphQLWsLink(createClient({ url, retryAttempts }))
  : new HttpLink({ uri: url });
const client = new ApolloClient({ link, cache: new InMemoryCache() });

let seen = 0;
const subscription = client.subscribe({ query: gql(query), variables }).subscribe({
  next({ data, error }) {
    if (error?.errors) finish(1, { errors: error.errors });
    else if (error) finish(3, { close: null, reason: error.message });
    else {
      print({ data });
      seen += 1;
      if (seen === count) finish(0);
    }
  },
  error: (failure) => finish(3, { close: null, reason: failure.message }),
  complete: () => finish(0),
});

function print(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

// The first end counts.
function finish(code, line) {
  if (process.exitCode !== undefined) return;
  if (line) print(line);
  process.exitCode = code;
  // Undefined when all comes at once.
  setTimeout(() => subscription.unsubscribe());
}
