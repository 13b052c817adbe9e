// node subscribe_legacy.mjs URL QUERY COUNT [VARIABLES [TIMEOUT]]
//
// The same as subscribe.mjs, with the same lines and exit codes, by the legacy library
// subscriptions-transport-ws. It closes as the library does: stop, connection_terminate, close. An error
// that has several of them comes as the first, which is all that the library passes on. When a subscription
// fails that had begun, that is a result without data: it is printed, and the exit code is 1.
//
// TIMEOUT: milliseconds after which the library hangs up when it hears no keep-alive. With it, a line
// {"kept": 3} tells that the connection has lasted for three of them after the first keep-alive.
//
// RETRIES, in the environment: how often the library may connect again by itself, 0 by default.

import transport from "subscriptions-transport-ws";
import WebSocket from "ws";

const [url, query, countText, variablesText, timeoutText] = process.argv.slice(2);
const count = Number(countText);
if (!url || !query || !Number.isInteger(count) || count < 1) {
  console.error("usage: node subscribe_legacy.mjs URL QUERY COUNT [VARIABLES [TIMEOUT]]");
  process.exit(2);
}
const variables = variablesText ? JSON.parse(variablesText) : undefined;
const timeout = timeoutText ? Number(timeoutText) : undefined;
const reconnectionAttempts = Number(process.env.RETRIES ?? 0);
const reconnect = reconnectionAttempts > 0;

// The library tells nobody why a connection ended.
class Observed extends WebSocket {
  constructor(...args) {
    super(...args);
    if (timeout) this.once("message", () => setTimeout(() => print({ kept: 3 }), 3 * timeout));
    if (!reconnect) this.on("close", (code, reason) => finish(3, { close: code, reason: reason.toString() }));
  }
}

const client = new transport.SubscriptionClient(url, { reconnect, reconnectionAttempts, timeout }, Observed);
client.onError((failure) => {
  if (!reconnect) finish(3, { close: null, reason: failure?.message ?? String(failure) });
});

let seen = 0;
const subscription = client.request({ query, variables }).subscribe({
  next(result) {
    if (seen === count) return;
    print(result);
    if (!result.data) return finish(1);
    seen += 1;
    if (seen === count) {
      subscription.unsubscribe();
      finish(0);
    }
  },
  error: (failure) => finish(1, { errors: [failure] }),
  complete: () => finish(0),
});

function print(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

// The first end counts; the socket's close comes after all others.
function finish(code, line) {
  if (process.exitCode !== undefined) return;
  if (line) print(line);
  process.exitCode = code;
  client.close();
}
