//! `cargo run --bin new-action -- NAME [LIKE]` starts a new action as a copy of the function LIKE (`get-user`) and
//! prints the remaining steps. See `CONTRIBUTING.md`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (name, like) = match arguments.as_slice() {
        [name] => (name.as_str(), "get-user"),
        [name, like] => (name.as_str(), like.as_str()),
        _ => {
            eprintln!("usage: new-action NAME [LIKE], such as: new-action archive-user force-logout");
            return ExitCode::FAILURE;
        }
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match create(&workspace, name, like) {
        Ok(created) => {
            for path in created {
                println!("created {}", path.display());
            }
            println!("{}", remaining(name));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: cannot create the action {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

const REMAINING: &str = "
Next, in this order (CONTRIBUTING.md has the details):
  1. shared/core/src/policy/actions.rs: the row of the action, and the reviewed grid
  2. shared/core/src/models/event_action.rs: the row of the event, for a change
  3. functions/ACTION/src/main.rs: still does what the copied function does
  4. template.yaml: the function, its route and its IAM statements
  5. shared/openapi.yaml: the operation
  6. tests/events/ACTION.json: still calls the copied function's route
  7. tests/api/MODULE.rs, tests/src/actor.rs and tests/iam/main.rs
  8. for a change: tests/sweep/action.rs, tests/history/operation.rs and tests/history/model.rs
  9. for the page: functions/portal-page/assets and tests/browser/MODULE.rs
  10. README.md and CHANGELOG.md";

/// The remaining steps for an action.
fn remaining(name: &str) -> String {
    REMAINING.replace("ACTION", name).replace("MODULE", &name.replace('-', "_"))
}

/// Writes the files of the new action. Returns their paths, relative to the workspace.
fn create(workspace: &Path, name: &str, like: &str) -> io::Result<Vec<PathBuf>> {
    let is_kebab_case =
        |text: &str| text.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()));
    if !is_kebab_case(name) || !is_kebab_case(like) {
        return Err(io::Error::other("names consist of lower-case words with hyphens"));
    }
    let (snake, like_snake) = (name.replace('-', "_"), like.replace('-', "_"));
    let rename = |text: &str| {
        let text = text.replace(like, name).replace(&like_snake, &snake);
        // `actions::force_logout` is a function that the copy calls, so its name stays, and so does the name of a method.
        ["::", "."].iter().fold(text, |text, by| text.replace(&format!("{by}{snake}"), &format!("{by}{like_snake}")))
    };
    let (function, copied) = (PathBuf::from("functions").join(name), workspace.join("functions").join(like));
    if workspace.join(&function).exists() {
        return Err(io::Error::other("the function exists already"));
    }

    let mut files = vec![(function.join("Cargo.toml"), rename(&fs::read_to_string(copied.join("Cargo.toml"))?))];
    for entry in fs::read_dir(copied.join("src"))? {
        let entry = entry?;
        files.push((function.join("src").join(entry.file_name()), rename(&fs::read_to_string(entry.path())?)));
    }
    let events = PathBuf::from("tests/events");
    let event = fs::read_to_string(workspace.join(&events).join(format!("{like}.json")))?;
    files.push((events.join(format!("{name}.json")), event));
    let test = format!(
        "//! The action `{name}`.\n\nuse portal_tests::template::functions;\n\n#[test]\nfn the_template_has_the_function() \
         {{\n    assert!(functions().iter().any(|function| function.binary == \"{name}\"));\n}}\n"
    );
    files.push((PathBuf::from(format!("tests/api/{snake}.rs")), test));

    for (path, text) in &files {
        let path = workspace.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_action_is_a_renamed_copy_with_an_event_and_a_test() {
        let workspace = env::temp_dir().join(format!("new-action-{}", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for file in [
            "functions/get-user/Cargo.toml",
            "functions/get-user/src/main.rs",
            "functions/force-logout/Cargo.toml",
            "functions/force-logout/src/main.rs",
            "tests/events/get-user.json",
            "tests/events/force-logout.json",
        ] {
            let path = workspace.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(source.join(file), path).unwrap();
        }
        let read = |path: &str| fs::read_to_string(workspace.join(path)).unwrap();

        create(&workspace, "archive-user", "get-user").unwrap();
        assert!(read("functions/archive-user/Cargo.toml").contains("name = \"archive-user\""));
        let code = read("functions/archive-user/src/main.rs");
        assert!(code.contains("async fn archive_user(") && !code.contains("get_user"), "{code}");
        assert_eq!(read("tests/events/archive-user.json"), read("tests/events/get-user.json"));
        assert!(read("tests/api/archive_user.rs").contains("archive-user"));

        create(&workspace, "lock-user", "force-logout").unwrap();
        let code = read("functions/lock-user/src/main.rs");
        assert!(code.contains("async fn lock_user(") && code.contains("actions::force_logout("), "{code}");

        assert!(create(&workspace, "archive-user", "get-user").is_err());
        assert!(create(&workspace, "Archive_User", "get-user").is_err());
        fs::remove_dir_all(workspace).unwrap();
    }

    #[test]
    fn the_remaining_steps_name_files_that_exist() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let steps = remaining("force-logout");
        let words = steps.split([' ', '\n', ',']).map(|word| word.trim_end_matches(':'));
        let paths: Vec<&str> = words.filter(|word| word.contains('/') || word.contains(".md")).collect();
        assert!(paths.len() > 15, "{paths:?}");
        for path in paths {
            assert!(workspace.join(path.trim_start_matches('(')).exists(), "{path}");
        }
    }
}
