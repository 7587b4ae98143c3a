//! The files that `POST /v1/users/import` reads: those that people's spreadsheets write, and the portal's own.

use portal_tests::browser::Language;
use portal_tests::{Actor, Answer, Call, Partner, secrets};
use serde_json::{Value, json};

/// The text in Windows-1252, if it has only letters that are at the same place in Latin-1, and curly apostrophes.
fn in_windows_1252(text: &str) -> Vec<u8> {
    text.chars().map(|c| if c == '’' { 0x92 } else { u8::try_from(u32::from(c)).unwrap() }).collect()
}

/// The text in Mac Roman, if it has only a few letters outside ASCII.
fn in_mac_roman(text: &str) -> Vec<u8> {
    let letter = |c| match c {
        'é' => 0x8E,
        'è' => 0x8F,
        'ê' => 0x90,
        'É' => 0x83,
        'ô' => 0x99,
        'ö' => 0x9A,
        'ü' => 0x9F,
        'ß' => 0xA7,
        '’' => 0xD5,
        c => u8::try_from(u32::from(c)).ok().filter(u8::is_ascii).unwrap(),
    };
    text.chars().map(letter).collect()
}

fn in_utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

/// The name, the role and the number of permissions of each user in a preview without problems.
#[track_caller]
fn planned(answer: &Answer) -> Vec<(String, String, usize)> {
    assert_eq!((answer.status, &answer.json["problems"]), (200, &json!([])), "{answer}");
    let users = answer.json["users"].as_array().unwrap().iter().map(|user| {
        let text = |field: &str| user[field].as_str().unwrap().to_owned();
        let name = format!("{} {}", text("first_name"), text("last_name"));
        (name, text("role"), user["permissions"].as_array().unwrap().len())
    });
    users.collect()
}

/// The line, the field and the code of each problem in a preview.
#[track_caller]
fn problems(answer: &Answer) -> Vec<(u64, String, String)> {
    assert_eq!(answer.status, 200, "{answer}");
    let problem = |problem: &Value| {
        let text = |field: &str| problem[field].as_str().unwrap().to_owned();
        (problem["line"].as_u64().unwrap(), text("field"), text("code"))
    };
    answer.json["problems"].as_array().unwrap().iter().map(problem).collect()
}

fn problem(line: u64, field: &str, code: &str) -> (u64, String, String) {
    (line, field.to_owned(), code.to_owned())
}

fn declared(owner: &Actor, charset: &str, file: &[u8]) -> Call {
    let call = owner.call("POST", "/v1/users/import?dry_run=true");
    call.body(&format!("text/csv; charset={charset}"), file.to_vec())
}

#[tokio::test]
async fn a_file_is_read_as_any_spreadsheet_writes_it() {
    let partner = Partner::new().await;
    let (ann, bo) = (secrets::email("ann"), secrets::email("bo"));
    let expected = [("Zoé D’Étampes", "manager", 4), ("Jürgen Größe", "viewer", 2)];
    let expected = expected.map(|(name, role, permissions)| (name.to_owned(), role.to_owned(), permissions));
    let text = |separator: &str, end: &str, first: &str| {
        let rows = [
            ["Prénom", "Nom", "Adresse e-mail", "Rôle", "Autorisations"],
            ["Zoé", "D’Étampes", &ann, "Gestionnaire", ""],
            ["Jürgen", "Größe", &bo, "lecteur", "\"users.read; Consulter l’historique\""],
        ];
        first.to_owned() + &rows.map(|cells| cells.join(separator)).join(end) + end
    };
    for (case, file) in [
        ("UTF-8", text(",", "\n", "").into_bytes()),
        ("Excel, CSV UTF-8", text(";", "\r\n", "\u{feff}").into_bytes()),
        ("two marks", text(",", "\r\n", "\u{feff}\u{feff}").into_bytes()),
        ("Excel for Windows", in_windows_1252(&text(";", "\r\n", ""))),
        ("Excel for Windows, tabs", in_windows_1252(&text("\t", "\r\n", ""))),
        ("Excel for Mac", in_mac_roman(&text(";", "\r", ""))),
        ("Excel for Mac, commas", in_mac_roman(&text(",", "\r\n", ""))),
        ("Excel, Unicode text", in_utf_16(&text("\t", "\r\n", "\u{feff}"), u16::to_le_bytes)),
        ("UTF-16 BE", in_utf_16(&text(",", "\n", "\u{feff}"), u16::to_be_bytes)),
        ("UTF-16 without a mark", in_utf_16(&text(";", "\n", ""), u16::to_le_bytes)),
        ("a line for the separator", text(";", "\r\n", "sep=;\r\n").into_bytes()),
        ("blank lines", text(" ; ", "\r\n;;;;\r\n", "\r\n").into_bytes()),
        (
            "commas in the headings only",
            text(";", "\r\n", "").replacen(';', ",", 4).replacen('\r', ";;;;\r", 1).into_bytes(),
        ),
    ] {
        let answer = partner.owner().import(file, true).await;
        assert_eq!(planned(&answer), expected, "{case}");
        assert_eq!(answer.json["roles"], json!({ "admin": 0, "manager": 1, "viewer": 1 }), "{case}");
        assert_eq!(answer.json["ignored_columns"], json!([]), "{case}");
    }
    let file = in_windows_1252(&text(";", "\r\n", ""));
    let added = partner.owner().import(file, false).await.expect(200);
    assert_eq!(added.text_at("/results/0/user/last_name"), "D’Étampes");
}

#[tokio::test]
async fn a_person_decides_between_several_readings() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let rows = format!("Ann,Lee,{}\nANDR\u{e9},Lee,{}\n", secrets::email("ann"), secrets::email("andre"));
    let file = in_windows_1252(&format!("first_name,last_name,email,role\n{}", rows.replace('\n', ",viewer\n")));
    for dry_run in [true, false] {
        let answer = owner.import(file.clone(), dry_run).await;
        answer.problem(422, "undecided_charset");
        let expected = json!([
            { "charset": "windows-1252", "texts": ["ANDRé Lee"] },
            { "charset": "macintosh", "texts": ["ANDRÈ Lee"] },
        ]);
        assert_eq!(answer.json["readings"], expected);
    }
    for (charset, name) in
        [("windows-1252", "ANDRé Lee"), ("macintosh", "ANDRÈ Lee"), ("\"Windows-1252\"", "ANDRé Lee")]
    {
        assert_eq!(planned(&declared(owner, charset, &file).await)[1].0, name);
    }
}

#[tokio::test]
async fn a_file_of_another_region_is_not_read_without_a_question() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    // Windows-1250 and 1251, in which "ř" and "И" have the bytes of "ø" and "È" in Windows-1252.
    for (charset, name, wrong) in
        [("windows-1250", "Jiří Dvořák", "Ji\u{f8}\u{ed} Dvo\u{f8}\u{e1}k"), ("windows-1251", "Иван Ива", "Èâàí Èâà")]
    {
        let email = secrets::email("ann");
        let file = format!("first_name;last_name;email;role\r\n{};{email};viewer\r\n", wrong.replace(' ', ";"));
        let file = in_windows_1252(&file);
        for dry_run in [true, false] {
            let answer = owner.import(file.clone(), dry_run).await;
            answer.problem(422, "undecided_charset");
            let readings = answer.json["readings"].as_array().unwrap();
            assert!(readings.contains(&json!({ "charset": charset, "texts": [name] })), "{answer}");
        }
        assert_eq!(planned(&declared(owner, charset, &file).await)[0].0, name);
    }
}

#[tokio::test]
async fn a_name_that_lost_letters_is_a_problem() {
    let partner = Partner::new().await;
    let email = secrets::email("ann");
    for name in ["Nguy?n", "?????", "Nguy\u{fffd}n"] {
        let file = format!("Prénom;Nom;E-mail;Rôle\r\nAnn;{name};{email};viewer\r\n");
        assert_eq!(problems(&partner.owner().import(file, true).await), [problem(2, "Nom", "lost_letter")], "{name}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_as_text_is_rejected_with_the_reason() {
    let partner = Partner::new().await;
    let stray = b"first_name,last_name,email,role\r\nZo\xc3\xa9,Lee,z@example.com,viewer\r\nBo\x92s,Day,b@example.com,viewer\r\n";
    for (file, field, code, reason) in [
        (&stray[..], "line 3: file", "not_utf8", "CSV UTF-8"),
        (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", "line 1: file", "workbook", ".xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "line 1: file", "workbook", ".xls"),
        (b"\x1f\x8b\x08\0", "line 1: file", "compressed", "gzip"),
        (b"<html><table><tr><td>Ann", "line 1: file", "markup", "HTML"),
    ] {
        for dry_run in [true, false] {
            let answer = partner.owner().import(file.to_vec(), dry_run).await;
            answer.problem(422, "validation_failed").names_field(field);
            assert_eq!(answer.text_at("/errors/0/code"), code);
            assert!(answer.text_at("/errors/0/message").contains(reason), "{answer}");
        }
    }
    declared(partner.owner(), "utf-8", stray).await.problem(422, "validation_failed").names_field("line 3: file");
}

#[tokio::test]
async fn no_user_gets_a_role_by_accident() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (ann, bo) = (secrets::email("ann"), secrets::email("bo"));
    for (file, expected) in [
        (
            format!("first_name,last_name,email,,\r\nAnn,Lee,{ann},viewer,users.read\r\n"),
            vec![
                problem(1, "role", "missing_role"),
                problem(2, "column 4", "no_heading"),
                problem(2, "column 5", "no_heading"),
            ],
        ),
        (
            format!("first_name,last_name,email,role\r\nAnn,Lee,{ann},viewer\r\nBo,Day,{bo},\r\n"),
            vec![problem(3, "role", "missing_role")],
        ),
        (format!("Prénom;Nom;Mail;Rôle\r\nAnn;Lee;{ann}; \r\n"), vec![problem(2, "Rôle", "missing_role")]),
        (format!("Prénom;Nom;Mail;Rôle\r\nAnn;Lee;{ann};\u{200b}\r\n"), vec![problem(2, "Rôle", "missing_role")]),
        (
            format!("Prénom;Nom;Mail;Rôle;\u{200b}\r\nAnn;Lee;{ann};;viewer\r\n"),
            vec![problem(2, "column 5", "no_heading"), problem(2, "Rôle", "missing_role")],
        ),
        (format!("\nfirst_name,last_name,email\r\nAnn,Lee,{ann}\r\n"), vec![problem(2, "role", "missing_role")]),
    ] {
        let answer = owner.import(file.clone(), true).await;
        assert_eq!(problems(&answer), expected, "{file}");
        assert_eq!(answer.json["roles"], json!({ "admin": 0, "manager": 0, "viewer": 0 }), "{file}");
        let fields: Vec<String> = expected.iter().map(|(line, field, _)| format!("line {line}: {field}")).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        owner.import(file.clone(), false).await.problem(422, "validation_failed").names_fields(&fields);

        let answer = owner.import_with_role("manager", file.clone(), true).await;
        assert!(planned(&answer).contains(&("Ann Lee".to_owned(), "manager".to_owned(), 4)) || file.contains("Bo,Day"));
        let managers =
            json!({ "admin": 0, "manager": 1, "viewer": answer.json["users"].as_array().unwrap().len() - 1 });
        assert_eq!(answer.json["roles"], managers, "{file}");
    }
    let file = format!("first_name,last_name,email\nAnn,Lee,{ann}\n");
    let added = owner.import_with_role("viewer", file, false).await.expect(200);
    assert_eq!(added.text_at("/results/0/user/role"), "viewer");
    let manager = partner.new_user("manager").await;
    let file = format!("first_name,last_name,email\nBo,Day,{bo}\n");
    let answer = manager.import_with_role("admin", file, true).await;
    assert_eq!(problems(&answer), [problem(2, "permissions", "exceeds_own_permissions")]);
}

#[tokio::test]
async fn headings_roles_and_permissions_have_the_labels_of_the_page() {
    let partner = Partner::new().await;
    let permissions = crate::set_permissions::ALL;
    for language in [Language::English, Language::French] {
        let labels = |prefix: &str, names: &[&str]| {
            names.iter().map(|name| language.text(&format!("{prefix}.{name}"))).collect::<Vec<_>>()
        };
        let headings = labels("user", &["first_name", "last_name", "email", "role", "permissions"]);
        let roles = labels("role", &["admin", "manager", "viewer"]);
        for list in [labels("permission", &permissions).join(", "), labels("permission", &permissions).join("; ")] {
            let mut lines = vec![headings.join("\t")];
            for (role, list) in roles.iter().zip([list.as_str(), "", ""]) {
                lines.push(format!("Ann\tLee\t{}\t{role}\t{list}", secrets::email("ann")));
            }
            let file = lines.join("\n");
            let expected = [("admin", 8), ("manager", 4), ("viewer", 1)];
            let expected = expected.map(|(role, count)| ("Ann Lee".to_owned(), role.to_owned(), count));
            assert_eq!(planned(&partner.owner().import(file.clone(), true).await), expected, "{file}");
            assert_eq!(planned(&partner.owner().import(file.to_uppercase(), true).await)[0].1, "admin", "{file}");
        }
    }
    for headings in [
        "firstName,lastName,emailAddress,Role",
        "Given name,Surname,E-Mail,ROLE",
        "FIRST NAME,Family-Name,Email address,role",
        "Prenom,Nom de famille,Courriel,Role",
        "First Name [Required],Last Name [Required],Email Address [Required],role",
        "User first name,User last name,Primary email,User role",
        "Prénom,Nom,Adresse de messagerie,Rôle utilisateur",
        "Prénom de l’utilisateur,Nom de l’utilisateur,E-mail de l’utilisateur,Rôle de l’utilisateur",
        "Prénom,Nom,Courriel pro.,Rôle",
    ] {
        let file = format!("{headings}\nAnn,Lee,{},viewer\n", secrets::email("ann"));
        assert_eq!(planned(&partner.owner().import(file, true).await).len(), 1, "{headings}");
    }
}

#[tokio::test]
async fn the_portals_own_files_can_be_imported_again() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    owner.add("Ann", "Lee").role("manager").created().await;
    let users = owner.get("/v1/users").header("accept", "text/csv").await.expect(200).text;
    let answer = owner.import(users.clone(), true).await;
    let taken = |count: u64| (2..2 + count).map(|line| problem(line, "email", "email_taken")).collect::<Vec<_>>();
    assert_eq!(problems(&answer), taken(2), "the primary admin's own row is a warning too");
    assert!(answer.json["ignored_columns"].as_array().unwrap().contains(&json!("last_sign_in_at")));
    let added = format!("{users}usr_x,,Bo,Day,{},viewer\r\n", secrets::email("bo"));
    let results = owner.import(added, false).header("accept", "text/csv").await.expect(200).text;
    let outcomes: Vec<_> = results.lines().skip(1).map(|line| line.split(',').nth(5).unwrap()).collect();
    let mut sorted = outcomes.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["added", "exists", "exists"]);
    secrets::remembered(results.lines().last().unwrap().split(',').nth(6).unwrap());
    assert!(results.contains(",primary_admin,exists,"), "{results}");
    assert_eq!(problems(&owner.import(results, true).await), taken(3));

    // Another partner has no such users, and its primary admin does not change.
    let other = Partner::new().await;
    let answer = other.owner().import(users.clone(), true).await;
    let line = users.lines().position(|line| line.contains("primary_admin")).unwrap() + 1;
    assert_eq!(problems(&answer), [problem(u64::try_from(line).unwrap(), "role", "not_assignable")]);

    // The list that the page exports, with a user without permissions.
    for language in [Language::English, Language::French] {
        let keys = ["user.first_name", "user.last_name", "user.email", "user.role", "user.permissions", "user.status"];
        let permissions =
            format!("{}, {}", language.text("permission.users.read"), language.text("permission.users.edit"));
        let cells = [
            ("Olive", &owner.email, "role.primary_admin", permissions.clone()),
            ("Zoe", &secrets::email("zoe"), "role.admin", language.text("event.no_permissions")),
            ("Bob", &secrets::email("bob"), "role.manager", permissions),
        ];
        let separator = language.text("export.separator");
        let mut lines = vec![format!("\u{feff}{}", keys.map(|key| language.text(key)).join(&separator))];
        for (name, email, role, permissions) in cells {
            let status = language.text("status.active");
            let row = [name, "Lee", email, &language.text(role), &format!("\"{permissions}\""), &status];
            lines.push(row.join(&separator));
        }
        let answer = owner.import(lines.join("\r\n"), true).await;
        assert_eq!(problems(&answer), [problem(2, &language.text("user.email"), "email_taken")]);
        let permissions: Vec<_> =
            answer.json["users"].as_array().unwrap().iter().map(|user| &user["permissions"]).collect();
        assert_eq!(permissions, [&json!([]), &json!(["users.read", "users.edit"])]);
    }

    // The sign-in details that the page saves.
    for language in [Language::English, Language::French] {
        let keys = ["user.first_name", "user.last_name", "user.email", "user.role", "user.password", "share.address"];
        let headings = keys.map(|key| language.text(key)).join(",");
        let row = ["Bo", "Day", &owner.email, &language.text("role.viewer"), "x", "http://localhost"].join(",");
        let answer = owner.import(format!("\u{feff}{headings}\r\n{row}\r\n"), true).await;
        assert_eq!(problems(&answer), [problem(2, &language.text("user.email"), "email_taken")]);
        assert_eq!(answer.json["ignored_columns"], json!([language.text(keys[4]), language.text(keys[5])]));
    }
}

#[tokio::test]
async fn a_problem_names_the_heading_of_the_file() {
    let partner = Partner::new().await;
    let file = "Prénom;Nom;Adresse e-mail;Rôle;Autorisations;Taille\n;Lee;plain;Patron;voler;38\n";
    let answer = partner.owner().import(file, true).await;
    let expected = [
        problem(2, "Prénom", "required"),
        problem(2, "Adresse e-mail", "malformed"),
        problem(2, "Rôle", "unknown_role"),
        problem(2, "Autorisations", "unknown_permission"),
    ];
    assert_eq!(problems(&answer), expected);
    assert_eq!(answer.json["ignored_columns"], json!(["Taille"]));
    let refused = partner.owner().import(file, false).await;
    refused.problem(422, "validation_failed").names_fields(&[
        "line 2: Prénom",
        "line 2: Adresse e-mail",
        "line 2: Rôle",
        "line 2: Autorisations",
    ]);
    let repeated = "Nom;Nom de famille;Prénom;Mail\nLee;Lee;Ann;a@example.com\n";
    let answer = partner.owner().import(repeated, true).await;
    assert_eq!(problems(&answer), [problem(1, "Nom de famille", "repeated_column")]);
}
