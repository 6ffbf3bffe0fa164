// Loaded before the conformance suite and the inspector, which know no credentials of ours: every request of theirs carries MCP_TEST_TOKEN.
const name = Symbol.for("undici.globalDispatcher.1");
await fetch("data:,").catch(() => {});
const real = globalThis[name];

class Bearer {
  constructor(inner) { this.inner = inner; }
  dispatch(options, handler) {
    const token = `Bearer ${process.env.MCP_TEST_TOKEN}`;
    const headers = options.headers;
    let more;
    if (Array.isArray(headers)) {
      const known = headers.some((one, at) => at % 2 === 0 && String(one).toLowerCase() === "authorization");
      more = known ? headers : [...headers, "authorization", token];
    } else if (headers && typeof headers[Symbol.iterator] === "function") {
      more = Object.fromEntries([...headers, ["authorization", token]]);
    } else {
      more = { authorization: token, ...headers };
    }
    return this.inner.dispatch({ ...options, headers: more }, handler);
  }
  close(...args) { return this.inner.close(...args); }
  destroy(...args) { return this.inner.destroy(...args); }
}
globalThis[name] = new Bearer(real);

import http from "node:http";
import { syncBuiltinESMExports } from "node:module";
const plain = http.request;
http.request = (...args) => {
  const request = plain(...args);
  if (!request.getHeader("authorization")) request.setHeader("authorization", `Bearer ${process.env.MCP_TEST_TOKEN}`);
  return request;
};
syncBuiltinESMExports();
