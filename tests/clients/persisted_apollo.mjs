// node persisted_apollo.mjs URL post|get QUERY...
//
// Asks with Apollo Client and its link for persisted queries, one query after the other. Prints one JSON line:
// {"data", "requests", "hashesWithoutText"}, the latter counted as they went over the wire.
// Exit codes: 0 all answered, 2 wrong arguments, 3 failure.

import { createHash } from "node:crypto";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { counted } from "./counted.mjs";

const [uri, mode, ...texts] = process.argv.slice(2);
if (!uri || !["post", "get"].includes(mode) || texts.length === 0) {
  console.error("usage: node persisted_apollo.mjs URL post|get QUERY...");
  process.exit(2);
}
const counts = counted();
const persisted = new PersistedQueryLink({
  sha256: (text) => createHash("sha256").update(text).digest("hex"),
  useGETForHashedQueries: mode === "get",
});
const link = persisted.concat(new HttpLink({ uri, fetch: counts.fetch }));
const client = new ApolloClient({ link, cache: new InMemoryCache() });

try {
  const data = [];
  for (const text of texts) {
    data.push((await client.query({ query: gql(text) })).data);
  }
  print({ data, ...counts.numbers() }, 0);
} catch (error) {
  print({ failure: `${error}` }, 3);
}

function print(line, exitCode) {
  process.stdout.write(JSON.stringify(line) + "\n");
  process.exitCode = exitCode;
}
