//! The people of the agency, in the order in which they were added. No email can receive mail (RFC 2606).

use portal::models::Language::{self, English, French};
use portal::models::Role::{self, Admin, Manager, PrimaryAdmin, Viewer};

use First::{Invitation, Password};

/// The agency's name.
pub(super) const NAME: &str = "Agence Lumière";

/// How a person gets the first password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// From the user who adds the person. It has to be changed at the first sign-in.
    Password,
    /// The person chooses it with a mailed link.
    Invitation,
}

/// A person. The fields are the first and the last name, the email, the first role, the language, the number of days since
/// the person was added, the user who added the person, the way to the first password, and, if the person signs in, the
/// number of days between two sign-ins and since the last one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) Role,
    pub(super) Language,
    pub(super) u32,
    pub(super) &'static str,
    pub(super) First,
    pub(super) Option<(u32, u32)>,
);

impl Person {
    /// The name by which the story refers to the person: the first part of the email.
    pub(super) fn key(&self) -> &'static str {
        self.2.split('@').next().unwrap_or_default()
    }
}

/// All people, also those who were removed. The first one is the primary admin, who was created with the agency.
#[rustfmt::skip]
pub(super) const PEOPLE: [Person; 44] = [
    Person("Camille", "Laurent", "camille@example.com", PrimaryAdmin, French, 371, "", Password, Some((3, 0))),
    Person("James", "Whitfield", "james@example.com", Admin, English, 370, "camille", Password, Some((3, 0))),
    Person("Gérard", "Blanchet", "gerard@example.org", Viewer, French, 366, "camille", Password, Some((3, 358))),
    Person("Élodie", "Marchand", "elodie@example.com", Admin, French, 364, "camille", Password, Some((4, 0))),
    Person("Antoine", "Mercier", "antoine@example.com", Viewer, French, 352, "camille", Invitation, Some((9, 196))),
    Person("Mateo", "Álvarez", "mateo@example.com", Manager, English, 340, "james", Invitation, Some((3, 0))),
    Person("Sophie", "Bertrand", "sophie@example.com", Manager, French, 338, "elodie", Invitation, Some((5, 1))),
    Person("Zoé", "Dubois", "zoe@example.com", Viewer, French, 331, "elodie", Invitation, Some((7, 0))),
    Person("Lucas", "Martin", "lucas@example.com", Viewer, French, 330, "elodie", Invitation, Some((8, 3))),
    Person("Amélie", "Rousseau", "amelie@example.com", Viewer, French, 322, "mateo", Password, Some((9, 2))),
    Person("Lucy", "Barnes", "lucy@example.com", Manager, English, 318, "james", Invitation, Some((6, 94))),
    Person("William", "Carter", "william@example.com", Viewer, English, 310, "lucy", Invitation, Some((10, 0))),
    Person("Oliver", "Hughes", "oliver@example.com", Manager, English, 301, "james", Invitation, Some((5, 1))),
    Person("Chloé", "Fontaine", "chloe@example.com", Viewer, French, 295, "sophie", Invitation, Some((7, 5))),
    Person("Inès", "Benali", "ines@example.com", Manager, French, 290, "camille", Invitation, Some((5, 0))),
    Person("Noah", "Bennett", "noah@example.com", Viewer, English, 281, "oliver", Password, Some((12, 8))),
    Person("Margaux", "Petit", "margaux@example.com", Viewer, French, 270, "sophie", Invitation, Some((9, 1))),
    Person("Thomas", "Lefèvre", "thomas@example.com", Manager, French, 260, "elodie", Invitation, Some((7, 127))),
    Person("François", "Chevalier", "francois@example.com", Manager, French, 255, "elodie", Invitation, Some((8, 46))),
    Person("Karim", "Haddad", "karim@example.com", Viewer, French, 251, "ines", Invitation, Some((14, 61))),
    Person("Emily", "Watson", "emily@example.com", Viewer, English, 240, "mateo", Invitation, Some((6, 0))),
    Person("Charlotte", "Evans", "charlotte@example.com", Manager, English, 233, "james", Invitation, Some((5, 2))),
    Person("Hugo", "Moreau", "hugo@example.com", Viewer, French, 228, "ines", Invitation, Some((8, 4))),
    Person("Aïcha", "Diallo", "aicha@example.com", Viewer, French, 219, "sophie", Invitation, Some((7, 0))),
    Person("Priya", "Nair", "priya@example.com", Manager, English, 214, "camille", Invitation, Some((4, 0))),
    Person("George", "Bailey", "george@example.com", Viewer, English, 205, "charlotte", Password, Some((10, 27))),
    Person("Yuki", "Tanaka", "yuki@example.com", Manager, English, 198, "james", Invitation, Some((5, 1))),
    Person("Manon", "Leclerc", "manon@example.com", Viewer, French, 190, "ines", Invitation, Some((13, 19))),
    Person("Benoît", "Girard", "benoit@example.com", Manager, French, 176, "elodie", Invitation, Some((6, 66))),
    Person("Sean", "Murphy", "sean@example.com", Viewer, English, 173, "oliver", Invitation, Some((9, 6))),
    Person("Nathalie", "Renaud", "nathalie@example.org", Viewer, French, 160, "sophie", Invitation, Some((15, 121))),
    Person("Jules", "Perrin", "jules@example.com", Viewer, French, 150, "ines", Password, Some((4, 10))),
    Person("Kofi", "Mensah", "kofi@example.com", Viewer, English, 148, "mateo", Invitation, Some((7, 2))),
    Person("Alice", "Carpentier", "alice@example.com", Viewer, French, 133, "sophie", Invitation, Some((9, 0))),
    Person("Hannah", "O’Connor", "hannah@example.com", Manager, English, 120, "priya", Invitation, Some((5, 1))),
    Person("Daniel", "Schmidt", "daniel@example.org", Viewer, English, 117, "charlotte", Invitation, Some((8, 100))),
    Person("Léa", "Fournier", "lea@example.com", Viewer, French, 96, "ines", Invitation, Some((6, 3))),
    Person("Grace", "Thompson", "grace@example.com", Viewer, English, 82, "hannah", Invitation, Some((8, 9))),
    Person("Raphaël", "Dumas", "raphael@example.com", Viewer, French, 75, "sophie", Invitation, Some((4, 0))),
    Person("Anaïs", "Colin", "anais@example.com", Viewer, French, 40, "ines", Password, None),
    Person("Rachel", "Osei", "rachel@example.com", Viewer, English, 26, "elodie", Invitation, None),
    Person("Théo", "Lambert", "theo@example.com", Viewer, French, 5, "sophie", Invitation, None),
    Person("Samuel", "Brooks", "samuel@example.com", Manager, English, 2, "james", Password, None),
    Person("Isabelle", "Roy", "isabelle@example.com", Viewer, French, 1, "elodie", Invitation, None),
];
