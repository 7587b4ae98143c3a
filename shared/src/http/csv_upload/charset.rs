//! Decodes a file. Spreadsheets write several charsets and do not name them, so the charset is found by evidence. Where the
//! evidence is not enough, all readings are returned.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    DecoderResult, Encoding, ISO_8859_2, MACINTOSH, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252,
};

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The characters of the bytes from 0x80 in IBM850, which Excel for Windows writes as "CSV (MS-DOS)".
const IBM850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

/// A charset that a file can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Charset {
    /// A charset of the WHATWG's Encoding Standard.
    Standard(&'static Encoding),
    Ibm850,
}

/// The text of a file in one charset, without byte order marks.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) charset: Charset,
    pub(super) text: String,
}

/// The reason why a file is not text, or not text in its charset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) line: u64,
    pub(super) code: &'static str,
    pub(super) message: &'static str,
}

impl Unreadable {
    const fn new(line: u64, code: &'static str, message: &'static str) -> Self {
        Self { line, code, message }
    }
}

impl Charset {
    pub(super) const WINDOWS_1252: Self = Self::Standard(WINDOWS_1252);

    /// The charsets in which spreadsheets of Western Europe write, the most usual first.
    const WESTERN: [Self; 3] = [Self::WINDOWS_1252, Self::Standard(MACINTOSH), Self::Ibm850];

    /// Returns whether spreadsheets of Western Europe write in this charset.
    pub(super) fn is_western(self) -> bool {
        Self::WESTERN.contains(&self)
    }

    /// Guesses a charset that is not Western from the letters that are frequent in the languages of the world. With a few
    /// names, the guess is often wrong. Short Russian names seem Western, so Windows-1251 is the guess for a text that seems
    /// Western. If it is Western, that guess mixes scripts within words, and so does not compete. Spreadsheets write
    /// Windows-1250 rather than the similar ISO 8859-2.
    fn guess(bytes: &[u8]) -> Self {
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        detector.feed(bytes, true);
        match detector.guess(None, Utf8Detection::Deny) {
            guess if guess == ISO_8859_2 => Self::Standard(WINDOWS_1250),
            guess if Self::Standard(guess).is_western() => Self::Standard(WINDOWS_1251),
            guess => Self::Standard(guess),
        }
    }

    /// Returns the charset with this label, such as `utf-8` or `macintosh`.
    pub(in crate::http) fn for_label(label: &str) -> Option<Self> {
        let is_ibm850 = ["ibm850", "cp850", "850", "csibm850"].iter().any(|known| known.eq_ignore_ascii_case(label));
        if is_ibm850 {
            return Some(Self::Ibm850);
        }
        Encoding::for_label_no_replacement(label.as_bytes()).map(Self::Standard)
    }

    /// Returns the label that clients see.
    pub(super) fn label(self) -> String {
        match self {
            Self::Standard(encoding) => encoding.name().to_ascii_lowercase(),
            Self::Ibm850 => "ibm850".to_owned(),
        }
    }

    /// Returns the text, or the line of the first byte that is not valid.
    pub(super) fn decode(self, bytes: &[u8]) -> Result<String, u64> {
        let encoding = match self {
            Self::Standard(encoding) => encoding,
            Self::Ibm850 => {
                let high: Vec<char> = IBM850.chars().collect();
                let letter = |byte: &u8| match byte.checked_sub(0x80) {
                    Some(index) => high.get(usize::from(index)).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
                    None => char::from(*byte),
                };
                return Ok(bytes.iter().map(letter).collect());
            }
        };
        let mut decoder = encoding.new_decoder_without_bom_handling();
        let length = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len());
        let mut text = String::with_capacity(length);
        match decoder.decode_to_string_without_replacement(bytes, &mut text, true).0 {
            DecoderResult::InputEmpty => Ok(text),
            DecoderResult::OutputFull | DecoderResult::Malformed(..) => Err(line_at_end(&text)),
        }
    }
}

/// Returns the possible readings of a file, the most usual first. There is at least one. The last one may be a guess, in a
/// charset that is not Western. A `declared` charset decides.
///
/// # Errors
/// Returns the reason if the file is not text.
pub(super) fn readings(bytes: &[u8], declared: Option<Charset>) -> Result<Vec<Reading>, Unreadable> {
    if let Some(unreadable) = other_format(bytes) {
        return Err(unreadable);
    }
    let decode = |charset: Charset| match charset.decode(bytes) {
        Ok(text) => Ok(vec![Reading { charset, text: text.trim_start_matches(BYTE_ORDER_MARK).to_owned() }]),
        Err(line) if charset == Charset::Standard(UTF_8) => Err(not_utf_8(line)),
        Err(line) => {
            Err(Unreadable::new(line, "malformed_text", "The file is not in the charset that it should have."))
        }
    };
    let readings = match declared {
        // The label `utf-16` does not name the order of the bytes.
        Some(Charset::Standard(encoding)) if encoding == UTF_16LE && bytes.starts_with(b"\xfe\xff") => {
            decode(Charset::Standard(UTF_16BE))
        }
        Some(charset) => decode(charset),
        None => match unicode(bytes) {
            Some(encoding) => decode(Charset::Standard(encoding)),
            None if is_mostly_utf_8(bytes) => decode(Charset::Standard(UTF_8)),
            None => {
                // All bytes are valid in the Western charsets.
                let reading = |charset: Charset| Some(Reading { charset, text: charset.decode(bytes).ok()? });
                Ok(Charset::WESTERN.into_iter().chain([Charset::guess(bytes)]).filter_map(reading).collect())
            }
        },
    }?;
    for Reading { text, .. } in &readings {
        if text.contains('\0') {
            return Err(Unreadable::new(1, "binary", "This is not a text file. Save the table as CSV."));
        }
        if text.trim_start().starts_with('<') {
            return Err(Unreadable::new(1, "markup", "This is HTML or XML, not CSV. Save the table as CSV."));
        }
    }
    Ok(readings)
}

const fn not_utf_8(line: u64) -> Unreadable {
    let message =
        "This line has a byte that is not UTF-8, although other parts of the file are. Save the file as CSV UTF-8.";
    Unreadable::new(line, "not_utf8", message)
}

/// Recognizes files of other formats that people choose instead of a CSV file.
fn other_format(bytes: &[u8]) -> Option<Unreadable> {
    let contains = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        // A ZIP archive contains the names of its files uncompressed.
        return Some(if contains(b"xl/") || contains(b"[Content_Types].xml") {
            Unreadable::new(
                1,
                "workbook",
                "This is an Excel workbook (.xlsx), not CSV. Save it with the type CSV UTF-8.",
            )
        } else if contains(b"opendocument.spreadsheet") {
            Unreadable::new(1, "workbook", "This is a workbook (.ods), not CSV. Save it with the type CSV.")
        } else if contains(b"Index/") {
            Unreadable::new(1, "workbook", "This is a Numbers workbook, not CSV. Export it as CSV.")
        } else {
            Unreadable::new(1, "compressed", "This is a compressed archive (ZIP). Extract the CSV file from it.")
        });
    }
    if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        let message = "This is an old Excel workbook (.xls), not CSV. Save it with the type CSV.";
        return Some(Unreadable::new(1, "workbook", message));
    }
    if bytes.starts_with(b"\x1f\x8b") {
        return Some(Unreadable::new(
            1,
            "compressed",
            "This is a compressed file (gzip). Extract the CSV file from it.",
        ));
    }
    bytes.starts_with(b"%PDF").then_some(Unreadable::new(1, "binary", "This is a PDF file. Save the table as CSV."))
}

/// Returns the encoding of Unicode that the file is in, if it is in one.
fn unicode(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0xff, 0xfe, ..] => return Some(UTF_16LE),
        [0xfe, 0xff, ..] => return Some(UTF_16BE),
        [0xef, 0xbb, 0xbf, ..] => return Some(UTF_8),
        _ => {}
    }
    // In UTF-16, the high byte of separators, addresses and most letters is zero.
    let is_zero = |(_, byte): &(usize, &u8)| **byte == 0;
    let (even, odd): (Vec<_>, Vec<_>) = bytes.iter().enumerate().filter(is_zero).partition(|(index, _)| index % 2 == 0);
    let is_most = |zeros: usize, others: usize| zeros * 8 >= bytes.len().max(1) && others * 8 <= zeros;
    if is_most(odd.len(), even.len()) {
        Some(UTF_16LE)
    } else if is_most(even.len(), odd.len()) {
        Some(UTF_16BE)
    } else {
        std::str::from_utf8(bytes).is_ok().then_some(UTF_8)
    }
}

/// Returns whether a file that is not UTF-8 nevertheless contains at least as many characters of UTF-8 as errors. In other
/// charsets, the bytes of such characters stand next to each other only by accident, and then rarely mean a letter that
/// fits the letters around it.
fn is_mostly_utf_8(bytes: &[u8]) -> bool {
    let (mut characters, mut errors) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        let text: Vec<char> = chunk.valid().chars().collect();
        let is_foreign = |index: usize| text.get(index).is_some_and(|c| !c.is_ascii() && c.is_alphabetic());
        let is_evidence = |(index, c): (usize, &char)| match c {
            '\u{a0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' | '\u{2010}'..='\u{203a}' | '€' => true,
            c if c.is_ascii() => false,
            c => c.is_alphabetic() && (is_foreign(index + 1) || index.checked_sub(1).is_some_and(is_foreign)),
        };
        characters += text.iter().enumerate().filter(|item| is_evidence(*item)).count();
        errors += usize::from(!chunk.invalid().is_empty());
    }
    characters > 0 && characters >= errors
}

/// Returns the number of the line in which a text ends. Lines end with `\n`, `\r\n` or `\r`.
pub(super) fn line_at_end(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let after = bytes.iter().skip(1).map(Some).chain([None]);
    let ends = bytes.iter().zip(after).filter(|(byte, next)| match byte {
        b'\n' => true,
        b'\r' => *next != Some(&b'\n'),
        _ => false,
    });
    u64::try_from(ends.count() + 1).unwrap_or(u64::MAX)
}
