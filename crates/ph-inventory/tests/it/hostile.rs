//! Files that want too much: each is refused, or read in a time that grows with its length alone.

use ph_inventory::{Inventory, ReadError, read};

const FILES: &[&str] = &[
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "uv.lock",
    "poetry.lock",
    "pylock.toml",
    "Pipfile.lock",
    "requirements.txt",
    "Cargo.lock",
    "go.mod",
    "go.sum",
    "bom.json",
    "node_modules/a/package.json",
    "a.dist-info/METADATA",
];

fn of(file: &str, text: &str) -> Result<Inventory, ReadError> {
    Ok(read::file(file, text.as_bytes())?.expect("a file that is known"))
}

#[test]
fn the_same_again_and_again_costs_its_length() {
    let patterns = [
        "[",
        "{\"a\":",
        "- ",
        "a: ",
        "\"",
        "'",
        "a",
        " ",
        "\n",
        "a@1:\n",
        "[[package]]\n",
        "[a]\n",
        "a.",
        "\\",
        "#",
        "a==1\n",
        "? ",
        "|\n",
        "a: |\n ",
        "{a: ",
        "[a, ",
        "é",
        "a = [",
        "\"\"\"",
        "a={a=",
        "// ",
        "/*",
        "a\tb c\n",
        "a b\\\n",
        "&a ",
        "*a ",
        "\u{feff}",
    ];
    for file in FILES {
        for pattern in patterns {
            let text = pattern.repeat((64 << 10) / pattern.len());
            // Whether it is refused does not matter here: it ends, and does not end the process.
            let _ = of(file, &text);
        }
    }
}

#[test]
fn a_name_that_stands_for_many_packages_is_not_multiplied() {
    let mut uv = String::from("version = 1\n");
    for version in 0..2000 {
        uv.push_str(&format!(
            "[[package]]\nname = \"a\"\nversion = \"{version}\"\n"
        ));
    }
    let needs = "{name=\"a\"},".repeat(2000);
    uv.push_str(&format!(
        "[[package]]\nname = \"b\"\ndependencies = [{needs}]\n"
    ));
    let error = of("uv.lock", &uv).unwrap_err();
    assert_eq!(
        error.to_string(),
        "uv.lock: more than 2000000 dependencies between packages"
    );
}

#[test]
fn deep_folders_with_many_dependencies_are_given_up() {
    let deep = "node_modules/a/".repeat(270);
    let deep = deep.trim_end_matches('/');
    let names: Vec<String> = (0..3000).map(|n| format!("\"{n}\":\"\"")).collect();
    let lock = format!(
        r#"{{"lockfileVersion": 3, "packages": {{"{deep}": {{"version": "1", "dependencies": {{{}}}}}}}}}"#,
        names.join(",")
    );
    let error = of("package-lock.json", &lock).unwrap_err();
    assert_eq!(
        error.to_string(),
        "package-lock.json: too many dependencies in folders that are too deep"
    );
}

#[test]
fn names_and_places_are_bounded() {
    let long = "a".repeat(2000);
    let error = of(
        "Cargo.lock",
        &format!("[[package]]\nname = \"{long}\"\nversion = \"1\"\nsource = \"x\"\n"),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Cargo.lock:1:1: a name, version or place that is too long"
    );
    let error = of(
        "node_modules/a/package.json",
        &format!("{{\"version\": \"{long}\"}}"),
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("a name, version or place that is too long")
    );
    let bytes = vec![b' '; (64 << 20) + 1];
    let error = read::file("go.sum", &bytes).unwrap_err();
    assert_eq!(error.to_string(), "go.sum: larger than 64 MiB");
}

#[test]
fn other_encodings_are_refused_with_their_place() {
    let error = read::file("yarn.lock", b"# a\nb\xff").unwrap_err();
    assert_eq!(error.to_string(), "yarn.lock:2:2: this byte is not UTF-8");
    assert_eq!(
        of("requirements.txt", "\u{feff}a==1\n")
            .unwrap()
            .components
            .len(),
        1
    );
}
