// node audit.mjs URL
//
// Runs the server audits of graphql-http (the reference implementation of GraphQL over HTTP) and prints one
// JSON line per audit: {"id", "name", "status", "reason"}. `status` is `ok`, or what was broken: `error` a
// MUST, `warn` a SHOULD, `notice` a MAY. Exit codes: 0 when every audit ran, 2 for wrong arguments.

import { serverAudits } from "graphql-http";

const [url] = process.argv.slice(2);
if (!url) {
  console.error("usage: node audit.mjs URL");
  process.exit(2);
}

for (const audit of serverAudits({ url, fetchFn: fetch })) {
  const { id, name, status, reason } = await audit.fn();
  process.stdout.write(JSON.stringify({ id, name, status, reason }) + "\n");
}
