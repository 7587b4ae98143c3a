//! A password that its user did not choose.

use super::Password;

/// A password that another user or an operator gave to a user, or that was generated because none was given.
#[derive(Debug)]
pub struct Issued {
    password: Password,
    is_generated: bool,
}

impl Issued {
    /// Returns the `given` password, or generates one from the `random` bytes.
    pub fn given_or_generated(given: Option<Password>, random: &[u8; 32]) -> Self {
        let is_generated = given.is_none();
        Self { password: given.unwrap_or_else(|| Password::generate(random)), is_generated }
    }

    /// Returns the password.
    pub fn password(&self) -> &Password {
        &self.password
    }

    /// Returns the text of a generated password, for the only response that shows it. Returns `None` for a given
    /// password.
    pub fn generated(&self) -> Option<&str> {
        self.is_generated.then(|| self.password.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_generated_password_is_shown() {
        let generated = Issued::given_or_generated(None, &[1; 32]);
        assert_eq!(generated.generated(), Some("bbbb-bbbb-bbbb-bbbb-bbbb"));
        assert_eq!(generated.password().expose(), "bbbb-bbbb-bbbb-bbbb-bbbb");

        let chosen = Password::parse("correct horse battery").unwrap();
        let given = Issued::given_or_generated(Some(chosen), &[1; 32]);
        assert_eq!(given.generated(), None);
        assert_eq!(given.password().expose(), "correct horse battery");
    }

    #[test]
    fn debug_hides_it() {
        let debug = format!("{:?}", Issued::given_or_generated(None, &[1; 32]));
        assert!(!debug.contains("bbbb"), "{debug}");
    }
}
