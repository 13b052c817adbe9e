// Documents as text: tokens, and what may stand between them.

import { Lexer, Source, TokenKind } from "graphql";

// The tokens of a text, as written. Comments are left out.
export function tokens(text) {
  const lexer = new Lexer(new Source(text));
  const found = [];
  for (let token = lexer.advance(); token.kind !== TokenKind.EOF; token = lexer.advance()) {
    found.push({ kind: token.kind, text: text.slice(token.start, token.end) });
  }
  return found;
}

const IGNORED = [
  " ",
  " ",
  " ",
  "\n",
  "\n  ",
  ",",
  " , ",
  "\t",
  "\r\n",
  "\r",
  " #c\n",
  '#é😀 "\n',
  "#\r",
  "\uFEFF",
  "\n\n",
  " # } {\r\n",
];
const WORDS = new Set([TokenKind.NAME, TokenKind.INT, TokenKind.FLOAT]);
const STRINGS = new Set([TokenKind.STRING, TokenKind.BLOCK_STRING]);

// Whether two tokens would be read as others without anything between them.
const stick = (one, other) =>
  (WORDS.has(one.kind) && (WORDS.has(other.kind) || other.kind === TokenKind.SPREAD)) ||
  (STRINGS.has(one.kind) && STRINGS.has(other.kind)) ||
  one.kind === "raw" ||
  other.kind === "raw";

// The tokens with something between them.
export function scatter(list, random) {
  const wild = random.percent(50);
  let text = random.percent(10) ? random.pick(IGNORED) : "";
  list.forEach((token, at) => {
    const next = list[at + 1];
    text += token.text;
    if (!next) return;
    if (wild ? random.percent(70) : stick(token, next) || random.percent(60)) text += wild ? random.pick(IGNORED) : " ";
    else if (stick(token, next)) text += " ";
  });
  return random.percent(10) ? text + random.pick(IGNORED) : text;
}
