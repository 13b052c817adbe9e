// node apollo.mjs URL QUERY [VARIABLES]
//
// Asks with Apollo Client, as an application does: `query` or `mutate`, whatever the operation is. Prints one
// JSON line: {"data"} or {"errors"} with what the server said, or {"failure"} when no GraphQL answer came.
// Exit codes: 0 data, 1 errors, 2 wrong arguments, 3 failure.

import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { CombinedGraphQLErrors } from "@apollo/client/errors";

const [uri, text, variablesText] = process.argv.slice(2);
if (!uri || !text) {
  console.error("usage: node apollo.mjs URL QUERY [VARIABLES]");
  process.exit(2);
}
const document = gql(text);
const variables = variablesText ? JSON.parse(variablesText) : undefined;
const client = new ApolloClient({ link: new HttpLink({ uri }), cache: new InMemoryCache() });
const isMutation = document.definitions.some((it) => it.operation === "mutation");

try {
  const { data } = isMutation
    ? await client.mutate({ mutation: document, variables })
    : await client.query({ query: document, variables });
  print({ data }, 0);
} catch (error) {
  if (CombinedGraphQLErrors.is(error)) {
    print({ errors: error.errors }, 1);
  } else {
    print({ failure: `${error}` }, 3);
  }
}

function print(line, exitCode) {
  process.stdout.write(JSON.stringify(line) + "\n");
  process.exitCode = exitCode;
}
