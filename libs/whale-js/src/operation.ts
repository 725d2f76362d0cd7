/** A request to the API as a value. */

import { InvalidArgument } from "./errors.js";

/** What any call may be told. */
export interface RequestOptions {
  /** For a write: acts once, however often it is sent. Made where it is left out. */
  idempotencyKey?: string;
  /** Ends the call when it aborts, with the signal's reason. */
  signal?: AbortSignal;
}

export interface Operation {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Under the store, with the query. */
  readonly target: string;
  readonly body?: string | undefined;
  readonly contentType?: string;
  /** The idempotency key of a write. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal | undefined;
}

/** A request that changes nothing; parameters that are undefined or null are left out. */
export function read(path: string, query: object = {}, options: RequestOptions = {}): Operation {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    parameters.set(name, parameterText(name, value));
  }
  const text = parameters.toString();
  return { method: "GET", target: text ? `${path}?${text}` : path, signal: options.signal };
}

/** A request that has an effect, once. */
export function write(
  method: Operation["method"],
  path: string,
  body: unknown,
  options: RequestOptions = {},
  contentType = "application/json",
): Operation {
  return {
    method,
    target: path,
    body: body === undefined ? undefined : encode(body),
    contentType,
    idempotencyKey: checkedKey(options.idempotencyKey ?? uniqueId()),
    signal: options.signal,
  };
}

/** The body as JSON; throws InvalidArgument for what JSON cannot hold. */
export function encode(body: unknown): string {
  try {
    return JSON.stringify(body, (name, value) => wholeText(name, value));
  } catch (error) {
    if (error instanceof InvalidArgument) throw error;
    const why = (error as Error).message;
    throw new InvalidArgument(`The request cannot be written as JSON: ${why}`, error);
  }
}

/** The key, unless no header can carry it: fetch cuts blanks off, and the server keeps another key. */
function checkedKey(key: unknown): string {
  if (typeof key !== "string" || !/^(?! )[\x20-\x7e]{1,255}(?<! )$/.test(key)) {
    throw new InvalidArgument(
      "An idempotencyKey is a string of 1-255 printable ASCII characters, without blanks at its ends," +
        ` not ${shown(key)}`,
    );
  }
  return key;
}

function parameterText(name: string, value: unknown): string {
  if (!(value instanceof Date)) return wholeText(name, String(value));
  if (Number.isNaN(value.getTime())) throw new InvalidArgument(`${name} is an invalid Date.`);
  return value.toISOString();
}

/** The value, unless it is text with half a surrogate pair, which no encoding can carry. */
function wholeText<T>(name: string, value: T): T {
  if (typeof value === "string" && /\p{Surrogate}/u.test(value)) {
    throw new InvalidArgument(`${name || "A value"} is not valid text: ${shown(value)}`);
  }
  return value;
}

/** A value as an error shows it. */
function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : `${String(value)} (${typeof value})`;
}

/** An id as one segment of a path. */
export function segment(id: string): string {
  if (typeof id !== "string") throw new InvalidArgument(`An id is a string, not ${shown(id)}`);
  if (["", ".", ".."].includes(id)) {
    throw new InvalidArgument(`${shown(id)} is not the id of anything.`);
  }
  return encodeURIComponent(wholeText("An id", id));
}

/** A UUID; unique, not secret: platforms without crypto make one all the same. */
export function uniqueId(): string {
  if (typeof globalThis.crypto?.randomUUID === "function") return globalThis.crypto.randomUUID();
  const digits = Array.from({ length: 31 }, () => Math.floor(Math.random() * 16).toString(16));
  digits[15] = "89ab"[Math.floor(Math.random() * 4)]!;
  return digits
    .join("")
    .replace(/^(.{8})(.{4})(.{3})(.{4})(.{12})$/, "$1-$2-4$3-$4-$5");
}
