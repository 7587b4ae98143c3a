//! Removes one of the caller's own second factors.

use super::Call;
use crate::error::Failure;
use crate::factors::Factors;
use crate::mail::MailKind;
use crate::models::EventAction;
use crate::store::{Counter, CredentialItem};

impl Call<'_> {
    /// Replaces the second factors in the caller's `credential` with the remaining `factors`, and ends all other sessions.
    /// Counts the change in `changes`, which was read with the call.
    ///
    /// # Errors
    /// [`Failure::FactorRequired`] if none is left and the partner requires one, or why it could not be committed.
    pub async fn remove_factor(
        &self,
        credential: &CredentialItem,
        factors: Factors,
        changes: &Counter,
    ) -> Result<(), Failure> {
        let (caller, user) = (&self.caller, &self.caller.user);
        if factors.is_empty() && caller.is_factor_required() {
            return Err(Failure::FactorRequired);
        }
        let after = user.changed(self.now).with_second_factor(factors.kind());
        let mut transaction = self.transaction();
        self.count_own_change(&mut transaction, changes)?;
        self.end_other_sessions(&mut transaction).await?;
        caller.require_caller(&mut transaction, Some(user));
        transaction.change_user_unless_signed_in(user, &after);
        transaction.change_credential(&user.id, credential, &credential.with_factors(factors));
        let event = self.event(EventAction::SecondFactorRemoved, user)?.changing(Some(user), Some(&after));
        transaction.record(&user.partner_id, &event);
        self.notify(&mut transaction, MailKind::SecondFactorRemoved, user, &event)?;
        transaction.commit().await?;
        Ok(())
    }
}
