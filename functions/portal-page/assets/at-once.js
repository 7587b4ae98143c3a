// Requests for many users, several at a time.

/** The number of requests that run at the same time. */
const AT_ONCE = 4;

/**
 * Calls `work` for each item, in order, several at a time. The first error prevents further calls.
 * @template T
 * @param {T[]} items
 * @param {(item: T) => Promise<void>} work
 */
export async function atOnce(items, work) {
  const waiting = [...items];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let item = waiting.shift(); item; item = waiting.shift()) {
      try {
        await work(item);
      } catch (error) {
        waiting.length = 0;
        throw error;
      }
    }
  }));
}
