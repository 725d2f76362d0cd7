// What the fault tests cannot observe from outside: settings, delays, laziness, aborting.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

import {
  ConfigurationError,
  ConnectionFailed,
  InvalidArgument,
  InvalidRequest,
  TimedOut,
  VERSION,
  WhaleClient,
  WhaleError,
} from "../dist/esm/index.js";
import { uniqueId } from "../dist/esm/operation.js";
import { delayMs, isRetryable, retryAfterMs } from "../dist/esm/retry.js";

const apiKey = "wk_live_x";
const response = (status, headers = {}, body = "") => ({ status, headers: new Headers(headers), body });

function client(responses, options = {}) {
  const sent = [];
  const fetch = async (url, init) => {
    sent.push({ url, ...init });
    const next = responses.shift();
    return next instanceof Response ? next : Response.json(next);
  };
  return { whale: new WhaleClient({ apiKey, fetch, ...options }), sent };
}

test("delays double up to a bound and are drawn from their whole range", () => {
  const longest = [1, 2, 3, 4, 5, 6, 7].map((attempts) => delayMs(attempts, 0, 1));
  assert.deepEqual(longest, [250, 500, 1000, 2000, 4000, 5000, 5000]);
  assert.equal(delayMs(3, 0, 0), 0);
  assert.equal(delayMs(3, 0, 0.5), 500);
});

test("Retry-After is added to the jittered delay", () => {
  assert.equal(delayMs(1, retryAfterMs(response(503, { "retry-after": "3" })), 1), 3250);
});

for (const retryAfter of ["", "soon", "-1", "1.5", "9".repeat(5000), "Mon, 01 Jan 2001 00:00:01 GMT"]) {
  test(`an invalid Retry-After is ignored: ${retryAfter.slice(0, 30)}`, () => {
    assert.equal(retryAfterMs(response(503, { "retry-after": retryAfter })), 0);
  });
}

test("only a response that may change in a moment is retried", () => {
  const problem = (code) => JSON.stringify({ code });
  assert.ok([429, 502, 503, 504].every((status) => isRetryable(response(status))));
  assert.ok(![200, 400, 404, 422, 500].some((status) => isRetryable(response(status))));
  assert.ok(isRetryable(response(409, {}, problem("idempotency_in_flight"))));
  assert.ok(!isRetryable(response(409, {}, problem("conflict"))));
});

test("a generated id is a unique UUID, with crypto and without", () => {
  const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  const crypto = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  const withCrypto = uniqueId();
  Object.defineProperty(globalThis, "crypto", { value: undefined, configurable: true });
  try {
    const ids = [withCrypto, ...Array.from({ length: 1000 }, uniqueId)];
    for (const id of ids) assert.match(id, pattern);
    assert.equal(new Set(ids).size, ids.length);
  } finally {
    if (crypto) Object.defineProperty(globalThis, "crypto", crypto);
    else delete globalThis.crypto;
  }
});

test("a list sends no request until it is awaited or iterated, and then one", async () => {
  const { whale, sent } = client([{ data: [{ id: "a" }], total: 1, has_more: false }]);
  const list = whale.loyalty.list();
  assert.equal(sent.length, 0);
  assert.equal((await list).total, 1);
  for await (const program of list) assert.equal(program.id, "a");
  assert.equal(sent.length, 1);
});

test("null is sent and undefined is not", async () => {
  const { whale, sent } = client([{ id: "rwd_1" }]);
  await whale.loyalty.rewards.update("rwd_1", { stock: null, name: undefined });
  assert.equal(sent[0].body, '{"stock":null}');
});

test("a Date is sent as a time in UTC", async () => {
  const { whale, sent } = client([{ data: [], total: 0, has_more: false }]);
  await whale.loyalty.transactions.list({ created_after: new Date(0), type: undefined });
  assert.match(sent[0].url, /\?created_after=1970-01-01T00%3A00%3A00.000Z$/);
});

test("a deletion returns undefined", async () => {
  const { whale } = client([new Response(null, { status: 204 })]);
  assert.equal(await whale.loyalty.rewards.delete("rwd_1"), undefined);
});

test("a signal aborts a call before it is sent, and while it waits for a retry", async () => {
  const before = client([]);
  await assert.rejects(
    before.whale.loyalty.get("cust_1", { signal: AbortSignal.abort(new Error("enough")) }),
    /enough/,
  );
  assert.equal(before.sent.length, 0);
  const busy = Response.json({ code: "rate_limited" }, { status: 429, headers: { "Retry-After": "30" } });
  const waiting = client([busy]);
  const signal = AbortSignal.timeout(50);
  const started = performance.now();
  await assert.rejects(waiting.whale.loyalty.get("cust_1", { signal }), { name: "TimeoutError" });
  assert.ok(performance.now() - started < 5_000);
  assert.equal(waiting.sent.length, 1);
});

test("a call's own limits replace the client's, for this call only", async () => {
  const slow = (url, init) =>
    new Promise((resolve, reject) => init.signal.addEventListener("abort", () => reject(new Error("aborted"))));
  const whale = new WhaleClient({ apiKey, fetch: slow, maxRetries: 0, timeoutMs: 100 });
  const seconds = async (options) => {
    const started = performance.now();
    await assert.rejects(whale.customers.retrieve("cust_1", options), TimedOut);
    return (performance.now() - started) / 1_000;
  };
  assert.ok((await seconds({ timeoutMs: 300 })) > 0.25);
  assert.ok((await seconds({ deadlineMs: 20 })) < 0.09);
  assert.ok((await seconds({})) > 0.09);
  const busy = () => new Response("", { status: 503 });
  const { whale: retrying, sent } = client([busy(), busy(), busy(), busy()]);
  await assert.rejects(retrying.customers.retrieve("cust_1", { maxRetries: 1 }));
  assert.equal(sent.length, 2);
  await assert.rejects(whale.customers.retrieve("cust_1", { timeoutMs: 0 }), ConfigurationError);
});

for (const [place, name, value] of [
  ["page", "document", {}],
  ["worker", "importScripts", () => {}],
]) {
  test(`a browser's ${place} gets a client only if the options allow it`, async () => {
    globalThis[name] = value;
    try {
      assert.throws(() => client([]), (error) => error instanceof ConfigurationError && /browser/.test(error.message));
      const { whale } = client([{ customer_id: "cust_1" }], { allowBrowser: true });
      assert.equal((await whale.customers.retrieve("cust_1")).customer_id, "cust_1");
    } finally {
      delete globalThis[name];
    }
    assert.doesNotThrow(() => client([]));
  });
}

test("every request names the client and its version", async () => {
  const { whale, sent } = client([{ customer_id: "cust_1" }]);
  await whale.customers.retrieve("cust_1");
  assert.equal(sent[0].headers["User-Agent"], `whale-loyalty-js/${VERSION}`);
});

test("an error is an Error with its class's name and members", async () => {
  const problem = { code: "invalid_request", detail: "Invalid.", errors: [{ pointer: "#/points", detail: "1 or more" }] };
  const { whale } = client([Response.json(problem, { status: 400 })]);
  await assert.rejects(whale.loyalty.earn("c", { points: 0, reason: "x" }), (error) => {
    assert.ok(error instanceof InvalidRequest && error instanceof Error);
    assert.equal(error.name, "InvalidRequest");
    assert.deepEqual(error.errors, problem.errors);
    return true;
  });
});

for (const [baseUrl, hasHint] of [["http://127.0.0.1:8080", true], ["http://x", false]]) {
  test(`the error names the address and how to change the default: ${baseUrl}`, async () => {
    const fetch = async () => {
      throw new TypeError("fetch failed");
    };
    const whale = new WhaleClient({ apiKey, fetch, baseUrl, maxRetries: 0 });
    await assert.rejects(whale.loyalty.get("cust_1"), (error) => {
      assert.ok(error instanceof ConnectionFailed);
      assert.ok(error.message.includes(`GET ${baseUrl}/v1/stores/me/loyalty/customers/cust_1`));
      assert.equal(error.message.includes("WHALE_BASE_URL"), hasHint);
      return true;
    });
  });
}

for (const settings of [
  { baseUrl: "ftp://x" },
  { baseUrl: "points.example" },
  { baseUrl: "http://user:secret@x" },
  { baseUrl: "http://x/?a=secret" },
  { store: "a/b" },
  { store: "" },
  { timeoutMs: 0 },
  { timeoutMs: Infinity },
  { deadlineMs: NaN },
  { maxRetries: -1 },
  { maxRetries: 0.5 },
  { apiKey: "" },
]) {
  test(`invalid settings are refused: ${JSON.stringify(settings)}`, () => {
    assert.throws(() => new WhaleClient({ apiKey, ...settings }), (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.ok(!error.message.includes("secret"));
      return true;
    });
  });
}

const require = createRequire(import.meta.url);
const commonJs = require("../dist/cjs/index.js");
const esModule = await import("../dist/esm/index.js");

test("instanceof works across the ES module and the CommonJS build, for every error class", () => {
  const names = Object.keys(esModule).filter((name) => esModule[name].prototype instanceof Error);
  assert.ok(names.length > 20);
  const content = { status: 409, code: "conflict", detail: "No.", extra: {} };
  for (const [own, other] of [[esModule, commonJs], [commonJs, esModule]]) {
    for (const name of names) {
      const error = name === "WhaleError" ? new own[name]("x", "x") : new own[name](content);
      for (const kind of names) {
        const isKind = own[kind].prototype.isPrototypeOf(error);
        assert.equal(error instanceof own[kind], isKind, `${name} instanceof ${kind}`);
        assert.equal(error instanceof other[kind], isKind, `${name} instanceof the other ${kind}`);
      }
    }
  }
});

test("instanceof is false for other values, and tells an application's subclass from its base class", () => {
  class Mine extends esModule.NotFound {}
  const content = { status: 404, code: "not_found", detail: "", extra: {} };
  for (const other of [undefined, null, "WhaleError", 1, {}, new Error("x")]) {
    assert.equal(other instanceof esModule.WhaleError, false);
  }
  assert.ok(new Mine(content) instanceof Mine);
  assert.ok(new Mine(content) instanceof commonJs.NotFound);
  assert.equal(new esModule.NotFound(content) instanceof Mine, false);
  assert.equal(new commonJs.NotFound(content) instanceof Mine, false);
});

const cyclic = {};
cyclic.self = cyclic;
for (const [name, makeCall, expected] of [
  ["a key with blanks", (whale) => whale.loyalty.earn("c", { points: 1, reason: "x" }, { idempotencyKey: " a" }), /1-255/],
  ["a cycle", (whale) => whale.loyalty.earn("c", { points: 1, reason: "x", cyclic }), /written as JSON/],
  ["a BigInt", (whale) => whale.loyalty.earn("c", { points: 1n, reason: "x" }), /written as JSON/],
  ["half a surrogate pair", (whale) => whale.loyalty.earn("c", { points: 1, reason: "\ud83d" }), /reason/],
  ["half a pair in a backtest", (whale) => whale.loyalty.anomalySettings.backtest({ from: "\udc00" }), /from/],
  ["half a pair in a parameter", async (whale) => await whale.loyalty.customers.list({ query: "\ud83d" }), /query/],
  ["an invalid Date", async (whale) => await whale.loyalty.transactions.list({ created_after: new Date(NaN) }), /created_after/],
  ["a number for an id", (whale) => whale.loyalty.get(5), /5 \(number\)/],
]) {
  test(`a value that no request can carry is refused before anything is sent: ${name}`, async () => {
    const { whale, sent } = client([]);
    await assert.rejects(makeCall(whale), (error) => {
      assert.ok(error instanceof InvalidArgument && error instanceof WhaleError);
      assert.equal(error.code, "invalid_argument");
      assert.match(error.message, expected);
      return true;
    });
    assert.equal(sent.length, 0);
  });
}

test("complete surrogate pairs are sent", async () => {
  const { whale, sent } = client([{ id: "txn_1" }]);
  await whale.loyalty.earn("c", { points: 1, reason: "🐋" });
  assert.equal(JSON.parse(sent[0].body).reason, "🐋");
});
