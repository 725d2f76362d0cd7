/** The client's settings: the option, else the environment variable, else the default. */

import { ConfigurationError } from "./errors.js";

export type Fetch = typeof globalThis.fetch;

/** How long a call may take, and how often it is retried. */
export interface Limits {
  /** The time limit of one attempt. Default: 20 s. */
  timeoutMs?: number;
  /** The time limit of a call with all its retries. Default: 60 s. */
  deadlineMs?: number;
  /** The maximum number of retries of a call. Default: 5. */
  maxRetries?: number;
}

export interface WhaleClientOptions extends Limits {
  /** Default: WHALE_API_KEY. */
  apiKey?: string;
  /** Default: WHALE_BASE_URL, else http://127.0.0.1:8080. */
  baseUrl?: string;
  /** A store's id, or `me` for the key's store (default). */
  store?: string;
  /** Starts the client in a browser, where every visitor can read the key and with it every customer's data. */
  allowBrowser?: boolean;
  /** Replaces the platform's fetch, for tests and proxies. */
  fetch?: Fetch;
}

export interface Settings extends Readonly<Required<Limits>> {
  readonly baseUrl: string;
  readonly store: string;
}

export const DEFAULT_BASE_URL = "http://127.0.0.1:8080";
// A little longer than the service takes to respond 503 when a dependency is unavailable.
const TIMEOUT_MS = 20_000;
const DEFAULT_LIMITS = { timeoutMs: TIMEOUT_MS, deadlineMs: 60_000, maxRetries: 5 };

/** Throws ConfigurationError in a browser, in a page or a worker, unless the options allow it. */
export function refuseBrowser(options: WhaleClientOptions): void {
  if (options.allowBrowser || !isBrowser()) return;
  throw new ConfigurationError(
    "WhaleClient does not start in a browser. Every visitor could read the API key, and the key reads every customer" +
      " of the store. Call the API from your server; if the key may be public, pass allowBrowser: true.",
  );
}

/** A browser's pages have a document, its workers have importScripts; servers' platforms have neither. */
function isBrowser(): boolean {
  const platform = globalThis as { document?: unknown; importScripts?: unknown };
  return Boolean(platform.document) || typeof platform.importScripts === "function";
}

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
  const store = options.store ?? "me";
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(store)) {
    throw new ConfigurationError("store must be `me` or a store id: 1-64 of A-Z a-z 0-9 _ -");
  }
  const baseUrl = normalizeUrl(options.baseUrl || environment("WHALE_BASE_URL") || DEFAULT_BASE_URL);
  return withLimits({ baseUrl, store, ...DEFAULT_LIMITS }, options);
}

/** The settings with the limits that are not undefined. Throws ConfigurationError. */
export function withLimits(settings: Settings, limits: Limits): Settings {
  const limited = {
    ...settings,
    timeoutMs: limits.timeoutMs ?? settings.timeoutMs,
    deadlineMs: limits.deadlineMs ?? settings.deadlineMs,
    maxRetries: limits.maxRetries ?? settings.maxRetries,
  };
  for (const name of ["timeoutMs", "deadlineMs"] as const) {
    if (!(limited[name] > 0 && limited[name] < Infinity)) {
      throw new ConfigurationError(`${name} must be over 0 and finite.`);
    }
  }
  if (!(Number.isInteger(limited.maxRetries) && limited.maxRetries >= 0)) {
    throw new ConfigurationError("maxRetries must be a whole number, 0 or more.");
  }
  return limited;
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
