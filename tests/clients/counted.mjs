// A `fetch` that counts requests, and those that name a persisted query without bringing its text.

export function counted() {
  let requests = 0;
  let hashesWithoutText = 0;
  return {
    fetch(resource, options) {
      requests += 1;
      const parameters = new URL(resource).searchParams;
      const body = options?.body ? JSON.parse(options.body) : Object.fromEntries(parameters);
      const extensions = typeof body.extensions === "string" ? JSON.parse(body.extensions) : body.extensions;
      if (extensions?.persistedQuery && !body.query) hashesWithoutText += 1;
      return fetch(resource, options);
    },
    numbers: () => ({ requests, hashesWithoutText }),
  };
}
