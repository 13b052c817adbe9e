// The graphs of the reference suite, with resolvers whose answers follow from where they are asked: the same in the
// subgraph and in the reference. Some values are null and some fail, also where the schema does not allow it.

import { readFileSync, readdirSync } from "node:fs";
import {
  GraphQLError,
  buildSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isEnumType,
  isLeafType,
  isListType,
  isObjectType,
} from "graphql";
import { hash } from "./random.mjs";

const folder = new URL("../../fixtures/reference/", import.meta.url);
const EVENTS = 2;

// `seed` stands for the way to an object: names of fields, arguments and positions, but no aliases, because the
// router asks under names of its own.
function resolve(source, args, _context, info) {
  const given = JSON.stringify(args);
  const seed = hash(source?.seed ?? info.parentType.name, info.fieldName, given);
  return value(info.returnType, seed, info, info.fieldName, given);
}

function value(type, seed, info, name, given) {
  // What tells its arguments tells them always.
  const tells = given !== "{}" && getNamedType(type).name === "String";
  if (!tells) {
    const chance = seed % 1000;
    if (chance < 40) return null;
    if (chance < 70) throw new GraphQLError(`${name} is broken`);
  }
  const nullable = getNullableType(type);
  if (isListType(nullable)) {
    // One item is a list's own failure as well as another: throwing here would fail the whole list.
    return Array.from({ length: hash(seed, "length") % 4 }, (_, index) =>
      item(nullable.ofType, hash(seed, index), info, name, given),
    );
  }
  if (isLeafType(nullable)) return leaf(nullable, seed, given);
  const types = isAbstractType(nullable) ? info.schema.getPossibleTypes(nullable) : [nullable];
  return { seed, __typename: types[hash(seed, "type") % types.length].name };
}

function item(type, seed, info, name, given) {
  try {
    return value(type, seed, info, name, given);
  } catch (error) {
    return error;
  }
}

function leaf(type, seed, given) {
  if (isEnumType(type)) return type.getValues()[seed % type.getValues().length].name;
  switch (type.name) {
    case "Int":
      return (seed % 2001) - 1000;
    case "Float":
      return (seed % 20001) / 8 - 1000;
    case "Boolean":
      return seed % 2 === 0;
    case "ID":
      return String(seed % 100);
    default:
      return given === "{}" ? `text ${seed % 100} é😀` : given;
  }
}

function subscribe(source, args, _context, info) {
  const seed = hash("event", info.fieldName, JSON.stringify(args));
  return (async function* events() {
    for (let event = 0; event < EVENTS; event += 1) yield { seed: hash(seed, event) };
  })();
}

function load(name) {
  const schema = buildSchema(readFileSync(new URL(`${name}.graphql`, folder), "utf8"));
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith("__")) continue;
    for (const field of Object.values(type.getFields())) {
      field.resolve = resolve;
      if (type === schema.getSubscriptionType()) field.subscribe = subscribe;
    }
  }
  return schema;
}

const names = readdirSync(folder)
  .filter((it) => it.endsWith(".graphql"))
  .map((it) => it.replace(".graphql", ""));

// By name.
export const schemas = Object.fromEntries(names.sort().map((name) => [name, load(name)]));
