// node subscribe.mjs URL QUERY COUNT [VARIABLES]
//
// Subscribes with graphql-ws and prints one JSON line per result. Exit codes: 0 when COUNT results came
// (the subscription is then completed by this side) or the server completed it, 1 when the server ended
// it with errors (printed as one line {"errors": …}), 2 for wrong arguments, 3 when the connection
// failed or was closed (printed as one line {"close": code, "reason": …}).
//
// RETRIES, in the environment: how often the library may connect again by itself, 0 by default.

import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, query, countText, variablesText] = process.argv.slice(2);
const count = Number(countText);
if (!url || !query || !Number.isInteger(count) || count < 1) {
  console.error("usage: node subscribe.mjs URL QUERY COUNT [VARIABLES]");
  process.exit(2);
}
const variables = variablesText ? JSON.parse(variablesText) : undefined;
const retryAttempts = Number(process.env.RETRIES ?? 0);

const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts, lazy: true });
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

process.exitCode = await run();
await client.dispose();

async function run() {
  let seen = 0;
  try {
    for await (const result of client.iterate({ query, variables })) {
      print(result);
      seen += 1;
      if (seen === count) break;
    }
    return 0;
  } catch (failure) {
    if (Array.isArray(failure)) {
      print({ errors: failure });
      return 1;
    }
    print({ close: failure?.code ?? null, reason: failure?.reason ?? failure?.message ?? String(failure) });
    return 3;
  }
}
