//! Writes the reference of the API as a page, from the contract. The page needs no script, and all text in it is escaped.

use std::error::Error;
use std::fmt::{self, Write as _};

use serde_yaml_ng::Value;

/// The members of a path that are operations.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

const FIELD_COLUMNS: [&str; 5] = ["Name", "Type", "Required", "Limits", "Description"];
const PARAMETER_COLUMNS: [&str; 6] = ["Name", "In", "Type", "Required", "Limits", "Description"];
const RESPONSE_COLUMNS: [&str; 4] = ["Status", "Description", "Codes", "Body"];

/// The page for this contract. `folder` is the name of the folder with the style sheets.
pub(crate) fn page(contract: &Value, folder: &str) -> Result<String, Box<dyn Error>> {
    let mut operations = Vec::new();
    for (path, item) in contract["paths"].as_mapping().ok_or("the contract has no paths")? {
        let path = path.as_str().ok_or("a path is not a text")?;
        for (method, operation) in item.as_mapping().ok_or("a path has no operations")? {
            if let Some(method) = method.as_str().filter(|method| METHODS.contains(method)) {
                let id = operation["operationId"].as_str().ok_or("an operation has no operationId")?;
                operations.push(Operation { id, method, path, item, content: operation });
            }
        }
    }
    Ok(Reference { contract, operations }.page(folder)?)
}

struct Operation<'a> {
    id: &'a str,
    method: &'a str,
    path: &'a str,
    /// The path's own object.
    item: &'a Value,
    content: &'a Value,
}

struct Reference<'a> {
    contract: &'a Value,
    operations: Vec<Operation<'a>>,
}

impl<'a> Reference<'a> {
    fn page(&self, folder: &str) -> Result<String, fmt::Error> {
        let info = &self.contract["info"];
        let title = escaped(string(&info["title"]));
        let mut page = String::new();
        write!(
            page,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <title>API reference – {title}</title>\n\
             <link rel=\"icon\" type=\"image/svg+xml\" href=\"/assets/{folder}/icon.svg\">\n\
             <link rel=\"stylesheet\" href=\"/assets/{folder}/style.css\">\n\
             <link rel=\"stylesheet\" href=\"/assets/{folder}/reference.css\">\n</head>\n\
             <body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n<div class=\"reference\">\n"
        )?;
        self.contents(&mut page)?;
        writeln!(
            page,
            "<main id=\"content\">\n<h1>API reference</h1>\n<p>{title}. {}</p>\n\
             <p>This page describes the same operations as <a href=\"/openapi.json\">the OpenAPI document</a>.</p>\n\
             <section>\n<h2 id=\"introduction\">Introduction</h2>",
            self.text(string(&info["summary"])),
        )?;
        self.paragraphs(&mut page, &info["description"])?;
        page.push_str("</section>\n<section>\n<h2 id=\"access-token\">Access token</h2>\n");
        let scheme = at(self.contract, &["components", "securitySchemes", "accessToken"]);
        self.paragraphs(&mut page, &scheme["description"])?;
        page.push_str(
            "<p>Send it in the header <code>Authorization</code>, after the word <code>Bearer</code>.</p>\n</section>\n",
        );
        for tag in list(&self.contract["tags"]) {
            let name = string(&tag["name"]);
            writeln!(page, "<section>\n<h2 id=\"{}\">{}</h2>", tag_id(name), heading(name))?;
            self.paragraphs(&mut page, &tag["description"])?;
            for operation in self.tagged(name) {
                self.operation(&mut page, operation)?;
            }
            page.push_str("</section>\n");
        }
        page.push_str("<section>\n<h2 id=\"schemas\">Schemas</h2>\n");
        for (name, schema) in self.schemas() {
            self.schema(&mut page, name, schema)?;
        }
        page.push_str("</section>\n</main>\n</div>\n</body>\n</html>\n");
        Ok(page)
    }

    fn contents(&self, page: &mut String) -> fmt::Result {
        page.push_str(
            "<nav class=\"contents\" aria-label=\"Contents\">\n<p><a href=\"/\">Partner Portal</a></p>\n<ul>\n",
        );
        page.push_str("<li><a href=\"#introduction\">Introduction</a></li>\n");
        page.push_str("<li><a href=\"#access-token\">Access token</a></li>\n");
        for tag in list(&self.contract["tags"]) {
            let name = string(&tag["name"]);
            writeln!(page, "<li><a href=\"#{}\">{}</a>\n<ul>", tag_id(name), heading(name))?;
            for Operation { id, content, .. } in self.tagged(name) {
                writeln!(page, "<li><a href=\"#{id}\">{}</a></li>", self.text(string(&content["summary"])))?;
            }
            page.push_str("</ul></li>\n");
        }
        page.push_str("<li><a href=\"#schemas\">Schemas</a>\n<ul>\n");
        for (name, _) in self.schemas() {
            writeln!(page, "<li>{}</li>", schema_link(name))?;
        }
        page.push_str("</ul></li>\n</ul>\n</nav>\n");
        Ok(())
    }

    fn operation(&self, page: &mut String, operation: &Operation) -> fmt::Result {
        let Operation { id, method, path, item, content } = operation;
        writeln!(
            page,
            "<section class=\"operation\">\n<h3 id=\"{id}\">{}</h3>\n\
             <p class=\"call\"><code><b>{}</b> {}</code> <span>{id}</span></p>",
            self.text(string(&content["summary"])),
            method.to_uppercase(),
            escaped(path),
        )?;
        self.paragraphs(page, &content["description"])?;

        let is_public = content["security"].as_sequence().is_some_and(Vec::is_empty);
        let token = if is_public { "not required" } else { "<a href=\"#access-token\">required</a>" };
        writeln!(page, "<dl class=\"access\">\n<div><dt>Access token</dt><dd>{token}</dd></div>")?;
        let codes = string(&content["description"]).split('`').skip(1).step_by(2);
        let permissions: Vec<_> =
            codes.filter(|code| self.is_permission(code)).map(|permission| self.code(permission)).collect();
        if !permissions.is_empty() {
            writeln!(page, "<div><dt>Permissions</dt><dd>{}, as described</dd></div>", permissions.join(", "))?;
        }
        page.push_str("</dl>\n");

        let parameters = [&item["parameters"], &content["parameters"]].into_iter().flat_map(list);
        let parameters: Vec<_> = parameters.map(|parameter| self.parameter(self.resolved(parameter))).collect();
        if !parameters.is_empty() {
            table(page, None, &caption("Parameters", id), &PARAMETER_COLUMNS, &parameters)?;
        }
        let body = &content["requestBody"];
        for (media_type, representation) in entries(&body["content"]) {
            let need = if is_true(&body["required"]) { "required" } else { "optional" };
            writeln!(
                page,
                "<p>The body is {need}, of type <code>{}</code>: {}.</p>",
                escaped(media_type),
                kind(&representation["schema"])
            )?;
            self.request_fields(page, &representation["schema"], id)?;
            example(page, "Example of a body", &representation["example"])?;
            for (_, variant) in entries(&representation["examples"]) {
                example(
                    page,
                    &format!("Example of a body: {}", escaped(&plain(&variant["summary"]))),
                    &variant["value"],
                )?;
            }
        }
        self.responses(page, id, &content["responses"])?;
        page.push_str("</section>\n");
        Ok(())
    }

    fn parameter(&self, parameter: &Value) -> Vec<String> {
        let schema = &parameter["schema"];
        let mut description = self.description(parameter);
        if description.is_empty() {
            description = self.description(schema);
        }
        if let Some(example) = parameter.get("example") {
            description = format!("{description} Example: <code>{}</code>", escaped(&plain(example)));
        }
        vec![
            format!("<code>{}</code>", escaped(string(&parameter["name"]))),
            escaped(string(&parameter["in"])),
            kind(schema),
            requirement(is_true(&parameter["required"])),
            self.limits(schema),
            description,
        ]
    }

    /// The fields of a request's body; of each form, if there are several.
    fn request_fields(&self, page: &mut String, schema: &Value, id: &str) -> fmt::Result {
        let schema = self.resolved(schema);
        let forms = schema["oneOf"].as_sequence();
        for form in forms.map_or_else(|| vec![schema], |forms| forms.iter().map(|form| self.resolved(form)).collect()) {
            let constant = entries(&form["properties"]).find_map(|(_, field)| field.get("const"));
            let title =
                constant.map_or_else(|| "Body".to_owned(), |value| format!("Body with <code>{}</code>", plain(value)));
            let fields = self.fields(form, "");
            if !fields.is_empty() {
                table(page, None, &caption(&title, id), &FIELD_COLUMNS, &fields)?;
            }
        }
        Ok(())
    }

    fn responses(&self, page: &mut String, id: &str, responses: &Value) -> fmt::Result {
        let mut rows = Vec::new();
        let mut bodies = String::new();
        for (status, response) in entries(responses) {
            let response = self.resolved(response);
            let mut description = self.description(response);
            let headers: Vec<_> = entries(&response["headers"])
                .map(|(name, header)| {
                    let description = self.description(self.resolved(header));
                    format!("<li><code>{}</code>: {description}</li>", escaped(name))
                })
                .collect();
            if !headers.is_empty() {
                write!(description, "<ul>{}</ul>", headers.concat())?;
            }
            let (mut codes, mut kinds) = (Vec::new(), Vec::new());
            for (media_type, content) in entries(&response["content"]) {
                let schema = &content["schema"];
                // A problem, and its codes here.
                if let Some([problem, narrowed]) = schema["allOf"].as_sequence().map(Vec::as_slice) {
                    let values = list(at(narrowed, &["properties", "code", "enum"]));
                    codes.extend(values.map(|code| format!("<code>{}</code>", escaped(&plain(code)))));
                    kinds.push(kind(problem));
                    continue;
                }
                let fields = self.fields(schema, "");
                if fields.is_empty() {
                    kinds.push(kind(schema));
                } else {
                    let table_id = format!("{id}-{status}");
                    kinds.push(format!("<a href=\"#{table_id}\">{}</a>", kind(schema)));
                    let title = format!("Body of the response {status}");
                    table(&mut bodies, Some(&table_id), &caption(&title, id), &FIELD_COLUMNS, &fields)?;
                }
                if media_type == "text/csv" {
                    example(&mut bodies, "Columns of the CSV", &content["example"])?;
                }
            }
            let mut next: Vec<_> = entries(&response["links"]).map(|(_, link)| string(&link["operationId"])).collect();
            next.retain(|next| *next != id);
            if !next.is_empty() {
                let next: Vec<_> = next.into_iter().map(|next| self.code(next)).collect();
                writeln!(bodies, "<p>Operations that continue from this response: {}.</p>", next.join(", "))?;
            }
            let kinds = if kinds.is_empty() { "none".to_owned() } else { kinds.join(" or ") };
            rows.push(vec![format!("<code>{}</code>", escaped(status)), description, codes.join(", "), kinds]);
        }
        table(page, None, &caption("Responses", id), &RESPONSE_COLUMNS, &rows)?;
        page.push_str(&bodies);
        Ok(())
    }

    fn schema(&self, page: &mut String, name: &str, schema: &Value) -> fmt::Result {
        writeln!(page, "<section class=\"schema\">\n<h3 id=\"schema-{name}\">{name}</h3>")?;
        self.paragraphs(page, &schema["description"])?;
        let parts: Vec<_> = list(&schema["allOf"]).map(kind).collect();
        if !parts.is_empty() {
            writeln!(page, "<p>It has all fields of {}.</p>", parts.join(" and "))?;
        }
        let fields = self.fields(schema, "");
        if !fields.is_empty() {
            table(page, None, &caption("Fields", name), &FIELD_COLUMNS, &fields)?;
        } else if parts.is_empty() {
            let limits = self.limits(schema);
            let separator = if limits.is_empty() { "" } else { "; " };
            writeln!(page, "<p>Type: {}{separator}{limits}</p>", kind(schema))?;
        }
        for value in list(&schema["examples"]) {
            example(page, "Example", value)?;
        }
        page.push_str("</section>\n");
        Ok(())
    }

    /// A row for each field of an object, and for the fields of objects in it that have no name of their own.
    fn fields(&self, schema: &Value, prefix: &str) -> Vec<Vec<String>> {
        let required: Vec<_> = list(&schema["required"]).map(string).collect();
        let mut rows = Vec::new();
        for (name, field) in entries(&schema["properties"]) {
            let path = format!("{prefix}{name}");
            rows.push(vec![
                format!("<code>{}</code>", escaped(&path)),
                kind(field),
                requirement(required.contains(&name)),
                self.limits(field),
                self.description(field),
            ]);
            rows.extend(self.fields(field, &format!("{path}.")));
            rows.extend(self.fields(&field["items"], &format!("{path}[].")));
        }
        rows
    }

    /// The limits for values of a schema.
    fn limits(&self, schema: &Value) -> String {
        let schema = self.bare(schema);
        let mut limits = Vec::new();
        for (least, most, unit) in
            [("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items"), ("minimum", "maximum", "")]
        {
            match (schema[least].as_u64(), schema[most].as_u64()) {
                (Some(least), Some(most)) if least == most => limits.push(format!("exactly {least}{unit}")),
                (Some(least), Some(most)) => limits.push(format!("{least} to {most}{unit}")),
                (Some(1), None) if !unit.is_empty() => limits.push("not empty".to_owned()),
                (Some(least), None) => limits.push(format!("at least {least}{unit}")),
                (None, Some(most)) => limits.push(format!("at most {most}{unit}")),
                (None, None) => {}
            }
        }
        if is_true(&schema["uniqueItems"]) {
            limits.push("no duplicates".to_owned());
        }
        for (word, value) in [("format", "format"), ("pattern", "pattern"), ("default", "by default")] {
            if let Some(limit) = schema.get(word) {
                limits.push(format!("{value} <code>{}</code>", escaped(&plain(limit))));
            }
        }
        let values: Vec<_> =
            list(&schema["enum"]).map(|value| format!("<code>{}</code>", escaped(&plain(value)))).collect();
        if !values.is_empty() {
            limits.push(format!("one of {}", values.join(", ")));
        }
        if is_true(&schema["additionalProperties"]) {
            limits.push("any fields".to_owned());
        }
        limits.join("; ")
    }

    /// The description, or that of the schema behind it.
    fn description(&self, schema: &Value) -> String {
        let own = schema["description"].as_str();
        self.text(own.unwrap_or_else(|| string(&self.bare(schema)["description"])))
    }

    /// The schema behind references, and behind a choice between one schema and `null`.
    fn bare<'v>(&'v self, schema: &'v Value) -> &'v Value {
        let schema = self.resolved(schema);
        let mut forms = list(&schema["oneOf"]).filter(|form| form["type"] != "null");
        match (forms.next(), forms.next()) {
            (Some(form), None) => self.bare(form),
            _ => schema,
        }
    }

    /// The value, or what it refers to.
    fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        let path: Vec<_> = reference.trim_start_matches("#/").split('/').collect();
        at(self.contract, &path)
    }

    fn schemas(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        entries(at(self.contract, &["components", "schemas"]))
    }

    fn tagged(&self, tag: &str) -> impl Iterator<Item = &Operation<'a>> {
        self.operations
            .iter()
            .filter(move |operation| list(&operation.content["tags"]).next().is_some_and(|first| first == tag))
    }

    fn is_permission(&self, code: &str) -> bool {
        list(at(self.contract, &["components", "schemas", "Permission", "enum"])).any(|permission| permission == code)
    }

    fn paragraphs(&self, page: &mut String, source: &Value) -> fmt::Result {
        for paragraph in string(source).split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            writeln!(page, "<p>{}</p>", self.text(paragraph))?;
        }
        Ok(())
    }

    /// Text in which backticks mark code, and pairs of asterisks strong text.
    fn text(&self, source: &str) -> String {
        let mut html = String::new();
        for (index, part) in source.trim().split('`').enumerate() {
            if index % 2 == 1 {
                html.push_str(&self.code(part));
                continue;
            }
            for (index, part) in escaped(part).split("**").enumerate() {
                if index > 0 {
                    html.push_str(if index % 2 == 1 { "<strong>" } else { "</strong>" });
                }
                html.push_str(part);
            }
        }
        html
    }

    /// Code, with a link if it is a permission or an operation.
    fn code(&self, source: &str) -> String {
        let code = format!("<code>{}</code>", escaped(source));
        if self.is_permission(source) {
            format!("<a href=\"#schema-Permission\">{code}</a>")
        } else if self.operations.iter().any(|operation| operation.id == source) {
            format!("<a href=\"#{source}\">{code}</a>")
        } else {
            code
        }
    }
}

/// Writes a table. The roles are explicit, because narrow windows show the cells as blocks.
fn table(page: &mut String, id: Option<&str>, caption: &str, columns: &[&str], rows: &[Vec<String>]) -> fmt::Result {
    let id = id.map(|id| format!(" id=\"{id}\"")).unwrap_or_default();
    writeln!(page, "<table role=\"table\"{id}>\n<caption>{caption}</caption>")?;
    page.push_str("<thead role=\"rowgroup\"><tr role=\"row\">");
    for column in columns {
        write!(page, "<th role=\"columnheader\" scope=\"col\">{column}</th>")?;
    }
    page.push_str("</tr></thead>\n<tbody role=\"rowgroup\">\n");
    for row in rows {
        page.push_str("<tr role=\"row\">");
        for (index, cell) in row.iter().enumerate() {
            if index == 0 {
                write!(page, "<th role=\"rowheader\" scope=\"row\">{cell}</th>")?;
            } else {
                write!(page, "<td role=\"cell\">{cell}</td>")?;
            }
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
    Ok(())
}

/// The title of a table. Screen readers also read the name of its operation or schema.
fn caption(title: &str, owner: &str) -> String {
    format!("{title}<span class=\"hidden\"> ({owner})</span>")
}

/// The type of a schema, with links to the schemas that have a name.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return schema_link(last(reference));
    }
    if let Some(forms) = schema["oneOf"].as_sequence() {
        return forms.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(value) = schema.get("const") {
        return format!("<code>{}</code>", escaped(&plain(value)));
    }
    let types: Vec<_> = match &schema["type"] {
        Value::Sequence(types) => types.iter().map(string).collect(),
        other => vec![string(other)],
    };
    let types = types.into_iter().map(|name| match name {
        "array" => format!("array of {}", kind(&schema["items"])),
        name => escaped(name),
    });
    types.collect::<Vec<_>>().join(" or ")
}

fn example(page: &mut String, title: &str, value: &Value) -> fmt::Result {
    let text = match value {
        Value::Null => return Ok(()),
        Value::String(text) => text.trim_end().to_owned(),
        other => serde_json::to_string_pretty(other).map_err(|_| fmt::Error)?,
    };
    writeln!(page, "<figure>\n<figcaption>{title}</figcaption>\n<pre><code>{}</code></pre>\n</figure>", escaped(&text))
}

fn requirement(is_required: bool) -> String {
    if is_required { "required" } else { "optional" }.to_owned()
}

fn schema_link(name: &str) -> String {
    format!("<a href=\"#schema-{name}\">{name}</a>")
}

fn tag_id(name: &str) -> String {
    name.replace(' ', "-")
}

/// A name with an upper-case letter at its beginning.
fn heading(name: &str) -> String {
    let (first, rest) = name.split_at_checked(1).unwrap_or_default();
    escaped(&(first.to_uppercase() + rest))
}

/// The value at a path of keys, or null.
fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, key| &value[*key])
}

/// The last part of a reference.
fn last(reference: &str) -> &str {
    reference.rsplit_once('/').map_or(reference, |(_, name)| name)
}

fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true)
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_sequence().map(Vec::as_slice).unwrap_or_default().iter()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let entries = value.as_mapping().into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.as_str()?, value)))
}

/// A single value as it is in JSON, but texts without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| serde_json::to_string(value).unwrap_or_default(), str::to_owned)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
