// Accounts › Access review › Record: who was reviewed by whom, when and with what outcome; for auditors, also on paper.
import { call, Over } from "../api.js";
import { beginOf, dayOf } from "../days.js";
import { find, make, on } from "../dom.js";
import { exportList } from "../download.js";
import { aboutLoading, clear, mark, told } from "../forms.js";
import { day, moment, say, text } from "../language.js";

const LIMIT = 100;
const USUAL_DAYS = 90;

/** Shows the record of a period. */
export function record(frame) {
  const view = frame.show(make("record"), "title.record");
  const form = find("form", view);
  const { from, to } = form.elements;
  const query = new URLSearchParams(location.search);
  [from.value, to.value] = [query.get("from"), query.get("to")];
  if (!isPeriod()) {
    const today = new Date();
    from.value = dayOf(new Date(today.getFullYear(), today.getMonth(), today.getDate() - USUAL_DAYS));
    to.value = dayOf(today);
  }
  let [shown, loading] = [null, null];

  const path = (more) => `/v1/access-review/record?${new URLSearchParams({ from: beginOf(from.value), to: beginOf(to.value, 1), ...more })}`;

  async function load() {
    loading?.abort();
    const mine = (loading = new AbortController());
    const [sheet, nothing] = [find(".paper", view), find(".nothing", view)];
    sheet.setAttribute("aria-busy", "true");
    try {
      let answer = await call("GET", path({ limit: LIMIT }), { signal: mine.signal });
      const whole = answer;
      // On paper there is no next page.
      while (answer.next_cursor) {
        answer = await call("GET", path({ limit: LIMIT, cursor: answer.next_cursor }), { signal: mine.signal });
        whole.items.push(...answer.items);
      }
      shown = whole;
      render();
      sheet.hidden = false;
      nothing.hidden = true;
    } catch (error) {
      if (mine.signal.aborted || error instanceof Over) return;
      sheet.hidden = true;
      say(find(".nothing-title", nothing), "record.fault");
      say(find(".nothing-text", nothing), ...told(aboutLoading(error)));
      const button = find("button", nothing);
      say(button, "try_again");
      button.onclick = load;
      nothing.hidden = false;
    } finally {
      if (loading === mine) sheet.removeAttribute("aria-busy");
    }
  }

  function render() {
    const { partner, made_at: at, made_by: by, items, outstanding, users } = shown;
    const facts = {
      partner: partner.name,
      period: text("record.from_to", { from: day(beginOf(from.value)), to: day(beginOf(to.value)) }),
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

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clear(form);
    if (!isPeriod()) {
      mark(form, "to", "period.backwards");
      to.focus();
      return;
    }
    history.replaceState(null, "", `/?${new URLSearchParams({ view: "record", from: from.value, to: to.value })}`);
    load();
  });
  on(view, "print", () => print());
  on(view, "export", ({ currentTarget }) => exportList(currentTarget, "access-review-record", path()));
  view.addEventListener("language", () => { if (shown) render(); });
  load();
}

function row(item) {
  const row = make("record-row");
  const at = find("time", row);
  at.dateTime = item.at;
  at.textContent = moment(item.at);
  find(".name", row).textContent = item.user.name;
  find("[data-email]", row).textContent = item.email;
  find("[data-outcome]", row).textContent = text(`decision.${item.decision}`);
  const change = find("[data-change]", row);
  change.hidden = item.role_before === item.role_after || !item.role_after;
  if (!change.hidden) change.textContent = text("event.change", { what: text("user.role"), was: text(`role.${item.role_before}`), is: text(`role.${item.role_after}`) });
  find("[data-note]", row).textContent = item.note ?? "–";
  find("[data-by]", row).textContent = item.reviewed_by.name;
  return row;
}
