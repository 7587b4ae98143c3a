//! Reads the configuration of SES in the template: identities, configuration sets, and the destinations of their events.

use std::collections::BTreeSet;

use super::section::{Entry, Place, Section, TemplateError};
use crate::plan::{ConfigurationSet, Identity, Mail, MailEvent};

/// The name of a configuration set to which the template gives none.
pub(super) fn physical_name(logical_id: &str) -> String {
    format!("portal-local-{logical_id}")
}

/// Reads the resources, each with its logical id.
pub(super) fn read(
    identities: Vec<(&str, Section)>,
    configuration_sets: Vec<(&str, Section)>,
    destinations: Vec<(&str, Section)>,
) -> Result<Mail, TemplateError> {
    let mut mail = Mail {
        configuration_sets: configuration_sets
            .into_iter()
            .map(|(logical_id, properties)| configuration_set(logical_id, properties))
            .collect::<Result<_, _>>()?,
        identities: Vec::new(),
    };
    for (_, properties) in identities {
        mail.identities.push(identity(properties, &mail)?);
    }
    for (_, properties) in destinations {
        destination(properties, &mut mail)?;
    }
    Ok(mail)
}

fn identity(mut properties: Section, mail: &Mail) -> Result<Identity, TemplateError> {
    // These properties concern DNS records and notifications by mail.
    properties.ignore(&["DkimAttributes", "DkimSigningAttributes", "FeedbackAttributes", "MailFromAttributes", "Tags"]);
    let name = properties.require("EmailIdentity")?;
    let place = name.place.clone();
    let name = name.text()?;
    if name.is_empty() || name.starts_with('@') || name.ends_with('@') {
        return Err(place.error(format!("`{name}` is neither an address nor a domain")));
    }
    let mut defaults = properties.section("ConfigurationSetAttributes")?;
    let configuration_set = match defaults.take("ConfigurationSetName") {
        Some(entry) => Some(known(entry, mail)?),
        None => None,
    };
    defaults.finish()?;
    properties.finish()?;
    Ok(Identity { name, configuration_set })
}

fn configuration_set(logical_id: &str, mut properties: Section) -> Result<ConfigurationSet, TemplateError> {
    // Options for tracking are not ignored: they would change the content of messages.
    properties.ignore(&["DeliveryOptions", "ReputationOptions", "SendingOptions", "SuppressionOptions", "Tags"]);
    let name = properties.take("Name").map_or_else(|| Ok(physical_name(logical_id)), Entry::text)?;
    properties.finish()?;
    Ok(ConfigurationSet { name, events: BTreeSet::new() })
}

/// The name of a configuration set of the template.
fn known(entry: Entry, mail: &Mail) -> Result<String, TemplateError> {
    let place = entry.place.clone();
    let name = entry.text()?;
    if mail.configuration_sets.iter().any(|set| set.name == name) {
        Ok(name)
    } else {
        Err(place.error(format!("there is no configuration set `{name}`")))
    }
}

fn destination(mut properties: Section, mail: &mut Mail) -> Result<(), TemplateError> {
    let name = known(properties.require("ConfigurationSetName")?, mail)?;
    let mut destination = properties.require("EventDestination")?.section()?;
    destination.ignore(&["Name"]);
    let enabled = destination.take("Enabled").map_or(Ok(false), Entry::flag)?;
    let events = destination.require("MatchingEventTypes")?.list()?;
    let events = events.into_iter().map(event).collect::<Result<BTreeSet<_>, _>>()?;
    let mut bus = destination.require("EventBridgeDestination")?.section()?;
    let arn = bus.require("EventBusArn")?;
    let place = arn.place.clone();
    if !arn.text()?.ends_with(":event-bus/default") {
        return Err(place.error("SES sends events only to the default event bus"));
    }
    bus.finish()?;
    destination.finish()?;
    properties.finish()?;
    if enabled {
        let sets = mail.configuration_sets.iter_mut().filter(|set| set.name == name);
        sets.for_each(|set| set.events.extend(&events));
    }
    Ok(())
}

/// Templates spell the types as `deliveryDelay`, the API as `DELIVERY_DELAY`.
fn event(entry: Entry) -> Result<MailEvent, TemplateError> {
    let Entry { place, value }: Entry = entry;
    let text = Entry::new(place.clone(), value).text()?;
    match text.replace('_', "").to_ascii_lowercase().as_str() {
        "send" => Ok(MailEvent::Send),
        "delivery" => Ok(MailEvent::Delivery),
        "bounce" => Ok(MailEvent::Bounce),
        "complaint" => Ok(MailEvent::Complaint),
        "reject" | "deliverydelay" | "renderingfailure" | "subscription" => Ok(MailEvent::Other),
        _ => Err(unsupported(&place, &text)),
    }
}

fn unsupported(place: &Place, text: &str) -> TemplateError {
    place.error(format!("the local stack does not support events of type `{text}`"))
}
