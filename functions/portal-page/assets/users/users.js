// Accounts › Users: the table, its search, filters, sorting and pages, and what can be done with a user.
import { call, Over, over } from "../api.js";
import { EVERY_ROLE, holds, isOneself, mayDo, STATUSES } from "../access.js";
import { find, initials, make, nameOf, notify, on, unnotify } from "../dom.js";
import { exportList } from "../download.js";
import { aboutLoading } from "../forms.js";
import { userHistory } from "../history/history.js";
import { importUsers } from "../import/import.js";
import { moment, say, text } from "../language.js";
import { menu } from "../menu/menu.js";
import { selection } from "./selection.js";
import { sessions } from "../sessions/sessions.js";
import { share } from "../share/share.js";
import { forceLogout, handOver, reactivate, remove, suspend } from "./user-actions.js";
import { addUser, editUser } from "../user-dialog/user-dialog.js";

const LIMIT = 25;
const SEARCH_FROM = 2;
/** Milliseconds without a key before a search is sent. */
const TYPING = 250;

/** Shows the users in the `frame`, which knows who is signed in. */
export function users(frame) {
  const view = frame.show(make("users"), "title.users");
  let me = frame.me();
  const list = userList(view, () => me, { edit, offers });
  view.addEventListener("me", () => {
    me = frame.me();
    list.load();
  });

  on(view, "add", async () => {
    const added = await addUser(me);
    if (!added) return;
    list.load();
    await share({ ...added, name: nameOf(added.user) });
    notify("add.done", { name: nameOf(added.user) });
  });
  on(view, "export", ({ currentTarget }) => exportList(currentTarget, "users", `/v1/users?${list.query()}`));
  on(view, "import", async () => {
    if (await importUsers()) list.load();
  });
  find('[data-do="add"]', view).hidden = find('[data-do="import"]', view).hidden = !holds(me, "users.add");
  find('[data-do="export"]', view).hidden = !holds(me, "users.read");

  async function edit(user) {
    if (isOneself(me, user)) {
      frame.editOwn(user);
      return;
    }
    unnotify();
    const saved = await editUser(me, user);
    if (!saved) return;
    list.load();
    if (saved.password || saved.email) await share({ ...saved, name: nameOf(saved.user) });
    notify("edit.done", { name: nameOf(saved.user) });
  }

  /** What the menu of a user offers, each by the right that it takes. */
  function offers(user) {
    const may = mayDo(me, user);
    return [
      { right: "sessions", label: "users.sessions", do: () => sessions(me, user) },
      { right: "history", label: "users.history", do: () => userHistory(user) },
      { right: "forceLogout", label: "users.force_logout", do: () => signOutEverywhere(user) },
      { right: "suspend", label: "users.suspend", do: () => doTo(user, suspend, "suspend.done") },
      { right: "reactivate", label: "users.reactivate", do: () => doTo(user, reactivate, "reactivate.done") },
      { right: "handOver", label: "users.hand_over", do: () => makePrimaryAdmin(user) },
      { right: "remove", label: "users.delete", do: () => doTo(user, remove, "delete.done"), isDanger: true },
    ].filter(({ right }) => may[right]);
  }

  async function doTo(user, action, done) {
    if (!await action(user)) return;
    await list.load();
    if (document.activeElement === document.body) find("h1", view).focus();
    notify(done, { name: nameOf(user) });
  }

  async function signOutEverywhere(user) {
    if (!isOneself(me, user)) await doTo(user, (user) => forceLogout(me, user), "force_logout.done");
    else if (await forceLogout(me, user)) over("everywhere");
  }

  async function makePrimaryAdmin(user) {
    if (!await handOver(user)) return;
    await frame.restart();
    notify("hand_over.done", { name: nameOf(user) });
  }

  list.load();
}

/** The table and everything that decides what is in it. */
function userList(view, me, { edit, offers }) {
  const filters = find(".filters", view);
  const table = find("table", view);
  const [body, nothing, pages] = [find("tbody", view), find(".nothing", view), find(".pages", view)];
  const wish = fromAddress();
  const choice = selection(view, me, { done: load });
  let cursors = [null];
  let loading = null;
  let shown = null;

  filters.elements.search.value = wish.search;
  fillFilters();

  function fillFilters() {
    const fill = (select, value, any, options) => {
      select.replaceChildren(new Option(text(any), ""), ...options.map(([value, key]) => new Option(text(key), value)));
      select.value = value;
    };
    fill(filters.elements.role, wish.role, "users.any_role", EVERY_ROLE.map((role) => [role, `role.${role}`]));
    fill(filters.elements.status, wish.status, "users.any_status", STATUSES.map((status) => [status, `status.${status}`]));
  }

  const isFiltered = () => wish.search.length >= SEARCH_FROM || wish.role !== "" || wish.status !== "";

  function again() {
    cursors = [null];
    toAddress(wish);
    load();
  }

  /** What is asked for, whatever the page. */
  function query() {
    const query = new URLSearchParams({ sort: wish.sort, order: wish.order });
    if (wish.search.length >= SEARCH_FROM) query.set("search", wish.search);
    if (wish.role) query.set("role", wish.role);
    if (wish.status) query.set("status", wish.status);
    return query;
  }

  async function load() {
    loading?.abort();
    const mine = (loading = new AbortController());
    table.setAttribute("aria-busy", "true");
    if (!shown) body.replaceChildren(...Array.from({ length: 6 }, () => make("placeholder-row")));
    const page = query();
    page.set("limit", LIMIT);
    if (cursors.at(-1)) page.set("cursor", cursors.at(-1));
    try {
      const answer = await call("GET", `/v1/users?${page}`, { signal: mine.signal });
      if (answer.items.length === 0 && cursors.length > 1) {
        // The last of this page is gone.
        cursors.pop();
        load();
        return;
      }
      shown = answer;
      render();
    } catch (error) {
      if (mine.signal.aborted || error instanceof Over) return;
      shown = null;
      body.replaceChildren();
      renderFault(error);
    } finally {
      if (loading === mine) table.removeAttribute("aria-busy");
    }
  }

  function render() {
    const focused = document.activeElement?.closest("tr")?.dataset.id;
    const does = document.activeElement?.dataset.do;
    body.replaceChildren(...shown.items.map(row));
    if (focused && document.activeElement === document.body) {
      find(`tr[data-id="${CSS.escape(focused)}"] [data-do="${does}"]`, body)?.focus();
    }
    table.hidden = shown.total === 0;
    if (shown.total === 0) tellNothing("users.none.title", "users.none.text", "users.none.do", clear);
    else nothing.hidden = true;
    choice.show(shown.items);
    renderCount();
    renderSort();
    find('[data-do="clear"]', filters).hidden = !isFiltered();
  }

  function renderCount() {
    const count = find("[data-count]", view);
    const { items, total, next_cursor: next } = shown;
    const first = (cursors.length - 1) * LIMIT + 1;
    if (total > LIMIT) say(count, "users.range", { first, last: first + items.length - 1, total });
    else say(count, isFiltered() ? "users.found" : "users.count", { total });
    pages.hidden = total <= LIMIT;
    find('[data-do="previous"]', pages).disabled = cursors.length === 1;
    find('[data-do="next"]', pages).disabled = !next;
  }

  function renderSort() {
    for (const header of view.querySelectorAll("[data-sort]")) {
      const isSorted = header.dataset.sort === wish.sort;
      if (isSorted) header.setAttribute("aria-sort", wish.order === "asc" ? "ascending" : "descending");
      else header.removeAttribute("aria-sort");
    }
  }

  function renderFault(error) {
    table.hidden = true;
    choice.show([]);
    pages.hidden = true;
    const count = find("[data-count]", view);
    delete count.dataset.t;
    count.textContent = "";
    if (error.code === "missing_permission") {
      filters.hidden = true;
      tellNothing("users.forbidden.title", "users.forbidden.text");
    } else {
      const [key, options] = aboutLoading(error);
      tellNothing("users.fault.title", key, "try_again", load, options?.values);
    }
  }

  function tellNothing(title, message, action, does, values) {
    say(find(".nothing-title", nothing), title);
    say(find(".nothing-text", nothing), message, values);
    const button = find("button", nothing);
    button.hidden = !action;
    if (action) say(button, action);
    button.onclick = does ?? null;
    nothing.hidden = false;
  }

  function row(user) {
    const may = mayDo(me(), user);
    const name = nameOf(user);
    const row = make("user-row");
    row.dataset.id = user.id;
    find(".initials", row).dataset.initials = initials(user);
    find(".name", row).textContent = name;
    find("[data-you]", row).hidden = !isOneself(me(), user);
    find(".email", row).textContent = user.email;
    say(find("[data-role] span", row), `role.${user.role}`);
    find("[data-role]", row).classList.toggle("primary-admin", user.role === "primary_admin");
    find("[data-role] svg", row).toggleAttribute("hidden", user.role !== "primary_admin");
    const status = find(".status", row);
    say(status, `status.${user.status}`);
    status.dataset.status = user.status;
    when(find("[data-when]", row), user.last_sign_in_at);

    const [editButton, more] = [find('[data-do="edit"]', row), find('[data-do="more"]', row)];
    editButton.setAttribute("aria-label", text("users.edit_of", { name }));
    editButton.addEventListener("click", () => edit(user));
    editButton.hidden = !may.edit;
    more.setAttribute("aria-label", text("users.more_of", { name }));
    const items = offers(user).map((offer) => ({ ...offer, label: text(offer.label) }));
    more.hidden = items.length === 0;
    if (!more.hidden) menu(more, () => items);
    choice.offer(find(".select", row), user);
    return row;
  }

  function when(place, time) {
    if (!time) {
      say(place, "users.never");
      return;
    }
    const element = document.createElement("time");
    element.dateTime = time;
    element.textContent = moment(time);
    place.append(element);
  }

  function clear() {
    Object.assign(wish, { search: "", role: "", status: "" });
    filters.reset();
    filters.elements.role.value = filters.elements.status.value = "";
    filters.elements.search.focus();
    again();
  }

  let typing;
  filters.elements.search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const search = filters.elements.search.value.trim();
      const isSame = search === wish.search || (search.length < SEARCH_FROM && wish.search.length < SEARCH_FROM);
      wish.search = search;
      if (!isSame) again();
    }, TYPING);
  });
  for (const name of ["role", "status"]) {
    filters.elements[name].addEventListener("change", ({ target }) => {
      wish[name] = target.value;
      again();
    });
  }
  filters.addEventListener("submit", (event) => event.preventDefault());
  on(filters, "clear", clear);
  for (const header of view.querySelectorAll("[data-sort]")) {
    find("button", header).addEventListener("click", () => {
      const isSorted = wish.sort === header.dataset.sort;
      wish.order = isSorted ? (wish.order === "asc" ? "desc" : "asc") : header.dataset.sort === "last_sign_in_at" ? "desc" : "asc";
      wish.sort = header.dataset.sort;
      again();
    });
  }
  on(pages, "next", () => { cursors.push(shown.next_cursor); load(); });
  on(pages, "previous", () => { cursors.pop(); load(); });
  view.addEventListener("language", () => {
    fillFilters();
    if (shown) render();
  });
  return { load, query };
}

/** What the address says is wished for, so that a reload or a new sign-in comes back to it. */
function fromAddress() {
  const query = new URLSearchParams(location.search);
  const oneOf = (name, values) => (values.includes(query.get(name)) ? query.get(name) : values[0]);
  return {
    search: query.get("search") ?? "",
    role: oneOf("role", ["", ...EVERY_ROLE]),
    status: oneOf("status", ["", ...STATUSES]),
    sort: oneOf("sort", ["name", "email", "last_sign_in_at"]),
    order: oneOf("order", ["asc", "desc"]),
  };
}

function toAddress(wish) {
  const usual = { search: "", role: "", status: "", sort: "name", order: "asc" };
  const query = new URLSearchParams(Object.entries(wish).filter(([name, value]) => value !== usual[name]));
  history.replaceState(null, "", query.size > 0 ? `/?${query}` : "/");
}
