// My account: the signed-in user's details, password, second factor and sessions, and for the primary admin the settings.
import { call, endSession, Problem, SessionEnded } from "../api.js";
import { find, listen, make, nameOf, notify, on, open, whileBusy } from "../dom.js";
import { permissionsOf, showFacts } from "../facts.js";
import { clearMessages, closed, loadErrorMessage, onSubmit, showError, showMessage } from "../forms.js";
import { languages, moment, setText, text } from "../language.js";
import { sessionList } from "../sessions/sessions.js";
import { hasPasskeys } from "../sign-in/passkeys.js";
import { confirm } from "../confirm/confirm.js";
import { path } from "../users/requests.js";
import { newApp } from "./new-app.js";
import { addPasskey, passkeyEntry } from "./own-passkeys.js";
import { keepCodes } from "./recovery-codes.js";

/** @import { Factors, Settings } from "../../types/api.js" */
/** @import { Fact } from "../facts.js" */

/**
 * Resolves to the response, or to null if the factor was removed in the meantime, perhaps by a request whose response was lost.
 * @template T
 * @param {Promise<T>} response
 */
async function unlessGone(response) {
  try {
    return await response;
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 404) throw error;
    return null;
  }
}

/** The maximum number of passkeys of a user. */
const MAX_PASSKEYS = 10;

/** @param {import("../portal/portal.js").Frame} frame */
export function account(frame) {
  const view = frame.show(make("account"), "nav.account");
  const me = frame.me;
  const sessions = sessionList(find("[data-sessions]", view), find("#own-sessions", view), me());
  /** @type {Factors | null} */
  let factors = null;

  /** Shows the details of the user. */
  function showPerson() {
    const { email, pending_email: waiting, language, role, permissions, partner, mail } = me();
    /** @type {Fact[]} */
    const facts = [
      ["user.name", nameOf(me())],
      ["user.email", email, waiting ? text("email_change.waiting", { email: waiting }) : ""],
      ...(mail ? [/** @type {Fact} */ (["user.language", String(languages.find(([code]) => code === language)?.[1])])] : []),
      ["record.partner", partner.name],
      ["user.role", text(`role.${role}`)],
      ["user.permissions", permissionsOf(permissions)],
    ];
    showFacts(find("[data-facts]", view), facts);
  }

  function showFactors() {
    if (!factors) return;
    const { totp, passkeys, is_required: isRequired, recovery_codes_left: left } = factors;
    const total = passkeys.length + (totp ? 1 : 0);
    find("#own-factor ~ [data-none]", view).hidden = total > 0;
    find("[data-factors]", view).hidden = total === 0;
    find("[data-adding]", view).hidden = false;
    find('[data-do="add"]', view).hidden = find("[data-app]", view).hidden = false;
    find(totp ? '[data-do="add"]' : "[data-app]", view).hidden = true;
    find('[data-do="add-passkey"]', view).hidden = !hasPasskeys() || passkeys.length >= MAX_PASSKEYS;
    find("[data-required]", view).hidden = !isRequired;
    const isLast = isRequired && total === 1;
    find('[data-do="remove"]', view).hidden = isLast;
    for (const old of view.querySelectorAll("[data-passkey]")) old.remove();
    find("[data-recovery]", view).before(...passkeys.map((passkey) => passkeyEntry(passkey, { isLast, changed })));
    if (totp) setText(find("[data-added]", view), "app.added", { when: moment(totp.added_at) });
    setText(find("[data-left]", view), "recovery.left", { total: left });
  }

  /** Loads what another tab or device may have changed. */
  async function load() {
    const isPrimaryAdmin = me().role === "primary_admin";
    const waiting = find("#own-factor + .starting", view);
    try {
      /** @type {[Factors, Settings | null, void]} */
      const [own, settings] = await Promise.all([
        call("GET", "/v1/me/factors"), isPrimaryAdmin ? call("GET", "/v1/settings") : null, frame.reload(),
      ]);
      factors = own;
      showFactors();
      if (settings) find("[data-settings] form", view).elements.second_factor.value = settings.second_factor;
      find("[data-settings]", view).hidden = !settings;
      waiting.hidden = true;
    } catch (error) {
      if (error instanceof SessionEnded || !view.isConnected) return;
      const [key, values] = loadErrorMessage(error);
      showMessage(view, key, { values, action: { key: "try_again", do: () => {
        clearMessages(view);
        load();
      } } });
    }
  }

  /**
   * Runs an action when its button is clicked, once at a time, and shows its error.
   * @param {string} name
   * @param {() => Promise<unknown>} action
   */
  const act = (name, action) => on(view, name, ({ currentTarget: button }) => whileBusy(button, async () => {
    clearMessages(view);
    try {
      await action();
    } catch (error) {
      showError(view, error);
    }
  }));

  /**
   * Opens the dialog that adds an app, or replaces it.
   * @param {boolean} isReplacement
   */
  async function addApp(isReplacement) {
    const totp = await call("POST", "/v1/me/factors/totp");
    const dialog = make("app-dialog");
    const form = find("form", dialog);
    setText(find("h2", dialog), isReplacement ? "app.replace_title" : "app.add_title");
    setText(find("footer .primary", dialog), isReplacement ? "app.replace" : "app.add");
    find("[data-replaces]", dialog).hidden = !isReplacement;
    const code = newApp(dialog, totp);
    let isDone = false;
    for (const name of ["close", "cancel"]) on(dialog, name, () => dialog.close());
    onSubmit(form, async () => {
      const { recovery_codes: codes } = await call("POST", "/v1/me/factors/totp/confirm", { body: { code: code.value } });
      isDone = true;
      if (codes) await keepCodes(codes, me().email);
      dialog.close();
    });
    open(dialog);
    code.focus({ preventScroll: true });
    closed(form).then(() => { if (isDone) changed(isReplacement ? "app.replaced" : "app.is_added"); });
  }

  async function removeApp() {
    const isDone = await confirm({
      title: "app.remove_title",
      message: "app.remove_text",
      yes: "app.remove",
      action: async () => { await unlessGone(call("DELETE", "/v1/me/factors/totp")); },
    });
    if (isDone) await changed("app.removed");
  }

  async function renewCodes() {
    /** @type {string[] | undefined} */
    let codes;
    const isDone = await confirm({
      title: "recovery.renew_title",
      message: "recovery.renew_text",
      yes: "recovery.renew",
      isMild: true,
      action: async () => { codes = (await unlessGone(call("POST", "/v1/me/recovery-codes")))?.recovery_codes; },
    });
    if (isDone && codes) {
      await keepCodes(codes, me().email);
      await changed("recovery.renewed");
    } else if (isDone) {
      await load();
    }
  }

  async function signOutEverywhere() {
    const isDone = await confirm({
      title: "force_logout.own_title",
      message: "force_logout.own_text",
      yes: "account.everywhere",
      action: () => call("POST", path(me(), "/force-logout")),
    });
    if (isDone) endSession("everywhere");
  }

  /**
   * Shows the changed factors. The button that was clicked may be hidden now.
   * @param {string} notice
   */
  async function changed(notice) {
    await Promise.all([load(), sessions.load()]);
    if (document.activeElement === document.body) find("h1", view).focus();
    notify(notice);
  }

  on(view, "edit", () => frame.editOwn("person"));
  on(view, "password", () => frame.editOwn("password"));
  act("add", () => addApp(false));
  act("add-passkey", async () => {
    if (await addPasskey(me().email)) await changed("passkey.is_added");
  });
  act("replace", () => addApp(true));
  on(view, "remove", removeApp);
  on(view, "renew", renewCodes);
  on(view, "everywhere", signOutEverywhere);
  const settings = find("[data-settings] form", view);
  onSubmit(settings, async () => {
    await call("PUT", "/v1/settings", { body: { second_factor: settings.elements.second_factor.value } });
    await load();
    notify("settings.done");
  }, {
    onError: (error) => {
      if (error.code !== "second_factor_required" || factors?.second_factor !== "none") return false;
      showMessage(settings, "fault.second_factor_required", { action: { key: "app.add", do: () => find('[data-do="add"]', view).click() } });
      return true;
    },
  });
  listen(view, "me", showPerson);
  listen(view, "language", () => {
    showPerson();
    showFactors();
    sessions.load();
  });
  setText(find("#settings-title", view), "settings.title", { partner: me().partner.name });
  showPerson();
  load();
  sessions.load();
}
