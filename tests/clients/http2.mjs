// node http2.mjs URL COUNT QUERY
//
// Sends a query COUNT times at once over one HTTP/2 connection without TLS (node's own client), and prints one
// JSON line per answer: {"status", "body"}. Exit codes: 0 when all were answered, 2 for wrong arguments, 3 when
// the connection failed.

import http2 from "node:http2";

const [url, countText, query] = process.argv.slice(2);
const count = Number(countText);
if (!url || !query || !Number.isInteger(count) || count < 1) {
  console.error("usage: node http2.mjs URL COUNT QUERY");
  process.exit(2);
}
const { origin, pathname } = new URL(url);
const session = http2.connect(origin);
session.on("error", (error) => {
  console.error(error);
  process.exit(3);
});

function ask() {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": "POST", ":path": pathname, "content-type": "application/json" });
    let status;
    let body = "";
    stream.setEncoding("utf8");
    stream.on("response", (headers) => (status = headers[":status"]));
    stream.on("data", (piece) => (body += piece));
    stream.on("end", () => resolve({ status, body }));
    stream.on("error", reject);
    stream.end(JSON.stringify({ query }));
  });
}

for (const answer of await Promise.all(Array.from({ length: count }, ask))) {
  process.stdout.write(JSON.stringify(answer) + "\n");
}
session.close();
