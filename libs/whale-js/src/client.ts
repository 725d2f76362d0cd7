/** The client: settings and a key in, the tree of operations out. */

import { ConfigurationError } from "./errors.js";
import { Events } from "./events.js";
import { Loyalty } from "./resources.js";
import { keyOf, settingsOf, type WhaleClientOptions } from "./settings.js";
import { Transport } from "./transport.js";

/** Whale Loyalty. Throws ConfigurationError for settings that cannot be. */
export class WhaleClient {
  readonly loyalty: Loyalty;
  readonly events: Events;

  constructor(options: WhaleClientOptions = {}) {
    const fetch = options.fetch ?? globalThis.fetch;
    if (typeof fetch !== "function") {
      throw new ConfigurationError("There is no fetch here: use Node 18 or newer, or give one.");
    }
    const transport = new Transport(settingsOf(options), fetch, keyOf(options));
    this.loyalty = new Loyalty(transport);
    this.events = new Events(transport);
  }
}
