//! Which functions a tool leads to, and which names then hold what its caller sent.
//!
//! Functions are found by their name, in whatever file: too many rather than too few.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::code::{Call, Code};

/// A function in a file.
pub(crate) type Site = (usize, usize);

/// So many steps at most: each function and name is taken once per tool, so only a hostile tree comes here.
const STEPS_MAX: usize = 200_000;

/// What is reached from one tool.
#[derive(Debug)]
pub(crate) struct Reached {
    /// For each function the one that leads to it; none for the tool's own.
    pub from: HashMap<(Site, String), Option<(Site, String)>>,
    /// Names that hold what the caller sent.
    pub tainted: HashSet<(Site, String)>,
    /// Not everything could be followed.
    pub is_cut: bool,
}

/// Follows all tools through all files.
pub(crate) fn follow(files: &[Code]) -> Reached {
    let by_name = by_name(files);
    let mut reached = Reached {
        from: HashMap::new(),
        tainted: HashSet::new(),
        is_cut: false,
    };
    let mut open: VecDeque<(Site, String)> = VecDeque::new();
    for (file, code) in files.iter().enumerate() {
        for (index, function) in code.functions.iter().enumerate() {
            if let Some(tool) = &function.tool {
                let entry = ((file, index), tool.clone());
                reached.from.insert(entry.clone(), None);
                open.push_back(entry);
            }
        }
    }
    let mut steps = 0;
    while let Some((site, tool)) = open.pop_front() {
        steps += 1;
        if steps > STEPS_MAX {
            reached.is_cut = true;
            break;
        }
        for (next, tool_there) in led_to(files, &by_name, site, &tool) {
            let there = (next, tool_there);
            if !reached.from.contains_key(&there) {
                reached
                    .from
                    .insert(there.clone(), Some((site, tool.clone())));
                open.push_back(there);
            }
        }
    }
    taint(files, &by_name, &mut reached);
    reached
}

type ByName<'a> = HashMap<&'a str, Vec<Site>>;

fn by_name(files: &[Code]) -> ByName<'_> {
    let mut by_name: ByName<'_> = HashMap::new();
    for (file, code) in files.iter().enumerate() {
        for (index, function) in code.functions.iter().enumerate().skip(1) {
            if !function.name.is_empty() {
                by_name
                    .entry(&function.name)
                    .or_default()
                    .push((file, index));
            }
        }
    }
    by_name
}

/// Functions that are called, that are handed on by name, and those inside.
fn led_to(
    files: &[Code],
    by_name: &ByName<'_>,
    (file, index): Site,
    tool: &str,
) -> Vec<(Site, String)> {
    let code = &files[file];
    let mut next = Vec::new();
    for call in &code.functions[index].calls {
        let tool = refined(tool, call.case.as_deref());
        let handed = call.args.iter().flatten().map(String::as_str);
        for name in std::iter::once(call.name.as_str()).chain(handed) {
            next.extend(
                by_name
                    .get(name)
                    .into_iter()
                    .flatten()
                    .map(|&site| (site, tool.clone())),
            );
        }
    }
    let inside = code.functions.iter().enumerate().skip(1);
    next.extend(
        inside
            .filter(|(_, function)| function.parent == index && function.tool.is_none())
            .map(|(inner, _)| ((file, inner), tool.to_owned())),
    );
    next
}

/// The handler of all tools is, inside a branch on a name, that of one.
pub(crate) fn refined(tool: &str, case: Option<&str>) -> String {
    match case {
        Some(case) if tool == "*" => case.to_owned(),
        _ => tool.to_owned(),
    }
}

/// What the caller sent is in the parameters of a tool's function; from there it goes where it is assigned and passed.
fn taint(files: &[Code], by_name: &ByName<'_>, reached: &mut Reached) {
    let mut open: Vec<(Site, String)> = Vec::new();
    let mark =
        |tainted: &mut HashSet<(Site, String)>, site: Site, names: &[String], open: &mut Vec<_>| {
            for name in names {
                if tainted.insert((site, name.clone())) {
                    open.push((site, name.clone()));
                }
            }
        };
    for (file, code) in files.iter().enumerate() {
        for (index, function) in code
            .functions
            .iter()
            .enumerate()
            .filter(|(_, f)| f.tool.is_some())
        {
            for names in &function.params {
                mark(&mut reached.tainted, (file, index), names, &mut open);
            }
        }
    }
    let mut steps = 0;
    while let Some((site, name)) = open.pop() {
        steps += 1;
        if steps > STEPS_MAX {
            reached.is_cut = true;
            return;
        }
        let (file, index) = site;
        let function = &files[file].functions[index];
        for flow in function
            .flows
            .iter()
            .filter(|flow| flow.from.contains(&name))
        {
            mark(&mut reached.tainted, site, &flow.to, &mut open);
        }
        for call in &function.calls {
            for (target, names) in passed(files, by_name, call, &name) {
                mark(&mut reached.tainted, target, names, &mut open);
            }
        }
        let inside = files[file].functions.iter().enumerate().skip(1);
        for (inner, _) in inside.filter(|(_, inner)| inner.parent == index) {
            mark(
                &mut reached.tainted,
                (file, inner),
                std::slice::from_ref(&name),
                &mut open,
            );
        }
    }
}

/// The parameters that take an argument in which the name is.
fn passed<'a>(
    files: &'a [Code],
    by_name: &ByName<'_>,
    call: &Call,
    name: &String,
) -> Vec<(Site, &'a [String])> {
    let mut passed = Vec::new();
    for &(file, index) in by_name.get(call.name.as_str()).into_iter().flatten() {
        let params = &files[file].functions[index].params;
        for (position, arg) in call.args.iter().enumerate() {
            if arg.contains(name)
                && let Some(names) = params.get(position)
            {
                passed.push(((file, index), names.as_slice()));
            }
        }
    }
    passed
}
