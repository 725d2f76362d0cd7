/** The public names of the package. */

export { WhaleClient } from "./client.js";
export * from "./errors.js";
export type { RequestOptions } from "./operation.js";
export { Listing } from "./pages.js";
export type { WhaleClientOptions } from "./settings.js";
export type * from "./types.js";
export { VERSION } from "./version.js";
