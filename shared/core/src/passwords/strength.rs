//! Estimates how many guesses a program needs for a password.
//!
//! The password is divided into tokens: known words, years, keyboard runs, copies of earlier letters, and single letters.
//! Each token has a cost, which is twice the binary logarithm of its guesses. The cheapest division counts.
//!
//! zxcvbn works in a similar way, but it adds at least 10,000 guesses for each further token. `Password2026!!!!` has three
//! tokens, so it was accepted with any dictionary.

use std::sync::LazyLock;

use crate::models::fold;

/// The minimum cost of an accepted password: 2^33 guesses. One or two common words with a year and symbols cost less, four
/// random words and 15 random letters cost more.
const MIN_COST: u32 = 66;
/// The maximum number of letters that are estimated. A letter can become several when it is folded.
const MAX_ESTIMATED: usize = 128;
/// The cost of a letter that belongs to no word, and of a rare symbol.
const LETTER: u32 = 7;
/// The cost of a digit that occurred before.
const REPEATED_DIGIT: u32 = 5;
/// The cost of a frequent symbol.
const FREQUENT_SYMBOL: u32 = 4;
/// The cost of a symbol that occurred before.
const REPEATED_SYMBOL: u32 = 2;
/// The cost of a year of this century or the last one.
const YEAR: u32 = 10;
/// The cost of a run on a keyboard or in the alphabet.
const RUN: u32 = 9;
/// The cost of words that follow each other.
const SEQUENCE: u32 = 18;
/// The cost of more occurrences of one character.
const SAME_CHARACTER: u32 = 3;
/// The cost of a copy of the letters just before it.
const NEXT_COPY: u32 = 4;
/// The cost of another copy of earlier letters, and of a reversed copy.
const COPY: u32 = 8;
/// The cost of a word that an attacker knows about the user.
const KNOWN_WORD: u32 = 4;
/// The additional cost of a reversed word.
const REVERSED: u32 = 2;
/// The additional cost of a symbol between two letters of a word.
const SYMBOL_INSIDE: u32 = 4;
/// The minimum number of letters of a run and of most copies.
const MIN_RUN: usize = 3;
/// The minimum number of letters of a reversed word.
const MIN_REVERSED: usize = 4;
/// The minimum number of letters of a word that an attacker knows about the user.
const MIN_KNOWN: usize = 3;
/// The minimum length of a name or a local part that a password must not contain.
const MIN_FORBIDDEN: usize = 4;

const FREQUENT_SYMBOLS: &str = "!@#$*.-_ ?&+";

/// The alphabet, the digits and the keys of keyboards with QWERTY, AZERTY and QWERTZ: by row, by column, and alternating
/// between two rows.
const RUNS: [&str; 13] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "qwertzuiopasdfghjklyxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1aqw2zsx3edc4rfv5tgb6yhn7uj8ik9ol0pm",
    "1q2w3e4r5t6y7u8i9o0p",
    "1a2z3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "a1z2e3r4t5y6u7i8o9p0",
    "!@#$%^&*()_+",
    "&e\"'(-e_ca)=",
];

/// Words that follow each other.
const SEQUENCES: [&str; 7] = [
    "monday tuesday wednesday thursday friday saturday sunday",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "january february march april may june july august september october november december",
    "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
    "one two three four five six seven eight nine ten",
    "un deux trois quatre cinq six sept huit neuf dix",
    "liberte egalite fraternite",
];

/// Words and beginnings of sentences that are frequent in passwords, but not in the lists that `WORDS` comes from. The lines are
/// like its lines.
const MORE_WORDS: [&str; 17] = [
    "administratrice 20",
    "alhamdulillah 20",
    "authentification 20",
    "collaborateur 20",
    "facturation 20",
    "hamdoulilah 20",
    "hamdoulillah 20",
    "identifiant 20",
    "identifiants 20",
    "ilove 16",
    "ilovemy 18",
    "iloveyou 16",
    "jadore 18",
    "jaime 16",
    "jaimema 18",
    "jaimemon 18",
    "jetaime 16",
];

/// Lines of a word and its cost, sorted. `words/README.md` describes their sources.
static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("../../words/words.txt").lines().collect());

/// A password without case and accents.
pub(super) struct Text {
    letters: Vec<char>,
    /// Whether a word of the password can begin or end before this letter. The last item is the end of the password.
    boundaries: Vec<bool>,
}

impl Text {
    pub(super) fn new(password: &str) -> Self {
        let (mut letters, mut boundaries) = (Vec::new(), Vec::new());
        let (mut last, mut is_boundary) = (None, true);
        for character in password.chars() {
            is_boundary |= last.is_none_or(|last| is_boundary_between(last, character));
            for letter in fold(&character.to_string()).chars() {
                letters.push(letter);
                boundaries.push(is_boundary);
                is_boundary = false;
            }
            last = Some(character);
        }
        letters.truncate(MAX_ESTIMATED);
        boundaries.truncate(MAX_ESTIMATED);
        boundaries.push(true);
        Self { letters, boundaries }
    }

    /// Returns whether the password contains this text, not as a part of a longer word. Case, accents, substitutions like
    /// 0 for o, and symbols in between make no difference. Texts with less than four letters and digits do not count,
    /// because they occur in good passwords by chance.
    pub(super) fn contains(&self, word: &str) -> bool {
        let word = plain(word);
        if word.chars().count() < MIN_FORBIDDEN {
            return false;
        }
        let line = format!("{word} 0");
        let is_boundary = |at: usize| self.boundaries.get(at).copied().unwrap_or_default();
        (0..self.letters.len()).filter(|start| is_boundary(*start)).any(|start| {
            let mut is_found = false;
            find(&self.letters, start, &[&line], &mut |end, _| is_found |= is_boundary(end));
            is_found
        })
    }

    /// Returns whether a program would guess the password. `known` are texts that an attacker knows about the user; all of
    /// their words are easy to guess.
    pub(super) fn is_guessable(&self, known: &[&str]) -> bool {
        self.cost(known) < MIN_COST
    }

    fn cost(&self, known: &[&str]) -> u32 {
        let words = known.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
        let words = known.iter().copied().chain(words).map(plain).filter(|word| word.chars().count() >= MIN_KNOWN);
        let mut lines: Vec<String> = words.map(|word| format!("{word} {KNOWN_WORD}")).collect();
        lines.sort_unstable();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();

        let mut tokens = Tokens::new(self.letters.len());
        self.add_words(&WORDS, &mut tokens);
        self.add_words(&MORE_WORDS, &mut tokens);
        self.add_words(&lines, &mut tokens);
        self.add_sequences(&mut tokens);
        self.add_runs(&mut tokens);
        self.add_copies(&mut tokens);
        for start in 0..self.letters.len() {
            tokens.add(start, 1, self.single(start));
            if self.is_year(start) {
                tokens.add(start, 4, YEAR);
            }
        }
        tokens.cheapest()
    }

    fn from(&self, start: usize) -> &[char] {
        self.letters.get(start..).unwrap_or_default()
    }

    fn until(&self, end: usize) -> &[char] {
        self.letters.get(..end).unwrap_or_default()
    }

    fn add_words(&self, words: &[&str], tokens: &mut Tokens) {
        let reversed: Vec<char> = self.letters.iter().rev().copied().collect();
        for start in 0..reversed.len() {
            find(&self.letters, start, words, &mut |end, cost| tokens.add(start, end - start, cost));
            find(&reversed, start, words, &mut |end, cost| {
                if end - start >= MIN_REVERSED {
                    tokens.add(reversed.len() - end, end - start, cost + REVERSED);
                }
            });
        }
    }

    fn add_runs(&self, tokens: &mut Tokens) {
        let runs = RUNS.map(|run| run.chars().collect::<Vec<char>>());
        for start in 0..self.letters.len() {
            for run in &runs {
                for at in 0..run.len() {
                    let (before, after) = run.split_at(at);
                    let up = shared(self.from(start), after.iter());
                    let down = shared(self.from(start), before.iter().rev());
                    for length in MIN_RUN..=up.max(down) {
                        tokens.add(start, length, RUN);
                    }
                }
            }
        }
    }

    fn add_sequences(&self, tokens: &mut Tokens) {
        for sequence in SEQUENCES {
            let words: Vec<&str> = sequence.split(' ').collect();
            for (start, first) in (0..self.letters.len()).flat_map(|start| (0..words.len()).map(move |at| (start, at)))
            {
                let mut end = start;
                for (number, word) in words.iter().skip(first).enumerate() {
                    if number > 0 {
                        end += self.from(end).iter().take_while(|letter| !letter.is_alphanumeric()).count();
                    }
                    if !self.from(end).iter().copied().take(word.len()).eq(word.chars()) {
                        break;
                    }
                    end += word.len();
                    if number > 0 {
                        tokens.add(start, end - start, SEQUENCE);
                    }
                }
            }
        }
    }

    fn add_copies(&self, tokens: &mut Tokens) {
        for start in 0..self.letters.len() {
            for before in 0..start {
                let distance = start - before;
                let least = if distance == 1 { 2 } else { MIN_RUN };
                for length in least..=shared(self.from(start), self.from(before).iter()) {
                    let cost = match distance {
                        1 => SAME_CHARACTER,
                        distance if distance <= length => NEXT_COPY,
                        _ => COPY,
                    };
                    tokens.add(start, length, cost);
                }
                for length in MIN_RUN..=shared(self.from(start), self.until(before + 1).iter().rev()) {
                    tokens.add(start, length, COPY);
                }
            }
        }
    }

    fn single(&self, at: usize) -> u32 {
        let Some(letter) = self.letters.get(at) else { return 0 };
        let is_repeated = self.until(at).contains(letter);
        match letter {
            letter if letter.is_alphabetic() => LETTER,
            letter if letter.is_numeric() => {
                if is_repeated {
                    REPEATED_DIGIT
                } else {
                    LETTER
                }
            }
            _ if is_repeated => REPEATED_SYMBOL,
            letter if FREQUENT_SYMBOLS.contains(*letter) => FREQUENT_SYMBOL,
            _ => LETTER,
        }
    }

    fn is_year(&self, start: usize) -> bool {
        matches!(self.from(start), ['1', '9', decade, year, ..] | ['2', '0', decade, year, ..]
            if decade.is_ascii_digit() && year.is_ascii_digit())
    }
}

/// The cheapest token for each start and end.
struct Tokens(Vec<Vec<u32>>);

impl Tokens {
    fn new(length: usize) -> Self {
        Self(vec![vec![u32::MAX; length + 1]; length])
    }

    fn add(&mut self, start: usize, length: usize, cost: u32) {
        if let Some(known) = self.0.get_mut(start).and_then(|ends| ends.get_mut(start + length)) {
            *known = cost.min(*known);
        }
    }

    /// Returns the cost of the cheapest sequence of tokens from the first letter to the last one.
    fn cheapest(&self) -> u32 {
        let mut costs = vec![0_u32];
        for end in 1..=self.0.len() {
            // There is a cost for each earlier start.
            let totals =
                costs.iter().zip(&self.0).filter_map(|(cost, ends)| Some(cost.saturating_add(*ends.get(end)?)));
            costs.push(totals.min().unwrap_or(u32::MAX));
        }
        costs.pop().unwrap_or_default()
    }
}

/// Calls `found` with the end and the cost of every word that begins at `start`. `words` are sorted lines of a word and its
/// cost. Returns the number of steps that this took.
fn find(letters: &[char], start: usize, words: &[&str], found: &mut impl FnMut(usize, u32)) -> usize {
    let mut search = Search { letters, found, steps: 0 };
    search.walk(words, Step { at: start, length: 0, cost: 0, has_own: false });
    search.steps
}

struct Search<'a, F> {
    letters: &'a [char],
    found: &'a mut F,
    steps: usize,
}

/// The state of a search: the words begin with the letters so far.
#[derive(Clone, Copy)]
struct Step {
    /// The next letter of the password.
    at: usize,
    /// The length of the words' common beginning in bytes.
    length: usize,
    /// The cost of substitutions and of symbols in between.
    cost: u32,
    /// Whether one of the letters is not substituted. Digits alone are no word of letters.
    has_own: bool,
}

impl<F: FnMut(usize, u32)> Search<'_, F> {
    fn walk(&mut self, words: &[&str], step: Step) {
        self.steps += 1;
        let Some(&letter) = self.letters.get(step.at) else { return };
        let next = Step { at: step.at + 1, ..step };
        if letter.is_alphanumeric() {
            self.follow(words, letter, Step { has_own: true, ..next });
        } else if step.length > 0 {
            self.walk(words, Step { cost: step.cost + SYMBOL_INSIDE, ..next });
        }
        for substituted in substituted_by(letter).chars() {
            self.follow(words, substituted, Step { cost: step.cost + 1, ..next });
        }
    }

    /// Continues with the words whose next letter is this one.
    fn follow(&mut self, words: &[&str], letter: char, step: Step) {
        let mut bytes = [0; 4];
        let letter: &str = letter.encode_utf8(&mut bytes);
        let words = words.get(words.partition_point(|word| after(word, step.length) < letter)..).unwrap_or_default();
        let end = words.partition_point(|word| after(word, step.length).starts_with(letter));
        let words = words.get(..end).unwrap_or_default();
        let step = Step { length: step.length + letter.len(), ..step };
        let Some(first) = words.first() else { return };
        // The shortest word is the first one.
        let cost = after(first, step.length).strip_prefix(' ').and_then(|cost| cost.parse::<u32>().ok());
        if let Some(cost) = cost.filter(|_| step.has_own) {
            (self.found)(step.at, cost + step.cost);
        }
        self.walk(words, step);
    }
}

fn after(word: &str, length: usize) -> &str {
    word.get(length..).unwrap_or_default()
}

/// Returns the letters that users replace by this character.
const fn substituted_by(character: char) -> &'static str {
    match character {
        '0' => "o",
        '1' | '!' | '|' => "il",
        '2' => "z",
        '3' | '€' => "e",
        '4' | '@' => "a",
        '5' | '$' => "s",
        '6' | '9' => "g",
        '7' | '+' => "t",
        '8' => "b",
        '(' => "c",
        _ => "",
    }
}

/// Returns the number of letters that both begin with.
fn shared<'a>(letters: &[char], others: impl Iterator<Item = &'a char>) -> usize {
    letters.iter().zip(others).take_while(|(letter, other)| letter == other).count()
}

/// Returns the letters and digits, folded.
fn plain(text: &str) -> String {
    fold(text).chars().filter(|letter| letter.is_alphanumeric()).collect()
}

/// Whether a word can end with `last`, and another one can begin with `next`.
fn is_boundary_between(last: char, next: char) -> bool {
    match (last, next) {
        _ if last.is_alphabetic() && next.is_alphabetic() => last.is_lowercase() && next.is_uppercase(),
        _ => !(last.is_numeric() && next.is_numeric()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cost(password: &str) -> u32 {
        Text::new(password).cost(&["Kervella Conseil"])
    }

    #[test]
    fn the_words_are_sorted_and_have_costs() {
        assert!(WORDS.is_sorted());
        assert!(MORE_WORDS.is_sorted());
        for line in WORDS.iter() {
            let (word, cost) = line.split_once(' ').unwrap();
            assert!(word.len() > 1 && word.bytes().all(|letter| letter.is_ascii_lowercase()), "{line}");
            assert!((2..=30).contains(&cost.parse::<u32>().unwrap()), "{line}");
        }
    }

    #[test]
    fn each_kind_of_token_has_its_cost() {
        for (password, expected) in [
            ("", 0),
            ("x", LETTER),
            ("7", LETTER),
            ("7x7", LETTER + LETTER + REPEATED_DIGIT),
            ("§", LETTER),
            ("!", FREQUENT_SYMBOL),
            ("!x!", FREQUENT_SYMBOL + LETTER + REPEATED_SYMBOL),
            ("1987", YEAR),
            ("2026", YEAR),
            ("2126", 3 * LETTER + REPEATED_DIGIT),
            ("hjk", RUN),
            ("7654321", RUN),
            ("azertyuiopqsdfghjklm", RUN),
            ("mlkjhgfdsq", RUN),
            ("zaq1", RUN),
            ("xxxxxx", LETTER + SAME_CHARACTER),
            ("xqxqxq", 2 * LETTER + NEXT_COPY),
            ("xqvwpxqv", 5 * LETTER + COPY),
            ("xqvwpvqx", 5 * LETTER + COPY),
            ("mondaytuesdaywednesday", SEQUENCE),
            ("Mardi-Mercredi-Jeudi", SEQUENCE),
            ("onetwothree", SEQUENCE),
            ("kervella", KNOWN_WORD),
            ("KERVELLA", KNOWN_WORD),
            ("conseil", KNOWN_WORD),
            ("Kervella Conseil", KNOWN_WORD + SYMBOL_INSIDE),
            ("allevrek", KNOWN_WORD + REVERSED),
            ("k€rv3ll@", KNOWN_WORD + 3),
            ("k-ervella", KNOWN_WORD + SYMBOL_INSIDE),
        ] {
            assert_eq!(cost(password), expected, "{password}");
        }
    }

    #[test]
    fn a_word_of_the_list_costs_as_much_as_its_line_says() {
        for line in ["motdepasse 18", "licorne 21"] {
            assert!(WORDS.contains(&line), "{line}");
        }
        assert_eq!((cost("motdepasse"), cost("Licorne"), cost("m0td3passe")), (18, 21, 20));
    }

    #[test]
    fn sequences_of_words_and_frequent_sentences_are_guessable() {
        for password in [
            "ilovemydog2026!!",
            "I love my dog!!!",
            "j'aime mon chien",
            "lundi mardi mercredi",
            "OneTwoThree2026",
            "Liberté, égalité, fraternité",
            "Identifiant2026!",
            "Identifiants1234",
            "authentification2026",
            "Administratrice1",
            "Collaborateur2026",
            "Facturation2026!",
            "Alhamdulillah123",
            "Hamdoulilah2026!",
        ] {
            assert!(Text::new(password).is_guessable(&[]), "{password} costs {}", cost(password));
        }
    }

    #[test]
    fn digits_alone_are_no_word() {
        assert_eq!(cost("50131"), 4 * LETTER + REPEATED_DIGIT, "not soleil");
    }

    #[test]
    fn the_work_for_the_longest_password_is_limited() {
        for pattern in
            ["4@8({[<369&#!1/|0$5+7%2", "4({60!1$7%2", "@8[<3&#|5+z", "!1|", "1l!i", "p4$$w0rd", "password", "李é👩"]
        {
            let letters: Vec<char> = pattern.chars().cycle().take(MAX_ESTIMATED).collect();
            let steps = |start| find(&letters, start, &WORDS, &mut |_, _| {});
            let all: usize = (0..letters.len()).map(steps).sum();
            assert!(all < 200_000, "{pattern}: {all} steps");
        }
    }

    #[test]
    fn a_letter_that_becomes_many_does_not_lengthen_the_estimate() {
        assert_eq!(Text::new(&"\u{FDFA}".repeat(128)).letters.len(), MAX_ESTIMATED);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_has_a_cost(password in ".{0,128}", known in ".{0,40}") {
            let text = Text::new(&password);
            prop_assert!(text.cost(&[&known]) <= LETTER * u32::try_from(text.letters.len()).unwrap());
            prop_assert_eq!(text.boundaries.len(), text.letters.len() + 1);
            text.contains(&known);
        }

        #[test]
        fn case_and_accents_make_no_difference(password in "[a-zA-Zéàç0-9!@]{0,30}") {
            prop_assert_eq!(cost(&password), cost(&fold(&password)));
        }
    }
}
