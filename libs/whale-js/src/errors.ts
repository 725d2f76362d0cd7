/**
 * What can go wrong, as a tree; catch as high or as low as suits.
 *
 *     WhaleError
 *      ├── ConfigurationError       no key, or a setting that cannot be
 *      ├── InvalidArgument          a value that cannot be sent
 *      ├── ConnectionFailed         no answer came, whatever was tried
 *      ├── TimedOut                 no answer came in time
 *      └── ApiError                 the API refused; `status`, and a stable `code`
 *           ├── Unauthenticated          no valid key
 *           ├── InsufficientScope        the key may not do this: `required`
 *           ├── NotFound                 nothing of that id in this store
 *           ├── RateLimited              too many requests for this key
 *           ├── RequestTimeout           the request arrived too slowly; it was not run
 *           ├── HeadersTooLarge
 *           ├── MethodNotAllowed
 *           ├── TooLarge
 *           ├── UnsupportedMediaType
 *           ├── InvalidRequest           faulty values, all named at once: `errors`
 *           ├── IdempotencyKeyReused     the key stands for another request
 *           ├── IdempotencyInFlight      the first request with the key still runs
 *           ├── Refused                  a rule forbids it; nothing was changed
 *           │    ├── RewardUnavailable        `reason`
 *           │    ├── Conflict
 *           │    ├── ProgramInactive
 *           │    ├── AccountSuspended
 *           │    └── InsufficientPoints       `balance`, `required`, `missing`
 *           ├── Unavailable              did not happen, or is settled within ten seconds
 *           ├── InternalError            a defect of the service
 *           └── UnexpectedAnswer         not an answer of this API: broken JSON, a proxy's page
 *
 * A code that this version does not know is an ApiError. No error ever holds the API key.
 *
 * An application may load this package twice, as an ES module and as CommonJS. `instanceof` holds across
 * both: each class's prototype bears a registered symbol, which is the same in every copy.
 */

const MARKS = new Map<unknown, symbol>();

/** Which call an error belongs to. */
export interface Origin {
  /** Names the request in the service's logs. */
  request_id?: string | undefined;
  /** The key that a failed write was sent with: the same write repeated with it acts once. */
  idempotency_key?: string | undefined;
  cause?: unknown;
}

/** The root: `message` is for a person, `code` for the program. */
export class WhaleError extends Error {
  readonly code: string;
  readonly request_id: string | undefined;
  readonly idempotency_key: string | undefined;

  constructor(code: string, message: string, origin: Origin = {}) {
    const where = origin.request_id === undefined ? "" : ` (request ${origin.request_id})`;
    super(`${code}: ${message}${where}`, "cause" in origin ? { cause: origin.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    this.request_id = origin.request_id;
    this.idempotency_key = origin.idempotency_key;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    const mark = MARKS.get(this);
    // A class that an application derived from one of these has no mark.
    if (mark === undefined) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && mark in value;
  }
}

/** The client cannot be made with these settings. */
export class ConfigurationError extends WhaleError {
  constructor(message: string) {
    super("configuration_error", message);
  }
}

/** A value that no request can carry: the call was refused before anything was sent. */
export class InvalidArgument extends WhaleError {
  constructor(message: string, cause?: unknown) {
    super("invalid_argument", message, cause === undefined ? {} : { cause });
  }
}

/** No answer came: whether a write happened is told by repeating it with `idempotency_key`. */
export class ConnectionFailed extends WhaleError {
  constructor(message: string, origin?: Origin) {
    super("connection_failed", message, origin);
  }
}

/** No answer came in time: whether a write happened is told by repeating it with `idempotency_key`. */
export class TimedOut extends WhaleError {
  constructor(message: string, origin?: Origin) {
    super("timed_out", message, origin);
  }
}

/** What the API said: `extra` holds the members beyond RFC 9457's own. */
export interface Said {
  status: number;
  code: string;
  detail: string;
  extra: Record<string, unknown>;
}

/** The API answered with an error. */
export class ApiError extends WhaleError {
  readonly status: number;
  readonly detail: string;
  readonly extra: Record<string, unknown>;

  constructor(said: Said, origin?: Origin) {
    super(said.code, `${said.detail} [${said.status}]`, origin);
    this.status = said.status;
    this.detail = said.detail;
    this.extra = said.extra;
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

/** A faulty value: where it stands, and what it should be. */
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

/** A rule forbids it; nothing was changed. */
export class Refused extends ApiError {}

export class RewardUnavailable extends Refused {
  /** inactive, not_started, ended, limit_reached, out_of_stock or tier_required. */
  readonly reason = this.extra.reason as string;
}

export class Conflict extends Refused {}

export class ProgramInactive extends Refused {}

export class AccountSuspended extends Refused {}

/** All three are points: what the customer has, what it takes, and the difference. */
export class InsufficientPoints extends Refused {
  readonly balance = this.extra.balance as number;
  readonly required = this.extra.required as number;
  readonly missing = this.extra.missing as number;
}

export class Unavailable extends ApiError {}

export class InternalError extends ApiError {}

/** What answered is not this API, or not a version of it that this client understands. */
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

/** The error that `said` is, by its code. */
export function errorOf(said: Said, origin: Origin): ApiError {
  const kind = Object.hasOwn(BY_CODE, said.code) ? BY_CODE[said.code] : undefined;
  return new (kind ?? ApiError)(said, origin);
}

// By name in an object, since a minifier shortens the classes' own names.
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
