// node urql.mjs URL QUERY [VARIABLES]
//
// Asks with urql, as an application does: `query` or `mutation`, whatever the operation is. Prints one JSON
// line: {"data"} or {"errors"} with what the server said, or {"failure"} when no GraphQL answer came. Exit
// codes: 0 data, 1 errors, 2 wrong arguments, 3 failure.

import { Client, cacheExchange, fetchExchange, gql } from "@urql/core";

const [url, text, variablesText] = process.argv.slice(2);
if (!url || !text) {
  console.error("usage: node urql.mjs URL QUERY [VARIABLES]");
  process.exit(2);
}
const document = gql(text);
const variables = variablesText ? JSON.parse(variablesText) : {};
const client = new Client({ url, exchanges: [cacheExchange, fetchExchange] });
const isMutation = document.definitions.some((it) => it.operation === "mutation");

const { data, error } = isMutation
  ? await client.mutation(document, variables)
  : await client.query(document, variables);
if (error?.networkError) {
  print({ failure: `${error}` }, 3);
} else if (error) {
  print({ errors: error.graphQLErrors.map(({ message, extensions }) => ({ message, extensions })) }, 1);
} else {
  print({ data }, 0);
}

function print(line, exitCode) {
  process.stdout.write(JSON.stringify(line) + "\n");
  process.exitCode = exitCode;
}
