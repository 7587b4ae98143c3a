//! Creates the first partner of a new portal, so that the developer has an account to sign in with.

use portal::error::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::agency;
use crate::lambda::{InvokeError, Invoked, Lambda};
use crate::servers::Server;
use crate::template::Table;

/// The partner that the first start creates, and the credentials of its primary admin. They work on this machine only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Demo {
    pub(crate) email: String,
    pub(crate) password: String,
    /// `None` until the partner exists. The plan is saved first, so that a stack that dies in between does not create a
    /// second partner.
    pub(crate) partner_id: Option<String>,
    idempotency_key: String,
}

/// Why the demo partner could not be created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("cannot generate a password: {0}")]
    Random(#[from] getrandom::Error),
    #[error("cannot invoke create-partner: {0}")]
    Invoke(#[from] InvokeError),
    #[error("create-partner failed: {0}")]
    Failed(String),
    #[error("the demo agency could not be written: {0:?}")]
    Agency(Failure),
}

impl Demo {
    /// A partner that does not exist yet. Existing tables may hold the demo partner of another stack, whose admin has
    /// the usual email, so this one gets a different email.
    pub(crate) fn plan(tables_are_new: bool) -> Result<Self, getrandom::Error> {
        let email = if tables_are_new {
            "admin@example.com".to_owned()
        } else {
            format!("admin-{}@example.com", password()?.replace('-', ""))
        };
        Ok(Self { email, password: password()?, partner_id: None, idempotency_key: password()? })
    }

    /// The agency of `--demo`, which does not exist yet.
    pub(crate) fn plan_agency() -> Result<Self, getrandom::Error> {
        Ok(Self { email: agency::primary_admin().to_owned(), ..Self::plan(true)? })
    }

    /// Writes the agency of `--demo` into these new tables. Returns its id.
    pub(crate) async fn write_agency(&mut self, server: &Server, tables: &[Table]) -> Result<String, DemoError> {
        let names = tables.iter().map(|table| (table.logical_id.clone(), table.name.clone())).collect();
        let id = agency::write(server, &names, &self.password).await.map_err(DemoError::Agency)?;
        self.partner_id = Some(id.to_string());
        Ok(id.to_string())
    }

    /// Invokes `create-partner`, as an operator would, unless the partner exists. Returns its id.
    pub(crate) async fn make(&mut self, lambda: &Lambda) -> Result<String, DemoError> {
        if let Some(id) = &self.partner_id {
            return Ok(id.clone());
        }
        let admin =
            json!({ "first_name": "Ada", "last_name": "Admin", "email": self.email, "password": self.password });
        let request = json!({
            "partner_name": "Demo partner",
            "primary_admin": admin,
            "idempotency_key": self.idempotency_key,
        });
        let id = partner_id(&lambda.invoke("create-partner", request.to_string().into()).await?)?;
        self.partner_id = Some(id.clone());
        Ok(id)
    }
}

fn partner_id(answer: &Invoked) -> Result<String, DemoError> {
    let body: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    match answer.function_error {
        None => text("partner_id").ok_or_else(|| DemoError::Failed("its response has no partner_id".to_owned())),
        Some(_) => Err(DemoError::Failed(text("errorMessage").unwrap_or_else(|| "see its log above".to_owned()))),
    }
}

/// 100 random bits that are easy to type: four groups of five characters without look-alikes.
fn password() -> Result<String, getrandom::Error> {
    const LETTERS: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y',
        'z', '2', '3', '4', '5', '6', '7', '8', '9', '0',
    ];
    let mut random = [0_u8; 20];
    getrandom::fill(&mut random)?;
    let letters = random.map(|byte| LETTERS.get(usize::from(byte % 32)).copied().unwrap_or('a'));
    Ok(letters.chunks(5).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::FunctionError;

    #[test]
    fn passwords_are_four_groups_of_five_and_never_the_same() {
        let (one, other) = (password().unwrap(), password().unwrap());
        assert_ne!(one, other);
        let groups: Vec<_> = one.split('-').map(str::len).collect();
        assert_eq!(groups, [5, 5, 5, 5]);
    }

    #[test]
    fn only_new_tables_get_the_usual_email() {
        assert_eq!(Demo::plan(true).unwrap().email, "admin@example.com");
        assert_ne!(Demo::plan(false).unwrap().email, Demo::plan(false).unwrap().email);
    }

    #[test]
    fn the_response_of_create_partner_is_parsed() {
        let answer = |payload: &'static str, function_error| {
            partner_id(&Invoked { payload: payload.into(), function_error, log: None })
                .map_err(|error| error.to_string())
        };
        assert_eq!(answer(r#"{"partner_id": "prt_1"}"#, None), Ok("prt_1".into()));
        assert_eq!(answer("{}", None), Err("create-partner failed: its response has no partner_id".into()));
        assert_eq!(
            answer(r#"{"errorMessage": "no table"}"#, Some(FunctionError::Unhandled)),
            Err("create-partner failed: no table".into())
        );
    }
}
