/** Events over REST as CloudEvents, for shops that do not publish to Kafka. */

import { type RequestOptions, uniqueId, write } from "./operation.js";
import type { Transport } from "./transport.js";
import type { EventInput, EventsAnswer, OrderCompleted, OrderFulfilled, OrderRefunded } from "./types.js";

const MEDIA_TYPE = "application/cloudevents+json";
const BATCH_MEDIA_TYPE = "application/cloudevents-batch+json";
const SOURCE = "/clients/js";

export class Events {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Send one event. Throws InvalidRequest if the event is invalid. */
  async send(event: EventInput, options?: RequestOptions): Promise<EventsAnswer> {
    return this.#transport.send(write("POST", "events", envelope(event), options, MEDIA_TYPE));
  }

  /** Send up to 500 events; each has its own result, in order. */
  async sendBatch(events: EventInput[], options?: RequestOptions): Promise<EventsAnswer> {
    return this.#transport.send(write("POST", "events", events.map(envelope), options, BATCH_MEDIA_TYPE));
  }

  /** Report a completed order. It earns points once, even if it is reported again. */
  async orderCompleted(order: OrderCompleted, options?: RequestOptions): Promise<EventsAnswer> {
    return this.send({ type: "order.completed", data: order }, options);
  }

  /** Report a refund of an order: `amount`, or the rest of the order without it. */
  async orderRefunded(refund: OrderRefunded, options?: RequestOptions): Promise<EventsAnswer> {
    return this.send({ type: "order.refunded", data: refund }, options);
  }

  /** Report that an order was delivered: its points may wait for that. Only the first report counts. */
  async orderFulfilled(fulfillment: OrderFulfilled, options?: RequestOptions): Promise<EventsAnswer> {
    return this.send({ type: "order.fulfilled", data: fulfillment }, options);
  }
}

/** The event as a CloudEvent. Its data needs no store_id: the path names the store. */
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
