/** The tree under `whale.loyalty`: one short method an operation. */

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
  CustomerChanges,
  CustomerQuery,
  CustomerStatus,
  Days,
  Page,
  PageQuery,
  PointsInput,
  Program,
  ProgramChanges,
  ProgramInput,
  Redeemed,
  Redemption,
  RedemptionQuery,
  Reward,
  RewardChanges,
  RewardInput,
  RewardQuery,
  Summary,
  Transaction,
  TransactionQuery,
} from "./types.js";

/** A branch of the tree. */
class Resource {
  protected readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  protected listing<T>(
    path: string,
    query: PageQuery | undefined,
    options: RequestOptions | undefined,
    idOf: (item: T) => string,
  ): Listing<T> {
    const fetch = (after?: string) => {
      const asked = after === undefined ? query : { ...query, starting_after: after };
      return this.transport.send<Page<T>>(read(path, asked, options));
    };
    return new Listing(fetch, idOf);
  }
}

export class Customers extends Resource {
  /** Customers by their id, without transactions. */
  list(query?: CustomerQuery, options?: RequestOptions): Listing<CustomerStatus> {
    return this.listing("loyalty/customers", query, options, (one) => one.customer_id);
  }

  async retrieve(customerId: string, options?: RequestOptions): Promise<CustomerStatus> {
    return this.transport.send(read(`loyalty/customers/${segment(customerId)}`, {}, options));
  }

  /** Suspend a customer's account, or make it active again. */
  async update(
    customerId: string,
    changes: CustomerChanges,
    options?: RequestOptions,
  ): Promise<CustomerStatus> {
    const path = `loyalty/customers/${segment(customerId)}`;
    return this.transport.send(write("PATCH", path, changes, options));
  }
}

export class Rewards extends Resource {
  /** The rewards that can be had now, oldest first. */
  list(query?: RewardQuery, options?: RequestOptions): Listing<Reward> {
    return this.listing("loyalty/rewards", query, options, (one) => one.id);
  }

  async create(reward: RewardInput, options?: RequestOptions): Promise<Reward> {
    return this.transport.send(write("POST", "loyalty/rewards", reward, options));
  }

  async retrieve(rewardId: string, options?: RequestOptions): Promise<Reward> {
    return this.transport.send(read(`loyalty/rewards/${segment(rewardId)}`, {}, options));
  }

  /** Change a reward; what was redeemed keeps the name and price it had. */
  async update(
    rewardId: string,
    changes: RewardChanges,
    options?: RequestOptions,
  ): Promise<Reward> {
    const path = `loyalty/rewards/${segment(rewardId)}`;
    return this.transport.send(write("PATCH", path, changes, options));
  }

  /** Take a reward out of the catalog for good; its id is never used again. */
  async delete(rewardId: string, options?: RequestOptions): Promise<void> {
    const path = `loyalty/rewards/${segment(rewardId)}`;
    return this.transport.send(write("DELETE", path, undefined, options));
  }
}

export class Transactions extends Resource {
  /** Transactions, newest first. */
  list(query?: TransactionQuery, options?: RequestOptions): Listing<Transaction> {
    return this.listing("loyalty/transactions", query, options, (one) => one.id);
  }

  async retrieve(transactionId: string, options?: RequestOptions): Promise<Transaction> {
    return this.transport.send(read(`loyalty/transactions/${segment(transactionId)}`, {}, options));
  }
}

export class Anomalies extends Resource {
  /** Anomalies, newest first. */
  list(query?: AnomalyQuery, options?: RequestOptions): Listing<Anomaly> {
    return this.listing("loyalty/anomalies", query, options, (one) => one.id);
  }

  async retrieve(anomalyId: string, options?: RequestOptions): Promise<Anomaly> {
    return this.transport.send(read(`loyalty/anomalies/${segment(anomalyId)}`, {}, options));
  }

  /** Take an anomaly into review, or resolve it for good. */
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

  /** Replace the settings: a detector or a parameter that is left out is as shipped. */
  async update(
    settings: AnomalySettingsInput,
    options?: RequestOptions,
  ): Promise<AnomalySettings> {
    return this.transport.send(write("PUT", "loyalty/anomaly-settings", settings, options));
  }

  /** What other settings would have flagged; changes nothing. */
  async backtest(asked: BacktestInput, options?: RequestOptions): Promise<Backtest> {
    return this.transport.send({
      ...read("loyalty/anomaly-settings/backtest", {}, options),
      method: "POST",
      body: encode(asked),
      contentType: "application/json",
    });
  }
}

export class Redemptions extends Resource {
  /** Redemptions, newest first. */
  list(query?: RedemptionQuery, options?: RequestOptions): Listing<Redemption> {
    return this.listing("loyalty/redemptions", query, options, (one) => one.id);
  }

  async retrieve(redemptionId: string, options?: RequestOptions): Promise<Redemption> {
    return this.transport.send(read(`loyalty/redemptions/${segment(redemptionId)}`, {}, options));
  }

  /** Give the points and the reward back; repeated, it answers the same redemption. */
  async cancel(redemptionId: string, options?: RequestOptions): Promise<Redemption> {
    const path = `loyalty/redemptions/${segment(redemptionId)}/cancel`;
    return this.transport.send(write("POST", path, undefined, options));
  }

  /** Say that the shop honoured it; repeated, it answers the same redemption. */
  async use(redemptionId: string, options?: RequestOptions): Promise<Redemption> {
    const path = `loyalty/redemptions/${segment(redemptionId)}/use`;
    return this.transport.send(write("POST", path, undefined, options));
  }
}

export class Loyalty extends Resource {
  readonly customers: Customers;
  readonly rewards: Rewards;
  readonly transactions: Transactions;
  readonly anomalies: Anomalies;
  readonly anomalySettings: AnomalyDetection;
  readonly redemptions: Redemptions;

  constructor(transport: Transport) {
    super(transport);
    this.customers = new Customers(transport);
    this.rewards = new Rewards(transport);
    this.transactions = new Transactions(transport);
    this.anomalies = new Anomalies(transport);
    this.anomalySettings = new AnomalyDetection(transport);
    this.redemptions = new Redemptions(transport);
  }

  /** Create a programme. The store's oldest active one is its default. */
  async create(program: ProgramInput, options?: RequestOptions): Promise<Program> {
    return this.transport.send(write("POST", "loyalty-programs", program, options));
  }

  /** Change a programme; what is posted already stays as it is. */
  async update(
    programId: string,
    changes: ProgramChanges,
    options?: RequestOptions,
  ): Promise<Program> {
    const path = `loyalty-programs/${segment(programId)}`;
    return this.transport.send(write("PATCH", path, changes, options));
  }

  /** The store's programmes, oldest first. */
  list(query?: PageQuery, options?: RequestOptions): Listing<Program> {
    return this.listing("loyalty-programs", query, options, (one) => one.id);
  }

  async retrieve(programId: string, options?: RequestOptions): Promise<Program> {
    return this.transport.send(read(`loyalty-programs/${segment(programId)}`, {}, options));
  }

  /** Award points by hand, as they are: no rate, no multiplier. */
  async earn(
    customerId: string,
    award: PointsInput,
    options?: RequestOptions,
  ): Promise<Transaction> {
    const body = { customer_id: customerId, ...award };
    return this.transport.send(write("POST", "loyalty/earn", body, options));
  }

  /** Award points to many, up to 500 at once; each award has its own verdict, in order. */
  async earnBatch(items: AwardInput[], options?: RequestOptions): Promise<BatchAnswer> {
    return this.transport.send(write("POST", "loyalty/earn/batch", { items }, options));
  }

  /** Correct a balance by hand, up or down but never below zero; the lifetime stays. */
  async adjust(
    customerId: string,
    correction: PointsInput,
    options?: RequestOptions,
  ): Promise<Transaction> {
    const body = { customer_id: customerId, ...correction };
    return this.transport.send(write("POST", "loyalty/adjust", body, options));
  }

  /** Spend points on a reward; with `points_cost`, only at that price. */
  async redeem(
    customerId: string,
    rewardId: string,
    only?: { points_cost?: number },
    options?: RequestOptions,
  ): Promise<Redeemed> {
    const body = { customer_id: customerId, reward_id: rewardId, ...only };
    return this.transport.send(write("POST", "loyalty/redeem", body, options));
  }

  /** A customer's points, tier and newest transactions. */
  async get(customerId: string, options?: RequestOptions): Promise<CustomerStatus> {
    return this.customers.retrieve(customerId, options);
  }

  /** The programme at a glance, by default of the last 30 days. */
  async summary(days?: Days, options?: RequestOptions): Promise<Summary> {
    return this.transport.send(read("loyalty/summary", days, options));
  }
}
