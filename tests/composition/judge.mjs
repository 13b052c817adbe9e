// node judge.mjs < WORLDS
//
// Reads worlds as JSON, `[{"name", "graphs": [{"name", "sdl"}]}]`, and prints what the reference implementation of
// composition makes of them, `[{"name", "errors": [{"code", "message"}]}]`: no errors, and it composes.
//
// `@apollo/composition` is under Elastic-2.0. It is a tool of the tests, which npm installs where they run: nothing
// of Juga links it, copies from it or ships it.

import { composeServices } from "@apollo/composition";
import { GraphQLError, parse } from "graphql";
import { readFileSync } from "node:fs";

// What is no error of GraphQL is one of the implementation: it did not come to a verdict.
const code = (error) => error.extensions?.code ?? (error instanceof GraphQLError ? "INVALID_GRAPHQL" : "CRASHED");
const fault = (error) => ({ code: code(error), message: error.message });

function judge(graphs) {
  try {
    const services = graphs.map(({ name, sdl }) => ({ name, typeDefs: parse(sdl), url: `http://${name}` }));
    return (composeServices(services).errors ?? []).map(fault);
  } catch (error) {
    return [fault(error)];
  }
}

const worlds = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(worlds.map(({ name, graphs }) => ({ name, errors: judge(graphs) }))));
