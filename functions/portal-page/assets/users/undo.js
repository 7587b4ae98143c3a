// Undoes a change of a user, for the button in the notice about the change.
import { SessionEnded } from "../api.js";
import { nameOf } from "../dom.js";
import { loadErrorMessage } from "../forms.js";

/** @import { User } from "../../types/api.js" */
/** @import { Message } from "../language.js" */
/** @import { Undo } from "./requests.js" */

/**
 * Resolves to the notice about the result, or to `undefined` if the session has ended.
 * @param {User} user
 * @param {Undo} undo
 * @returns {Promise<Message | undefined>}
 */
export async function takeBack(user, undo) {
  const name = nameOf(user);
  try {
    await undo();
    return ["review.undone", { name }];
  } catch (error) {
    if (error instanceof SessionEnded) return undefined;
    return error.code === "version_mismatch" ? ["undo.stale", { name }] : loadErrorMessage(error);
  }
}
