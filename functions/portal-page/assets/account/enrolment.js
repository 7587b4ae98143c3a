// The step of a sign-in in which a user adds the second factor that the partner requires.
import { answerChallenge } from "../api.js";
import { show } from "../dom.js";
import { onSubmit } from "../forms.js";
import { step } from "../sign-in/sign-in.js";
import { newApp } from "./new-app.js";
import { keepCodes } from "./recovery-codes.js";

/** @import { Challenge } from "../../types/api.js" */
/** @import { Attempt } from "../sign-in/sign-in.js" */

/**
 * @param {Extract<Challenge, { challenge: "second_factor_enrolment" }>} challenge
 * @param {Attempt} attempt
 * @param {(answer: Awaited<ReturnType<typeof answerChallenge>>, attempt: Attempt) => Promise<void>} proceed Continues the sign-in.
 */
export function enrol({ challenge, session, totp }, attempt, proceed) {
  const { view, form, onError } = step("enrolment", "enrolment.title", "enrolment.lead", attempt);
  const code = newApp(view, totp);
  onSubmit(form, async () => {
    const answer = await answerChallenge({ challenge, session, code: code.value });
    // The form stays busy, so nothing leads back.
    if (!answer.challenge && answer.recovery_codes) await keepCodes(answer.recovery_codes, answer.user.email);
    await proceed(answer, attempt);
  }, { onError });
  show(view);
  code.focus({ preventScroll: true });
}
