/** The client's settings: what is given, else the environment, else a default. */

import { ConfigurationError } from "./errors.js";

export type Fetch = typeof globalThis.fetch;

export interface WhaleClientOptions {
  /** `wk_live_…`; else the environment's WHALE_API_KEY. */
  apiKey?: string;
  /** Else the environment's WHALE_BASE_URL, else http://127.0.0.1:8080. */
  baseUrl?: string;
  /** A store's id, or `me`: the key's own. */
  store?: string;
  /** The longest that one attempt takes; 20 s unless told. */
  timeoutMs?: number;
  /** The longest that a call takes with all its retries; 60 s unless told. */
  deadlineMs?: number;
  /** How often a call is tried again; 5 unless told. */
  maxRetries?: number;
  /** Replaces the platform's fetch. */
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
// A little over what the service takes before it says that it is away.
const TIMEOUT_MS = 20_000;
const DEADLINE_MS = 60_000;
const MAX_RETRIES = 5;

/** The key given, or the environment's. */
export function keyOf(options: WhaleClientOptions): string {
  const key = options.apiKey ?? environment("WHALE_API_KEY");
  if (!key) throw new ConfigurationError("Give an apiKey, or set WHALE_API_KEY.");
  // A key that a header cannot carry would be shown by the error it causes.
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new ConfigurationError("The API key has characters that no key has, such as white space.");
  }
  return key;
}

/** The settings, checked. */
export function settingsOf(options: WhaleClientOptions): Settings {
  const settings = {
    baseUrl: plainUrl(options.baseUrl || environment("WHALE_BASE_URL") || DEFAULT_BASE_URL),
    store: options.store ?? "me",
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    deadlineMs: options.deadlineMs ?? DEADLINE_MS,
    maxRetries: options.maxRetries ?? MAX_RETRIES,
  };
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(settings.store)) {
    throw new ConfigurationError("store is `me` or a store's id: 1-64 of A-Z a-z 0-9 _ -");
  }
  for (const name of ["timeoutMs", "deadlineMs"] as const) {
    if (!(settings[name] > 0 && settings[name] < Infinity)) {
      throw new ConfigurationError(`${name} is over 0, and has an end.`);
    }
  }
  if (!(Number.isInteger(settings.maxRetries) && settings.maxRetries >= 0)) {
    throw new ConfigurationError("maxRetries is a whole number, 0 or more.");
  }
  return settings;
}

function plainUrl(text: string): string {
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    // The text may hold a password, so it is not repeated.
  }
  const isPlain = url && !(url.username || url.password || url.search || url.hash);
  if (!isPlain || !/^https?:$/.test(url!.protocol)) {
    throw new ConfigurationError(`baseUrl is a plain http or https URL, such as ${DEFAULT_BASE_URL}`);
  }
  return text.replace(/\/+$/, "");
}

/** A variable of the environment, where the platform has one. */
function environment(name: string): string | undefined {
  const platform = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return platform.process?.env?.[name];
}
