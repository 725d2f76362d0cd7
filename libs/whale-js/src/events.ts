/** A shop's events over REST, as CloudEvents, for shops without Kafka. */

import { type RequestOptions, uniqueId, write } from "./operation.js";
import type { Transport } from "./transport.js";
import type { EventInput, EventsAnswer, OrderCompleted, OrderRefunded } from "./types.js";

const ONE = "application/cloudevents+json";
const MANY = "application/cloudevents-batch+json";
const SOURCE = "/clients/js";

export class Events {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Send one event; a faulty one is refused with InvalidRequest. */
  async send(event: EventInput, options?: RequestOptions): Promise<EventsAnswer> {
    return this.#transport.send(write("POST", "events", envelope(event), options, ONE));
  }

  /** Send up to 500 events; each has its own verdict, in order. */
  async sendBatch(events: EventInput[], options?: RequestOptions): Promise<EventsAnswer> {
    return this.#transport.send(write("POST", "events", events.map(envelope), options, MANY));
  }

  /** Tell that an order was completed: it earns points, once, however often it is told. */
  async orderCompleted(order: OrderCompleted, options?: RequestOptions): Promise<EventsAnswer> {
    return this.send({ type: "order.completed", data: order }, options);
  }

  /** Tell that an order was refunded, in part (`amount`) or by all that is left of it. */
  async orderRefunded(refund: OrderRefunded, options?: RequestOptions): Promise<EventsAnswer> {
    return this.send({ type: "order.refunded", data: refund }, options);
  }
}

/** The event as a CloudEvent. Its value names no store: the service knows it by the path. */
function envelope(event: EventInput): object {
  return {
    specversion: "1.0",
    id: uniqueId(),
    source: SOURCE,
    time: new Date(),
    datacontenttype: "application/json",
    ...event,
  };
}
