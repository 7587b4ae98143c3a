// Accounts › Access review: who to look at first, and what becomes of each person's access, by button or by key.
import { call, Over, Problem } from "../api.js";
import { EVERY_ROLE, isOneself, mayDecide } from "../access.js";
import { chart } from "./chart.js";
import { confirm } from "../confirm/confirm.js";
import { daysSince } from "../days.js";
import { find, initials, make, nameOf, notify, on } from "../dom.js";
import { exportList } from "../download.js";
import { permissionList } from "../history/event-words.js";
import { about, aboutLoading, told } from "../forms.js";
import { ago, say, text } from "../language.js";

const LIMIT = 25;
const INACTIVE_DAYS = [30, 60, 90, 180, 365];
const USUAL_DAYS = 90;

/** Milliseconds without a decision before everybody is counted anew. */
const PAUSE = 400;

/** What a key does while the focus is within somebody's row. */
const KEYS = { k: "keep", r: "reduce", s: "suspend", x: "remove", Delete: "remove", n: "note" };

/** What is asked once more before it is done. */
const ASKED = {
  suspend: { title: "suspend.title", message: "suspend.text", yes: "review.suspend" },
  remove: { title: "delete.title", message: "delete.text", yes: "review.remove" },
};

const DONE = { keep: "review.done.keep", reduce: "review.done.reduce", suspend: "suspend.done", remove: "delete.done" };

/** Shows the review. */
export function review(frame) {
  const view = frame.show(make("review"), "title.review");
  const [table, body, nothing] = [find("table", view), find("tbody", view), find(".nothing", view)];
  const more = find('[data-do="more"]', view);
  const days = find("select", view);
  const wanted = Number(new URLSearchParams(location.search).get("inactive_days"));
  let inactiveDays = INACTIVE_DAYS.includes(wanted) ? wanted : USUAL_DAYS;
  /** Those shown: as the API tells them, and with `decided` once they are. */
  let people = [];
  let [summary, total, cursor, loading, counting] = [null, 0, null, null, null];

  const path = (limit, after) => {
    const query = new URLSearchParams({ inactive_days: inactiveDays, ...(limit && { limit }), ...(after && { cursor: after }) });
    return `/v1/access-review?${query}`;
  };

  async function load({ isMore = false } = {}) {
    loading?.abort();
    const mine = (loading = new AbortController());
    if (people.length === 0) body.replaceChildren(...Array.from({ length: 6 }, () => make("placeholder-row")));
    table.setAttribute("aria-busy", "true");
    try {
      const answer = await call("GET", path(LIMIT, isMore && cursor), { signal: mine.signal });
      const known = new Set(isMore ? people.map(({ user }) => user.id) : []);
      const added = answer.items.filter(({ user }) => !known.has(user.id));
      // What was typed stays.
      for (const entry of added) entry.note = people.find(({ user }) => user.id === entry.user.id)?.note;
      people = isMore ? [...people, ...added] : added;
      ({ summary, total, next_cursor: cursor } = answer);
      render();
      if (isMore) focusOn(added.find(isOpen));
    } catch (error) {
      if (mine.signal.aborted || error instanceof Over) return;
      if (people.length > 0) notify(...told(aboutLoading(error)));
      else fault(error);
    } finally {
      if (loading === mine) table.removeAttribute("aria-busy");
    }
  }

  /** The numbers after a decision, or several in quick succession. */
  function recount() {
    clearTimeout(counting);
    counting = setTimeout(async () => {
      try {
        ({ summary } = await call("GET", path(1)));
        renderSummary();
      } catch {
        // Those of before stay; what was decided was told.
      }
    }, PAUSE);
  }

  function render() {
    const focused = document.activeElement?.closest("tbody tr")?.dataset.id;
    body.replaceChildren(...people.map(rowOf));
    if (focused) focusOn(people.find((entry) => entry.user.id === focused && isOpen(entry)) ?? people.find(isOpen));
    table.hidden = false;
    nothing.hidden = true;
    more.hidden = !cursor;
    find(".legend", view).hidden = !people.some(isOpen);
    say(find("[data-count]", view), "review.count", { shown: people.length, total });
    renderSummary();
  }

  function renderSummary() {
    find(".overview", view).hidden = false;
    const { users, reviewed, to_look_at: first, by_role: roles, by_last_sign_in: times, never_signed_in: never } = summary;
    const bar = find("progress", view);
    bar.max = Math.max(1, users);
    bar.value = reviewed;
    say(find("[data-progress]", view), "review.progress", { done: reviewed, total: users });
    say(find("[data-first]", view), "review.look_at", { total: first });
    const ages = times.map(({ within_days: to, users }, index) => {
      const before = times[index - 1]?.within_days;
      const label = to === null ? text("chart.earlier", { days: before })
        : before === undefined ? text("chart.up_to", { days: to }) : text("chart.between", { from: before + 1, to });
      return { label, value: users };
    });
    chart(find('[data-chart="last_sign_in"]', view), text("chart.last_sign_in"), [...ages, { label: text("chart.never"), value: never }]);
    chart(find('[data-chart="role"]', view), text("chart.role"), EVERY_ROLE.map((role) => ({ label: text(`role.${role}`), value: roles[role] ?? 0 })));
  }

  function fault(error) {
    table.hidden = true;
    body.replaceChildren();
    find(".overview", view).hidden = find(".legend", view).hidden = true;
    say(find(".nothing-title", nothing), "review.fault");
    say(find(".nothing-text", nothing), ...told(aboutLoading(error)));
    const button = find("button", nothing);
    say(button, "try_again");
    button.onclick = () => load();
    nothing.hidden = false;
  }

  function rowOf(entry) {
    const { user, reduced, reasons } = entry;
    const name = nameOf(user);
    const row = make("review-row");
    row.dataset.id = user.id;
    find(".initials", row).dataset.initials = initials(user);
    find(".name", row).textContent = name;
    find("[data-you]", row).hidden = !isOneself(frame.me(), user);
    find("[data-role]", row).textContent = text(`role.${user.role}`);
    find("[data-email]", row).textContent = user.email;
    const tags = reasons.map((reason) => item(text(`reason.${reason}`, { total: user.last_sign_in_at && daysSince(user.last_sign_in_at) }), "tag"));
    if (tags.length === 0 && !entry.decided) tags.push(item(text("review.nothing"), "help"));
    find(".tags", row).replaceChildren(...tags);
    find("[data-use]", row).replaceChildren(...useOf(entry).map((line) => item(line)));
    const { reviewed_at: at, reviewed_by: by } = entry;
    find("[data-reviewed]", row).textContent = at ? text("review.reviewed", { ago: ago(at), name: by.name }) : text("review.never");

    const may = mayDecide(frame.me(), user, reduced);
    const [buttons, said] = [find(".decisions", row), find("[data-decided]", row)];
    const isOpen = !entry.decided && Object.values(may).some(Boolean);
    buttons.hidden = !isOpen;
    said.hidden = isOpen;
    if (entry.decided) said.textContent = text(`decision.${entry.decided}`);
    else say(said, isOneself(frame.me(), user) ? "review.own" : "review.beyond");
    said.classList.toggle("decided", Boolean(entry.decided));
    for (const button of buttons.querySelectorAll("button")) {
      const decision = button.dataset.decision;
      button.setAttribute("aria-label", text("review.of", { what: text(`review.${decision}`), name }));
      button.hidden = decision !== "note" && !may[decision];
      button.addEventListener("click", () => (decision === "note" ? openNote(row, entry) : decide(entry, decision)));
    }
    const what = find("[data-reduced]", row);
    what.hidden = !isOpen || !may.reduce;
    if (!what.hidden) {
      what.id = `reduced-${user.id}`;
      find('[data-decision="reduce"]', row).setAttribute("aria-describedby", what.id);
      what.textContent = text("review.reduced", { role: text(`role.${reduced.role}`), permissions: permissionList(reduced.permissions) });
    }
    if (entry.note !== undefined && isOpen) openNote(row, entry, { isQuiet: true });
    return row;
  }

  function openNote(row, entry, { isQuiet = false } = {}) {
    const field = find(".field", row);
    const input = find("input", field);
    if (field.hidden) {
      field.hidden = false;
      input.id = `note-${entry.user.id}`;
      find("label", field).htmlFor = input.id;
      say(find("label", field), "review.note_label", { name: nameOf(entry.user) });
      input.value = entry.note ?? "";
      entry.note ??= "";
      input.addEventListener("input", () => { entry.note = input.value; });
      input.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === "Escape") {
          event.preventDefault();
          focusOn(entry);
        }
      });
    }
    if (!isQuiet) input.focus();
  }

  /** Does what was decided on somebody, after a question where it is grave, and goes on to the next. */
  async function decide(entry, decision) {
    if (entry.isBusy || entry.decided) return;
    const { user } = entry;
    const values = { name: nameOf(user), email: user.email };
    const send = async () => {
      const note = entry.note?.trim();
      const sent = { user_id: user.id, decision, ...(note && { note }) };
      entry.isBusy = true;
      try {
        const answer = await call("POST", "/v1/access-review/decisions", { body: sent, headers: { "if-match": `"${user.version}"` } });
        Object.assign(entry, { decided: decision, reasons: [], reviewed_at: answer.reviewed_at, reviewed_by: { name: nameOf(frame.me()) } });
        entry.user = answer.user ?? user;
      } finally {
        entry.isBusy = false;
      }
    };
    try {
      if (!ASKED[decision]) await send();
      else if (!await confirm({ ...ASKED[decision], values, action: () => orTell(entry, send) })) return;
      if (!entry.decided) return;
    } catch (error) {
      tell(entry, error);
      return;
    }
    replace(entry);
    notify(DONE[decision], values);
    focusOn(people.slice(people.indexOf(entry) + 1).find(isOpen) ?? people.find(isOpen), entry);
    recount();
  }

  /** What makes the question pointless closes it; all else is told in it. */
  async function orTell(entry, send) {
    try {
      await send();
    } catch (error) {
      if (!["version_mismatch", "not_found"].includes(error.code)) throw error;
      tell(entry, error);
    }
  }

  function tell(entry, error) {
    if (error instanceof Over) return;
    if (["version_mismatch", "not_found"].includes(error.code)) {
      notify(error.code === "not_found" ? "fault.gone" : "review.stale", { name: nameOf(entry.user) });
      load();
      return;
    }
    const note = error instanceof Problem && error.errors.find(({ field }) => field === "note");
    if (note) notify(`field.${note.code}`);
    else notify(...told(about(error)));
  }

  const rowFor = (entry) => find(`tr[data-id="${CSS.escape(entry.user.id)}"]`, body);
  const isOpen = (entry) => !entry.decided && Object.values(mayDecide(frame.me(), entry.user, entry.reduced)).some(Boolean);

  function replace(entry) {
    rowFor(entry).replaceWith(rowOf(entry));
  }

  /** The focus goes to somebody's first button, or, where nobody is left, to what became of the last, or the list's end. */
  function focusOn(entry, last) {
    const to = entry ? find(".decisions button:not([hidden])", rowFor(entry)) : last && find("[data-decided]", rowFor(last));
    (to ?? find("[data-count]", view)).focus();
  }

  body.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    const row = event.target.closest("tr");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const rows = [...body.rows].filter((row) => !find(".decisions", row)?.hidden);
      const to = rows[rows.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1)];
      const same = to && find(`[data-decision="${event.target.dataset.decision}"]:not([hidden])`, to);
      (same ?? (to && find(".decisions button:not([hidden])", to)))?.focus();
      event.preventDefault();
      return;
    }
    const decision = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const button = decision && find(`.decisions:not([hidden]) [data-decision="${decision}"]:not([hidden])`, row);
    if (!button) return;
    event.preventDefault();
    button.click();
  });

  function fillDays() {
    days.replaceChildren(...INACTIVE_DAYS.map((total) => new Option(text("review.days", { total }), total)));
    days.value = inactiveDays;
  }

  days.addEventListener("change", () => {
    inactiveDays = Number(days.value);
    history.replaceState(null, "", `/?view=review${inactiveDays === USUAL_DAYS ? "" : `&inactive_days=${inactiveDays}`}`);
    people = [];
    load();
  });
  on(view, "more", () => load({ isMore: true }));
  on(view, "export", ({ currentTarget }) => exportList(currentTarget, "access-review", path()));
  view.addEventListener("language", () => {
    fillDays();
    if (summary) render();
  });
  view.addEventListener("me", () => { if (summary) render(); });
  fillDays();
  load();
}

function useOf({ user, password_changed_at: password, open_sessions: sessions }) {
  const signedIn = user.last_sign_in_at;
  return [
    signedIn ? text("review.signed_in", { ago: ago(signedIn) }) : text("review.never_signed_in"),
    password ? text("review.password", { ago: ago(password) }) : text("review.password_unknown"),
    text("review.sessions", { total: sessions }),
  ];
}

function item(words, name = "") {
  const made = document.createElement("li");
  made.textContent = words;
  made.className = name;
  return made;
}
