/** The client: builds the tree of operations from the settings and the API key. */

import { ConfigurationError } from "./errors.js";
import { Events } from "./events.js";
import { Loyalty } from "./resources.js";
import { resolveApiKey, resolveSettings, type WhaleClientOptions } from "./settings.js";
import { Transport } from "./transport.js";

/** The client of Whale Loyalty. Throws ConfigurationError for a missing key or an invalid setting. */
export class WhaleClient {
  readonly loyalty: Loyalty;
  readonly events: Events;

  constructor(options: WhaleClientOptions = {}) {
    const fetch = options.fetch ?? globalThis.fetch;
    if (typeof fetch !== "function") {
      throw new ConfigurationError("This platform has no fetch: use Node 18 or newer, or pass fetch.");
    }
    const transport = new Transport(resolveSettings(options), fetch, resolveApiKey(options));
    this.loyalty = new Loyalty(transport);
    this.events = new Events(transport);
  }
}
