/** Which responses are retried, and after which delay: pure functions. */

/** An HTTP response with its body read. */
export interface ReceivedResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: string;
}

// The back-off's upper bound doubles with each attempt, from the first to the maximum. Each delay is drawn
// from the whole range below it (full jitter), so that many clients do not retry in step. A Retry-After is
// added on top.
const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 5_000;

// 502 and 504 are a broken connection, seen by a proxy. A write carries its idempotency key, so retrying it
// is safe.
const RETRYABLE_STATUSES = new Set([408, 429, 502, 503, 504]);

/** Whether the same request may succeed if it is retried in a moment. */
export function isRetryable(response: ReceivedResponse): boolean {
  if (response.status === 409) return parseProblem(response.body)?.code === "idempotency_in_flight";
  return RETRYABLE_STATUSES.has(response.status);
}

/** The milliseconds to wait after `attempts` failed attempts; `jitter` is from 0 to 1. */
export function delayMs(attempts: number, retryAfter: number, jitter: number): number {
  return retryAfter + jitter * Math.min(FIRST_BACKOFF_MS * 2 ** (attempts - 1), MAX_BACKOFF_MS);
}

/** The delay that the Retry-After header requests, in seconds or as a date; 0 without one. */
export function retryAfterMs(response: ReceivedResponse): number {
  const retryAfter = response.headers.get("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1_000;
  // Compared with the server's Date, so that a wrong local clock makes no difference.
  const delay = Date.parse(retryAfter) - Date.parse(response.headers.get("date") ?? "");
  return delay > 0 ? delay : 0;
}

/** The problem document in the body, or undefined if the body is not an error of this API. */
export function parseProblem(body: string): (Record<string, unknown> & { code: string }) | undefined {
  try {
    const document = JSON.parse(body);
    return typeof document?.code === "string" ? document : undefined;
  } catch {
    return undefined;
  }
}
