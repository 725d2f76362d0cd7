/**
 * The API's request and response types.
 *
 * Points are integers, rates and multipliers are numbers, money is text, times are RFC 3339 text in UTC.
 * A member with `?` is omitted while it is unset. Types that may get more values accept any text.
 */

type Open<Known extends string> = Known | (string & {});

export type TransactionType = Open<
  "earn" | "redeem" | "refund" | "void" | "cancel" | "adjust" | "expire" | "pend"
>;
export type RewardType = Open<"discount" | "shipping" | "credit" | "perk">;
export type RewardReason = Open<
  "inactive" | "not_started" | "ended" | "limit_reached" | "out_of_stock" | "tier_required"
>;
export type UnavailableReason =
  | RewardReason
  | "program_inactive"
  | "account_suspended"
  | "insufficient_points";
export type RedemptionStatus = Open<
  "reserved" | "confirmed" | "used" | "cancelling" | "cancelled" | "released"
>;
export type OrderState = Open<"counted" | "held" | "skipped" | "refused">;
export type OrderStateFilter = Open<"counted" | "held" | "skipped" | "refused" | "pending">;
export type ExistingDates = Open<"kept" | "extended" | "paused">;
export type ExpiryKind = Open<"after" | "yearly" | "inactivity">;
export type Round = Open<"day" | "month" | "quarter" | "year">;
export type PendingFrom = Open<"order" | "fulfilled">;
export type RefundState = Open<"counted" | "waiting" | "conflict">;
export type SkipReason = Open<
  "no_program" | "program_inactive" | "unknown_program" | "other_currency" | "not_postable"
>;
export type ZeroReason = Open<"total_is_zero" | "below_one_point">;
export type LetterCode = Open<
  "malformed" | "invalid" | "conflict" | "unsupported_version" | "defect"
>;
export type LetterTopic = Open<"order.completed" | "order.refunded" | "order.fulfilled">;
export type AnomalyType = Open<"rapid_earning" | "unusual_amount" | "deviation">;
export type AnomalyStatus = Open<"pending_review" | "in_review" | "resolved">;
export type Resolution = Open<"approved" | "voided" | "suspended">;
export type AccountStatus = Open<"active" | "suspended">;
export type Mode = Open<"off" | "shadow" | "review">;
export type AnomalyOrder = Open<"flagged_at" | "-flagged_at" | "-points_involved">;
export type Step = Open<"orders" | "detection" | "resolutions" | "redemption" | "catalog">;

/** A time in a request: RFC 3339 text with an offset, or a Date. */
export type Moment = string | Date;
/** Money, a rate or a multiplier in a request; text is exact. */
export type Decimal = string | number;

/**
 * One page of a list. `total` counts the whole list; with `total_more` it is a lower bound. `without_date` has a
 * customer's points that never expire, in the list of those that do.
 */
export interface Page<T> {
  data: T[];
  total: number;
  has_more: boolean;
  total_more?: boolean;
  without_date?: number;
}

export interface PageQuery {
  /** 1–100. Default: 20. */
  limit?: number;
  /** The id of the last item of the previous page. */
  starting_after?: string;
}

export interface Tier {
  name: string;
  min_points: number;
  multiplier: number;
  perks?: string[];
}

export interface TierInput extends Omit<Tier, "multiplier" | "perks"> {
  multiplier: Decimal;
  perks?: string[] | null;
}

/** What was probably not meant, at a place in the body of the request; it was carried out all the same. */
export interface SettingWarning {
  pointer: string;
  detail: string;
}

/**
 * `points_per_dollar` is points per unit of `currency`. The default program prices orders that name no program, and
 * gives the tiers. `warnings` come with the response to a change. Every change increases `version`. With `keep_items`,
 * the lines of its orders are kept.
 */
export interface Program {
  id: string;
  name: string;
  points_per_dollar: number;
  tiers: Tier[];
  is_active: boolean;
  created_at: string;
  currency: string;
  is_default: boolean;
  warnings?: SettingWarning[];
  version: number;
  keep_items: boolean;
  /** An IANA name; UTC if unset. */
  time_zone?: string;
  expiry?: Expiry;
  remind_days?: number[];
  pending?: Pending;
}

/** When points expire: after a period, on yearly dates (`12-31`), or together after inactivity. */
export interface Expiry {
  kind: ExpiryKind;
  months?: number;
  days?: number;
  round?: Round;
  dates?: string[];
  at_least_days?: number;
  returned_days?: number;
}

/** How long the points of an order wait: local days after the order, or after its fulfillment. */
export interface Pending {
  days: number;
  from?: PendingFrom;
  give_up_days?: number;
}

/** A program as it was from `changed_at` until its next version; `changed_by` is the name of the key. */
export interface ProgramVersion extends Omit<Program, "is_default" | "warnings"> {
  changed_by?: string;
  changed_at: string;
}

/** `points_*` are those of an order of `order_total`, omitted where the program does not have the tier or is not active. */
export interface NoTierPreview {
  points_before?: number;
  points_after?: number;
  customers_before: number;
  customers_after: number;
}

/**
 * What would expire when. `expirations` are examples, today's first; `order` is an order of today, omitted if points do
 * not wait: with `waits_for` it is fulfilled today too. `existing` is what becomes of the dates of existing points,
 * omitted if the change does not concern them.
 */
export interface DatesPreview {
  /** The zone of the days. */
  time_zone?: string;
  expirations: { available_on: string; expires_on: string; reminders_on: string[] }[];
  order?: {
    completed_on: string;
    available_on: string;
    waits_for?: PendingFrom;
    gives_up_on?: string;
    expires_on?: string;
  };
  existing?: ExistingDates;
}

/**
 * What a change of a program would mean, and how many customers would get a higher or lower tier. `dates` is omitted
 * where nothing expires or waits.
 */
export interface ProgramPreview {
  order_total: string;
  tiers: (NoTierPreview & { name: string })[];
  moves_up: number;
  moves_down: number;
  without_tier: NoTierPreview;
  dates?: DatesPreview;
}

export interface ProgramInput {
  name: string;
  points_per_dollar: Decimal;
  tiers?: TierInput[];
  is_active?: boolean;
  currency?: string;
  keep_items?: boolean;
  time_zone?: string | null;
  expiry?: Expiry | null;
  remind_days?: number[] | null;
  pending?: Pending | null;
}

/** Omitted members are unchanged, null removes an optional one. With `version`, the change is refused if the program has another version by now. */
export interface ProgramChanges extends Partial<Omit<ProgramInput, "tiers">> {
  tiers?: TierInput[] | null;
  version?: number;
}

export interface RewardRef {
  id: string;
  name: string;
}

/** Points with one last day, a date; null if they never expire. */
export interface LotRef {
  points: number;
  expires_on: string | null;
}

/**
 * A ledger entry; `points` is signed, `balance_after` the resulting balance. `clawed_back` is how many points of an
 * earning refunds and voids took so far, `anomaly_id` the anomaly that a void resolved, `posted_by` the name of the key
 * of a manual award or adjustment.
 *
 * Where points expire or wait: `lots` are what a credit became, what a debit was drawn from, or what expired; `covered` are
 * the points of a clawback that had expired and cost nothing; `pending` is the signed change of the pending points, and
 * `available_at` when they become or became available.
 */
export interface Transaction {
  id: string;
  customer_id: string;
  type: TransactionType;
  points: number;
  reason: string;
  balance_after: number;
  created_at: string;
  reward?: RewardRef;
  order_id?: string;
  redemption_id?: string;
  occurred_at?: string;
  clawed_back?: number;
  anomaly_id?: string;
  posted_by?: string;
  lots?: LotRef[];
  pending?: number;
  covered?: number;
  available_at?: string;
}

/** The transaction of a redemption; `code` is for the checkout, if the reward has one. */
export interface Redeemed {
  id: string;
  customer_id: string;
  type: "redeem";
  points: number;
  reward: RewardRef;
  balance_after: number;
  created_at: string;
  redemption_id: string;
  code?: string;
}

/** `reason` is 1–255 characters. */
export interface PointsInput {
  points: number;
  reason: string;
  /** The last day of added points, null if they never expire. Default: the setting of the program. */
  expires_on?: string | null;
}

export interface AwardInput extends PointsInput {
  customer_id: string;
}

/** The result of one award of a batch: `transaction` with status 201, else `problem`. */
export interface Verdict {
  status: number;
  transaction?: Transaction;
  problem?: Problem;
}

export interface BatchAnswer {
  data: Verdict[];
}

/** An error of the API (RFC 9457), with the additional members of its code. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code: string;
  [member: string]: unknown;
}

/**
 * `tier` is null if the customer holds none, `next_tier` for the highest tier. Lists omit `transactions`. The last
 * change of `status` was made with the key named `status_by`.
 */
/** Points that can be spent through the last day `expires_on`, which ends at `expires_at`. */
export interface ExpiringPoints {
  points: number;
  expires_on: string;
  expires_at: string;
}

/**
 * The points of an order that wait, by the transaction that posted them. They are released at `available_at`; null
 * while they wait for the order to be fulfilled. If it is not, they are given up at `gives_up_at`.
 */
export interface PendingPoints {
  transaction_id: string;
  order_id: string;
  points: number;
  available_at: string | null;
  waits_for?: Open<"fulfilled">;
  gives_up_at?: string;
}

export interface CustomerStatus {
  customer_id: string;
  points_balance: number;
  lifetime_points: number;
  tier: {
    name: string;
    multiplier: number;
    next_tier: { name: string; points_needed: number } | null;
  } | null;
  transactions?: Pick<Transaction, "id" | "type" | "points" | "reason" | "created_at">[];
  member_since: string;
  status: AccountStatus;
  status_note?: string;
  status_by?: string;
  status_changed_at?: string;
  points_pending?: number;
  next_expiration?: ExpiringPoints;
}

export interface CustomerChanges {
  status: AccountStatus;
  note?: string;
}

export interface CustomerQuery extends PageQuery {
  /** A prefix of the id. */
  query?: string;
  tier?: string;
  status?: AccountStatus;
}

export interface TransactionQuery extends PageQuery {
  customer_id?: string;
  type?: TransactionType;
  created_after?: Moment;
  created_before?: Moment;
  order_id?: string;
  /** The times of the events; only together with `customer_id`. */
  occurred_after?: Moment;
  occurred_before?: Moment;
  /** Up to 100 ids. */
  ids?: string[];
  /** By the time of the events, oldest or newest first; only together with `customer_id`. */
  order?: Open<"occurred_at" | "-occurred_at">;
}

/**
 * An order, and what became of it. `award` is the whole award, `clawed_back` the points that refunds and voids took,
 * `refunded` money. If there are no points, `skip_reason` (skipped) or `zero_reason` (counted) says why. A `refused`
 * order is known only by its dead letters.
 */
export interface Order {
  order_id: string;
  order_number?: string;
  customer_id?: string;
  state: OrderState;
  skip_reason?: SkipReason;
  skip_detail?: string;
  zero_reason?: ZeroReason;
  dead_letters?: { id: string; code: LetterCode; detail: string; dead_at: string }[];
  total?: string;
  currency?: string;
  program_id?: string;
  tier?: string;
  multiplier?: number;
  award: number;
  /** The points of the award that wait before they can be spent. */
  pending?: number;
  /** The points of the award that were never available, since the fulfillment did not arrive in time. */
  given_up?: number;
  clawed_back: number;
  refunded: string;
  transaction_id?: string;
  completed_at?: string;
  recorded_at: string;
  /** When the points become or became available; left out while that is not known. */
  available_at?: string;
  expires_on?: string;
}

export interface OrderQuery extends PageQuery {
  customer_id?: string;
  order_id?: string;
  /** `pending`: counted orders of which points wait. */
  state?: OrderStateFilter;
}

/** A record that could not be processed. `headers` and `value` are shown to keys with the scope manage. */
export interface DeadLetter {
  id: string;
  topic: LetterTopic;
  code: LetterCode;
  detail: string;
  service: string;
  customer_id?: string;
  order_id?: string;
  truncated: boolean;
  dead_at: string;
  headers?: Record<string, string>;
  value?: string;
  value_encoding?: Open<"text" | "base64">;
  replayed_at?: string;
}

/** The result of one replay: `dead_letter` with status 200, else `problem`. */
export interface DeadLetterVerdict {
  id: string;
  status: number;
  dead_letter?: DeadLetter;
  problem?: Problem;
}

export interface DeadLetterVerdicts {
  data: DeadLetterVerdict[];
}

/** The result of one check: `order` as it is now with status 200, else `problem`. */
export interface OrderVerdict {
  order_id: string;
  status: number;
  order?: Order;
  problem?: Problem;
}

export interface OrderVerdicts {
  data: OrderVerdict[];
}

/**
 * A refund of an order. One that is `waiting` counts once its order does; a `conflict` has its reason in `detail`.
 * Without `amount`, it refunds the rest of the order.
 */
export interface Refund {
  id: string;
  refund_id: string;
  order_id: string;
  customer_id: string;
  state: RefundState;
  detail?: string;
  amount?: string;
  clawed_back?: number;
  transaction_id?: string;
  refunded_at: string;
  recorded_at: string;
}

export interface RefundQuery extends PageQuery {
  customer_id?: string;
  order_id?: string;
  state?: RefundState;
}

export interface DeadLetterQuery extends PageQuery {
  topic?: LetterTopic;
  code?: LetterCode;
}

/** UTC days, inclusive: `2026-03-10`. */
export interface Days {
  from?: string;
  to?: string;
}

/**
 * At most five seconds old; days without transactions are omitted, all amounts but `adjusted` are positive.
 * `outstanding` is the points of all customers at the end of the day, `joined` the number of customers whose first event
 * is on that day.
 */
export interface Summary {
  days: {
    date: string;
    issued: number;
    redeemed: number;
    taken_back: number;
    expired: number;
    active_customers: number;
    adjusted: number;
    outstanding: number;
    joined: number;
  }[];
  points_outstanding: number;
  customers: number;
  tiers: { name: string; customers: number }[];
  /** The first and last day with transactions ever. */
  first_day: string | null;
  last_day: string | null;
  points_pending?: number;
}

/**
 * The points of all customers whose last day is from `starts_on`, today, to `ends_on`, by last day, and their sum
 * `points`. They were read at `as_of`, and expire then if nothing else happens. The three are null, and there is no day,
 * while nothing can expire.
 */
export interface ExpirationForecast {
  as_of: string | null;
  starts_on: string | null;
  ends_on: string | null;
  points: number;
  data: (ExpiringPoints & { customers: number })[];
}

/** `amount` of money in `currency`, or `percent` off. */
export interface RewardValue {
  amount?: string;
  currency?: string;
  percent?: number;
}

/** `available`, `reason` and `missing` are present in a list for a customer, `warnings` in the response to a change. */
export interface Reward {
  id: string;
  name: string;
  points_cost: number;
  type: RewardType;
  description?: string;
  value?: RewardValue;
  stock?: number;
  stock_left?: number;
  per_customer_limit?: number;
  starts_at?: string;
  ends_at?: string;
  min_tier?: string;
  image_url?: string;
  metadata?: Record<string, string>;
  is_active: boolean;
  created_at: string;
  available?: boolean;
  reason?: UnavailableReason;
  missing?: number;
  warnings?: SettingWarning[];
  version: number;
}

/**
 * A reward as it was from `changed_at` on, when the key named `changed_by` changed it; both are absent for a version
 * that is older than the record.
 */
export interface RewardVersion
  extends Omit<Reward, "stock_left" | "available" | "reason" | "missing" | "warnings"> {
  changed_by?: string;
  changed_at?: string;
  /** True for the last version of a deleted reward. */
  deleted?: boolean;
}

export interface RewardInput {
  /** `rwd_` and 1–64 of `A-Za-z0-9_-`. Generated if omitted. */
  id?: string | null;
  name: string;
  points_cost: number;
  type: RewardType;
  description?: string | null;
  value?: { amount?: Decimal; currency?: string; percent?: Decimal } | null;
  stock?: number | null;
  per_customer_limit?: number | null;
  starts_at?: Moment | null;
  ends_at?: Moment | null;
  min_tier?: string | null;
  image_url?: string | null;
  metadata?: Record<string, string> | null;
  is_active?: boolean;
}

/** Omitted members are unchanged, null removes an optional member. */
export type RewardChanges = Partial<Omit<RewardInput, "id">> & { version?: number };

export interface RewardQuery extends PageQuery {
  /** Adds to each reward whether this customer can redeem it now. */
  customer_id?: string;
  /** All rewards, not only the available ones. */
  include?: "all";
}

/** `points` is the price paid, positive. */
export interface Redemption {
  id: string;
  customer_id: string;
  reward: RewardRef;
  points: number;
  status: RedemptionStatus;
  code?: string;
  transaction_id?: string;
  created_at: string;
}

export interface RedemptionQuery extends PageQuery {
  customer_id?: string;
  status?: RedemptionStatus;
  /** The code that a customer shows, in any case, with or without hyphens. */
  code?: string;
  reward_id?: string;
}

/** Suspicious earnings; `evidence` holds the numbers that the detector compared. */
export interface Anomaly {
  id: string;
  customer_id: string;
  type: AnomalyType;
  description: string;
  points_involved: number;
  status: AnomalyStatus;
  flagged_at: string;
  transaction_ids: string[];
  evidence: Record<string, unknown>;
  resolution?: Resolution;
  note?: string;
  /** The name of the key of the last review. */
  reviewed_by?: string;
  /** The person who decided, as the caller named them. */
  reviewer?: string;
  resolved_at?: string;
  /** Counts the changes, also those by later earnings. */
  version: number;
  updated_at: string;
  in_review_at?: string;
}

/** `resolved` needs a resolution and is final; `pending_review` gives a claim up. */
export interface AnomalyChanges {
  status: AnomalyStatus;
  resolution?: Resolution;
  note?: string;
  /** The name of the person who decides, if many use one key. */
  reviewer?: string;
  /** Only if this is still the anomaly's version. */
  version?: number;
}

export interface AnomalyQuery extends PageQuery {
  /** One status, or several: anomalies with any of them. */
  status?: AnomalyStatus | AnomalyStatus[];
  type?: AnomalyType;
  /** Only anomalies resolved in this way. */
  resolution?: Resolution;
  customer_id?: string;
  order?: AnomalyOrder;
  flagged_after?: Moment;
  flagged_before?: Moment;
  /** `shadow`: the findings of detectors in that mode, which nobody reviews. */
  mode?: Mode;
}

interface Detectors {
  rapid_earning: { mode: Mode; count: number; window_seconds: number };
  unusual_amount: { mode: Mode; factor: number; min_history: number; min_points: number };
  deviation: { mode: Mode; score: number; min_days: number };
}

/** `version` counts the changes of the settings. */
export interface AnomalySettings extends Detectors {
  version: number;
}

/**
 * An omitted detector or parameter is reset to its default. With `version`, the settings are replaced only if that is
 * still their version.
 */
export type AnomalySettingsInput = {
  [Detector in keyof Detectors]?: Partial<Detectors[Detector]>;
} & { version?: number };

/** Settings to test on the history of these UTC days, inclusive. */
export interface BacktestInput {
  settings?: AnomalySettingsInput;
  from: string;
  to: string;
}

/** Of the anomalies with one resolution, how many the tested settings flag as well. */
export interface Recall {
  total: number;
  flagged: number;
}

/** What the tested settings would have flagged; `earnings` is the number of earnings tested. */
export interface Backtest {
  from: string;
  to: string;
  earnings: number;
  detectors: {
    type: AnomalyType;
    flagged: number;
    customers: number;
    points_involved: number;
    days: { date: string; flagged: number; points_involved: number }[];
    voided: Recall;
    suspended: Recall;
    approved: Recall;
  }[];
}

/** The client's API key; `prefix` are its first characters. */
export interface CallingKey {
  store_id: string;
  name: string;
  prefix: string;
  scopes: string[];
  created_at: string;
}

/** What a store calls now, and by how many seconds its clock was moved forward. */
export interface Clock {
  now: string;
  shifted_by_seconds: number;
}

/**
 * The state of the system, which all stores share. `seconds_behind` is the age of the oldest event that waits for the
 * step, null if it is not known; `stopped` is true while some events cannot be processed at all.
 */
export interface Pipeline {
  as_of: string;
  services: { name: string; ready: boolean; reason?: string }[];
  steps: { name: Step; seconds_behind: number | null; stopped: boolean }[];
}

/** An event to send; `id`, `source` and `time` are generated if they are omitted. */
export interface EventInput {
  type: string;
  data: object;
  id?: string;
  source?: string;
  time?: Moment;
}

/** `total` is money in `currency`, exact as text. */
export interface OrderCompleted {
  order_id: string;
  customer_id: string;
  total: Decimal;
  currency: string;
  completed_at: Moment;
  /** The order number that people see. Default: the order's id. */
  order_number?: string | number;
  program_id?: string;
  items?: object[];
}

/** Without `amount`, the rest of the order is refunded. */
export interface OrderRefunded {
  order_id: string;
  customer_id: string;
  refund_id: string;
  refunded_at: Moment;
  amount?: Decimal;
}

/** Of an order, only the first fulfillment counts. */
export interface OrderFulfilled {
  order_id: string;
  customer_id: string;
  fulfilled_at: Moment;
}

/** The result of each event, in order: accepted (202), or rejected (400) with the `problem`. */
export interface EventsAnswer {
  /** The order of a `guest` is accepted and earns nothing. */
  data: { id: string | null; status: number; problem?: Problem; guest?: boolean }[];
}
