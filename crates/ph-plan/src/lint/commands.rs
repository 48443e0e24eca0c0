//! What a command may do that its configuration does not say: run another version, or with the host's rights.

use super::is_open;

/// A risk: which argument, what it is, and what to do.
pub(super) type Finding = (usize, &'static str, &'static str);

const PACKAGE: &str = "the package has no fixed version: what runs may change with any start";
const IMAGE: &str = "the image has no fixed version: what runs may change with any start";
const RIGHTS: &str = "the container has the rights of the host";
const UNSEEN: &str = "a script from the network is run unseen";
const OPEN: &str = "calls go over the network without encryption";

/// The risks of `program` with these arguments, in their order.
pub(super) fn risks(program: &str, words: &[String]) -> Vec<Finding> {
    let program = program.rsplit(['/', '\\']).next().unwrap_or_default();
    let program = program
        .strip_suffix(".exe")
        .or_else(|| program.strip_suffix(".cmd"))
        .unwrap_or(program);
    let mut found: Vec<Finding> = Vec::new();
    found.extend(unpinned(program, words));
    if matches!(program, "docker" | "podman" | "nerdctl") {
        found.extend(privileged(words));
        found.extend(unpinned_image(words));
    }
    if matches!(program, "sh" | "bash" | "zsh" | "dash") {
        found.extend(piped(words));
    }
    // An address that a bridge such as `mcp-remote` is to go to.
    let open = words.iter().position(|word| is_open(word));
    found.extend(open.map(|nth| (nth, OPEN, "use `https://`")));
    found.sort_by_key(|(nth, _, _)| *nth);
    found
}

/// What runs a package: the words that it begins with after the program, and whether it is Python's.
const RUNNERS: [(&str, &[&str], bool); 16] = [
    ("npx", &[], false),
    ("bunx", &[], false),
    ("pnpx", &[], false),
    ("npm", &["exec"], false),
    ("npm", &["x"], false),
    ("pnpm", &["dlx"], false),
    ("yarn", &["dlx"], false),
    ("bun", &["x"], false),
    ("uvx", &[], true),
    ("uv", &["tool", "run"], true),
    ("pipx", &["run"], true),
    ("cmd", &["/c", "npx"], false),
    ("cmd", &["/C", "npx"], false),
    ("cmd", &["/c", "uvx"], true),
    ("cmd", &["/C", "uvx"], true),
    ("deno", &["run"], false),
];

/// A package that a new version of may run at any start.
fn unpinned(program: &str, words: &[String]) -> Option<Finding> {
    let (_, before, is_python) = RUNNERS.iter().find(|(name, before, _)| {
        *name == program
            && words.iter().zip(*before).filter(|(a, b)| a == *b).count() == before.len()
    })?;
    let rest = &words[before.len()..];
    // `--from PACKAGE COMMAND`, `-p PACKAGE`, `--package=PACKAGE`, else the first that is no option.
    let named = rest
        .iter()
        .position(|word| matches!(word.as_str(), "--from" | "--spec" | "-p" | "--package"));
    let joined = rest.iter().position(|word| {
        ["--from=", "--spec=", "--package="]
            .iter()
            .any(|option| word.starts_with(option))
    });
    let nth = match (named, joined) {
        (Some(nth), _) => nth + 1,
        (None, Some(nth)) => nth,
        (None, None) => rest.iter().position(|word| !word.starts_with('-'))?,
    };
    let package = rest.get(nth)?;
    let package = match joined {
        Some(at) if at == nth => package.split_once('=').map_or("", |(_, package)| package),
        _ => package,
    };
    let package = match (program, package.strip_prefix("npm:")) {
        (_, Some(package)) => package,
        // A file of one's own, or an address.
        ("deno", None) => return None,
        (_, None) => package,
    };
    if package.contains("${") || package.starts_with(['.', '/']) {
        return None;
    }
    let version = if *is_python && package.contains("==") {
        package.split_once("==").map(|(_, version)| version)
    } else {
        package
            .get(1..)
            .and_then(|rest| rest.rsplit_once('@'))
            .map(|(_, version)| version)
    };
    let is_fixed = version.is_some_and(|version| {
        version.starts_with(|c: char| c.is_ascii_digit())
            && !version.contains(['^', '~', '*', 'x', '|', '<', '>', ' '])
            || version.len() == 40 && version.bytes().all(|b| b.is_ascii_hexdigit())
    });
    let hint = if *is_python {
        "name a version: `package==1.2.3`"
    } else {
        "name a version: `package@1.2.3`"
    };
    (!is_fixed).then_some((before.len() + nth, PACKAGE, hint))
}

/// Options of `docker run` that give a container the rights of the host: alone, or with their value.
const RIGHTS_WORDS: [&str; 3] = ["--privileged", "--pid=host", "--userns=host"];
const RIGHTS_PAIRS: [(&str, &[&str]); 6] = [
    (
        "--cap-add",
        &["ALL", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE"],
    ),
    ("--pid", &["host"]),
    ("--userns", &["host"]),
    (
        "--security-opt",
        &["seccomp=unconfined", "apparmor=unconfined"],
    ),
    ("-v", &["/:"]),
    ("--volume", &["/:"]),
];

/// A container that may do what the host may.
fn privileged(words: &[String]) -> Option<Finding> {
    let is_value = |option: &str, value: &str| {
        let known = RIGHTS_PAIRS.iter().find(|(name, _)| *name == option);
        let values = known.map_or(&[][..], |(_, values)| values);
        values.iter().any(|bad| match bad.strip_suffix(':') {
            Some(_) => value.starts_with(bad),
            None => value.eq_ignore_ascii_case(bad),
        })
    };
    let nth = (0..words.len()).find(|nth| {
        let word = words[*nth].as_str();
        let with_value = word.split_once('=').is_some_and(|(o, v)| is_value(o, v));
        let before = nth.checked_sub(1).map(|n| words[n].as_str());
        RIGHTS_WORDS.contains(&word)
            || word.starts_with("--privileged=t")
            || word.contains("docker.sock")
            || with_value
            || before.is_some_and(|option| is_value(option, word))
    })?;
    Some((nth, RIGHTS, "leave it out, and give single capabilities"))
}

/// Options of `docker run` without a value; of all others the next word is the value.
const FLAGS: [&str; 14] = [
    "-i",
    "-t",
    "-it",
    "-ti",
    "-d",
    "-P",
    "--rm",
    "--init",
    "--interactive",
    "--tty",
    "--detach",
    "--privileged",
    "--read-only",
    "--no-healthcheck",
];

/// An image by its name alone, or by a tag that moves.
fn unpinned_image(words: &[String]) -> Option<Finding> {
    let run = words.iter().position(|word| word == "run")?;
    let mut nth = run + 1;
    let image = loop {
        let word = words.get(nth)?;
        if !word.starts_with('-') {
            break word;
        }
        let is_alone = word.contains('=') || FLAGS.contains(&word.as_str());
        nth += if is_alone { 1 } else { 2 };
    };
    if image.contains("${") || image.contains("@sha256:") {
        return None;
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    let is_fixed = last.split_once(':').is_some_and(|(_, tag)| tag != "latest");
    let hint = "name a version: `image:1.2.3`, or a digest";
    (!is_fixed).then_some((nth, IMAGE, hint))
}

/// A script from the network into a shell.
fn piped(words: &[String]) -> Option<Finding> {
    let nth = words.iter().position(|word| {
        (word.contains("curl ") || word.contains("wget ")) && word.contains('|')
    })?;
    Some((nth, UNSEEN, "keep the script, and run it from a file"))
}
