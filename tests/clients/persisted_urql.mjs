// node persisted_urql.mjs URL post|get QUERY...
//
// Asks with urql, which leaves the text out where an operation's extensions have `persistedQuery`; the exchange
// below does what urql's own one for persisted queries does with the answer. Prints one JSON line:
// {"data", "requests", "hashesWithoutText"}, the latter counted as they went over the wire.
// Exit codes: 0 all answered, 2 wrong arguments, 3 failure.

import { createHash } from "node:crypto";
import { Client, fetchExchange, gql, makeOperation, stringifyDocument } from "@urql/core";
import { filter, makeSubject, map, merge, pipe, share } from "wonka";
import { counted } from "./counted.mjs";

const [url, mode, ...texts] = process.argv.slice(2);
if (!url || !["post", "get"].includes(mode) || texts.length === 0) {
  console.error("usage: node persisted_urql.mjs URL post|get QUERY...");
  process.exit(2);
}
const counts = counted();
const client = new Client({
  url,
  exchanges: [persisted, fetchExchange],
  fetch: counts.fetch,
  preferGetMethod: mode === "get" ? "within-url-limit" : false,
});

const data = [];
for (const text of texts) {
  const answer = await client.query(gql(text), {});
  if (answer.error) {
    print({ failure: `${answer.error}` }, 3);
    process.exit();
  }
  data.push(answer.data);
}
print({ data, ...counts.numbers() }, 0);

function persisted({ forward }) {
  let isSupported = true;
  const again = makeSubject();
  return (operations) => {
    const withHash = pipe(
      operations,
      map((operation) => (isSupported && operation.kind === "query" ? hashed(operation) : operation)),
    );
    const results = pipe(merge([withHash, again.source]), forward, share);
    return pipe(
      results,
      filter((result) => {
        const errors = result.error?.graphQLErrors ?? [];
        if (!errors.some((it) => it.message === "PersistedQueryNotSupported")) return true;
        isSupported = false;
        again.next(plain(result.operation));
        return false;
      }),
    );
  };
}

function hashed(operation) {
  const sha256Hash = createHash("sha256").update(stringifyDocument(operation.query)).digest("hex");
  const extensions = { ...operation.extensions, persistedQuery: { version: 1, sha256Hash } };
  const query = makeOperation(operation.kind, operation, operation.context);
  query.extensions = extensions;
  return query;
}

function plain(operation) {
  const query = makeOperation(operation.kind, operation, operation.context);
  query.extensions = undefined;
  return query;
}

function print(line, exitCode) {
  process.stdout.write(JSON.stringify(line) + "\n");
  process.exitCode = exitCode;
}
