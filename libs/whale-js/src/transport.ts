/** Sending operations over HTTP: every attempt has its time, and a call has its end. */

import { ConnectionFailed, errorOf, type Origin, TimedOut, UnexpectedAnswer } from "./errors.js";
import { type Operation, uniqueId } from "./operation.js";
import { type Answer, askedWaitMs, isWorthAnother, problemIn, waitAfter } from "./retry.js";
import { DEFAULT_BASE_URL, type Fetch, type Settings } from "./settings.js";

/** Nothing came back, or only a part. */
interface NoAnswer {
  readonly why: string;
  readonly timedOut: boolean;
  readonly cause: unknown;
}

type Outcome = Answer | NoAnswer;

// So much of a body that is not ours is shown.
const SHOWN = 200;
const PROBLEM = new Set(["type", "title", "status", "detail", "instance", "code"]);

export class Transport {
  readonly #settings: Settings;
  readonly #fetch: Fetch;
  readonly #key: string;

  constructor(settings: Settings, fetch: Fetch, key: string) {
    this.#settings = settings;
    this.#fetch = fetch;
    this.#key = key;
  }

  /** The operation's result, after as many attempts as it takes and may have; each sends the same. */
  async send<T>(operation: Operation): Promise<T> {
    const { deadlineMs, maxRetries } = this.#settings;
    const requestId = `req_${uniqueId()}`;
    const deadline = now() + deadlineMs;
    for (let attempts = 1; ; attempts++) {
      const outcome = await this.#attempt(operation, requestId, deadline - now());
      const origin = { request_id: requestId, idempotency_key: operation.idempotencyKey };
      const isAnswer = "status" in outcome;
      if (isAnswer && !isWorthAnother(outcome)) return this.#result<T>(outcome, origin);
      const wait = waitAfter(attempts, isAnswer ? askedWaitMs(outcome) : 0, Math.random());
      if (attempts > maxRetries || now() + wait >= deadline) {
        if (isAnswer) throw this.#error(outcome, origin);
        throw this.#failure(operation, outcome, attempts, origin);
      }
      await sleep(wait, operation.signal);
    }
  }

  async #attempt(operation: Operation, requestId: string, leftMs: number): Promise<Outcome> {
    const { signal } = operation;
    signal?.throwIfAborted();
    const controller = new AbortController();
    const end = () => controller.abort();
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, Math.min(this.#settings.timeoutMs, Math.max(leftMs, 1)));
    signal?.addEventListener("abort", end);
    try {
      return await this.#exchange(operation, requestId, controller.signal);
    } catch (cause) {
      signal?.throwIfAborted();
      if (timedOut) return { why: "no answer came in time", timedOut, cause };
      return { why: reasonOf(cause), timedOut, cause };
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  }

  async #exchange(operation: Operation, requestId: string, signal: AbortSignal): Promise<Answer> {
    const fetch = this.#fetch;
    const response = await fetch(this.#urlOf(operation), {
      method: operation.method,
      headers: this.#headers(operation, requestId),
      // Redirects are not the API's: followed, they might act elsewhere.
      redirect: "manual",
      signal,
      ...(operation.body === undefined ? {} : { body: operation.body }),
    });
    return { status: response.status, headers: response.headers, body: await response.text() };
  }

  #urlOf(operation: Operation): string {
    const { baseUrl, store } = this.#settings;
    return `${baseUrl}/v1/stores/${store}/${operation.target}`;
  }

  #headers(operation: Operation, requestId: string): Record<string, string> {
    return {
      Accept: "application/json",
      Authorization: `Bearer ${this.#key}`,
      "X-Request-Id": requestId,
      ...(operation.idempotencyKey === undefined
        ? {}
        : { "Idempotency-Key": operation.idempotencyKey }),
      ...(operation.body === undefined ? {} : { "Content-Type": operation.contentType! }),
    };
  }

  #result<T>(answer: Answer, origin: Origin): T {
    if (answer.status === 204) return undefined as T;
    if (answer.status < 200 || answer.status >= 300) throw this.#error(answer, origin);
    let read: unknown;
    try {
      read = JSON.parse(answer.body);
    } catch {
      throw this.#unexpected(answer, "the answer is not JSON", origin);
    }
    if (typeof read !== "object" || read === null) {
      throw this.#unexpected(answer, "the answer is not an object", origin);
    }
    return read as T;
  }

  #error(answer: Answer, origin: Origin): Error {
    const problem = problemIn(this.#redacted(answer.body));
    if (!problem) return this.#unexpected(answer, "not an error of this API", origin);
    const said = {
      status: answer.status,
      code: problem.code,
      detail: String(problem.detail ?? problem.title ?? problem.code),
      extra: Object.fromEntries(Object.entries(problem).filter(([name]) => !PROBLEM.has(name))),
    };
    return errorOf(said, origin);
  }

  #unexpected(answer: Answer, what: string, origin: Origin): Error {
    const kind = answer.headers.get("content-type") ?? "no content type";
    const shown = this.#redacted(`${kind}: ${answer.body}`).slice(0, SHOWN);
    const said = { status: answer.status, code: "unexpected_answer", extra: {} };
    return new UnexpectedAnswer({ ...said, detail: `${what}; ${shown}` }, origin);
  }

  /** That nothing came, and from where; without the key, in case that it stands where an id should. */
  #failure(operation: Operation, outcome: NoAnswer, attempts: number, origin: Origin): Error {
    const tried = `${operation.method} ${this.#urlOf(operation)}`;
    const told = this.#redacted(`${outcome.why} (${tried}, attempts: ${attempts})`);
    const { timedOut, cause } = outcome;
    return timedOut
      ? new TimedOut(told, { ...origin, cause })
      : new ConnectionFailed(told + this.#hint(), { ...origin, cause });
  }

  /** Whoever gave no address may not know that there is one to give. */
  #hint(): string {
    return this.#settings.baseUrl === DEFAULT_BASE_URL
      ? ". This is the default address; for another, set WHALE_BASE_URL or give a baseUrl"
      : "";
  }

  /** `text` without the key, in case that a server repeats what it was sent. */
  #redacted(text: string): string {
    return text.replaceAll(this.#key, "[key]");
  }
}

/** What fetch says of a broken connection, with what it says underneath. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as { code?: string; message?: string } | undefined;
  const under = cause?.code ?? cause?.message;
  return under ? `${error.message}: ${under}` : error.message;
}

/** Milliseconds of a clock that never goes back. */
function now(): number {
  return performance.now();
}

/** Waits so long, or until the signal aborts. */
function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, ms);
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end, { once: true });
  });
}
