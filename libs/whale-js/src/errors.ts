/**
 * The errors, as a tree: catch one class or a whole branch.
 *
 *     WhaleError
 *      ├── ConfigurationError       no API key, or an invalid setting
 *      ├── InvalidArgument          a value that no request can carry
 *      ├── ConnectionFailed         no response, after all retries
 *      ├── TimedOut                 no response in time, after all retries
 *      └── ApiError                 the API responded with an error: `status`, stable `code`
 *           ├── Unauthenticated          the API key is missing or invalid
 *           ├── InsufficientScope        the key lacks the scope `required`
 *           ├── NotFound                 no such object in this store
 *           ├── RateLimited              too many requests with this key
 *           ├── RequestTimeout           the request arrived too slowly and was not processed
 *           ├── HeadersTooLarge
 *           ├── MethodNotAllowed
 *           ├── TooLarge
 *           ├── UnsupportedMediaType
 *           ├── InvalidRequest           invalid values, all listed in `errors`
 *           ├── IdempotencyKeyReused     the idempotency key belongs to another request
 *           ├── IdempotencyInFlight      the first request with the key is still in progress
 *           ├── Refused                  a business rule forbids it; nothing was changed
 *           │    ├── RewardUnavailable        `reason`
 *           │    ├── Conflict
 *           │    ├── ProgramInactive
 *           │    ├── AccountSuspended
 *           │    └── InsufficientPoints       `balance`, `required`, `missing`
 *           ├── Unavailable              a write did not happen, or settles within 10 seconds
 *           ├── InternalError            an internal error of the service
 *           └── UnexpectedAnswer         not a response of this API, such as a proxy's page
 *
 * A code that this version does not know is an ApiError. No error contains the API key.
 *
 * An application may load this package twice, as an ES module and as CommonJS. `instanceof` works across
 * both: each class's prototype has a registered symbol, which is the same in every copy.
 */

import type { RewardReason } from "./types.js";

const MARKS = new Map<unknown, symbol>();

/** The call that an error belongs to. */
export interface Origin {
  /** Identifies the request in the service's logs. */
  request_id?: string | undefined;
  /** The key of a failed write: repeat the write with it, and it takes effect at most once. */
  idempotency_key?: string | undefined;
  cause?: unknown;
}

/** The root: `message` is for people, `code` a stable value for programs. */
export class WhaleError extends Error {
  readonly code: string;
  readonly request_id: string | undefined;
  readonly idempotency_key: string | undefined;

  constructor(code: string, message: string, origin: Origin = {}) {
    const suffix = origin.request_id === undefined ? "" : ` (request ${origin.request_id})`;
    super(`${code}: ${message}${suffix}`, "cause" in origin ? { cause: origin.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    this.request_id = origin.request_id;
    this.idempotency_key = origin.idempotency_key;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    const mark = MARKS.get(this);
    // A subclass that an application defined has no mark.
    if (mark === undefined) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && mark in value;
  }
}

/** The API key is missing, or a setting is invalid. */
export class ConfigurationError extends WhaleError {
  constructor(message: string) {
    super("configuration_error", message);
  }
}

/** A value that no request can carry; nothing was sent. */
export class InvalidArgument extends WhaleError {
  constructor(message: string, cause?: unknown) {
    super("invalid_argument", message, cause === undefined ? {} : { cause });
  }
}

/** No response arrived. A write may have happened: repeat it with `idempotency_key` to find out. */
export class ConnectionFailed extends WhaleError {
  constructor(message: string, origin?: Origin) {
    super("connection_failed", message, origin);
  }
}

/** No response arrived in time. A write may have happened: repeat it with `idempotency_key` to find out. */
export class TimedOut extends WhaleError {
  constructor(message: string, origin?: Origin) {
    super("timed_out", message, origin);
  }
}

/** The content of an error response; `extra` holds the members that RFC 9457 does not define. */
export interface ErrorContent {
  status: number;
  code: string;
  detail: string;
  extra: Record<string, unknown>;
}

/** The API responded with an error. */
export class ApiError extends WhaleError {
  readonly status: number;
  readonly detail: string;
  readonly extra: Record<string, unknown>;

  constructor(content: ErrorContent, origin?: Origin) {
    super(content.code, `${content.detail} [${content.status}]`, origin);
    this.status = content.status;
    this.detail = content.detail;
    this.extra = content.extra;
  }
}

export class Unauthenticated extends ApiError {}

export class InsufficientScope extends ApiError {
  /** The scope that the key lacks. */
  readonly required = this.extra.required as string;
}

export class NotFound extends ApiError {}

export class RateLimited extends ApiError {}

export class MethodNotAllowed extends ApiError {}

export class RequestTimeout extends ApiError {}

export class HeadersTooLarge extends ApiError {}

export class TooLarge extends ApiError {}

export class UnsupportedMediaType extends ApiError {}

/** An invalid value: its place, and what it should be. */
export interface Fault {
  detail: string;
  pointer?: string;
  parameter?: string;
  header?: string;
}

export class InvalidRequest extends ApiError {
  readonly errors = this.extra.errors as Fault[];
}

export class IdempotencyKeyReused extends ApiError {}

export class IdempotencyInFlight extends ApiError {}

/** A business rule forbids the request; nothing was changed. */
export class Refused extends ApiError {}

export class RewardUnavailable extends Refused {
  readonly reason = this.extra.reason as RewardReason;
}

export class Conflict extends Refused {}

export class ProgramInactive extends Refused {}

export class AccountSuspended extends Refused {}

/** In points: the customer's `balance`, the `required` amount, and the `missing` difference. */
export class InsufficientPoints extends Refused {
  readonly balance = this.extra.balance as number;
  readonly required = this.extra.required as number;
  readonly missing = this.extra.missing as number;
}

export class Unavailable extends ApiError {}

export class InternalError extends ApiError {}

/** The response is not from this API, or from a version that this client cannot read. */
export class UnexpectedAnswer extends ApiError {}

const BY_CODE: Readonly<Record<string, typeof ApiError>> = {
  unauthenticated: Unauthenticated,
  insufficient_scope: InsufficientScope,
  not_found: NotFound,
  rate_limited: RateLimited,
  method_not_allowed: MethodNotAllowed,
  request_timeout: RequestTimeout,
  headers_too_large: HeadersTooLarge,
  too_large: TooLarge,
  unsupported_media_type: UnsupportedMediaType,
  invalid_request: InvalidRequest,
  idempotency_key_reused: IdempotencyKeyReused,
  idempotency_in_flight: IdempotencyInFlight,
  reward_unavailable: RewardUnavailable,
  conflict: Conflict,
  program_inactive: ProgramInactive,
  account_suspended: AccountSuspended,
  insufficient_points: InsufficientPoints,
  unavailable: Unavailable,
  internal_error: InternalError,
};

/** The error of the class that the code has. */
export function createError(content: ErrorContent, origin: Origin): ApiError {
  const kind = Object.hasOwn(BY_CODE, content.code) ? BY_CODE[content.code] : undefined;
  return new (kind ?? ApiError)(content, origin);
}

// Keyed by name, because a minifier changes the classes' own names.
const CLASSES = {
  WhaleError,
  ConfigurationError,
  InvalidArgument,
  ConnectionFailed,
  TimedOut,
  ApiError,
  Unauthenticated,
  InsufficientScope,
  NotFound,
  RateLimited,
  MethodNotAllowed,
  RequestTimeout,
  HeadersTooLarge,
  TooLarge,
  UnsupportedMediaType,
  InvalidRequest,
  IdempotencyKeyReused,
  IdempotencyInFlight,
  Refused,
  RewardUnavailable,
  Conflict,
  ProgramInactive,
  AccountSuspended,
  InsufficientPoints,
  Unavailable,
  InternalError,
  UnexpectedAnswer,
};

for (const [name, kind] of Object.entries(CLASSES)) {
  const mark = Symbol.for(`whale-loyalty.${name}`);
  MARKS.set(kind, mark);
  Object.defineProperty(kind.prototype, mark, { value: true });
}
