//! Checks the layers of the workspace by its dependencies.

use std::process::Command;

use portal_tests::workspace;

/// The domain does not depend on AWS or HTTP, not even through another crate.
#[test]
fn portal_core_depends_on_no_aws_or_http_crate() {
    const FORBIDDEN_PREFIXES: [&str; 6] = ["aws-", "http-", "hyper-", "lambda-", "lambda_", "tower"];
    const FORBIDDEN: [&str; 7] = ["axum", "h2", "http", "hyper", "portal", "reqwest", "tokio"];

    let arguments = ["tree", "--locked", "--offline", "--package", "portal-core"];
    let format = ["--edges", "normal,build", "--target", "all", "--prefix", "none", "--format", "{p}"];
    let output = Command::new(env!("CARGO")).args(arguments).args(format).current_dir(workspace()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: Vec<_> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    // The list belongs to the right package.
    assert!(crates.contains(&"portal-core") && crates.contains(&"argon2"), "{tree}");
    let forbidden: Vec<_> = crates
        .into_iter()
        .filter(|name| FORBIDDEN.contains(name) || FORBIDDEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    assert!(forbidden.is_empty(), "portal-core depends on {forbidden:?}");
}
