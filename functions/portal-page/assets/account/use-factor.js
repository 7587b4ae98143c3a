// The step of a sign-in in which a user confirms it with the second factor.
import { answerChallenge, answerWithPasskey } from "../api.js";
import { show } from "../dom.js";
import { onSubmit } from "../forms.js";
import { hasPasskeys, usePasskey } from "../sign-in/passkeys.js";
import { step } from "../sign-in/sign-in.js";
import { codeField } from "./code-field.js";

/** @import { Challenge } from "../../types/api.js" */
/** @import { Attempt } from "../sign-in/sign-in.js" */

/**
 * @param {Extract<Challenge, { challenge: "second_factor" }>} challenge
 * @param {Attempt} attempt
 * @param {(answer: Awaited<ReturnType<typeof answerChallenge>>, attempt: Attempt) => Promise<void>} proceed Continues the sign-in.
 */
export function useFactor({ challenge, session, factors, passkey }, attempt, proceed) {
  const hasApp = factors.includes("totp");
  const [title, lead] = hasApp ? ["factor.title", "factor.lead"] : ["factor.passkey_title", "factor.passkey_lead"];
  const { view, form, onError } = step("use-factor", title, lead, attempt);
  const withPasskey = async () => {
    const credential = passkey && await usePasskey(passkey);
    if (credential) await proceed(await answerWithPasskey("/v1/sessions/challenge/passkey", session, credential), attempt);
  };
  const code = codeField(form, { hasApp, withPasskey: passkey && hasPasskeys() ? withPasskey : undefined, onError });
  onSubmit(form, async () => {
    await proceed(await answerChallenge({ challenge, session, code: code.input.value }), attempt);
  }, { onError });
  show(view);
  code.focus();
}
