//! Turns templates into data and a function that creates them, for a script. The page's policy lets no script parse markup.
//!
//! Only the markup that the page's templates use is supported: tags with quoted values of attributes, no comments, and no
//! character references. Everything else is an error of the build. White space with a line break between two tags is left out.

use serde_json::Value;

/// Elements without an end tag.
const EMPTY_ELEMENTS: [&str; 2] = ["br", "input"];

/// Separates the parts of a tag. No template contains it.
const SEPARATOR: char = '|';

/// Creates an element from its tag, `name|attribute|attribute=value`, and its children.
const BUILDER: &str = r#"const $element = ([tag, ...children]) => {
const [name, ...attributes] = tag.split("|");
const element = /^(svg|use)$/.test(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
for (const attribute of attributes) element.setAttribute(...attribute.match(/^([^=]+)=?(.*)$/).slice(1));
(element.content ?? element).append(...children.map((child) => (typeof child === "string" ? child : $element(child))));
return element;
};
"#;

/// The statements that add these templates to the document.
pub(crate) fn script(markup: &str) -> Result<String, String> {
    let elements = Value::Array(parse(markup)?);
    Ok(format!("{BUILDER}document.body.append(...{elements}.map($element));\n"))
}

/// The elements, each as `[tag, child, …]`. Texts are strings.
fn parse(markup: &str) -> Result<Vec<Value>, String> {
    if markup.contains(SEPARATOR) {
        return Err(format!("a template contains {SEPARATOR}"));
    }
    let mut open: Vec<(&str, Vec<Value>)> = vec![("", Vec::new())];
    for part in markup.split('<') {
        let (tag, text) = match part.split_once('>') {
            Some((tag, text)) => (Some(tag), text),
            None => (None, part),
        };
        if let Some(tag) = tag {
            if let Some(name) = tag.strip_prefix('/') {
                close(&mut open, name)?;
            } else {
                let (name, parts) = start(tag)?;
                open.push((name, vec![parts.into()]));
                if tag.ends_with('/') || EMPTY_ELEMENTS.contains(&name) {
                    close(&mut open, name)?;
                }
            }
        }
        if text.contains('&') {
            return Err(format!("a template has a character reference: {text}"));
        }
        if !(text.is_empty() || text.contains('\n') && text.trim().is_empty()) {
            let (_, children) = open.last_mut().ok_or("a template has too many end tags")?;
            children.push(text.replace('\n', " ").into());
        }
    }
    match open.pop() {
        Some(("", elements)) => Ok(elements),
        Some((name, _)) => Err(format!("{name} has no end tag in a template")),
        None => Err("a template has too many end tags".to_owned()),
    }
}

/// Ends the open element, which has this name.
fn close(open: &mut Vec<(&str, Vec<Value>)>, name: &str) -> Result<(), String> {
    let element = open.pop().filter(|(opened, _)| *opened == name);
    let (_, element) = element.ok_or_else(|| format!("the end tag of {name} is in the wrong place in a template"))?;
    let (_, siblings) = open.last_mut().ok_or("a template has too many end tags")?;
    siblings.push(element.into());
    Ok(())
}

/// The name in a start tag, and its parts with separators.
fn start(tag: &str) -> Result<(&str, String), String> {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut parts = name.to_owned();
    loop {
        rest = rest.trim_start_matches(['/', ' ']);
        if rest.is_empty() {
            return Ok((name, parts));
        }
        let end = rest.find(['=', ' ', '/']).unwrap_or(rest.len());
        let (attribute, after) = rest.split_at(end);
        parts.push(SEPARATOR);
        parts.push_str(attribute);
        rest = after;
        if let Some(quoted) = after.strip_prefix("=\"") {
            let (value, after) = quoted.split_once('"').ok_or_else(|| format!("unsupported in a template: {tag}"))?;
            parts.push('=');
            parts.push_str(value);
            rest = after;
        } else if after.starts_with('=') {
            return Err(format!("unsupported in a template: {tag}"));
        }
    }
}
