// node subscribe_sse.mjs URL QUERY COUNT [VARIABLES]
//
// The same as subscribe.mjs, with the same lines and exit codes, by graphql-sse: an HTTP request for each
// subscription. Over Server-Sent Events an operation that is refused has one result, without data: that is
// printed, and the exit code is 1. A body that ends before `complete` counts as a connection that was closed.
//
// RETRIES, in the environment: how often the library may connect again by itself, 0 by default.

import { createClient } from "graphql-sse";

const [url, query, countText, variablesText] = process.argv.slice(2);
const count = Number(countText);
if (!url || !query || !Number.isInteger(count) || count < 1) {
  console.error("usage: node subscribe_sse.mjs URL QUERY COUNT [VARIABLES]");
  process.exit(2);
}
const variables = variablesText ? JSON.parse(variablesText) : undefined;

const client = createClient({ url, retryAttempts: Number(process.env.RETRIES ?? 0) });
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

process.exitCode = await run();
client.dispose();

async function run() {
  let seen = 0;
  try {
    for await (const result of client.iterate({ query, variables })) {
      print(result);
      if (!("data" in result)) return 1;
      seen += 1;
      if (seen === count) break;
    }
    return 0;
  } catch (failure) {
    print({ close: null, reason: failure.message });
    return 3;
  }
}
