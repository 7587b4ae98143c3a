// Users chosen in the list, and one thing done to all of them.
import { call } from "../api.js";
import { isOneself, mayDo } from "../access.js";
import { confirm } from "../confirm/confirm.js";
import { entry, find, make, nameOf, notify, on, open } from "../dom.js";
import { aboutPart } from "../forms.js";
import { say, text } from "../language.js";

/** What can be done to many: the right that it takes, and what its button says. */
const ACTIONS = {
  force_logout: { right: "forceLogout", yes: "users.force_logout" },
  suspend: { right: "remove", yes: "users.suspend" },
  remove: { right: "remove", yes: "users.delete" },
};

/** The choice among the users that are shown; `done` hears when something was done to some. */
export function selection(view, me, { done }) {
  const bar = find(".selection", view);
  const all = find("[data-all]", bar);
  let shown = [];
  let chosen = new Set();

  /** Nobody does to themselves what they do to many. */
  const mayChoose = (user) =>
    !isOneself(me(), user) && Object.values(ACTIONS).some(({ right }) => mayDo(me(), user)[right]);

  /** Puts a box in its place, where something may be done. */
  function offer(place, user) {
    if (!mayChoose(user)) {
      place.replaceChildren();
      return;
    }
    const box = find("input", place);
    box.checked = chosen.has(user.id);
    box.setAttribute("aria-label", text("bulk.choose", { name: nameOf(user) }));
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(user.id);
      else chosen.delete(user.id);
      update();
    });
  }

  /** These are shown now, and only they can be chosen. */
  function show(users) {
    shown = users.filter(mayChoose);
    chosen = new Set(shown.filter(({ id }) => chosen.has(id)).map(({ id }) => id));
    update();
  }

  function choose(ids) {
    chosen = new Set(ids);
    for (const box of view.querySelectorAll(".select input")) box.checked = chosen.has(box.closest("tr").dataset.id);
    update();
  }

  function update() {
    bar.hidden = shown.length === 0;
    all.checked = chosen.size > 0 && chosen.size === shown.length;
    all.indeterminate = chosen.size > 0 && !all.checked;
    find("[data-chosen]", bar).textContent = chosen.size > 0 ? text("bulk.chosen", { total: chosen.size }) : "";
    find(".selection-actions", bar).hidden = chosen.size === 0;
    for (const [action, { right }] of Object.entries(ACTIONS)) {
      find(`[data-do="${action}"]`, bar).hidden = !shown.some((user) => mayDo(me(), user)[right]);
    }
  }

  all.addEventListener("change", () => {
    choose(all.checked ? shown.map(({ id }) => id) : []);
  });
  for (const action of Object.keys(ACTIONS)) on(bar, action, () => doToAll(action));

  async function doToAll(action) {
    const users = shown.filter(({ id }) => chosen.has(id));
    const total = users.length;
    let results;
    const isDone = await confirm({
      title: `bulk.${action}.title`,
      message: `bulk.${action}.text`,
      yes: ACTIONS[action].yes,
      values: { total },
      people: users,
      typed: action === "remove" ? String(total) : undefined,
      action: async () => {
        ({ results } = await call("POST", "/v1/users/bulk", { body: { action, user_ids: users.map(({ id }) => id) } }));
      },
    });
    if (!isDone) return;
    find("h1", view).focus();
    const others = results.filter((result) => !isAsWished(action, result));
    // Whoever could not be reached stays chosen, to be tried again.
    choose(others.filter(({ outcome }) => outcome === "unavailable").map((result) => result.user_id));
    done();
    const values = { total: total - others.length, all: total };
    if (others.length === 0) {
      notify(`bulk.${action}.done`, values);
      return;
    }
    const name = ({ user_id: id }) => nameOf(users.find((user) => user.id === id));
    tellResults(`bulk.${action}.some`, values, others.map((other) => entry(name(other), text(why(other)))));
  }

  return { offer, show };
}

/** Also when somebody else was quicker, or an answer was lost on the way. */
const isAsWished = (action, { outcome }) =>
  outcome === "done" || outcome === "unchanged" || (action === "remove" && outcome === "not_found");

/** The text for why it was not done. */
function why({ outcome, problem }) {
  if (outcome === "unavailable") return "bulk.unavailable";
  if (outcome === "not_found") return "fault.gone";
  return aboutPart(problem);
}

function tellResults(title, values, entries) {
  const dialog = make("results-dialog");
  say(find("h2", dialog), title, values);
  find("ul", dialog).append(...entries);
  on(dialog, "close", () => dialog.close());
  open(dialog);
  find("h2", dialog).focus();
}
