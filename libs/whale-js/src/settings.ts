/** The client's settings: the option, else the environment variable, else the default. */

import { ConfigurationError } from "./errors.js";

export type Fetch = typeof globalThis.fetch;

export interface WhaleClientOptions {
  /** Default: WHALE_API_KEY. */
  apiKey?: string;
  /** Default: WHALE_BASE_URL, else http://127.0.0.1:8080. */
  baseUrl?: string;
  /** A store's id, or `me` for the key's store (default). */
  store?: string;
  /** The time limit of one attempt. Default: 20 s. */
  timeoutMs?: number;
  /** The time limit of a call with all its retries. Default: 60 s. */
  deadlineMs?: number;
  /** The maximum number of retries of a call. Default: 5. */
  maxRetries?: number;
  /** Replaces the platform's fetch, for tests and proxies. */
  fetch?: Fetch;
}

export interface Settings {
  readonly baseUrl: string;
  readonly store: string;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly maxRetries: number;
}

export const DEFAULT_BASE_URL = "http://127.0.0.1:8080";
// A little longer than the service takes to respond 503 when a dependency is unavailable.
const TIMEOUT_MS = 20_000;
const DEADLINE_MS = 60_000;
const MAX_RETRIES = 5;

/** The API key. Throws ConfigurationError. */
export function resolveApiKey(options: WhaleClientOptions): string {
  const key = options.apiKey ?? environment("WHALE_API_KEY");
  if (!key) throw new ConfigurationError("No API key: pass apiKey or set WHALE_API_KEY.");
  // fetch's error for a value that a header cannot carry would quote the key.
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new ConfigurationError("The API key contains characters that no key has, such as white space.");
  }
  return key;
}

/** The validated settings. Throws ConfigurationError. */
export function resolveSettings(options: WhaleClientOptions): Settings {
  const settings = {
    baseUrl: normalizeUrl(options.baseUrl || environment("WHALE_BASE_URL") || DEFAULT_BASE_URL),
    store: options.store ?? "me",
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    deadlineMs: options.deadlineMs ?? DEADLINE_MS,
    maxRetries: options.maxRetries ?? MAX_RETRIES,
  };
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(settings.store)) {
    throw new ConfigurationError("store must be `me` or a store id: 1-64 of A-Z a-z 0-9 _ -");
  }
  for (const name of ["timeoutMs", "deadlineMs"] as const) {
    if (!(settings[name] > 0 && settings[name] < Infinity)) {
      throw new ConfigurationError(`${name} must be over 0 and finite.`);
    }
  }
  if (!(Number.isInteger(settings.maxRetries) && settings.maxRetries >= 0)) {
    throw new ConfigurationError("maxRetries must be a whole number, 0 or more.");
  }
  return settings;
}

/** The URL without a trailing slash. */
function normalizeUrl(text: string): string {
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    // Not quoted: it may hold a password.
  }
  const isPlain = url && !(url.username || url.password || url.search || url.hash);
  if (!isPlain || !/^https?:$/.test(url!.protocol)) {
    throw new ConfigurationError(`baseUrl must be an http or https URL without user, query or fragment, such as ${DEFAULT_BASE_URL}`);
  }
  return text.replace(/\/+$/, "");
}

/** An environment variable; undefined on a platform without an environment, such as a browser. */
function environment(name: string): string | undefined {
  const platform = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return platform.process?.env?.[name];
}
