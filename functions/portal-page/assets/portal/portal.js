// The frame around every view: the menus, who is signed in, and which view the address asks for.
import { call, Over, signOut } from "../api.js";
import { holds } from "../access.js";
import { find, initials, languageChoice, make, nameOf, notify, setTitle, show, unnotify } from "../dom.js";
import { about } from "../forms.js";
import { accountHistory } from "../history/history.js";
import { text } from "../language.js";
import { menu } from "../menu/menu.js";
import { record } from "../record/record.js";
import { review } from "../review/review.js";
import { sessions } from "../sessions/sessions.js";
import { editUser } from "../user-dialog/user-dialog.js";
import { users } from "../users/users.js";

/** By its name in the address: what shows it, the permissions that it needs, and its entry in the menu. */
const VIEWS = {
  users: { open: users, needs: ["users.read"], entry: "users" },
  review: { open: review, needs: ["users.read", "audit.read"], entry: "review" },
  record: { open: record, needs: ["users.read", "audit.read"], entry: "review" },
  history: { open: accountHistory, needs: ["audit.read"], entry: "history" },
};

/** Shows what the address asks for, in the frame that is on the page. */
let follow = () => {};

addEventListener("popstate", () => {
  for (const dialog of document.querySelectorAll("dialog[open]")) {
    // One that shows what is told only now stays.
    if (dialog.dispatchEvent(new Event("cancel", { cancelable: true }))) dialog.close();
  }
  follow();
});

/** Shows the portal to `me`, who is signed in. */
export function portal(me) {
  const frame = make("portal");
  find("[data-brand]", frame).replaceWith(make("brand"));
  find("[data-language]", frame).replaceWith(languageChoice());
  show(frame);

  const may = (name) => VIEWS[name].needs.every((permission) => holds(me, permission));
  const of = {
    me: () => me,
    editOwn,
    show(view, title) {
      find("main", frame).replaceWith(view);
      setTitle(title);
      find("h1", view).focus({ preventScroll: true });
      return view;
    },
    /** Begins anew, for whoever one is now. */
    async restart() {
      try {
        portal(await call("GET", "/v1/me"));
      } catch (error) {
        if (!(error instanceof Over)) location.reload();
      }
    },
    /** Goes to another view, where the browser's "back" comes back from. */
    go(address) {
      history.pushState(null, "", address);
      follow();
    },
  };

  follow = () => {
    if (!frame.isConnected) return;
    unnotify();
    const wanted = new URLSearchParams(location.search).get("view") ?? "users";
    // Whoever may see nothing is told so where the users would be.
    const name = [wanted, ...Object.keys(VIEWS)].find((name) => Object.hasOwn(VIEWS, name) && may(name)) ?? "users";
    for (const entry of frame.querySelectorAll(".side a")) {
      entry.closest("li").hidden = !may(entry.dataset.view);
      if (entry.dataset.view === VIEWS[name].entry) entry.setAttribute("aria-current", "page");
      else entry.removeAttribute("aria-current");
    }
    scrollTo(0, 0);
    VIEWS[name].open(of);
  };

  find(".skip", frame).addEventListener("click", (event) => {
    // Going to a place on the page would be a step for the browser's "back".
    event.preventDefault();
    find("main", frame).focus();
  });
  frame.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-view]");
    // In a new tab or window it opens as any link.
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    of.go(link.getAttribute("href"));
  });

  const button = find("[data-account]", frame);
  menu(button, () => [
    { label: text("account.profile"), do: () => editOwn() },
    { label: text("account.sessions"), do: () => sessions(me, me) },
    { label: text("account.sign_out"), do: leave },
  ]);

  function showAccount() {
    find(".initials", button).dataset.initials = initials(me);
    find(".account-name", button).textContent = nameOf(me);
    button.setAttribute("aria-label", text("account.menu", { name: nameOf(me) }));
  }

  /** `now`: how oneself was read last. */
  async function editOwn(now = me) {
    unnotify();
    const saved = await editUser(me, now);
    if (!saved) return;
    me = saved.user;
    showAccount();
    find("main", frame).dispatchEvent(new Event("me"));
    notify("edit.own_done");
  }

  async function leave() {
    try {
      await signOut();
    } catch (error) {
      if (error instanceof Over) return;
      const [key, options] = about(error);
      notify(key, options?.values);
    }
  }

  frame.addEventListener("language", () => {
    showAccount();
    find("main", frame).dispatchEvent(new Event("language"));
  });
  showAccount();
  follow();
}
