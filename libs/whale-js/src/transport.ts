/** The HTTP transport: retries within the time limits of an attempt and of a call. */

import { ConnectionFailed, createError, type Origin, TimedOut, UnexpectedAnswer } from "./errors.js";
import { type Operation, uniqueId } from "./operation.js";
import { delayMs, isRetryable, parseProblem, type ReceivedResponse, retryAfterMs } from "./retry.js";
import { DEFAULT_BASE_URL, type Fetch, type Settings, withLimits } from "./settings.js";
import { VERSION } from "./version.js";

/** An attempt without a complete response; `reason` is a sentence fragment for the error. */
interface NoResponse {
  readonly reason: string;
  readonly timedOut: boolean;
  readonly cause: unknown;
}

type Outcome = ReceivedResponse | NoResponse;

// How much of an unexpected response an error message quotes: a proxy's page can be long.
const EXCERPT_LENGTH = 200;
const PROBLEM_MEMBERS = new Set(["type", "title", "status", "detail", "instance", "code"]);

export class Transport {
  readonly #settings: Settings;
  readonly #fetch: Fetch;
  readonly #key: string;

  constructor(settings: Settings, fetch: Fetch, key: string) {
    this.#settings = settings;
    this.#fetch = fetch;
    this.#key = key;
  }

  /** The operation's result after at most `maxRetries` retries, each the same request. Throws a WhaleError. */
  async send<T>(operation: Operation): Promise<T> {
    const { timeoutMs, deadlineMs, maxRetries } = withLimits(this.#settings, operation.options);
    const requestId = `req_${uniqueId()}`;
    const deadline = now() + deadlineMs;
    for (let attempts = 1; ; attempts++) {
      const outcome = await this.#attempt(operation, requestId, Math.min(timeoutMs, deadline - now()));
      const origin = { request_id: requestId, idempotency_key: operation.idempotencyKey };
      const isResponse = "status" in outcome;
      if (isResponse && !isRetryable(outcome)) return this.#result<T>(outcome, origin);
      const delay = delayMs(attempts, isResponse ? retryAfterMs(outcome) : 0, Math.random());
      if (attempts > maxRetries || now() + delay >= deadline) {
        if (isResponse) throw this.#error(outcome, origin);
        throw this.#failure(operation, outcome, attempts, origin);
      }
      await sleep(delay, operation.options.signal);
    }
  }

  async #attempt(operation: Operation, requestId: string, timeoutMs: number): Promise<Outcome> {
    const { signal } = operation.options;
    signal?.throwIfAborted();
    const controller = new AbortController();
    const abort = () => controller.abort();
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      abort();
    }, Math.max(timeoutMs, 1));
    signal?.addEventListener("abort", abort);
    try {
      return await this.#exchange(operation, requestId, controller.signal);
    } catch (cause) {
      signal?.throwIfAborted();
      if (timedOut) return { reason: "the response did not arrive in time", timedOut, cause };
      return { reason: describeCause(cause), timedOut, cause };
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  async #exchange(operation: Operation, requestId: string, signal: AbortSignal): Promise<ReceivedResponse> {
    const fetch = this.#fetch;
    const response = await fetch(this.#url(operation), {
      method: operation.method,
      headers: this.#headers(operation, requestId),
      // The API sends no redirects. Following one could repeat a write at another address.
      redirect: "manual",
      signal,
      ...(operation.body === undefined ? {} : { body: operation.body }),
    });
    return { status: response.status, headers: response.headers, body: await response.text() };
  }

  #url(operation: Operation): string {
    const { baseUrl, store } = this.#settings;
    return `${baseUrl}/v1/stores/${store}/${operation.target}`;
  }

  #headers(operation: Operation, requestId: string): Record<string, string> {
    return {
      Accept: "application/json",
      Authorization: `Bearer ${this.#key}`,
      "User-Agent": `whale-loyalty-js/${VERSION}`,
      "X-Request-Id": requestId,
      ...(operation.idempotencyKey === undefined
        ? {}
        : { "Idempotency-Key": operation.idempotencyKey }),
      ...(operation.body === undefined ? {} : { "Content-Type": operation.contentType! }),
    };
  }

  #result<T>(response: ReceivedResponse, origin: Origin): T {
    if (response.status === 204) return undefined as T;
    if (response.status < 200 || response.status >= 300) throw this.#error(response, origin);
    let value: unknown;
    try {
      value = JSON.parse(response.body);
    } catch {
      throw this.#unexpected(response, "the response is not JSON", origin);
    }
    if (typeof value !== "object" || value === null) {
      throw this.#unexpected(response, "the response is not a JSON object", origin);
    }
    return value as T;
  }

  #error(response: ReceivedResponse, origin: Origin): Error {
    const problem = parseProblem(this.#redacted(response.body));
    if (!problem) return this.#unexpected(response, "not an error of this API", origin);
    const content = {
      status: response.status,
      code: problem.code,
      detail: String(problem.detail ?? problem.title ?? problem.code),
      extra: Object.fromEntries(Object.entries(problem).filter(([name]) => !PROBLEM_MEMBERS.has(name))),
    };
    return createError(content, origin);
  }

  #unexpected(response: ReceivedResponse, problem: string, origin: Origin): Error {
    const mediaType = response.headers.get("content-type") ?? "no content type";
    const excerpt = this.#redacted(`${mediaType}: ${response.body}`).slice(0, EXCERPT_LENGTH);
    const content = { status: response.status, code: "unexpected_answer", extra: {} };
    return new UnexpectedAnswer({ ...content, detail: `${problem}; ${excerpt}` }, origin);
  }

  /** The error with the request that failed; redacted, since a caller may have passed the API key as an id. */
  #failure(operation: Operation, outcome: NoResponse, attempts: number, origin: Origin): Error {
    const request = `${operation.method} ${this.#url(operation)}`;
    const message = this.#redacted(`${outcome.reason} (${request}, attempts: ${attempts})`);
    const { timedOut, cause } = outcome;
    return timedOut
      ? new TimedOut(message, { ...origin, cause })
      : new ConnectionFailed(message + this.#defaultAddressHint(), { ...origin, cause });
  }

  /** Names the setting that may be missing, if the call went to the default address. */
  #defaultAddressHint(): string {
    return this.#settings.baseUrl === DEFAULT_BASE_URL
      ? ". This is the default address; set WHALE_BASE_URL or pass baseUrl to change it"
      : "";
  }

  /** `text` without the API key: a server may echo the request. */
  #redacted(text: string): string {
    return text.replaceAll(this.#key, "[key]");
  }
}

/** The message of fetch's error, with the code or message of its cause. */
function describeCause(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as { code?: string; message?: string } | undefined;
  const detail = cause?.code ?? cause?.message;
  return detail ? `${error.message}: ${detail}` : error.message;
}

/** Milliseconds of a monotonic clock. */
function now(): number {
  return performance.now();
}

/** Resolves after `ms`, or rejects with the signal's reason when it aborts. */
function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
