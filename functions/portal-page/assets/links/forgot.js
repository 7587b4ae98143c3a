// Requests a mail to reset a forgotten password.
import { post } from "../api.js";
import { show } from "../dom.js";
import { onSubmit } from "../forms.js";
import { showResult } from "./result.js";
import { partner, partnerHint, signIn, step } from "../sign-in/sign-in.js";

/**
 * Asks for the email, and for the partner that the next sign-in would use.
 * @param {{ then: () => unknown, email?: string }} options `then` is called after a later sign-in.
 */
export function forgot({ then, email = "" }) {
  const { view, form } = step("forgot", "forgot.title", "forgot.lead", { then, email });
  const input = form.elements.email;
  input.value = email;
  partnerHint(view, { title: "forgot.title", known: "forgot.at", unknown: "forgot.somewhere" });
  onSubmit(form, async () => {
    const [to, id] = [input.value.trim(), partner()];
    await post("/v1/password-resets", id ? { email: to, partner_id: id } : { email: to });
    showResult({
      title: "forgot.sent",
      // The portal does not reveal whether there is an account.
      message: ["forgot.sent_text", { email: to }],
      hint: "forgot.hint",
      choices: [{ label: ["choose.back"], do: () => signIn({ then, email: to }) }],
    });
  });
  show(view);
  input.focus();
}
