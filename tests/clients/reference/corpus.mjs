// node corpus.mjs SEED COUNT [FIRST]
//
// Writes COUNT documents from number FIRST on, one JSON object a line: what is asked, of which graph, and what the
// reference answers. A document follows from the seed and its number alone.
//
// `{ number, kind, schema, query, body, answer }`, where `body` is the request as it is sent, and `answer` is
// `{ stage, messages, places }` of a refusal (`stage`: syntax, validation, request, variables; places of the first
// error; `broken`: the reference threw), or `{ stage: "done", results, twins }`, each result
// `{ data, paths }` with the data as JSON text and the errors' paths; `twins`: equal fields have several names.

import { once } from "node:events";
import {
  GraphQLError,
  Kind,
  execute,
  MaxIntrospectionDepthRule,
  getOperationAST,
  getVariableValues,
  parse,
  print,
  specifiedRules,
  subscribe,
  validate,
} from "graphql";
import { GRAMMAR, PHRASES, RULES, oddCharacter } from "./damage.mjs";
import { Writer } from "./documents.mjs";
import { MATRICES } from "./matrices.mjs";
import { overlapping } from "./overlap.mjs";
import { Random, hash } from "./random.mjs";
import { schemas } from "./schemas.mjs";
import { scatter, tokens } from "./text.mjs";

const [seed, count, first = 0] = process.argv.slice(2).map(Number);
const names = Object.keys(schemas);
const rules = Object.keys(RULES);
const damages = Object.keys(GRAMMAR);
// Has no divisor in common with the length of the table, so every case comes before any comes again.
const STRIDE = 4001;

// Those of the specification. How deep introspection may go is for the router's limits to say.
const SPECIFIED = specifiedRules.filter((it) => it !== MaxIntrospectionDepthRule);

// What is wrong with a document; nothing where the reference itself breaks over it.
function complaints(schema, document) {
  try {
    return validate(schema, document, SPECIFIED);
  } catch {
    return undefined;
  }
}

// A request that is valid more often than not, as a tree.
function written(random, schema) {
  for (let attempt = 0; ; attempt += 1) {
    const request = new Writer(schema, random).request();
    if (attempt === 3 || complaints(schema, request.document)?.length === 0) return request;
  }
}

function text(document, random) {
  const plain = print(document);
  return random.percent(50) ? plain : scatter(tokens(plain), random);
}

// `{ kind, schema, query, variables, operationName }`, the variables as JSON text.
function make(number) {
  const random = new Random(hash(seed, number));
  const what = random.below(100);
  const one = (kind, damaged, attempts = 1) => {
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      const schema = random.pick(names);
      const request = written(random, schemas[schema]);
      const query = damaged(request.document, schemas[schema]);
      if (query === false) continue;
      const { operationName } = request;
      const hasVariables = Object.keys(request.variables).length > 0;
      return {
        kind,
        schema,
        query,
        variables: hasVariables ? JSON.stringify(request.variables) : undefined,
        operationName,
      };
    }
    return undefined;
  };
  if (what < 15) return one("valid", (tree) => text(tree, random));
  if (what < 42) {
    const rule = rules[number % rules.length];
    const damaged = (tree, schema) => {
      if (RULES[rule](tree, random, schema) === false) return false;
      if (random.percent(15)) RULES[random.pick(rules)](tree, random, schema);
      return text(tree, random);
    };
    return one(`rule ${rule}`, damaged, 200);
  }
  if (what < 50) {
    const damage = random.pick(damages);
    return one(`grammar ${damage}`, (tree) => {
      const list = tokens(print(tree));
      random.at = random.below(list.length);
      return scatter(GRAMMAR[damage](list, random), random);
    });
  }
  if (what < 54) return { kind: "phrases", schema: random.pick(names), query: random.pick(PHRASES) };
  if (what < 58) return one("characters", (tree) => oddCharacter(text(tree, random), random));
  if (what < 63) return { kind: "overlap", schema: "boxes", query: overlapping(random) };
  const [kind, schema, query, variables, operationName] = MATRICES[(number * STRIDE) % MATRICES.length];
  return { kind: `matrix ${kind}`, schema, query, variables, operationName };
}

function body({ query, variables, operationName }) {
  const members = [`"query":${JSON.stringify(query)}`];
  if (variables !== undefined) members.push(`"variables":${variables}`);
  if (operationName !== undefined) members.push(`"operationName":${JSON.stringify(operationName)}`);
  return `{${members.join(",")}}`;
}

const places = (error) => (error.locations ?? []).map(({ line, column }) => [line, column]);
const refused = (stage, errors) => ({
  stage,
  messages: errors.map((it) => it.message.toWellFormed()),
  places: places(errors[0]),
});
const result = ({ data, errors }) => ({ data: JSON.stringify(data), paths: (errors ?? []).map((it) => it.path ?? []) });

// The reference breaks where conditions stand on the root of a subscription: it throws instead of answering.
const BROKEN = { stage: "broken", messages: [], places: [] };

// Whether equal fields stand side by side under several names. The root fields of a mutation are each a deed of their
// own.
function hasTwins(document, operation) {
  const fragments = new Map(
    document.definitions.filter((it) => it.kind === Kind.FRAGMENT_DEFINITION).map((it) => [it.name.value, it]),
  );
  const fields = (set) =>
    set.selections.flatMap((it) => {
      if (it.kind === Kind.FIELD) return [it];
      return fields(it.kind === Kind.INLINE_FRAGMENT ? it.selectionSet : fragments.get(it.name.value).selectionSet);
    });
  const among = (all, isDeed) => {
    const groups = new Map();
    for (const it of all) {
      const args = it.arguments.map(print).sort().join();
      const key = isDeed ? (it.alias ?? it.name).value : `${it.name.value}(${args})`;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(it);
    }
    return [...groups.values()].some((group) => {
      const names = new Set(group.map((it) => (it.alias ?? it.name).value));
      return (
        names.size > 1 ||
        among(
          group.flatMap((it) => (it.selectionSet ? fields(it.selectionSet) : [])),
          false,
        )
      );
    });
  };
  return among(fields(operation.selectionSet), operation.operation === "mutation");
}

async function judge(schema, { query, variables, operationName }) {
  let document;
  try {
    document = parse(query);
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return refused("syntax", [error]);
  }
  const errors = complaints(schema, document);
  if (!errors) return BROKEN;
  if (errors.length > 0) return refused("validation", errors);
  const variableValues = variables === undefined ? undefined : JSON.parse(variables);
  const operation = getOperationAST(document, operationName);
  if (operation && !schema.getRootType(operation.operation)) {
    // Says so as an error of execution, with `data: null`; what it says is that the request is none.
    return refused("request", execute({ schema, document, operationName }).errors);
  }
  if (operation) {
    const coerced = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {}, {
      maxErrors: 50,
    });
    if (coerced.errors) return refused("variables", coerced.errors);
  }
  const twins = operation && hasTwins(document, operation);
  const asked = { schema, document, variableValues, operationName };
  let answer;
  try {
    answer = await (operation?.operation === "subscription" ? subscribe(asked) : execute(asked));
  } catch {
    return BROKEN;
  }
  if (answer[Symbol.asyncIterator]) {
    const results = [];
    for await (const event of answer) results.push(result(event));
    return { stage: "done", results, twins };
  }
  if (answer.data === undefined) return refused("request", answer.errors);
  return { stage: "done", results: [result(answer)], twins };
}

for (let number = first; number < first + count; number += 1) {
  const asked = make(number);
  const answer = await judge(schemas[asked.schema], asked);
  const line = JSON.stringify({
    number,
    kind: asked.kind,
    schema: asked.schema,
    query: asked.query,
    body: body(asked),
    answer,
  });
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
}
