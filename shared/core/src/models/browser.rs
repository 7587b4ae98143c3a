//! Short names for clients, from the `User-Agent` header.

/// The words by which browsers and programs identify themselves, and their names. The first word that is found counts,
/// so Chrome and Safari come last: most other browsers claim to be one of them too.
const CLIENTS: [(&str, &str); 31] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    // Edge before it became a Chrome.
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    // Apps that show pages: Apple's browser engine with the system's build, without the browser's name.
    ("Mobile/", "An app"),
    ("WindowsPowerShell/", "PowerShell"),
    ("PowerShell/", "PowerShell"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("PostmanRuntime/", "Postman"),
    ("insomnia/", "Insomnia"),
    ("python-", "Python"),
    ("Python", "Python"),
    ("okhttp/", "OkHttp"),
    ("Go-http-client/", "Go"),
    ("axios/", "Node.js"),
    ("undici", "Node.js"),
    ("node", "Node.js"),
    ("Java/", "Java"),
    ("Java-http-client/", "Java"),
];

/// The words for operating systems, and their names. The first word that is found counts: an iPhone also claims to be
/// "like Mac OS X", and Android and Chrome OS are Linux.
const SYSTEMS: [(&str, &str); 9] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("Tizen", "Tizen"),
    ("Linux", "Linux"),
];

/// Returns a short name such as "Firefox on Windows" or "curl", or `None` for an unknown client.
pub fn browser(user_agent: &str) -> Option<String> {
    let client = named(&CLIENTS, user_agent)?;
    Some(match named(&SYSTEMS, user_agent) {
        Some(system) => format!("{client} on {system}"),
        None => client.to_owned(),
    })
}

/// Returns the name for the first of the `known` words that occurs at the start of a word.
fn named(known: &[(&str, &'static str)], user_agent: &str) -> Option<&'static str> {
    let begins_word = |at: usize| {
        let before = user_agent.get(..at).and_then(|text| text.chars().next_back());
        before.is_none_or(|before| !before.is_ascii_alphanumeric())
    };
    let is_there = |word: &str| user_agent.match_indices(word).any(|(at, _)| begins_word(at));
    known.iter().find(|(word, _)| is_there(word)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_browser_is_recognized_even_if_it_claims_to_be_others() {
        for (user_agent, expected) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Windows"),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                "Chrome on ChromeOS",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 OPR/110.0.0.0",
                "Opera on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.0.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPad",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/70.0.3538.102 Safari/537.36 Edge/18.19582",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
                "An app on iPad",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/20A362 [FBAN/FBIOS;FBAV/380.0]",
                "An app on iPhone",
            ),
            (
                "Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) Version/7.0 TV Safari/537.36",
                "Safari on Tizen",
            ),
            ("Mozilla/5.0 (Windows NT; Windows NT 10.0; en-GB) WindowsPowerShell/5.1.22621", "PowerShell on Windows"),
            ("Mozilla/5.0 (Linux; Ubuntu 22.04; en-US) PowerShell/7.4.2", "PowerShell on Linux"),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
                "Chrome on Linux",
            ),
        ] {
            assert_eq!(browser(user_agent).as_deref(), Some(expected), "{user_agent}");
        }
    }

    #[test]
    fn a_program_that_sends_no_system_is_named_without_one() {
        for (user_agent, expected) in [
            ("curl/8.5.0", "curl"),
            ("Wget/1.21.4", "Wget"),
            ("python-requests/2.32.3", "Python"),
            ("Python-urllib/3.11", "Python"),
            ("Python/3.12 aiohttp/3.9.5", "Python"),
            ("PostmanRuntime/7.39.0", "Postman"),
            ("axios/1.6.8", "Node.js"),
            ("node", "Node.js"),
            ("undici", "Node.js"),
            ("Java/17.0.11", "Java"),
            ("Java-http-client/21.0.3", "Java"),
        ] {
            assert_eq!(browser(user_agent).as_deref(), Some(expected));
        }
    }

    #[test]
    fn an_unknown_client_has_no_name() {
        for user_agent in
            ["", "agent", "Mozilla/5.0", "Mozilla/5.0 (Windows NT 10.0)", "NotChrome/1", "libcurl/8", "curl"]
        {
            assert_eq!(browser(user_agent), None, "{user_agent}");
        }
    }

    proptest! {
        #[test]
        fn a_name_has_only_words_from_the_lists(user_agent in ".*(curl/|Edg/|Android)?.*") {
            if let Some(words) = browser(&user_agent) {
                let (client, system) = words.split_once(" on ").map_or((&*words, None), |(client, system)| (client, Some(system)));
                prop_assert!(CLIENTS.iter().any(|(_, name)| *name == client));
                prop_assert!(system.is_none_or(|system| SYSTEMS.iter().any(|(_, name)| *name == system)));
            }
        }
    }
}
