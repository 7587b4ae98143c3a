// Accounts › Access review › Record: the decisions of a period, for auditors, on screen or on paper.
import { call, SessionEnded } from "../api.js";
import { find, listen, make, on } from "../dom.js";
import { RECORD } from "../columns.js";
import { exportList } from "../download.js";
import { clearMessages, loadErrorMessage, markField, showEmpty } from "../forms.js";
import { day, dayOf, moment, startOfDay, text } from "../language.js";

const LIMIT = "100";
const DEFAULT_DAYS = 90;

/** @import { RecordItem, ReviewRecord } from "../../types/api.js" */

/**
 * Shows the record of a period.
 * @param {import("../portal/portal.js").Frame} frame
 */
export function record(frame) {
  const view = frame.show(make("record"), "record.title");
  const form = find("form", view);
  const { from, to } = form.elements;
  const query = new URLSearchParams(location.search);
  [from.value, to.value] = [query.get("from"), query.get("to")];
  if (!isPeriod()) {
    const today = new Date();
    from.value = dayOf(new Date(today.getFullYear(), today.getMonth(), today.getDate() - DEFAULT_DAYS));
    to.value = dayOf(today);
  }
  /** @type {ReviewRecord | null} */
  let shown = null;
  /** @type {AbortController | null} */
  let loading = null;

  /** @param {Record<string, string>} [more] */
  const path = (more) =>
    `/v1/access-review/record?${new URLSearchParams({ from: startOfDay(from.value) ?? "", to: startOfDay(to.value, 1) ?? "", ...more })}`;

  async function load() {
    loading?.abort();
    const current = (loading = new AbortController());
    const [sheet, nothing] = [find(".paper", view), find(".nothing", view)];
    sheet.setAttribute("aria-busy", "true");
    try {
      /** @type {ReviewRecord} */
      const whole = await call("GET", path({ limit: LIMIT }), { signal: current.signal });
      // The printed record has no pages, so all of them are loaded.
      let cursor = whole.next_cursor;
      while (cursor) {
        /** @type {ReviewRecord} */
        const page = await call("GET", path({ limit: LIMIT, cursor }), { signal: current.signal });
        whole.items.push(...page.items);
        cursor = page.next_cursor;
      }
      shown = whole;
      render(whole);
      sheet.hidden = false;
      nothing.hidden = true;
    } catch (error) {
      if (current.signal.aborted || error instanceof SessionEnded) return;
      sheet.hidden = true;
      showEmpty(nothing, "record.fault", loadErrorMessage(error), { key: "try_again", do: load });
    } finally {
      if (loading === current) sheet.removeAttribute("aria-busy");
    }
  }

  /** @param {ReviewRecord} record */
  function render({ partner, made_at: at, made_by: by, items, outstanding, users }) {
    const facts = {
      partner: partner.name,
      period: text("record.from_to", { from: day(startOfDay(from.value) ?? ""), to: day(startOfDay(to.value) ?? "") }),
      made: text("record.made_by", { when: moment(at), name: by.name }),
      reviewed: text("record.reviewed_of", { done: users - outstanding.length, total: users }),
    };
    for (const [name, value] of Object.entries(facts)) find(`[data-fact="${name}"]`, view).textContent = value;
    find("tbody", view).replaceChildren(...items.map(row));
    find("table", view).hidden = items.length === 0;
    find("[data-none]", view).hidden = items.length > 0;
    find("[data-nobody]", view).hidden = outstanding.length > 0;
    find("[data-some]", view).hidden = outstanding.length === 0;
    find(".outstanding", view).replaceChildren(...outstanding.map(({ name, email, role }) => {
      const entry = document.createElement("li");
      entry.textContent = `${name} · ${email} · ${text(`role.${role}`)}`;
      return entry;
    }));
  }

  function isPeriod() {
    return from.value !== "" && to.value !== "" && from.value <= to.value;
  }

  listen(form, "submit", (event) => {
    event.preventDefault();
    clearMessages(form);
    if (!isPeriod()) {
      markField(form, "to", "period.backwards");
      to.focus();
      return;
    }
    history.replaceState(null, "", `/?${new URLSearchParams({ view: "record", from: from.value, to: to.value })}`);
    load();
  });
  on(view, "print", () => print());
  on(view, "export", ({ currentTarget }) => exportList(currentTarget, "access-review-record", path(), RECORD));
  listen(view, "language", () => { if (shown) render(shown); });
  load();
}

/** @param {RecordItem} item */
function row(item) {
  const row = make("record-row");
  const at = find("time", row);
  at.dateTime = item.at;
  at.textContent = moment(item.at);
  find(".name", row).textContent = item.user?.name;
  find("[data-email]", row).textContent = item.email;
  find("[data-outcome]", row).textContent = text(`decision.${item.decision}`);
  const change = find("[data-change]", row);
  change.hidden = item.role_before === item.role_after || !item.role_after;
  if (!change.hidden) change.textContent = text("event.change", { what: text("user.role"), was: text(`role.${item.role_before}`), is: text(`role.${item.role_after}`) });
  find("[data-note]", row).textContent = item.note ?? "–";
  find("[data-by]", row).textContent = item.reviewed_by?.name;
  return row;
}
