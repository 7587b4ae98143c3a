// What users can do with a user, in the list and on the page of the user.
import { isSelf } from "../access.js";
import { clearNotice, find, nameOf, notify } from "../dom.js";
import { loadOrNotify } from "../forms.js";
import { text } from "../language.js";
import { load } from "../load.js";
import { USER_ACTIONS } from "./user-actions.js";

/** @import { User } from "../../types/api.js" */
/** @import { Draft } from "../drafts.js" */
/** @import { Item } from "../menu/menu.js" */
/** @import { Undo } from "./requests.js" */
/** @import { UserAction } from "./user-actions.js" */

/**
 * @param {import("../portal/portal.js").Frame} frame
 * @param {HTMLElement} view
 * @param {() => Promise<boolean>} reload Reloads what the view shows.
 */
export function acting(frame, view, reload) {
  /**
   * @param {User} user
   * @param {Draft} [draft]
   */
  async function edit(user, draft) {
    if (isSelf(frame.me(), user)) {
      frame.go("/?view=account");
      return;
    }
    clearNotice();
    const part = await loadOrNotify(() => import("../user-dialog/user-dialog.js"));
    const saved = view.isConnected && await part?.editUser(frame.me(), user, { draft });
    if (!saved) return;
    const reloaded = reload();
    if (saved.password || saved.email) await share(saved);
    await reloaded;
    notifyDone("edit.done", saved.user, { undo: saved.undo });
  }

  /** @param {import("../user-dialog/user-dialog.js").Saved} details */
  async function share(details) {
    // This script is loaded already, because the dialog that saved the details is in it.
    const { share } = await load(() => import("../share/share.js"));
    await share({ ...details, name: nameOf(details.user), partner: frame.me().partner.name });
  }

  /**
   * The items of a user's menu.
   * @param {User} user
   * @returns {Item[]}
   */
  function actionsFor(user) {
    const allowed = USER_ACTIONS.filter(({ isAllowed }) => isAllowed(frame.me(), user));
    return allowed.map((action) => ({ label: text(action.key), do: () => run(action, user), isDanger: action.isDanger }));
  }

  /**
   * Runs an action on a user, and reloads what it has changed.
   * @param {UserAction} action
   * @param {User} user
   */
  async function run(action, user) {
    const performed = await loadOrNotify(action.load);
    /** @type {any} */
    const changed = view.isConnected && await performed?.do(frame.me(), user);
    if (!performed || !changed) return;
    if (performed.changesMe) {
      await frame.restart();
    } else {
      await reloadAndFocus();
    }
    if (performed.done) notifyDone(performed.done, user, { ...changed });
  }

  async function reloadAndFocus() {
    await reload();
    if (document.activeElement === document.body) find("h1", view).focus();
  }

  /**
   * Shows that a change is done, with a button that undoes it or restores the removed user if that is possible.
   * @param {string} key
   * @param {User} user
   * @param {{ undo?: Undo, isRestorable?: boolean }} result May have more values for the notice.
   */
  function notifyDone(key, user, { undo, isRestorable, ...values }) {
    const named = { name: nameOf(user), ...values };
    if (isRestorable) notify(key, named, () => restoreRemoved(user), "users.restore");
    else notify(key, named, undo && (() => takeBack(user, undo)));
  }

  /** @param {User} user */
  async function restoreRemoved(user) {
    const part = await loadOrNotify(() => import("../removed/restore.js"));
    // The page of a removed user is closed, so the list is shown.
    part?.restoreUser(frame, user, async () => (view.isConnected ? reloadAndFocus() : frame.go("/")));
  }

  /**
   * @param {User} user
   * @param {Undo} undo
   */
  async function takeBack(user, undo) {
    const part = await loadOrNotify(() => import("./undo.js"));
    const message = await part?.takeBack(user, undo);
    if (!message) return;
    await reloadAndFocus();
    notify(...message);
  }

  return { edit, share, actionsFor };
}
