// node introspection.mjs FILE URL
//
// Asks a router about its schema and prints, as JSON, what a client builds of the answer beside the graph that it
// serves: `{ client, graph }`, both as SDL and sorted.

import { readFileSync } from "node:fs";
import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from "graphql";

const [file, url] = process.argv.slice(2);
const everything = {
  descriptions: true,
  specifiedByUrl: true,
  directiveIsRepeatable: true,
  schemaDescription: true,
  inputValueDeprecation: true,
  oneOf: true,
};
const response = await fetch(url, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ query: getIntrospectionQuery(everything) }),
});
const { data, errors } = await response.json();
const printed = (schema) => printSchema(lexicographicSortSchema(schema));
const client = () => {
  try {
    return printed(buildClientSchema(data));
  } catch (error) {
    return `${error}`;
  }
};
console.log(
  JSON.stringify({
    client: errors ? JSON.stringify(errors) : client(),
    graph: printed(buildSchema(readFileSync(file, "utf8"))),
  }),
);
