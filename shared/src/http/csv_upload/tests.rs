//! Tests of reading files. Each charset, separator and line end is a row of a table.

use encoding_rs::{
    BIG5, EUC_KR, Encoding, GBK, MACINTOSH, SHIFT_JIS, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1253,
    WINDOWS_1254, WINDOWS_1255, WINDOWS_1256,
};
use proptest::prelude::*;

use super::super::csv::table;
use super::*;
use crate::models::{Permission, Role};

const fn column(name: &'static str, aliases: &'static [&'static str], is_required: bool, content: Content) -> Column {
    Column { name, aliases, is_required, content }
}

fn role(label: &str) -> Option<&'static str> {
    Role::named(label).map(Role::as_str)
}

fn permission(label: &str) -> Option<&'static str> {
    Permission::named(label).map(Permission::as_str).or((label == "none at all").then_some(""))
}

const SCHEMA: CsvSchema = CsvSchema {
    columns: &[
        column("name", &["prenom"], true, Content::Text),
        column("family", &["nom", "lastname"], false, Content::Text),
        column("email", &["adresseemail"], true, Content::Email),
        column("role", &[], false, Content::Word(role)),
        column("may", &["autorisations"], false, Content::Words(permission)),
    ],
    rows: 3,
};

fn parsed(bytes: impl AsRef<[u8]>, declared: Option<&str>) -> Result<CsvUpload, Failure> {
    let declared = declared.map(|label| Charset::for_label(label).unwrap());
    CsvUpload::parse(bytes.as_ref(), declared, &SCHEMA)
}

#[track_caller]
fn parse(bytes: impl AsRef<[u8]>) -> CsvUpload {
    parsed(bytes, None).unwrap()
}

/// The line and the cells of each row, with the names in order.
fn cells(upload: &CsvUpload) -> Vec<(u64, String)> {
    let sorted = |row: &Row| {
        let mut cells = Value::Object(row.cells.clone());
        cells.sort_all_objects();
        (row.line, cells.to_string())
    };
    upload.rows.iter().map(sorted).collect()
}

fn names(upload: &CsvUpload) -> Vec<String> {
    let name =
        |row: &Row| ["name", "family"].map(|field| row.cells.get(field).map(plain).unwrap_or_default()).join(" ");
    upload.rows.iter().map(name).map(|name| name.trim().to_owned()).collect()
}

fn faults(upload: &CsvUpload) -> Vec<(u64, &str, &str)> {
    upload.faults.iter().map(|fault| (fault.line, fault.error.field.as_str(), fault.error.code)).collect()
}

/// The field and the code with which a file is rejected as a whole.
fn rejection(bytes: impl AsRef<[u8]>, declared: Option<&str>) -> (String, &'static str) {
    match parsed(bytes, declared).unwrap_err() {
        Failure::ValidationFailed(errors) => (errors[0].field.clone(), errors[0].code),
        failure => panic!("{failure:?}"),
    }
}

/// The charsets of the readings among which a person must decide, and the texts of the first one.
fn readings(bytes: impl AsRef<[u8]>) -> Vec<(String, Vec<String>)> {
    match parsed(bytes, None).unwrap_err() {
        Failure::UndecidedCharset(readings) => {
            readings.into_iter().map(|CharsetReading { charset, texts }| (charset, texts)).collect()
        }
        failure => panic!("{failure:?}"),
    }
}

fn encoded(text: &str, encoding: &'static Encoding) -> Vec<u8> {
    let (bytes, _, is_lossy) = encoding.encode(text);
    assert!(!is_lossy, "{text}");
    bytes.into_owned()
}

fn in_utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

fn in_ibm850(text: &str) -> Vec<u8> {
    let all: Vec<char> = Charset::Ibm850.decode(&(0..=255).collect::<Vec<u8>>()).unwrap().chars().collect();
    text.chars().map(|c| u8::try_from(all.iter().position(|other| *other == c).unwrap()).unwrap()).collect()
}

#[test]
fn columns_are_found_by_their_headings_in_any_order() {
    for text in [
        "name,email,may\nAnn,a@b.c,users.read audit.read\n",
        "may;EMAIL; Name\r\nusers.read  AUDIT.READ;a@b.c; Ann \r\n",
        "\u{feff}email,name,may,\na@b.c,\"Ann\",\"users.read\naudit.read\"",
        "\u{feff}\u{feff}\"email\",name,may,\na@b.c,\"Ann\",\"users.read\naudit.read\"",
        "name,email,may\rAnn,a@b.c,\"users.read, audit.read\"\r",
        "name;email;may\nAnn;a@b.c;\"users.read;audit.read\"",
        "Prénom\tAdresse e-mail\tAutorisations\nAnn\ta@b.c\tVoir les utilisateurs, Consulter l’historique",
        "NAME;E-Mail;May\nAnn;a@b.c;View users View the history",
    ] {
        let upload = parse(text);
        let row = r#"{"email":"a@b.c","may":["users.read","audit.read"],"name":"Ann"}"#;
        assert_eq!(cells(&upload), [(2, row.to_owned())], "{text:?}");
        assert!(upload.faults.is_empty() && upload.count == 1, "{upload:?}");
    }
}

#[test]
fn a_word_in_either_language_becomes_the_word_of_the_api() {
    for (word, role) in [("Gestionnaire", "manager"), ("LECTEUR", "viewer"), ("admin", "admin"), ("boss", "boss")] {
        let upload = parse(format!("name,email,role\nAnn,a@b.c,{word}"));
        assert_eq!(upload.rows[0].cells["role"], role);
    }
    assert_eq!(parse("name,email,may\nAnn,a@b.c,none at all").rows[0].cells["may"].to_string(), "[]");
    let upload = parse("name,email,may\nAnn,a@b.c,users.read fly; View the sea");
    assert_eq!(upload.rows[0].cells["may"].to_string(), r#"["users.read","fly","View","the","sea"]"#);
}

/// 6 charsets with variants, 3 separators, 4 line ends: 144 files.
#[test]
fn every_charset_separator_and_line_end_is_read() {
    let mut count = 0;
    for separator in [',', ';', '\t'] {
        for end in ["\r\n", "\n", "\r", "\r\n\r"] {
            let lines = [
                "Prénom|Nom|Adresse e-mail|Rôle|Autorisations",
                "Zoé|Müller|z@b.c|viewer|users.read;audit.read",
                "Hélène|\"D’Arc, Lefèvre; jr.\"|h@b.c|manager|",
                "François|Größe|f@b.c|Administrateur|\"users.read,audit.read\"",
            ];
            let quoted = |cell: &str| match cell {
                cell if cell.contains(separator) && !cell.starts_with('"') => format!("\"{cell}\""),
                cell => cell.to_owned(),
            };
            let line = |line: &str| line.split('|').map(quoted).collect::<Vec<_>>().join(&separator.to_string());
            let text = lines.map(line).join(end) + end;
            for (charset, bytes) in [
                ("UTF-8", text.clone().into_bytes()),
                ("UTF-8 with a mark", format!("\u{feff}{text}").into_bytes()),
                ("UTF-8 with two marks", format!("\u{feff}\u{feff}{text}").into_bytes()),
                ("UTF-16 LE", in_utf_16(&text, u16::to_le_bytes)),
                ("UTF-16 BE", in_utf_16(&text, u16::to_be_bytes)),
                ("UTF-16 LE with a mark", in_utf_16(&format!("\u{feff}{text}"), u16::to_le_bytes)),
                ("UTF-16 BE with a mark", in_utf_16(&format!("\u{feff}{text}"), u16::to_be_bytes)),
                ("Windows-1252", encoded(&text, WINDOWS_1252)),
                ("Mac Roman", encoded(&text, MACINTOSH)),
                ("a separator line", format!("sep={separator}{end}{text}").into_bytes()),
                ("a separator line in Windows-1252", encoded(&format!("sep={separator}{end}{text}"), WINDOWS_1252)),
                ("IBM850", in_ibm850(&text.replace('’', "'"))),
            ] {
                count += 1;
                let case = format!("{charset}, separator {separator:?}, line end {end:?}");
                let upload = parse(bytes);
                assert_eq!(faults(&upload), [], "{case}");
                let apostrophe = if charset == "IBM850" { "'" } else { "’" };
                let second = format!("Hélène D{apostrophe}Arc, Lefèvre; jr.");
                assert_eq!(names(&upload), ["Zoé Müller", &second, "François Größe"], "{case}");
                let row = &upload.rows[2].cells;
                assert_eq!((&row["role"], row["may"].as_array().unwrap().len()), (&"admin".into(), 2), "{case}");
                assert_eq!(upload.rows[0].cells["may"].to_string(), r#"["users.read","audit.read"]"#, "{case}");
            }
        }
    }
    assert_eq!(count, 144);
}

#[test]
fn a_name_is_read_in_the_only_charset_in_which_it_is_plausible() {
    for name in [
        "Zoé",
        "Zoë",
        "Élodie",
        "Noël",
        "François",
        "Müller",
        "Größe",
        "Jäger",
        "Jean–Luc",
        "Núñez",
        "Ångström",
        "ÉLODIE",
        "LEFÈVRE",
        "O’Brien",
        "Çelik",
        "Ömer",
        "Señor",
        "Gonzáles",
    ] {
        let file = encoded(&format!("name,email\n{name},a@b.c\n"), WINDOWS_1252);
        assert_eq!(names(&parse(file)), [name], "Windows-1252");
    }
    for name in
        ["Zoé", "Hélène", "François", "Müller", "Größe", "Élodie", "LEFÈVRE Émile", "José", "Ève-Zoé", "Ñandú Élie"]
    {
        let file = encoded(&format!("name,email\n{name},a@b.c\n"), MACINTOSH);
        assert_eq!(names(&parse(file)), [name], "Mac Roman");
    }
    for name in ["Hélène", "Müller", "Zoé", "André Größe"] {
        let file = in_ibm850(&format!("name,email\n{name},a@b.c\n"));
        assert_eq!(names(&parse(file)), [name], "IBM850");
    }
}

#[test]
fn a_file_with_several_plausible_readings_is_undecided() {
    let file = b"name,family,email\nAnn,Lee,n@b.c\nANDR\xe9,Lee,a@b.c\nann,\xe9d,b@b.c\n";
    let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    let expected = [("windows-1252", ["ANDRé Lee", "ann éd"]), ("macintosh", ["ANDRÈ Lee", "ann Èd"])];
    assert_eq!(readings(file), expected.map(|(charset, found)| (charset.to_owned(), texts(found))));
    for (charset, name) in [("windows-1252", "ANDRé"), ("Macintosh", "ANDRÈ"), ("cp850", "ANDRÚ"), ("latin1", "ANDRé")]
    {
        assert_eq!(names(&parsed(file, Some(charset)).unwrap())[1], format!("{name} Lee"));
    }
    // Neither reading is plausible.
    let neither = readings(b"name,email\nAnn\x81\x8dx\xb9,a@b.c\n");
    assert_eq!(
        neither.iter().map(|(charset, _)| charset.as_str()).collect::<Vec<_>>(),
        ["windows-1252", "macintosh", "ibm850"]
    );
    // Both readings are the same in the columns that are read.
    let upload = parse(b"name,email,note\nAnn,a@b.c,ANDR\xe9\n");
    assert_eq!((names(&upload), faults(&upload)), (vec!["Ann".to_owned()], vec![]));
}

#[test]
fn no_wrong_reading_is_taken_without_a_question() {
    for name in ["Zoë", "Schröder", "Dušan", "édith", "ANDRé", "Día", "D’ALMEIDA", "Cœur", "Saïd", "Jäger", "Sa’id"]
    {
        for bytes in [
            encoded(&format!("name,email\n{name},a@b.c\n"), WINDOWS_1252),
            encoded(&format!("name,email\n{},a@b.c\n", name.replace('š', "s")), MACINTOSH),
        ] {
            match parsed(&bytes, None) {
                Ok(upload) => assert!([name.to_owned(), name.replace('š', "s")].contains(&names(&upload)[0])),
                Err(failure) => assert!(matches!(failure, Failure::UndecidedCharset(_)), "{failure:?}"),
            }
        }
    }
}

#[test]
fn a_file_of_another_region_is_not_read_as_western_without_a_question() {
    for (encoding, names) in [
        (
            WINDOWS_1250,
            &["Łukasz Wójcik", "Dąbrowska", "Kučera", "Jiří Dvořák", "Gergő Erdős", "Kovačević", "Ştefan Ionuţ"][..],
        ),
        (WINDOWS_1251, &["Иван Петров", "Анна Ли", "ОЛЬГА", "Иван Ива"]),
        (WINDOWS_1253, &["Γιώργος Παπαδόπουλος", "Ελένη"]),
        (WINDOWS_1254, &["Şahin Yıldız", "Işıl Kılıç"]),
        (WINDOWS_1255, &["דוד לוי"]),
        (WINDOWS_1256, &["أحمد محمد"]),
        (SHIFT_JIS, &["佐藤 健"]),
        (GBK, &["王 小明"]),
        (BIG5, &["陳 大文"]),
        (EUC_KR, &["김 민수"]),
    ] {
        for name in names {
            let file = encoded(&format!("name,email\n{name},a@b.c\n"), encoding);
            let (charset, texts) = readings(&file).pop().unwrap();
            assert_eq!((charset, texts), (encoding.name().to_ascii_lowercase(), vec![(*name).to_owned()]), "{name}");
        }
    }
}

#[test]
fn names_of_western_europe_are_read_without_a_question() {
    for names in [
        ["José Núñez", "João Simões", "Conceição", "Luís Araújo", "Gonçalves", "Nicolò Forlì"],
        ["Bjørn Sørensen", "Åse Kjær", "Øystein Ødegård", "Þór Guðmundsson", "Päivi Hämäläinen", "ÅSE"],
        ["Hélène", "Loïc", "Hervé Lefèvre", "Agnès", "Thérèse", "Lætitia"],
        ["Muñoz", "Núria Gisbert", "Ève", "Désirée", "Jörg Weiß", "Käthe Schröder"],
    ] {
        for name in names {
            let file = encoded(&format!("name,email\n{name},a@b.c\n"), WINDOWS_1252);
            assert_eq!(self::names(&parse(file)), [name]);
        }
    }
}

#[test]
fn a_file_that_is_mostly_utf_8_is_not_read_in_another_charset() {
    let file = b"name,email\nZo\xc3\xa9,z@b.c\nBo\x92s,b@b.c\n";
    for bytes in [file.to_vec(), [b"\xef\xbb\xbf", &file[..]].concat()] {
        assert_eq!(rejection(&bytes, None), ("line 3: file".to_owned(), "not_utf8"));
        assert_eq!(rejection(&bytes, Some("utf-8")), ("line 3: file".to_owned(), "not_utf8"));
    }
    let cut = "name,email\nZoé,z@b.c\nChloé".as_bytes();
    assert_eq!(rejection(&cut[..cut.len() - 1], None), ("line 3: file".to_owned(), "not_utf8"));
    // Mac Roman, in which the apostrophe and the capital after it form a character of UTF-8.
    let mac = encoded("name,email\nD’Étampes,e@b.c\nZoé,z@b.c\n", MACINTOSH);
    assert_eq!(names(&parse(mac)), ["D’Étampes", "Zoé"]);
}

#[test]
fn a_declared_charset_decides() {
    for (label, bytes) in [
        ("utf-8", "name,email\nZoé,a@b.c".as_bytes().to_vec()),
        ("UTF8", "\u{feff}name,email\nZoé,a@b.c".as_bytes().to_vec()),
        ("iso-8859-1", b"name,email\nZo\xe9,a@b.c".to_vec()),
        ("iso-8859-15", b"name,email\nZo\xe9,a@b.c".to_vec()),
        ("macintosh", b"name,email\nZo\x8e,a@b.c".to_vec()),
        ("ibm850", b"name,email\nZo\x82,a@b.c".to_vec()),
        ("utf-16", in_utf_16("\u{feff}name,email\nZoé,a@b.c", u16::to_be_bytes)),
        ("utf-16", in_utf_16("\u{feff}name,email\nZoé,a@b.c", u16::to_le_bytes)),
        ("utf-16le", in_utf_16("name,email\nZoé,a@b.c", u16::to_le_bytes)),
        ("utf-16be", in_utf_16("name,email\nZoé,a@b.c", u16::to_be_bytes)),
    ] {
        assert_eq!(names(&parsed(bytes, Some(label)).unwrap()), ["Zoé"], "{label}");
    }
    assert_eq!(names(&parsed(b"name,email\nAnn\xb3,a@b.c", Some("windows-1250")).unwrap()), ["Annł"]);
    assert_eq!(
        rejection(b"name,email\nAnn,a@b.c\n\x81\xff", Some("shift_jis")),
        ("line 3: file".to_owned(), "malformed_text")
    );
    assert!(Charset::for_label("utf-9").is_none() && Charset::for_label("").is_none());
}

#[test]
fn files_of_other_formats_are_recognized() {
    for (bytes, code) in [
        (&b"PK\x03\x04....[Content_Types].xml...xl/workbook.xml"[..], "workbook"),
        (b"PK\x03\x04....mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "workbook"),
        (b"PK\x03\x04....Index/Document.iwa", "workbook"),
        (b"PK\x03\x04....team.csv", "compressed"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", "workbook"),
        (b"\x1f\x8b\x08....", "compressed"),
        (b"<!DOCTYPE html><table>", "markup"),
        (b"\xef\xbb\xbf\r\n <html>", "markup"),
        (b"<?xml version=\"1.0\"?>", "markup"),
        (b"%PDF-1.7", "binary"),
        (b"name,email\n\0\0\0\0", "binary"),
    ] {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(rejection(bytes, None), ("line 1: file".to_owned(), code), "{text}");
    }
    let html = in_utf_16("\u{feff}<html>", u16::to_le_bytes);
    assert_eq!(rejection(html, None), ("line 1: file".to_owned(), "markup"));
    assert_eq!(rejection(b"\xff\xfea", None), ("line 1: file".to_owned(), "malformed_text"));
}

#[test]
fn rows_can_have_another_separator_than_the_headings() {
    for text in [
        // French Excel reads each line of a comma file as one cell, and writes new rows in several.
        "name,family,email,role,may;;;;\r\nAnn;Lee;a@b.c;manager;\r\nBo;Day;b@b.c;viewer;users.read\r\n",
        "name,family,email,role,may;;;;\r\n\"Ann,Lee,a@b.c,manager,\";;;;\r\nBo;Day;b@b.c;viewer;users.read\r\n",
        "name,family,email,role;;;\r\nAnn,Lee,a@b.c,manager;;;\r\nBo;Day;b@b.c;viewer;\r\n;;;\r\n",
        "\"name,family,email,role\";;;\nAnn;Lee;a@b.c;manager\nBo;Day;b@b.c;viewer;\n",
        "name;family;email;role\nAnn,Lee,a@b.c,manager\nBo,Day,b@b.c,viewer\n",
        "name\tfamily\temail\trole\nAnn,Lee,a@b.c,manager\nBo;Day;b@b.c;viewer\n",
    ] {
        let upload = parse(text);
        assert_eq!(
            (faults(&upload), names(&upload)),
            (vec![], vec!["Ann Lee".to_owned(), "Bo Day".to_owned()]),
            "{text}"
        );
        let roles: Vec<_> = upload.rows.iter().map(|row| &row.cells["role"]).collect();
        assert_eq!(roles, ["manager", "viewer"], "{text}");
    }
}

#[test]
fn neither_lists_nor_names_change_the_separator() {
    let all = Permission::ALL.map(Permission::as_str);
    for (separator, join) in [(",", ";"), (";", ","), ("\t", ";"), ("\t", ",")] {
        for end in ["\r", "\n", "\r\n"] {
            let heading = ["name", "family", "email", "role", "may"].join(separator);
            let row = |name: &str| [name, "Lee", "a@b.c", "admin", &all.join(join)].join(separator);
            let names_with = if join == ";" { "Ann;Mary;Jo;Eve;Sue;Kim" } else { "Ann,Mary,Jo,Eve,Sue,Kim" };
            let upload = parse([heading, row("Ann"), row(names_with)].join(end));
            assert_eq!(faults(&upload), [], "{separator:?} {join:?} {end:?}");
            assert_eq!(names(&upload), ["Ann Lee".to_owned(), format!("{names_with} Lee")]);
            assert!(upload.rows.iter().all(|row| row.cells["may"].as_array().unwrap().len() == all.len()));
        }
    }
}

#[test]
fn a_row_has_the_number_of_the_line_in_which_it_starts() {
    let text = "\r\nname,email\r\n\r\n\r\nAnn,a@b.c\r\n\"B\r\no\r\nb\",b@b.c\r\n ,\r\n,,,\r\nCy,c@b.c";
    let upload = parse(text);
    assert_eq!(upload.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [5, 6, 11]);
    assert_eq!((upload.count, upload.line), (3, 2));
    let others = parse(text.replace("\r\n", "\r"));
    assert_eq!(others.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [5, 6, 11]);
}

#[test]
fn an_empty_cell_is_an_absent_field_and_an_escaped_formula_is_unescaped() {
    let upload = parse("name,email\n'=1,-\n'Ann,'+1@b.c\n''=,Ann;'=1\n");
    let rows =
        [r#"{"email":"-","name":"=1"}"#, r#"{"email":"+1@b.c","name":"'Ann"}"#, r#"{"email":"Ann;=1","name":"'="}"#];
    assert_eq!(cells(&upload).into_iter().map(|(_, row)| row).collect::<Vec<_>>(), rows);
}

#[test]
fn all_errors_in_headings_are_reported_and_then_no_row_is_read() {
    let upload = parse("\nname,Name,phone,may,Autorisations\nAnn,,,,\n");
    let expected =
        [(2, "Name", "repeated_column"), (2, "Autorisations", "repeated_column"), (2, "email", "missing_column")];
    assert_eq!(faults(&upload), expected);
    assert_eq!((upload.count, upload.rows.len(), &upload.ignored[..]), (1, 0, &["phone".to_owned()][..]));
    let wide = parse(format!("name,email{}\na,b", ",x".repeat(MAX_HEADINGS)));
    assert_eq!(faults(&wide), [(1, "file", "too_many_columns")]);
    let blank = parse(format!("name,email{}\na,b@c.d", ",".repeat(1_000)));
    assert_eq!(faults(&blank), []);
}

#[test]
fn unknown_columns_are_ignored_and_values_without_a_heading_are_reported() {
    let upload = parse("Téléphone,name,email,,Shoe  size\n1,Ann,a@b.c,viewer,38\n2,Bo,b@b.c,,\n");
    assert_eq!((faults(&upload), &upload.ignored[..]), (vec![], &["Téléphone".to_owned(), "Shoe size".to_owned()][..]));
    assert_eq!(upload.rows.iter().map(|row| row.unnamed.clone()).collect::<Vec<_>>(), [vec![4], vec![]]);
    assert_eq!(cells(&upload)[0].1, r#"{"email":"a@b.c","name":"Ann"}"#);
}

#[test]
fn an_error_names_the_heading_as_the_file_has_it() {
    let mut upload = parse("Prénom;Adresse  e-mail\nAnn;plain\n");
    assert_eq!((upload.heading("email"), upload.heading("role")), ("Adresse e-mail", "role"));
    assert!(upload.has_column("email") && !upload.has_column("role"));
    let read = upload.rows.remove(0).read(|fields| {
        let (_, email): (Option<String>, Option<crate::models::Email>) =
            (fields.required("name"), fields.required("email"));
        email
    });
    let errors = read.unwrap().unwrap_err();
    assert_eq!(
        (errors[0].line, errors[0].error.field.as_str(), errors[0].error.code),
        (2, "Adresse e-mail", "malformed")
    );
}

#[test]
fn a_file_without_rows_or_with_too_many_rows_is_rejected() {
    for empty in ["", "\n\n", " ,\n,", "\u{feff}", ";;;\r\n"] {
        assert_eq!(faults(&parse(empty)), [(1, "file", "empty")], "{empty:?}");
    }
    assert_eq!(faults(&parse("name,email\n")), [(1, "file", "empty")]);
    let many = parse("name,email\na,a\nb,b\nc,c\nd,d\ne,e\n");
    assert_eq!((faults(&many), many.count, many.rows.len()), (vec![(5, "file", "too_many_rows")], 5, 3));
    assert_eq!(faults(&parse("name,email\na,b,c\na,b,,\n")), [(2, "row", "too_many_cells")]);
    assert_eq!(faults(&parse("name,email\n\"a,b\nc,d\n")), [(2, "row", "quote_not_closed")]);
    for name in ["Zo\u{fffd}", "Nguy?n", "????"] {
        assert_eq!(faults(&parse(format!("name,email\n{name},a@b.c\n"))), [(2, "name", "lost_letter")]);
    }
    assert_eq!(faults(&parse("name,email,note\nAnn,a?b@c.d,Who?\n")), []);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_rejected(bytes in prop::collection::vec(any::<u8>(), 0..200), declares in any::<bool>()) {
        let file = [b"name,email\n", bytes.as_slice()].concat();
        match parsed(file, declares.then_some("windows-1252")) {
            Ok(upload) => prop_assert!(upload.rows.len() <= SCHEMA.rows && (upload.count > 0 || !upload.faults.is_empty())),
            Err(Failure::ValidationFailed(errors)) => prop_assert_eq!(errors.len(), 1),
            Err(Failure::UndecidedCharset(readings)) => prop_assert!(readings.len() > 1),
            Err(failure) => prop_assert!(false, "{failure:?}"),
        }
    }

    #[test]
    fn names_in_unicode_are_read_unchanged(name in "[\\p{L}][\\p{L}’ -]{0,10}[\\p{L}]", separator in prop::sample::select(vec![",", ";", "\t"])) {
        let text = format!("name{separator}email\n{name}{separator}ann@example.com\n");
        for bytes in [text.clone().into_bytes(), in_utf_16(&format!("\u{feff}{text}"), u16::to_le_bytes)] {
            prop_assert_eq!(names(&parse(bytes)), [name.as_str()]);
        }
    }

    #[test]
    fn names_in_windows_1252_are_read_unchanged_or_not_at_all(name in "[A-ZÀ-ÖØ-Þ]?[a-zß-öø-ÿ’œš]{1,8}( [A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ]{1,8})?") {
        let file = encoded(&format!("name,email\n{name},ann@example.com\n"), WINDOWS_1252);
        prop_assume!(name.is_ascii() || std::str::from_utf8(&file).is_err());
        match parsed(file, None) {
            Ok(upload) => prop_assert_eq!(names(&upload), [name.as_str()]),
            Err(failure) => prop_assert!(!matches!(failure, Failure::Internal(_))),
        }
    }

    #[test]
    fn a_written_table_is_read_back_unchanged(names in prop::collection::vec("[=+@-][A-Za-z=+@',;\"\n-]{1,9}[a-z]", 1..3)) {
        let items: Vec<Value> =
            names.iter().map(|name| serde_json::json!({ "name": name.trim(), "email": "a@b.c" })).collect();
        let upload = parse(table(&["name", "email"], &items).unwrap());
        let read: Vec<&str> = upload.rows.iter().map(|row| row.cells["name"].as_str().unwrap()).collect();
        let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
        prop_assert_eq!(read, names);
    }
}
