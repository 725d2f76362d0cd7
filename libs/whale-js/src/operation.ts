/** A request to the API as a value. */

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
    parameters.set(name, value instanceof Date ? value.toISOString() : String(value));
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
  const idempotencyKey = options.idempotencyKey ?? uniqueId();
  if (!/^[\x20-\x7e]{1,255}$/.test(idempotencyKey)) {
    throw new TypeError("An idempotencyKey is 1-255 printable ASCII characters.");
  }
  return {
    method,
    target: path,
    body: body === undefined ? undefined : JSON.stringify(body),
    contentType,
    idempotencyKey,
    signal: options.signal,
  };
}

/** An id as one segment of a path. */
export function segment(id: string): string {
  if (typeof id !== "string" || ["", ".", ".."].includes(id)) {
    throw new TypeError(`${JSON.stringify(id)} is not the id of anything.`);
  }
  return encodeURIComponent(id);
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
