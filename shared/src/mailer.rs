//! The mail service, Amazon SES. Only the functions that send mail use it.

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag};

use crate::config::Config;
use crate::error::Failure;
use crate::mail::Rendered;
use crate::models::{Email, User};

/// The reason why a mail was not sent. It contains no message of the service, because such a message can contain the
/// recipient's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The service rejected this mail, and would reject it again: the recipient is not valid or, in the sandbox, not
    /// verified.
    #[error("the mail service rejected a mail: {0}")]
    Rejected(String),
    /// The service throttles, has reached its quota or cannot be reached, or its configuration is not complete. A retry
    /// can succeed.
    #[error("the mail service is unavailable: {0}")]
    Unavailable(String),
}

/// The client for the mail service, and the sender.
#[derive(Debug)]
pub struct Mailer {
    client: Client,
    from: String,
    configuration_set: Option<String>,
    portal_url: String,
}

impl Mailer {
    pub(crate) fn new(config: &Config, http_client: SharedHttpClient) -> Result<Self, Failure> {
        let mail = config.mail().ok_or_else(|| Failure::bug("MAIL_FROM or PORTAL_URL is not set"))?;
        Ok(Self {
            client: config.ses(http_client),
            from: mail.from.clone(),
            configuration_set: mail.configuration_set.clone(),
            portal_url: mail.portal_url.clone(),
        })
    }

    /// Returns the address of the portal's page, with which links start.
    pub fn portal_url(&self) -> &str {
        &self.portal_url
    }

    /// Sends a mail about these users, who have the address `to`. Reports of a bounce or a complaint name the users.
    ///
    /// # Errors
    /// Returns [`SendError`]. After [`SendError::Unavailable`] the mail may nevertheless have been sent.
    pub async fn send(&self, to: &Email, users: &[&User], mail: &Rendered) -> Result<(), SendError> {
        let invalid = |error: BuildError| SendError::Rejected(error.to_string());
        let content = |text: &str| Content::builder().data(text).charset("UTF-8").build().map_err(invalid);
        let message = Message::builder()
            .subject(content(&mail.subject)?)
            .body(Body::builder().text(content(&mail.text)?).html(content(&mail.html)?).build())
            // Automatic responders do not reply to such a mail (RFC 3834).
            .headers(MessageHeader::builder().name("Auto-Submitted").value("auto-generated").build().map_err(invalid)?)
            .build();
        let mut request = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(to.normalized()).build())
            .content(EmailContent::builder().simple(message).build())
            .set_configuration_set_name(self.configuration_set.clone());
        for (index, user) in users.iter().enumerate() {
            let value = format!("{}-{}", user.partner_id, user.id);
            let tag = MessageTag::builder().name(format!("{USER_TAG}{index}")).value(value).build().map_err(invalid)?;
            request = request.email_tags(tag);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(reason(&error)),
        }
    }
}

/// The tags that name the users of a mail start with this, and end with a number. A value is the partner's id, a dash and
/// the user's id: a tag's value contains letters, digits, underscores and dashes only.
pub const USER_TAG: &str = "user-";

fn reason<R: std::fmt::Debug>(error: &SdkError<SendEmailError, R>) -> SendError {
    let code = error.code().unwrap_or("no response").to_owned();
    match error.as_service_error() {
        Some(SendEmailError::MessageRejected(_) | SendEmailError::BadRequestException(_)) => SendError::Rejected(code),
        Some(_) | None => SendError::Unavailable(code),
    }
}
