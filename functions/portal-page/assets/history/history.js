// Accounts › History: who did what to whom, of the whole account or about one user.
import { call, Over } from "../api.js";
import { beginOf } from "../days.js";
import { find, make, nameOf, notify, on, open } from "../dom.js";
import { exportList } from "../download.js";
import { actions, actorOf, detailsOf, whatOf } from "./event-words.js";
import { aboutLoading, clear, mark, told } from "../forms.js";
import { moment, say, text } from "../language.js";
import { personField } from "./person-field.js";

const LIMIT = 25;

/** A page may be empty though older ones are not; so many are asked for before somebody has to say "go on". */
const MOST_CALLS = 10;

/** Names in the address, and of the filters' fields. */
const FILTERS = ["actor", "user", "action", "from", "to"];

/** Shows the account's history. */
export function accountHistory(frame) {
  const view = frame.show(make("history"), "title.history");
  const filters = find(".filters", view);
  const query = new URLSearchParams(location.search);
  const wish = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  const people = new Map();
  const events = eventList(find("[data-events]", view), (items) => {
    for (const { actor, target } of items) {
      for (const person of [actor.kind === "user" ? actor : null, target]) if (person?.id && !people.has(person.id)) people.set(person.id, person.name);
    }
    for (const field of fields) field.refresh();
  });

  const fields = ["actor", "user"].map((name) =>
    personField(filters.elements[name], { me: frame.me(), people, id: wish[name], onChange: (id) => change(name, id) }));
  for (const name of ["from", "to"]) {
    filters.elements[name].value = wish[name];
    filters.elements[name].addEventListener("change", ({ target }) => change(name, target.value));
  }
  filters.elements.action.addEventListener("change", ({ target }) => change("action", target.value));
  filters.addEventListener("submit", (event) => event.preventDefault());
  on(filters, "clear", () => frame.go("/?view=history"));

  function fillActions() {
    const options = actions.map((action) => new Option(text(`event.${action}`), action));
    filters.elements.action.replaceChildren(new Option(text("history.any_action"), ""), ...options);
    filters.elements.action.value = wish.action;
  }

  function change(name, value) {
    if (wish[name] === value) return;
    wish[name] = value;
    const kept = new URLSearchParams(Object.entries({ view: "history", ...wish }).filter(([, value]) => value));
    history.replaceState(null, "", `/?${kept}`);
    load();
  }

  function load() {
    find('[data-do="clear"]', filters).hidden = FILTERS.every((name) => !wish[name]);
    clear(filters);
    if (wish.from && wish.to && wish.from > wish.to) mark(filters, "to", "period.backwards");
    else events.load(asked(wish));
  }

  on(view, "export", ({ currentTarget: button }) => exportList(button, "history", `/v1/audit-events?${asked(wish)}`));
  view.addEventListener("language", () => {
    fillActions();
    events.render();
  });
  fillActions();
  load();
}

/** Opens a dialog with the history of what was done to `user`. */
export function userHistory(user) {
  const dialog = make("history-dialog");
  say(find("h2", dialog), "history.of", { name: nameOf(user) });
  on(dialog, "close", () => dialog.close());
  open(dialog);
  find("h2", dialog).focus();
  eventList(find("[data-events]", dialog)).load(new URLSearchParams({ user_id: user.id }));
}

/** What the API is asked for. Days are those of the reader's clock; the last one counts. */
function asked({ actor, user, action, from, to }) {
  const query = new URLSearchParams();
  if (actor) query.set("actor_id", actor);
  if (user) query.set("user_id", user);
  if (action) query.set("action", action);
  const [first, end] = [beginOf(from), beginOf(to, 1)];
  if (first) query.set("from", first);
  if (end) query.set("to", end);
  return query;
}

/** The events in place of `place`, with a way to older ones. `seen` hears of every page. */
function eventList(place, seen = () => {}) {
  const sheet = make("events");
  place.replaceWith(sheet);
  const [table, body, nothing] = [find("table", sheet), find("tbody", sheet), find(".nothing", sheet)];
  const [count, older] = [find("[data-count]", sheet), find('[data-do="older"]', sheet)];
  let [query, items, cursor, loading] = [null, [], null, null];

  /** Asks anew, or for the events before those that are shown. */
  async function load(wanted) {
    loading?.abort();
    const mine = (loading = new AbortController());
    const isFirst = wanted !== undefined;
    if (isFirst) {
      [query, items, cursor] = [wanted, [], null];
      body.replaceChildren(...Array.from({ length: 6 }, () => make("placeholder-row")));
      table.hidden = false;
      nothing.hidden = true;
      older.hidden = true;
    }
    table.setAttribute("aria-busy", "true");
    const page = [];
    try {
      let calls = 0;
      do {
        const asked = new URLSearchParams([...query, ["limit", LIMIT], ...(cursor ? [["cursor", cursor]] : [])]);
        const answer = await call("GET", `/v1/audit-events?${asked}`, { signal: mine.signal });
        page.push(...answer.items);
        cursor = answer.next_cursor;
        calls += 1;
      } while (cursor && page.length === 0 && calls < MOST_CALLS);
    } catch (error) {
      if (mine.signal.aborted || error instanceof Over) return;
      if (items.length === 0) fault(error);
      else notify(...told(aboutLoading(error)));
      return;
    } finally {
      if (loading === mine) table.removeAttribute("aria-busy");
    }
    items = [...items, ...page];
    render();
    seen(page);
    // Whoever asked for more reads on where it begins.
    if (!isFirst && page.length > 0) body.children[items.length - page.length].focus();
    else if (!isFirst && older.hidden) count.focus();
  }

  function render() {
    body.replaceChildren(...items.map(row));
    table.hidden = items.length === 0;
    older.hidden = !cursor;
    say(count, "history.count", { total: items.length });
    nothing.hidden = items.length > 0;
    if (items.length === 0) {
      say(find(".nothing-title", nothing), cursor ? "history.not_yet.title" : "history.none.title");
      say(find(".nothing-text", nothing), cursor ? "history.not_yet.text" : "history.none.text");
      find("button", nothing).hidden = true;
    }
  }

  function fault(error) {
    table.hidden = true;
    count.textContent = "";
    delete count.dataset.t;
    say(find(".nothing-title", nothing), "history.fault");
    say(find(".nothing-text", nothing), ...told(aboutLoading(error)));
    const button = find("button", nothing);
    say(button, "try_again");
    button.hidden = false;
    button.onclick = () => load(query);
    nothing.hidden = false;
  }

  on(sheet, "older", () => load());
  return { load, render };
}

function row(event) {
  const row = make("event-row");
  const when = find("time", row);
  when.dateTime = event.at;
  when.textContent = moment(event.at);
  find("[data-who]", row).textContent = actorOf(event);
  find("[data-what]", row).textContent = whatOf(event);
  // What people do to themselves has nobody else in it.
  find("[data-whom]", row).textContent = event.target?.id === event.actor.id ? "" : (event.target?.name ?? "");
  find("[data-address]", row).textContent = event.address ?? "";
  find(".details", row).replaceChildren(...detailsOf(event).map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
  return row;
}
