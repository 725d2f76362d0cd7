/** The client: builds the tree of operations from the settings and the API key. */

import { ConfigurationError } from "./errors.js";
import { Events } from "./events.js";
import { Customers, Key, Loyalty, Programs } from "./resources.js";
import { refuseBrowser, resolveApiKey, resolveSettings, type WhaleClientOptions } from "./settings.js";
import { Transport } from "./transport.js";

/** The client of Whale Loyalty. Throws ConfigurationError for a missing key, an invalid setting, or in a browser. */
export class WhaleClient {
  readonly programs: Programs;
  readonly customers: Customers;
  readonly loyalty: Loyalty;
  readonly events: Events;
  readonly key: Key;

  constructor(options: WhaleClientOptions = {}) {
    refuseBrowser(options);
    const fetch = options.fetch ?? globalThis.fetch;
    if (typeof fetch !== "function") {
      throw new ConfigurationError("This platform has no fetch: use Node 18 or newer, or pass fetch.");
    }
    const transport = new Transport(resolveSettings(options), fetch, resolveApiKey(options));
    this.programs = new Programs(transport);
    this.customers = new Customers(transport);
    this.loyalty = new Loyalty(transport, this.programs, this.customers);
    this.events = new Events(transport);
    this.key = new Key(transport);
  }
}
