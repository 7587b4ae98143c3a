// A dialog with the list of a user's sessions.
import { find, make, nameOf, on, open } from "../dom.js";
import { setText } from "../language.js";
import { sessionList } from "./sessions.js";

/** @import { User } from "../../types/api.js" */

/**
 * @param {User} user Another user.
 */
export function sessions(user) {
  const dialog = make("sessions-dialog");
  const title = find("h2", dialog);
  setText(title, "sessions.title", { name: nameOf(user) });
  on(dialog, "close", () => dialog.close());
  open(dialog);
  title.focus();
  sessionList(dialog, title, user).load();
}
