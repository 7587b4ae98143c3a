// The frame around every view: the menus, the signed-in user, and the view that the address selects.
import { call, SessionEnded, signOut } from "../api.js";
import { holds } from "../access.js";
import { discardOtherDraft } from "../drafts.js";
import { clearNotice, find, initials, languageSelect, listen, make, nameOf, notify, setTitle, show } from "../dom.js";
import { errorMessage, loadErrorMessage, loadOrNotify, showEmpty } from "../forms.js";
import { currentLanguage, setText, text } from "../language.js";
import { load } from "../load.js";
import { menu } from "../menu/menu.js";
import { rememberName } from "../sign-in/sign-in.js";
import { path } from "../users/requests.js";
import { users } from "../users/users.js";

/** @import { Me, Permission } from "../../types/api.js" */

/**
 * The part of the frame that views can use.
 * @typedef {object} Frame
 * @property {() => Me} me The signed-in user.
 * @property {(part: "person" | "password") => Promise<void>} editOwn Edits a part of the signed-in user.
 * @property {() => Promise<void>} reload Reloads the signed-in user.
 * @property {(view: HTMLElement, title: string) => any} show Shows a view, and returns it. It receives the events "language" and
 * "me" when the language or the signed-in user changes.
 * @property {() => Promise<void>} restart Reloads the signed-in user and rebuilds the page.
 * @property {(address: string) => void} go Opens another view, with an entry in the browser's history.
 */

/**
 * The views by their names in the address: how the function is loaded, the required permissions, the menu entry, and the key of
 * the text that is shown if it cannot be loaded.
 * @type {Record<string, { load: () => Promise<(frame: Frame) => void>, needs: Permission[], entry: string, fault: string }>}
 */
const VIEWS = {
  users: { load: async () => users, needs: ["users.read"], entry: "users", fault: "users.fault.title" },
  user: { load: async () => (await import("../user/user.js")).user, needs: ["users.read"], entry: "users", fault: "user.fault" },
  removed: { load: async () => (await import("../removed/removed.js")).removed, needs: ["users.read", "users.add"], entry: "users", fault: "users.fault.title" },
  review: { load: async () => (await import("../review/review.js")).review, needs: ["users.read", "audit.read"], entry: "review", fault: "review.fault" },
  record: { load: async () => (await import("../record/record.js")).record, needs: ["users.read", "audit.read"], entry: "review", fault: "record.fault" },
  history: { load: async () => (await import("../history/history.js")).accountHistory, needs: ["audit.read"], entry: "history", fault: "history.fault" },
  account: { load: async () => (await import("../account/account.js")).account, needs: [], entry: "account", fault: "account.fault" },
};

/** The views in the menu. Every user may open one's own account from the menu of the account. */
const LISTED = Object.keys(VIEWS).filter((name) => VIEWS[name].needs.length > 0);

/** Counts the views that were to open. Only the last one is shown. */
let turn = 0;

/** Shows the view that the address selects, in the current frame. */
let follow = () => {};

const showShortcuts = async () => (await loadOrNotify(() => import("../shortcuts/shortcuts.js")))?.shortcuts();

// Keys without a modifier can be switched off (WCAG 2.1.4).
addEventListener("keydown", (event) => {
  const { key, target } = event;
  const isTyped = /** @type {Element} */ (target).closest("input, select, dialog, [popover]");
  if (isTyped || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem("shortcuts") || !find(".portal")) return;
  const search = find("[type=search]");
  if (key === "/" && search?.checkVisibility()) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (key === "?") {
    showShortcuts();
  } else if (key.toLowerCase() === "u") {
    find("#notice [aria-keyshortcuts]")?.click();
  }
});

addEventListener("popstate", () => {
  /** @type {NodeListOf<HTMLDialogElement>} */
  const dialogs = document.querySelectorAll("dialog[open]");
  for (const dialog of dialogs) {
    // Dialogs that show one-time data (passwords) stay open.
    if (dialog.dispatchEvent(new Event("cancel", { cancelable: true }))) dialog.close();
  }
  follow();
});

/**
 * Shows the portal.
 * @param {Me} user The signed-in user.
 */
export function portal(user) {
  let me = user;
  const root = make("portal");
  find("[data-brand]", root).replaceWith(make("brand"));
  find("[data-language]", root).replaceWith(languageSelect());
  find(".partner", root).textContent = me.partner.name;
  rememberName(me.partner);
  discardOtherDraft(me.id);
  show(root);

  /** @param {string} name */
  const may = (name) => VIEWS[name].needs.every((permission) => holds(me, permission));
  /** @type {Frame} */
  const frame = {
    me: () => me,
    editOwn,
    reload,
    show(view, title) {
      find("main", root).replaceWith(view);
      setTitle(title, me.partner.name);
      find("h1", view).focus({ preventScroll: true });
      return view;
    },
    async restart() {
      try {
        portal(await call("GET", "/v1/me"));
      } catch (error) {
        if (!(error instanceof SessionEnded)) location.reload();
      }
    },
    go(address) {
      history.pushState(null, "", address);
      follow();
    },
  };

  follow = () => {
    if (!root.isConnected) return;
    clearNotice();
    const wanted = new URLSearchParams(location.search).get("view") ?? "users";
    // A user who may see no view gets the list of users, which explains the missing permission.
    const name = [wanted, ...LISTED].find((name) => Object.hasOwn(VIEWS, name) && may(name)) ?? "users";
    // The address is that of the view that is shown.
    if (name !== wanted && location.search) {
      history.replaceState(null, "", name === "users" ? "/" : `/?view=${name}`);
      if (Object.hasOwn(VIEWS, wanted)) notify("fault.missing_permission");
    }
    for (const entry of root.querySelectorAll(".side a")) {
      entry.closest("li").hidden = !may(entry.dataset.view);
      if (entry.dataset.view === VIEWS[name].entry) entry.setAttribute("aria-current", "page");
      else entry.removeAttribute("aria-current");
    }
    scrollTo(0, 0);
    openView(name);
  };

  /** @param {string} name */
  async function openView(name) {
    turn += 1;
    const current = turn;
    const isWanted = () => root.isConnected && current === turn;
    // A view that is loaded already replaces this before the browser draws it.
    find("main", root).replaceWith(make("view-loading"));
    let view;
    try {
      view = await load(VIEWS[name].load);
    } catch (error) {
      if (isWanted()) showFault(name, error);
      return;
    }
    if (isWanted()) view(frame);
  }

  /**
   * Shows that a view could not be loaded.
   * @param {string} name
   * @param {Error} error
   */
  function showFault(name, error) {
    const view = frame.show(make("view-fault"), `nav.${VIEWS[name].entry}`);
    setText(find("h1", view), `nav.${VIEWS[name].entry}`);
    showEmpty(find(".nothing", view), VIEWS[name].fault, loadErrorMessage(error), { key: "try_again", do: follow });
  }

  listen(find(".skip", root), "click", (event) => {
    // Following the link would add an entry to the browser's history.
    event.preventDefault();
    find("main", root).focus();
  });
  listen(root, "click", (event) => {
    const link = event.target.closest("a[data-view]");
    // The browser opens links in a new tab or window as usual.
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    frame.go(link.getAttribute("href"));
  });

  const button = find("[data-account]", root);
  menu(button, () => [
    { label: text("nav.account"), do: () => frame.go("/?view=account") },
    { label: text("shortcuts.title"), do: showShortcuts },
    { label: text("account.sign_out"), do: leave },
  ]);

  function showAccount() {
    find(".initials", button).dataset.initials = initials(me);
    find(".account-name", button).textContent = nameOf(me);
    button.setAttribute("aria-label", text("account.menu", { name: nameOf(me) }));
  }

  /** @param {Partial<Me>} latest */
  function update(latest) {
    me = { ...me, ...latest };
    showAccount();
    find("main", root).dispatchEvent(new Event("me"));
  }

  async function reload() {
    update(await call("GET", "/v1/me"));
  }

  /** @param {"person" | "password"} section */
  async function editOwn(section) {
    clearNotice();
    const part = await loadOrNotify(() => import("../user-dialog/user-dialog.js"));
    if (!root.isConnected) return;
    const saved = await part?.editUser(me, me, { part: section });
    if (!saved) return;
    update(saved.user);
    if (saved.email && me.pending_email) notify("email_change.sent", { email: me.pending_email });
    else notify("edit.own_done");
  }

  /** Saves the language, in which the portal writes mail to the user. This is no concern of what the user is doing. */
  async function saveLanguage() {
    const language = currentLanguage();
    if (!me.mail || language === me.language) return;
    try {
      const saved = await call("PATCH", path(me), { body: { language } });
      me = { ...me, ...saved };
    } catch {
      // The old language stays, and the user can choose again.
    }
  }

  async function leave() {
    try {
      await signOut();
    } catch (error) {
      if (!(error instanceof SessionEnded)) notify(...errorMessage(error));
    }
  }

  listen(root, "language", () => {
    saveLanguage();
    showAccount();
    find("main", root).dispatchEvent(new Event("language"));
  });
  showAccount();
  follow();
}
