//! What happened at the agency, except for its ordinary sign-ins.

use portal::models::Decision::{self, Keep, Reduce, Remove, Suspend};
use portal::models::{Role, SecondFactor};

use Act::{
    AddsFactor, Bounces, ChangesPassword, EndsSessions, GetsHistory, GetsRole, IsInvited, IsReactivated, IsRefused,
    IsRemoved, IsSuspended, Renames, ResetsFactors, ResetsPassword, Reviews, SetsEmail, SetsPassword, SignsOut,
};

/// A day as a number of days before today, a time of this day as hours and minutes, the actor, the person that it
/// concerns, and the act. Acts of today are this long before the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step(
    pub(super) u32,
    pub(super) (u32, u32),
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) Act,
);

#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    IsAdded,
    /// An invited person accepts the invitation first, and an initial password is changed.
    SignsIn,
    SignsOut,
    /// A stranger enters a wrong password for the person.
    IsRefused,
    /// Gives the person this last name.
    Renames(&'static str),
    SetsEmail(&'static str),
    /// Gives the person this role with its default permissions.
    GetsRole(Role),
    /// Adds the permission to read the history.
    GetsHistory,
    /// Reduces the access by one step, as a review does.
    IsReduced,
    /// Suspends the person for this reason.
    IsSuspended(&'static str),
    /// Reactivates the person for this reason.
    IsReactivated(&'static str),
    IsRemoved,
    EndsSessions,
    SetsPassword,
    ChangesPassword,
    /// Chooses a new password with a mailed link.
    ResetsPassword,
    AddsFactor(SecondFactor),
    ResetsFactors,
    /// Sends another invitation.
    IsInvited,
    /// Mail to the person is rejected.
    Bounces,
    /// Decides in an access review. The note can be empty.
    Reviews(Decision, &'static str),
}

pub(super) const STORY: &[Step] = &[
    Step(369, (10, 20), "james", "james", AddsFactor(SecondFactor::Passkey)),
    Step(300, (17, 45), "elodie", "elodie", AddsFactor(SecondFactor::Totp)),
    Step(248, (11, 5), "camille", "chloe", GetsRole(Role::Manager)),
    Step(240, (18, 10), "sophie", "sophie", AddsFactor(SecondFactor::Totp)),
    Step(212, (18, 5), "priya", "priya", AddsFactor(SecondFactor::Totp)),
    Step(210, (14, 30), "camille", "ines", GetsHistory),
    Step(205, (16, 15), "sophie", "lucas", SetsEmail("lucas.martin@example.com")),
    Step(200, (18, 20), "oliver", "oliver", AddsFactor(SecondFactor::Totp)),
    Step(190, (18, 30), "yuki", "yuki", AddsFactor(SecondFactor::Passkey)),
    // The first access review, of everyone.
    Step(185, (14, 1), "james", "camille", Reviews(Keep, "")),
    Step(185, (14, 2), "james", "elodie", Reviews(Keep, "")),
    Step(185, (14, 3), "james", "gerard", Reviews(Keep, "Our accountant, once a year")),
    Step(185, (14, 4), "james", "antoine", Reviews(Remove, "Left the agency")),
    Step(185, (14, 5), "james", "mateo", Reviews(Keep, "")),
    Step(185, (14, 6), "james", "sophie", Reviews(Keep, "")),
    Step(185, (14, 7), "james", "zoe", Reviews(Keep, "")),
    Step(185, (14, 8), "james", "lucas", Reviews(Keep, "")),
    Step(185, (14, 9), "james", "amelie", Reviews(Keep, "")),
    Step(185, (14, 10), "james", "lucy", Reviews(Keep, "")),
    Step(185, (14, 11), "james", "william", Reviews(Keep, "")),
    Step(185, (14, 12), "james", "oliver", Reviews(Keep, "")),
    Step(185, (14, 14), "james", "chloe", Reviews(Reduce, "No longer adds users")),
    Step(185, (14, 15), "james", "ines", Reviews(Keep, "Needs the history for reports")),
    Step(185, (14, 16), "james", "noah", Reviews(Keep, "")),
    Step(185, (14, 17), "james", "margaux", Reviews(Keep, "")),
    Step(185, (14, 18), "james", "thomas", Reviews(Keep, "")),
    Step(185, (14, 19), "james", "francois", Reviews(Keep, "")),
    Step(185, (14, 20), "james", "karim", Reviews(Keep, "")),
    Step(185, (14, 21), "james", "emily", Reviews(Keep, "")),
    Step(185, (14, 22), "james", "charlotte", Reviews(Keep, "")),
    Step(185, (14, 23), "james", "hugo", Reviews(Keep, "")),
    Step(185, (14, 24), "james", "aicha", Reviews(Keep, "")),
    Step(185, (14, 25), "james", "priya", Reviews(Keep, "")),
    Step(185, (14, 26), "james", "george", Reviews(Keep, "")),
    Step(158, (10, 40), "camille", "priya", GetsRole(Role::Admin)),
    Step(150, (17, 50), "hugo", "hugo", AddsFactor(SecondFactor::Totp)),
    Step(141, (9, 25), "sophie", "margaux", Renames("Petit-Roy")),
    Step(130, (17, 55), "elodie", "amelie", IsSuspended("Congé sabbatique")),
    Step(118, (8, 45), "hugo", "hugo", ChangesPassword),
    // The second access review, of some users.
    Step(94, (15, 31), "elodie", "james", Reviews(Keep, "")),
    Step(94, (15, 32), "elodie", "mateo", Reviews(Keep, "")),
    Step(94, (15, 33), "elodie", "sophie", Reviews(Keep, "")),
    Step(94, (15, 34), "elodie", "priya", Reviews(Keep, "Administre aussi les comptes de Londres")),
    Step(94, (15, 35), "elodie", "charlotte", Reviews(Keep, "")),
    Step(94, (15, 36), "elodie", "thomas", Reviews(Keep, "Revient le mois prochain")),
    Step(94, (15, 37), "elodie", "yuki", Reviews(Keep, "")),
    Step(94, (15, 38), "elodie", "benoit", Reviews(Keep, "")),
    Step(94, (15, 39), "elodie", "hannah", Reviews(Keep, "")),
    Step(94, (15, 40), "elodie", "alice", Reviews(Keep, "")),
    Step(94, (15, 41), "elodie", "kofi", Reviews(Keep, "")),
    Step(94, (15, 42), "elodie", "zoe", Reviews(Keep, "")),
    Step(94, (15, 43), "elodie", "lucas", Reviews(Keep, "")),
    Step(94, (15, 44), "elodie", "gerard", Reviews(Keep, "Comptes annuels")),
    Step(93, (17, 10), "james", "lucy", EndsSessions),
    Step(92, (10, 5), "camille", "lucy", IsRemoved),
    Step(87, (18, 15), "emily", "emily", AddsFactor(SecondFactor::Passkey)),
    Step(64, (18, 5), "elodie", "benoit", IsSuspended("Congé parental")),
    Step(60, (18, 25), "kofi", "kofi", AddsFactor(SecondFactor::Totp)),
    Step(57, (9, 35), "priya", "oliver", ResetsFactors),
    Step(52, (11, 15), "elodie", "raphael", GetsRole(Role::Manager)),
    Step(41, (9, 5), "elodie", "amelie", IsReactivated("De retour de congé")),
    // The third access review, of most users.
    Step(27, (10, 31), "camille", "james", Reviews(Keep, "")),
    Step(27, (10, 32), "camille", "elodie", Reviews(Keep, "")),
    Step(27, (10, 33), "camille", "priya", Reviews(Keep, "")),
    Step(27, (10, 34), "camille", "mateo", Reviews(Keep, "")),
    Step(27, (10, 35), "camille", "oliver", Reviews(Keep, "")),
    Step(27, (10, 36), "camille", "ines", Reviews(Keep, "Rapports mensuels")),
    Step(27, (10, 37), "camille", "charlotte", Reviews(Keep, "")),
    Step(27, (10, 38), "camille", "yuki", Reviews(Keep, "")),
    Step(27, (10, 39), "camille", "francois", Reviews(Reduce, "Ne gère plus d’équipe")),
    Step(27, (10, 40), "camille", "amelie", Reviews(Keep, "")),
    Step(27, (10, 41), "camille", "william", Reviews(Keep, "")),
    Step(27, (10, 42), "camille", "chloe", Reviews(Keep, "")),
    Step(27, (10, 43), "camille", "noah", Reviews(Keep, "")),
    Step(27, (10, 44), "camille", "emily", Reviews(Keep, "")),
    Step(27, (10, 45), "camille", "hugo", Reviews(Keep, "")),
    Step(27, (10, 46), "camille", "aicha", Reviews(Keep, "")),
    Step(27, (10, 47), "camille", "sean", Reviews(Keep, "")),
    Step(27, (10, 48), "camille", "kofi", Reviews(Keep, "")),
    Step(27, (10, 49), "camille", "lea", Reviews(Keep, "")),
    Step(27, (10, 50), "camille", "raphael", Reviews(Keep, "")),
    Step(27, (10, 51), "camille", "jules", Reviews(Keep, "")),
    Step(27, (10, 52), "camille", "nathalie", Reviews(Suspend, "Pas de connexion depuis trois mois")),
    Step(27, (10, 54), "camille", "karim", Reviews(Remove, "Fin de contrat")),
    Step(26, (9, 50), "", "rachel", Bounces),
    Step(23, (17, 40), "james", "george", IsSuspended("On a project for another agency")),
    Step(20, (14, 10), "charlotte", "daniel", SetsPassword),
    Step(15, (16, 5), "camille", "sean", GetsHistory),
    Step(12, (9, 10), "charlotte", "charlotte", ResetsPassword),
    Step(12, (15, 30), "elodie", "rachel", IsInvited),
    Step(9, (18, 0), "elodie", "jules", IsRemoved),
    Step(2, (7, 20), "", "zoe", IsRefused),
    Step(1, (17, 50), "elodie", "lea", Renames("Fournier-Blanc")),
    Step(1, (18, 20), "james", "mateo", EndsSessions),
    Step(1, (18, 40), "sophie", "sophie", SignsOut),
    Step(0, (2, 58), "", "william", IsRefused),
    Step(0, (0, 58), "mateo", "kofi", SetsEmail("kofi.mensah@example.com")),
    Step(0, (0, 48), "priya", "hannah", GetsHistory),
    Step(0, (0, 31), "elodie", "isabelle", IsInvited),
    Step(0, (0, 14), "james", "manon", Reviews(Keep, "Works from Lyon now")),
];
