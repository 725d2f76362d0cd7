/** When a call is tried again, and after how long: pure, so that it can be read and tested. */

export interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: string;
}

// The longest wait before the second attempt and before any, unless the server asks for more. They
// double in between; each wait is drawn from all of its range, so that clients spread.
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5_000;

// 502 and 504 are a broken connection, seen by a proxy: a write has its key, so it may go again.
const WORTH_ANOTHER = new Set([408, 429, 502, 503, 504]);

/** Whether the same request may well be answered otherwise in a moment. */
export function isWorthAnother(answer: Answer): boolean {
  if (answer.status === 409) return problemIn(answer.body)?.code === "idempotency_in_flight";
  return WORTH_ANOTHER.has(answer.status);
}

/** The milliseconds to wait after so many attempts; `draw` is from 0 to 1. */
export function waitAfter(attempts: number, askedMs: number, draw: number): number {
  return askedMs + draw * Math.min(FIRST_WAIT_MS * 2 ** (attempts - 1), LONGEST_WAIT_MS);
}

/** The milliseconds that the server asks to wait: Retry-After, in seconds or as a date. */
export function askedWaitMs(answer: Answer): number {
  const asked = answer.headers.get("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(asked)) return Number(asked) * 1_000;
  // The server's own clock on both sides, so that a wrong one of ours makes no difference.
  const wait = Date.parse(asked) - Date.parse(answer.headers.get("date") ?? "");
  return wait > 0 ? wait : 0;
}

/** The problem document, where the body is one of this API's. */
export function problemIn(body: string): (Record<string, unknown> & { code: string }) | undefined {
  try {
    const found = JSON.parse(body);
    return typeof found?.code === "string" ? found : undefined;
  } catch {
    return undefined;
  }
}
