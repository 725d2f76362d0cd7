// Makes the calls that it reads from its input with the JavaScript client, and prints what came of them.
import { text } from "node:stream/consumers";
import { inspect } from "node:util";

const { WhaleClient } = await import(process.argv[2]);
const asked = JSON.parse(await text(process.stdin));

function kinds(error) {
  const names = [];
  for (let one = error; one && one.constructor !== Object; one = Object.getPrototypeOf(one)) {
    if (Object.hasOwn(one, "constructor")) names.push(one.constructor.name);
  }
  return names;
}

function shown(thing) {
  return [String(thing), thing?.stack, JSON.stringify(thing), inspect(thing, { depth: 20, showHidden: true })].join("\n");
}

async function make(whale, { name, args, walk }) {
  const path = name.split(".");
  const method = path.pop();
  const branch = path.reduce((one, step) => one[step], whale);
  if (!walk) return await branch[method](...args);
  const found = [];
  for await (const item of branch[method](...args)) found.push(item);
  return found;
}

async function outcome() {
  let whale;
  const started = performance.now();
  try {
    whale = new WhaleClient(asked.options);
    const value = await make(whale, asked);
    return { value: value ?? null, seconds: (performance.now() - started) / 1000, client: shown(whale) };
  } catch (error) {
    const { code, status, request_id, idempotency_key, message, extra = {} } = error;
    const members = Object.fromEntries(Object.keys(extra).map((name) => [name, error[name]]));
    return {
      error: { kinds: kinds(error), code, status, request_id, idempotency_key, message, members, shown: shown(error) },
      seconds: (performance.now() - started) / 1000,
      client: shown(whale),
    };
  }
}

console.log(JSON.stringify(await outcome()));
