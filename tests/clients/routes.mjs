// Calls every method of the JavaScript client once, and prints each request: the method's name, HTTP method,
// path, and whether the request has an idempotency key.
const { WhaleClient } = await import(process.argv[2]);

const sent = [];
let name;
const fetch = async (url, { method, headers }) => {
  sent.push({ name, method, path: new URL(url).pathname, has_key: "Idempotency-Key" in headers });
  return Response.json({ data: [], total: 0, has_more: false });
};

async function visit(branch, prefix) {
  for (const [key, value] of Object.entries(branch)) if (key !== "transport") await visit(value, `${prefix}${key}.`);
  for (const key of Object.getOwnPropertyNames(Object.getPrototypeOf(branch))) {
    if (key === "constructor" || prefix === "") continue;
    name = prefix + key;
    await branch[key](...(name === "events.sendBatch" ? [[]] : ["id", "id"]));
  }
}

await visit(new WhaleClient({ apiKey: "wk_live_x", fetch }), "");
console.log(JSON.stringify(sent));
