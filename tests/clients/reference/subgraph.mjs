// node subgraph.mjs
//
// Serves every graph of the suite at /NAME, queries and mutations by POST and subscriptions by WebSocket, and prints
// its port.

import { createServer } from "node:http";
import { execute, parse } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { schemas } from "./schemas.mjs";

async function answer(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { query, variables, operationName } = JSON.parse(Buffer.concat(chunks).toString());
  const schema = schemas[request.url.slice(1)];
  let result;
  try {
    result = await execute({ schema, document: parse(query), variableValues: variables, operationName });
  } catch (error) {
    result = { errors: [error] };
  }
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(result));
}

const server = createServer(answer);
// The router keeps its connections; it is the one to close them.
server.keepAliveTimeout = 0;
const sockets = Object.fromEntries(Object.keys(schemas).map((name) => [name, new WebSocketServer({ noServer: true })]));
for (const [name, socket] of Object.entries(sockets)) useServer({ schema: schemas[name] }, socket);
server.on("upgrade", (request, socket, head) => {
  const at = sockets[request.url.slice(1)];
  at.handleUpgrade(request, socket, head, (connection) => at.emit("connection", connection, request));
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
