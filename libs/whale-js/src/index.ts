/** The client of Whale Loyalty. */

export { WhaleClient } from "./client.js";
export * from "./errors.js";
export type { RequestOptions } from "./operation.js";
export { Listing } from "./pages.js";
export type { WhaleClientOptions } from "./settings.js";
export type * from "./types.js";
