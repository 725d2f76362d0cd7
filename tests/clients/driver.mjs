// Makes the call that it reads from standard input with the JavaScript client, and prints the outcome.
import { text } from "node:stream/consumers";
import { inspect } from "node:util";

const { WhaleClient } = await import(process.argv[2]);
const call = JSON.parse(await text(process.stdin));

function kinds(error) {
  const names = [];
  for (let object = error; object && object.constructor !== Object; object = Object.getPrototypeOf(object)) {
    if (Object.hasOwn(object, "constructor")) names.push(object.constructor.name);
  }
  return names;
}

function printed(value) {
  return [String(value), value?.stack, JSON.stringify(value), inspect(value, { depth: 20, showHidden: true })].join("\n");
}

async function send(whale, { name, args, walk }) {
  const path = name.split(".");
  const method = path.pop();
  const branch = path.reduce((object, step) => object[step], whale);
  if (!walk) return await branch[method](...args);
  const items = [];
  for await (const item of branch[method](...args)) items.push(item);
  return items;
}

async function outcome() {
  let whale;
  const started = performance.now();
  try {
    whale = new WhaleClient(call.options);
    const value = await send(whale, call);
    return { value: value ?? null, seconds: (performance.now() - started) / 1000, client: printed(whale) };
  } catch (error) {
    const { code, status, request_id, idempotency_key, message, extra = {} } = error;
    const members = Object.fromEntries(Object.keys(extra).map((name) => [name, error[name]]));
    return {
      error: { kinds: kinds(error), code, status, request_id, idempotency_key, message, members, printed: printed(error) },
      seconds: (performance.now() - started) / 1000,
      client: printed(whale),
    };
  }
}

console.log(JSON.stringify(await outcome()));
