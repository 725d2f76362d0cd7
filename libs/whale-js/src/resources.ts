/** The trees under `whale.loyalty`, `whale.programs` and `whale.customers`: one method per operation. */

import { encode, read, type RequestOptions, segment, write } from "./operation.js";
import { Listing } from "./pages.js";
import type { Transport } from "./transport.js";
import type {
  Anomaly,
  AnomalyChanges,
  AnomalyQuery,
  AnomalySettings,
  AnomalySettingsInput,
  AwardInput,
  Backtest,
  BacktestInput,
  BatchAnswer,
  CallingKey,
  Clock,
  CustomerChanges,
  CustomerQuery,
  CustomerStatus,
  Days,
  DeadLetter,
  DeadLetterQuery,
  DeadLetterVerdicts,
  ExpirationForecast,
  ExpiringPoints,
  Moment,
  Order,
  OrderQuery,
  OrderVerdicts,
  Page,
  PageQuery,
  PendingPoints,
  Pipeline,
  PointsInput,
  Program,
  ProgramChanges,
  ProgramInput,
  ProgramPreview,
  ProgramVersion,
  Redeemed,
  Redemption,
  RedemptionQuery,
  Refund,
  RefundQuery,
  Reward,
  RewardChanges,
  RewardInput,
  RewardQuery,
  RewardVersion,
  Summary,
  Transaction,
  TransactionQuery,
} from "./types.js";

/** The base of the tree's branches. */
class Resource {
  protected readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  protected listing<T>(
    path: string,
    query: PageQuery | undefined,
    options: RequestOptions | undefined,
    getId: (item: T) => string,
  ): Listing<T> {
    const fetch = (after?: string) => {
      const parameters = after === undefined ? query : { ...query, starting_after: after };
      return this.transport.send<Page<T>>(read(path, parameters, options));
    };
    return new Listing(fetch, getId);
  }
}

export class Programs extends Resource {
  /** The store's programs, oldest first. */
  list(query?: PageQuery, options?: RequestOptions): Listing<Program> {
    return this.listing("loyalty-programs", query, options, (item) => item.id);
  }

  /** Create a program. A store's oldest active program is its default. */
  async create(program: ProgramInput, options?: RequestOptions): Promise<Program> {
    return this.transport.send(write("POST", "loyalty-programs", program, options));
  }

  async retrieve(programId: string, options?: RequestOptions): Promise<Program> {
    return this.transport.send(read(`loyalty-programs/${segment(programId)}`, {}, options));
  }

  /**
   * Update a program. Transactions that are already posted do not change. With `version`, throws Conflict if the
   * program has another version by now.
   */
  async update(
    programId: string,
    changes: ProgramChanges,
    options?: RequestOptions,
  ): Promise<Program> {
    const path = `loyalty-programs/${segment(programId)}`;
    return this.transport.send(write("PATCH", path, changes, options));
  }

  /** What an update would mean for orders and customers. Changes nothing. */
  async preview(
    programId: string,
    changes: ProgramChanges,
    options?: RequestOptions,
  ): Promise<ProgramPreview> {
    return this.transport.send({
      ...read(`loyalty-programs/${segment(programId)}/preview`, {}, options),
      method: "POST",
      body: encode(changes),
      contentType: "application/json",
    });
  }

  /** What a new program would mean for orders and customers. Creates none. */
  async previewNew(program: ProgramInput, options?: RequestOptions): Promise<ProgramPreview> {
    return this.transport.send({
      ...read("loyalty-programs/preview", {}, options),
      method: "POST",
      body: encode(program),
      contentType: "application/json",
    });
  }

  /** The program's versions, newest first; `starting_after` is a version number. */
  versions(
    programId: string,
    query?: PageQuery,
    options?: RequestOptions,
  ): Listing<ProgramVersion> {
    const path = `loyalty-programs/${segment(programId)}/versions`;
    return this.listing(path, query, options, (item) => String(item.version));
  }
}

export class Customers extends Resource {
  /** Customers in the order of their ids, without transactions. */
  list(query?: CustomerQuery, options?: RequestOptions): Listing<CustomerStatus> {
    return this.listing("loyalty/customers", query, options, (item) => item.customer_id);
  }

  /** A customer's points, tier and newest transactions. */
  async retrieve(customerId: string, options?: RequestOptions): Promise<CustomerStatus> {
    return this.transport.send(read(`loyalty/customers/${segment(customerId)}`, {}, options));
  }

  /** Suspend a customer's account, or reactivate it. */
  async update(
    customerId: string,
    changes: CustomerChanges,
    options?: RequestOptions,
  ): Promise<CustomerStatus> {
    const path = `loyalty/customers/${segment(customerId)}`;
    return this.transport.send(write("PATCH", path, changes, options));
  }

  /**
   * When a customer's points expire, earliest first; `starting_after` is a last day. Each page says in `without_date`
   * how many points never expire.
   */
  expirations(
    customerId: string,
    query?: PageQuery,
    options?: RequestOptions,
  ): Listing<ExpiringPoints> {
    const path = `loyalty/customers/${segment(customerId)}/expirations`;
    return this.listing(path, query, options, (item) => item.expires_on);
  }

  /** A customer's points that wait, earliest first, those that wait for a fulfillment last. */
  pending(
    customerId: string,
    query?: PageQuery,
    options?: RequestOptions,
  ): Listing<PendingPoints> {
    const path = `loyalty/customers/${segment(customerId)}/pending`;
    return this.listing(path, query, options, (item) => item.transaction_id);
  }
}

export class Rewards extends Resource {
  /** The rewards that are available now, oldest first. */
  list(query?: RewardQuery, options?: RequestOptions): Listing<Reward> {
    return this.listing("loyalty/rewards", query, options, (item) => item.id);
  }

  async create(reward: RewardInput, options?: RequestOptions): Promise<Reward> {
    return this.transport.send(write("POST", "loyalty/rewards", reward, options));
  }

  async retrieve(rewardId: string, options?: RequestOptions): Promise<Reward> {
    return this.transport.send(read(`loyalty/rewards/${segment(rewardId)}`, {}, options));
  }

  /**
   * Update a reward. Redemptions keep the name and price that they were made with. With `version`, throws Conflict if
   * the reward has another version by now.
   */
  async update(
    rewardId: string,
    changes: RewardChanges,
    options?: RequestOptions,
  ): Promise<Reward> {
    const path = `loyalty/rewards/${segment(rewardId)}`;
    return this.transport.send(write("PATCH", path, changes, options));
  }

  /** Delete a reward permanently; its id cannot be used again. */
  async delete(rewardId: string, options?: RequestOptions): Promise<void> {
    const path = `loyalty/rewards/${segment(rewardId)}`;
    return this.transport.send(write("DELETE", path, undefined, options));
  }

  /** The reward's versions, newest first, also of a deleted one; `starting_after` is a version number. */
  versions(
    rewardId: string,
    query?: PageQuery,
    options?: RequestOptions,
  ): Listing<RewardVersion> {
    const path = `loyalty/rewards/${segment(rewardId)}/versions`;
    return this.listing(path, query, options, (item) => String(item.version));
  }
}

export class Transactions extends Resource {
  /** Transactions, newest first. */
  list(query?: TransactionQuery, options?: RequestOptions): Listing<Transaction> {
    return this.listing("loyalty/transactions", query, options, (item) => item.id);
  }

  async retrieve(transactionId: string, options?: RequestOptions): Promise<Transaction> {
    return this.transport.send(read(`loyalty/transactions/${segment(transactionId)}`, {}, options));
  }
}

export class Orders extends Resource {
  /** Orders, newest first, also those that earned nothing, and why. */
  list(query?: OrderQuery, options?: RequestOptions): Listing<Order> {
    return this.listing("loyalty/orders", query, options, (item) => item.order_id);
  }

  /** Release the pending points of an order now. Repeated, the transaction is the same. */
  async release(orderId: string, options?: RequestOptions): Promise<Transaction> {
    const body = { order_id: orderId };
    return this.transport.send(write("POST", "loyalty/orders/release", body, options));
  }

  /** Check up to 500 skipped orders under the rules in force; those that qualify are posted. */
  async recheck(orderIds: string[], options?: RequestOptions): Promise<OrderVerdicts> {
    const body = { order_ids: orderIds };
    return this.transport.send(write("POST", "loyalty/orders/recheck", body, options));
  }
}

export class Refunds extends Resource {
  /** Refunds, newest first, also those that wait for their order. */
  list(query?: RefundQuery, options?: RequestOptions): Listing<Refund> {
    return this.listing("loyalty/refunds", query, options, (item) => item.id);
  }
}

export class DeadLetters extends Resource {
  /** Orders and refunds that could not be processed, newest first. */
  list(query?: DeadLetterQuery, options?: RequestOptions): Listing<DeadLetter> {
    return this.listing("loyalty/dead-letters", query, options, (item) => item.id);
  }

  async retrieve(letterId: string, options?: RequestOptions): Promise<DeadLetter> {
    return this.transport.send(read(`loyalty/dead-letters/${segment(letterId)}`, {}, options));
  }

  /** Publish the record of a letter again. Repeated, it is published once. */
  async replay(letterId: string, options?: RequestOptions): Promise<DeadLetter> {
    const path = `loyalty/dead-letters/${segment(letterId)}/replay`;
    return this.transport.send(write("POST", path, undefined, options));
  }

  /** Replay up to 500 letters in one request; each has its own result, in order. */
  async replayMany(ids: string[], options?: RequestOptions): Promise<DeadLetterVerdicts> {
    return this.transport.send(write("POST", "loyalty/dead-letters/replay", { ids }, options));
  }

  /** Remove a letter from the list without replaying it. It cannot be undone. */
  async drop(letterId: string, options?: RequestOptions): Promise<void> {
    const path = `loyalty/dead-letters/${segment(letterId)}`;
    await this.transport.send(write("DELETE", path, undefined, options));
  }
}

export class Anomalies extends Resource {
  /** Anomalies, newest first or in another order. */
  list(query?: AnomalyQuery, options?: RequestOptions): Listing<Anomaly> {
    return this.listing("loyalty/anomalies", query, options, (item) => item.id);
  }

  async retrieve(anomalyId: string, options?: RequestOptions): Promise<Anomaly> {
    return this.transport.send(read(`loyalty/anomalies/${segment(anomalyId)}`, {}, options));
  }

  /**
   * Claim an anomaly for review, give the claim up (`pending_review`), or resolve the anomaly, which is final. With
   * `version`, throws Conflict if the anomaly has another version by now.
   */
  async update(
    anomalyId: string,
    changes: AnomalyChanges,
    options?: RequestOptions,
  ): Promise<Anomaly> {
    const path = `loyalty/anomalies/${segment(anomalyId)}`;
    return this.transport.send(write("PATCH", path, changes, options));
  }
}

export class AnomalyDetection extends Resource {
  /** The detectors' modes and parameters. */
  async get(options?: RequestOptions): Promise<AnomalySettings> {
    return this.transport.send(read("loyalty/anomaly-settings", {}, options));
  }

  /**
   * Replace the settings: an omitted detector or parameter is reset to its default. With `version`, which `get`
   * returns, throws Conflict if the settings have another version by now.
   */
  async update(
    settings: AnomalySettingsInput,
    options?: RequestOptions,
  ): Promise<AnomalySettings> {
    return this.transport.send(write("PUT", "loyalty/anomaly-settings", settings, options));
  }

  /** Test settings on history. Changes nothing. */
  async backtest(input: BacktestInput, options?: RequestOptions): Promise<Backtest> {
    return this.transport.send({
      ...read("loyalty/anomaly-settings/backtest", {}, options),
      method: "POST",
      body: encode(input),
      contentType: "application/json",
    });
  }
}

export class Redemptions extends Resource {
  /** Redemptions, newest first. */
  list(query?: RedemptionQuery, options?: RequestOptions): Listing<Redemption> {
    return this.listing("loyalty/redemptions", query, options, (item) => item.id);
  }

  async retrieve(redemptionId: string, options?: RequestOptions): Promise<Redemption> {
    return this.transport.send(read(`loyalty/redemptions/${segment(redemptionId)}`, {}, options));
  }

  /** Cancel a redemption and return its points. Repeated, it returns the same redemption. */
  async cancel(redemptionId: string, options?: RequestOptions): Promise<Redemption> {
    const path = `loyalty/redemptions/${segment(redemptionId)}/cancel`;
    return this.transport.send(write("POST", path, undefined, options));
  }

  /** Mark a redemption as used. Repeated, it returns the same redemption. */
  async use(redemptionId: string, options?: RequestOptions): Promise<Redemption> {
    const path = `loyalty/redemptions/${segment(redemptionId)}/use`;
    return this.transport.send(write("POST", path, undefined, options));
  }

  /**
   * Mark the redemption with this code as used. Throws NotFound for a code of no redemption; its message says
   * whether the code is mistyped.
   */
  async useCode(code: string, options?: RequestOptions): Promise<Redemption> {
    return this.transport.send(write("POST", "loyalty/redemptions/use", { code }, options));
  }
}

/** The store's clock, on a local system; others throw NotFound. */
export class StoreClock extends Resource {
  /** What the store calls now. */
  async get(options?: RequestOptions): Promise<Clock> {
    return this.transport.send(read("loyalty/clock", {}, options));
  }

  /** Move the clock forward, up to 20 years ahead. Throws Conflict for an earlier time. */
  async move(now: Moment, options?: RequestOptions): Promise<Clock> {
    return this.transport.send(write("PUT", "loyalty/clock", { now }, options));
  }
}

/**
 * Points and rewards. `create`, `update`, `list` and `retrieve` are second names of the methods of `Programs`, `get`
 * of `Customers.retrieve`.
 */
export class Loyalty extends Resource {
  readonly #programs: Programs;
  readonly customers: Customers;
  readonly rewards: Rewards;
  readonly transactions: Transactions;
  readonly orders: Orders;
  readonly refunds: Refunds;
  readonly deadLetters: DeadLetters;
  readonly anomalies: Anomalies;
  readonly anomalySettings: AnomalyDetection;
  readonly redemptions: Redemptions;
  readonly clock: StoreClock;

  constructor(transport: Transport, programs: Programs, customers: Customers) {
    super(transport);
    this.#programs = programs;
    this.customers = customers;
    this.rewards = new Rewards(transport);
    this.transactions = new Transactions(transport);
    this.orders = new Orders(transport);
    this.refunds = new Refunds(transport);
    this.deadLetters = new DeadLetters(transport);
    this.anomalies = new Anomalies(transport);
    this.anomalySettings = new AnomalyDetection(transport);
    this.redemptions = new Redemptions(transport);
    this.clock = new StoreClock(transport);
  }

  /** Award points manually: exactly `points`, without the program's rate or a multiplier. */
  async earn(
    customerId: string,
    award: PointsInput,
    options?: RequestOptions,
  ): Promise<Transaction> {
    const body = { customer_id: customerId, ...award };
    return this.transport.send(write("POST", "loyalty/earn", body, options));
  }

  /** Make up to 500 awards in one request; each has its own result, in order. */
  async earnBatch(items: AwardInput[], options?: RequestOptions): Promise<BatchAnswer> {
    return this.transport.send(write("POST", "loyalty/earn/batch", { items }, options));
  }

  /** Adjust a balance up or down, never below zero; lifetime points are unchanged. */
  async adjust(
    customerId: string,
    adjustment: PointsInput,
    options?: RequestOptions,
  ): Promise<Transaction> {
    const body = { customer_id: customerId, ...adjustment };
    return this.transport.send(write("POST", "loyalty/adjust", body, options));
  }

  /** Redeem a reward. With `points_cost`, throws Conflict if the price is different. */
  async redeem(
    customerId: string,
    rewardId: string,
    condition?: { points_cost?: number },
    options?: RequestOptions,
  ): Promise<Redeemed> {
    const body = { customer_id: customerId, reward_id: rewardId, ...condition };
    return this.transport.send(write("POST", "loyalty/redeem", body, options));
  }

  /** The store's totals, and its days, by default the last 30. */
  async summary(days?: Days, options?: RequestOptions): Promise<Summary> {
    return this.transport.send(read("loyalty/summary", days, options));
  }

  /**
   * The points of all customers that expire from today to `days` later, by default 90, at most 366; as of a few
   * minutes ago.
   */
  async expirations(
    query?: { days?: number },
    options?: RequestOptions,
  ): Promise<ExpirationForecast> {
    return this.transport.send(read("loyalty/expirations", query, options));
  }

  /** Whether all services are ready, and how far each step is behind. */
  async pipeline(options?: RequestOptions): Promise<Pipeline> {
    return this.transport.send(read("loyalty/pipeline", {}, options));
  }

  async create(program: ProgramInput, options?: RequestOptions): Promise<Program> {
    return this.#programs.create(program, options);
  }

  async update(programId: string, changes: ProgramChanges, options?: RequestOptions): Promise<Program> {
    return this.#programs.update(programId, changes, options);
  }

  list(query?: PageQuery, options?: RequestOptions): Listing<Program> {
    return this.#programs.list(query, options);
  }

  async retrieve(programId: string, options?: RequestOptions): Promise<Program> {
    return this.#programs.retrieve(programId, options);
  }

  async get(customerId: string, options?: RequestOptions): Promise<CustomerStatus> {
    return this.customers.retrieve(customerId, options);
  }
}

export class Key extends Resource {
  /** The client's API key: its store, name and scopes. */
  async retrieve(options?: RequestOptions): Promise<CallingKey> {
    return this.transport.send(read("key", {}, options));
  }
}
