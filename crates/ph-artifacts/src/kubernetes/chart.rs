//! The same objects for Kustomize and for Helm.

use crate::file::{File, MARK};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::object::Object;
use crate::yaml::{Map, Yaml};

pub(crate) fn kustomize(objects: &[Object], to: &Kubernetes) -> Vec<File> {
    let mut root = Map::new()
        .with("apiVersion", "kustomize.config.k8s.io/v1beta1")
        .with("kind", "Kustomization");
    if let Some(namespace) = &to.namespace {
        root.put("namespace", namespace.as_str());
    }
    // One in a line: a list that grows by what others add.
    let listed = objects
        .iter()
        .map(|object| Yaml::from(object.file.as_str()));
    root.put("resources", listed.collect::<Yaml>());
    let head = format!(
        "A base for overlays of Kustomize. Written by `{MARK} kubernetes`: what differs from place to place belongs into\n\
         an overlay, and what Pilothouse does into its configuration."
    );
    let mut files = vec![File::new("base/kustomization.yaml", root.document(&head))];
    files.extend(
        objects
            .iter()
            .map(|object| File::new(format!("base/{}", object.file), object.text())),
    );
    files
}

/// The chart has no logic: what is in it is decided here, and what may be set is looked up.
pub(crate) fn helm(objects: Vec<Object>, to: &Kubernetes) -> Vec<File> {
    let chart = Map::new()
        .with("apiVersion", "v2")
        .with("name", to.name.as_str())
        .with("description", "Pilothouse in front of MCP servers.")
        .with("type", "application")
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("appVersion", env!("CARGO_PKG_VERSION"));
    let mut values = Map::new();
    let mut templates = Vec::new();
    for object in objects {
        let mut seen = Vec::new();
        let root = object
            .root
            .clone()
            .mapped(&mut |leaf| templated(leaf, &mut seen));
        for (name, about, value) in seen {
            put(&mut values, name, about, value);
        }
        let path = format!("templates/{}", object.file);
        let rest = escaped(&object.rest);
        let object = Object {
            root,
            rest,
            ..object
        };
        templates.push(File::new(path, object.text()));
    }
    let head = format!("A chart. Written by `{MARK} kubernetes`.");
    let of_values = format!(
        "What an installation may set. Written by `{MARK} kubernetes`: everything else is in the configuration of\n\
         Pilothouse, of which the chart is made anew."
    );
    let mut files = vec![
        File::new("chart/Chart.yaml", chart.document(&head)),
        File::new("chart/values.yaml", values.document(&of_values)),
    ];
    files.extend(
        templates
            .into_iter()
            .map(|file| File::new(format!("chart/{}", file.path), file.text)),
    );
    files
}

type Seen = (&'static str, &'static str, Yaml);

/// A value becomes a look-up of it; what looks like a template stays what it is.
fn templated(leaf: Yaml, seen: &mut Vec<Seen>) -> Yaml {
    match leaf {
        Yaml::Setting(setting) => {
            let look_up = format!("{{{{ .Values.{} }}}}", setting.name);
            let is_text = matches!(*setting.value, Yaml::Text(_));
            seen.push((setting.name, setting.about, *setting.value));
            if is_text {
                Yaml::Text(look_up)
            } else {
                Yaml::Word(look_up)
            }
        }
        Yaml::Text(text) => Yaml::Text(escaped(&text)),
        Yaml::Word(word) => Yaml::Word(escaped(&word)),
        Yaml::Script(lines) => Yaml::Script(lines.iter().map(|line| escaped(line)).collect()),
        Yaml::List(_) | Yaml::Map(_) => leaf,
    }
}

/// What opens a template, as a template that writes it: the rules have templates of their own, and a configuration may.
fn escaped(text: &str) -> String {
    text.replace("{{", "{{ `{{` }}")
}

/// Once for each name, in the order in which they are met.
fn put(values: &mut Map, name: &str, about: &str, value: Yaml) {
    let mut at = values;
    let mut parts = name.split('.').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_some() {
            at = at.below(part);
        } else if !at.has(part) {
            at.put_commented(vec![about.to_owned()], part, value);
            return;
        } else {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_of_others_stay_what_they_are() {
        let mut seen = Vec::new();
        let text = templated(Yaml::from("{{ $labels.server }} {{ $value }}"), &mut seen);
        let map = Map::new().with("summary", text);
        assert_eq!(
            map.document(""),
            "summary: '{{ `{{` }} $labels.server }} {{ `{{` }} $value }}'\n"
        );
        assert!(seen.is_empty());
    }

    #[test]
    fn a_name_that_is_met_again_is_one_value() {
        let mut values = Map::new();
        put(&mut values, "a.b", "first", Yaml::from(1));
        put(&mut values, "a.c", "other", Yaml::from("x"));
        put(&mut values, "a.b", "again", Yaml::from(2));
        assert_eq!(
            values.document(""),
            "a:\n  # first\n  b: 1\n  # other\n  c: 'x'\n"
        );
    }
}
