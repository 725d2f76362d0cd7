/** Paginated lists as callers see them. */

import type { Page } from "./types.js";

/**
 * A list: `await` returns the requested page; `for await` also walks the pages after it and fetches each page
 * when the iterator reaches it. Nothing is sent before the first `await` or `for await`.
 */
export class Listing<T> implements PromiseLike<Page<T>>, AsyncIterable<T> {
  readonly #fetch: (after?: string) => Promise<Page<T>>;
  readonly #getId: (item: T) => string;
  #first: Promise<Page<T>> | undefined;

  constructor(fetch: (after?: string) => Promise<Page<T>>, getId: (item: T) => string) {
    this.#fetch = fetch;
    this.#getId = getId;
  }

  then<A = Page<T>, B = never>(
    fulfilled?: ((page: Page<T>) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#page().then(fulfilled, rejected);
  }

  catch<B = never>(rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<Page<T> | B> {
    return this.#page().catch(rejected);
  }

  finally(done?: (() => void) | null): Promise<Page<T>> {
    return this.#page().finally(done);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    let page = await this.#page();
    for (;;) {
      yield* page.data;
      const last = page.data.at(-1);
      if (!page.has_more || last === undefined) return;
      page = await this.#fetch(this.#getId(last));
    }
  }

  #page(): Promise<Page<T>> {
    return (this.#first ??= this.#fetch());
  }
}
