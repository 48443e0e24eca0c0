//! Which arguments are looked at, and how their texts are found in raw JSON.

use super::kind_of;
use super::shapes::{Found, Look, climbing, decoded, is_plain, look};
use ph_base::Method;
use ph_plan::{Anomalies, AnomalyName, Glob};
use ph_record::{AnomalyKind, Caller, Shape};

/// What of a plan decides about arguments.
#[derive(Clone, Debug)]
pub struct ArgumentRules {
    look: Look,
    bytes_max: Option<usize>,
    is_disabled: [bool; AnomalyKind::ALL.len()],
    blocks: [bool; AnomalyKind::ALL.len()],
    except_tools: Vec<Glob>,
    /// In lower case.
    except: Vec<String>,
    exempt: Vec<Glob>,
}

/// Longest text that is looked at whole. Of a longer one the first part is: nobody needs more to attack.
const TEXT_BYTES_MAX: usize = 64 * 1024;

impl ArgumentRules {
    /// The rules of `plan`; `None` when arguments are not looked at.
    pub fn new(plan: &Anomalies) -> Option<Self> {
        let arguments = &plan.arguments;
        let is_disabled = AnomalyKind::ALL.map(|kind| {
            let mut disabled = plan.disabled.iter().copied();
            disabled.any(|name| kind_of(name) == Some(kind))
        });
        let mut blocks = [false; AnomalyKind::ALL.len()];
        for name in AnomalyName::ALL.iter().copied().filter(|n| plan.blocks(*n)) {
            if let Some(kind) = kind_of(name) {
                blocks[kind as usize] = true;
            }
        }
        let roots = arguments.paths.iter();
        let roots = roots.filter_map(|path| path.as_path().to_str());
        let except = arguments.except.iter();
        let is_looked_for = |kind: AnomalyKind| !is_disabled[kind as usize];
        arguments.enabled.then(|| Self {
            look: Look {
                roots: roots
                    .map(|root| root.trim_end_matches('/').to_owned())
                    .collect(),
                private_targets: arguments.private_targets,
            },
            bytes_max: is_looked_for(AnomalyKind::Oversized)
                .then(|| arguments.bytes_max.as_usize()),
            is_disabled,
            blocks,
            except_tools: arguments.except_tools.clone(),
            except: except.map(|name| name.as_str().to_lowercase()).collect(),
            exempt: plan.exempt.clone(),
        })
    }

    /// Whether a call with this in its arguments is refused.
    pub fn refuses(&self, kind: AnomalyKind, caller: &Caller) -> bool {
        self.blocks[kind as usize] && !self.is_exempt(caller)
    }

    /// Whether nothing is abnormal of a caller.
    pub fn is_exempt(&self, caller: &Caller) -> bool {
        let exempt = &self.exempt;
        !exempt.is_empty() && {
            let name = caller.to_string();
            exempt.iter().any(|glob| glob.matches(&name))
        }
    }

    /// The first thing that is wrong with the arguments of a request.
    ///
    /// - `target`: name of the tool or prompt, or the address of the resource.
    /// - `arguments`: their JSON text, which was read as such before.
    pub fn look(
        &self,
        method: Method,
        target: Option<&str>,
        arguments: Option<&str>,
    ) -> Option<Shape> {
        if matches!(method, Method::ResourcesRead | Method::ResourcesSubscribe) {
            // Its own scheme is the server's; that it climbs is not.
            let (uri, is_disguised) = decoded(target?.as_bytes());
            let found = climbing(&uri).or_else(|| is_disguised.then(|| Found::disguised(&uri)))?;
            return self.shape(&found, "uri");
        }
        let is_except = |target: &str| self.except_tools.iter().any(|glob| glob.matches(target));
        let arguments = arguments.filter(|_| !target.is_some_and(is_except))?;
        if self.bytes_max.is_some_and(|max| arguments.len() > max) {
            return Some(Shape {
                kind: AnomalyKind::Oversized,
                argument: "arguments".into(),
                excerpt: format!("{} bytes", arguments.len()).into(),
            });
        }
        self.look_at(arguments.as_bytes())
    }

    /// Goes over the strings of a JSON text, each with the key that it stands under.
    fn look_at(&self, json: &[u8]) -> Option<Shape> {
        let mut key: &[u8] = b"";
        let mut at = 0;
        while let Some(open) = position(json, at, b'"') {
            let (end, is_noted) = string_end(json, open + 1);
            let text = &json[open + 1..end.min(json.len())];
            at = end + 1;
            let mut after = json[at.min(json.len())..].iter();
            if after.find(|b| !b.is_ascii_whitespace()) == Some(&b':') {
                key = text;
                continue;
            }
            if !is_noted || self.is_except(key) {
                continue;
            }
            if let Some(shape) = self.look_into(text, key) {
                return Some(shape);
            }
        }
        None
    }

    fn look_into(&self, raw: &[u8], key: &[u8]) -> Option<Shape> {
        let raw = &raw[..raw.len().min(TEXT_BYTES_MAX)];
        let found = if is_plain(raw) {
            look(raw, &self.look)
        } else {
            let (text, is_disguised) = decoded(raw);
            look(&text, &self.look).or_else(|| is_disguised.then(|| Found::disguised(raw)))
        };
        self.shape(&found?, &String::from_utf8_lossy(key))
    }

    fn is_except(&self, key: &[u8]) -> bool {
        let mut except = self.except.iter();
        except.any(|name| name.as_bytes().eq_ignore_ascii_case(key))
    }

    fn shape(&self, found: &Found, argument: &str) -> Option<Shape> {
        let is_told = !self.is_disabled[found.kind as usize];
        is_told.then(|| Shape {
            kind: found.kind,
            argument: cap(argument).into(),
            excerpt: cap(&found.excerpt).into(),
        })
    }
}

fn cap(text: &str) -> &str {
    let mut end = text.len().min(Shape::TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn position(bytes: &[u8], from: usize, wanted: u8) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.iter().position(|b| *b == wanted).map(|at| from + at)
}

/// Where a string ends, and whether a byte of it is one that everything abnormal has.
fn string_end(json: &[u8], from: usize) -> (usize, bool) {
    let mut noted = 0;
    let mut at = from;
    while let Some(byte) = json.get(at) {
        let class = CLASS[usize::from(*byte)];
        noted |= class;
        match class & END {
            0 => at += 1,
            _ if *byte == b'"' => return (at, is_noted(noted)),
            _ => at += 2,
        }
    }
    (json.len(), is_noted(noted))
}

/// `union select` has neither a dot nor a quote, and neither has the call of a function.
fn is_noted(noted: u8) -> bool {
    let has = |class| noted & class != 0;
    has(NOTED) || (has(U) && (has(SPACE) || has(PAREN))) || (has(UNDERSCORE) && has(PAREN))
}

const NOTED: u8 = 1;
const END: u8 = 2;
const U: u8 = 4;
const SPACE: u8 = 8;
const PAREN: u8 = 16;
const UNDERSCORE: u8 = 32;

/// Bytes of which one is in everything that is looked for, and those at which a string may end.
static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let noted = b"./%'`;|&${<\\\xe2\xef";
    let mut at = 0;
    while at < noted.len() {
        class[noted[at] as usize] |= NOTED;
        at += 1;
    }
    class[b'\\' as usize] |= END;
    class[b'"' as usize] |= END;
    class[b'u' as usize] |= U;
    class[b'U' as usize] |= U;
    class[b' ' as usize] |= SPACE;
    class[b'(' as usize] |= PAREN;
    class[b'_' as usize] |= UNDERSCORE;
    class
};
