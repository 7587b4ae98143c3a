// Loads the parts of the page that its first screens do not need: other views, and the texts of other languages.
import { Offline } from "./api.js";

/** Milliseconds before a part that could not be loaded is requested again. */
const RETRY_DELAY = 500;

/** The page reloads itself at most once in this time, in milliseconds. The script in index.html has the same limit. */
const RELOAD_INTERVAL = 60_000;

/** The key of the time of the last reload in session storage, also for the script in index.html. */
const RELOADED = "reloaded";

/**
 * Loads a part, with one retry. Throws `Offline` if it cannot be loaded. A server that no longer has the scripts of this page
 * has a newer page, so then the page reloads.
 * @template T
 * @param {() => Promise<T>} part
 * @returns {Promise<T>}
 */
export async function load(part) {
  try {
    return await part().catch(async () => {
      await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY));
      return part();
    });
  } catch (error) {
    if (await isReplaced()) reload();
    throw new Offline(error.message);
  }
}

/** Whether the server no longer has this script. */
async function isReplaced() {
  try {
    const { status } = await fetch(import.meta.url, { method: "HEAD", cache: "no-store" });
    return status === 404;
  } catch {
    return false;
  }
}

function reload() {
  if (Date.now() - Number(sessionStorage.getItem(RELOADED)) <= RELOAD_INTERVAL) return;
  sessionStorage.setItem(RELOADED, String(Date.now()));
  location.reload();
}
