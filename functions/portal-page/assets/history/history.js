// Accounts › History: the audit events of the whole account or of one user.
import { call, SessionEnded } from "../api.js";
import { find, listen, make, nameOf, notify, on, open } from "../dom.js";
import { HISTORY } from "../columns.js";
import { exportList } from "../download.js";
import { actionText, actions, actorText, detailLines } from "./event-words.js";
import { clearMessages, loadErrorMessage, markField, showEmpty } from "../forms.js";
import { moment, setText, startOfDay, text } from "../language.js";
import { personField } from "./person-field.js";

/** @import { AuditEvent, AuditEvents, User } from "../../types/api.js" */

const LIMIT = 25;

/** A page may be empty although older pages are not. This many requests are sent before the user has to ask for more. */
const MAX_REQUESTS = 10;

/** The names of the filters in the address and in the form. */
const FILTERS = ["actor", "user", "action", "from", "to"];

/**
 * Shows the history of the account.
 * @param {import("../portal/portal.js").Frame} frame
 */
export function accountHistory(frame) {
  const view = frame.show(make("history"), "nav.history");
  const filters = find(".filters", view);
  const query = new URLSearchParams(location.search);
  /** @type {Record<string, string>} */
  const criteria = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  /** @type {Map<string, string>} */
  const people = new Map();
  const events = eventList(find("[data-events]", view), (items) => {
    for (const { actor, target } of items) {
      for (const person of [actor.kind === "user" ? actor : null, target]) {
        if (person?.id && !people.has(person.id)) people.set(person.id, person.name ?? "");
      }
    }
    for (const field of fields) field.refresh();
  });

  const fields = ["actor", "user"].map((name) =>
    personField(filters.elements[name], { me: frame.me(), people, id: criteria[name], onChange: (id) => change(name, id) }));
  for (const name of ["from", "to"]) {
    filters.elements[name].value = criteria[name];
    listen(filters.elements[name], "change", ({ target }) => change(name, target.value));
  }
  listen(filters.elements.action, "change", ({ target }) => change("action", target.value));
  listen(filters, "submit", (event) => event.preventDefault());
  on(filters, "clear", () => frame.go("/?view=history"));

  function fillActions() {
    const options = actions.map((action) => new Option(text(`event.${action}`), action));
    filters.elements.action.replaceChildren(new Option(text("history.any_action"), ""), ...options);
    filters.elements.action.value = criteria.action;
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  function change(name, value) {
    if (criteria[name] === value) return;
    criteria[name] = value;
    const kept = new URLSearchParams(Object.entries({ view: "history", ...criteria }).filter(([, value]) => value));
    history.replaceState(null, "", `/?${kept}`);
    load();
  }

  function load() {
    find('[data-do="clear"]', filters).hidden = FILTERS.every((name) => !criteria[name]);
    clearMessages(filters);
    if (criteria.from && criteria.to && criteria.from > criteria.to) markField(filters, "to", "period.backwards");
    else events.load(toQuery(criteria));
  }

  on(view, "export", ({ currentTarget }) => exportList(currentTarget, "history", `/v1/audit-events?${toQuery(criteria)}`, HISTORY));
  listen(view, "language", () => {
    fillActions();
    events.render();
  });
  fillActions();
  load();
}

/**
 * Opens a dialog with the history of a user.
 * @param {User} user
 */
export function userHistory(user) {
  const dialog = make("history-dialog");
  setText(find("h2", dialog), "history.of", { name: nameOf(user) });
  on(dialog, "close", () => dialog.close());
  open(dialog);
  find("h2", dialog).focus();
  eventList(find("[data-events]", dialog)).load(new URLSearchParams({ user_id: user.id }));
}

/**
 * The API's query. Days are in the reader's time zone and include the last one.
 * @param {Record<string, string>} criteria
 */
function toQuery({ actor, user, action, from, to }) {
  const query = new URLSearchParams();
  if (actor) query.set("actor_id", actor);
  if (user) query.set("user_id", user);
  if (action) query.set("action", action);
  const [first, end] = [startOfDay(from), startOfDay(to, 1)];
  if (first) query.set("from", first);
  if (end) query.set("to", end);
  return query;
}

/**
 * Replaces `place` with a list of events, which has a button for older ones.
 * @param {HTMLElement} place
 * @param {(items: AuditEvent[]) => void} [onPage] Called with the events of each page.
 */
export function eventList(place, onPage = () => {}) {
  const sheet = make("events");
  place.replaceWith(sheet);
  const [table, body, nothing] = [find("table", sheet), find("tbody", sheet), find(".nothing", sheet)];
  const [count, older] = [find("[data-count]", sheet), find('[data-do="older"]', sheet)];
  let query = new URLSearchParams();
  /** @type {AuditEvent[]} */
  let items = [];
  /** @type {string | null} */
  let cursor = null;
  /** @type {AbortController | null} */
  let loading = null;

  /**
   * Loads the first page for a query, or the page of older events.
   * @param {URLSearchParams} [first]
   */
  async function load(first) {
    loading?.abort();
    const current = (loading = new AbortController());
    if (first) {
      [query, items, cursor] = [first, [], null];
      body.replaceChildren(...Array.from({ length: 6 }, () => make("placeholder-row")));
      table.hidden = false;
      nothing.hidden = true;
      older.hidden = true;
    }
    table.setAttribute("aria-busy", "true");
    const page = [];
    try {
      let requests = 0;
      do {
        const wanted = new URLSearchParams([...query, ["limit", String(LIMIT)], ...(cursor ? [["cursor", cursor]] : [])]);
        /** @type {AuditEvents} */
        const answer = await call("GET", `/v1/audit-events?${wanted}`, { signal: current.signal });
        page.push(...answer.items);
        cursor = answer.next_cursor;
        requests += 1;
      } while (cursor && page.length === 0 && requests < MAX_REQUESTS);
    } catch (error) {
      if (current.signal.aborted || error instanceof SessionEnded) return;
      if (items.length === 0) renderError(error);
      else notify(...loadErrorMessage(error));
      return;
    } finally {
      if (loading === current) table.removeAttribute("aria-busy");
    }
    items = [...items, ...page];
    render();
    onPage(page);
    // The reader continues where the older events begin.
    if (!first && page.length > 0) body.children[items.length - page.length].focus();
    else if (!first && older.hidden) count.focus();
  }

  function render() {
    body.replaceChildren(...items.map(row));
    table.hidden = items.length === 0;
    older.hidden = !cursor;
    setText(count, "history.count", { total: items.length });
    nothing.hidden = items.length > 0;
    if (items.length > 0) return;
    if (cursor) showEmpty(nothing, "history.not_yet.title", ["history.not_yet.text"]);
    else showEmpty(nothing, "history.none.title", ["history.none.text"]);
  }

  /** @param {Error} error */
  function renderError(error) {
    table.hidden = true;
    count.textContent = "";
    delete count.dataset.t;
    showEmpty(nothing, "history.fault", loadErrorMessage(error), { key: "try_again", do: () => load(query) });
  }

  on(sheet, "older", () => load());
  return { load, render };
}

/** @param {AuditEvent} event */
function row(event) {
  const row = make("event-row");
  const when = find("time", row);
  when.dateTime = event.at;
  when.textContent = moment(event.at);
  find("[data-who]", row).textContent = actorText(event);
  find("[data-what]", row).textContent = actionText(event);
  // If users act on themselves, no other user is shown.
  find("[data-whom]", row).textContent = event.target?.id === event.actor.id ? "" : (event.target?.name ?? "");
  find("[data-address]", row).textContent = event.address ?? "";
  find(".details", row).replaceChildren(...detailLines(event).map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
  return row;
}
