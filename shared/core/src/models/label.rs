//! The words by which people name roles and permissions: those of the API, and the labels of the portal's page in English
//! and French.

use super::{Permission, Permissions, Role, fold};

/// Returns the letters and digits of a heading or a label, without case and accents, so that different ways to write it
/// become equal: `First Name`, `first_name` and `firstName`, or `Rôle` and `role`. A remark in brackets at the end is
/// ignored.
pub fn label_key(label: &str) -> String {
    let key = |text: &str| fold(text).chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let name = label.split(['(', '[']).next().map(key).unwrap_or_default();
    if name.is_empty() { key(label) } else { name }
}

impl Role {
    /// Returns the role with this word or label, in any case.
    pub fn named(label: &str) -> Option<Self> {
        Some(match label_key(label).as_str() {
            "primaryadmin" | "administrateurprincipal" | "administratriceprincipale" => Self::PrimaryAdmin,
            "admin" | "administrator" | "administrateur" | "administratrice" => Self::Admin,
            "manager" | "gestionnaire" => Self::Manager,
            "viewer" | "lecteur" | "lectrice" => Self::Viewer,
            _ => return None,
        })
    }
}

impl Permission {
    /// Returns the permission with this word or label, in any case.
    pub fn named(label: &str) -> Option<Self> {
        Some(match label_key(label).as_str() {
            "usersread" | "viewusers" | "voirlesutilisateurs" => Self::UsersRead,
            "usersadd" | "addusers" | "ajouterdesutilisateurs" => Self::UsersAdd,
            "usersedit" | "editusers" | "modifierdesutilisateurs" => Self::UsersEdit,
            "usersremove" | "removeusers" | "supprimerdesutilisateurs" => Self::UsersRemove,
            "usersforcelogout" | "forcelogout" | "forcerladeconnexion" => Self::UsersForceLogout,
            "userssetpermissions" | "setrolesandpermissions" | "definirlesrolesetautorisations" => {
                Self::UsersSetPermissions
            }
            "usersresetfactors" | "resetsecondfactors" | "reinitialiserlessecondsfacteurs" => Self::UsersResetFactors,
            "auditread" | "viewthehistory" | "consulterlhistorique" => Self::AuditRead,
            _ => return None,
        })
    }
}

impl Permissions {
    /// Returns whether the label stands for no permissions.
    pub fn is_label_of_none(label: &str) -> bool {
        matches!(label_key(label).as_str(), "nopermissions" | "nopermission" | "aucuneautorisation")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_the_same_in_any_case_and_with_any_separators() {
        for label in ["First Name", "first_name", "firstName", "FIRST-NAME", " first name * ", "First Name [Required]"]
        {
            assert_eq!(label_key(label), "firstname", "{label}");
        }
        assert_eq!(label_key("Prénom (usuel)"), "prenom");
        assert_eq!(label_key("(Rôle)"), "role");
        assert_eq!(label_key(" - "), "");
    }

    #[test]
    fn roles_and_permissions_have_their_own_words() {
        for role in Role::ALL {
            assert_eq!(Role::named(role.as_str()), Some(role));
        }
        for permission in Permission::ALL {
            assert_eq!(Permission::named(permission.as_str()), Some(permission));
        }
    }

    #[test]
    fn labels_of_both_languages_are_known() {
        for (label, role) in [
            ("Primary admin", Role::PrimaryAdmin),
            ("ADMINISTRATEUR PRINCIPAL", Role::PrimaryAdmin),
            ("Administrateur", Role::Admin),
            ("administratrice", Role::Admin),
            ("Gestionnaire", Role::Manager),
            ("lecteur", Role::Viewer),
        ] {
            assert_eq!(Role::named(label), Some(role), "{label}");
        }
        for (label, permission) in [
            ("Set roles and permissions", Permission::UsersSetPermissions),
            ("Forcer la deconnexion", Permission::UsersForceLogout),
            ("Réinitialiser les seconds facteurs", Permission::UsersResetFactors),
            ("Consulter l'historique", Permission::AuditRead),
            ("CONSULTER L’HISTORIQUE", Permission::AuditRead),
        ] {
            assert_eq!(Permission::named(label), Some(permission), "{label}");
        }
        assert!(
            Permissions::is_label_of_none("no permissions") && Permissions::is_label_of_none("Aucune autorisation")
        );
        for label in ["", "owner", "Prénom"] {
            assert!(!Permissions::is_label_of_none(label), "{label}");
            assert_eq!((Role::named(label), Permission::named(label)), (None, None), "{label}");
        }
    }
}
