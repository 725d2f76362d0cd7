/** A request to the API as a value: what to send. */

import { InvalidArgument } from "./errors.js";
import type { Limits } from "./settings.js";

/** Options of every method; the limits are those of the client unless they are set here. */
export interface RequestOptions extends Limits {
  /** For a write, which takes effect once per key. Generated if omitted. */
  idempotencyKey?: string;
  /** Aborts the call; it rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface Operation {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** The path relative to the store, with the query. */
  readonly target: string;
  readonly body?: string | undefined;
  readonly contentType?: string;
  /** The idempotency key of a write. */
  readonly idempotencyKey?: string;
  readonly options: RequestOptions;
}

/** A GET operation; query parameters that are undefined or null are not sent. */
export function read(path: string, query: object = {}, options: RequestOptions = {}): Operation {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    parameters.set(name, encodeParameter(name, value));
  }
  const text = parameters.toString();
  return { method: "GET", target: text ? `${path}?${text}` : path, options };
}

/** An operation that changes something, once per idempotency key. */
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
    idempotencyKey: validIdempotencyKey(options.idempotencyKey ?? uniqueId()),
    options,
  };
}

/** The body as JSON; throws InvalidArgument for what JSON cannot hold. */
export function encode(body: unknown): string {
  try {
    return JSON.stringify(body, (name, value) => validText(name, value));
  } catch (error) {
    if (error instanceof InvalidArgument) throw error;
    const reason = (error as Error).message;
    throw new InvalidArgument(`The request cannot be written as JSON: ${reason}`, error);
  }
}

/**
 * The key. Throws InvalidArgument for a key that a header cannot carry; fetch strips blanks at both ends, so
 * the server would see a different key.
 */
function validIdempotencyKey(key: unknown): string {
  if (typeof key !== "string" || !/^(?! )[\x20-\x7e]{1,255}(?<! )$/.test(key)) {
    throw new InvalidArgument(
      "idempotencyKey must be a string of 1-255 printable ASCII characters without leading or trailing" +
        ` blanks, not ${describe(key)}`,
    );
  }
  return key;
}

function encodeParameter(name: string, value: unknown): string {
  if (!(value instanceof Date)) return validText(name, String(value));
  if (Number.isNaN(value.getTime())) throw new InvalidArgument(`${name} is an invalid Date.`);
  return value.toISOString();
}

/** The value. Throws InvalidArgument for text with half a surrogate pair, which has no UTF-8 form. */
function validText<T>(name: string, value: T): T {
  if (typeof value === "string" && /\p{Surrogate}/u.test(value)) {
    throw new InvalidArgument(`${name || "A value"} is not valid text: ${describe(value)}`);
  }
  return value;
}

/** A value as an error message quotes it. */
function describe(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : `${String(value)} (${typeof value})`;
}

/** An id as one path segment. Throws InvalidArgument for an id that a path cannot carry. */
export function segment(id: string): string {
  if (typeof id !== "string") throw new InvalidArgument(`An id must be a string, not ${describe(id)}`);
  if (["", ".", ".."].includes(id)) {
    throw new InvalidArgument(`${describe(id)} is not a valid id.`);
  }
  return encodeURIComponent(validText("The id", id));
}

/** A random UUID. It must be unique, not secret, so a platform without crypto uses Math.random. */
export function uniqueId(): string {
  if (typeof globalThis.crypto?.randomUUID === "function") return globalThis.crypto.randomUUID();
  const digits = Array.from({ length: 31 }, () => Math.floor(Math.random() * 16).toString(16));
  digits[15] = "89ab"[Math.floor(Math.random() * 4)]!;
  return digits
    .join("")
    .replace(/^(.{8})(.{4})(.{3})(.{4})(.{12})$/, "$1-$2-4$3-$4-$5");
}
